"""A text from a phone, the answer from a Matrix client, who is not heard, and STOP: on the pack's own undo windows."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest
import pytest_asyncio

from policies.designations import FIRST, SECOND
from tests.e2e import separate_line
from tests.e2e.carrier_api import handset
from tests.e2e.conftest import StrictClientFactory
from tests.e2e.staff_client import StaffClient, TimelineItem, attachment, mention
from tests.e2e.staffed_line import NOTE, UNDO_SECONDS, Conversation, StaffedLine
from tests.e2e.visibility import assert_no_leak

BEFORE = ("First words, before anybody came: zebra crossing", "and a second text\nwith ñ, é and 🦓")
ANSWER = "Sí — here I am 🫶🏽, “truly”\nsecond line: àéîõü ¿qué?\n\nend"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def staffed_line(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[StaffedLine]:
    """Run a line of this module's own, on which nothing is hurried; it is looked through as the shared one is."""
    async with separate_line.run_line(tmp_path_factory.mktemp("unhurried"), metrics=True) as staffed_line:
        yield staffed_line
        await assert_no_leak(staffed_line)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def ada_and_bea(
    staffed_line: StaffedLine, strict_client_factory: StrictClientFactory
) -> AsyncIterator[list[StaffClient]]:
    """Seat two advocates on the strict client."""
    ready = staffed_line.ready
    opening = (strict_client_factory.log_in(ready.homeserver, ready.account("advocate", index)) for index in range(2))
    async with separate_line.bring_people(staffed_line, opening) as clients:
        yield clients


@pytest.fixture(scope="module")
def ada(ada_and_bea: list[StaffClient]) -> StaffClient:
    return ada_and_bea[0]


@pytest.fixture(scope="module")
def bea(ada_and_bea: list[StaffClient]) -> StaffClient:
    return ada_and_bea[1]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def conversation(staffed_line: StaffedLine, ada: StaffClient) -> Conversation:
    """Two texts of a new handset, claimed by command."""
    number = handset()
    card = await staffed_line.wait_for_card(ada, number, BEFORE[0])
    assert BEFORE[0] not in card.body
    assert number[1:] not in card.body
    await staffed_line.carrier.text(number, BEFORE[1])
    await staffed_line.carrier.wait_for_acknowledgements(number, 2)
    conversation = await staffed_line.claim(ada, number, card, by="!claim")
    assert conversation.designation in card.body
    await conversation.wait_for_text(BEFORE[1])
    return conversation


async def test_texts_before_the_claim_are_read_without_a_shield(conversation: Conversation) -> None:
    """Whoever claims reads word for word what was texted before, in order, decrypted and without a shield."""
    assert await conversation.texts_in_room(whole=True) == list(BEFORE)


async def test_the_room_of_a_thread_says_nothing_of_the_phone(conversation: Conversation) -> None:
    """Its name is two words of our lists, and in its whole state stand neither the number nor its last seven digits."""
    room, number = conversation.room, conversation.handset[1:]
    events = (await conversation.staffed_line.as_bot("GET", f"rooms/{quote(room)}/state"))["state"]
    (name,) = (event["content"]["name"] for event in events if event["type"] == "m.room.name")
    first, second = name.split(" ")
    assert (name, first in FIRST, second in SECOND) == (conversation.designation, True, True)
    assert number[-7:] not in re.sub(r"\D", "", json.dumps([event["content"] for event in events]))


@pytest.mark.practice(1, 15, 37)
async def test_an_answer_reaches_the_phone_word_for_word(conversation: Conversation) -> None:
    """Emoji, newlines and accents arrive as they were typed, once, after one greeting, with one receipt."""
    carrier = conversation.staffed_line.carrier
    said = await conversation.client.say(conversation.room, ANSWER)
    await carrier.wait_for_delivery(conversation.handset, ANSWER)
    await conversation.wait_for_receipt(said, "delivered")
    greeting, *answers = await carrier.texts_delivered(conversation.handset)
    assert greeting
    assert answers == [ANSWER]


