"""A desk that everybody has left, and one that a person closes: the line goes on, and people find their way back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest
import pytest_asyncio

from tests.e2e.carrier_api import handset
from tests.e2e.nio_client import NioClient
from tests.e2e.polling import wait_until
from tests.e2e.stack import Stack
from tests.e2e.staff_client import StaffClient
from tests.e2e.staffed_line import StaffedLine


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[StaffedLine, list[StaffClient]]]:
    """Run a line of this module's own, with all three of its people at the desk."""
    line = Stack(tmp_path_factory.mktemp("lost"))
    clients: list[StaffClient] = []
    try:
        await line.prepare()
        await line.start()
        staffed_line = StaffedLine(stack=line, ready=line.ready)
        for account in line.ready.accounts:
            clients.append(NioClient(line.ready.homeserver, account))
            await clients[-1].start()
            await staffed_line.bring_to_desk(clients[-1])
        yield staffed_line, clients
    finally:
        for client in clients:
            await client.stop()
        await line.end()


async def test_left_by_everybody(own: tuple[StaffedLine, list[StaffClient]]) -> None:
    """Texts are taken and answered as when nobody is there; the supervisor is invited again and finds who waits."""
    staffed_line, clients = own
    desk, phone, sol = staffed_line.ready.desk_room, handset(), clients[-1]
    for client in clients:
        await client.leave(desk)

    async def invited() -> bool | None:
        return desk in await sol.invites() or None

    await wait_until("the supervisor is invited to the desk again", invited)
    await staffed_line.carrier.text(phone, "is anybody there?")

    async def answered() -> bool | None:
        return any("no one can answer" in text for text in await staffed_line.carrier.texts_delivered(phone)) or None

    await wait_until("the phone is told that nobody can answer now", answered)
    assert not [client for client in clients[:-1] if desk in await client.invites()], (
        "advocates are for the supervisor to invite"
    )
    await sol.join(desk)
    await sol.say(desk, "!claim")
    room = await staffed_line.wait_for_invite(sol, set())
    await sol.join(room)
    await sol.find(room, "the words are there", lambda i: i.body == "is anybody there?" and i.kind == "message")


async def told(staffed_line: StaffedLine, sol: StaffClient, times: int) -> None:
    """Wait until the desk has been told so often that it was closed, and see that it still answers."""
    desk = staffed_line.ready.desk_room

    async def said() -> bool | None:
        bodies = [item.body for item in await sol.items(desk) if item.sender == staffed_line.ready.bot]
        return sum("closed this room" in body for body in bodies) == times or None

    await wait_until("told that it was closed", said)
    before = {item.event_id for item in await sol.items(desk)}
    await sol.say(desk, "!board")
    await sol.find(desk, "the desk still answers", lambda i: i.event_id not in before and "Queue: 0" in i.body)


async def people(staffed_line: StaffedLine, room: str) -> list[str]:
    """Who is in a room, or invited to it."""
    chunk = (await staffed_line.as_bot("GET", f"rooms/{quote(room, safe='')}/members"))["chunk"]
    return [event["state_key"] for event in chunk if event["content"]["membership"] in {"join", "invite"}]
