"""The codeword check over what happens to a conversation.

A bridge that dies, another assignee, a park, and a new beginning.

What the two handsets show stays the same to the byte, but for what a person wrote freely.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import pytest
import pytest_asyncio

from tests.e2e import separate_line
from tests.e2e.carrier_api import handset
from tests.e2e.codeword_enrolment import enrol_codeword
from tests.e2e.conftest import StrictClientFactory
from tests.e2e.polling import wait_until
from tests.e2e.staff_client import StaffClient
from tests.e2e.staffed_line import Conversation, StaffedLine

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
async def own(
    tmp_path_factory: pytest.TempPathFactory, strict_client_factory: StrictClientFactory
) -> AsyncIterator[tuple[StaffedLine, list[StaffClient]]]:
    """Run a line of this module's own, with both advocates at its desk: it is killed, and closes at once."""
    async with separate_line.run_line(tmp_path_factory.mktemp("escort"), settings=HURRIED) as staffed_line:
        ready = staffed_line.ready
        opening = (strict_client_factory.log_in(ready.homeserver, ready.account("advocate", number)) for number in range(2))
        async with separate_line.bring_people(staffed_line, opening) as clients:
            yield staffed_line, clients


@pytest.mark.long
@pytest.mark.practice(10)
async def test_the_codeword_check_continues(own: tuple[StaffedLine, list[StaffClient]]) -> None:
    """Challenged, the bridge killed, answered, killed again before the verdict; another assignee; parked; begun again.

    Neither verdict leaves before its delay, and each leaves once. Under duress free words stay here with every assignee, in
    the same conversation and in the next one, while a cover line leaves; the handset shows what the other one does.
    """
    staffed_line, (ada, bea) = own
    conversations: list[Conversation] = []
    for word in (SAFE, DURESS):
        conversation = await staffed_line.start_conversation(ada, handset(), f"hello from the one with {len(word)} letters")
        await enrol_codeword(staffed_line, ada, conversation, SAFE, DURESS)
        await staffed_line.carrier.text(conversation.handset, "is anybody there?")
        await conversation.wait_for_text("is anybody there?")
        await ada.say(conversation.room, "!verify")
        await staffed_line.carrier.wait_for_delivery(conversation.handset, CHALLENGE, within=40)
        conversations.append(conversation)

    await staffed_line.stack.kill("bridge")
    await staffed_line.stack.wait_until_well()
    for conversation, word in zip(conversations, (SAFE, DURESS), strict=True):
        await staffed_line.carrier.text(conversation.handset, f"oh, fine. {word}!")
    for conversation in conversations:
        await staffed_line.carrier.wait_for_acknowledgements(conversation.handset, 3)
    await staffed_line.stack.kill("bridge")
    for conversation in conversations:
        await staffed_line.carrier.wait_for_delivery(conversation.handset, VERIFIED, within=60)
        assert await staffed_line.carrier.answered_after(conversation.handset) >= DELAY
    await conversations[0].wait_for_notice("codeword came", "burned")
    await conversations[1].wait_for_notice("DURESS")
    await _alike(staffed_line, conversations)

    for conversation in conversations:
        before = set(await bea.invites())
        await ada.say(conversation.room, f"!transfer {bea.mxid} quiet")
        room = await staffed_line.wait_for_invite(bea, before)
        await bea.join(room)
        await bea.say(room, "!accept")
        await conversation.wait_for_notice("bea is the advocate now")
    of_bea = [
        Conversation(client=bea, room=t.room, handset=t.handset, designation=t.designation, staffed_line=staffed_line)
        for t in conversations
    ]
    await _words_and_cover(staffed_line, of_bea, FREE[0], 1)

    for conversation in of_bea:
        await staffed_line.send_closing_command(bea, conversation.room, "!close")
        await wait_until("they are out of the room", partial(_is_out, bea, conversation.room), within=60)
    # Begun again, under another designation: whoever has the phone now may be anybody.
    anew = [await staffed_line.start_conversation(ada, conversation.handset, "it is me again") for conversation in of_bea]
    for conversation, old in zip(anew, of_bea, strict=True):
        assert (conversation.room != old.room, conversation.designation != old.designation) == (True, True)
    await _words_and_cover(staffed_line, anew, FREE[1], 2)
    for conversation in anew:
        received = await staffed_line.carrier.texts_delivered(conversation.handset)
        assert [received.count(text) for text in (CHALLENGE, VERIFIED, *COVERS)] == [1, 1, 1, 1]


async def _words_and_cover(staffed_line: StaffedLine, conversations: list[Conversation], free: str, number: int) -> None:
    """Say free words and a cover line in both: the words reach one phone, the line both."""
    for conversation, becomes in zip(conversations, ("delivered", "held"), strict=True):
        await conversation.wait_for_receipt(await conversation.client.say(conversation.room, free), becomes)
        await conversation.wait_for_receipt(
            await conversation.client.say(conversation.room, f"!cover {number}"), "delivered"
        )
    await _alike(staffed_line, conversations)


async def _alike(staffed_line: StaffedLine, conversations: list[Conversation]) -> None:
    """Check that one handset shows what the other does, and only the first of them what was written freely."""
    success, duress = [await staffed_line.carrier.texts_delivered(conversation.handset) for conversation in conversations]
    assert [text for text in success if text not in FREE] == duress


async def _is_out(client: StaffClient, room: str) -> bool | None:
    return room not in await client.joined() or None
