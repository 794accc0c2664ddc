"""What the policy bot does after a sync response: query device lists, send late keys, end waiting.

Rule of this module: a dirty mark is removed only when the user's devices were queried, judged, and sent every key; so after
a crash in between all of it is repeated. The mark of a user whose device has no one-time key is postponed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from bridge.background.loop import BackgroundLoop
from bridge.matrix.api.events import IdentityConfirmed, MatrixEvent
from bridge.matrix.api.http_client import Permanent, TokenRefused
from bridge.matrix.api.json_fields import Json
from bridge.matrix.olm.cross_signing import is_answered
from bridge.matrix.olm.identity import Identity
from bridge.matrix.olm.to_device import ToDeviceBatch
from bridge.matrix.room_keys import confirmed_identities, inbound_table
from bridge.matrix.room_keys.confirmed_identities import take_unannounced
from bridge.matrix.room_keys.device_lists import DeviceLists, EventSink
from bridge.matrix.room_keys.inbound_sessions import InboundSessions
from bridge.matrix.room_keys.outbound_sessions import NO_KEY_SECONDS, RoomKeySharing
from bridge.matrix.sync.sync_loop import SyncLoop
from bridge.matrix.sync.sync_response import TimelineGaps
from bridge.runtime.crash_points import CrashPoint
from bridge.services import Services
from bridge.storage.database import Transaction

BATCH_SIZE: Final = 50
REJECTED_SECONDS: Final = 600.0
UNANSWERED_SECONDS: Final = 60.0
"""Seconds until users whom an answer does not cover are queried again: their homeserver was not reached, and their old
device list is not used meanwhile."""
MAX_SLEEP: Final = 2.0
"""Seconds between two checks for marks that were made beside the bridge. Five are promised (design.md, "Contracts with the
outside")."""
MIN_SLEEP: Final = 0.25


class Unwedging:
    """Sends keys again to devices that began another Olm session with the texter puppet: they could not read its message.

    The puppet has a store of its own, and no commit spans two stores. So the request is noted with the new session, and
    then the keys are marked as due in the main store; after a crash in between that is repeated, and the keys are never
    sent through the lost session. Only trusted devices are noted: a flood of strangers leaves nothing.

    Source: https://spec.matrix.org/latest/client-server-api/#mdummy
    """

    def __init__(self, services: Services, *, identity: Identity, devices: DeviceLists) -> None:
        self._database, self._crash = services.database, services.crash
        self._identity, self._devices = identity, devices

    async def take(self, transaction: Transaction, _response: Json, batch: ToDeviceBatch, _gaps: TimelineGaps) -> None:
        """Note devices that began another session, in the commit of the sync; other messages only updated their session."""
        for message in batch.messages:
            if not message.lost_ours:
                continue
            known = await self._devices.find(self._database, message.sender, message.sender_key)
            if known is not None and known[1]:
                query = "INSERT INTO matrix_unwedging (user_id, sender_key) VALUES ($1, $2) ON CONFLICT DO NOTHING"
                await transaction.execute(query, message.sender, message.sender_key)

    async def queue_key_resends(self) -> None:
        """Mark every live key of the texter puppet as due again for each of them."""
        rows = await self._identity.database.fetch("SELECT user_id, sender_key FROM matrix_unwedging")
        if not rows:
            return
        await self._database.commit(lambda transaction: self._queue_key_resends(transaction, rows))
        self._crash(CrashPoint.KEYS_OWED)
        await self._identity.database.commit(lambda transaction: _delete_rows(transaction, rows))

    async def _queue_key_resends(self, transaction: Transaction, rows: Sequence[Any]) -> None:
        for row in rows:
            known = await self._devices.find(transaction, row["user_id"], row["sender_key"])
            if known is not None and known[1]:
                await self._devices.resend_keys_on_request(transaction, known[0], self._identity.user_id)


async def _delete_rows(transaction: Transaction, rows: Sequence[Any]) -> None:
    for row in rows:
        await transaction.execute(
            "DELETE FROM matrix_unwedging WHERE user_id=$1 AND sender_key=$2", row["user_id"], row["sender_key"]
        )


class DeviceListUpdates:
    """Processes dirty users and events that waited too long. `run` until cancelled; call `wake` after marking a user."""

    def __init__(
        self,
        services: Services,
        *,
        devices: DeviceLists,
        key_sharing: RoomKeySharing,
        inbound_sessions: InboundSessions,
        sync: SyncLoop,
        unwedging: Unwedging,
        sink: EventSink,
        on_commit: Callable[[], None],
    ) -> None:
        self._database = services.database
        self._devices = devices
        self._key_sharing = key_sharing
        self._inbound_sessions = inbound_sessions
        self._sync = sync
        self._unwedging = unwedging
        self._sink = sink
        self._on_commit = on_commit
        self._clock = services.clock
        self._loop = BackgroundLoop("matrix.device_lists", self._run_and_wait, max_sleep=MAX_SLEEP)

    def wake(self) -> None:
        """Start the next turn at once."""
        self._loop.wake()

    async def run(self) -> None:
        """Mark everybody once, because device lists may have changed meanwhile; then work until cancelled."""
        await self._database.commit(self._devices.mark_all_dirty)
        await self._loop.run()

    async def _run_and_wait(self) -> float:
        await self.run_once()
        return await self._until_next()

    async def run_once(self) -> None:
        """Do everything that is due now."""
        await self._unwedging.queue_key_resends()
        if marks := await confirmed_identities.due_marks(self._database, self._now(), BATCH_SIZE):
            await self._refresh(marks)
        # only while the homeserver answers: otherwise the key may still be on its way
        if self._sync.caught_up.is_set():
            await self._expire_waiting()

    async def _refresh(self, marks: Sequence[tuple[str, int]]) -> None:
        try:
            async with self._devices.lock:
                answer = await self._devices.query([user_id for user_id, _ in marks])
                unanswered = [mark for mark in marks if not is_answered(answer, mark[0])]
                marks = [mark for mark in marks if mark not in unanswered]
                await self._database.commit(lambda transaction: self._apply(transaction, marks, answer))
            if unanswered:
                # Users who have left our rooms are not queried any more; they are marked again if they come back.
                await self._database.commit(partial(confirmed_identities.clear_outsiders, marks=unanswered))
                await self._postpone(unanswered, UNANSWERED_SECONDS)
            self._on_commit()
            late = {device.user_id for device in await self._key_sharing.share_everywhere([user for user, _ in marks])}
        except TokenRefused:
            raise
        except Permanent:
            if len(marks) == 1:
                await self._postpone(marks, REJECTED_SECONDS)
                raise
            for mark in marks:  # a refusal that concerns one user must not delay the others
                await self._refresh([mark])
        else:
            await self._database.commit(
                partial(confirmed_identities.clear, marks=[mark for mark in marks if mark[0] not in late])
            )
            if late:
                # A new mark would keep the due time of this one, which has passed: the loop would never rest.
                await self._postpone([mark for mark in marks if mark[0] in late], NO_KEY_SECONDS)

    async def _postpone(self, marks: Sequence[tuple[str, int]], seconds: float) -> None:
        due = int((self._clock.now() + seconds) * 1000)
        await self._database.commit(partial(confirmed_identities.postpone, marks=marks, due_ms=due))

    async def _apply(self, transaction: Transaction, marks: Sequence[tuple[str, int]], answer: Json) -> None:
        users = [user_id for user_id, _ in marks]
        items: list[MatrixEvent] = [*await self._devices.apply_query(transaction, users, answer)]
        items += [IdentityConfirmed(user_id=user_id) for user_id in await take_unannounced(transaction, users)]
        await confirmed_identities.mark_queried(transaction, marks)
        fresh = [user_id for user_id in users if not await confirmed_identities.is_stale(transaction, user_id)]
        items += await self._inbound_sessions.retry_with_devices(transaction, fresh)
        if items:
            await self._sink(transaction, items)

    async def _expire_waiting(self) -> None:
        if await self._inbound_sessions.has_expired(self._database):
            await self._database.commit(self._expire)
            self._on_commit()

    async def _expire(self, transaction: Transaction) -> None:
        if items := await self._inbound_sessions.expire_waiting(transaction):
            await self._sink(transaction, items)

    async def _until_next(self) -> float:
        times = (await confirmed_identities.next_due(self._database), await inbound_table.next_key_deadline(self._database))
        due = min((at for at in times if at is not None), default=None)
        if due is None:
            return MAX_SLEEP
        return min(max((due - self._now()) / 1000, MIN_SLEEP), MAX_SLEEP)

    def _now(self) -> int:
        return int(self._clock.now() * 1000)
