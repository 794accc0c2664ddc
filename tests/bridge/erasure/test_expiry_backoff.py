"""A room in which the sweep does not get on keeps no other, and the desk hears of it, and not all day."""

from __future__ import annotations

from collections import Counter

import pytest

from bridge.erasure.expiry import (
    ALERT_AT_FAILURES,
    ALERT_AT_REFUSALS,
    BATCH,
    FIRST_WAIT,
    FORGET_AFTER,
    MAX_WAIT,
    RoomBackoff,
)
from bridge.matrix.api.http_client import HomeserverError, Permanent, Transient
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


async def test_one_event_that_the_homeserver_breaks_on_keeps_none_of_its_room(erasure: ErasureHarness) -> None:
    """It answers 500 for one event in the first batch: what stands behind that batch goes as well."""
    rooms = FailingRooms(Transient(500, "M_UNKNOWN"))
    await over(erasure, rooms, broken=BATCH + 10, other=0)
    rooms.bad = {f"${BROKEN}3"}
    for _ in range(4):
        await erasure.expiry.run_once()
        erasure.harness.clock.at += FIRST_WAIT
    assert [event_id for event_id, says in rooms.events.items() if says] == list(rooms.bad)
    assert await erasure.harness.count("event") == 1


async def test_the_desk_hears_of_a_room_and_not_of_each_message(erasure: ErasureHarness) -> None:
    """What is refused for good is tried again every hour; of fifty such messages the desk hears twice in a day."""
    rooms = FailingRooms(Permanent(403, "M_FORBIDDEN"))
    await over(erasure, rooms, broken=50, other=1)
    rooms.bad = {event_id for event_id in rooms.events if BROKEN in event_id}
    for _ in range(24 * 6):
        await erasure.expiry.run_once()
        erasure.harness.clock.at += 600
    assert erasure.harness.alerts == ["message not_redacted"] * 2
    assert rooms.tried[BROKEN] >= 24 * 50
    assert rooms.events[f"${OTHER}0"] == ""


def test_a_room_waits_longer_each_time_and_is_told_of_at_growing_counts() -> None:
    """Twice as long each time and an hour at most, or as long as the homeserver asks; an answer begins again."""
    stuck, now = RoomBackoff(), 1000.0
    alerts = []
    for number in range(1, 101):
        if stuck.record_failure("!a", now, 0.0) is not None:
            alerts.append(number)
        wait = min(FIRST_WAIT * 2 ** min(number - 1, 16), MAX_WAIT)
        assert stuck.rooms_in_backoff(now + wait - 1) == ["!a"]
        assert stuck.rooms_in_backoff(now + wait) == []
        now += wait
    assert alerts == [count for count in ALERT_AT_FAILURES if count <= 100]
    stuck.record_answer("!a")
    assert stuck.record_failure("!a", now, 0.0) is None
    assert stuck.rooms_in_backoff(now + FIRST_WAIT) == []
    stuck.record_failure("!b", now, 60.0)
    assert stuck.rooms_in_backoff(now + 59) == ["!b"]


def test_what_is_refused_is_not_put_off_with_its_room_and_ends_by_itself() -> None:
    """Refusals are counted over answers in between; after a day without any the room is as if nothing had been."""
    stuck = RoomBackoff()
    alerts = []
    for number in range(1, 101):
        alerts += [number] if stuck.record_refusal("!a", 1000.0 + number) is not None else []
        stuck.record_answer("!a")
        assert stuck.rooms_in_backoff(1000.0 + number) == []
    assert alerts == [count for count in ALERT_AT_REFUSALS if count <= 100]
    assert stuck.rooms_in_backoff(1100.0 + FORGET_AFTER) == []
    assert stuck.record_refusal("!a", 1101.0 + FORGET_AFTER) == 1101.0 + FORGET_AFTER
