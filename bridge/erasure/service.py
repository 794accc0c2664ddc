"""Puts erasure together: what `bridge` makes before there is a homeserver, and what `matrix_workers` makes after.

Rule of this module: it is wiring, and the one sentence that reports at the desk that something is not gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp

from bot.model.actions import DESK
from bot.model.line_incidents import ErasureFailed
from bridge.config import Config
from bridge.erasure.certificate import CertificateSigner
from bridge.erasure.expiry import ExpiryWorker
from bridge.erasure.job_runner import ErasureRunner
from bridge.erasure.person_steps import PersonSteps
from bridge.erasure.room_steps import RoomSteps
from bridge.matrix.api.admin_api import AdminClient, module_or_admin_client
from bridge.matrix.api.http_client import HomeserverClient
from bridge.matrix.api.module_api import ModuleClient
from bridge.matrix.rooms.erasure_probe import ErasureProbe
from bridge.matrix.service import MatrixService
from bridge.runtime import log
from bridge.runtime.clock import Clock
from bridge.runtime.crash_points import CrashHook
from bridge.runtime.priority_gate import PriorityGate
from bridge.runtime.settings import read_secret
from bridge.storage.database import Database
from bridge.storage.vault import Vault
from bridge.tables import inbox
from policies.pack import Settings


class ErasureAlert:
    """Tells the desk that something is not gone which should be."""

    def __init__(self, *, database: Database, vault: Vault, clock: Clock, wake_engine: Callable[[str], None]) -> None:
        self._database, self._vault, self._clock, self._wake_engine = database, vault, clock, wake_engine

    async def __call__(self, what: str, since: float) -> None:
        """Say what, and that it should have been gone since then (seconds since the epoch)."""
        hours = max(0, int((self._clock.now() - since) // 3600))
        inbox_row = await inbox.seal(self._vault, DESK, ErasureFailed(what=what, hours=hours))
        await self._database.commit(lambda conn: inbox.append(conn, inbox_row))
        log.event("erasure.failed")
        self._wake_engine(DESK)


async def module_client_of(config: Config, matrix: MatrixService, session: aiohttp.ClientSession) -> ModuleClient:
    """Return what purges, deletes uploads and signs out: the homeserver's module, or an administrator in its stead."""
    path, url = config.homeserver.admin_token_file, config.homeserver.url
    user_id = matrix.policy.user_id
    wire = None if path is None else HomeserverClient(session=session, url=url, token=read_secret(path), user_id=user_id)
    return await module_or_admin_client(
        ModuleClient(client=matrix.policy.client), None if wire is None else AdminClient(client=wire)
    )


class ErasureService:
    """Erasure and sweep over one homeserver. `run` until cancelled; `wake` when something may be due."""

    def __init__(
        self,
        *,
        database: Database,
        vault: Vault,
        clock: Clock,
        settings: Settings,
        matrix: MatrixService,
        module_client: ModuleClient,
        priority_gate: PriorityGate,
        alert: Callable[[str, float], Awaitable[None]],
        crash: CrashHook,
    ) -> None:
        signer = CertificateSigner(vault=vault)
        rooms = RoomSteps(
            database=database,
            vault=vault,
            clock=clock,
            room_client=matrix.room_client,
            module_client=module_client,
            erasure_probe=ErasureProbe(policy=matrix.policy, ours=(matrix.policy.user_id, matrix.puppet.user_id)),
            signer=signer,
            retention=settings.receipt_retention,
            priority_gate=priority_gate,
            on_keys_destroyed=matrix.outbound_sessions.forget,
            crash=crash,
        )
        people = PersonSteps(
            database=database, vault=vault, clock=clock, signer=signer, retention=settings.receipt_retention, crash=crash
        )
        steps = {**rooms.steps(), **people.steps()}
        self._erasure = ErasureRunner(
            database=database,
            clock=clock,
            steps=steps,
            yield_to_foreground=priority_gate.yield_to_foreground,
            alert=alert,
            crash=crash,
        )
        self._expiry = ExpiryWorker(database=database, vault=vault, clock=clock, rooms=rooms, alert=alert, crash=crash)

    def wake(self) -> None:
        """Say that something may be due."""
        self._erasure.wake()

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._erasure.run(), name="erasure")
            group.create_task(self._expiry.run(), name="sweep")
