"""The bridge as a process: everything is made here, by hand, and let go in the reverse order.

Start: lock the data directory, migrate, let `sending` become `unknown`, listen, reach the homeserver, sync, reconcile,
timers and what stood for phones (`catchup`), ready. Webhooks are taken as soon as the database is open, whatever the
homeserver does. Stop: the reverse; a commit once begun is finished.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sys
import time
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import aiohttp
from aiohttp import web

from bot import relay
from bot.actions import DESK
from bot.events import Event
from bridge import config as configuration
from bridge import configured, inbox, listening, log, restored, schema
from bridge.audit import Ledger
from bridge.carriers import kinds
from bridge.carriers.adapter import Carrier, DeliveryReport
from bridge.catchup import CatchUp
from bridge.clock import SteadyClock
from bridge.cold import FirstTexts
from bridge.config import Config, ConfigError
from bridge.crash import Crash, nowhere
from bridge.engine import Engine
from bridge.erasure_acts import Acts
from bridge.erasure_copies import COPIES, Copies
from bridge.erasure_parts import Alarm, WayDown, house_of
from bridge.floods import Floods
from bridge.hearing import Hearing
from bridge.hourly import Hourly
from bridge.intake import Intake
from bridge.keys import Keys
from bridge.matrix.assembly import Matrix
from bridge.matrix.schema import MAIN_UPGRADES, VOICE_UPGRADES
from bridge.matrix.uploads import Uploads
from bridge.night import Night
from bridge.oncall import Pager
from bridge.outbox import Outbox
from bridge.phone import Phone
from bridge.posts import Posts
from bridge.reconcile import Reconcile
from bridge.retry import Retries
from bridge.rooms import Designations, Rooms, forget_ungiven
from bridge.screening import Screening
from bridge.settings import secret
from bridge.store import Store
from bridge.suppression import Suppression
from bridge.texts import Texts
from bridge.timers import Timers
from bridge.trust import Trust
from bridge.vault import Vault
from bridge.webhook import Webhook
from policies.load import PackError
from policies.load import load as load_pack
from policies.pack import Pack, samples, unreviewed

WELL, NOT_WELL, UNUSABLE = 0, 1, 2


def main(path: Path, *, crash: Crash = nowhere) -> int:
    """Run until SIGTERM or SIGINT. Returns 0, 1 when something broke, 2 for a configuration that cannot be used."""
    os.umask(0o077)
    try:
        config = configuration.load(path)
        pack = _pack(config, near=path.parent)
    except ConfigError as error:
        return _unusable(error.problems)
    log.configure(config.log_level)
    config.data_dir.mkdir(parents=True, exist_ok=True)
    with (config.data_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return _unusable([f"{config.data_dir}: another bridge runs on this directory"])
        try:
            asyncio.run(_until_told(config, pack, crash))
        except BaseExceptionGroup as group:
            for leaf in _leaves(group):
                log.failure("bridge.broke", leaf)
            return NOT_WELL
        except Exception as error:  # noqa: BLE001 - the last place: its text must not reach the log
            log.failure("bridge.broke", error)
            return NOT_WELL
    return WELL


class _Told(Exception):  # noqa: N818 - not an error: somebody told us to stop
    """Ends the task group."""


async def _until_told(config: Config, pack: Pack, crash: Crash) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    async with AsyncExitStack() as stack:
        bridge = await Bridge.open(config=config, pack=pack, crash=crash, stack=stack)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(bridge.run())
                group.create_task(_stop(told))
        except* _Told:
            log.event("bridge.stopping")


async def _stop(told: asyncio.Event) -> None:
    await told.wait()
    raise _Told


class Bridge:
    """Every part of the bridge, made and connected. `open`, then `run` until cancelled; the stack lets go."""

    def __init__(
        self,
        *,
        config: Config,
        pack: Pack,
        crash: Crash,
        store: Store,
        voice_store: Store,
        vault: Vault,
        http: aiohttp.ClientSession,
        carrier: Carrier,
        suppression: Suppression,
    ) -> None:
        self._config, self._crash, self._http, self._pack = config, crash, http, pack
        self._suppression = suppression
        self._store, self._voice_store, self._vault = store, voice_store, vault
        self._clock = SteadyClock()
        self._rooms: Rooms | None = None
        self._rooms_changed = asyncio.Event()
        self._synced = asyncio.Event()
        self._caught_up: asyncio.Event | None = None
        self._way_down: WayDown | None = None
        self.alarm = Alarm(store=store, vault=vault, clock=self._clock, wake_engine=self._wake)
        self.copies = Copies(
            store=store,
            vault=vault,
            clock=self._clock,
            carrier=carrier,
            alarm=self.alarm,
            settled=self._wake_way_down,
            report=self._report,
            crash=crash,
        )
        self.designations = Designations(store=store)
        self.outbox = Outbox(store=store, vault=vault, clock=self._clock, wake_engine=self._wake)
        self.catchup = CatchUp(store=store, go_on=self.outbox.room_ready)
        self.timers = Timers(
            store=store,
            vault=vault,
            clock=self._clock,
            wake_engine=self._wake,
            crash=crash,
            rested=self._rested,
        )
        self.engine = Engine(
            store=store,
            vault=vault,
            pack=pack,
            clock=self._clock,
            outbox=self.outbox,
            acts=Acts(
                clock=self._clock,
                settings=pack.settings,
                ledger=Ledger(vault=vault),
                suppression=suppression,
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
            clock=self._clock,
            carrier=carrier,
            numbers=config.line.all_numbers,
            copies=self.copies,
            wake_engine=self._wake,
            crash=crash,
        )
        self.pager = Pager(
            store=store,
            vault=vault,
            clock=self._clock,
            on_call=config.line.on_call,
            http=http,
            wake_engine=self._wake,
            crash=crash,
        )
        hourly = Hourly(store=store, vault=vault, clock=self._clock, wake_engine=self._wake)
        self.webhook = Webhook(
            store=store,
            vault=vault,
            clock=self._clock,
            carrier=carrier,
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
            clock=self._clock,
            suppression=suppression,
            floods=Floods(
                per_number_per_hour=pack.settings.new_threads_per_number_per_hour,
                per_minute=pack.settings.new_threads_per_minute,
            ),
            designate=self.designations.new,
            wake_engine=self._wake,
            wake_rooms=self._rooms_changed.set,
            crash=crash,
        )
        self.reconcile = Reconcile(store=store, clock=self._clock, carrier=carrier, webhook=self.webhook, hourly=hourly)

    @classmethod
    async def open(cls, *, config: Config, pack: Pack, crash: Crash, stack: AsyncExitStack) -> Bridge:
        """Open files, settle what a crash left, and listen. What is opened is closed by the stack, last first."""
        data = config.data_dir
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)))
        keys = Keys(path=data / "keys.db")
        await keys.open()
        stack.push_async_callback(keys.close)
        vault = Vault(
            keys=keys,
            vault_key=bytes.fromhex(secret(config.keys.vault_key_file)),
            index_key=bytes.fromhex(secret(config.keys.index_key_file)),
        )
        await vault.check()
        store = Store(data / "main.db", upgrades=(schema.upgrades, *MAIN_UPGRADES))
        voice_store = Store(data / "voice.db", upgrades=VOICE_UPGRADES)
        for each in (store, voice_store):
            stack.push_async_callback(each.close)
            await each.open()
        carrier = kinds.make(
            config.line.carrier,
            public_base_url=config.listen.public_base_url,
            slug=config.line.slug,
            numbers=config.line.all_numbers,
            validity=pack.settings.carrier_validity_seconds,
            clock=time.time,
        )
        stack.push_async_callback(carrier.close)
        bridge = cls(
            config=config,
            pack=pack,
            crash=crash,
            store=store,
            voice_store=voice_store,
            vault=vault,
            http=http,
            carrier=carrier,
            suppression=Suppression(key=bytes.fromhex(secret(config.keys.suppression_key_file)), line=config.line.slug),
        )
        await bridge.settle()
        stack.push_async_callback(bridge.texts.finish)
        await bridge.listen(stack)
        return bridge

    async def settle(self) -> None:
        """Bring memory and files to what SQL says."""
        await self.texts.settle()
        await self.catchup.begin()
        await self._sweep_keys()
        await self.designations.load()
        await self.engine.load()
        await self.screening.load()
        await restored.tell(self._store, self._vault, self._clock)
        await configured.note(self._store, self._vault, self._clock, self._config)
        await self.outbox.load()
        # Before the timers, which note that the line is there again.
        await self.reconcile.back()
        await self.timers.settle()

    async def listen(self, stack: AsyncExitStack) -> None:
        """Take webhooks and say whether we are ready."""
        routes = [*self.webhook.routes(), web.get("/ready", self._ready)]
        runner = listening.server(routes, largest=self.webhook.largest)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, self._config.listen.host, self._config.listen.port).start()
        log.event("bridge.listens", port=self._config.listen.port)

    async def run(self) -> None:
        """Work until cancelled. Raises what ends the program."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.engine.run())
            group.create_task(self.screening.run())
            group.create_task(self.catchup.run(self._synced, self.reconcile.listed))
            group.create_task(self._run_timers())
            group.create_task(self.reconcile.run())
            group.create_task(self.copies.run())
            group.create_task(self.outbox.run("carrier", self.catchup.holding(self.texts.perform)))
            group.create_task(self.outbox.run("page", self.pager.perform))
            group.create_task(self._run_matrix())

    async def _run_timers(self) -> None:
        await self.catchup.done.wait()
        await self.timers.run()

    async def _run_matrix(self) -> None:
        config, lifetime = self._config, self._pack.settings.message_ttl
        intake = Intake(
            vault=self._vault,
            clock=self._clock,
            policy=config.policy_mxid,
            voice=config.voice_mxid,
            lifetime=lifetime,
            wake_engine=self._wake,
        )
        matrix = await Matrix.open(
            store=self._store,
            voice_store=self._voice_store,
            session=self._http,
            url=config.homeserver.url,
            token=secret(config.homeserver.as_token_file),
            policy_mxid=config.policy_mxid,
            voice_mxid=config.voice_mxid,
            vault=self._vault,
            clock=self._clock,
            crash=self._crash,
            trust_on_first_use=config.line.rehearsal,
            sink=intake.take,
            committed=intake.committed,
            hurried=partial(self.timers.waiting, relay.TIMER),
        )
        house = await house_of(config, matrix, self._http)
        posts = Posts(
            store=self._store,
            vault=self._vault,
            clock=self._clock,
            edge=matrix.edge,
            trust=Trust(store=self._store, devices=matrix.devices, wake=matrix.watch.wake, house=house, clock=self._clock),
            retries=Retries(store=self._store, clock=self._clock, wake_outbox=self.outbox.wake, wake_engine=self._wake),
            lifetime=lifetime,
            wake_engine=self._wake,
            crash=self._crash,
        )
        self._rooms = Rooms(
            store=self._store,
            edge=matrix.edge,
            designations=self.designations,
            staff=await restored.staff(self._store, config.line.staff),
            desk=lambda: self.engine.desk,
            room_ready=self.outbox.room_ready,
            changed=self._rooms_changed,
            crash=self._crash,
            ours=(config.policy_mxid, config.voice_mxid),
            tell=self._tell_desk,
        )
        self._caught_up = matrix.sync.caught_up
        way_down = self._way_down = WayDown(
            store=self._store,
            vault=self._vault,
            clock=self._clock,
            settings=self._pack.settings,
            matrix=matrix,
            house=house,
            outbox=self.outbox,
            alarm=self.alarm,
            crash=self._crash,
        )
        night = Night(
            store=self._store,
            vault=self._vault,
            clock=self._clock,
            house=house,
            hours=config.quiet_hours,
            zone=self._pack.hours.timezone,
            retention=self._pack.settings.audit_retention,
            quiet=self.outbox.quiet,
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(way_down.run())
            group.create_task(matrix.run())
            group.create_task(self._told_of_sync(matrix))
            group.create_task(Hearing(caught_up=matrix.sync.caught_up, tell=self._tell_desk).run())
            group.create_task(self._rooms.run())
            group.create_task(self.outbox.run("matrix", posts.perform))
            group.create_task(Uploads(store=self._store, house=house, clock=self._clock).run())
            group.create_task(posts.reveals.run())
            group.create_task(night.run())

    async def _told_of_sync(self, matrix: Matrix) -> None:
        await matrix.sync.caught_up.wait()
        self._synced.set()

    async def _rested(self) -> None:
        await self.engine.rested()

    async def _tell_desk(self, event: Event) -> None:
        letter = await inbox.seal(self._vault, DESK, event)
        await self._store.commit(lambda conn: inbox.put(conn, letter))
        self._wake(DESK)

    def _wake(self, owner: str) -> None:
        self.engine.wake(owner)

    async def _report(self, report: DeliveryReport) -> None:
        await self.webhook.report(report)

    def _screen(self, owner: str) -> None:
        self.screening.wake(owner)

    def _wake_way_down(self) -> None:
        """Something has ended, or what was waited for has come: also the copies of it may be due."""
        self.copies.wake()
        if self._way_down is not None:
            self._way_down.wake()

    async def _ready(self, _request: web.Request) -> web.Response:
        heard = self._caught_up is not None and self._caught_up.is_set()
        if self._rooms is None or not self._rooms.desk_room or not heard:
            return web.Response(status=503)
        return web.json_response(
            {"bot": self._config.policy_mxid, "voice": self._config.voice_mxid, "desk_room": self._rooms.desk_room}
        )

    async def _barred(self, phone: Phone) -> bool:
        """Tell whether nobody may text this phone first: it said STOP once, or is blocked."""
        return bool(await self._suppression.of(self._store, phone, now=self._clock.wall()))

    async def _sweep_keys(self) -> None:
        """Destroy keys whose thread or room never came to be, because a crash came between."""
        await self._store.commit(forget_ungiven)
        rows = await self._store.fetch("SELECT id AS owner FROM thread UNION SELECT key_owner FROM matrix_room")
        orphans = await self._vault.owners() - {row["owner"] for row in rows} - {DESK, COPIES}
        for owner in orphans:
            await self._vault.destroy(owner)
        if orphans:
            log.event("bridge.orphan_keys", count=len(orphans))


def _pack(config: Config, *, near: Path) -> Pack:
    """Load the line's packs; a line that is no rehearsal needs reviewed words and no examples."""
    try:
        pack = load_pack(config.line.packs, near=near)
    except PackError as error:
        raise ConfigError(error.problems) from None
    if not config.line.rehearsal:
        problems = [f"packs: {name} is legal text and not reviewed" for name in unreviewed(pack)]
        problems += [f"packs: {name} still holds an example" for name in samples(pack)]
        if problems:
            raise ConfigError(problems)
    return pack


def _unusable(problems: list[str]) -> int:
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    return UNUSABLE


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    leaves: list[BaseException] = []
    for error in group.exceptions:
        leaves += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return leaves
