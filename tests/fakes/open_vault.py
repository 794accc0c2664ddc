"""A vault with its own `keys.db`, for tests that need no other part of a bridge."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from bridge.storage.key_file import KeyFile
from bridge.storage.vault import Vault


@contextlib.asynccontextmanager
async def open_vault(directory: Path) -> AsyncIterator[Vault]:
    """Open a vault in a directory, and close it after the block."""
    keys = KeyFile(path=directory / "keys.db")
    await keys.open()
    yield Vault(keys=keys, vault_key=bytes(range(32)), index_key=bytes(range(1, 33)))
    await keys.close()
