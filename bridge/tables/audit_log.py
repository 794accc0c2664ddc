"""The audit: kinds of acts by the hour, in their order, until they expire.

Rules of this module: an entry is written in the commit of the act. It holds an hour, a kind, and `desk`, `line`, or six
letters derived from the thread's own key, which identify nobody once the thread has ended. Each carries a MAC over itself
and the previous entry, under a key derived from the vault key.

Against whom. A person who can write the database but has no vault key (the keeper of the database or its disk, a second
program on it, a supervisor who asked the technician for "just that one line") can neither change, insert, drop nor reorder
entries, nor cut off the newest, without `verify` saying so. Entries expire from the old end: before the first remaining
entry there is one sealed mark, which needs the vault key, and which says up to which hour entries were deleted. It does not
protect against a person who also has the vault key, nor against a restore of the whole database to an earlier day.

Sources: RFC 2104 (HMAC); decisions/operations.md, "The audit".
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from bot.model.actions import DESK
from bot.model.audit_kinds import AuditKind
from bridge.runtime import log
from bridge.storage.database import Reader, Snapshot, Transaction
from bridge.storage.vault import CannotOpen, Vault
from bridge.tables import line_state
from bridge.tables.line_state import AUDIT_FLOOR, AUDIT_HEAD

KEY_LABEL: Final = "audit"
HOUR: Final = 3600
"""Rows of `line`: the newest entry, and the newest that was forgotten."""
NON_THREAD_SUBJECTS: Final = frozenset({DESK, "line"})
"""The subject of an entry that is about no thread."""
GENESIS_MAC: Final = b"\x00" * 32


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One entry. `hour`: seconds since the epoch, at the full hour; `about`: `desk`, `line`, or six letters."""

    seq: int
    hour: int
    about: str
    kind: str
    mac: bytes


