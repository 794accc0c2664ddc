"""The desk, end to end, with three strict clients: one voice, and a supervisor who is called in and reads it all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from tests.e2e import own_line
from tests.e2e.carrier import handset
from tests.e2e.conftest import OpenStrict
from tests.e2e.reading import knows_us, reads
from tests.e2e.scene import NOTE, Scene, Talk
from tests.e2e.seat import Item, Seat


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own(tmp_path_factory: pytest.TempPathFactory, open_strict: OpenStrict) -> AsyncIterator[tuple[Scene, list[Seat]]]:
    """Run a line of this module's own, with all three of its people at the desk: here nobody reaches a cap."""
    async with own_line.running(tmp_path_factory.mktemp("desk")) as scene:
        ready = scene.ready
        opening = (open_strict.seat(ready.homeserver, account) for account in ready.accounts)
        async with own_line.seated(scene, opening) as seats:
            yield scene, seats


async def is_note(seat: Seat, room: str, item: Item) -> None:
    """Wait until somebody's message is marked as a note."""
    await seat.find(room, "it is marked as a note", lambda i: i.event_id == item.event_id and NOTE in i.reactions)


@pytest.mark.practice(33)
async def test_escalate_take_give_back_transfer(own: tuple[Scene, list[Seat]]) -> None:
    """Whoever is called in reads both sides at once; exactly one person is heard, and the phone shows only their words.

    Talk, escalate, the supervisor reads, takes, gives back; transfer; the leaving advocate's words reach nobody's phone.
    """
    scene, (ada, bea, sol) = own
    for called_in in (bea, sol):
        await knows_us(scene, called_in)
    phone = handset()
    talk = await scene.talk(ada, phone, "the first words")
    await talk.receipt(await ada.say(talk.room, "an answer before anybody came"), "delivered")

    await ada.say(talk.room, "!escalate it is heavy")
    room = await scene.invited(sol, set())
    assert room == talk.room
    await sol.join(room)
    await reads(scene, sol, room, scene.ready.voice, "the first words")
    await reads(scene, sol, room, ada.mxid, "an answer before anybody came")
    await is_note(sol, room, await sol.say(room, "a listener's note"))

    await sol.say(room, "!take")
    await talk.told("sol is the voice now")
    await is_note(ada, room, await ada.say(room, "from the one whose voice was taken"))
    taken = replace(talk, seat=sol)
    await taken.receipt(await sol.say(room, "from the supervisor"), "delivered", within=50)
    await sol.say(room, "!listen")
    await talk.told("ada is the voice now")

    await ada.say(room, f"!transfer {bea.mxid} my shift ends")
    assert await scene.invited(bea, set()) == room
    await bea.join(room)
    await reads(scene, bea, room, scene.ready.voice, "the first words")
    await bea.say(room, "!accept")
    given = replace(talk, seat=bea)
    await given.told("bea is the voice now")
    await is_note(ada, room, await ada.say(room, "the former voice goes on writing"))
    await given.receipt(await bea.say(room, "from the new voice"), "delivered", within=50)

    heard = [text for text in await scene.carrier.received(phone) if not text.startswith("Hi, thanks")]
    assert heard == ["an answer before anybody came", "from the supervisor", "from the new voice"]


@pytest.mark.practice(4)
async def test_off_is_refused_with_a_thread_in_hand(own: tuple[Scene, list[Seat]]) -> None:
    """Nobody goes off duty with a thread in their hands; released, it waits at the desk again and they may go."""
    scene, (_, bea, sol) = own
    desk = scene.ready.desk_room
    phone = handset()
    card = await scene.arrives(bea, phone, "somebody else's first words")
    talk: Talk = await scene.claimed(bea, phone, card, by="!claim")
    await bea.say(desk, "!off")
    await bea.find(
        desk,
        "told which thread",
        lambda i: i.sender == scene.ready.bot and talk.designation in i.body and "release" in i.body,
    )
    await bea.say(talk.room, "!release")
    await sol.find(
        desk, "waits again", lambda i: i.sender == scene.ready.bot and f"{talk.designation} · waiting again" in i.body
    )


async def test_a_lost_device_is_signed_out(own: tuple[Scene, list[Seat]]) -> None:
    """A supervisor signs somebody out everywhere with one command, and reads how many devices that were."""
    scene, (_, bea, sol) = own
    desk = scene.ready.desk_room
    await sol.say(desk, f"!devices {bea.mxid}")
    listed = await sol.find(desk, "her device is listed", lambda i: i.sender == scene.ready.bot and "· trusted" in i.body)
    assert "STALE" not in listed.body
    await sol.say(desk, f"!signout {bea.mxid}")
    await sol.find(desk, "told that it is done", lambda i: "is signed out everywhere (1 device(s))" in i.body)
    await sol.say(desk, f"!devices {bea.mxid}")
    await sol.find(desk, "no device is left", lambda i: i.sender == scene.ready.bot and "No devices are known" in i.body)
