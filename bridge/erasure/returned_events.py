"""Puts events of open rooms on the deletion index that it lacks, after a rollback of the homeserver or of our database.

Rules of this module: each event of our rooms is on the deletion index until it was found gone. So after a rollback of the
homeserver an event that can be read, is no newer than the last one received, and is not on the index, had been erased: it
is put on the index, due now, and expiry does the rest, with its rules for the clock and legal holds. Newer events still
come by the sync. After a rollback of our database (a promoted replica) the index lacks what we sent in the lost moments: it
expires after its lifetime, because nobody knows who has read it. That is done once the sync has caught up, because the
index also tells the sync what it has handled. A room that cannot be read is compared elsewhere (`room_comparison`). The
note of the rollback is deleted once every room was checked: after a crash all are checked again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from bot.model.actions import THREAD
from bridge.background.loop import BackgroundLoop
from bridge.matrix.api.http_client import Permanent, TokenRefused
from bridge.matrix.api.json_fields import MAX_INTEGER, strings_in
from bridge.matrix.room_client import ErasureProbe
from bridge.matrix.rooms.room_state import rooms_of_ours
from bridge.runtime import log
from bridge.runtime.priority_gate import PriorityGate
from bridge.services import Services
from bridge.storage.database import Transaction
from bridge.tables import line_state, room_events

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
