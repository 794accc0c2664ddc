"""The proof that something is gone: a receipt without content, signed.

Rules of this module: a receipt says what was looked for and what was found, by counts and fixed words; times are rounded to
the hour; nothing in it names a room, a person, a phone or a carrier's id, and its own id is random. What a carrier keeps
stands in it as kept. It is signed (Ed25519, RFC 8032) with a key that the vault key makes, so that whoever can change the
database alone can neither forge nor alter one; that one was taken away altogether it cannot show.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bridge.storage.vault import Vault

LABEL: Final = "erasure receipts"
HOUR: Final = 3600
LEFT: Final = "uploads of others, only pointed to"
"""The one thing that is counted and not ours to erase."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A receipt as it is kept: canonical JSON and its signature."""

    id: str
    body: str
    signature: bytes

    @property
    def told(self) -> dict[str, Any]:
        """What it says."""
        value: dict[str, Any] = json.loads(self.body)
        return value


class Signer:
    """Signs and checks receipts of one installation."""

    def __init__(self, *, vault: Vault) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(vault.derive(LABEL))

    def sign(
        self, *, id_: str, what: str, began: float, done: float, counts: Mapping[str, int], carrier: Mapping[str, int]
    ) -> Receipt:
        """Make a receipt. `counts`: what was found gone; `carrier`: what became of its copies, in its words."""
        told = {
            "receipt": id_,
            "what": what,
            "began": hour(began),
            "done": hour(done),
            "gone": {name: count for name, count in sorted(counts.items()) if name != LEFT},
            "left": {name: count for name, count in sorted(counts.items()) if name == LEFT},
            "carrier": dict(sorted(carrier.items())),
        }
        body = json.dumps(told, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
        return Receipt(id=id_, body=body, signature=self._key.sign(body.encode()))

    def holds(self, receipt: Receipt) -> bool:
        """Whether a receipt is ours, unaltered, and the one of its id."""
        try:
            self._key.public_key().verify(receipt.signature, receipt.body.encode())
            return bool(receipt.told.get("receipt") == receipt.id)
        except (InvalidSignature, ValueError):
            return False


def hour(at: float) -> str:
    """Return a time, rounded down to the hour, in UTC."""
    return datetime.fromtimestamp(at // HOUR * HOUR, UTC).strftime("%Y-%m-%dT%HZ")
