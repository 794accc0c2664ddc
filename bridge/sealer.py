"""What the Matrix edge needs of the vault, in the words the edge uses."""

from __future__ import annotations

from bridge.vault import Sealed, Vault


class Sealer:
    """`bridge.matrix.sealing.Sealer` over the vault."""

    def __init__(self, *, vault: Vault) -> None:
        self._vault = vault

    def seal(self, owner: str, context: str, data: bytes) -> bytes:
        """Seal. Raises `LookupError` when the owner has no key (any more)."""
        try:
            return self._vault.seal_now(owner, context, data)
        except Sealed:
            raise LookupError("no key") from None

    def unseal(self, owner: str, context: str, sealed: bytes) -> bytes:
        """Open. Raises `LookupError` when it cannot be opened (any more)."""
        try:
            return self._vault.open_now(owner, context, sealed)
        except Sealed:
            raise LookupError("no key") from None
