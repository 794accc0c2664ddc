"""Puts erasure together: the parts that `bridge` makes before the homeserver is reached, and those of `matrix_workers`.

Rule of this module: it is wiring.
"""

from __future__ import annotations

import asyncio

import aiohttp

from bridge.config.sections import Config
from bridge.erasure.certificate import CertificateSigner
from bridge.erasure.expiry import ExpiryWorker
from bridge.erasure.job_runner import AlertCallback, ErasureRunner
from bridge.erasure.returned_events import ReturnedEvents
from bridge.erasure.room_steps import PersonSteps, RoomSteps
from bridge.matrix.api.admin_api import AdminClient, module_or_admin_client
from bridge.matrix.api.http_client import HomeserverClient
from bridge.matrix.api.module_api import ModuleClient
from bridge.matrix.room_client import ErasureProbe
from bridge.matrix.service import MatrixService
from bridge.runtime.priority_gate import PriorityGate
from bridge.runtime.settings import read_secret
from bridge.services import Services
from bridge.tables.suppression import Suppression
from policies.pack import Settings


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
