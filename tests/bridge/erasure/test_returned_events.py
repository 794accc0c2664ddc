"""What was erased in rooms that go on, and stands there again since the homeserver was put back, goes once more."""

from __future__ import annotations

from typing import Any, cast

import pytest

from bridge.erasure.service import INTERVAL, ReturnedEvents
from bridge.matrix.api.http_client import Permanent, TokenRefused, Transient
from bridge.matrix.room_client import ErasureProbe
from bridge.matrix.rooms.room_state import Room, record_room
from bridge.tables import line_state
from tests.fakes.erasure_harness import ROOM, ErasureHarness, FakeRooms

HEARD = 50_000
DAY = 86_400


@pytest.fixture
async def returned(erasure: ErasureHarness) -> ReturnedEvents:
    """Have a line whose homeserver was put back, with a thread whose words nobody has seen."""
    await erasure.create_thread_room(events=2, uploads=0)
    await note(erasure, HEARD)
    return ReturnedEvents(
        erasure.harness.services,
        probe=cast("ErasureProbe", erasure.rooms),
        priority_gate=erasure.harness.outbox.priority_gate,
        wake_expiry=erasure.expiry.loop.wake,
        has_caught_up=lambda: erasure.caught_up,
        lifetime=DAY,
    )


async def note(erasure: ErasureHarness, until: int, name: str = line_state.EVENTS_RETURNED) -> None:
    await erasure.harness.database.commit(lambda transaction: line_state.put(transaction, name, str(until)))


async def test_what_a_promoted_replica_does_not_know_is_kept_for_its_lifetime(
    erasure: ErasureHarness, returned: ReturnedEvents
) -> None:
    """Our own messages of the lost moments: not erased unread, and not left for good; after the sync has caught up."""
    await returned.run_once()
    before = dict(erasure.rooms.events)
    erasure.rooms.events |= {"$lost": "sent in the lost moments"}
    erasure.rooms.times |= {"$lost": HEARD}
    erasure.caught_up = False
    await note(erasure, HEARD, line_state.EVENTS_LOST)
    assert await returned.run_once() == INTERVAL
    assert "$lost" not in await indexed(erasure), "the sync would take it for one that it has handled"
    erasure.caught_up = True
    assert await returned.run_once() == 0.0
    assert await returned.run_once() == INTERVAL
    await erasure.expiry.run_once()
    assert erasure.rooms.events["$lost"] == "sent in the lost moments"
    erasure.harness.clock.at += DAY + 1
    await erasure.expiry.run_once()
    assert erasure.rooms.events == {**before, "$lost": ""}


async def indexed(erasure: ErasureHarness) -> set[str]:
    return {row["event_id"] for row in await erasure.harness.database.fetch("SELECT event_id FROM event")}


async def test_what_had_gone_goes_again(erasure: ErasureHarness, returned: ReturnedEvents) -> None:
    """What is not on the index and no newer than what was heard is erased; the rest stays; then it is over."""
    before = dict(erasure.rooms.events)
    erasure.rooms.events |= {"$gone": "erased before", "$new": "not told yet"}
    erasure.rooms.times |= {"$gone": HEARD, "$new": HEARD + 1}
    assert await returned.run_once() == 0.0
    assert await returned.run_once() == INTERVAL
    await erasure.expiry.run_once()
    assert erasure.rooms.events == {**before, "$gone": "", "$new": "not told yet"}
    assert "$gone" not in {row["event_id"] for row in await erasure.harness.database.fetch("SELECT event_id FROM event")}


async def test_nothing_is_asked_where_nothing_was_put_back(erasure: ErasureHarness, returned: ReturnedEvents) -> None:
    """It reads all of every room, so it does so once."""
    await returned.run_once()
    request_count = len(erasure.rooms.requests)
    await returned.run_once()
    assert len(erasure.rooms.requests) == request_count


async def test_where_all_is_known_nothing_is_written(
    erasure: ErasureHarness, returned: ReturnedEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of rooms have nothing that came back: none of them costs a commit, and a room that has some costs one."""
    database = erasure.harness.database
    commit, commits = database.commit, list[object]()

    async def counted(work: Any) -> Any:
        commits.append(work)
        return await commit(work)

    monkeypatch.setattr(database, "commit", counted)
    await returned.run_once()
    assert len(commits) == 1, "that it is over"
    erasure.rooms.events |= {f"$gone{number}": "erased before" for number in range(3)}
    erasure.rooms.times |= dict.fromkeys(erasure.rooms.events, HEARD)
    await note(erasure, HEARD)
    commits.clear()
    await returned.run_once()
    assert len(commits) == 2


async def test_a_crash_between_two_rooms_leaves_none_out(
    erasure: ErasureHarness, returned: ReturnedEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was put on the index before stays there, and the next look takes up the rest."""
    database, rooms = erasure.harness.database, list[str]()
    other = Room(room_id="!other", kind="office", owner="@ada:x", key_owner="room:!other")
    await database.commit(lambda transaction: record_room(transaction, other, members={}, levels={}))

    async def readable(_self: FakeRooms, room_id: str) -> list[tuple[str, int]]:
        rooms.append(room_id)
        if len(rooms) == 2:
            raise Transient(0, "")
        return [(f"$gone in {room_id}", HEARD)]

    async def indexed() -> set[str]:
        rows = await database.fetch("SELECT room_id FROM event WHERE event_id LIKE '$gone in %'")
        return {row["room_id"] for row in rows}

    monkeypatch.setattr(FakeRooms, "readable", readable)
    with pytest.raises(Transient):
        await returned.run_once()
    assert await indexed() == {rooms[0]}
    assert await line_state.get(database, line_state.EVENTS_RETURNED) == str(HEARD)
    await returned.run_once()
    assert await indexed() == {ROOM, "!other"}
    assert await line_state.get(database, line_state.EVENTS_RETURNED) is None


async def test_a_room_that_cannot_be_looked_at_holds_up_no_other(erasure: ErasureHarness, returned: ReturnedEvents) -> None:
    """It is passed over; a homeserver that does not answer is asked again, and a refused token ends the process."""
    erasure.rooms.faults.append(Permanent(403, "M_FORBIDDEN"))
    assert await returned.run_once() == 0.0
    for fault in (Transient(0, ""), TokenRefused(401, "M_UNKNOWN_TOKEN")):
        await note(erasure, HEARD)
        erasure.rooms.faults.append(fault)
        with pytest.raises(type(fault)):
            await returned.run_once()
        assert await line_state.get(erasure.harness.database, line_state.EVENTS_RETURNED) == str(HEARD)


async def test_what_no_table_can_hold_holds_up_no_other(erasure: ErasureHarness, returned: ReturnedEvents) -> None:
    """An id without a UTF-8 form, or a time that fits no column: that event is passed over, and the others go again."""
    erasure.rooms.events |= dict.fromkeys(("\ud800", "$early", "$gone"), "erased before")
    erasure.rooms.times |= {"\ud800": HEARD, "$early": -(2**70), "$gone": HEARD}
    assert await returned.run_once() == 0.0
    rows = await erasure.harness.database.fetch("SELECT event_id FROM event WHERE event_id IN ('$early', '$gone')")
    assert [row["event_id"] for row in rows] == ["$gone"]
