"""The bridge as a whole: it makes every part, here and in `matrix_workers`, and closes them in reverse order.

Start: open the files (`resources`), turn `sending` into `unknown`, listen, reach the homeserver, sync, backfill, start
timers and release waiting texts (`startup_hold`), ready. Webhooks are accepted as soon as the database is open, even when
the homeserver does not answer. Stop: the reverse; a commit that has begun is finished. The process itself is in `main`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Final, Self

from aiohttp import web

from bridge.app import canary_parts, line_files, run_history, startup
from bridge.app.canary_parts import CanaryParts
from bridge.app.line_files import CannotStart
from bridge.app.matrix_workers import MatrixWorkers
from bridge.app.port import listen_patiently
from bridge.app.resources import Resources
from bridge.app.standby import StartupListener
from bridge.carriers.adapter import Carrier, DeliveryReport
from bridge.config.sections import Config
from bridge.engine.cold_outreach import OutreachThreads
from bridge.engine.engine import Engine
from bridge.engine.timers import Timers
from bridge.engine.transactional_actions import TransactionalActions
from bridge.engine.verb_requests import VerbRequests
from bridge.erasure.carrier_copies import CarrierCopies
from bridge.erasure.job_runner import ErasureAlert
from bridge.inbound.carrier_backfill import CarrierBackfill
from bridge.inbound.hourly_alerts import HourlyAlerts
from bridge.inbound.listener import make_runner
from bridge.inbound.screening import NewThreadRateLimit, Screening
from bridge.inbound.webhook import Webhook
from bridge.lease.lead import Lead
from bridge.matrix.service import begin_new_olm_sessions
from bridge.metrics.server import MetricsServer
from bridge.outbound.designations import Designations
from bridge.outbound.dispatcher import OutboxDispatcher
from bridge.outbound.drill_texts import DrillTexts, HandsetCarrier
from bridge.outbound.pager import Pager
from bridge.outbound.sms_sender import SmsSender
from bridge.outbound.startup_hold import StartupHold
from bridge.runtime import log
from bridge.runtime.crash_points import CrashHook
from bridge.runtime.phone_number import Phone
from bridge.runtime.service_notifier import ServiceNotifier, ServiceState
from bridge.services import Services
from bridge.shift_calendar import follower as calendar_follower
from bridge.shift_calendar.follower import CalendarFollower
from bridge.shift_calendar.source import source_of
from bridge.storage.database import Sync, Transaction
from bridge.storage.errors import DatabaseError
from bridge.tables import clock_trust, line_state
from bridge.tables.audit_log import AuditLog
from policies.drills.load import load_drills
from policies.drills.script import DrillScript
from policies.keywords import is_stop
from policies.load import PackError
from policies.pack import Pack

REHEARSAL: Final = "rehearsal"


BRIDGE_FILE: Final = "bridge.json"
PUBLISH_SECONDS: Final = 1.0
"""Seconds between two checks that `bridge.json` is up to date; a request to `/ready` checks as well."""
DRAIN_SECONDS: Final = 2.0
"""Seconds from the moment when `/ready` says that this bridge leads no longer until its listener closes: a proxy that asks
each second has seen the change by then."""
TAKEN: Final = "End the program that listens there, or set listen.port and public_base_url in the configuration"
"""What the operator can do when the port cannot be opened."""


def drill_scripts(config: Config, directory: Path) -> Mapping[str, DrillScript]:
    """Return the scripts of a line by name. `directory`: what paths in `drills` are relative to. Raises `CannotStart`."""
    if not is_rehearsal(config):
        return {}
    try:
        return load_drills(config.line.drills, near=directory)
    except PackError as error:
        raise CannotStart(error.problems) from None


def drill_handsets(config: Config, carrier: Carrier) -> HandsetCarrier | None:
    """Return the rehearsal carrier, whose handsets can send texts on request; None for any other carrier."""
    return carrier if is_rehearsal(config) and isinstance(carrier, HandsetCarrier) else None


def is_rehearsal(config: Config) -> bool:
    """Whether the line is marked as a rehearsal and has the rehearsal carrier."""
    return config.line.rehearsal and config.line.carrier.kind == REHEARSAL


class ServiceWatchdog:
    """Reports the state of this process to systemd.

    `run` until cancelled; it returns at once if systemd does not listen.
    """

    def __init__(self, services: Services, notifier: ServiceNotifier, *, is_ready: Callable[[], bool]) -> None:
        """`is_ready`: whether the line has its desk; ready is reported once, and never taken back."""
        self._database, self._notifier, self._is_ready = services.database, notifier, is_ready
        self._told_ready = False

    async def run(self) -> None:
        """Repeat: commit, then notify. While a commit does not end, no notification is sent."""
        while self._notifier.listens:
            if await self._database_answers():
                self._notify()
            await asyncio.sleep(self._notifier.interval)

    async def _database_answers(self) -> bool:
        try:
            await self._database.commit(_read, sync=Sync.DEFER)
        except (DatabaseError, OSError):
            return False
        return True

    def _notify(self) -> None:
        if not self._told_ready and self._is_ready():
            self._notifier.tell(ServiceState.READY)
            self._told_ready = True
        if not self._told_ready:
            self._notifier.tell(ServiceState.STARTING)
        self._notifier.tell(ServiceState.ALIVE)


async def _read(transaction: Transaction) -> None:
    await line_state.get(transaction, line_state.CONFIGURATION)


class BridgeFile:
    """The file of one running bridge. `publish` may be called at any time, `remove` at start and stop."""

    def __init__(self, run: Path, config: Config) -> None:
        self._path, self._config = run / BRIDGE_FILE, config
        self._published = ""

    def publish(self, desk_room: str) -> None:
        """Write the file if its content has changed. When the disk is full there is no file, and nothing else fails."""
        if desk_room == self._published:
            return
        content = {
            "bot": self._config.policy_mxid,
            "voice": self._config.puppet_mxid,
            "desk_room": desk_room,
            "pid": os.getpid(),
        }
        half = self._path.with_name(f".{BRIDGE_FILE}.{os.getpid()}")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            half.unlink(missing_ok=True)
            with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
                json.dump(content, file)
            half.replace(self._path)
        except OSError as error:
            log.failure("bridge.file_not_written", error)
            return
        self._published = desk_room

    def remove(self) -> None:
        """Remove the file of this run, or of an earlier run that was killed."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)


