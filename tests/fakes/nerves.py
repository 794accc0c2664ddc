"""The bridge without a homeserver: real store, vault, engine, outbox, texts, timers and webhook; rooms that remember.

Rules of this module: what is faked is what lies outside (carrier, homeserver, clock, a disk that is full), and nothing
else; `end` leaves the files as a stopped process does, and a second `Nerves` on the same directory begins from them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from aiohttp import web

from bot.model.actions import Action, Post
from bot.model.desk import Thread
from bot.model.events import Event
from bridge.carriers.adapter import (
    Carrier,
    DeliveryReport,
    InboundText,
)
from bridge.engine.engine import Engine
from bridge.engine.timers import Timers
from bridge.engine.transactional_actions import Acts
from bridge.erasure.carrier_copies import Copies
from bridge.inbound.hourly_alerts import Hourly
from bridge.inbound.rate_limits import Floods
from bridge.inbound.screening import Screening
from bridge.inbound.webhook import Webhook
from bridge.matrix.schema import MAIN_UPGRADES
from bridge.outbound.dispatcher import Impossible, Outbox, Task, TryAgain
from bridge.outbound.room_keeper import Designations
from bridge.outbound.sms_sender import Texts
from bridge.outbound.startup_hold import CatchUp
from bridge.runtime.crash_points import CrashPoint
from bridge.runtime.phone_number import Phone
from bridge.storage import serialization
from bridge.storage.database import Connection, Store
from bridge.storage.key_file import Keys
from bridge.storage.vault import Vault
from bridge.tables import inbox, schema
from bridge.tables.audit_log import Ledger
from bridge.tables.suppression import Suppression
from policies.load import load
from policies.pack import Pack
from tests.e2e.waiting import until
from tests.fakes.full_store import FullStore
from tests.fakes.paper_carrier import PaperCarrier

LINE = "main"
NUMBER = "+15555550100"
HANDSET = "+12065550199"


class SetClock:
    """A clock that stands until it is set. `ahead`: seconds by which the machine's own was set forward meanwhile."""

    def __init__(self, at: float = 1_800_000_000.0) -> None:
        self.at, self.ahead = at, 0.0

    def wall(self) -> float:
        """Return what it was set to."""
        return self.at

    def machine(self) -> float:
        """Return what the machine's own clock shows."""
        return self.at + self.ahead


