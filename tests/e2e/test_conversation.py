"""A text from a phone, the answer from a Matrix client, and who is not heard."""

from __future__ import annotations

from urllib.parse import quote

import pytest
import pytest_asyncio

from tests.e2e.carrier import handset
from tests.e2e.scene import NOTE, Scene, Talk
from tests.e2e.seat import Item, Seat, attachment, mention

BEFORE = ("First words, before anybody came: zebra crossing", "and a second text\nwith ñ, é and 🦓")
ANSWER = "Sí — here I am 🫶🏽, “truly”\nsecond line: àéîõü ¿qué?\n\nend"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def talk(scene: Scene, ada: Seat) -> Talk:
    """Two texts of a new handset, claimed by command."""
    number = handset()
    card = await scene.arrives(ada, number, BEFORE[0])
    assert BEFORE[0] not in card.body
    assert number[1:] not in card.body
    await scene.carrier.text(number, BEFORE[1])
    await scene.carrier.all_taken(number, 2)
    talk = await scene.claimed(ada, number, card, by="!claim")
    assert talk.designation in card.body
    await talk.shows(BEFORE[1])
    return talk


async def test_texts_before_the_claim_are_read_without_a_shield(talk: Talk) -> None:
    """Whoever claims reads word for word what was texted before, in order, decrypted and without a shield."""
    assert await talk.arrived(whole=True) == list(BEFORE)


@pytest.mark.practice(14)
async def test_the_designation_says_nothing_of_the_phone(talk: Talk) -> None:
    """A thread's name is two plain words and no part of the number."""
    first, second = talk.designation.split()
    assert first.isalpha()
    assert second.isalpha()


@pytest.mark.practice(1, 15, 37)
async def test_an_answer_reaches_the_phone_word_for_word(talk: Talk) -> None:
    """Emoji, newlines and accents arrive as they were typed, once, after one greeting, with one receipt."""
    carrier = talk.scene.carrier
    said = await talk.seat.say(talk.room, ANSWER)
    await carrier.reaches(talk.handset, ANSWER)
    await talk.receipt(said, "delivered")
    greeting, *answers = await carrier.received(talk.handset)
    assert greeting
    assert answers == [ANSWER]


async def test_notes_do_not_reach_the_phone(talk: Talk, bea: Seat) -> None:
    """Notes, mentions, mistyped commands, thread replies, replies to the software and files are marked and stay here."""
    seat, room, bot = talk.seat, talk.room, talk.scene.ready.bot
    texter = await talk.shows(BEFORE[0])
    software = await seat.find(room, "something of the bot", lambda i: i.sender == bot and i.kind == "message")
    notes = [
        await seat.say(room, "// nobody on the phone reads this"),
        await seat.say(room, "@bea could you look at this"),
        await seat.say_raw(room, mention("bea: could you look at this", bea.mxid)),
        await seat.say(room, "  !clam"),
        await seat.say(room, "/me thinks"),
        await seat.say_in_thread(room, texter, "among ourselves"),
        await seat.reply(room, software, "talking to the software"),
        await seat.say_raw(room, attachment("picture.png")),
    ]
    taken_back = await seat.say(room, "these words are taken back")
    changed = await seat.say(room, "these words are wrong")
    await seat.redact(room, taken_back)
    await seat.edit(room, changed, "these words are right")
    quoted = await seat.reply(room, texter, "an answer to your first text")
    last = await seat.say(room, "the last words of this test")
    for number, note in enumerate(notes):
        await talk.receipt(note, NOTE)
        assert (await _now(seat, room, note)).marks(bot) == (NOTE,), f"note {number}"
    await talk.scene.carrier.reaches(talk.handset, last.body)
    await talk.told("!claim")
    await talk.receipt(changed, "delivered")
    await talk.receipt(quoted, "delivered")
    since = (await talk.scene.carrier.received(talk.handset))[-3:]
    assert since == ["these words are right", "an answer to your first text", "the last words of this test"]
    assert len(await talk.scene.carrier.received(talk.handset)) == 5


async def test_nobody_but_the_voice_is_heard(talk: Talk, bea: Seat) -> None:
    """Another member's words are a note, marked, and do not reach the phone; the voice is heard beside them."""
    scene, room = talk.scene, talk.room
    await scene.as_bot("POST", f"rooms/{quote(room)}/invite", {"user_id": bea.mxid})
    await bea.join(room)
    note = await bea.say(room, "words of another member of the room")
    said = await talk.seat.say(room, "words of the voice")
    await Talk(seat=bea, room=room, handset=talk.handset, designation="", scene=scene).receipt(note, NOTE)
    await scene.carrier.reaches(talk.handset, said.body, within=40)
    assert note.body not in await scene.carrier.received(talk.handset)


async def _now(seat: Seat, room: str, item: Item) -> Item:
    return next(i for i in await seat.items(room) if i.event_id == item.event_id)
