"""Puts erasure together: the parts that `bridge` makes before the homeserver is reached, and those of `matrix_workers`.

Rule of this module: it is wiring.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

import aiohttp

from bot.model.actions import THREAD
from bridge.background.loop import BackgroundLoop
from bridge.config.sections import Config
from bridge.erasure.certificate import CertificateSigner
from bridge.erasure.expiry import ExpiryWorker
from bridge.erasure.job_runner import AlertCallback, ErasureRunner
from bridge.erasure.room_steps import PersonSteps, RoomSteps
from bridge.matrix.api.admin_api import AdminClient, module_or_admin_client
from bridge.matrix.api.http_client import HomeserverClient, Permanent, TokenRefused
from bridge.matrix.api.json_fields import MAX_INTEGER, strings_in
from bridge.matrix.api.module_api import ModuleClient
from bridge.matrix.room_client import ErasureProbe
from bridge.matrix.rooms.room_state import rooms_of_ours
from bridge.matrix.service import MatrixService
from bridge.runtime import log
from bridge.runtime.priority_gate import PriorityGate
from bridge.runtime.settings import read_secret
from bridge.services import Services
from bridge.storage.database import Transaction
from bridge.tables import line_state, room_events
from bridge.tables.suppression import Suppression
from policies.pack import Settings

INTERVAL: Final = 30.0
RETRY: Final = (5.0, 300.0)


class ReturnedEvents:
    """Looks for such events while the line notes a rollback.

    `wake_expiry`: called when some must be redacted. `has_caught_up`: whether the sync has. `lifetime`: that of messages,
    in seconds.
    """

    def __init__(
        self,
        services: Services,
        *,
        probe: ErasureProbe,
        priority_gate: PriorityGate,
        wake_expiry: Callable[[], None],
        has_caught_up: Callable[[], bool],
        lifetime: int,
    ) -> None:
        self._has_caught_up, self._lifetime = has_caught_up, lifetime
        self._database, self._clock = services.database, services.clock
        self._probe, self._priority_gate, self._wake_expiry = probe, priority_gate, wake_expiry
        self.loop = BackgroundLoop(
            "returned_events",
            self.run_once,
            max_sleep=INTERVAL,
            retry=RETRY,
        )

    async def run_once(self) -> float:
        """Check all rooms if that is due; return the seconds until the next check."""
        if (noted := await line_state.get(self._database, line_state.EVENTS_RETURNED)) is not None:
            await self._check_all(line_state.EVENTS_RETURNED, noted, lifetime=0)
            return 0.0
        lost = await line_state.get(self._database, line_state.EVENTS_LOST) if self._has_caught_up() else None
        if lost is not None:
            await self._check_all(line_state.EVENTS_LOST, lost, lifetime=self._lifetime)
            return 0.0
        return INTERVAL

    async def _check_all(self, name: str, noted: str, *, lifetime: int) -> None:
        count = 0
        for room in await rooms_of_ours(self._database):
            async with self._priority_gate.background():
                count += await self._index_readable_events(room.room_id, int(noted), lifetime)
        await self._database.commit(lambda transaction: line_state.delete_value(transaction, name, noted))
        log.event("returned_events.checked", count=count)

    async def _index_readable_events(self, room_id: str, until: int, lifetime: int) -> int:
        """Put a room's events that are not on the deletion index on it; return how many there are."""
        try:
            events = await self._probe.readable(room_id)
        except TokenRefused:
            raise
        except Permanent:
            return 0
        # Read first: nearly every room has all its events on the index, and a commit would occupy the only writer.
        known = set(await room_events.ids_of_room(self._database, room_id))
        storable_ids = set(strings_in([event_id for event_id, _ in events]))
        old = [
            (event_id, at)
            for event_id, at in events
            if -MAX_INTEGER <= at <= until and event_id not in known and event_id in storable_ids
        ]
        now = int(self._clock.now())

        async def commit(transaction: Transaction) -> int:
            note = partial(room_events.record, transaction, room_id=room_id, owner="", place=THREAD, now=now, lifetime=0)
            return sum([await note(event_id=event_id, at=at, until=now + lifetime) for event_id, at in old])

        count = await self._database.commit(commit) if old else 0
        if count:
            self._wake_expiry()
        return count


async def module_client_of(config: Config, matrix: MatrixService, session: aiohttp.ClientSession) -> ModuleClient:
    """Return the client that purges, deletes uploads and signs out: of the homeserver's module, or of an administrator."""
    path, url = config.homeserver.admin_token_file, config.homeserver.url
    user_id = matrix.policy.user_id
    wire = None if path is None else HomeserverClient(session=session, url=url, token=read_secret(path), user_id=user_id)
    return await module_or_admin_client(
        ModuleClient(client=matrix.policy.client), None if wire is None else AdminClient(client=wire)
    )


class ErasureService:
    """Erasure jobs and expiry over one homeserver. `run` until cancelled; `wake` when something may be due."""

    def __init__(
        self,
        services: Services,
        *,
        settings: Settings,
        matrix: MatrixService,
        module_client: ModuleClient,
        priority_gate: PriorityGate,
        suppression: Suppression,
        alert: AlertCallback,
    ) -> None:
        signer = CertificateSigner(vault=services.vault)
        probe = ErasureProbe(policy=matrix.policy, ours=(matrix.policy.user_id, matrix.puppet.user_id))
        rooms = RoomSteps(
            services,
            room_client=matrix.room_client,
            module_client=module_client,
            erasure_probe=probe,
            signer=signer,
            retention=settings.receipt_retention,
            priority_gate=priority_gate,
            on_keys_destroyed=matrix.outbound_sessions.forget,
        )
        people = PersonSteps(services, signer=signer, retention=settings.receipt_retention)
        self._erasure = ErasureRunner(
            services,
            steps={**rooms.steps(), **people.steps()},
            yield_to_foreground=priority_gate.yield_to_foreground,
            alert=alert,
        )
        self._expiry = ExpiryWorker(services, rooms=rooms, suppression=suppression, alert=alert)
        self._returned = ReturnedEvents(
            services,
            probe=probe,
            priority_gate=priority_gate,
            wake_expiry=self._expiry.loop.wake,
            has_caught_up=matrix.sync.caught_up.is_set,
            lifetime=settings.message_ttl,
        )
        services.wake.erasure_jobs = self._erasure.loop.wake

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._erasure.loop.run(), name="erasure jobs")
            group.create_task(self._expiry.loop.run(), name="expiry")
            group.create_task(self._returned.loop.run(), name="returned events")
