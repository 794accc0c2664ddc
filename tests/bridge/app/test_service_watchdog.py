"""The sign of life: it comes while the database answers, and falls silent with it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from bridge.app.bridge import ServiceWatchdog
from bridge.runtime.clock import SteadyClock
from bridge.runtime.crash_points import never_crash
from bridge.runtime.service_notifier import ServiceNotifier, ServiceState
from bridge.services import Services
from bridge.storage.database import Sync
from bridge.storage.errors import Unavailable
from tests.e2e.polling import wait_until


class Database:
    """A writer that answers, refuses, or hangs. `commits` counts what it was asked."""

    def __init__(self) -> None:
        self.refuses = False
        self.free = asyncio.Event()
        self.free.set()
        self.commits = 0

    async def commit(self, _work: Any, *, sync: Sync = Sync.AWAIT) -> None:
        assert sync is Sync.DEFER, "nothing is written: there is nothing to wait for"
        self.commits += 1
        await self.free.wait()
        if self.refuses:
            raise Unavailable("locked")


class Systemd:
    """A socket of its own, and what came."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)
        self.notifier = ServiceNotifier(address=str(path), interval=0.001)

    def heard(self) -> list[str]:
        """Take what came since the last call."""
        messages = []
        with suppress(BlockingIOError):
            while True:
                messages.append(self.socket.recv(1000).decode())
        return messages


@contextmanager
def systemd(directory: Path) -> Iterator[Systemd]:
    receiver = Systemd(directory / "notify")
    with receiver.socket:
        yield receiver


def watchdog(database: Any, notifier: ServiceNotifier, ready: list[bool]) -> ServiceWatchdog:
    nothing: Any = None
    services = Services(database=database, vault=nothing, clock=SteadyClock(), crash=never_crash)
    return ServiceWatchdog(services, notifier, is_ready=lambda: bool(ready))


async def asked(database: Database, count: int) -> None:
    """Wait until the database was asked so often from now on: what was told before stands at the socket."""
    goal = database.commits + count

    async def probe() -> bool:
        return database.commits >= goal

    await wait_until("the watchdog has asked the database", probe, every=0.001)


@pytest.fixture
async def database() -> Database:
    return Database()


async def test_ready_is_said_once_and_life_again_and_again(tmp_path: Path, database: Database) -> None:
    """Before the line has its desk the start is given time; then ready, once; then nothing but life."""
    ready: list[bool] = []
    with systemd(tmp_path) as heard_by:
        task = asyncio.create_task(watchdog(database, heard_by.notifier, ready).run())
        await asked(database, 2)
        assert set(heard_by.heard()) == {ServiceState.STARTING, ServiceState.ALIVE}
        ready.append(True)
        await asked(database, 3)
        words = heard_by.heard()
        assert words.count(ServiceState.READY) == 1
        ready.clear()
        await asked(database, 2)
        heard_by.heard()
        await asked(database, 2)
        assert set(heard_by.heard()) == {ServiceState.ALIVE}
        task.cancel()


async def test_a_database_that_refuses_or_hangs_is_no_life(tmp_path: Path, database: Database) -> None:
    """Nothing is said while commits fail, or one does not end; and no second one is asked of a writer that hangs."""
    with systemd(tmp_path) as heard_by:
        task = asyncio.create_task(watchdog(database, heard_by.notifier, [True]).run())
        await asked(database, 2)
        database.refuses = True
        await asked(database, 2)
        heard_by.heard()
        await asked(database, 3)
        assert heard_by.heard() == []
        database.refuses = False
        await asked(database, 3)
        assert ServiceState.ALIVE in heard_by.heard()
        database.free.clear()
        await asked(database, 1)
        heard_by.heard()
        before = database.commits
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert (heard_by.heard(), database.commits) == ([], before)
        task.cancel()


async def test_where_nobody_listens_nothing_is_asked(database: Database) -> None:
    """A line that no service notifier started does nothing for it."""
    await watchdog(database, ServiceNotifier(address=None), [True]).run()
    assert database.commits == 0
