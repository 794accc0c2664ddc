"""The keeper of rooms: what is missing is made, once, in the right order, through every kind of trouble."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.model.actions import DESK
from bot.model.desk import Desk, DeskMember, Role
from bot.model.line_incidents import InviteFailed
from bridge.matrix.api.http_client import Permanent, TokenRefused, Transient
from bridge.matrix.rooms.room_state import Room, delete_unassigned_rooms, record_room, rooms_of_ours, set_membership
from bridge.outbound.designations import Designations
from bridge.outbound.room_provisioner import WARM_ROOMS
from bridge.storage.database import Transaction
from tests.e2e.polling import wait_until
from tests.fakes.bridge_harness import BridgeHarness
from tests.fakes.provisioner_harness import STAFF, ProvisionerHarness


@pytest.fixture
async def provisioner(tmp_path: Path) -> AsyncIterator[ProvisionerHarness]:
    harness = BridgeHarness(tmp_path)
    await harness.open()
    await harness.engine.load()
    provisioner_harness = ProvisionerHarness(harness)
    yield provisioner_harness
    await provisioner_harness.stop()
    await harness.close()


async def test_the_first_start(provisioner: ProvisionerHarness) -> None:
    """The desk with everybody invited and supervisors in their role, then a stock of warm rooms under two words each."""
    provisioner.run()
    await provisioner.furnished()
    await provisioner.look()
    assert [kind for kind, _, _ in provisioner.room_client.made] == ["desk"] + ["thread"] * WARM_ROOMS
    assert provisioner.room_client.invited == [("!0", staff.mxid) for staff in STAFF]
    assert provisioner.ready == ["desk"]
    names = [name for kind, name, _ in provisioner.room_client.made if kind == "thread"]
    assert len({name.split()[0] for name in names}) == WARM_ROOMS
    assert provisioner.room_client.warmed == [f"!{n}" for n in range(1, WARM_ROOMS + 1)]
    assert provisioner.room_client.left == 1


async def test_one_who_cannot_be_invited_holds_up_nobody(provisioner: ProvisionerHarness) -> None:
    """The homeserver refuses one of the staff: the others are invited, rooms are made, and the desk is told whom."""
    provisioner.room_client.blocks = {STAFF[0].mxid}
    provisioner.run()
    await provisioner.furnished()
    assert provisioner.room_client.invited == [("!0", STAFF[1].mxid)]
    assert provisioner.told == [InviteFailed(user=STAFF[0].mxid, place=DESK)]


async def test_rooms_whose_answer_was_lost_are_left(provisioner: ProvisionerHarness) -> None:
    """The homeserver made rooms and its answers did not come: once all is calm they are left, not at the next start."""
    provisioner.run()
    await provisioner.furnished()
    await provisioner.look()
    assert provisioner.room_client.left == 1
    provisioner.room_client.lost = 2
    await provisioner.harness.receive_text("hi", message_id="1")
    provisioner.rooms.fill_stock_now()
    await wait_until("what is unknown was left", lambda: _left(provisioner), every=0.01)
    assert await provisioner.harness.count("warm_room") == WARM_ROOMS
    await provisioner.look()
    assert provisioner.room_client.left == 2, "once is enough"


async def test_a_restart_makes_and_invites_nothing_again(provisioner: ProvisionerHarness) -> None:
    """What is there is found, and nobody is invited a second time, whether they came or not."""
    provisioner.run()
    await provisioner.furnished()
    await provisioner.look()
    await provisioner.stop()
    rooms, invited = list(provisioner.room_client.made), list(provisioner.room_client.invited)
    provisioner.rooms = provisioner.again()
    provisioner.run()
    await provisioner.furnished()
    await provisioner.look()
    assert (provisioner.room_client.made, provisioner.room_client.invited) == (rooms, invited)
    assert provisioner.room_client.left == 2


async def test_a_waiting_thread_comes_before_the_stock(provisioner: ProvisionerHarness) -> None:
    """A thread that found no warm room gets its own, under its own designation, and its rows are told."""
    thread = await provisioner.harness.receive_text("hello", message_id="1")
    designation = (await provisioner.harness.thread(thread)).designation
    provisioner.run()
    await provisioner.furnished()
    assert provisioner.room_client.made[1] == ("thread", designation, thread)
    assert await provisioner.harness.database.fetchval("SELECT room_id FROM thread") == "!1"
    assert provisioner.ready == ["desk", thread]


async def test_a_first_text_takes_a_warm_room_and_the_stock_is_filled(provisioner: ProvisionerHarness) -> None:
    """The warm room and its designation go to the thread in the commit that makes it; another is made."""
    provisioner.run()
    await provisioner.furnished()
    thread = await provisioner.harness.receive_text("hello", message_id="1")
    await provisioner.look()
    assert len(provisioner.room_client.made) == WARM_ROOMS + 1, "the text's own events come first"
    await provisioner.furnished()
    room_id = await provisioner.harness.database.fetchval("SELECT room_id FROM thread")
    owner = await provisioner.harness.database.fetchval("SELECT owner FROM matrix_room WHERE room_id = $1", room_id)
    names = {f"!{n}": name for n, (_, name, _) in enumerate(provisioner.room_client.made)}
    assert owner == thread
    assert (await provisioner.harness.thread(thread)).designation == names[room_id]
    assert await provisioner.harness.database.fetchval("SELECT COUNT(*) FROM warm_room WHERE room_id = $1", room_id) == 0
    assert len(provisioner.room_client.made) == WARM_ROOMS + 2


async def test_a_text_that_finds_no_warm_room_does_not_wait_for_the_stock(provisioner: ProvisionerHarness) -> None:
    """In a rush each further texter gets a room at once, while the stock is filled later."""
    while await provisioner.rooms.run_once() == 0.0:
        pass
    for number in range(WARM_ROOMS + 2):
        await provisioner.harness.receive_text("hello", message_id=str(number), sender=f"+1206555{number:04}")
    while await provisioner.rooms.run_once() == 0.0:
        pass
    assert await provisioner.harness.count("warm_room") == 0
    assert await provisioner.harness.database.fetchval("SELECT COUNT(*) FROM thread WHERE room_id IS NULL") == 0
    assert len(provisioner.room_client.made) == 1 + WARM_ROOMS + 2


async def test_everybody_at_the_desk_has_an_office_once(provisioner: ProvisionerHarness) -> None:
    """Whoever is on the roster gets an office of their own and one invitation to it, also when they decline it."""
    provisioner.run()
    await provisioner.furnished()
    ada = STAFF[0].mxid
    provisioner.desk = Desk(roster=(DeskMember(user=ada, role=Role.ADVOCATE),))
    provisioner.rooms.loop.wake()
    await wait_until("the office is made", lambda: _has_office(provisioner), every=0.01)
    office = f"!{len(provisioner.room_client.made) - 1}"
    assert provisioner.room_client.made[-1] == ("office", "office", ada)
    await wait_until("she is invited", lambda: _invited(provisioner, office, ada), every=0.01)
    await provisioner.harness.database.commit(lambda transaction: set_membership(transaction, office, ada, "leave"))
    await provisioner.look()
    assert provisioner.room_client.invited.count((office, ada)) == 1
    assert [kind for kind, _, _ in provisioner.room_client.made].count("office") == 1


async def test_trouble_with_the_homeserver_is_waited_for(
    provisioner: ProvisionerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Away, slow or refusing: it is tried again until everything is there, and nothing is made twice."""
    real = asyncio.sleep
    waits: list[float] = []

    async def quick(seconds: float) -> None:
        waits.append(seconds)
        await real(0)

    monkeypatch.setattr("asyncio.sleep", quick)
    provisioner.room_client.fails = [
        Transient(0, ""),
        Transient(429, "M_LIMIT_EXCEEDED", 60.0),
        Permanent(403, "M_FORBIDDEN"),
    ]
    provisioner.run()
    for _ in range(2000):
        await real(0.002)
        if await provisioner.harness.count("warm_room") == WARM_ROOMS:
            break
    assert [kind for kind, _, _ in provisioner.room_client.made] == ["desk"] + ["thread"] * WARM_ROOMS
    assert {0.2, 60.0} <= set(waits)


