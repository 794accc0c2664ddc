"""The workers that need the homeserver: they are made when it is reached, and run from then on.

Rule of this module: it is wiring only. Texts come in and leave without it; until `run` has reached the homeserver no room
is made, no message is read and nothing is erased.
"""

from __future__ import annotations

import asyncio
from functools import partial

from bot.model.actions import DESK
from bot.model.events import Event
from bot.sending import undo_window
from bridge.app.resources import Resources
from bridge.engine import restore_notice
from bridge.engine.engine import Engine
from bridge.engine.timers import Timers
from bridge.erasure.nightly import NightlyMaintenance
from bridge.erasure.service import ErasureAlert, ErasureService, module_client_of
from bridge.inbound.matrix_event_ingest import MatrixEventIngest
from bridge.inbound.screening import Screening
from bridge.inbound.sync_watchdog import SyncWatchdog
from bridge.matrix.api.module_api import ModuleClient
from bridge.matrix.rooms.media import UploadCleanup
from bridge.matrix.service import MatrixService
from bridge.outbound.dead_letter_retry import DeadLetterRetry
from bridge.outbound.device_trust import DeviceTrustCommands
from bridge.outbound.dispatcher import OutboxDispatcher
from bridge.outbound.room_provisioner import Designations, RoomProvisioner
from bridge.outbound.room_sender import RoomSender
from bridge.runtime.settings import read_secret
from bridge.tables import inbox


class MatrixWorkers:
    """Everything that needs the homeserver. `run` until cancelled; `synced` is set once the first sync is worked up."""

    def __init__(
        self,
        resources: Resources,
        *,
        engine: Engine,
        screening: Screening,
        outbox: OutboxDispatcher,
        timers: Timers,
        designations: Designations,
        alert: ErasureAlert,
        rooms_changed: asyncio.Event,
    ) -> None:
        self._resources, self._engine, self._screening = resources, engine, screening
        self._outbox, self._timers, self._designations, self._alert = outbox, timers, designations, alert
        self._rooms_changed = rooms_changed
        self._room_provisioner: RoomProvisioner | None = None
        self._caught_up: asyncio.Event | None = None
        self._erasure: ErasureService | None = None
        self.synced = asyncio.Event()

    def desk_room(self) -> str | None:
        """Return the desk's room; None while there is none yet, or nothing is heard."""
        if self._room_provisioner is None or self._caught_up is None or not self._caught_up.is_set():
            return None
        return self._room_provisioner.desk_room or None

    def wake_erasure(self) -> None:
        """Say that something may be due to be erased."""
        if self._erasure is not None:
            self._erasure.wake()

    async def run(self) -> None:
        """Reach the homeserver, then work until cancelled."""
        resources = self._resources
        matrix = await self._open_matrix()
        module_client = await module_client_of(resources.config, matrix, resources.http)
        room_sender = self._make_room_sender(matrix, module_client)
        rooms = self._room_provisioner = await self._make_room_provisioner(matrix)
        self._caught_up = matrix.sync.caught_up
        erasure = self._erasure = ErasureService(
            database=resources.database,
            vault=resources.vault,
            clock=resources.clock,
            settings=resources.pack.settings,
            matrix=matrix,
            module_client=module_client,
            priority_gate=self._outbox.priority_gate,
            alert=self._alert,
            crash=resources.crash,
        )
        nightly = NightlyMaintenance(
            database=resources.database,
            puppet_database=resources.puppet_database,
            vault=resources.vault,
            clock=resources.clock,
            module_client=module_client,
            hours=resources.config.quiet_hours,
            zone=resources.pack.hours.timezone,
            retention=resources.pack.settings.audit_retention,
            wait_for_pause=self._outbox.priority_gate.wait_for_pause,
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(erasure.run())
            group.create_task(matrix.run())
            group.create_task(self._wait_for_first_sync(matrix))
            group.create_task(SyncWatchdog(caught_up=matrix.sync.caught_up, notify_desk=self._notify_desk).run())
            group.create_task(rooms.run())
            group.create_task(self._outbox.run("matrix", room_sender.perform))
            group.create_task(
                UploadCleanup(database=resources.database, module_client=module_client, clock=resources.clock).run()
            )
            group.create_task(room_sender.number_reveals.run())
            group.create_task(nightly.run())

    async def _open_matrix(self) -> MatrixService:
        resources, config = self._resources, self._resources.config
        ingest = MatrixEventIngest(
            vault=resources.vault,
            clock=resources.clock,
            policy=config.policy_mxid,
            puppet=config.puppet_mxid,
            lifetime=resources.pack.settings.message_ttl,
            wake_engine=self._engine.wake,
            wake_rooms=self._rooms_changed.set,
        )
        return await MatrixService.open(
            database=resources.database,
            puppet_database=resources.puppet_database,
            session=resources.http,
            url=config.homeserver.url,
            token=read_secret(config.homeserver.as_token_file),
            policy_mxid=config.policy_mxid,
            puppet_mxid=config.puppet_mxid,
            vault=resources.vault,
            clock=resources.clock,
            crash=resources.crash,
            trust_on_first_use=config.line.rehearsal,
            sink=ingest.ingest,
            committed=ingest.after_commit,
            has_urgent_timers=partial(self._timers.is_set, undo_window.TIMER),
        )

    def _make_room_sender(self, matrix: MatrixService, module_client: ModuleClient) -> RoomSender:
        resources = self._resources
        return RoomSender(
            database=resources.database,
            vault=resources.vault,
            clock=resources.clock,
            room_client=matrix.room_client,
            device_trust=DeviceTrustCommands(
                database=resources.database,
                devices=matrix.devices,
                wake=matrix.device_updates.wake,
                module_client=module_client,
                clock=resources.clock,
            ),
            dead_letter_retry=DeadLetterRetry(
                database=resources.database,
                clock=resources.clock,
                wake_outbox=self._outbox.wake,
                wake_engine=self._engine.wake,
                wake_screening=self._screening.wake,
            ),
            lifetime=resources.pack.settings.message_ttl,
            zone=resources.pack.hours.timezone,
            wake_engine=self._engine.wake,
            crash=resources.crash,
        )

    async def _make_room_provisioner(self, matrix: MatrixService) -> RoomProvisioner:
        resources, config = self._resources, self._resources.config
        return RoomProvisioner(
            database=resources.database,
            room_client=matrix.room_client,
            designations=self._designations,
            staff=await restore_notice.first_roster(resources.database, config.line.staff),
            desk=lambda: self._engine.desk,
            room_ready=self._outbox.room_ready,
            changed=self._rooms_changed,
            crash=resources.crash,
            own_users=(config.policy_mxid, config.puppet_mxid),
            notify_desk=self._notify_desk,
        )

    async def _wait_for_first_sync(self, matrix: MatrixService) -> None:
        await matrix.sync.caught_up.wait()
        self.synced.set()

    async def _notify_desk(self, event: Event) -> None:
        inbox_row = await inbox.seal(self._resources.vault, DESK, event)
        await self._resources.database.commit(lambda conn: inbox.append(conn, inbox_row))
        self._engine.wake(DESK)
