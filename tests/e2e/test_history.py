"""Who can read what, end to end with strict clients, in every order of coming, going and coming back.

The texter's side is readable from the first word and without a shield; what colleagues typed carries at most the grey one;
whoever has left reads nothing that came afterwards.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import quote

import pytest
import pytest_asyncio

from tests.e2e import own_line
from tests.e2e.carrier import handset
from tests.e2e.conftest import OpenStrict
from tests.e2e.devices import second_device, strict
from tests.e2e.reading import READS, knows_us, reads, reads_or_is_told
from tests.e2e.scene import Scene, Talk
from tests.e2e.seat import NO_SHIELD, Seat
from tests.e2e.waiting import quiet, until


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own(tmp_path_factory: pytest.TempPathFactory, open_strict: OpenStrict) -> AsyncIterator[tuple[Scene, Seat, Seat]]:
    """Run a line of this module's own, with both advocates at the desk; the supervisor has never logged in."""
    async with own_line.running(tmp_path_factory.mktemp("history")) as scene:
        ready = scene.ready
        opening = (open_strict.seat(ready.homeserver, ready.account("advocate", number)) for number in range(2))
        async with own_line.seated(scene, opening) as (ada, bea):
            yield scene, ada, bea


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
        await knows_us(scene, sol)
        await sol.say(scene.ready.desk_room, f"!listen {talk.designation}")
        assert await scene.invited(sol, set()) == talk.room
        await sol.join(talk.room)
        await reads(scene, sol, talk.room, scene.ready.voice, "said before you had a device")
        typed = ("answered before you had a device", "// noted before you had a device")
        await reads_or_is_told(talk, sol, ada.mxid, *typed)
        await texts(scene, talk, "said while you listen", seat=sol)
        await ada.say(talk.room, "typed while you listen")
        await reads(scene, sol, talk.room, ada.mxid, "typed while you listen")
    finally:
        await sol.stop()


async def test_a_second_device_later(own: tuple[Scene, Seat, Seat]) -> None:
    """A device that its owner verifies long after the words reads the texter's side from the first one.

    What people typed before, it may not; `!recap` says it again, as it stands now, and no longer than it stands.
    """
    scene, ada, bea = own
    talk = await scene.talk(ada, handset(), "said to your first device")
    bot = scene.ready.bot
    await ada.say(talk.room, "// a note of ada's")
    answer = await ada.say(talk.room, "an answer with a msitake")
    await ada.edit(talk.room, answer, "an answer without one")
    await ada.say(talk.room, f"!with {bea.mxid}")
    assert await scene.invited(bea, set()) == talk.room
    await bea.join(talk.room)
    gone = await bea.say(talk.room, "// this is taken back")
    regretted = await bea.say(talk.room, "// this is regretted later")
    await talk.receipt(gone, "📝")
    await bea.redact(talk.room, gone)
    await talk.receipt(answer, "delivered")

    async with second_device(scene, ada) as second:
        # A key that comes before the client has asked who the line voice is leaves what it shows unread until it is opened
        # anew: "unsigned device". People open a room later than that.
        desk, voice = scene.ready.desk_room, scene.ready.voice
        await second.find(desk, "she reads the line", lambda i: i.sender == voice and i.kind == "message", within=READS)
        await reads(scene, second, talk.room, voice, "said to your first device")
        await texts(scene, talk, "said to both", seat=second)
        typed = await second.say(talk.room, "typed on the second device")
        await reads(scene, ada, talk.room, ada.mxid, "typed on the second device")
        await talk.receipt(await second.say(talk.room, "// a note from it"), "📝")
        await talk.receipt(typed, "delivered")
        assert [i.kind for i in await second.whole(talk.room) if i.event_id == regretted.event_id] == ["undecryptable"]
        asked = await second.say(talk.room, "!recap")
        recap = await replace(talk, seat=second).told("on their way to your devices", "// this is regretted later")
        assert recap.shield == NO_SHIELD
        said = [line.partition(": ")[2] for line in recap.body.split("\n")[1:-1]]
        assert said == [
            "// a note of ada's",
            "an answer without one",
            "// this is regretted later",
            "typed on the second device",
            "// a note from it",
        ]
        assert [line.partition(",")[0] for line in recap.body.split("\n")[1:-1]] == ["ada", "ada", "bea", "ada", "ada"]
        await talk.receipt(asked, "📝")

        # Said to the recap, nothing reaches the phone.
        before = await scene.carrier.received(talk.handset)
        await talk.receipt(await second.reply(talk.room, recap, "thank you"), "📝")
        await talk.receipt(await second.reply(talk.room, recap, "!again"), "📝")
        await second.react(talk.room, recap, "✅")

        await bea.redact(talk.room, regretted)

        async def taken_away() -> bool | None:
            shown = [i for i in await second.whole(talk.room) if i.event_id == recap.event_id]
            return all(i.kind == "redacted" for i in shown) or None

        await until("what was said again goes with what was taken back", taken_away)
        await second.say(talk.room, "!recap")
        again = await second.find(
            talk.room,
            "what is left is said again",
            lambda i: i.sender == bot and i.event_id != recap.event_id and "a note of ada's" in i.body,
        )
        assert "regretted" not in again.body
        assert await scene.carrier.received(talk.handset) == before


