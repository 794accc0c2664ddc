"""The bridge as a whole: every part is made here and in `matrix_side`, by hand, and let go in the reverse order.

Start: open the files (`ground`), let `sending` become `unknown`, listen, reach the homeserver, sync, reconcile, timers and
what stood for phones (`catchup`), ready. Webhooks are taken as soon as the database is open, whatever the homeserver does.
Stop: the reverse; a commit once begun is finished. What a process is, `process` knows.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Self

from aiohttp import web

from bot.model.actions import DESK
from bridge.app.homeserver import MatrixSide
from bridge.app.resources import Ground
from bridge.carriers.adapter import DeliveryReport
from bridge.config import Config
from bridge.engine import configuration_notice, startup_notices
from bridge.engine.cold_outreach import FirstTexts
from bridge.engine.engine import Engine
from bridge.engine.timers import Timers
from bridge.engine.transactional_actions import Acts
from bridge.erasure.carrier_copies import COPIES, Copies
from bridge.erasure.service import Alarm
from bridge.inbound import http_server
from bridge.inbound.carrier_backfill import Reconcile
from bridge.inbound.hourly_alerts import Hourly
from bridge.inbound.rate_limits import Floods
from bridge.inbound.screening import Screening
from bridge.inbound.webhook import Webhook
from bridge.outbound.dispatcher import Outbox
from bridge.outbound.pager import Pager
from bridge.outbound.room_keeper import Designations, forget_ungiven
from bridge.outbound.sms_sender import Texts
from bridge.outbound.startup_hold import CatchUp
from bridge.runtime import log
from bridge.runtime.crash_points import Crash
from bridge.runtime.phone_number import Phone
from bridge.tables.audit_log import Ledger
from policies.pack import Pack


class Bridge:
    """Every part of the bridge, made and connected. `open`, then `run` until cancelled; the stack lets go."""

    def __init__(self, ground: Ground) -> None:
        self._ground, config, pack = ground, ground.config, ground.pack
        store, vault, clock, crash = ground.store, ground.vault, ground.clock, ground.crash
        self._rooms_changed = asyncio.Event()
        self.alarm = Alarm(store=store, vault=vault, clock=clock, wake_engine=self._wake)
        self.designations = Designations(store=store)
        self.outbox = Outbox(store=store, vault=vault, clock=clock, wake_engine=self._wake)
        self.copies = Copies(
            store=store,
            vault=vault,
            clock=clock,
            carrier=ground.carrier,
            alarm=self.alarm,
            settled=self._wake_way_down,
            report=self._report,
            pause=self.outbox.talk.pause,
            crash=crash,
        )
        self.catchup = CatchUp(store=store, go_on=self.outbox.room_ready)
        self.timers = Timers(
            store=store,
            vault=vault,
            clock=clock,
            wake_engine=self._wake,
            crash=crash,
            rested=self._rested,
        )
        self.engine = Engine(
            store=store,
            vault=vault,
            pack=pack,
            clock=clock,
            outbox=self.outbox,
            acts=Acts(
                clock=clock,
                settings=pack.settings,
                ledger=Ledger(vault=vault),
                suppression=ground.suppression,
                wake=self._wake_way_down,
            ),
            designations=self.designations,
            timers_changed=self.timers.changed,
            desk_changed=self._rooms_changed.set,
            crash=crash,
            on_call=config.line.on_call is not None and config.line.on_call.reaches,
            first_texts=FirstTexts(
                store=store,
                vault=vault,
                line=config.line.slug,
                numbers=config.line.all_numbers,
                barred=self._barred,
                screen=self._screen,
            ),
        )
        self.texts = Texts(
            store=store,
            vault=vault,
            pack=pack,
            clock=clock,
            carrier=ground.carrier,
            numbers=config.line.all_numbers,
            copies=self.copies,
            wake_engine=self._wake,
            crash=crash,
        )
        self.pager = Pager(
            store=store,
            vault=vault,
            clock=clock,
            on_call=config.line.on_call,
            http=ground.http,
            wake_engine=self._wake,
            crash=crash,
        )
        hourly = Hourly(store=store, vault=vault, clock=clock, wake_engine=self._wake)
        self.webhook = Webhook(
            store=store,
            vault=vault,
            clock=clock,
            carrier=ground.carrier,
            line=config.line.slug,
            copies=self.copies,
            wake_engine=self._wake,
            screen=self._screen,
            hourly=hourly,
            crash=crash,
        )
        self.screening = Screening(
            store=store,
            vault=vault,
            clock=clock,
            suppression=ground.suppression,
            floods=Floods(
                per_number_per_hour=pack.settings.new_threads_per_number_per_hour,
                per_minute=pack.settings.new_threads_per_minute,
            ),
            designate=self.designations.new,
            wake_engine=self._wake,
            wake_rooms=self._rooms_changed.set,
            crash=crash,
        )
        self.reconcile = Reconcile(store=store, clock=clock, carrier=ground.carrier, webhook=self.webhook, hourly=hourly)
        self.matrix_side = MatrixSide(
            ground,
            engine=self.engine,
            screening=self.screening,
            outbox=self.outbox,
            timers=self.timers,
            designations=self.designations,
            alarm=self.alarm,
            rooms_changed=self._rooms_changed,
        )

    @classmethod
    async def open(cls, *, config: Config, pack: Pack, crash: Crash, stack: AsyncExitStack) -> Self:
        """Open files, settle what a crash left, and listen. What is opened is closed by the stack, last first."""
        bridge = cls(await Ground.open(config=config, pack=pack, crash=crash, stack=stack))
        await bridge.settle()
        stack.push_async_callback(bridge.texts.finish)
        await bridge.listen(stack)
        return bridge

    async def settle(self) -> None:
        """Bring memory and files to what SQL says."""
        ground = self._ground
        await self.texts.settle()
        await self.catchup.begin()
        await self._sweep_keys()
        await self.designations.load()
        await self.engine.load()
        await self.screening.load()
        await startup_notices.tell(ground.store, ground.vault, ground.clock)
        await configuration_notice.note(ground.store, ground.vault, ground.clock, ground.config)
        await self.outbox.load()
        # Before the timers, which note that the line is there again.
        await self.reconcile.back()
        await self.timers.settle()

    async def listen(self, stack: AsyncExitStack) -> None:
        """Take webhooks and say whether we are ready."""
        routes = [*self.webhook.routes(), web.get("/ready", self._ready)]
        runner = http_server.server(routes, largest=self.webhook.largest)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        where = self._ground.config.listen
        await web.TCPSite(runner, where.host, where.port).start()
        log.event("bridge.listens", port=where.port)

    async def run(self) -> None:
        """Work until cancelled. Raises what ends the program."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.engine.run())
            group.create_task(self.screening.run())
            group.create_task(self.catchup.run(self.matrix_side.synced, self.reconcile.listed))
            group.create_task(self._run_timers())
            group.create_task(self.reconcile.run())
            group.create_task(self.copies.run())
            group.create_task(self.outbox.run("carrier", self.catchup.holding(self.texts.perform)))
            group.create_task(self.outbox.run("page", self.pager.perform))
            group.create_task(self.matrix_side.run())
            for store in (self._ground.store, self._ground.voice_store):
                group.create_task(store.lasts())

    async def _run_timers(self) -> None:
        await self.catchup.done.wait()
        await self.timers.run()

    async def _rested(self) -> None:
        await self.engine.rested()

    def _wake(self, owner: str) -> None:
        self.engine.wake(owner)

    async def _report(self, report: DeliveryReport) -> None:
        await self.webhook.report(report)

    def _screen(self, owner: str) -> None:
        self.screening.wake(owner)

    def _wake_way_down(self) -> None:
        """Something has ended, or what was waited for has come: also the copies of it may be due."""
        self.copies.wake()
        self.matrix_side.wake_way_down()

    async def _ready(self, _request: web.Request) -> web.Response:
        desk_room = self.matrix_side.desk_room()
        if desk_room is None:
            return web.Response(status=503)
        config = self._ground.config
        return web.json_response({"bot": config.policy_mxid, "voice": config.voice_mxid, "desk_room": desk_room})

    async def _barred(self, phone: Phone) -> bool:
        """Tell whether nobody may text this phone first: it said STOP once, or is blocked."""
        return bool(await self._ground.suppression.of(self._ground.store, phone, now=self._ground.clock.wall()))

    async def _sweep_keys(self) -> None:
        """Destroy keys whose thread or room never came to be, because a crash came between."""
        store, vault = self._ground.store, self._ground.vault
        await store.commit(forget_ungiven)
        rows = await store.fetch("SELECT id AS owner FROM thread UNION SELECT key_owner FROM matrix_room")
        orphans = await vault.owners() - {row["owner"] for row in rows} - {DESK, COPIES}
        for owner in orphans:
            await vault.destroy(owner)
        if orphans:
            log.event("bridge.orphan_keys", count=len(orphans))
