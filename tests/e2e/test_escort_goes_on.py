"""The escort over what happens to a conversation: a bridge that dies, another voice, a park, and a new beginning.

What the two handsets show stays the same to the byte, but for what a person wrote freely.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e import own_line
from tests.e2e.agreed import agree
from tests.e2e.carrier import handset
from tests.e2e.conftest import OpenStrict
from tests.e2e.scene import Scene, Talk
from tests.e2e.seat import Seat
from tests.e2e.waiting import until

SAFE, DURESS = "Bramblewick lantern", "Curlewmoss"
CHALLENGE = "Good to hear from you. How has your week been so far?"
VERIFIED = "Thanks for telling me. Give me a minute, please."
COVERS = (
    "Sorry, wrong number.",
    "Hi, the book you asked about is not here yet. We will have it next week. Thanks for your patience.",
)
FREE = ("I am the next one, are you safe?", "how have you been since?")
DELAY = 3.0
HURRIED = {"undo_seconds": 1, "undo_after_join_seconds": 1, "undo_after_switch_seconds": 1, "close_undo": "1 s"}
"""A pack in which nobody waits for what is not looked at here: the undo windows, and that of a close."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own(tmp_path_factory: pytest.TempPathFactory, open_strict: OpenStrict) -> AsyncIterator[tuple[Scene, list[Seat]]]:
    """Run a line of this module's own, with both advocates at its desk: it is killed, and closes at once."""
    async with own_line.running(tmp_path_factory.mktemp("escort"), settings=HURRIED) as scene:
        ready = scene.ready
        opening = (open_strict.seat(ready.homeserver, ready.account("advocate", number)) for number in range(2))
        async with own_line.seated(scene, opening) as seats:
            yield scene, seats


@pytest.mark.practice(10)
async def test_the_escort_goes_on(own: tuple[Scene, list[Seat]]) -> None:
    """Challenged, the bridge killed, answered, killed again before the verdict; another voice; parked; begun anew.

    Neither verdict leaves before its delay, and each leaves once. Under duress free words stay here with every voice, in
    the same conversation and in the next one, while a cover line leaves; the handset shows what the other one does.
    """
    scene, (ada, bea) = own
    talks: list[Talk] = []
    for word in (SAFE, DURESS):
        talk = await scene.talk(ada, handset(), f"hello from the one with {len(word)} letters")
        await agree(scene, ada, talk, SAFE, DURESS)
        await scene.carrier.text(talk.handset, "is anybody there?")
        await talk.shows("is anybody there?")
        await ada.say(talk.room, "!verify")
        await scene.carrier.reaches(talk.handset, CHALLENGE, within=40)
        talks.append(talk)

    await scene.stack.kill("bridge")
    await scene.stack.well()
    for talk, word in zip(talks, (SAFE, DURESS), strict=True):
        await scene.carrier.text(talk.handset, f"oh, fine. {word}!")
    for talk in talks:
        await scene.carrier.all_taken(talk.handset, 3)
    await scene.stack.kill("bridge")
    for talk in talks:
        await scene.carrier.reaches(talk.handset, VERIFIED, within=60)
        assert await scene.carrier.answered_after(talk.handset) >= DELAY
    await talks[0].told("codeword came", "burned")
    await talks[1].told("DURESS")
    await _alike(scene, talks)

    for talk in talks:
        before = set(await bea.invites())
        await ada.say(talk.room, f"!transfer {bea.mxid} quiet")
        room = await scene.invited(bea, before)
        await bea.join(room)
        await bea.say(room, "!accept")
        await talk.told("bea is the voice now")
    given = [Talk(seat=bea, room=t.room, handset=t.handset, designation=t.designation, scene=scene) for t in talks]
    await _words_and_cover(scene, given, FREE[0], 1)

    for talk in given:
        await scene.last_words(bea, talk.room, "!close")
        await until("they are out of the room", lambda talk=talk: _is_out(bea, talk.room), within=60)  # type: ignore[misc]
    # Begun anew, under another designation: whoever has the phone now may be anybody.
    anew = [await scene.talk(ada, talk.handset, "it is me again") for talk in given]
    for talk, old in zip(anew, given, strict=True):
        assert (talk.room != old.room, talk.designation != old.designation) == (True, True)
    await _words_and_cover(scene, anew, FREE[1], 2)
    for talk in anew:
        received = await scene.carrier.received(talk.handset)
        assert [received.count(text) for text in (CHALLENGE, VERIFIED, *COVERS)] == [1, 1, 1, 1]


async def _words_and_cover(scene: Scene, talks: list[Talk], free: str, number: int) -> None:
    """Say free words and a cover line in both: the words reach one phone, the line both."""
    for talk, becomes in zip(talks, ("delivered", "held"), strict=True):
        await talk.receipt(await talk.seat.say(talk.room, free), becomes)
        await talk.receipt(await talk.seat.say(talk.room, f"!cover {number}"), "delivered")
    await _alike(scene, talks)


async def _alike(scene: Scene, talks: list[Talk]) -> None:
    """Check that one handset shows what the other does, and only the first of them what was written freely."""
    success, duress = [await scene.carrier.received(talk.handset) for talk in talks]
    assert [text for text in success if text not in FREE] == duress


async def _is_out(seat: Seat, room: str) -> bool | None:
    return room not in await seat.joined() or None