async def test_a_refused_token_ends_the_program(provisioner: ProvisionerHarness) -> None:
    """When the homeserver does not know us there is nothing to wait for."""
    provisioner.room_client.fails = [TokenRefused(401, "M_UNKNOWN_TOKEN")]
    with pytest.raises(TokenRefused):
        await provisioner.rooms.loop.run()


async def test_a_room_that_was_noted_and_not_given_is_forgotten(provisioner: ProvisionerHarness) -> None:
    """At the start, rooms that belong to no thread and no stock are forgotten; what belongs to a person is not."""
    provisioner.run()
    await provisioner.furnished()
    await provisioner.harness.receive_text("hello", message_id="1")
    await provisioner.stop()
    before = {room.room_id for room in await rooms_of_ours(provisioner.harness.database)}
    stray = Room(room_id="!stray", kind="thread", owner="", key_owner="room:!stray")
    await provisioner.harness.database.commit(lambda transaction: record_room(transaction, stray, members={}, levels={}))
    await provisioner.harness.database.commit(delete_unassigned_rooms)
    assert {room.room_id for room in await rooms_of_ours(provisioner.harness.database)} == before


async def parked(transaction: Transaction) -> None:
    """Have a thread that is parked, and bears no designation."""
    await transaction.execute("INSERT INTO thread (id, designation, aggregate) VALUES ('parked', '', $1)", b"")


