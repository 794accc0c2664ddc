"""The bridge without a homeserver: real store, vault, engine, outbox, texts, timers and webhook; rooms are recorded.

Rules of this module: only what is outside the bridge is faked (carrier, homeserver, clock, a full disk). `close` leaves the
files as a stopped process does, and a second `BridgeHarness` on the same directory continues with them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from aiohttp import web

from bot.model.actions import DESK, Action, PageOnCall, SendMessage
from bot.model.desk import Thread
from bot.model.events import Event
from bridge.app import startup
from bridge.carriers.adapter import (
    Carrier,
    DeliveryReport,
    InboundText,
)
from bridge.engine.engine import Engine
from bridge.engine.timers import Timers
from bridge.engine.transactional_actions import TransactionalActions
from bridge.erasure.carrier_copies import CarrierCopies
from bridge.inbound.hourly_alerts import HourlyAlerts
from bridge.inbound.screening import NewThreadRateLimit, Screening
from bridge.inbound.webhook import Webhook
from bridge.matrix.schema import MAIN_SCHEMA
from bridge.outbound.designations import Designations
from bridge.outbound.dispatcher import OutboxDispatcher, OutboxTask, Perform, PermanentFailure, RetryLater
from bridge.outbound.sms_sender import SmsSender
from bridge.outbound.startup_hold import StartupHold
from bridge.runtime.crash_points import CrashHook, CrashPoint, never_crash
from bridge.runtime.phone_number import Phone
from bridge.services import Services, WakeUps
from bridge.storage import serialization
from bridge.storage.database import Transaction
from bridge.storage.key_file import KeyFile
from bridge.storage.vault import Vault
from bridge.tables import clock_trust, inbox, threads
from bridge.tables.audit_log import AuditLog
from bridge.tables.suppression import Suppression
from policies.keywords import is_stop
from policies.pack import Pack
from tests.e2e.polling import wait_until
from tests.fakes.database_engine import put_migrated
from tests.fakes.fake_carrier import FakeCarrier
from tests.fakes.full_database import FullDatabase
from tests.fakes.served import served
from tests.packs import shipped

LINE = "main"
NUMBER = "+15555550100"
HANDSET = "+12065550199"


class ManualClock:
    """A clock that shows one time until it is set. `offset`: seconds by which the machine's own clock is ahead of it."""

    def __init__(self, at: float = 1_800_000_000.0) -> None:
        self.at, self.offset = at, 0.0

    def now(self) -> float:
        """Return the time that was set."""
        return self.at

    def system_time(self) -> float:
        """Return the time of the machine's own clock."""
        return self.at + self.offset


