"""A staff member's client whose device nobody signed."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.carrier import handset
from tests.e2e.crossnio import CrossNio
from tests.e2e.scene import Scene
from tests.e2e.seat import Seat
from tests.e2e.waiting import quiet


@pytest_asyncio.fixture(loop_scope="session")
async def unsigned(scene: Scene, bea: Seat) -> AsyncIterator[CrossNio]:
    """Log in a second device of an advocate, not cross-signed."""
    account = next(a for a in scene.ready.accounts if a.mxid == bea.mxid)
    seat = CrossNio(scene.ready.homeserver, account, signed=False)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(seat.stop)
        await seat.start()
        stack.push_async_callback(seat.log_out)
        yield seat


@pytest.mark.practice(6)
async def test_the_strict_client_is_strict(scene: Scene, ada: Seat, unsigned: CrossNio) -> None:
    """The strict client shows nothing of an unsigned device and gives it no keys; or these tests would prove little."""
    desk = scene.ready.desk_room
    said = await ada.say(desk, "// for signed devices only")
    word = await unsigned.say(desk, "// from an unsigned device")
    seen = await ada.find(desk, "the unsigned device's event is there", lambda i: i.event_id == word.event_id)
    assert seen.kind == "undecryptable"
    assert "UNSIGNED_DEVICE" in seen.cause
    there = await unsigned.find(desk, "the strict client's event is there", lambda i: i.event_id == said.event_id)
    assert there.kind == "undecryptable"


async def test_an_unsigned_device_is_given_nothing_and_may_command_nothing(
    scene: Scene, sol: Seat, unsigned: CrossNio
) -> None:
    """It gets no keys; its claim is refused with a sentence and changes nothing: somebody else still can claim."""
    desk = scene.ready.desk_room
    card = await scene.arrives(sol, handset(), "not for an unsigned device")
    invites = set(await unsigned.invites())
    command = await unsigned.say(desk, "!claim")
    await sol.find(
        desk,
        "the unsigned device is refused with a sentence",
        lambda i: i.sender == scene.ready.bot and i.kind == "message" and "not verified" in i.body,
    )
    assert command.event_id

    async def invited() -> set[str] | None:
        return set(await unsigned.invites()) - invites or None

    await quiet("its claim is obeyed", invited, during=2)
    there = await unsigned.find(desk, "the card is there", lambda i: i.event_id == card.event_id)
    assert there.kind == "undecryptable"
    assert not [i for i in await unsigned.items(desk) if i.sender == scene.ready.bot and i.kind == "message"]
    talk = await scene.claimed(sol, "", card)
    await talk.shows("not for an unsigned device")
    assert await talk.arrived(whole=True) == ["not for an unsigned device"]
