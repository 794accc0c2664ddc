"""A homeserver whose database was put back: nothing that it has lost stops the line, and nobody is called for it twice."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from http import HTTPStatus
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from tests.e2e.carrier_api import handset
from tests.e2e.nio_client import NioClient
from tests.e2e.polling import wait_until
from tests.e2e.separate_line import HURRIED, bring_people, log_in_nio, run_line
from tests.e2e.stack import LATER_RUN, Stack
from tests.e2e.staffed_line import Conversation, StaffedLine
from tests.e2e.test_erasure import rows

TEXT, NEWER, NEWEST = "ospreyharbour came before", "lanternfjord came after", "the house has the kettle on"
PUT_BACK = "has lost something of this line"
"""What the desk hears once."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[StaffedLine, NioClient]]:
    """Run a line of this module's own, with one advocate at the desk."""
    async with run_line(tmp_path_factory.mktemp("put-back"), settings={**HURRIED, "cap": 9}) as staffed_line:
        ready = staffed_line.ready
        async with bring_people(staffed_line, [log_in_nio(ready.homeserver, ready.account("advocate"))]) as clients:
            yield staffed_line, clients[0]


async def test_a_homeserver_that_was_put_back(own: tuple[StaffedLine, NioClient], tmp_path: Path) -> None:
    """Texts arrive in the rooms that it has, cards are shown, lost people are invited; the desk hears once of it."""
    staffed_line, ada = own
    line, carrier = staffed_line.stack, staffed_line.carrier
    first = await staffed_line.start_conversation(ada, handset(), TEXT)
    await stocked(line)
    older = copy_of(line, tmp_path)

    await carrier.text(first.handset, NEWER)
    await first.wait_for_text(NEWER)
    await ada.say(first.room, "an answer that is lost there")
    await carrier.wait_for_delivery(first.handset, "an answer that is lost there")
    # Its room was in stock, and its people, its card and its words came after the copy.
    second = await staffed_line.start_conversation(ada, handset(), NEWER)
    waiting = await staffed_line.wait_for_card(ada, handset(), "somebody waits whose card is lost")
    await stocked(line)
    before = set(await ada.invites())
    await ada.away()
    await line.stop()
    put_back(line, older)
    await line.start()
    # What happened before its next sync it never hears of: the homeserver does not know the place where it stands.
    ada.clear_cache()
    await ada.back()

    await go_on(staffed_line, ada, before, first, second)
    for conversation in (first, second):
        await conversation.wait_for_notice(conversation.designation)
    before = set(await ada.invites())
    desk, bot = staffed_line.ready.desk_room, staffed_line.ready.bot
    await ada.say(desk, "!claim")
    third = await staffed_line.wait_for_invite(ada, before)
    await ada.join(third)
    name = (await ada.joined())[third]
    await ada.find(desk, "its card is shown", lambda i: i.sender == bot and f"{name} · with ada" in i.body)
    await settled(line)
    assert rows(line, "SELECT kind FROM dead_letter") == []
    shown = [item for item in await ada.whole(desk) if item.sender == bot]
    assert waiting.event_id not in {item.event_id for item in shown if item.kind == "message"}
    alarms = [item.body for item in shown if "technician" in item.body or "⚠️" in item.body]
    assert [PUT_BACK in body for body in alarms] == [True], alarms


async def go_on(staffed_line: StaffedLine, ada: NioClient, before: set[str], *talks: Conversation) -> None:
    """Have Ada invited to the last of these, which the homeserver has lost, and words go both ways in all of them."""
    carrier = staffed_line.carrier
    assert await staffed_line.wait_for_invite(ada, before) == talks[-1].room
    await ada.join(talks[-1].room)
    for conversation in talks:
        await carrier.text(conversation.handset, NEWEST)
        await conversation.wait_for_text(NEWEST)
        await ada.say(conversation.room, "and an answer to that")
        await carrier.wait_for_delivery(conversation.handset, "and an answer to that")


@asynccontextmanager
async def homeserver_alone(line: Stack) -> AsyncIterator[None]:
    """Run the homeserver without the bridge for the length of the block."""
    with line.outputs.open("ab") as out:
        process = await asyncio.create_subprocess_exec(
            *line.command("homeserver", "--data", str(line.data), "--port-base", str(line.base)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )

    async def answers() -> bool | None:
        with contextlib.suppress(aiohttp.ClientError):
            async with http.get(f"http://127.0.0.1:{line.base}/_matrix/client/versions") as answer:
                return answer.status == HTTPStatus.OK or None
        return None

    try:
        async with aiohttp.ClientSession() as http:
            await wait_until("the homeserver answers", answers, within=LATER_RUN, seen=line.tail)
        yield
    finally:
        process.terminate()
        await process.wait()


def copy_of(line: Stack, directory: Path) -> Path:
    """Copy the homeserver's database while it runs, as a backup does."""
    older = directory / "homeserver.db"
    with (
        closing(sqlite3.connect(line.data / "homeserver" / "homeserver.db")) as now,
        closing(sqlite3.connect(older)) as copy,
    ):
        now.backup(copy)
    return older


async def stocked(line: Stack) -> None:
    """Wait until the rooms in stock are there, and nothing more is to be shown."""

    async def full() -> bool | None:
        return rows(line, "SELECT COUNT(*) FROM warm_room") == [(4,)] or None

    await wait_until("the stock is full", full)
    await settled(line)


async def settled(line: Stack) -> None:
    async def empty() -> bool | None:
        return not rows(line, "SELECT id FROM outbox") or None

    await wait_until("all is shown", empty)


def put_back(line: Stack, older: Path) -> None:
    """Put a copy of before in the place of the homeserver's database, whole, for a start may be on its way."""
    path = line.data / "homeserver" / "homeserver.db"
    (whole := path.with_name("whole.db")).write_bytes(older.read_bytes())
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    whole.replace(path)
