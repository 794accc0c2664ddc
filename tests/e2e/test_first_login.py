"""Whoever logs in for the first time as late as can be reads both sides of a thread they are called into, on that device.

Rule of these tests: the desk's invitation was accepted on a device that is gone, so that nothing but the thread's own
invitation and what follows it tells the new device anything.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.e2e.carrier_api import handset
from tests.e2e.conftest import StrictClientFactory
from tests.e2e.polling import wait_until
from tests.e2e.second_devices import was_here
from tests.e2e.stack import Stack
from tests.e2e.staff_client import Account, StaffClient
from tests.e2e.staffed_line import Conversation, StaffedLine
from tests.e2e.visibility import READ_TIMEOUT, wait_until_readable, wait_until_readable_or_recap

if TYPE_CHECKING:
    from tests.e2e.strict_client import StrictClient


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own(
    tmp_path_factory: pytest.TempPathFactory, strict_client_factory: StrictClientFactory
) -> AsyncIterator[tuple[StaffedLine, StaffClient]]:
    """Run a line of this module's own, with one advocate at the desk; nobody else has ever logged in."""
    line = Stack(tmp_path_factory.mktemp("first"))
    ada: StaffClient | None = None
    try:
        await line.prepare()
        await line.start()
        staffed_line = StaffedLine(stack=line, ready=line.ready)
        ada = await strict_client_factory.log_in(line.ready.homeserver, line.ready.account("advocate", 0))
        yield staffed_line, await staffed_line.bring_to_desk(ada)
    finally:
        if ada is not None:
            await ada.stop()
        await line.end()


async def newcomer(
    staffed_line: StaffedLine, ada: StaffClient, account: Account, words: str
) -> tuple[Conversation, StrictClient]:
    """Begin a thread in which both sides have spoken; returns it, and the newcomer's client, not logged in yet."""
    if not isinstance(ada, _strict()):
        pytest.fail("a first login needs the strict client, which has no build for this C library")
    await was_here(staffed_line, account)
    conversation = await staffed_line.start_conversation(ada, handset(), f"said {words}")
    await ada.say(conversation.room, f"// typed {words}")
    return conversation, _strict()(staffed_line.ready.homeserver, account)


def _strict() -> type[StrictClient]:
    from tests.e2e.strict_client import StrictClient

    return StrictClient


async def accepts(staffed_line: StaffedLine, conversation: Conversation, client: StaffClient, words: str) -> None:
    """Have a person accept their invitation when their client shows them something, and read what was said before."""

    async def asked_in() -> bool | None:
        # By the room itself: a client may not know an invitation's name yet, and take the office's for a thread's.
        return conversation.room in await client.invites() or None

    await wait_until("they are asked in", asked_in)
    desk, bot = staffed_line.ready.desk_room, staffed_line.ready.bot
    await client.find(desk, "the desk can be read", lambda i: i.sender == bot and i.kind == "message", within=READ_TIMEOUT)
    await client.join(conversation.room)
    await wait_until_readable(staffed_line, client, conversation.room, staffed_line.ready.voice, f"said {words}")
    await wait_until_readable_or_recap(conversation, client, conversation.client.mxid, f"// typed {words}")


async def test_called_in_before_the_client_has_heard_of_us(own: tuple[StaffedLine, StaffClient]) -> None:
    """What came with the invitation is lost on a client that knows nobody yet: after the join it reads all the same."""
    staffed_line, ada = own
    words = "before her client knew anybody"
    conversation, bea = await newcomer(staffed_line, ada, staffed_line.ready.account("advocate", 1), words)
    try:
        await bea.log_in()
        await ada.say(conversation.room, f"!with {bea.mxid}")
        await conversation.wait_for_notice("is asked in")
        await bea.back()
        await accepts(staffed_line, conversation, bea, words)
    finally:
        await bea.stop()


async def test_called_in_before_there_was_a_device(own: tuple[StaffedLine, StaffClient]) -> None:
    """With the invitation nothing could be sent, because there was no device yet; the one that accepts reads both sides."""
    staffed_line, ada = own
    words = "before she had a device"
    conversation, sol = await newcomer(staffed_line, ada, staffed_line.ready.account("supervisor"), words)
    try:
        await ada.say(conversation.room, f"!with {sol.mxid}")
        await conversation.wait_for_notice("is asked in")
        await sol.start()
        await accepts(staffed_line, conversation, sol, words)
    finally:
        await sol.stop()