class AuditLog:
    """Writes and checks the audit of one installation."""

    def __init__(self, *, vault: Vault) -> None:
        self._vault, self._key = vault, vault.derive(KEY_LABEL)

    async def record(self, transaction: Transaction, owner: str, kinds: Iterable[AuditKind], *, now: float) -> None:
        """Write entries of these kinds, inside the commit of the acts."""
        hour, about = int(now) - int(now) % HOUR, await self._subject(owner)
        for kind in kinds:
            try:
                head = self._read_mark(await line_state.get(transaction, AUDIT_HEAD), AUDIT_HEAD)
            except ValueError:
                # A person changed it: `verify` will report it, and the line continues.
                log.event("audit.mark_tampered")
                head = None
            before = head.mac if head else GENESIS_MAC
            mac = self._mac(before.hex(), str(hour), about, kind.value)
            seq = await transaction.fetchval(
                "INSERT INTO audit (hour, about, kind, mac) VALUES ($1, $2, $3, $4) RETURNING seq",
                hour,
                about,
                kind.value,
                mac,
            )
            await self._write_mark(transaction, AUDIT_HEAD, AuditEntry(seq=seq, hour=hour, about="", kind="", mac=mac))

    async def expire(self, transaction: Transaction, before: float) -> int:
        """Forget entries of hours before that time; return how many. The mark that takes their place is sealed."""
        rows = await transaction.fetch("SELECT seq, hour, mac FROM audit WHERE hour < $1 ORDER BY seq", int(before))
        if not rows:
            return 0
        last = rows[-1]
        # A clock that was set may have left a younger hour before an older one: then nothing is deleted until it expires
        # too.
        count = await transaction.fetchval("SELECT COUNT(*) FROM audit WHERE seq <= $1", last["seq"])
        if count != len(rows):
            return 0
        entry = AuditEntry(
            seq=last["seq"], hour=max(row["hour"] for row in rows), about="", kind="", mac=bytes(last["mac"])
        )
        await self._write_mark(transaction, AUDIT_FLOOR, entry)
        await transaction.execute("DELETE FROM audit WHERE seq <= $1", last["seq"])
        return len(rows)

    def verify(self, rows: Sequence[AuditEntry], head: str | None, floor: str | None, *, expired: float) -> list[str]:
        """Return the faults of entries in their order, checked with both marks of the table `line`; empty if none.

        `expired`: entries older than that may have been forgotten, younger ones not.
        """
        try:
            newest, forgotten = self._read_mark(head, AUDIT_HEAD), self._read_mark(floor, AUDIT_FLOOR)
        except ValueError:
            return ["a mark of the audit was changed"]
        problems = []
        if forgotten is not None and forgotten.hour >= expired:
            problems.append("entries were forgotten before their time")
        mac = forgotten.mac if forgotten else GENESIS_MAC
        for entry in rows:
            expected = self._mac(mac.hex(), str(entry.hour), entry.about, entry.kind)
            if not hmac.compare_digest(expected, entry.mac):
                problems.append(f"entry {entry.seq} does not follow from the one before it")
                break
            mac = entry.mac
        else:
            if not hmac.compare_digest(mac, newest.mac if newest else GENESIS_MAC):
                problems.append("the newest entries are missing")
        return problems

    async def _subject(self, owner: str) -> str:
        if owner in NON_THREAD_SUBJECTS:
            return owner
        try:
            return (await self._vault.derive_for(owner, KEY_LABEL)).hex()[:6]
        except CannotOpen:
            return "gone"

    async def _write_mark(self, transaction: Transaction, name: str, entry: AuditEntry) -> None:
        text = json.dumps([entry.seq, entry.hour, entry.mac.hex()])
        value = json.dumps([text, self._mac(name, text).hex()])
        await line_state.put(transaction, name, value)

    def _read_mark(self, value: str | None, name: str) -> AuditEntry | None:
        """Read a mark. Raises ValueError when it is not ours."""
        if value is None:
            return None
        try:
            text, mac = json.loads(value)
            genuine = hmac.compare_digest(self._mac(name, text), bytes.fromhex(mac))
            seq, hour, digest = json.loads(text)
            entry = AuditEntry(seq=int(seq), hour=int(hour), about="", kind="", mac=bytes.fromhex(digest))
        except (TypeError, ValueError, AttributeError, ArithmeticError):
            raise ValueError("not a mark of the audit") from None
        if not genuine:
            raise ValueError("a mark of the audit that is not ours")
        return entry

    def _mac(self, *parts: str) -> bytes:
        whole = b"".join(len(raw).to_bytes(4, "big") + raw for raw in (part.encode() for part in parts))
        return hmac.digest(self._key, whole, hashlib.sha256)


async def newest_entries(reader: Reader, most: int) -> list[AuditEntry]:
    """Return the newest entries, the oldest of them first."""
    rows = await reader.fetch("SELECT seq, hour, about, kind, mac FROM audit ORDER BY seq DESC LIMIT $1", most)
    return [AuditEntry(**{**dict(row), "mac": bytes(row["mac"])}) for row in reversed(rows)]


def format_entries(entries: Sequence[AuditEntry], zone: str = "") -> str:
    """Format entries for a person: hour, kind, and the letters that distinguish threads.

    `zone`: the time zone of the hours, as a room shows them; without it they are in UTC.
    """
    hours = [
        f"{datetime.fromtimestamp(e.hour, ZoneInfo(zone)):%Y-%m-%d %H}h" if zone else format_hour(e.hour) for e in entries
    ]
    lines = [
        f"{hour}  {e.kind}{'' if e.about in NON_THREAD_SUBJECTS else '  ' + e.about}"
        for hour, e in zip(hours, entries, strict=True)
    ]
    return "\n".join(lines) or "Nothing is noted."


def format_hour(at: float) -> str:
    """Say the hour of a time, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%HZ")


def peek(connection: Snapshot) -> tuple[list[AuditEntry], str | None, str | None]:
    """Return every entry, the oldest first, and both marks as `verify` takes them, to a command beside the bridge."""
    rows = connection.fetch("SELECT seq, hour, about, kind, mac FROM audit ORDER BY seq")
    entries = [AuditEntry(**dict(row)) for row in rows]
    return entries, line_state.peek(connection, AUDIT_HEAD), line_state.peek(connection, AUDIT_FLOOR)
