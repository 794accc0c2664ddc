"""A desk that everybody has left, and one that somebody closes: the line goes on, and people find their way back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest
import pytest_asyncio

from tests.e2e.carrier import handset
from tests.e2e.crossnio import CrossNio
from tests.e2e.scene import Scene
from tests.e2e.seat import Seat
from tests.e2e.stack import Stack
from tests.e2e.waiting import until


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Scene, list[Seat]]]:
    """Run a line of this module's own, with all three of its people at the desk."""
    line = Stack(tmp_path_factory.mktemp("lost"))
    seats: list[Seat] = []
    try:
        await line.start()
        scene = Scene(stack=line, ready=line.ready)
        for account in line.ready.accounts:
            seats.append(CrossNio(line.ready.homeserver, account))
            await seats[-1].start()
            await scene.seated(seats[-1])
        yield scene, seats
    finally:
        for seat in seats:
            await seat.stop()
        await line.end()


async def test_left_by_everybody(own: tuple[Scene, list[Seat]]) -> None:
    """Texts are taken and answered as when nobody is there; the supervisor is invited again and finds who waits."""
    scene, seats = own
    desk, phone, sol = scene.ready.desk_room, handset(), seats[-1]
    for seat in seats:
        await seat.leave(desk)

    async def invited() -> bool | None:
        return desk in await sol.invites() or None

    await until("the supervisor is invited to the desk again", invited)
    await scene.carrier.text(phone, "is anybody there?")

    async def answered() -> bool | None:
        return any("no one can answer" in text for text in await scene.carrier.received(phone)) or None

    await until("the phone is told that nobody can answer now", answered)
    assert not [seat for seat in seats[:-1] if desk in await seat.invites()], "advocates are for the supervisor to invite"
    await sol.join(desk)
    await sol.say(desk, "!claim")
    room = await scene.invited(sol, set())
    await sol.join(room)
    await sol.find(room, "the words are there", lambda i: i.body == "is anybody there?" and i.kind == "message")


async def told(scene: Scene, sol: Seat, times: int) -> None:
    """Wait until the desk has been told so often that it was closed, and see that it still answers."""
    desk = scene.ready.desk_room

    async def said() -> bool | None:
        bodies = [item.body for item in await sol.items(desk) if item.sender == scene.ready.bot]
        return sum("closed this room" in body for body in bodies) == times or None

    await until("told that it was closed", said)
    before = {item.event_id for item in await sol.items(desk)}
    await sol.say(desk, "!board")
    await sol.find(desk, "the desk still answers", lambda i: i.event_id not in before and "Queue: 0" in i.body)


async def test_upgraded(own: tuple[Scene, list[Seat]]) -> None:
    """The desk goes on where it was; nobody is in the room that replaces it, and at the next start not even we are."""
    scene, seats = own
    desk, line, sol = scene.ready.desk_room, scene.stack, seats[-1]
    made = await scene.as_bot("POST", f"rooms/{quote(desk, safe='')}/upgrade", {"new_version": "12"})
    other = made["replacement_room"]
    await told(scene, sol, 1)
    assert set(await people(scene, other)) == {scene.ready.bot}
    await line.kill("bridge")
    await line.well()

    async def left() -> bool | None:
        return other not in (await scene.as_bot("GET", "joined_rooms"))["joined_rooms"] or None

    await until("the other room is left", left)
    assert scene.ready.desk_room == line.ready.desk_room == desk
    assert other not in {**await sol.invites(), **await sol.joined()}


async def people(scene: Scene, room: str) -> list[str]:
    """Who is in a room, or invited to it."""
    chunk = (await scene.as_bot("GET", f"rooms/{quote(room, safe='')}/members"))["chunk"]
    return [event["state_key"] for event in chunk if event["content"]["membership"] in {"join", "invite"}]


async def test_closed_by_a_tombstone(own: tuple[Scene, list[Seat]]) -> None:
    """A tombstone is told aloud in the room itself, and the desk goes on where it was."""
    scene, seats = own
    path = f"rooms/{quote(scene.ready.desk_room, safe='')}/state/m.room.tombstone"
    await scene.as_bot("PUT", path, {"body": "moved", "replacement_room": "!nowhere"})
    await told(scene, seats[-1], 2)
