"""A staff member's client whose device nobody signed."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.carrier_api import handset
from tests.e2e.nio_client import NioClient
from tests.e2e.polling import assert_never
from tests.e2e.staff_client import StaffClient
from tests.e2e.staffed_line import StaffedLine


@pytest_asyncio.fixture(loop_scope="session")
async def unsigned(staffed_line: StaffedLine, bea: StaffClient) -> AsyncIterator[NioClient]:
    """Log in a second device of an advocate, not cross-signed."""
    account = next(a for a in staffed_line.ready.accounts if a.mxid == bea.mxid)
    client = NioClient(staffed_line.ready.homeserver, account, signed=False)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(client.stop)
        await client.start()
        stack.push_async_callback(client.log_out)
        yield client


async def test_the_strict_client_is_strict(staffed_line: StaffedLine, ada: StaffClient, unsigned: NioClient) -> None:
    """The strict client shows nothing of an unsigned device and gives it no keys; or these tests would prove little."""
    desk = staffed_line.ready.desk_room
    said = await ada.say(desk, "// for signed devices only")
    word = await unsigned.say(desk, "// from an unsigned device")
    # The event may be shown before its key has come; then it is not the device yet that is the cause.
    item = await ada.find(
        desk,
        "the unsigned device's event cannot be read",
        lambda i: i.event_id == word.event_id and (i.kind == "message" or "UNSIGNED_DEVICE" in i.cause),
    )
    assert item.kind == "undecryptable"
    there = await unsigned.find(desk, "the strict client's event is there", lambda i: i.event_id == said.event_id)
    assert there.kind == "undecryptable"


@pytest.mark.practice(6)
async def test_an_unsigned_device_is_given_nothing_and_may_command_nothing(
    staffed_line: StaffedLine, sol: StaffClient, unsigned: NioClient
) -> None:
    """It gets no keys; its claim is refused with a sentence and changes nothing: another person still can claim."""
    desk = staffed_line.ready.desk_room
    card = await staffed_line.wait_for_card(sol, handset(), "not for an unsigned device")
    invites = set(await unsigned.invites())
    command = await unsigned.say(desk, "!claim")
    await sol.find(
        desk,
        "the unsigned device is refused with a sentence",
        lambda i: i.sender == staffed_line.ready.bot and i.kind == "message" and "not verified" in i.body,
    )
    assert command.event_id

    async def invited() -> set[str] | None:
        return set(await unsigned.invites()) - invites or None

    await assert_never("its claim is obeyed", invited, during=2)
    there = await unsigned.find(desk, "the card is there", lambda i: i.event_id == card.event_id)
    assert there.kind == "undecryptable"
    assert not [i for i in await unsigned.items(desk) if i.sender == staffed_line.ready.bot and i.kind == "message"]
    conversation = await staffed_line.claim(sol, "", card)
    await conversation.wait_for_text("not for an unsigned device")
    assert await conversation.texts_in_room(whole=True) == ["not for an unsigned device"]
