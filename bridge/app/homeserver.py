"""The line's side of the rooms, put together: what is made when the homeserver is reached, and runs from then on.

Rule of this module: it is wiring only. Texts come in and leave without it; until `run` has reached the homeserver there is
no room, nothing is heard and nothing is erased.
"""

from __future__ import annotations

import asyncio
from functools import partial

from bot.model.actions import DESK
from bot.model.events import Event
from bot.sending import undo_window
from bridge.app.resources import Ground
from bridge.engine import startup_notices
from bridge.engine.engine import Engine
from bridge.engine.timers import Timers
from bridge.erasure.nightly import Night
from bridge.erasure.service import Alarm, WayDown, house_of
from bridge.inbound.matrix_events import Intake
from bridge.inbound.screening import Screening
from bridge.inbound.sync_watchdog import Hearing
from bridge.matrix.api.module_api import House
from bridge.matrix.rooms.media import Uploads
from bridge.matrix.service import Matrix
from bridge.outbound.dead_letter_retry import Retries
from bridge.outbound.device_trust import Trust
from bridge.outbound.dispatcher import Outbox
from bridge.outbound.room_keeper import Designations, Rooms
from bridge.outbound.room_sender import Posts
from bridge.runtime.settings import secret
from bridge.tables import inbox


class MatrixSide:
    """Everything that needs the homeserver. `run` until cancelled; `synced` is set once the first sync is worked up."""

    def __init__(
        self,
        ground: Ground,
        *,
        engine: Engine,
        screening: Screening,
        outbox: Outbox,
        timers: Timers,
        designations: Designations,
        alarm: Alarm,
        rooms_changed: asyncio.Event,
    ) -> None:
        self._ground, self._engine, self._screening = ground, engine, screening
        self._outbox, self._timers, self._designations, self._alarm = outbox, timers, designations, alarm
        self._rooms_changed = rooms_changed
        self._rooms: Rooms | None = None
        self._caught_up: asyncio.Event | None = None
        self._way_down: WayDown | None = None
        self.synced = asyncio.Event()

    def desk_room(self) -> str | None:
        """Return the desk's room; None while there is none yet, or nothing is heard."""
        if self._rooms is None or self._caught_up is None or not self._caught_up.is_set():
            return None
        return self._rooms.desk_room or None

    def wake_way_down(self) -> None:
        """Say that something may be due to be erased."""
        if self._way_down is not None:
            self._way_down.wake()

    async def run(self) -> None:
        """Reach the homeserver, then work until cancelled."""
        ground = self._ground
        matrix = await self._matrix()
        house = await house_of(ground.config, matrix, ground.http)
        posts = self._posts(matrix, house)
        rooms = self._rooms = await self._all_rooms(matrix)
        self._caught_up = matrix.sync.caught_up
        way_down = self._way_down = WayDown(
            store=ground.store,
            vault=ground.vault,
            clock=ground.clock,
            settings=ground.pack.settings,
            matrix=matrix,
            house=house,
            outbox=self._outbox,
            alarm=self._alarm,
            crash=ground.crash,
        )
        night = Night(
            store=ground.store,
            voice_store=ground.voice_store,
            vault=ground.vault,
            clock=ground.clock,
            house=house,
            hours=ground.config.quiet_hours,
            zone=ground.pack.hours.timezone,
            retention=ground.pack.settings.audit_retention,
            quiet=self._outbox.talk.quiet,
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(way_down.run())
            group.create_task(matrix.run())
            group.create_task(self._told_of_sync(matrix))
            group.create_task(Hearing(caught_up=matrix.sync.caught_up, tell=self._tell_desk).run())
            group.create_task(rooms.run())
            group.create_task(self._outbox.run("matrix", posts.perform))
            group.create_task(Uploads(store=ground.store, house=house, clock=ground.clock).run())
            group.create_task(posts.reveals.run())
            group.create_task(night.run())

    async def _matrix(self) -> Matrix:
        ground, config = self._ground, self._ground.config
        intake = Intake(
            vault=ground.vault,
            clock=ground.clock,
            policy=config.policy_mxid,
            voice=config.voice_mxid,
            lifetime=ground.pack.settings.message_ttl,
            wake_engine=self._engine.wake,
            wake_rooms=self._rooms_changed.set,
        )
        return await Matrix.open(
            store=ground.store,
            voice_store=ground.voice_store,
            session=ground.http,
            url=config.homeserver.url,
            token=secret(config.homeserver.as_token_file),
            policy_mxid=config.policy_mxid,
            voice_mxid=config.voice_mxid,
            vault=ground.vault,
            clock=ground.clock,
            crash=ground.crash,
            trust_on_first_use=config.line.rehearsal,
            sink=intake.take,
            committed=intake.committed,
            hurried=partial(self._timers.waiting, undo_window.TIMER),
        )

    def _posts(self, matrix: Matrix, house: House) -> Posts:
        ground = self._ground
        return Posts(
            store=ground.store,
            vault=ground.vault,
            clock=ground.clock,
            edge=matrix.edge,
            trust=Trust(
                store=ground.store, devices=matrix.devices, wake=matrix.watch.wake, house=house, clock=ground.clock
            ),
            retries=Retries(
                store=ground.store,
                clock=ground.clock,
                wake_outbox=self._outbox.wake,
                wake_engine=self._engine.wake,
                screen=self._screening.wake,
            ),
            lifetime=ground.pack.settings.message_ttl,
            zone=ground.pack.hours.timezone,
            wake_engine=self._engine.wake,
            crash=ground.crash,
        )

    async def _all_rooms(self, matrix: Matrix) -> Rooms:
        ground, config = self._ground, self._ground.config
        return Rooms(
            store=ground.store,
            edge=matrix.edge,
            designations=self._designations,
            staff=await startup_notices.staff(ground.store, config.line.staff),
            desk=lambda: self._engine.desk,
            room_ready=self._outbox.room_ready,
            changed=self._rooms_changed,
            crash=ground.crash,
            ours=(config.policy_mxid, config.voice_mxid),
            tell=self._tell_desk,
        )

    async def _told_of_sync(self, matrix: Matrix) -> None:
        await matrix.sync.caught_up.wait()
        self.synced.set()

    async def _tell_desk(self, event: Event) -> None:
        letter = await inbox.seal(self._ground.vault, DESK, event)
        await self._ground.store.commit(lambda conn: inbox.put(conn, letter))
        self._engine.wake(DESK)
