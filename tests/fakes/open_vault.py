"""A vault with its own `keys.db`, for tests that need no other part of a bridge."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from bridge.storage.key_file import KeyFile
from bridge.storage.vault import Vault


def vault_over(keys: KeyFile) -> Vault:
    """Return a vault with the keys of the tests."""
    return Vault(keys=keys, vault_key=bytes(range(32)), index_key=bytes(range(1, 33)))


@contextlib.asynccontextmanager
async def open_vault(directory: Path) -> AsyncIterator[Vault]:
    """Open a vault in a directory, and close it after the block."""
    keys = KeyFile(path=directory / "keys.db")
    await keys.open()
    yield vault_over(keys)
    await keys.close()
