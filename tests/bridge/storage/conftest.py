"""The key file that its own tests and the vault's begin with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.storage.key_file import KeyFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.db"


@pytest.fixture
async def keys(path: Path) -> AsyncIterator[KeyFile]:
    keys = KeyFile(path=path)
    await keys.open()
    yield keys
    await keys.close()
