"""The Matrix edge put together: what `matrix_side` opens, runs and lets go.

Rule of this module: it is wiring only. Order: stores are open, then `Matrix.open`, then `run` until cancelled, then the
stores are closed. Nothing here is global, and nothing is owned but the tasks inside `run`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, Self

import aiohttp

from bridge.matrix.api.http_client import Transient
from bridge.matrix.api.json_fields import Json
from bridge.matrix.olm.identity import Identity
from bridge.matrix.olm.to_device_inbox import Inbox, Opened
from bridge.matrix.room_client import Edge
from bridge.matrix.room_keys.device_lists import Devices, Sink
from bridge.matrix.room_keys.history import History
from bridge.matrix.room_keys.inbound_sessions import Reading
from bridge.matrix.room_keys.key_bundles import Bundles
from bridge.matrix.room_keys.key_sharing import Delivery
from bridge.matrix.room_keys.outbound_sessions import Keyring
from bridge.matrix.rooms.room_state import Members
from bridge.matrix.sync.device_updates import Watch
from bridge.matrix.sync.key_upload import Upkeep
from bridge.matrix.sync.session_recovery import Anew
from bridge.matrix.sync.sync_loop import WITH_ROOMS, WITHOUT_ROOMS, Sync, never
from bridge.matrix.sync.sync_response import Gaps, Intake
from bridge.runtime import log
from bridge.runtime.clock import Clock
from bridge.runtime.crash_points import Crash
from bridge.storage.database import Connection, Store
from bridge.storage.vault import Vault

LONGEST_WAIT: Final = 5.0
VOICE_EVERY: Final = 10.0
"""Seconds between two looks at the line voice's key counts and letters; nobody waits for either."""


class Matrix:
    """Both identities at work. `edge` acts, `devices` knows whom to trust, `members` who is where."""

    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        clock: Clock,
        crash: Crash,
        policy: Identity,
        voice: Identity,
        trust_on_first_use: bool,
        sink: Sink,
        committed: Callable[[], None],
        hurried: Callable[[], Awaitable[bool]],
    ) -> None:
        ours = (policy.user_id, voice.user_id)
        self.policy, self.voice = policy, voice
        self.members = Members(store=store)
        self.devices = Devices(
            store=store,
            identity=policy,
            ours=ours,
            trust_on_first_use=trust_on_first_use,
            clock=clock,
            sink=sink,
            committed=committed,
        )
        self.delivery = Delivery(store=store, devices=self.devices, identities=(policy, voice), vault=vault)
        self.keyring = Keyring(store=store, delivery=self.delivery, vault=vault, clock=clock)
        bundles = Bundles(
            store=store,
            vault=vault,
            clock=clock,
            identity=policy,
            devices=self.devices,
            post=self.delivery.post(policy),
            crash=crash,
        )
        self.edge = Edge(
            store=store,
            vault=vault,
            policy=policy,
            voice=voice,
            keyring=self.keyring,
            delivery=self.delivery,
            bundles=bundles,
            history=History(store=store, vault=vault, identity=policy, ours=ours),
            crash=crash,
        )
        reading = Reading(devices=self.devices, vault=vault, clock=clock)
        intake = Intake(devices=self.devices, reading=reading, policy=policy.user_id, ours=ours)
        anew = Anew(store=store, identity=voice, devices=self.devices, crash=crash)

        async def take(conn: Connection, response: Json, opened: Opened, gaps: Gaps) -> None:
            if items := await intake.take(conn, response, opened, gaps):
                await sink(conn, items)

        def told() -> None:
            committed()
            self.watch.wake()

        inboxes = {who.user_id: Inbox(identity=who, clock=clock) for who in (policy, voice)}
        self.upkeeps = {
            who.user_id: Upkeep(
                identity=who, inbox=inboxes[who.user_id], devices=self.devices, post=self.delivery.post(who)
            )
            for who in (policy, voice)
        }
        self.sync = Sync(
            identity=policy,
            what=WITH_ROOMS,
            inbox=inboxes[policy.user_id],
            upkeep=self.upkeeps[policy.user_id],
            take=take,
            committed=told,
            crash=crash,
            hurried=hurried,
        )
        self.voice_sync = Sync(
            identity=voice,
            what=WITHOUT_ROOMS,
            inbox=inboxes[voice.user_id],
            upkeep=self.upkeeps[voice.user_id],
            take=anew.take,
            committed=lambda: None,
            crash=lambda _point: None,
            every=VOICE_EVERY,
        )
        self.watch = Watch(
            store=store,
            devices=self.devices,
            delivery=self.delivery,
            reading=reading,
            sync=self.sync,
            anew=anew,
            sink=sink,
            committed=committed,
            clock=clock,
        )

    @classmethod
    async def open(
        cls,
        *,
        store: Store,
        voice_store: Store,
        session: aiohttp.ClientSession,
        url: str,
        token: str,
        policy_mxid: str,
        voice_mxid: str,
        vault: Vault,
        clock: Clock,
        crash: Crash,
        trust_on_first_use: bool,
        sink: Sink,
        committed: Callable[[], None],
        hurried: Callable[[], Awaitable[bool]] = never,
    ) -> Self:
        """Load both identities; at the very first start, make them, waiting for the homeserver as long as it takes.

        `hurried`: see :class:`~bridge.matrix.sync.Sync`. `store` was opened with `schema.MAIN_UPGRADES`, `voice_store` with
        `schema.VOICE_UPGRADES`. Raises :class:`~bridge.matrix.wire.Permanent` when the homeserver refuses us.
        """
        policy, voice = [
            await _patiently(
                partial(
                    Identity.open,
                    store=where,
                    session=session,
                    url=url,
                    token=token,
                    user_id=user_id,
                    device_prefix=prefix,
                    display_name=name,
                    vault=vault,
                )
            )
            for where, user_id, prefix, name in (
                (store, policy_mxid, "QLPOLICY", "Quietline"),
                (voice_store, voice_mxid, "QLVOICE", "Line"),
            )
        ]
        return cls(
            store=store,
            vault=vault,
            clock=clock,
            crash=crash,
            policy=policy,
            voice=voice,
            trust_on_first_use=trust_on_first_use,
            sink=sink,
            committed=committed,
            hurried=hurried,
        )

    async def run(self) -> None:
        """Sync and keep everything up, until cancelled.

        Raises an exception group with :class:`~bridge.matrix.wire.TokenRefused` when the homeserver knows us no longer.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self.sync.run(), name="policy sync")
            group.create_task(self.voice_sync.run(), name="voice sync")
            group.create_task(self.watch.run(), name="watch")
            for upkeep in self.upkeeps.values():
                group.create_task(upkeep.run(), name="upkeep")


async def _patiently(open_one: Callable[[], Awaitable[Identity]]) -> Identity:
    attempt = 0
    while True:
        try:
            return await open_one()
        except Transient as error:
            attempt += 1
            log.event("matrix.open_waits", status=error.status, attempt=attempt)
            await asyncio.sleep(max(min(0.1 * 2.0 ** min(attempt, 10), LONGEST_WAIT), error.after))
