"""The desk, end to end, with three strict clients: one assignee, and a supervisor who is called in and reads it all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from tests.e2e import separate_line
from tests.e2e.carrier_api import handset
from tests.e2e.conftest import StrictClientFactory
from tests.e2e.staff_client import StaffClient, TimelineItem
from tests.e2e.staffed_line import NOTE, StaffedLine
from tests.e2e.visibility import wait_until_identities_known, wait_until_readable


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own(
    tmp_path_factory: pytest.TempPathFactory, strict_client_factory: StrictClientFactory
) -> AsyncIterator[tuple[StaffedLine, list[StaffClient]]]:
    """Run a line of this module's own, with all three of its people at the desk: here nobody reaches a cap."""
    async with separate_line.run_line(tmp_path_factory.mktemp("desk")) as staffed_line:
        ready = staffed_line.ready
        opening = (strict_client_factory.log_in(ready.homeserver, account) for account in ready.accounts)
        async with separate_line.bring_people(staffed_line, opening) as clients:
            yield staffed_line, clients


async def is_note(client: StaffClient, room: str, item: TimelineItem) -> None:
    """Wait until a person's message is marked as a note."""
    await client.find(room, "it is marked as a note", lambda i: i.event_id == item.event_id and NOTE in i.reactions)


@pytest.mark.practice(4, 33)
async def test_escalate_take_give_back_transfer(own: tuple[StaffedLine, list[StaffClient]]) -> None:
    """Whoever is called in reads both sides at once; exactly one person is heard, and the phone shows only their words.

    Talk, escalate, the supervisor reads, takes, gives back; transfer; the leaving advocate's words reach nobody's phone.
    """
    staffed_line, (ada, bea, sol) = own
    for called_in in (bea, sol):
        await wait_until_identities_known(staffed_line, called_in)
    phone = handset()
    conversation = await staffed_line.start_conversation(ada, phone, "the first words")
    await conversation.wait_for_receipt(await ada.say(conversation.room, "an answer before anybody came"), "delivered")

    await ada.say(conversation.room, "!escalate it is heavy")
    room = await staffed_line.wait_for_invite(sol, set())
    assert room == conversation.room
    await sol.join(room)
    await wait_until_readable(staffed_line, sol, room, staffed_line.ready.voice, "the first words")
    await wait_until_readable(staffed_line, sol, room, ada.mxid, "an answer before anybody came")
    await is_note(sol, room, await sol.say(room, "a listener's note"))

    await sol.say(room, "!take")
    await conversation.wait_for_notice("sol is the advocate now")
    await is_note(ada, room, await ada.say(room, "from the one whose thread was taken"))
    of_sol = replace(conversation, client=sol)
    await of_sol.wait_for_receipt(await sol.say(room, "from the supervisor"), "delivered", within=50)
    await sol.say(room, "!listen")
    await conversation.wait_for_notice("ada is the advocate now")

    await ada.say(room, f"!transfer {bea.mxid} my shift ends")
    assert await staffed_line.wait_for_invite(bea, set()) == room
    await bea.join(room)
    await wait_until_readable(staffed_line, bea, room, staffed_line.ready.voice, "the first words")
    await bea.say(room, "!accept")
    of_bea = replace(conversation, client=bea)
    await of_bea.wait_for_notice("bea is the advocate now")
    await is_note(ada, room, await ada.say(room, "the former advocate goes on writing"))
    await of_bea.wait_for_receipt(await bea.say(room, "from the new advocate"), "delivered", within=50)

    heard = [text for text in await staffed_line.carrier.texts_delivered(phone) if not text.startswith("Hi, thanks")]
    assert heard == ["an answer before anybody came", "from the supervisor", "from the new advocate"]