class HandoverRequested(Exception):  # noqa: N818 - the name states a fact
    """A person asked for a handover to another bridge: this one closes everything and becomes a standby."""


class Bridge:
    """Makes and connects every part of the bridge.

    Call `open`, then `run` until cancelled; the exit stack closes the parts.
    """

    def __init__(self, resources: Resources, *, run_directory: Path | None = None) -> None:
        self._hands_over = False
        self._bridge_file = None if run_directory is None else BridgeFile(run_directory, resources.config)
        self._resources, config, pack, services = resources, resources.config, resources.pack, resources.services
        self.alert = ErasureAlert(services)
        self.designations = Designations(database=services.database)
        self.outbox = OutboxDispatcher(services)
        self.carrier_copies = CarrierCopies(
            services,
            carrier=resources.carrier,
            account=config.line.carrier.account,
            alert=self.alert,
            accept_report=self._accept_report,
            yield_to_foreground=self.outbox.priority_gate.yield_to_foreground,
        )
        self.startup_hold = StartupHold(services)
        self.calendar = (
            CalendarFollower(
                services,
                source=source_of(config.line.calendar),
                zone=pack.hours.timezone if pack.shifts is None else pack.shifts.timezone,
                server=config.homeserver.server_name,
            )
            if config.line.calendar is not None
            else None
        )
        self.transactional_actions = TransactionalActions(
            services, audit=AuditLog(vault=services.vault), suppression=resources.suppression
        )
        self.engine = Engine(
            services,
            pack=pack,
            outbox=self.outbox,
            transactional_actions=self.transactional_actions,
            designations=self.designations,
            numbers=config.line.all_numbers,
            on_call=config.line.on_call is not None and config.line.on_call.is_configured,
            cold_outreach=OutreachThreads(
                services, line=config.line.slug, numbers=config.line.all_numbers, is_suppressed=self._is_suppressed
            ),
            drills=drill_scripts(config, run_directory.parent if run_directory else Path()),
            calendar=lambda: None if self.calendar is None else self.calendar.shifts,
        )
        self.timers = Timers(
            services,
            wait_until_idle=self.engine.queue.wait_until_short,
            late_after=pack.settings.late_after_seconds,
            is_caught_up=lambda: self.matrix_workers.is_caught_up,
        )
        self.canary = None if config.canary is None else CanaryParts(services, config=config, canary=config.canary)
        self.sms_sender = SmsSender(
            services,
            pack=pack,
            carrier=resources.carrier,
            numbers=config.line.all_numbers,
            carrier_copies=self.carrier_copies,
            canary=None if self.canary is None else self.canary.send,
        )
        self.drill_texts = DrillTexts(services, carrier=drill_handsets(config, resources.carrier))
        self.pager = Pager(
            services,
            on_call=config.line.on_call,
            http=resources.http,
            before_bytes=None if resources.lead is None else resources.lead.confirm,
        )
        hourly_alerts = HourlyAlerts(services)
        self.webhook = Webhook(
            services,
            carrier=resources.carrier,
            line=config.line.slug,
            carrier_copies=self.carrier_copies,
            hourly_alerts=hourly_alerts,
            numbers=config.line.all_numbers,
            is_stop=partial(is_stop, pack),
            canary=config.canary_mxid if config.canary is not None and config.canary.handset else "",
        )
        self.screening = Screening(
            services,
            suppression=resources.suppression,
            is_stop=partial(is_stop, pack),
            stop_seconds=pack.settings.suppression_ttl,
            rate_limit=NewThreadRateLimit(
                per_number_per_hour=pack.settings.new_threads_per_number_per_hour,
                per_minute=pack.settings.new_threads_per_minute,
            ),
            designations=self.designations,
        )
        self.carrier_backfill = CarrierBackfill(
            services, carrier=resources.carrier, webhook=self.webhook, hourly_alerts=hourly_alerts
        )
        self.matrix_workers = MatrixWorkers(
            resources,
            engine=self.engine,
            outbox=self.outbox,
            timers=self.timers,
            designations=self.designations,
            alert=self.alert,
        )
        self.metrics = (
            MetricsServer(
                services,
                config=config,
                settings=config.metrics,
                http=resources.http,
                desk=lambda: self.engine.desk,
                is_ready=lambda: self.matrix_workers.desk_room() is not None,
                run_directory=run_directory,
            )
            if config.metrics is not None
            else None
        )

    @classmethod
    async def open(
        cls,
        *,
        config: Config,
        pack: Pack,
        crash: CrashHook,
        stack: AsyncExitStack,
        run_directory: Path | None = None,
        take_over: bool = False,
        lead: Lead | None = None,
        front: StartupListener | None = None,
    ) -> Self:
        """Open the files, recover from a crash, and listen. The stack closes everything in reverse order.

        `run_directory`: where `bridge.json` is written; without it there is none. `take_over`, `lead`: see `Resources`.
        `front`: holds the ports until this bridge listens.
        """
        resources = await Resources.open(config=config, pack=pack, crash=crash, stack=stack, take_over=take_over, lead=lead)
        bridge = cls(resources, run_directory=run_directory)
        if bridge._bridge_file is not None:
            bridge._bridge_file.remove()
            stack.callback(bridge._bridge_file.remove)
        await run_history.record_start(resources.services.database, resources.services.clock.now())
        stack.push_async_exit(bridge._note_end)
        await bridge.recover()
        stack.push_async_callback(bridge._finish_requests)
        if front is not None:
            await front.close()
        await bridge.listen(stack)
        return bridge

    async def recover(self) -> None:
        """Bring memory and files in line with the database."""
        services = self._resources.services
        if await startup.is_promoted(services.database):  # first: that it is one is noted last
            await begin_new_olm_sessions(services)
        await startup.report_promotion(services, grace=self._resources.pack.settings.close_now_grace)
        await self.sms_sender.recover()
        await self.startup_hold.load()
        owners = await startup.destroy_orphans(services)
        grace = self._resources.pack.settings.client_grace
        await startup.end_lost(services, self.transactional_actions, grace=grace)
        await self.designations.load()
        await startup.report_missing_keys(services.database, services.vault, owners)
        await startup.replace_room_keys(services, owners, self._resources.config.policy_mxid)
        await self.engine.load()
        await self.screening.load()
        await startup.report_restore(services.database, services.vault, services.clock)
        await startup.record_configuration(services.database, services.vault, services.clock, self._resources.config)
        if self.canary is None:
            await canary_parts.forget(services)
        await (calendar_follower.forget(services) if self.calendar is None else self.calendar.load())
        if self._resources.pack.shifts is not None or self.calendar is not None:
            await startup.request_shift_check(services.database, services.clock)
        await self.carrier_copies.note_account()
        await self.outbox.load()
        await startup.apply_shorter_retention(services, self._resources.pack)
        # Before the timers, which note that the line is back.
        await self.carrier_backfill.report_absence()
        await self.timers.recover()

    async def listen(self, stack: AsyncExitStack) -> None:
        """Accept webhooks and answer `/ready`."""
        routes = [
            *self.webhook.routes(),
            *(() if self.canary is None else self.canary.routes(self.webhook.accept_canary)),
            web.get("/live", self._answer_live),
            web.get("/running", self._answer_live),
            web.get("/ready", self._answer_ready),
            web.get("/accepting", self._answer_accepting),
        ]
        runner = make_runner(routes, largest=self.webhook.largest)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        where = self._resources.config.listen
        await listen_patiently(runner, where.host, where.port, remedy=TAKEN)
        log.event("bridge.listening", port=where.port)

    async def _finish_requests(self) -> None:
        """Wait until requests to the carrier and calls to the person on call have ended. For an orderly stop."""
        await asyncio.gather(self.sms_sender.wait_for_requests(), self.pager.wait_for_calls())

    async def run(self) -> None:
        """Work until cancelled. Raises the error that ends the program."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.engine.queue.run())
            group.create_task(self.screening.queue.run())
            group.create_task(self.startup_hold.run(self.matrix_workers.synced, self.carrier_backfill.caught_up))
            group.create_task(self._run_timers())
            group.create_task(self.carrier_backfill.run())
            group.create_task(self.carrier_copies.loop.run())
            group.create_task(self._send_texts())
            group.create_task(self.outbox.run("page", self.pager.perform))
            group.create_task(self.outbox.run("handset", self.drill_texts.perform))
            group.create_task(self.matrix_workers.run())
            group.create_task(VerbRequests(self._resources.services).loop.run())
            group.create_task(self._keep_bridge_file())
            if self.calendar is not None:
                group.create_task(self.calendar.loop.run())
            if self.canary is not None:
                group.create_task(self.canary.watch.loop.run())
            if self.metrics is not None:
                group.create_task(self.metrics.run())
            group.create_task(self._watchdog().run())
            if self._resources.lead is not None:
                group.create_task(self._wait_for_handover_request(self._resources.lead))
                group.create_task(self._resources.lead.watch_keys(self._resources.config.data_dir / line_files.KEYS))
            for database in (self._resources.services.database, self._resources.puppet_database):
                group.create_task(database.wait_for_failure())

    def _watchdog(self) -> ServiceWatchdog:
        return ServiceWatchdog(
            self._resources.services,
            ServiceNotifier.of(),
            is_ready=lambda: self.matrix_workers.desk_room() is not None,
        )

    async def _send_texts(self) -> None:
        """Send texts after a former leader's requests have ended, so that none of its texts arrives after one of ours."""
        if self._resources.lead is not None:
            await self._resources.lead.wait_for_former_requests()
        await self.outbox.run("carrier", self.startup_hold.wrap(self.sms_sender.perform))

    async def _wait_for_handover_request(self, lead: Lead) -> None:
        """Wait for the request to hand over. Raises `HandoverRequested`; texts that arrive until then are accepted."""
        await lead.handover.wait()
        self._hands_over = True
        log.event("bridge.handing_over")
        await asyncio.sleep(DRAIN_SECONDS)
        raise HandoverRequested

    async def _run_timers(self) -> None:
        await self.startup_hold.released.wait()
        await self.timers.loop.run()

    async def _note_end(self, kind: type[BaseException] | None, _error: object, _trace: object) -> None:
        """Note an ordered stop. Any other end is a death, which the next start notes."""
        if kind is None:
            await run_history.record_stop(self._resources.services.database)

    async def _accept_report(self, delivery_report: DeliveryReport) -> None:
        await self.webhook.accept_report(delivery_report)

    async def _answer_live(self, _request: web.Request) -> web.Response:
        """Answer 200 while this process runs, also when the homeserver does not answer."""
        return web.Response()

    async def _answer_ready(self, _request: web.Request) -> web.Response:
        """Answer the role of this bridge; 503 until it syncs and has its desk. The answer names no room and no account."""
        if self._hands_over:
            return web.json_response({"role": "standby"}, status=503)
        if not self._publish():
            return web.json_response({"role": "starting"}, status=503)
        return web.json_response({"role": "leader"})

    async def _answer_accepting(self, _request: web.Request) -> web.Response:
        """Tell a proxy of two bridges whether to send webhooks here. The answer does not depend on the homeserver."""
        return web.Response(status=503 if self._hands_over else 200)

    def _publish(self) -> bool:
        """Write the desk's room into `bridge.json`; return False while there is no desk."""
        desk_room = self.matrix_workers.desk_room()
        if desk_room is not None and self._bridge_file is not None:
            self._bridge_file.publish(desk_room)
        return desk_room is not None

    async def _keep_bridge_file(self) -> None:
        while True:
            self._publish()
            await asyncio.sleep(PUBLISH_SECONDS)

    async def _is_suppressed(self, phone: Phone) -> bool:
        """Return whether cold outreach to this phone is forbidden, because it sent STOP once or is blocked."""
        services = self._resources.services
        suppression = self._resources.suppression
        now = await clock_trust.expiry_time(services.database, services.clock.now())
        return bool(await suppression.lookup(services.database, phone, now=now))
