"""The line that most tests of this folder work with; a file that needs another has its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.deploy.line_directory import LineDirectory, line_directory


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[LineDirectory]:
    async with line_directory(tmp_path) as there:
        yield there
