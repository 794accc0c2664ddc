"""The workers that need the homeserver: they are made when it is reached, and run from then on.

Rule of this module: it is wiring only. Texts come in and leave without it; until `run` has reached the homeserver no room
is made, no message is read and nothing is erased.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from functools import partial
from typing import Final

import aiohttp

from bot.model.actions import DESK
from bot.model.audit_kinds import AuditKind
from bot.model.events import Event
from bot.model.line_incidents import HomeserverIncident, HomeserverIncidentKind
from bot.sending import undo_window
from bridge.app import startup
from bridge.app.canary_parts import CanaryAccount
from bridge.app.line_files import CannotStart
from bridge.app.module_check import ModuleCheck
from bridge.app.resources import Resources
from bridge.app.startup import LINE_SUBJECT
from bridge.background.loop import BackgroundLoop, retry_until_done
from bridge.config.sections import Staff
from bridge.engine.engine import Engine
from bridge.engine.timers import Timers
from bridge.erasure.job_runner import ErasureAlert
from bridge.erasure.nightly import NightlyMaintenance
from bridge.erasure.service import ErasureService, module_client_of
from bridge.inbound.matrix_event_ingest import MatrixEventIngest
from bridge.inbound.sync_watchdog import SyncWatchdog
from bridge.matrix.api import module_api
from bridge.matrix.api.http_client import HomeserverClient, HomeserverError, Permanent, TokenRefused, Transient
from bridge.matrix.api.module_api import ModuleClient
from bridge.matrix.room_keys.confirmed_identities import NotThatFingerprint, confirm_fingerprint
from bridge.matrix.room_keys.device_lists import DeviceLists
from bridge.matrix.rooms.media import UploadCleanup
from bridge.matrix.service import MatrixService, Rollback, open_identities
from bridge.outbound.dead_letter_retry import DeadLetterRetry
from bridge.outbound.designations import Designations
from bridge.outbound.device_trust import DeviceTrustCommands
from bridge.outbound.dispatcher import OutboxDispatcher
from bridge.outbound.room_provisioner import RoomProvisioner
from bridge.outbound.room_refusals import RoomRefusals
from bridge.outbound.room_sender import RoomSender
from bridge.runtime import log
from bridge.runtime.settings import read_secret
from bridge.services import Services
from bridge.storage.database import Transaction
from bridge.tables import erasure_jobs, inbox, line_state
from bridge.tables.audit_log import AuditLog

LOOK_SECONDS: Final = 5.0


TOKEN_WAIT_SECONDS: Final = 60.0
"""For how long a token, or the identities, may be refused: the homeserver may have been started without its registration,
or with an earlier one."""
TOKEN_RETRY_SECONDS: Final = 5.0
UNCLAIMED: Final = frozenset({"M_FORBIDDEN", "M_EXCLUSIVE", "M_INVALID_USERNAME"})
"""Refusals of a user that the registration does not claim, or of another server's. Others end the process to try again.
Source: https://spec.matrix.org/latest/application-service-api/"""
VERSIONS: Final = "/_matrix/client/versions"
"""Source: https://spec.matrix.org/latest/client-server-api/#get_matrixclientversions"""


class ConfiguredIdentities:
    """Looks for identities of the configuration among those that were seen. `loop.run` until cancelled."""

    def __init__(self, services: Services, *, staff: Sequence[Staff], devices: DeviceLists) -> None:
        self._database, self._clock, self._devices = services.database, services.clock, devices
        self._fingerprints = {member.mxid: member.identity for member in staff if member.identity}
        self._audit = AuditLog(vault=services.vault)
        self.loop = BackgroundLoop("configured_identities", self.run_once, max_sleep=LOOK_SECONDS)

    async def run_once(self) -> float:
        """Confirm each configured identity that was seen; return the seconds until the next check."""
        for identity in await self._devices.unconfirmed_identities():
            fingerprint = self._fingerprints.get(identity.user_id)
            if identity.first and fingerprint is not None:
                await self._confirm(identity.user_id, fingerprint)
        return LOOK_SECONDS

    async def _confirm(self, user_id: str, fingerprint: str) -> None:
        async def commit(transaction: Transaction) -> None:
            await confirm_fingerprint(transaction, user_id, fingerprint)
            await self._audit.record(transaction, LINE_SUBJECT, [AuditKind.TRUST], now=self._clock.now())

        try:
            await self._database.commit(commit)
        except NotThatFingerprint:
            return
        log.event("identities.configured_one_confirmed")


