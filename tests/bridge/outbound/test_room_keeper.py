"""The keeper of rooms: what is missing is made, once, in the right order, through every kind of trouble."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import cast

import pytest

from bot.model.actions import DESK, OFFICE
from bot.model.desk import Desk, Role, Seat
from bot.model.line_incidents import NotInvited
from bridge.config import Staff
from bridge.matrix.room_client import Edge, Permanent, TokenRefused, Transient
from bridge.matrix.rooms.room_state import Kind, Members, Room, note_room, set_membership
from bridge.outbound.room_keeper import STOCK, Designations, Rooms, forget_ungiven
from bridge.runtime.crash_points import nowhere
from bridge.storage.database import Connection
from tests.e2e.waiting import until
from tests.fakes.nerves import Nerves

STAFF = [
    Staff(mxid="@ada:quietline.localhost", role="advocate"),
    Staff(mxid="@sol:quietline.localhost", role="supervisor"),
]


class PaperEdge:
    """A homeserver on paper that notes rooms as the real edge does. `fails` are raised first, one per request."""

    def __init__(self, nerves: Nerves) -> None:
        self._nerves = nerves
        self.made: list[tuple[str, str, str]] = []
        self.supervisors: dict[str, Sequence[str]] = {}
        self.invited: list[tuple[str, str]] = []
        self.warmed: list[str] = []
        self.left = 0
        self.fails: list[Exception] = []
        self.blocks: set[str] = set()
        """Who takes no invitations."""
        self.outside: list[str] = []
        """Rooms that the line voice was removed from."""
        self.tried: list[tuple[str, str]] = []
        """To which rooms it was brought back, and under which name."""
        self.lost = 0
        """So many rooms are still made whose answer never comes."""

    def _asked(self) -> None:
        if self.fails:
            raise self.fails.pop(0)

    async def create_room(self, kind: Kind, name: str, *, owner: str, supervisors: Sequence[str]) -> str:
        self._asked()
        if self.lost:
            self.lost -= 1
            raise Transient(0, "")
        room_id = f"!{len(self.made)}"
        self.made.append((kind, name, owner))
        self.supervisors[kind] = supervisors
        room = Room(room_id=room_id, kind=kind, owner=owner, key_owner=f"room:{room_id}")
        await self._nerves.store.commit(lambda conn: note_room(conn, room, members={}, levels={}))
        return room_id

    async def warm(self, room_id: str) -> None:
        self._asked()
        self.warmed.append(room_id)

    async def invite(self, room_id: str, user: str) -> None:
        self._asked()
        if user in self.blocks:
            raise Permanent(403, "M_FORBIDDEN")
        self.invited.append((room_id, user))
        await self._nerves.store.commit(lambda conn: set_membership(conn, room_id, user, "invite"))

    voice = "@line-main:x"

    async def without_voice(self) -> list[str]:
        return self.outside

    async def bring_back(self, room_id: str, name: str) -> None:
        self.tried.append((room_id, name))
        if room_id in self.blocks:
            raise Permanent(403, "M_FORBIDDEN")
        self._asked()
        self.outside = [other for other in self.outside if other != room_id]

    async def leave_unknown_rooms(self) -> None:
        self._asked()
        self.left += 1


class House:
    """Rooms over real tables. `ready`: whose room was called ready."""

    def __init__(self, nerves: Nerves) -> None:
        self.nerves = nerves
        self.edge = PaperEdge(nerves)
        self.desk = Desk()
        self.ready: list[str] = []
        self.told: list[NotInvited] = []
        self.changed = asyncio.Event()
        self.passed = 10_000.0
        self.rooms = self.again()
        self.running: asyncio.Task[None] | None = None

    def again(self) -> Rooms:
        """Make the keeper, as after a restart."""
        return Rooms(
            store=self.nerves.store,
            edge=cast("Edge", self.edge),
            designations=Designations(store=self.nerves.store),
            staff=STAFF,
            desk=lambda: self.desk,
            room_ready=self.ready.append,
            changed=self.changed,
            crash=nowhere,
            ours=("@policy:x", "@line-main:x"),
            tell=self._tell,
            passing=lambda: self.passed,
        )

    async def _tell(self, event: NotInvited) -> None:
        self.told.append(event)

    def run(self) -> None:
        self.running = asyncio.create_task(self.rooms.run())

    async def furnished(self) -> None:
        """Wait until the desk is there and the stock is full."""

        async def full() -> bool | None:
            if self.running is not None and self.running.done():
                self.running.result()
            return (await self.nerves.count("warm_room") == STOCK and bool(self.rooms.desk_room)) or None

        await until("the house is furnished", full, every=0.01)

    async def stop(self) -> None:
        if self.running is not None:
            self.running.cancel()
            await asyncio.gather(self.running, return_exceptions=True)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    nerves = Nerves(tmp_path)
    await nerves.open()
    await nerves.engine.load()
    made = House(nerves)
    yield made
    await made.stop()
    await nerves.end()


async def test_the_first_start(house: House) -> None:
    """The desk with everybody invited and supervisors in their role, then a stock of warm rooms under two words each."""
    house.run()
    await house.furnished()
    assert [kind for kind, _, _ in house.edge.made] == ["desk"] + ["thread"] * STOCK
    assert house.edge.invited == [("!0", staff.mxid) for staff in STAFF]
    assert house.ready == ["desk"]
    names = [name for kind, name, _ in house.edge.made if kind == "thread"]
    assert len({name.split()[0] for name in names}) == STOCK
    assert house.edge.warmed == [f"!{n}" for n in range(1, STOCK + 1)]
    assert house.edge.left == 1


async def test_one_who_cannot_be_invited_holds_up_nobody(house: House) -> None:
    """The homeserver refuses one of the staff: the others are invited, rooms are made, and the desk is told whom."""
    house.edge.blocks = {STAFF[0].mxid}
    house.run()
    await house.furnished()
    assert house.edge.invited == [("!0", STAFF[1].mxid)]
    assert house.told == [NotInvited(user=STAFF[0].mxid, place=DESK)]


async def test_an_office_that_is_refused_holds_up_nobody(house: House) -> None:
    """Somebody takes no invitations: the next one's office and the stock are made; they are tried again an hour later."""
    house.edge.blocks = {"@blocks:x"}
    house.run()
    await house.furnished()
    house.desk = Desk(roster=(Seat(user="@blocks:x", role=Role.ADVOCATE), Seat(user="@cat:x", role=Role.ADVOCATE)))
    await house.nerves.arrive("hi", message_id="1")
    house.changed.set()
    await until("the next office is there", lambda: _was_invited(house, "@cat:x"), every=0.01)
    await house.furnished()
    assert house.told == [NotInvited(user="@blocks:x", place=OFFICE)]
    house.edge.blocks.clear()
    house.passed += 3600
    house.changed.set()
    await until("they are invited after all", lambda: _was_invited(house, "@blocks:x"), every=0.01)
    assert [kind for kind, _, _ in house.edge.made].count("office") == 2
    assert len(house.told) == 1


