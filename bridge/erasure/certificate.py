"""The signed, content-free proof that something is gone.

Rules of this module: a certificate says what was looked for and what was found, by counts and fixed words. Times are
rounded to the hour. It names no room, person, phone or carrier's id, and its own id is random. What a carrier keeps is
called kept. It is signed (Ed25519, RFC 8032) with a key that derives from the vault key, so that a person who can change
only the database can neither forge nor alter one. It cannot show that another certificate was removed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bridge.storage.vault import Vault
from bridge.tables.audit_log import format_hour

KEY_LABEL: Final = "erasure receipts"
"""The key derives from this label. It must not change, nor `receipt` in the signed text, so that old certificates stay
valid."""
FOREIGN_UPLOADS: Final = "uploads of others, only pointed to"
"""The only thing that is counted although we may not erase it."""
KEPT_PAGES: Final[dict[str, str]] = {
    "postgres": (
        "PostgreSQL database that keeps ciphertext: in pages until it writes over them, in its write-ahead log until that "
        "is recycled, in archives, standbys and backups as long as those are kept"
    ),
    "postgres-full": (
        "PostgreSQL database that keeps ciphertext: in pages until the next vacuum, where a table is larger than "
        "full_vacuum_bytes until they are written over; in its write-ahead log until that is recycled, in archives, "
        "standbys and backups as long as those are kept"
    ),
}
"""What a deletion leaves in a homeserver's database that has other rooms too, by `database` of `RoomStatus`."""
OWN_PAGES: Final = (
    "PostgreSQL database of the bridge that keeps ids, times and ciphertext without its key: in pages until it writes over "
    "them, in its write-ahead log until that is recycled, in archives, standbys and backups as long as those are kept"
)
"""What a deletion leaves in the bridge's own database, if that is PostgreSQL."""
LEFT: Final = frozenset({FOREIGN_UPLOADS, OWN_PAGES, *KEPT_PAGES.values()})
"""The counts of things that still exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureCertificate:
    """A certificate as stored: canonical JSON and its signature."""

    id: str
    body: str
    signature: bytes

    @property
    def content(self) -> dict[str, Any]:
        """Return its fields."""
        value: dict[str, Any] = json.loads(self.body)
        return value


class CertificateSigner:
    """Signs and checks certificates of one installation."""

    def __init__(self, *, vault: Vault) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(vault.derive(KEY_LABEL))

    def sign(
        self, *, id_: str, what: str, began: float, done: float, counts: Mapping[str, int], carrier: Mapping[str, int]
    ) -> ErasureCertificate:
        """Make a certificate. `counts`: what was found gone; `carrier`: how many carrier copies have which result."""
        content = {
            "receipt": id_,
            "what": what,
            "began": format_hour(began),
            "done": format_hour(done),
            "gone": {name: count for name, count in sorted(counts.items()) if name not in LEFT},
            "left": {name: count for name, count in sorted(counts.items()) if name in LEFT},
            "carrier": dict(sorted(carrier.items())),
        }
        body = json.dumps(content, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
        return ErasureCertificate(id=id_, body=body, signature=self._key.sign(body.encode()))

    def verify(self, certificate: ErasureCertificate) -> bool:
        """Whether a certificate is ours, is unaltered, and has its id."""
        try:
            self._key.public_key().verify(certificate.signature, certificate.body.encode())
            return bool(certificate.content.get("receipt") == certificate.id)
        except (InvalidSignature, ValueError):
            return False
