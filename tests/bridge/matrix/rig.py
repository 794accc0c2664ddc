"""`bridge/matrix` on real parts: a store, a vault, both identities, against a real homeserver, with a sink that remembers.

Rule of this module: `kill` leaves the database as a killed process would; `start` begins again from it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import aiohttp

from bot.model.actions import DESK
from bridge.matrix.api.events import MatrixEvent, UnhandledEvent
from bridge.matrix.schema import MAIN_SCHEMA, PUPPET_SCHEMA
from bridge.matrix.service import MatrixService, open_identities
from bridge.matrix.sync.homeserver_rollback import Rollback
from bridge.runtime.clock import SteadyClock
from bridge.runtime.crash_points import CrashHook, CrashPoint, never_crash
from bridge.services import Services
from bridge.storage.database import Transaction
from bridge.storage.key_file import KeyFile
from bridge.storage.vault import Vault
from tests.e2e.polling import wait_until
from tests.fakes.database_engine import make_database, put_migrated

T = TypeVar("T", bound=MatrixEvent)

POLICY = "@policy:quietline.localhost"
PUPPET = "@line-main:quietline.localhost"


class Rig:
    """One bridge's Matrix part. `events`: what was committed, in order; `unhandled`: what could not be."""

    def __init__(self, *, directory: Path, url: str, token: str, trust_on_first_use: bool = True) -> None:
        self.directory, self.url, self.token = directory, url, token
        self.trust_on_first_use = trust_on_first_use
        self.events: list[MatrixEvent] = []
        self.crash: CrashHook = never_crash
        self.clock = SteadyClock()
        self.sink_fails: Exception | None = None
        self.unhandled: list[UnhandledEvent] = []
        self.device_losses = 0
        self.rollbacks = 0
        self.rollback_fails: Exception | None = None
        self.counts_less: list[bool] = []
        self._open = contextlib.AsyncExitStack()
        self._running: asyncio.Task[None] | None = None

    async def start(self, *, run: bool = True, take_over: bool = False, vault_key: bytes = bytes(range(32))) -> None:
        """Open everything, and run it unless told not to."""
        put_migrated(self.directory / "main.db", MAIN_SCHEMA)
        put_migrated(self.directory / "voice.db", PUPPET_SCHEMA)
        self.database = make_database(self.directory / "main.db", schema=MAIN_SCHEMA)
        self.puppet_database = make_database(self.directory / "voice.db", schema=PUPPET_SCHEMA)
        keys = KeyFile(path=self.directory / "keys.db")
        await keys.open()
        self._open.push_async_callback(keys.close)
        self.vault = Vault(keys=keys, vault_key=vault_key, index_key=bytes(range(1, 33)))
        for database in (self.database, self.puppet_database):
            await database.open()
            self._open.push_async_callback(database.close)
        await self.vault.create(DESK)
        self.http = await self._open.enter_async_context(aiohttp.ClientSession())
        self.services = Services(
            database=self.database,
            puppet_database=self.puppet_database,
            vault=self.vault,
            clock=self.clock,
            crash=self._crashes,
        )
        policy, puppet = await open_identities(
            self.services,
            puppet_database=self.puppet_database,
            session=self.http,
            url=self.url,
            token=self.token,
            policy_mxid=POLICY,
            puppet_mxid=PUPPET,
            take_over=take_over,
        )
        self.matrix = MatrixService(
            self.services,
            policy=policy,
            puppet=puppet,
            trust_on_first_use=self.trust_on_first_use,
            sink=self._sink,
            unhandled=self._record_unhandled,
            device_gone=self._device_gone,
            note_rollback=self._note_rollback,
            rolled_back=self._rolled_back,
            on_commit=lambda: None,
        )
        self.room_client = self.matrix.room_client
        if run:
            self._running = asyncio.create_task(self.matrix.run())
            await wait_until("both identities sync", self._in_step)

    async def stop(self) -> None:
        """Stop and close everything. Raises what ended it, if something did."""
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
        await self._open.aclose()

    async def wait_for(self, kind: type[T], matches: Callable[[T], bool] = lambda _item: True) -> T:
        """Wait for an item."""

        async def probe() -> T | None:
            return next((i for i in self.events if isinstance(i, kind) and matches(i)), None)

        async def seen() -> str:
            return ", ".join(type(item).__name__ for item in self.events)

        return await wait_until(f"an item of kind {kind.__name__}", probe, seen=seen)

    def _crashes(self, point: CrashPoint) -> None:
        self.crash(point)

    async def _in_step(self) -> bool | None:
        return (self.matrix.sync.caught_up.is_set() and self.matrix.puppet_sync.caught_up.is_set()) or None

    async def _device_gone(self) -> None:
        self.device_losses += 1

    async def _note_rollback(self, _transaction: Transaction, rollback: Rollback) -> None:
        failed, self.rollback_fails = self.rollback_fails, None
        if failed is not None:
            raise failed
        self.counts_less.append(rollback.counts_less)

    async def _rolled_back(self) -> None:
        self.rollbacks += 1

    async def _record_unhandled(self, _conn: Transaction, unhandled: UnhandledEvent) -> None:
        self.unhandled.append(unhandled)

    async def _sink(self, transaction: Transaction, events: Sequence[MatrixEvent]) -> None:
        # as the product's: an event is new once, and kept exactly if the commit is
        await transaction.execute("CREATE TABLE IF NOT EXISTS kept (event_id TEXT PRIMARY KEY)")
        for item in events:
            if event_id := getattr(item, "event_id", None):
                await transaction.execute("INSERT INTO kept (event_id) VALUES ($1) ON CONFLICT DO NOTHING", event_id)
        if self.sink_fails is not None:
            raise self.sink_fails
        self.events += events
