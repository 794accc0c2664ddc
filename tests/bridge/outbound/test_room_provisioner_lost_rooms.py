"""A homeserver that was put back: what it has lost is made again, and whoever was there is invited."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bot.model.line_incidents import HomeserverIncident, HomeserverIncidentKind
from bot.model.transactional_actions import ParkThread
from bridge.matrix.api.http_client import Transient
from bridge.matrix.rooms.room_state import RoomKind, delete_unassigned_rooms, rooms_of_ours, set_membership
from bridge.outbound.room_provisioner import (
    COMPARISON_INTERVAL,
    UNKNOWN_ROOMS_INTERVAL,
    WARM_ROOMS,
)
from bridge.storage.database import Transaction
from bridge.tables import line_state
from tests.bridge.outbound.test_room_provisioner import provisioner as provisioner  # noqa: PLC0414 - the fixture
from tests.e2e.polling import wait_until
from tests.fakes.provisioner_harness import ProvisionerHarness

LOST = HomeserverIncident(kind=HomeserverIncidentKind.ROOMS_LOST)


async def with_thread(provisioner: ProvisionerHarness) -> tuple[str, str]:
    """Have a thread with a room, two people and the texter puppet in it, and one of our events there."""
    provisioner.run()
    await provisioner.furnished()
    thread = await provisioner.harness.receive_text("hi", message_id="1")
    await provisioner.look()
    await provisioner.furnished()
    room = str(await provisioner.harness.database.fetchval("SELECT room_id FROM thread WHERE id = $1", thread))

    async def people(transaction: Transaction) -> None:
        for user, membership in (("@ada:x", "join"), ("@bea:x", "invite"), ("@gone:x", "leave"), ("@line-main:x", "join")):
            await set_membership(transaction, room, user, membership)
        query = "INSERT INTO event (event_id, room_id, owner, ref, at) VALUES ('$card', $1, $2, 'card', 0)"
        await transaction.execute(query, room, thread)

    await provisioner.harness.database.commit(people)
    return thread, room


async def compare(provisioner: ProvisionerHarness) -> None:
    provisioner.passed += COMPARISON_INTERVAL
    provisioner.rooms.compare_rooms()
    await provisioner.look()
    await provisioner.furnished()


async def test_a_thread_gets_another_room(provisioner: ProvisionerHarness) -> None:
    """Its people are invited to it, its rows go on, the desk hears once, and no old event is edited there."""
    thread, room = await with_thread(provisioner)
    key_owner = await provisioner.harness.database.fetchval("SELECT key_owner FROM matrix_room WHERE room_id = $1", room)
    await provisioner.harness.vault.create(key_owner)
    provisioner.comparison.lost = {room}
    provisioner.ready.clear()
    provisioner.room_client.invited.clear()
    await compare(provisioner)
    now = await provisioner.harness.database.fetchval("SELECT room_id FROM thread WHERE id = $1", thread)
    assert now not in {None, room}
    assert provisioner.room_client.invited == [(now, "@ada:x"), (now, "@bea:x")]
    assert thread in provisioner.ready
    assert provisioner.told == [LOST]
    database = provisioner.harness.database
    assert await database.fetchval("SELECT COUNT(*) FROM matrix_room WHERE room_id = $1", room) == 0
    assert await database.fetchval("SELECT COUNT(*) FROM event") == 0
    await wait_until("the key is gone", lambda: _lacks_key(provisioner, key_owner))
    assert await provisioner.harness.vault.has_key(thread)
    await compare(provisioner)
    assert provisioner.told == [LOST]


async def _lacks_key(provisioner: ProvisionerHarness, owner: str) -> bool | None:
    return (not await provisioner.harness.vault.has_key(owner)) or None


async def test_rooms_in_stock_are_replaced(provisioner: ProvisionerHarness) -> None:
    """None that the homeserver has lost is given to a thread; at the start it is looked for without being told."""
    provisioner.run()
    await provisioner.furnished()
    rows = await provisioner.harness.database.fetch("SELECT room_id FROM warm_room ORDER BY room_id")
    lost = {row["room_id"] for row in rows[:3]}
    await provisioner.stop()
    provisioner.comparison.lost = lost
    provisioner.rooms = provisioner.again()
    provisioner.run()
    await provisioner.look()
    await provisioner.furnished()
    rows = await provisioner.harness.database.fetch("SELECT room_id FROM warm_room")
    assert len(rows) == WARM_ROOMS
    assert not lost & {row["room_id"] for row in rows}
    assert provisioner.told == [LOST]
    remaining = {row["room_id"] for row in rows} - {f"!{n}" for n in range(WARM_ROOMS + 1, 2 * WARM_ROOMS)}
    assert set(provisioner.comparison.compared) >= {provisioner.rooms.desk_room, *remaining}


async def test_people_who_are_lost_in_a_room_that_stands(provisioner: ProvisionerHarness) -> None:
    """They are invited to it; one who takes no invitation keeps nobody out."""
    _, room = await with_thread(provisioner)
    provisioner.comparison.lost_people = {room: ["@ada:x", "@bea:x"]}
    provisioner.room_client.blocks = {"@ada:x"}
    provisioner.room_client.invited.clear()
    await compare(provisioner)
    assert provisioner.room_client.invited == [(room, "@bea:x")]
    assert provisioner.told == []


async def test_rooms_that_had_gone_are_erased_again(provisioner: ProvisionerHarness) -> None:
    """A homeserver that was put back has rooms of ended conversations: once the sync has caught up each is a job's."""
    provisioner.caught_up = False
    provisioner.room_client.returned = ["!ended"]
    database = provisioner.harness.database
    await database.commit(lambda transaction: line_state.put(transaction, line_state.ROOMS_RETURNED, "1"))
    provisioner.run()
    await provisioner.furnished()
    assert provisioner.room_client.left == 0, "what is not known yet is not left"
    provisioner.caught_up = True
    await provisioner.look()
    assert provisioner.room_client.left == 1
    assert [row["subject"] for row in await database.fetch("SELECT subject FROM erasure")] == ["!ended"]
    assert await line_state.get(database, line_state.ROOMS_RETURNED) is None
    await database.commit(delete_unassigned_rooms)
    assert "!ended" in {room.room_id for room in await rooms_of_ours(database)}, "its job needs it"
    provisioner.room_client.returned = ["!another"]
    provisioner.rooms.compare_after_rollback()
    await provisioner.look()
    assert provisioner.room_client.left == 2
    assert await provisioner.harness.count("erasure") == 1, "nothing that the homeserver has not counted back to"


