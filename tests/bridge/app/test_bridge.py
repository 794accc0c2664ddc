"""What ends the bridge."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from bridge.app.bridge import Bridge
from bridge.config import load
from bridge.runtime.crash_points import never_crash
from bridge.storage.database import Transaction
from bridge.storage.errors import Unavailable
from bridge.storage.sqlite_database import SqliteDatabase
from policies.load import load as load_pack
from tests.bridge.test_config import Papers
from tests.deploy.processes import free_port_base


@pytest.mark.parametrize("of_puppet", [False, True], ids=["main.db", "voice.db"])
async def test_whatever_ends_the_syncing_of_a_database_ends_the_bridge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of_puppet: bool
) -> None:
    """It raises what it was, to be started again: else every commit would wait, and the process look alive."""
    papers = Papers(tmp_path)
    papers.raw["listen"]["port"] = free_port_base()
    config = load(papers.save())
    config.data_dir.mkdir()

    async def fails() -> None:
        raise RuntimeError("can't start new thread")

    async def nothing(_conn: Transaction) -> None:
        pass

    async with AsyncExitStack() as stack:
        pack = load_pack(config.line.packs, near=tmp_path)
        bridge = await Bridge.open(config=config, pack=pack, crash=never_crash, stack=stack)
        resources = bridge._resources
        database = resources.puppet_database if of_puppet else resources.services.database
        assert isinstance(database, SqliteDatabase)
        running = asyncio.create_task(bridge.run())
        await asyncio.sleep(0)
        assert not running.done()
        monkeypatch.setattr(database._wal, "sync", fails)
        with contextlib.suppress(Unavailable):
            await database.commit(nothing)
        with pytest.raises(ExceptionGroup) as ended:
            await running
        assert ended.group_contains(RuntimeError, match="new thread")


async def test_ready_tells_a_role_and_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it starts: live, not ready. With its desk: leader, and only its own file names room and accounts."""
    papers = Papers(tmp_path)
    port = papers.raw["listen"]["port"] = free_port_base()
    config = load(papers.save())
    config.data_dir.mkdir()
    run = tmp_path / "run"
    run.mkdir()
    (run / "bridge.json").write_text("of a bridge that was killed")
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:

        async def ask(path: str) -> tuple[int, str]:
            async with http.get(path) as answer:
                return answer.status, await answer.text()

        async with AsyncExitStack() as stack:
            pack = load_pack(config.line.packs, near=tmp_path)
            bridge = await Bridge.open(config=config, pack=pack, crash=never_crash, stack=stack, run_directory=run)
            assert not (run / "bridge.json").exists()
            assert await ask("/live") == (200, "")
            assert await ask("/ready") == (503, '{"role": "starting"}')
            monkeypatch.setattr(bridge.matrix_workers, "desk_room", lambda: "!desk")
            assert await ask("/ready") == (200, '{"role": "leader"}')
            assert '"!desk"' in (run / "bridge.json").read_text()
        assert not (run / "bridge.json").exists()