class MatrixWorkers:
    """The workers that need the homeserver.

    `run` until cancelled; `synced` is set when the first sync has been processed.
    """

    def __init__(
        self,
        resources: Resources,
        *,
        engine: Engine,
        outbox: OutboxDispatcher,
        timers: Timers,
        designations: Designations,
        alert: ErasureAlert,
    ) -> None:
        self._resources, self._engine, self._alert = resources, engine, alert
        self._outbox, self._timers, self._designations = outbox, timers, designations
        self._room_provisioner: RoomProvisioner | None = None
        self._caught_up: asyncio.Event | None = None
        self.synced = asyncio.Event()

    def desk_room(self) -> str | None:
        """Return the desk's room; None while there is none yet, or no sync response arrives."""
        if self._room_provisioner is None or not self.is_caught_up:
            return None
        return self._room_provisioner.desk_room or None

    @property
    def is_caught_up(self) -> bool:
        """Whether the homeserver answers: what people do there is read at once."""
        return self._caught_up is not None and self._caught_up.is_set()

    async def run(self) -> None:
        """Reach the homeserver, then work until cancelled.

        A refused token ends the process, and the next start tries it; raises `CannotStart` when it is refused for a minute.
        Texts are accepted meanwhile.
        """
        try:
            async with asyncio.TaskGroup() as group:
                # Also while the homeserver was never reached: a machine that starts again may have lost it.
                watchdog = SyncWatchdog(is_caught_up=lambda: self.is_caught_up, notify_desk=self._notify_desk)
                group.create_task(watchdog.loop.run())
                group.create_task(self._run_workers())
        except* TokenRefused:
            await self._check_token()
            raise

    async def _check_token(self) -> None:
        config, loop = self._resources.config, asyncio.get_running_loop()
        deadline = loop.time() + TOKEN_WAIT_SECONDS
        while await self._is_token_refused():
            if loop.time() >= deadline:
                problem = f"{config.homeserver.as_token_file}: the homeserver refuses this token"
                remedy = "Is it the as_token of the registration that the homeserver was started with?"
                raise CannotStart([f"{problem}. {remedy} Start both again when it is."])
            await asyncio.sleep(TOKEN_RETRY_SECONDS)

    async def _is_token_refused(self) -> bool:
        """Make a request with the token that its file has now; False also when the homeserver does not answer."""
        config = self._resources.config
        client = HomeserverClient(
            session=self._resources.http,
            url=config.homeserver.url,
            token=read_secret(config.homeserver.as_token_file),
            user_id=config.policy_mxid,
        )
        try:
            await client.request("GET", "account", "whoami")
        except TokenRefused:
            return True
        except HomeserverError:
            return False
        return False

    async def _require_synapse(self) -> None:
        """Raise `CannotStart` for a Synapse that is too old.

        A newer one than those that were tested is accepted: the module checks at its start what it needs. So is a
        homeserver that does not name its version.
        """
        version = module_api.parse_version(await retry_until_done("matrix.version", self._server_header))
        if version is not None and version < module_api.OLDEST_SYNAPSE:
            needed = module_api.dotted_version(module_api.OLDEST_SYNAPSE)
            problem = f"{self._resources.config.homeserver.url}: Synapse {module_api.dotted_version(version)} is too old"
            raise CannotStart([f"{problem}. Update it to {needed} or newer, then start the line again."])
        if version is not None and version > module_api.NEWEST_TESTED_SYNAPSE:
            log.event("homeserver.newer_than_tested")

    async def _server_header(self) -> str:
        """Return the `Server` header, which has Synapse's version. Raises `Transient` while there is no answer."""
        url = self._resources.config.homeserver.url.rstrip("/") + VERSIONS
        try:
            async with self._resources.http.get(url, timeout=aiohttp.ClientTimeout(total=10)) as answer:
                return str(answer.headers.get("Server", ""))
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise Transient(0, "") from None

    async def _run_workers(self) -> None:
        await self._require_synapse()
        resources, services = self._resources, self._resources.services
        matrix = await self._open_matrix()
        module_client = await module_client_of(resources.config, matrix, resources.http)
        room_sender = self._make_room_sender(matrix, module_client)
        rooms = self._room_provisioner = await self._make_room_provisioner(matrix)
        self._caught_up = matrix.sync.caught_up
        erasure = ErasureService(
            services,
            settings=resources.pack.settings,
            matrix=matrix,
            module_client=module_client,
            priority_gate=self._outbox.priority_gate,
            suppression=resources.suppression,
            alert=self._alert,
        )
        nightly = NightlyMaintenance(
            services,
            puppet_database=resources.puppet_database,
            module_client=module_client,
            hours=resources.config.quiet_hours,
            zone=resources.pack.hours.timezone,
            retention=resources.pack.settings.audit_retention,
            wait_for_pause=self._outbox.priority_gate.wait_for_pause,
        )
        uploads = UploadCleanup(
            database=services.database,
            module_client=module_client,
            clock=services.clock,
        )
        services.wake.uploads = uploads.loop.wake
        async with asyncio.TaskGroup() as group:
            group.create_task(erasure.run())
            group.create_task(matrix.run())
            group.create_task(self._wait_for_first_sync(matrix))
            group.create_task(rooms.loop.run())
            group.create_task(self._outbox.run("matrix", room_sender.perform))
            group.create_task(uploads.loop.run())
            group.create_task(room_sender.number_reveals.loop.run())
            group.create_task(nightly.loop.run())
            group.create_task(ModuleCheck(services, module_client=module_client).loop.run())
            if any(member.identity for member in resources.config.line.staff):
                configured = ConfiguredIdentities(services, staff=resources.config.line.staff, devices=matrix.devices)
                group.create_task(configured.loop.run())
            if (canary := resources.config.canary) is not None:
                account = CanaryAccount(
                    services,
                    secret=read_secret(canary.secret_file),
                    user_id=resources.config.canary_mxid,
                    matrix=matrix,
                    module_client=module_client,
                )
                group.create_task(account.loop.run())

    async def _open_matrix(self) -> MatrixService:
        """Load both identities, or introduce them. Raises `CannotStart` when the homeserver refuses that for a minute."""
        loop, deadline, code = asyncio.get_running_loop(), math.inf, ""
        while loop.time() < deadline:
            tried_at = loop.time()
            try:
                return await self._load_matrix()
            except Permanent as error:
                if error.errcode not in UNCLAIMED:
                    raise
                if loop.time() - tried_at > TOKEN_RETRY_SECONDS:  # it was not there meanwhile: the minute begins again
                    deadline = math.inf
                deadline, code = min(deadline, loop.time() + TOKEN_WAIT_SECONDS), error.errcode
                log.event("matrix.identities_refused", status=code)
                await asyncio.sleep(TOKEN_RETRY_SECONDS)
        config = self._resources.config
        refusal = f"{config.homeserver.url}: the homeserver refuses {config.policy_mxid} or {config.puppet_mxid} ({code})"
        claims = "The registration that it was started with must claim both, and homeserver.server_name must be its own"
        raise CannotStart([f"{refusal}. {claims}. Start both again when that is so."])

    async def _load_matrix(self) -> MatrixService:
        resources, config, services = self._resources, self._resources.config, self._resources.services
        ingest = MatrixEventIngest(
            services,
            policy=config.policy_mxid,
            puppet=config.puppet_mxid,
            lifetime=resources.pack.settings.message_ttl,
        )

        def record_sync() -> None:
            services.measurements.record_sync()
            ingest.after_commit()

        policy, puppet = await open_identities(
            services,
            puppet_database=resources.puppet_database,
            session=resources.http,
            url=config.homeserver.url,
            token=read_secret(config.homeserver.as_token_file),
            policy_mxid=config.policy_mxid,
            puppet_mxid=config.puppet_mxid,
            take_over=resources.take_over,
        )
        matrix = MatrixService(
            services,
            policy=policy,
            puppet=puppet,
            trust_on_first_use=config.line.rehearsal,
            sink=ingest.ingest,
            on_commit=record_sync,
            unhandled=ingest.record_dead_letter,
            device_gone=self._report_device_gone,
            note_rollback=self._note_rollback,
            rolled_back=self._report_rollback,
            has_urgent_timers=partial(self._timers.is_set, undo_window.TIMER),
        )
        ingest.server_time = lambda: matrix.policy.client.server_time
        return matrix

    def _make_room_sender(self, matrix: MatrixService, module_client: ModuleClient) -> RoomSender:
        resources, services = self._resources, self._resources.services
        services.wake.device_lists = matrix.device_updates.wake
        return RoomSender(
            services,
            room_client=matrix.room_client,
            device_trust=DeviceTrustCommands(services, devices=matrix.devices, module_client=module_client),
            dead_letter_retry=DeadLetterRetry(services),
            lifetime=resources.pack.settings.message_ttl,
            room_refusals=RoomRefusals(
                services,
                is_outside=matrix.room_comparison.is_outside,
                compare_rooms=self._compare_rooms,
                notify_desk=self._notify_desk,
            ),
            zone=resources.pack.hours.timezone,
        )

    async def _make_room_provisioner(self, matrix: MatrixService) -> RoomProvisioner:
        services, config = self._resources.services, self._resources.config
        return RoomProvisioner(
            services,
            room_client=matrix.room_client,
            room_comparison=matrix.room_comparison,
            designations=self._designations,
            staff=await startup.first_roster(services.database, config.line.staff),
            desk=lambda: self._engine.desk,
            own_users=(config.policy_mxid, config.puppet_mxid),
            notify_desk=self._notify_desk,
            has_caught_up=matrix.sync.caught_up.is_set,
            grace=self._resources.pack.settings.close_now_grace,
        )

    async def _wait_for_first_sync(self, matrix: MatrixService) -> None:
        await matrix.sync.caught_up.wait()
        self.synced.set()

    def _compare_rooms(self) -> None:
        if self._room_provisioner is not None:
            self._room_provisioner.compare_rooms()

    async def _note_rollback(self, transaction: Transaction, rollback: Rollback) -> None:
        """Note what must be compared and erased again after a rollback, and tell the desk once."""
        services = self._resources.services
        await erasure_jobs.redo_rooms(transaction, now=services.clock.now())
        until = str(rollback.heard_until)
        await line_state.put(transaction, line_state.EVENTS_RETURNED, until)
        await line_state.put(transaction, line_state.MEMBERS_RETURNED, until)
        if rollback.counts_less:
            await line_state.put(transaction, line_state.ROOMS_RETURNED, until)
        if self._room_provisioner is None or self._room_provisioner.is_rollback_news:
            lost = HomeserverIncident(kind=HomeserverIncidentKind.ROOMS_LOST)
            await inbox.append(transaction, await inbox.seal(services.vault, DESK, lost))

    async def _report_rollback(self) -> None:
        self._resources.services.wake.engine(DESK)
        self._resources.services.wake.erasure_jobs()
        if self._room_provisioner is not None:
            self._room_provisioner.compare_after_rollback()

    async def _report_device_gone(self) -> None:
        await self._notify_desk(HomeserverIncident(kind=HomeserverIncidentKind.DEVICE_GONE))

    async def _notify_desk(self, event: Event) -> None:
        services = self._resources.services
        inbox_row = await inbox.seal(services.vault, DESK, event)
        await services.database.commit(lambda transaction: inbox.append(transaction, inbox_row))
        services.wake.engine(DESK)