class Nerves:
    """Everything between carrier and homeserver. `shown` is what reached rooms, in order: owner and action.

    `door`: the adapter whose webhooks come in; texts leave through `paper` in any case. `heard`: what a start waits for
    before anything of before leaves, for `patience` seconds.
    """

    def __init__(self, directory: Path, *, door: Carrier | None = None, clock: SetClock | None = None) -> None:
        self.directory = directory
        self.clock = clock or SetClock()
        self.paper = PaperCarrier()
        self.pack = hurried()
        self.shown: list[tuple[str, Action]] = []
        self.rooms_are_there = True
        self._showing = 0
        self.refuses: Callable[[Action], bool] = lambda _action: False
        self.heard: tuple[asyncio.Event, ...] = ()
        self.patience = 10.0
        self.floods = Floods(per_number_per_hour=1000, per_minute=10_000)
        self.crash: Callable[[CrashPoint], None] = lambda _point: None
        self._door: Carrier = door or self.paper
        self._running: asyncio.Task[None] | None = None
        self._stack = contextlib.AsyncExitStack()

    async def open(self) -> None:
        """Open files and build every part; nothing runs yet."""
        keys = Keys(path=self.directory / "keys.db")
        await keys.open()
        self._stack.push_async_callback(keys.close)
        self.vault = Vault(keys=keys, vault_key=bytes(range(32)), index_key=bytes(range(1, 33)))
        self.store = FullStore(self.directory / "main.db", upgrades=(schema.upgrades, *MAIN_UPGRADES))
        await self.store.open()
        self._stack.push_async_callback(self.store.close)
        shared: dict[str, Any] = {"store": self.store, "vault": self.vault, "clock": self.clock}
        suppression = self.suppression = Suppression(key=bytes(range(2, 34)), line=LINE)
        self.outbox = Outbox(**shared, wake_engine=self._wake)
        self.catchup = CatchUp(store=self.store, go_on=self.outbox.room_ready, longest=self.patience)
        self.alarms: list[str] = []
        self.copies = Copies(
            **shared,
            carrier=self.paper,
            alarm=self._alarm,
            settled=lambda: None,
            report=self._report,
            pause=self.outbox.talk.pause,
            crash=self._crash,
        )
        self.timers = Timers(
            **shared, wake_engine=self._wake, crash=self._crash, rested=self.rested, machine=self.clock.wall
        )
        self.engine = Engine(
            **shared,
            pack=self.pack,
            outbox=self.outbox,
            acts=Acts(
                clock=self.clock,
                settings=self.pack.settings,
                ledger=Ledger(vault=self.vault),
                suppression=suppression,
                wake=lambda: None,
            ),
            designations=Designations(store=self.store),
            timers_changed=self.timers.changed,
            desk_changed=lambda: None,
            crash=self._crash,
        )
        self.texts = Texts(
            **shared,
            pack=self.pack,
            carrier=self.paper,
            numbers=(NUMBER,),
            copies=self.copies,
            wake_engine=self._wake,
            crash=self._crash,
        )
        self.screening = Screening(
            **shared,
            suppression=suppression,
            floods=self.floods,
            designate=Designations(store=self.store).new,
            wake_engine=self._wake,
            wake_rooms=lambda: None,
            crash=self._crash,
        )
        self.hourly = Hourly(**shared, wake_engine=self._wake)
        self.webhook = Webhook(
            **shared,
            carrier=self._door,
            line=LINE,
            copies=self.copies,
            wake_engine=self._wake,
            screen=self.screening.wake,
            hourly=self.hourly,
            crash=self._crash,
        )

    async def run(self) -> None:
        """Settle what stands from before, and begin to work."""
        await self.texts.settle()
        await self.catchup.begin()
        await self.engine.load()
        await self.screening.load()
        await self.outbox.load()
        self._running = asyncio.create_task(self._run())

    async def stop_working(self) -> None:
        """Let everything stop where it is; files stay open, and webhooks are still taken."""
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running

    async def end(self) -> None:
        """Stop and close, in the product's order."""
        await self.stop_working()
        await self.texts.finish()
        await self._stack.aclose()

    async def listen(self, *, port: int = 0) -> str:
        """Serve the webhook's routes, by default on a free port; returns the base URL."""
        application = web.Application(client_max_size=self.webhook.largest)
        application.add_routes(self.webhook.routes())
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    async def arrive(self, body: str, *, message_id: str, sender: str = HANDSET) -> str:
        """Take a text in as from a verified webhook; returns its thread's id. Where nothing runs, it is screened here."""
        await self.webhook.take(InboundText(message_id=message_id, sender=Phone(sender), text=body))
        owner = await self.thread_of(sender)
        if self._running is None:
            await self.screening.look(owner)
        return owner

    async def thread_of(self, sender: str) -> str:
        """Return the id of a handset's thread."""
        phone_hash = self.vault.phone_hash(LINE, Phone(sender))
        return str(await self.store.fetchval("SELECT id FROM thread WHERE phone_hash = $1", phone_hash))

    async def tell(self, owner: str, *events: Event) -> None:
        """Put events into an inbox, in one commit, and wake the engine."""
        letters = [await inbox.seal(self.vault, owner, event) for event in events]

        async def commit(conn: Connection) -> None:
            for letter in letters:
                await inbox.put(conn, letter)

        await self.store.commit(commit)
        self._wake(owner)

    async def thread(self, owner: str) -> Thread:
        """Read a thread as last committed."""
        sealed = await self.store.fetchval("SELECT aggregate FROM thread WHERE id = $1", owner)
        return serialization.read(Thread, await self.vault.open(owner, "aggregate", sealed))

    async def count(self, table: str) -> int:
        """Count the rows of a table."""
        return int(await self.store.fetchval(f"SELECT COUNT(*) FROM {table}"))  # noqa: S608 - the test's own word

    def posts(self, owner: str, *, notices: bool = False) -> list[str]:
        """Bodies shown for an owner: by default the texter's own words only."""
        return [a.body for o, a in self.shown if o == owner and isinstance(a, Post) and a.notice is notices]

    async def at_rest(self, *, standing: int = 0) -> None:
        """Wait until nothing is on its way, but for so many rows of the outbox that nobody was told of."""

        async def empty() -> bool | None:
            # In one statement: what leaves the outbox comes back into the inbox in one commit.
            # A timer that is due comes into the inbox, too: an undo window without length is one.
            query = """SELECT (SELECT COUNT(*) FROM inbox) + (SELECT COUNT(*) FROM timer WHERE due <= $1) AS inbox,
                       (SELECT COUNT(*) FROM outbox) AS outbox"""
            row = await self.store.fetchrow(query, self.clock.at)
            # A row that has gone from the outbox is shown a moment later.
            return (row is not None and row["inbox"] == 0 and row["outbox"] == standing and not self._showing) or None

        await until("inbox and outbox are empty", empty, within=15, every=0.02)
        # Read beside the writer: whoever asked for the last commit may not have been answered yet, and is before us now.
        await Store.commit(self.store, _nothing)
        await asyncio.sleep(0)

    async def show(self, task: Task) -> None:
        """Perform a row of the way `matrix`."""
        if not self.rooms_are_there:
            raise TryAgain(None)
        if self.refuses(task.action):
            raise Impossible("M_TOO_LARGE")
        self._showing += 1
        try:
            await self.store.commit(lambda conn: conn.execute("DELETE FROM outbox WHERE id = $1", task.number))
            self.shown.append((task.owner, task.action))
        finally:
            self._showing -= 1

    async def note_room(self, room: str, owner: str) -> None:
        """Note a room as a thread's."""
        query = """INSERT INTO matrix_room (room_id, kind, owner, key_owner) VALUES ($1, 'thread', $2, $3)
                   ON CONFLICT (room_id) DO NOTHING"""
        await self.store.commit(lambda conn: conn.execute(query, room, owner, f"room:{room}"))

    async def _report(self, report: DeliveryReport) -> None:
        await self.webhook.report(report)

    async def _alarm(self, what: str, _since: float) -> None:
        self.alarms.append(what)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.engine.run())
            group.create_task(self.screening.run())
            group.create_task(self.catchup.run(*self.heard))
            group.create_task(self._run_timers())
            group.create_task(self.outbox.run("carrier", self.catchup.holding(self.texts.perform)))
            group.create_task(self.outbox.run("matrix", self.show))

    async def rested(self) -> None:
        """Wait until the engine has hardly anything to do."""
        await self.engine.rested()

    async def _run_timers(self) -> None:
        await self.catchup.done.wait()
        await self.timers.run()

    def _wake(self, owner: str) -> None:
        self.engine.wake(owner)

    def _crash(self, point: CrashPoint) -> None:
        self.crash(point)


@cache
def hurried() -> Pack:
    """Load the rehearsal pack, without an undo window."""
    pack = load(["base", "rehearsal"])
    return replace(pack, settings=replace(pack.settings, undo_seconds=0, undo_after_join_seconds=0))


async def _nothing(_conn: Connection) -> None:
    """Write nothing."""
