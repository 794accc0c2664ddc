"""A vault over a `keys.db` of its own, for tests that need nothing else of a bridge."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from bridge.storage.key_file import KeyFile
from bridge.storage.vault import Vault


@contextlib.asynccontextmanager
async def open_vault(directory: Path) -> AsyncIterator[Vault]:
    """Open it in a directory, and close it again."""
    keys = KeyFile(path=directory / "keys.db")
    await keys.open()
    yield Vault(keys=keys, vault_key=bytes(range(32)), index_key=bytes(range(1, 33)))
    await keys.close()