async def test_designations_are_not_given_twice(provisioner: ProvisionerHarness) -> None:
    """Those of threads and of warm rooms are taken, over a restart too."""
    provisioner.run()
    await provisioner.furnished()
    await provisioner.harness.receive_text("hello", message_id="1")
    query = "SELECT designation FROM thread UNION SELECT designation FROM warm_room"
    in_use = {row["designation"] for row in await provisioner.harness.database.fetch(query)}
    await provisioner.harness.database.commit(parked)
    later = Designations(database=provisioner.harness.database)
    await later.load()
    new = {later.allocate() for _ in range(50)}
    assert len(new) == 50
    assert not {words.split()[0] for words in new} & {words.split()[0] for words in in_use}


async def _has_office(provisioner: ProvisionerHarness) -> bool | None:
    return any(kind == "office" for kind, _, _ in provisioner.room_client.made) or None


async def _invited(provisioner: ProvisionerHarness, room: str, user: str) -> bool | None:
    return (room, user) in provisioner.room_client.invited or None


async def test_a_desk_left_by_everybody_is_offered_to_its_supervisors_again(provisioner: ProvisionerHarness) -> None:
    """When nobody is at the desk or invited, the configuration's supervisors are invited again, once an hour at most."""
    provisioner.run()
    await provisioner.furnished()

    async def goes(*users: str) -> None:
        for user in users:
            await provisioner.harness.database.commit(
                lambda transaction, user=user: set_membership(transaction, "!0", user, "leave")  # type: ignore[misc]
            )
        await provisioner.look()

    ada, sol = (staff.mxid for staff in STAFF)
    before = len(provisioner.room_client.invited)
    await goes(ada)
    assert provisioner.room_client.invited[before:] == [], "somebody is still there"
    await goes(sol)
    assert provisioner.room_client.invited[before:] == [("!0", sol)]
    await goes(sol)
    assert provisioner.room_client.invited[before:] == [("!0", sol)], "who declines is not asked again at once"
    provisioner.passed += 3601
    await goes(sol)
    assert provisioner.room_client.invited[before:] == [("!0", sol)] * 2


async def _left(provisioner: ProvisionerHarness) -> bool | None:
    return provisioner.room_client.left == 2 or None


async def test_the_texter_puppet_is_brought_back_where_it_was_removed(provisioner: ProvisionerHarness) -> None:
    """At the desk, in a thread's and a warm room, at once, through an outage too; not to a room that is being erased."""
    provisioner.run()
    await provisioner.furnished()
    thread = await provisioner.harness.receive_text("hello", message_id="1")
    provisioner.rooms.loop.wake()
    await provisioner.furnished()
    thread_room = await _named(provisioner, "SELECT room_id, designation FROM thread WHERE id = $1", thread)
    warm = await _named(provisioner, "SELECT room_id, designation FROM warm_room ORDER BY room_id LIMIT 1")
    over = Room(room_id="!over", kind="thread", owner="", key_owner="room:!over")
    await provisioner.harness.database.commit(lambda transaction: record_room(transaction, over, members={}, levels={}))
    provisioner.room_client.outside = ["!0", thread_room[0], warm[0], "!over"]
    provisioner.room_client.fails = [Transient(0, "", retry_after=0.001)]
    provisioner.rooms.loop.wake()
    await wait_until("it is back", lambda: _outside(provisioner, "!over"), every=0.01)
    assert provisioner.room_client.tried == [("!0", ""), ("!0", ""), thread_room, warm]
    assert provisioner.told == []


async def _outside(provisioner: ProvisionerHarness, *rooms: str) -> bool | None:
    return provisioner.room_client.outside == [*rooms] or None


async def _named(provisioner: ProvisionerHarness, query: str, *args: str) -> tuple[str, str]:
    row = await provisioner.harness.database.fetchrow(query, *args)
    assert row is not None
    return row["room_id"], row["designation"]