async def test_a_second_device_accepts_the_invitation(own: tuple[Scene, Seat, Seat]) -> None:
    """Whichever device somebody accepts on, that one reads both sides, and what comes."""
    scene, ada, bea = own
    talk = await scene.talk(ada, handset(), "said before you came on either")
    await ada.say(talk.room, "// typed before you came on either")
    async with second_device(scene, bea) as second:
        await ada.say(talk.room, f"!with {bea.mxid}")
        assert await scene.invited(second, set()) == talk.room
        await second.join(talk.room)
        await reads(scene, second, talk.room, scene.ready.voice, "said before you came on either")
        await reads_or_is_told(talk, second, ada.mxid, "// typed before you came on either")
        await texts(scene, talk, "said while you are here", seat=second)
        await ada.say(talk.room, "// typed while you are here")
        await reads(scene, second, talk.room, ada.mxid, "// typed while you are here")
        await reads(scene, bea, talk.room, scene.ready.voice, "said before you came on either", "said while you are here")


async def test_recap_on_the_device_that_accepted(own: tuple[Scene, Seat, Seat]) -> None:
    """A device that accepted before it was verified was given nothing; verified since, `!recap` lets it read both sides."""
    scene, ada, bea = own
    talk = await scene.talk(bea, handset(), "said before it was verified")
    await bea.say(talk.room, "// typed before it was verified")
    async with second_device(scene, ada, verified=False) as second:
        await bea.say(talk.room, f"!with {ada.mxid}")
        assert await scene.invited(second, set()) == talk.room
        await second.join(talk.room)
        await reads(scene, ada, talk.room, scene.ready.voice, "said before it was verified")
        await second.verify(await strict(ada).recovery_key())
        await reads(scene, second, talk.room, scene.ready.voice, "said before it was verified")
        assert not [i for i in await second.whole(talk.room) if i.sender == bea.mxid and i.kind == "message"]
        await second.say(talk.room, "!recap")
        await reads(scene, second, talk.room, bea.mxid, "// typed before it was verified")


_questions = itertools.count()


async def sent_to(seat: Seat) -> list[str]:
    """Return who sent what waits at the homeserver for a device that is off: keys, and nothing else, are sent like that.

    No question is asked twice: the homeserver would give the answer that it gave before.
    """
    status, told = await strict(seat).ask("sync", timeout=str(next(_questions)))
    assert status == 200, f"the homeserver answered {status}"
    return [letter["sender"] for letter in told.get("to_device", {}).get("events", [])]


async def encrypted(scene: Scene, room: str) -> dict[str, tuple[str, str]]:
    """Return the encrypted events of a room as the homeserver has them: id to sender and session."""
    told = await scene.as_bot("GET", f"rooms/{quote(room, safe='')}/messages?dir=b&limit=100")
    found = (event for event in told["chunk"] if event["type"] == "m.room.encrypted")
    return {event["event_id"]: (event["sender"], event["content"]["session_id"]) for event in found}


