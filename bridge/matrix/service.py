"""Puts the Matrix side together; `matrix_workers` opens, runs and closes it.

Rule of this module: it is wiring only. Order: stores are open, then `open_identities`, then `MatrixService.run`
until cancelled, then the stores are closed. Nothing here is global, and it owns nothing but the tasks inside `run`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import aiohttp

from bridge.background.loop import retry_until_done
from bridge.matrix.api.json_fields import Json
from bridge.matrix.api.module_api import ModuleClient
from bridge.matrix.olm import identity_table, olm_store
from bridge.matrix.olm.identity import Identity
from bridge.matrix.olm.to_device import OneTimeKeyUpload, ToDeviceBatch, ToDeviceInbox
from bridge.matrix.room_client import RoomClient
from bridge.matrix.room_comparison import RoomComparison
from bridge.matrix.room_keys.device_lists import DeviceLists, EventSink
from bridge.matrix.room_keys.history import KeyBundles, RoomHistory
from bridge.matrix.room_keys.inbound_sessions import InboundSessions
from bridge.matrix.room_keys.outbound_sessions import OutboundSessions, RoomKeySharing
from bridge.matrix.room_keys.outbound_table import retire_sessions_of
from bridge.matrix.room_keys.sealing import forget_lost
from bridge.matrix.sync.device_renewal import DeviceRenewal
from bridge.matrix.sync.device_updates import DeviceListUpdates, Unwedging
from bridge.matrix.sync.homeserver_rollback import Rollback
from bridge.matrix.sync.sync_loop import NO_ROOM_FILTER, ROOM_FILTER, SyncLoop, UnhandledSink, no_urgent_timers
from bridge.matrix.sync.sync_response import SyncResponseParser, TimelineGaps
from bridge.runtime.crash_points import CrashPoint
from bridge.services import Services
from bridge.storage.database import Database, Transaction

__all__ = ["MatrixService", "Rollback", "open_identities"]

POLICY_PREFIX, PUPPET_PREFIX = "QLPOLICY", "QLVOICE"
"""Prefixes of our device ids."""
PUPPET_SYNC_SECONDS: Final = 10.0
"""Seconds between two syncs of the texter puppet, for its key counts and to-device messages; nobody waits for either."""


async def begin_new_olm_sessions(services: Services) -> None:
    """Have both identities begin another Olm session with each device before they send it anything."""
    for database in (services.database, services.puppet_database):
        if database is not None:
            await database.commit(olm_store.stop_encrypting)


async def do_nothing(_rollback: Rollback) -> None:
    """Do nothing: the other identity handles a rollback for both."""


async def _retire_sessions(database: Database, user_id: str) -> None:
    await database.commit(lambda transaction: retire_sessions_of(transaction, user_id))


async def open_identities(
    services: Services,
    *,
    puppet_database: Database,
    session: aiohttp.ClientSession,
    url: str,
    token: str,
    policy_mxid: str,
    puppet_mxid: str,
    take_over: bool = False,
) -> tuple[Identity, Identity]:
    """Load policy bot and texter puppet; at the first start make them, and wait for the homeserver without a limit.

    `take_over`: see `Identity.open`; for the puppet: if the policy bot was introduced before, a lost `voice.db` does not
    mean another bridge. The main database was opened with `schema.MAIN_SCHEMA`, `puppet_database` with
    `schema.PUPPET_SCHEMA`. Raises `Permanent` when the homeserver refuses us, and
    `IdentityInUse` when another bridge may run.
    """
    await forget_lost(services.database, puppet_database, services.vault, policy_mxid=policy_mxid, puppet_mxid=puppet_mxid)
    introduced = await identity_table.is_ready(services.database, policy_mxid)
    policy, puppet = [
        await retry_until_done(
            "matrix.identity_open",
            partial(
                Identity.open,
                database=where,
                session=session,
                url=url,
                token=token,
                user_id=user_id,
                device_prefix=prefix,
                display_name=name,
                vault=services.vault,
                retire_sessions=partial(_retire_sessions, services.database, user_id),
                now_ms=int(services.clock.now() * 1000),
                take_over=take_over,
                introduced=introduced,
            ),
        )
        for where, user_id, prefix, name in (
            (services.database, policy_mxid, POLICY_PREFIX, "Quietline"),
            (puppet_database, puppet_mxid, PUPPET_PREFIX, "Line"),
        )
    ]
    return policy, puppet


class MatrixService:
    """Both identities. `room_client` makes requests in rooms, `devices` says which devices are trusted.

    `unhandled`, `has_urgent_timers`: see `SyncLoop`. `device_gone`: tells people that a device of ours was deleted.
    `note_rollback`: notes what must be repeated after a rollback of the homeserver and tells people, in the commit that
    ends the cursor. `rolled_back`: compares rooms and members.
    """

    def __init__(
        self,
        services: Services,
        *,
        policy: Identity,
        puppet: Identity,
        trust_on_first_use: bool,
        sink: EventSink,
        unhandled: UnhandledSink,
        device_gone: Callable[[], Awaitable[None]],
        note_rollback: Callable[[Transaction, Rollback], Awaitable[None]],
        rolled_back: Callable[[], Awaitable[None]],
        on_commit: Callable[[], None],
        has_urgent_timers: Callable[[], Awaitable[bool]] = no_urgent_timers,
    ) -> None:
        ours = (policy.user_id, puppet.user_id)
        self.policy, self.puppet = policy, puppet
        self._database, self._note_rollback, self._rolled_back = services.database, note_rollback, rolled_back
        self._crash, self._renewed = services.crash, set[str]()
        self.devices = DeviceLists(
            services, identity=policy, ours=ours, trust_on_first_use=trust_on_first_use, sink=sink, on_commit=on_commit
        )
        self.key_sharing = RoomKeySharing(services, devices=self.devices, identities=(policy, puppet))
        self.outbound_sessions = OutboundSessions(services, key_sharing=self.key_sharing)
        self.room_comparison = RoomComparison(
            database=services.database, policy=policy, puppet=puppet, devices=self.devices, sink=sink, on_commit=on_commit
        )
        key_bundles = KeyBundles(
            services, identity=policy, devices=self.devices, to_device=self.key_sharing.to_device(policy)
        )
        self.room_client = RoomClient(
            services,
            policy=policy,
            puppet=puppet,
            outbound_sessions=self.outbound_sessions,
            key_sharing=self.key_sharing,
            key_bundles=key_bundles,
            history=RoomHistory(services, identity=policy, ours=ours),
        )
        inbound_sessions = InboundSessions(services, devices=self.devices)
        parser = SyncResponseParser(
            devices=self.devices, inbound_sessions=inbound_sessions, policy=policy.user_id, ours=ours
        )
        unwedging = Unwedging(services, identity=puppet, devices=self.devices)

        async def take(transaction: Transaction, response: Json, batch: ToDeviceBatch, gaps: TimelineGaps) -> None:
            if items := await parser.take(transaction, response, batch, gaps):
                await sink(transaction, items)

        def after_commit() -> None:
            on_commit()
            self.device_updates.wake()

        self.renewals = {
            who.user_id: DeviceRenewal(services, identity=who, device_prefix=prefix, notify=device_gone)
            for who, prefix in ((policy, POLICY_PREFIX), (puppet, PUPPET_PREFIX))
        }
        inboxes = {
            who.user_id: ToDeviceInbox(identity=who, clock=services.clock, devices=self.devices) for who in (policy, puppet)
        }
        self.key_uploads = {
            who.user_id: OneTimeKeyUpload(identity=who, devices=self.devices, to_device=self.key_sharing.to_device(who))
            for who in (policy, puppet)
        }
        self.sync = SyncLoop(
            identity=policy,
            sync_filter=ROOM_FILTER,
            inbox=inboxes[policy.user_id],
            key_upload=self.key_uploads[policy.user_id],
            take=take,
            renew_device=self.renewals[policy.user_id].renew,
            unhandled=unhandled,
            on_commit=after_commit,
            crash=services.crash,
            now=services.clock.system_time,
            rolled_back=self._after_rollback,
            has_urgent_timers=has_urgent_timers,
            wait_for_change=ModuleClient(client=policy.client).wait_for_change,
        )
        self.puppet_sync = SyncLoop(
            identity=puppet,
            sync_filter=NO_ROOM_FILTER,
            inbox=inboxes[puppet.user_id],
            key_upload=self.key_uploads[puppet.user_id],
            take=unwedging.take,
            renew_device=self.renewals[puppet.user_id].renew,
            on_commit=lambda: None,
            crash=lambda _point: None,
            now=services.clock.system_time,
            rolled_back=do_nothing,
            interval=PUPPET_SYNC_SECONDS,
        )
        self.device_updates = DeviceListUpdates(
            services,
            devices=self.devices,
            key_sharing=self.key_sharing,
            inbound_sessions=inbound_sessions,
            sync=self.sync,
            unwedging=unwedging,
            sink=sink,
            on_commit=on_commit,
        )

    async def _after_rollback(self, rollback: Rollback) -> None:
        """Begin again with a homeserver that was rolled back: new devices, all device lists, rooms and members compared.

        Last is the commit that ends the cursor: after a crash before it the rollback is found again.
        """
        for user_id, renewal in self.renewals.items():
            if user_id not in self._renewed:  # a commit that fails again and again makes no flood of devices
                await renewal.replace()
                self._renewed.add(user_id)

        async def commit(transaction: Transaction) -> None:
            await self.devices.mark_all_dirty(transaction)
            await self._note_rollback(transaction, rollback)
            await identity_table.end_cursor(transaction, self.policy.user_id, heard_ms=rollback.heard_until)

        await self._database.commit(commit)
        self._renewed.clear()
        self._crash(CrashPoint.ROLLBACK_NOTED)
        self.device_updates.wake()
        await self._rolled_back()

    async def run(self) -> None:
        """Sync, and run the background work, until cancelled.

        Raises an exception group with `TokenRefused` when the homeserver knows us no longer.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self.sync.run(), name="policy sync")
            group.create_task(self.puppet_sync.run(), name="puppet sync")
            group.create_task(self.device_updates.run(), name="device updates")
            for key_upload in self.key_uploads.values():
                group.create_task(key_upload.loop.run(), name="key upload")
