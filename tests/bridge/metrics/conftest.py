"""The metrics of a bridge without a homeserver."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bridge.config.load import load
from bridge.metrics.server import MetricsServer
from tests.bridge.papers import Papers
from tests.fakes.bridge_harness import BridgeHarness
from tests.free_ports import free_ports


@pytest.fixture
async def metrics(harness: BridgeHarness, tmp_path: Path) -> AsyncIterator[MetricsServer]:
    """Put the metrics up over the parts of the harness, on a free port; nothing listens before `run`."""
    papers = Papers(tmp_path)
    papers.raw["metrics"] = {"listen": f"127.0.0.1:{free_ports()}"}
    papers.write("canary", "cd" * 32)
    papers.raw["canary"] = {"secret_file": papers.file("canary")}
    config = load(papers.save())
    assert config.metrics is not None
    config.data_dir.mkdir()
    async with aiohttp.ClientSession() as http:
        yield MetricsServer(
            harness.services,
            config=config,
            settings=config.metrics,
            http=http,
            desk=lambda: harness.engine.desk,
            is_ready=lambda: harness.has_rooms,
            run_directory=tmp_path,
        )
