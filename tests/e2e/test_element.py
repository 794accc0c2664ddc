"""The main story on Element's engine, matrix-js-sdk, set to exclude insecure devices: everybody at the desk is on it.

Rule of these tests: they run in their order on one line, and everything is read as the engine shows it at that moment.
Where the engine cannot be, the people are on the second, independent client, loudly, and what only Element has fails.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from tests.e2e import separate_line
from tests.e2e.carrier_api import handset
from tests.e2e.conftest import ElementClientFactory
from tests.e2e.polling import wait_until
from tests.e2e.second_devices import was_here
from tests.e2e.staff_client import NO_SHIELD, StaffClient, newest_messages
from tests.e2e.staffed_line import Conversation, StaffedLine
from tests.e2e.visibility import wait_until_identities_known, wait_until_readable, wait_until_readable_or_recap

pytestmark = pytest.mark.long

YES = "✅"
FIRST = "is anyone there? ñ 🦓"
ANSWER = "Yes. It is the 24. of December\n2) the blue door"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own(
    tmp_path_factory: pytest.TempPathFactory, element_client_factory: ElementClientFactory
) -> AsyncIterator[tuple[StaffedLine, StaffClient, StaffClient]]:
    """Run a line of this module's own, with both advocates at the desk; the supervisor has never logged in."""
    directory = tmp_path_factory.mktemp("element")
    async with separate_line.run_line(directory, settings=separate_line.HURRIED) as staffed_line:
        ready = staffed_line.ready
        opening = (
            element_client_factory.log_in(ready.homeserver, ready.account("advocate", number)) for number in range(2)
        )
        async with separate_line.bring_people(staffed_line, opening) as (ada, bea):
            yield staffed_line, ada, bea


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def conversation(own: tuple[StaffedLine, StaffClient, StaffClient]) -> Conversation:
    """Claim a new handset's thread by a tap on its card."""
    staffed_line, ada, _ = own
    return await staffed_line.start_conversation(ada, handset(), FIRST)


async def test_the_main_job(own: tuple[StaffedLine, StaffClient, StaffClient], conversation: Conversation) -> None:
    """Invited, in, claimed by a tap: the text is read without a shield, and the answer is on the phone to the letter."""
    staffed_line, ada, _ = own
    assert await conversation.texts_in_room(whole=True) == [FIRST]
    note = await ada.say(conversation.room, "// between us")
    await conversation.wait_for_receipt(note, "📝")
    answer = await ada.say(conversation.room, ANSWER)
    await staffed_line.carrier.wait_for_delivery(conversation.handset, ANSWER)
    await conversation.wait_for_receipt(answer, "delivered")
    assert note.body not in await staffed_line.carrier.texts_delivered(conversation.handset)
    for room in (conversation.room, staffed_line.ready.desk_room):
        bot = [i for i in await ada.whole(room) if i.sender == staffed_line.ready.bot and i.kind == "message"]
        assert bot
        assert {i.shield for i in bot} == {NO_SHIELD}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sol(
    own: tuple[StaffedLine, StaffClient, StaffClient],
    conversation: Conversation,
    element_client_factory: ElementClientFactory,
) -> AsyncIterator[StaffClient]:
    """Call a supervisor who has no device at all, and have them log in after that and accept."""
    staffed_line, ada, _ = own
    account = staffed_line.ready.account("supervisor")
    await was_here(staffed_line, account)
    await ada.say(conversation.room, "!escalate it is heavy tonight")
    await conversation.wait_for_notice("Called: sol")
    client = await element_client_factory.log_in(staffed_line.ready.homeserver, account)
    try:
        await wait_until_identities_known(staffed_line, client)
        await client.join(conversation.room)
        yield client
    finally:
        await client.stop()


async def test_a_supervisor_who_logs_in_late(
    own: tuple[StaffedLine, StaffClient, StaffClient], conversation: Conversation, sol: StaffClient
) -> None:
    """Called while they had no device, a supervisor reads why, what to do, both sides, and what is said from then on."""
    staffed_line, ada, _ = own
    of_sol = replace(conversation, client=sol)
    await wait_until_readable(staffed_line, sol, conversation.room, staffed_line.ready.voice, FIRST)
    await of_sol.wait_for_notice("ada says why: it is heavy tonight")
    await of_sol.wait_for_notice("sol: what colleagues wrote before you came", "!recap")
    await wait_until_readable_or_recap(conversation, sol, ada.mxid, ANSWER, "// between us")
    await sol.say(conversation.room, "!recap")
    await of_sol.wait_for_notice("on their way to your devices", "[✓✓ delivered]: Yes.")
    await staffed_line.carrier.text(conversation.handset, "said to both of you")
    await of_sol.wait_for_text("said to both of you")
    await ada.say(conversation.room, "// typed to both")
    await wait_until_readable(staffed_line, sol, conversation.room, ada.mxid, "// typed to both")


async def test_a_transfer_by_a_tap(own: tuple[StaffedLine, StaffClient, StaffClient], conversation: Conversation) -> None:
    """An offer is accepted by a tap on it: the colleague is heard by the phone from then on.

    Their reply to a text that called the one before them is an answer, though Element writes that person into it.
    """
    staffed_line, ada, bea = own
    await ada.say(conversation.room, f"!transfer {bea.mxid}")
    await bea.join(conversation.room)
    await wait_until_readable(staffed_line, bea, conversation.room, staffed_line.ready.voice, FIRST)
    of_bea = replace(conversation, client=bea)
    await bea.react(conversation.room, await of_bea.wait_for_notice("offers this thread to bea"), YES)
    await of_bea.wait_for_notice("bea is the advocate now")
    text = await of_bea.wait_for_text("said to both of you")
    reply = {"m.in_reply_to": {"event_id": text.event_id}}
    content = {"msgtype": "m.text", "body": "bea here, I read everything", "m.relates_to": reply}
    called = {"m.mentions": {"user_ids": [staffed_line.ready.voice, ada.mxid]}}
    said = await bea.say_raw(conversation.room, content | called)
    await staffed_line.carrier.wait_for_delivery(conversation.handset, said.body)
    await of_bea.wait_for_receipt(said, "delivered")


async def test_close_now_leaves_nothing_readable(
    own: tuple[StaffedLine, StaffClient, StaffClient], conversation: Conversation, sol: StaffClient
) -> None:
    """After a supervisor's `!close now` no client that is on shows a word of the thread, whoever said it."""
    staffed_line, ada, bea = own
    await staffed_line.send_closing_command(sol, conversation.room, "!close now")

    async def nothing_left() -> bool | None:
        shown = [i for client in (ada, bea, sol) for i in await client.items(conversation.room)]
        return not [i for i in shown if i.kind in {"message", "undecryptable"}] or None

    async def seen() -> str:
        return "".join([newest_messages(await client.items(conversation.room)) for client in (ada, bea, sol)])

    await wait_until("nothing of the thread can be read", nothing_left, seen=seen)

    async def out() -> bool | None:
        return conversation.room not in {*await ada.joined(), *await bea.joined(), *await sol.joined()} or None

    await wait_until("the thread is in nobody's list any more", out)