async def test_rooms_from_before_a_restore_wait_for_a_person(provisioner: ProvisionerHarness) -> None:
    """They are neither left, for then nobody could end them, nor erased: a hold may concern them. The desk is told once."""
    database = provisioner.harness.database
    provisioner.room_client.returned = ["!before"]

    async def put(name: str, value: str) -> None:
        await database.commit(lambda transaction: line_state.put(transaction, name, value))

    await put(line_state.OLD_ROOMS, line_state.KEPT)
    await put(line_state.ROOMS_RETURNED, "1")
    provisioner.run()
    await provisioner.furnished()
    await provisioner.look()
    for _ in range(2):
        assert provisioner.told == [HomeserverIncident(kind=HomeserverIncidentKind.OLD_ROOMS)]
        assert (provisioner.room_client.abandoned, await provisioner.harness.count("erasure")) == ([], 0)
        provisioner.passed += UNKNOWN_ROOMS_INTERVAL
        await provisioner.look()
    await put(line_state.OLD_ROOMS, line_state.ERASE)
    provisioner.passed += UNKNOWN_ROOMS_INTERVAL
    await provisioner.look()
    assert [row["subject"] for row in await database.fetch("SELECT subject FROM erasure")] == ["!before"]
    assert await line_state.get(database, line_state.OLD_ROOMS) is None


