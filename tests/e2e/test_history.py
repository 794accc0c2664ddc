"""Who can read what, end to end with strict clients, in every order of coming, going and coming back.

The texter's side is readable from the first word and without a shield; what colleagues typed carries at most the grey one;
whoever has left reads nothing that came afterwards.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.carrier import handset
from tests.e2e.conftest import OpenStrict
from tests.e2e.scene import Scene, Talk
from tests.e2e.seat import NO_SHIELD, Item, Seat
from tests.e2e.stack import Stack
from tests.e2e.waiting import quiet, until

READS = 60.0
"""Seconds until a client can read: one that has just met our identities for the first time takes about thirty."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own(tmp_path_factory: pytest.TempPathFactory, open_strict: OpenStrict) -> AsyncIterator[tuple[Scene, Seat, Seat]]:
    """Run a line of this module's own, with both advocates at the desk; the supervisor has never logged in."""
    line = Stack(tmp_path_factory.mktemp("history"))
    seats: list[Seat] = []
    try:
        await line.start()
        scene = Scene(stack=line, ready=line.ready)
        for number in range(2):
            seats.append(await open_strict.seat(line.ready.homeserver, line.ready.account("advocate", number)))
            await scene.seated(seats[-1])
        yield scene, seats[0], seats[1]
    finally:
        for seat in seats:
            await seat.stop()
        await line.end()


async def reads(scene: Scene, seat: Seat, room: str, author: str, *texts: str) -> None:
    """Wait until somebody can read these texts of an author, and judge their shields."""

    async def probe() -> list[Item] | None:
        items = {i.body: i for i in await seat.whole(room) if i.sender == author and i.kind == "message"}
        return [items[text] for text in texts] if all(text in items for text in texts) else None

    async def seen() -> str:
        return "; ".join(i.brief() for i in (await seat.whole(room))[-12:])

    found = await until(f"{seat.mxid} can read {len(texts)} texts of {author}", probe, within=READS, every=0.5, seen=seen)
    for item in found:
        ours = author in {scene.ready.voice, scene.ready.bot}
        assert item.shield == NO_SHIELD or (not ours and item.shield.startswith("grey")), item.brief()


async def texts(scene: Scene, talk: Talk, body: str, *, seat: Seat) -> None:
    """Have the handset text, and wait until it is in the room, readable."""
    await scene.carrier.text(talk.handset, body)
    await reads(scene, seat, talk.room, scene.ready.voice, body)


async def test_a_first_login_after_the_words(own: tuple[Scene, Seat, Seat], open_strict: OpenStrict) -> None:
    """Somebody who had no device at all while a thread went on logs in, listens in, and reads both sides of it."""
    scene, ada, _ = own
    talk = await scene.talk(ada, handset(), "said before you had a device")
    await ada.say(talk.room, "answered before you had a device")
    await ada.say(talk.room, "// noted before you had a device")
    sol = await open_strict.seat(scene.ready.homeserver, scene.ready.account("supervisor"))
    try:
        await scene.seated(sol)
        await sol.say(scene.ready.desk_room, f"!listen {talk.designation}")
        assert await scene.invited(sol, set()) == talk.room
        await sol.join(talk.room)
        await reads(scene, sol, talk.room, scene.ready.voice, "said before you had a device")
        typed = ("answered before you had a device", "// noted before you had a device")
        await reads(scene, sol, talk.room, ada.mxid, *typed)
        await texts(scene, talk, "said while you listen", seat=sol)
        await ada.say(talk.room, "typed while you listen")
        await reads(scene, sol, talk.room, ada.mxid, "typed while you listen")
    finally:
        await sol.stop()


async def test_a_second_device_later(own: tuple[Scene, Seat, Seat], open_strict: OpenStrict) -> None:
    """A device that its owner verifies long after the words reads the texter's side from the first one."""
    from tests.e2e.strict import StrictClient

    scene, ada, _ = own
    talk = await scene.talk(ada, handset(), "said to your first device")
    if not isinstance(ada, StrictClient):
        pytest.fail("a second device needs the strict client, which has no build for this C library")
    key = await ada.recovery_key()
    second = StrictClient(scene.ready.homeserver, next(a for a in scene.ready.accounts if a.mxid == ada.mxid))
    await second.start()
    try:
        await second.verify(key)
        await reads(scene, second, talk.room, scene.ready.voice, "said to your first device")
        await texts(scene, talk, "said to both", seat=second)
        await second.say(talk.room, "typed on the second device")
        await reads(scene, ada, talk.room, ada.mxid, "typed on the second device")
        await talk.receipt(await second.say(talk.room, "// a note from it"), "📝")
    finally:
        await second.stop()


async def test_handed_over_left_and_come_back(own: tuple[Scene, Seat, Seat]) -> None:
    """Whoever leaves reads nothing that comes afterwards; asked back in, they read everything from the first word."""
    scene, ada, bea = own
    talk = await scene.talk(ada, handset(), "the first words")
    await ada.say(talk.room, "// from ada, before she hands it over")
    await ada.say(talk.room, f"!transfer {bea.mxid} quiet")
    assert await scene.invited(bea, set()) == talk.room
    await bea.join(talk.room)
    await reads(scene, bea, talk.room, scene.ready.voice, "the first words")
    await reads(scene, bea, talk.room, ada.mxid, "// from ada, before she hands it over")
    await bea.say(talk.room, "!accept")
    await reads(scene, bea, talk.room, scene.ready.bot, "bea is the voice now: the phone hears them, and nobody else.")

    await ada.leave(talk.room)
    await texts(scene, talk, "after ada has left", seat=bea)
    await bea.say(talk.room, "// from bea, after ada has left")

    async def overheard() -> list[str] | None:
        return [i.brief() for i in await ada.items(talk.room) if i.body and "after ada has left" in i.body] or None

    await quiet("somebody who left reads on", overheard, during=3)
    assert talk.room not in await ada.joined()
    assert talk.room not in await ada.invites()

    await bea.say(talk.room, f"!transfer {ada.mxid} quiet")
    assert await scene.invited(ada, set()) == talk.room
    await ada.join(talk.room)
    await ada.say(talk.room, "!accept")
    await reads(scene, ada, talk.room, scene.ready.voice, "the first words", "after ada has left")
    await reads(scene, ada, talk.room, bea.mxid, "// from bea, after ada has left")