async def test_whoever_left_gets_neither_words_nor_keys(own: tuple[Scene, Seat, Seat]) -> None:
    """Of what is said after somebody left, their device gets no key and, asking past its client, no event."""
    scene, ada, bea = own
    talk = await scene.talk(ada, handset(), "before she leaves")
    await ada.say(talk.room, f"!transfer {bea.mxid} quiet")
    assert await scene.invited(bea, set()) == talk.room
    await bea.join(talk.room)
    await bea.say(talk.room, "!accept")
    await reads(scene, bea, talk.room, scene.ready.bot, "bea is the voice now: the phone hears them, and nobody else.")
    before, stood = await encrypted(scene, talk.room), {i.event_id for i in await bea.whole(talk.room)}
    await ada.leave(talk.room)
    await bea.find(
        talk.room, "ada has left", lambda i: i.sender == ada.mxid and i.kind == "state" and i.event_id not in stood
    )
    await strict(ada).away()
    try:
        # Until the bot has heard of it she is one of the room: the homeserver keeps the words from her, not we.
        await replace(talk, seat=bea).receipt(await bea.say(talk.room, "// she has left"), "📝")
        left, waits = await encrypted(scene, talk.room), await sent_to(ada)
        await texts(scene, talk, "after she has left", seat=bea)
        said = await bea.say(talk.room, "answered after she has left")
        await replace(talk, seat=bea).receipt(said, "delivered")
        after = {event_id: of for event_id, of in (await encrypted(scene, talk.room)).items() if event_id not in left}
        assert {scene.ready.voice, bea.mxid} <= {sender for sender, _ in after.values()}
        assert not set(after.values()) & set(before.values()), "a session goes on whose key somebody has who left"
        path = f"rooms/{quote(talk.room, safe='')}"
        for event_id in after:
            status, told = await strict(ada).ask(f"{path}/event/{quote(event_id, safe='')}")
            assert (status, told["errcode"]) == (404, "M_NOT_FOUND")
        status, told = await strict(ada).ask(f"{path}/messages", dir="b", limit="100")
        shown = {event["event_id"] for event in told["chunk"]}
        assert set(before) <= shown, "up to there it may read"
        assert not set(after) & shown
        assert await sent_to(ada) == waits, "a key went to somebody who had left"

        await bea.say(talk.room, f"!transfer {ada.mxid} quiet")

        async def keys() -> bool | None:
            return {scene.ready.voice, scene.ready.bot} <= set((await sent_to(ada))[len(waits) :]) or None

        await until("whoever is asked back in is sent keys: they would have been seen before", keys)
    finally:
        await strict(ada).back()
    assert await scene.invited(ada, set()) == talk.room
    await ada.join(talk.room)
    await reads(scene, ada, talk.room, scene.ready.voice, "before she leaves", "after she has left")


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

    async def out() -> bool | None:
        return talk.room not in await ada.joined() or None

    await until("her client knows that she left", out)
    await quiet("somebody who left reads on", overheard, during=3)
    assert talk.room not in await ada.invites()

    await bea.say(talk.room, f"!transfer {ada.mxid} quiet")
    assert await scene.invited(ada, set()) == talk.room
    await ada.join(talk.room)
    await ada.say(talk.room, "!accept")
    await reads(scene, ada, talk.room, scene.ready.voice, "the first words", "after ada has left")
    await reads_or_is_told(talk, ada, bea.mxid, "// from bea, after ada has left")


async def test_off_the_roster_and_back(own: tuple[Scene, Seat, Seat]) -> None:
    """Whoever leaves the desk is out of every thread and reads no more of it; back there and asked in, they read all."""
    scene, ada, bea = own
    desk = scene.ready.desk_room
    talk = await scene.talk(ada, handset(), "the first words of all")
    await ada.say(talk.room, f"!with {bea.mxid}")
    assert await scene.invited(bea, set()) == talk.room
    await bea.join(talk.room)
    await reads(scene, bea, talk.room, scene.ready.voice, "the first words of all")
    await bea.leave(desk)

    async def removed() -> bool | None:
        return talk.room not in await bea.joined() or None

    await until("whoever left the desk is out of the thread", removed)
    await texts(scene, talk, "after bea is off the roster", seat=ada)
    await ada.say(talk.room, "// from ada, after bea is off the roster")

    async def overheard() -> list[str] | None:
        return [i.brief() for i in await bea.items(talk.room) if i.body and "off the roster" in i.body] or None

    await quiet("somebody who is off the roster reads on", overheard, during=3)
    before = {item.event_id for item in await ada.items(desk)}
    await scene.as_bot("POST", f"rooms/{quote(desk, safe='')}/invite", {"user_id": bea.mxid})
    await bea.join(desk)
    await ada.find(desk, "she is greeted again", lambda i: i.event_id not in before and "Welcome" in i.body)
    await ada.say(talk.room, f"!with {bea.mxid}")
    assert await scene.invited(bea, set()) == talk.room
    await bea.join(talk.room)
    await reads(scene, bea, talk.room, scene.ready.voice, "the first words of all", "after bea is off the roster")
    await reads(scene, bea, talk.room, ada.mxid, "// from ada, after bea is off the roster")
