"""A room in which the sweep does not get on keeps no other, and the desk hears of it, and not all day."""

from __future__ import annotations

from collections import Counter

import pytest

from bridge.erasure.expiry import (
    BATCH,
    MAX_WAIT,
)
from bridge.matrix.api.http_client import HomeserverError, Transient
from bridge.storage.database import Transaction
from bridge.tables import room_events
from tests.fakes.erasure_harness import ErasureHarness, FakeRooms

BROKEN, OTHER = "!0", "!1"


class FailingRooms(FakeRooms):
    """A homeserver that answers with `error` whenever it is asked to redact one of `bad`."""

    def __init__(self, error: HomeserverError) -> None:
        super().__init__()
        self.error, self.bad, self.tried = error, set[str](), Counter[str]()

    async def redact(self, room_id: str, event_id: str, txn: str) -> str:
        self.tried[room_id] += 1
        if event_id in self.bad:
            raise self.error
        return await super().redact(room_id, event_id, txn)


async def over(erasure: ErasureHarness, rooms: FailingRooms, *, broken: int, other: int) -> None:
    """Have so many events in two rooms, all of them over; those of the first are there for longer."""
    now = int(erasure.harness.clock.at)
    for room_id in (BROKEN, OTHER):
        await erasure.harness.note_room(room_id, "")
    erasure.expiry._rooms._room_client = rooms  # type: ignore[attr-defined]
    erasure.expiry._rooms._erasure_probe = rooms  # type: ignore[attr-defined]

    async def commit(transaction: Transaction) -> None:
        for room_id, count, expires in ((BROKEN, broken, now - 10), (OTHER, other, now)):
            for n in range(count):
                event_id = f"${room_id}{n}"
                rooms.events[event_id] = "words"
                await room_events.record(
                    transaction,
                    event_id=event_id,
                    room_id=room_id,
                    owner="",
                    place="",
                    at=0,
                    now=now,
                    lifetime=0,
                    until=expires,
                )

    await erasure.harness.database.commit(commit)


@pytest.mark.parametrize("status", [0, 500, 503])
async def test_a_room_that_fails_for_days_starves_no_other(erasure: ErasureHarness, status: int) -> None:
    """The homeserver fails for all of a full batch of one room: other rooms' words go at once, and the desk hears of it."""
    rooms = FailingRooms(Transient(status, "M_UNKNOWN"))
    await over(erasure, rooms, broken=BATCH, other=5)
    rooms.bad = {event_id for event_id in rooms.events if BROKEN in event_id}
    for _ in range(2):
        await erasure.expiry.run_once()
    assert not [event_id for event_id, says in rooms.events.items() if says and OTHER in event_id]
    for _ in range(24 * 4):
        erasure.harness.clock.at += 900
        await erasure.expiry.run_once()
    assert erasure.harness.alerts == ["message homeserver_silent"]
    rooms.bad.clear()
    for _ in range(3):
        erasure.harness.clock.at += MAX_WAIT
        await erasure.expiry.run_once()
    assert not any(rooms.events.values())
