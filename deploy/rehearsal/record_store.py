"""What the carrier keeps over its own restart: every text, whether a copy exists, and what the line has not acknowledged.

Rules of this module: a text, and the deletion of a copy, is written before its request is answered; the status of a text is
written a moment later, so after a kill a webhook may be sent twice but is never lost. The file is a journal: each state of
a text is one line, the last one counts, and each start removes the others. Each line is sealed under the carrier's own key
(AES-256-GCM), so the file shows only the number of changes. It is deleted with the data directory.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from deploy.rehearsal.exchange import Attachment, SmsRecord
from policies import ProblemsError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

NONCE_BYTES: Final = 12
WRITE_SECONDS: Final = 0.05
"""How long a change of status waits for others, to be written together."""


class RecordStore:
    """One file of texts. Made by :meth:`open`, used in one event loop."""

    def __init__(self, descriptor: int, cipher: AESGCM) -> None:
        self._descriptor, self._cipher = descriptor, cipher
        self._changed: dict[int, SmsRecord] = {}
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    def open(cls, path: Path, key: bytes) -> tuple[RecordStore, list[SmsRecord]]:
        """Open or make the file; return what it holds, oldest first. Raises :class:`ProblemsError` for another key."""
        cipher = AESGCM(key)
        try:
            # A line that a kill interrupted has no line end.
            lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
            by_sequence = {record.sequence: record for record in (_open(cipher, line) for line in lines)}
        except (InvalidTag, ValueError, KeyError, TypeError):
            raise ProblemsError(
                [f"store: {path} cannot be read with this key; put its key back, or remove it and begin with empty phones"]
            ) from None
        records = [by_sequence[sequence] for sequence in sorted(by_sequence)]
        written = path.with_name(f"{path.name}.new")
        descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        store = cls(descriptor, cipher)
        store._write(records)
        os.fsync(descriptor)
        written.replace(path)
        return store, records

    def put(self, record: SmsRecord) -> None:
        """Write a text at once."""
        self._changed.pop(record.sequence, None)
        self._write([record])

    def note(self, record: SmsRecord) -> None:
        """Write a text's new state soon."""
        self._changed[record.sequence] = record
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WRITE_SECONDS, self._flush)

    def close(self) -> None:
        """Write the waiting changes, and close."""
        if self._timer is not None:
            self._timer.cancel()
        self._flush()
        os.close(self._descriptor)

    def _flush(self) -> None:
        self._timer = None
        changed, self._changed = self._changed, {}
        self._write(changed.values())

    def _write(self, records: Iterable[SmsRecord]) -> None:
        content = b"".join(self._seal(record) for record in records)
        end = os.fstat(self._descriptor).st_size
        try:
            while content:
                content = content[os.write(self._descriptor, content) :]
        except OSError:
            os.ftruncate(self._descriptor, end)  # otherwise the next line would be joined to the half of this one
            raise

    def _seal(self, record: SmsRecord) -> bytes:
        # A lone surrogate, which a handset may send, is written as \\udXXX.
        content = json.dumps({**asdict(record), "at": record.time}).encode()
        nonce = os.urandom(NONCE_BYTES)
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, content, None)) + b"\n"


def _open(cipher: AESGCM, line: bytes) -> SmsRecord:
    sealed = base64.b64decode(line, validate=True)
    content: dict[str, Any] = json.loads(cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None))
    media = tuple(Attachment(**each) for each in content.pop("media"))
    return SmsRecord(**{**content, "media": media, "at": datetime.fromisoformat(content["at"])})