class BridgeHarness:
    """Everything between carrier and homeserver. `shown` is what reached rooms, in order: owner and action.

    `inbound_carrier`: the adapter for webhooks; texts always leave through `carrier`. `hold_until`: what a start waits for
    before older rows leave, for at most `max_hold` seconds.
    """

    def __init__(
        self, directory: Path, *, inbound_carrier: Carrier | None = None, clock: ManualClock | None = None
    ) -> None:
        self.directory = directory
        self.clock = clock or ManualClock()
        self.carrier = FakeCarrier()
        self.pack = pack_without_undo_window()
        self.shown: list[tuple[str, Action]] = []
        self.has_rooms = True
        self._showing = 0
        self._tries_to_send, self._last_put_off = 0, 0
        self.rejects: Callable[[Action], bool] = lambda _action: False
        self.hold_until: tuple[asyncio.Event, ...] = ()
        self.max_hold = 10.0
        self.rate_limit = NewThreadRateLimit(per_number_per_hour=1000, per_minute=10_000)
        self.crash: Callable[[CrashPoint], None] = lambda _point: None
        self._inbound_carrier: Carrier = inbound_carrier or self.carrier
        self._running: asyncio.Task[None] | None = None
        self._stack = contextlib.AsyncExitStack()

    async def open(self) -> None:
        """Open files and build every part; nothing runs yet."""
        keys = KeyFile(path=self.directory / "keys.db")
        await keys.open()
        self._stack.push_async_callback(keys.close)
        self.vault = Vault(keys=keys, vault_key=bytes(range(32)), index_key=bytes(range(1, 33)))
        put_migrated(self.directory / "main.db", MAIN_SCHEMA)
        self.database = FullDatabase(self.directory / "main.db", schema=MAIN_SCHEMA)
        await self.database.open()
        self._stack.push_async_callback(self.database.close)
        self.services = self.services_with(WakeUps(), crash=self._crash)
        services = self.services
        await self.vault.create(DESK)
        suppression = self.suppression = Suppression(key=bytes(range(2, 34)), line=LINE)
        await startup.report_promotion(services, grace=self.pack.settings.close_now_grace)
        self.outbox = OutboxDispatcher(services)
        self.startup_hold = StartupHold(services, max_hold=self.max_hold)
        self.alerts: list[str] = []
        self.carrier_copies = CarrierCopies(
            services,
            carrier=self.carrier,
            alert=self._alert,
            accept_report=self._accept_report,
            yield_to_foreground=self.outbox.priority_gate.yield_to_foreground,
        )
        self.timers = Timers(
            services,
            wait_until_idle=self.wait_until_idle,
            late_after=self.pack.settings.late_after_seconds,
            system_time=self.clock.now,
        )
        self.transactional_actions = TransactionalActions(
            services, audit=AuditLog(vault=self.vault), suppression=suppression
        )
        self.designations = Designations(database=self.database)
        self.engine = Engine(
            services,
            pack=self.pack,
            outbox=self.outbox,
            transactional_actions=self.transactional_actions,
            designations=self.designations,
            numbers=(NUMBER,),
        )
        self.sms_sender = SmsSender(
            services,
            pack=self.pack,
            carrier=self.carrier,
            numbers=(NUMBER,),
            carrier_copies=self.carrier_copies,
        )
        self.screening = Screening(
            services,
            suppression=suppression,
            is_stop=partial(is_stop, self.pack),
            stop_seconds=self.pack.settings.suppression_ttl,
            rate_limit=self.rate_limit,
            designations=self.designations,
        )
        self.hourly_alerts = HourlyAlerts(services)
        self.webhook = Webhook(
            services,
            carrier=self._inbound_carrier,
            line=LINE,
            carrier_copies=self.carrier_copies,
            hourly_alerts=self.hourly_alerts,
            numbers=(NUMBER,),
            is_stop=partial(is_stop, self.pack),
        )

    def services_with(self, wake: WakeUps, *, crash: CrashHook = never_crash) -> Services:
        """Return the same database, vault and clock with other wake-ups, to test one part alone."""
        return Services(database=self.database, vault=self.vault, clock=self.clock, crash=crash, wake=wake)

    async def run(self) -> None:
        """Settle rows of an earlier run, and start the parts."""
        await self.sms_sender.recover()
        await self.startup_hold.load()
        await self.engine.load()
        await self.screening.load()
        await self.outbox.load()
        self._running = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop every part at once; files stay open, and webhooks are still accepted."""
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running

    async def close(self) -> None:
        """Stop all parts and close the files, in the product's order."""
        await self.stop()
        await self.sms_sender.wait_for_requests()
        await self._stack.aclose()

    async def listen(self, *, port: int = 0) -> str:
        """Serve the webhook's routes, by default on a free port; return the base URL."""
        application = web.Application(client_max_size=self.webhook.largest)
        application.add_routes(self.webhook.routes())
        return await self._stack.enter_async_context(served(application, port=port))

    async def receive_text(self, body: str, *, message_id: str, sender: str = HANDSET) -> str:
        """Accept a text as from a verified webhook; return its thread's id. If no part runs, it is screened here."""
        await self.webhook.accept_text(InboundText(message_id=message_id, sender=Phone(sender), text=body))
        owner = await self.thread_id(sender)
        if self._running is None:
            await self.screening.screen(owner)
        return owner

    async def thread_id(self, sender: str) -> str:
        """Return the id of a handset's thread."""
        phone_hash = self.vault.phone_hash(LINE, Phone(sender))
        return str(await self.database.fetchval("SELECT id FROM thread WHERE phone_hash = $1", phone_hash))

    async def deliver(self, owner: str, *events: Event) -> None:
        """Store events in an inbox, in one commit, and wake the engine."""
        inbox_rows = [await inbox.seal(self.vault, owner, event) for event in events]

        async def commit(transaction: Transaction) -> None:
            for inbox_row in inbox_rows:
                await inbox.append(transaction, inbox_row)

        await self.database.commit(commit)
        self.engine.queue.wake(owner)

    async def thread(self, owner: str) -> Thread:
        """Read a thread as last committed."""
        sealed = await self.database.fetchval("SELECT aggregate FROM thread WHERE id = $1", owner)
        return serialization.decode_as(Thread, await self.vault.open(owner, "aggregate", sealed))

    async def count(self, table: str) -> int:
        """Count the rows of a table."""
        return int(await self.database.fetchval(f"SELECT COUNT(*) FROM {table}"))  # noqa: S608 - the test's own word

    async def set_legal_hold(self, thread: str, *, on: bool) -> bool:
        """Set or lift a legal hold as a decision does; return whether there is such a thread."""
        return await self.database.commit(lambda transaction: threads.set_legal_hold(transaction, thread, on=on))

    def messages_shown(self, owner: str, *, notices: bool = False) -> list[str]:
        """Return the bodies shown for an owner: by default only the texter's own words."""
        return [a.body for o, a in self.shown if o == owner and isinstance(a, SendMessage) and a.notice is notices]

    async def wait_until_drained(self, *, standing: int = 0) -> None:
        """Wait until inbox and outbox are empty, except for `standing` rows of the outbox that have not been woken.

        Without `standing` calls of the person on call, whom no harness has, may stand there.
        """

        async def empty() -> bool | None:
            # In one statement: one commit moves a result from the outbox to the inbox.
            # A due timer counts as well, because it becomes an inbox row: an undo window of zero seconds is one.
            # Those that wait for the clock count only while it is trusted: before that they do not fire.
            # Both kinds of timers are named, so that the query uses the index on a line with thousands.
            is_right = not await clock_trust.is_distrusted(self.database)
            query = """SELECT (SELECT COUNT(*) FROM inbox)
                       + (SELECT COUNT(*) FROM timer WHERE destroys IN (FALSE, $3) AND due <= $1) AS inbox,
                       (SELECT COUNT(*) FROM outbox WHERE kind <> $2) AS outbox"""
            row = await self.database.fetchrow(query, self.clock.at, "" if standing else PageOnCall.__name__, is_right)
            # A row is added to `shown` a moment after it has left the outbox.
            return (row is not None and row["inbox"] == 0 and row["outbox"] == standing and not self._showing) or None

        await wait_until("inbox and outbox are empty", empty, every=0.02)
        # Read beside the writer: the caller of the last commit may not have its answer yet, and continues before us.
        await self.database.inner.commit(_nothing)
        await asyncio.sleep(0)

    async def wait_until_put_off(self) -> None:
        """Wait until, from now on, a send was tried and postponed: a text that has not left by then does not leave."""
        before = self._tries_to_send

        async def put_off() -> bool | None:
            return self._last_put_off > before or None

        await wait_until("a text was tried and put off", put_off, every=0.01)

    def _count_tries(self, perform: Perform) -> Perform:
        async def counted(task: OutboxTask) -> None:
            self._tries_to_send += 1
            number = self._tries_to_send
            try:
                await perform(task)
            except RetryLater:
                self._last_put_off = max(self._last_put_off, number)
                raise

        return counted

    async def show(self, task: OutboxTask) -> None:
        """Perform an outbox row of the transport `matrix`."""
        if not self.has_rooms:
            raise RetryLater(None)
        if self.rejects(task.action):
            raise PermanentFailure("M_TOO_LARGE")
        self._showing += 1
        try:
            await self.database.commit(
                lambda transaction: transaction.execute("DELETE FROM outbox WHERE id = $1", task.number)
            )
            self.shown.append((task.owner, task.action))
        finally:
            self._showing -= 1

    async def note_room(self, room: str, owner: str) -> None:
        """Record a room as a thread's room."""
        query = """INSERT INTO matrix_room (room_id, kind, owner, key_owner) VALUES ($1, 'thread', $2, $3)
                   ON CONFLICT (room_id) DO NOTHING"""
        await self.database.commit(lambda transaction: transaction.execute(query, room, owner, f"room:{room}"))

    async def _accept_report(self, delivery_report: DeliveryReport) -> None:
        await self.webhook.accept_report(delivery_report)

    async def _alert(self, what: str, _since: float) -> None:
        self.alerts.append(what)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.engine.queue.run())
            group.create_task(self.screening.queue.run())
            group.create_task(self.startup_hold.run(*self.hold_until))
            group.create_task(self._run_timers())
            group.create_task(
                self.outbox.run("carrier", self._count_tries(self.startup_hold.wrap(self.sms_sender.perform)))
            )
            group.create_task(self.outbox.run("matrix", self.show))

    async def wait_until_idle(self) -> None:
        """Wait until the engine has almost nothing to do."""
        await self.engine.queue.wait_until_short()

    async def _run_timers(self) -> None:
        await self.startup_hold.released.wait()
        await self.timers.loop.run()

    def _crash(self, point: CrashPoint) -> None:
        self.crash(point)


@cache
def pack_without_undo_window() -> Pack:
    """Load the rehearsal pack, without an undo window."""
    pack = shipped("base", "rehearsal")
    return replace(pack, settings=replace(pack.settings, undo_seconds=0, undo_after_join_seconds=0))


async def _nothing(_conn: Transaction) -> None:
    """Write nothing."""
