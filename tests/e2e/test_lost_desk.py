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


async def test_closed_as_by_an_upgrade(own: tuple[Scene, list[Seat]]) -> None:
    """A tombstone is told aloud in the room itself, and the desk goes on where it was."""
    scene, seats = own
    desk, sol = scene.ready.desk_room, seats[-1]
    path = f"rooms/{quote(desk, safe='')}/state/m.room.tombstone"
    await scene.as_bot("PUT", path, {"body": "moved", "replacement_room": "!nowhere"})
    await sol.find(desk, "told that it was closed", lambda i: i.sender == scene.ready.bot and "closed this room" in i.body)
    await sol.say(desk, "!board")
    await sol.find(desk, "the desk still answers", lambda i: i.sender == scene.ready.bot and "Queue: 0" in i.body)