async def test_notes_do_not_reach_the_phone(conversation: Conversation, bea: StaffClient) -> None:
    """Notes, mentions, mistyped commands, thread replies, replies to the software and files are marked and stay here."""
    client, room, bot = conversation.client, conversation.room, conversation.staffed_line.ready.bot
    texter = await conversation.wait_for_text(BEFORE[0])
    software = await client.find(room, "something of the bot", lambda i: i.sender == bot and i.kind == "message")
    notes = [
        await client.say(room, "// nobody on the phone reads this"),
        await client.say(room, "@bea could you look at this"),
        await client.say_raw(room, mention("bea: could you look at this", bea.mxid)),
        await client.say(room, "  !clam"),
        await client.say(room, "/me thinks"),
        await client.say_in_thread(room, texter, "among ourselves"),
        await client.reply(room, software, "talking to the software"),
        await client.say_raw(room, attachment("picture.png")),
    ]
    # Each within its undo window, whatever the next one takes.
    await client.redact(room, await client.say(room, "these words are taken back"))
    changed = await client.say(room, "these words are wrong")
    await client.edit(room, changed, "these words are right")
    quoted = await client.reply(room, texter, "an answer to your first text")
    last = await client.say(room, "the last words of this test")
    for number, note in enumerate(notes):
        await conversation.wait_for_receipt(note, NOTE)
        assert (await _now(client, room, note)).marks(bot) == (NOTE,), f"note {number}"
    await conversation.staffed_line.carrier.wait_for_delivery(conversation.handset, last.body)
    await conversation.wait_for_notice("!claim")
    await conversation.wait_for_receipt(changed, "delivered")
    await conversation.wait_for_receipt(quoted, "delivered")
    since = (await conversation.staffed_line.carrier.texts_delivered(conversation.handset))[-3:]
    assert since == ["these words are right", "an answer to your first text", "the last words of this test"]
    assert len(await conversation.staffed_line.carrier.texts_delivered(conversation.handset)) == 5


async def test_nobody_but_the_assignee_is_heard(conversation: Conversation, bea: StaffClient) -> None:
    """Another member's words are a note, marked, and do not reach the phone; the assignee is heard beside them."""
    staffed_line, room = conversation.staffed_line, conversation.room
    await staffed_line.as_bot("POST", f"rooms/{quote(room)}/invite", {"user_id": bea.mxid})
    await bea.join(room)
    note = await bea.say(room, "words of another member of the room")
    said = await conversation.client.say(room, "words of the advocate")
    await Conversation(
        client=bea, room=room, handset=conversation.handset, designation="", staffed_line=staffed_line
    ).wait_for_receipt(note, NOTE)
    await staffed_line.carrier.wait_for_delivery(conversation.handset, said.body, within=40)
    assert note.body not in await staffed_line.carrier.texts_delivered(conversation.handset)


async def test_nothing_leaves_after_stop_until_start(staffed_line: StaffedLine, ada: StaffClient) -> None:
    """After STOP the phone gets at most the one confirmation; answers are refused with a reason; START opens again."""
    carrier = staffed_line.carrier
    conversation = await staffed_line.start_conversation(ada, handset(), "hello, before I stop")
    pending = await ada.say(conversation.room, "still in its undo window when STOP comes")
    before = await carrier.texts_delivered(conversation.handset)
    await carrier.text(conversation.handset, "Stop.")
    await conversation.wait_for_receipt(pending, "not sent")
    await conversation.wait_for_notice("STOP")
    await carrier.text(conversation.handset, "a text after the STOP")
    await conversation.wait_for_text("a text after the STOP")
    refused = await ada.say(conversation.room, "an answer after the STOP")
    await conversation.wait_for_receipt(refused, "not sent")
    await conversation.wait_for_notice("not sent", "STOP")
    after = await carrier.texts_delivered_after(conversation.handset, after=UNDO_SECONDS + 3)
    assert after[: len(before)] == before
    assert len(after) - len(before) <= 1
    assert not {pending.body, refused.body} & set(after)

    await carrier.text(conversation.handset, "START")
    await conversation.wait_for_notice("START")
    resumed = await ada.say(conversation.room, "an answer after the START")
    await carrier.wait_for_delivery(conversation.handset, resumed.body)
    await conversation.wait_for_receipt(resumed, "delivered")
    assert await carrier.texts_delivered(conversation.handset) == [*after, resumed.body]


async def _now(client: StaffClient, room: str, item: TimelineItem) -> TimelineItem:
    return next(i for i in await client.items(room) if i.event_id == item.event_id)
