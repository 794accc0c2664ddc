"""What tests of the process begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bridge.app.starts import start
from tests.bridge.papers import Papers
from tests.free_ports import free_ports


@pytest.fixture
async def papers(tmp_path: Path) -> Papers:
    """Make a line that was started once."""
    line_papers = Papers(tmp_path)
    line_papers.raw["listen"]["port"] = free_ports()
    (tmp_path / "bridge").mkdir()
    await start(line_papers)
    return line_papers
