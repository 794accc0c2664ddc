"""A line whose bridge is killed at a named point: a real homeserver, the real carrier, and a bridge started by hand.

Rules of this module: homeserver and carrier run for the whole of a test module. The bridge is started again as soon as it
has died, without other help: a new process each time, forked by a template (`tests/fakes/crashable_bridge.py`). Counts are
read from its files.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, ClassVar, Final

import aiohttp

from bot.model.transactional_actions import SuppressionReason
from bridge.runtime.crash_points import CrashPoint
from bridge.storage.database import Transaction
from bridge.storage.postgres_database import database_of
from bridge.storage.vault import PASSING
from deploy.data_dir.offline import line_snapshot
from deploy.stack.provision import run_homeserver
from deploy.stack.readiness import BridgeReady
from tests.e2e.polling import wait_until
from tests.e2e.stack import spawn
from tests.fakes import database_engine
from tests.fakes.crashable_bridge import CRASH_FILE, START
from tests.fakes.key_file_reader import wrapped_keys
from tests.fakes.stack_without_up import StackWithoutUp

PACK: Final = """\
name: hurried
settings:
  {undo_seconds: 1, undo_after_join_seconds: 1, undo_after_switch_seconds: 1, close_now_grace: 2 s, cap: 50}
"""
START_SECONDS: Final = 60.0


class CrashingStack(StackWithoutUp):
    """A line without `up`. `crashes` counts how often the bridge killed itself at a point; `may_start`: it starts.

    `BRIDGES`: the module that forks bridges, and its arguments before the path of their configuration.
    """

    BRIDGES: ClassVar[tuple[str, ...]] = ("tests.fakes.crashable_bridge",)

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.crashes, self.may_start = 0, asyncio.Event()
        self.may_start.set()
        self._before_start: list[Callable[[], None]] = []
        self._crash_file = directory / "order"
        self._server: str | None = None
        self.pid = 0
        self._orders: StreamWriter | None = None
        self._restart_task: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run homeserver, carrier and bridge during the block; all have ended after it."""
        await self.provision()
        if database_engine.is_postgres():
            self._server = await database_engine.make_line_database(f"line_{secrets.token_hex(6)}")
        self.write_configuration(PACK, database=self._server)
        async with run_homeserver(self.layout, self.ports):
            carrier = await self.start_carrier()
            bridges = await spawn(
                *(*self.BRIDGES, str(self.layout.config)),
                log=self.layout.log("bridge"),
                pipes=True,
                **{CRASH_FILE: str(self._crash_file)},
            )
            self._orders = bridges.stdin
            assert bridges.stdin is not None
            assert bridges.stdout is not None
            self._restart_task = asyncio.create_task(self._restart_loop(bridges.stdin, bridges.stdout))
            try:
                await self.up()
                yield
            finally:
                self._restart_task.cancel()
                await asyncio.gather(self._restart_task, return_exceptions=True)
                bridges.stdin.close()
                await bridges.wait()
                if carrier.returncode is None:
                    carrier.kill()
                    await carrier.wait()
        self.assert_nothing_logged()

    def crash_at(self, point: CrashPoint) -> None:
        """Make the bridge die the next time that it reaches this point."""
        whole = self._crash_file.with_suffix(".new")
        whole.write_text(point.name, encoding="utf-8")
        whole.replace(self._crash_file)

    def cancel_crash(self) -> None:
        """Cancel the order, so that it cannot kill the bridge of the next test."""
        self._crash_file.unlink(missing_ok=True)

    async def up(self) -> None:
        """Wait until the bridge says that it is ready."""

        async def is_ready() -> bool | None:
            assert self._restart_task is not None
            if self._restart_task.done():
                self._restart_task.result()
            with contextlib.suppress(aiohttp.ClientError):
                async with aiohttp.ClientSession() as http, http.get(f"{self.ports.url('bridge')}/ready") as answer:
                    return (answer.status == 200 and BridgeReady.read(self.layout.bridge_file) is not None) or None
            return None

        await wait_until("the bridge is ready", is_ready, within=START_SECONDS, seen=self.tail)

    def rows(self, query: str) -> list[Any]:
        """Return rows of the main database, read beside the running bridge."""
        with line_snapshot(self.layout.bridge, self._server) as database:
            return [tuple(row) for row in database.fetch(query)]

    async def suppress(self, digest: bytes, muted: SuppressionReason) -> None:
        """Record a phone's suppression for a day, as an earlier thread would have."""

        async def beside(transaction: Transaction) -> None:
            query = "INSERT INTO suppression (hash, muted, until) VALUES ($1, $2, $3)"
            await transaction.execute(query, digest, muted.value, int(time.time()) + 86_400)

        database = database_of(self.layout.bridge / "main.db", self._server)
        await database.open()
        await database.commit(beside)
        await database.close()

    def before_next_start(self, edit: Callable[[], None]) -> None:
        """Register a change to make after the bridge was killed, before it starts again."""
        self._before_start.append(edit)

    def orphan_keys(self) -> set[str]:
        """Return owners in `keys.db` for which no data exists."""
        return (
            {owner for owner in wrapped_keys(self.layout.bridge / "keys.db") if not owner.startswith(PASSING)}
            - {row[0] for row in self.rows("SELECT id FROM thread UNION SELECT key_owner FROM matrix_room")}
            - {"desk", "copies"}
        )

    async def _restart_loop(self, orders: StreamWriter, said: StreamReader) -> None:
        while True:
            await self.may_start.wait()
            orders.write(START)
            self.pid = int(await said.readline() or 0)
            code = int(await said.readline() or 0)
            assert code == -signal.SIGKILL, f"the bridge ended by itself with {code}: {await self.tail()}"
            self.crashes += 1
            while self._before_start:
                self._before_start.pop()()