async def test_an_outage_uses_up_no_designations(house: House) -> None:
    """However often a room is tried in vain, the two words meant for it are free again."""
    house.run()
    await house.furnished()
    await house.nerves.arrive("hi", message_id="1")
    before = len(house.rooms._designations._taken)
    house.edge.fails = [Transient(0, "", after=0.001) for _ in range(5)]
    house.changed.set()
    await house.furnished()
    assert len(house.rooms._designations._taken) == before + 1
    assert house.edge.fails == []


async def test_rooms_whose_answer_was_lost_are_left(house: House) -> None:
    """The homeserver made rooms and its answers did not come: once all is calm they are left, not at the next start."""
    house.run()
    await house.furnished()
    assert house.edge.left == 1
    house.edge.lost = 2
    await house.nerves.arrive("hi", message_id="1")
    house.changed.set()
    await until("what is unknown was left", lambda: _left(house), every=0.01)
    assert await house.nerves.count("warm_room") == STOCK
    house.changed.set()
    await asyncio.sleep(0.1)
    assert house.edge.left == 2, "once is enough"


async def test_a_room_that_replaces_one_of_ours_is_left_within_the_hour(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an upgrade made, and nobody noted, is looked for once in so long, although nothing happens at the desk."""
    monkeypatch.setattr("bridge.outbound.room_keeper.LOOKS_EVERY", 0.05)
    house.run()
    await house.furnished()
    house.changed.set()
    await asyncio.sleep(0.2)
    assert house.edge.left == 1, "not at each change"
    house.passed += 0.05
    await until("what is unknown was left", lambda: _left(house), every=0.01)
    await asyncio.sleep(0.2)
    assert house.edge.left == 2, "once is enough"


async def test_a_restart_makes_and_invites_nothing_again(house: House) -> None:
    """What is there is found, and nobody is invited a second time, whether they came or not."""
    house.run()
    await house.furnished()
    await house.stop()
    made, invited = list(house.edge.made), list(house.edge.invited)
    house.rooms = house.again()
    house.run()
    await house.furnished()
    assert (house.edge.made, house.edge.invited) == (made, invited)
    assert house.edge.left == 2


async def test_a_waiting_thread_comes_before_the_stock(house: House) -> None:
    """A thread that found no warm room gets its own, under its own designation, and its rows are told."""
    thread = await house.nerves.arrive("hello", message_id="1")
    designation = (await house.nerves.thread(thread)).designation
    house.run()
    await house.furnished()
    assert house.edge.made[1] == ("thread", designation, thread)
    assert await house.nerves.store.fetchval("SELECT room_id FROM thread") == "!1"
    assert house.ready == ["desk", thread]


async def test_a_first_text_takes_a_warm_room_and_the_stock_is_filled(house: House) -> None:
    """The warm room and its designation go to the thread in the commit that makes it; another is made."""
    house.run()
    await house.furnished()
    thread = await house.nerves.arrive("hello", message_id="1")
    house.changed.set()
    await house.furnished()
    room_id = await house.nerves.store.fetchval("SELECT room_id FROM thread")
    owner = await house.nerves.store.fetchval("SELECT owner FROM matrix_room WHERE room_id = $1", room_id)
    names = {f"!{n}": name for n, (_, name, _) in enumerate(house.edge.made)}
    assert owner == thread
    assert (await house.nerves.thread(thread)).designation == names[room_id]
    assert await house.nerves.store.fetchval("SELECT COUNT(*) FROM warm_room WHERE room_id = $1", room_id) == 0
    assert len(house.edge.made) == STOCK + 2


async def test_everybody_at_the_desk_has_an_office_once(house: House) -> None:
    """Whoever is on the roster gets an office of their own and one invitation to it, also when they decline it."""
    house.run()
    await house.furnished()
    ada = STAFF[0].mxid
    house.desk = Desk(roster=(Seat(user=ada, role=Role.ADVOCATE),))
    house.changed.set()
    await until("the office is made", lambda: _has_office(house), every=0.01)
    office = f"!{len(house.edge.made) - 1}"
    assert house.edge.made[-1] == ("office", "office", ada)
    await until("she is invited", lambda: _invited(house, office, ada), every=0.01)
    await house.nerves.store.commit(lambda conn: set_membership(conn, office, ada, "leave"))
    house.changed.set()
    await asyncio.sleep(0.1)
    assert house.edge.invited.count((office, ada)) == 1
    assert [kind for kind, _, _ in house.edge.made].count("office") == 1


async def test_trouble_with_the_homeserver_is_waited_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Away, slow or refusing: it is tried again until everything is there, and nothing is made twice."""
    real = asyncio.sleep
    waits: list[float] = []

    async def quick(seconds: float) -> None:
        waits.append(seconds)
        await real(0)

    monkeypatch.setattr("bridge.outbound.room_keeper.asyncio.sleep", quick)
    house.edge.fails = [Transient(0, ""), Transient(429, "M_LIMIT_EXCEEDED", 60.0), Permanent(403, "M_FORBIDDEN")]
    house.run()
    for _ in range(2000):
        await real(0.002)
        if await house.nerves.count("warm_room") == STOCK:
            break
    assert [kind for kind, _, _ in house.edge.made] == ["desk"] + ["thread"] * STOCK
    assert {0.2, 5.0} <= set(waits)


async def test_a_refused_token_ends_the_program(house: House) -> None:
    """When the homeserver does not know us there is nothing to wait for."""
    house.edge.fails = [TokenRefused(401, "M_UNKNOWN_TOKEN")]
    with pytest.raises(TokenRefused):
        await house.rooms.run()


async def test_a_full_disk_is_waited_for(house: House) -> None:
    """While nothing can be noted no second room is asked for in a hurry, and afterwards the house is furnished."""
    house.nerves.store.full = True
    house.run()
    await until("it was tried", lambda: _refused(house), every=0.01)
    await asyncio.sleep(0.2)
    assert len(house.edge.made) == 1
    house.nerves.store.full = False
    await house.furnished()


async def test_a_room_that_was_noted_and_not_given_is_forgotten(house: House) -> None:
    """At the start, rooms that belong to no thread and no stock are forgotten; what belongs to somebody is not."""
    house.run()
    await house.furnished()
    await house.nerves.arrive("hello", message_id="1")
    await house.stop()
    before = {room.room_id for room in await Members(store=house.nerves.store).rooms()}
    stray = Room(room_id="!stray", kind="thread", owner="", key_owner="room:!stray")
    await house.nerves.store.commit(lambda conn: note_room(conn, stray, members={}, levels={}))
    await house.nerves.store.commit(forget_ungiven)
    assert {room.room_id for room in await Members(store=house.nerves.store).rooms()} == before


async def parked(conn: Connection) -> None:
    """Have a thread that is parked, and bears no designation."""
    await conn.execute("INSERT INTO thread (id, designation, aggregate) VALUES ('parked', '', $1)", b"")


async def test_designations_are_not_given_twice(house: House) -> None:
    """Those of threads and of warm rooms are taken, over a restart too."""
    house.run()
    await house.furnished()
    await house.nerves.arrive("hello", message_id="1")
    query = "SELECT designation FROM thread UNION SELECT designation FROM warm_room"
    taken = {row["designation"] for row in await house.nerves.store.fetch(query)}
    await house.nerves.store.commit(parked)
    later = Designations(store=house.nerves.store)
    await later.load()
    new = {later.new() for _ in range(50)}
    assert len(new) == 50
    assert not {words.split()[0] for words in new} & {words.split()[0] for words in taken}


async def _has_office(house: House) -> bool | None:
    return any(kind == "office" for kind, _, _ in house.edge.made) or None


async def _invited(house: House, room: str, user: str) -> bool | None:
    return (room, user) in house.edge.invited or None


async def _refused(house: House) -> bool | None:
    return house.nerves.store.refused > 0 or None


async def test_a_desk_left_by_everybody_is_offered_to_its_supervisors_again(house: House) -> None:
    """When nobody is at the desk or invited, the configuration's supervisors are invited again, once an hour at most."""
    house.run()
    await house.furnished()

    async def goes(*users: str) -> None:
        for user in users:
            await house.nerves.store.commit(lambda conn, user=user: set_membership(conn, "!0", user, "leave"))  # type: ignore[misc]
        house.changed.set()
        await asyncio.sleep(0.2)

    ada, sol = (staff.mxid for staff in STAFF)
    before = len(house.edge.invited)
    await goes(ada)
    assert house.edge.invited[before:] == [], "somebody is still there"
    await goes(sol)
    assert house.edge.invited[before:] == [("!0", sol)]
    await goes(sol)
    assert house.edge.invited[before:] == [("!0", sol)], "who declines is not asked again at once"
    house.passed += 3601
    await goes(sol)
    assert house.edge.invited[before:] == [("!0", sol)] * 2


async def _was_invited(house: House, user: str) -> bool | None:
    return any(who == user for _, who in house.edge.invited) or None


async def _left(house: House) -> bool | None:
    return house.edge.left == 2 or None


async def test_the_line_voice_is_brought_back_where_it_was_removed(house: House) -> None:
    """At the desk, in a thread's and a warm room, at once, through an outage too; not to a room on its way down."""
    house.run()
    await house.furnished()
    thread = await house.nerves.arrive("hello", message_id="1")
    house.changed.set()
    await house.furnished()
    taken = await _named(house, "SELECT room_id, designation FROM thread WHERE id = $1", thread)
    warm = await _named(house, "SELECT room_id, designation FROM warm_room ORDER BY room_id LIMIT 1")
    over = Room(room_id="!over", kind="thread", owner="", key_owner="room:!over")
    await house.nerves.store.commit(lambda conn: note_room(conn, over, members={}, levels={}))
    house.edge.outside = ["!0", taken[0], warm[0], "!over"]
    house.edge.fails = [Transient(0, "", after=0.001)]
    house.changed.set()
    await until("it is back", lambda: _outside(house, "!over"), every=0.01)
    assert house.edge.tried == [("!0", ""), ("!0", ""), taken, warm]
    assert house.told == []


async def test_a_voice_that_may_not_come_back_holds_up_nobody(house: House) -> None:
    """The homeserver refuses: the desk is told once of its own room, the others follow, and it is tried in an hour."""
    house.run()
    await house.furnished()
    warm = await house.nerves.store.fetchval("SELECT room_id FROM warm_room ORDER BY room_id LIMIT 1")
    house.edge.blocks, house.edge.outside = {"!0"}, ["!0", warm]
    for passes in (0.0, 1.0, 3600.0):
        house.passed += passes
        house.changed.set()
        await until("the warm room has it", lambda: _outside(house, "!0"), every=0.01)
        await asyncio.sleep(0.1)
    assert [room_id for room_id, _ in house.edge.tried] == ["!0", warm, "!0"]
    assert house.told == [NotInvited(user=house.edge.voice, place=DESK)]
    house.edge.blocks.clear()
    house.passed += 3600
    house.changed.set()
    await until("it is back at the desk", lambda: _outside(house), every=0.01)


async def _outside(house: House, *rooms: str) -> bool | None:
    return house.edge.outside == [*rooms] or None


async def _named(house: House, query: str, *args: str) -> tuple[str, str]:
    row = await house.nerves.store.fetchrow(query, *args)
    assert row is not None
    return row["room_id"], row["designation"]