async def _lose(provisioner: ProvisionerHarness, room: str, *, tries: int) -> None:
    """Have the loss of a thread's room noted, and another room refused so often."""
    await provisioner.stop()
    provisioner.comparison.lost = {room}
    provisioner.rooms = provisioner.again()
    await provisioner.rooms.run_once()
    provisioner.room_client.fails = [Transient(502, "") for _ in range(tries)]
    for _ in range(tries):
        with pytest.raises(Transient):
            await provisioner.rooms.run_once()


async def _park(provisioner: ProvisionerHarness, thread: str) -> None:
    actions, park = provisioner.harness.transactional_actions, ParkThread(grace=60.0, drop_unsent=True)
    await provisioner.harness.database.commit(lambda transaction: actions.perform(transaction, thread, park))


async def test_a_conversation_that_ends_while_its_room_is_lost(provisioner: ProvisionerHarness) -> None:
    """The lost room is erased like any other, and the next conversation invites nobody who was in it."""
    thread, room = await with_thread(provisioner)
    await _lose(provisioner, room, tries=2)
    await _park(provisioner, thread)
    database = provisioner.harness.database
    job = await database.fetchrow("SELECT kind, subject, thread FROM erasure")
    assert job is not None
    assert tuple(job) == ("room", room, thread)
    assert await database.fetchval("SELECT COUNT(*) FROM matrix_room WHERE owner = $1", thread) == 0
    query = "UPDATE thread SET designation = 'other words' WHERE id = $1"
    await database.commit(lambda transaction: transaction.execute(query, thread))
    provisioner.room_client.invited.clear()
    provisioner.run()
    await provisioner.look()
    await provisioner.furnished()
    assert await database.fetchval("SELECT room_id FROM thread WHERE id = $1", thread) not in {None, room}
    assert provisioner.room_client.invited == []


async def test_who_has_left_the_desk_is_not_invited_to_the_room_that_replaces_another(
    provisioner: ProvisionerHarness,
) -> None:
    """One of those who were in the lost room was removed from the desk meanwhile."""
    thread, room = await with_thread(provisioner)
    desk_room = provisioner.rooms.desk_room
    await _lose(provisioner, room, tries=1)
    database = provisioner.harness.database
    await database.commit(lambda transaction: set_membership(transaction, desk_room, "@ada:x", "leave"))
    provisioner.room_client.invited.clear()
    await provisioner.rooms.run_once()
    new_room = await database.fetchval("SELECT room_id FROM thread WHERE id = $1", thread)
    assert provisioner.room_client.invited == [(new_room, "@bea:x")]


@pytest.mark.parametrize("when", ["before it is noted", "after it was noted"])
async def test_a_conversation_that_ends_while_its_room_is_made(
    provisioner: ProvisionerHarness, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """The room is not used for anybody else: it bears the designation, and people of the lost room may be in it."""
    thread, room = await with_thread(provisioner)
    fake, database = provisioner.room_client, provisioner.harness.database
    original, stock, left_before = fake.create_room, await _stock(provisioner), fake.left

    async def create_room(kind: RoomKind, name: str, *, owner: str, supervisors: Sequence[str]) -> str:
        if when == "before it is noted":
            await _park(provisioner, thread)
        room_id = await original(kind, name, owner=owner, supervisors=supervisors)
        if when == "after it was noted":
            await _park(provisioner, thread)
        return room_id

    monkeypatch.setattr(fake, "create_room", create_room)
    provisioner.comparison.lost = {room}
    await compare(provisioner)
    new_room = f"!{len(fake.made) - 1}"
    assert fake.made[-1][2] == thread
    assert await _stock(provisioner) == stock
    jobs = {row["subject"] for row in await database.fetch("SELECT subject FROM erasure")}
    noted = {each.room_id for each in await rooms_of_ours(database)}
    assert (new_room in jobs, new_room in noted) == ((True, True) if when == "after it was noted" else (False, False))
    assert room in jobs
    assert await database.fetchval("SELECT COUNT(*) FROM matrix_room WHERE owner = $1", thread) == 0
    assert fake.left == left_before + 1, "what is not noted is left at once"


async def _stock(provisioner: ProvisionerHarness) -> set[str]:
    return {row["room_id"] for row in await provisioner.harness.database.fetch("SELECT room_id FROM warm_room")}
