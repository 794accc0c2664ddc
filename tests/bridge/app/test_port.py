"""A port that is taken when the bridge starts, of one that leads and of one that waits."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import web

from bridge.app import port as port_module
from bridge.app.bridge import Bridge
from bridge.app.line_files import CannotStart
from bridge.app.standby import StartupListener
from bridge.config.load import load
from bridge.config.sections import Config
from bridge.runtime.crash_points import never_crash
from policies.load import load as load_pack
from tests.bridge.papers import Papers
from tests.free_ports import free_ports

Start = Callable[[Config, AsyncExitStack], Awaitable[None]]


async def lead(config: Config, stack: AsyncExitStack) -> None:
    config.data_dir.mkdir(exist_ok=True)
    pack = load_pack(config.line.packs, near=config.data_dir.parent)
    await Bridge.open(config=config, pack=pack, crash=never_crash, stack=stack)


async def wait(config: Config, stack: AsyncExitStack) -> None:
    front = StartupListener(config)
    stack.push_async_callback(front.close)
    await front.open()


@pytest.fixture(params=[lead, wait], ids=["leader", "standby"])
def start(request: pytest.FixtureRequest) -> Start:
    """Return what listens."""
    starter: Start = request.param
    return starter


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Make a line whose port is tried again and again without a pause."""
    papers = Papers(tmp_path)
    papers.raw["listen"]["port"] = free_ports()
    monkeypatch.setattr(port_module, "PORT_RETRY_SECONDS", 0.01)
    return load(papers.save())


async def test_a_port_that_stays_taken_ends_the_start(
    config: Config, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the port and what to do, and is no failure that is tried again."""
    monkeypatch.setattr(port_module, "PORT_WAIT_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", config.listen.port)):
        async with AsyncExitStack() as stack:
            with pytest.raises(
                CannotStart, match=rf"port {config.listen.port}: in use by another program\. .*--?listen|listen\."
            ):
                await start(config, stack)


async def test_a_port_that_is_freed_is_listened_on(config: Config, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bridge that is just ending lets go of it: the next one waits, be it to lead or to wait."""
    other = socket.create_server(("127.0.0.1", config.listen.port))
    tries: list[int | None] = []
    once = port_module.try_to_listen

    async def try_to_listen(runner: web.AppRunner, host: str, port: int) -> int | None:
        tries.append(await once(runner, host, port))
        if len(tries) == 3:
            other.close()
        return tries[-1]

    monkeypatch.setattr(port_module, "try_to_listen", try_to_listen)
    async with AsyncExitStack() as stack:
        await start(config, stack)
        _, there = await asyncio.open_connection("127.0.0.1", config.listen.port)
        there.close()
        await there.wait_closed()
    assert [error is None for error in tries] == [False, False, False, True]


async def test_an_address_that_is_not_there_is_named(config: Config, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of another machine, which might come with the network, ends the start in the same way."""
    monkeypatch.setattr(port_module, "PORT_WAIT_SECONDS", 0.05)
    elsewhere = config.model_copy(update={"listen": config.listen.model_copy(update={"host": "192.0.2.1"})})
    async with AsyncExitStack() as stack:
        with pytest.raises(CannotStart, match="its address is none of this machine's"):
            await start(elsewhere, stack)
