"""A homeserver whose database was put back: nothing that it has lost stops the line, and nobody is called for it twice."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

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


@pytest.mark.parametrize(("lost", "notes"), [(6, 0), (1, 25)], ids=["fewer than were lost", "more than were lost"])
async def test_words_between_its_start_and_the_first_sync(
    own: tuple[StaffedLine, NioClient], tmp_path: Path, lost: int, notes: int
) -> None:
    """Words that are said while only the homeserver is back leave for the phone, once; what was said before does not."""
    staffed_line, ada = own
    line, carrier = staffed_line.stack, staffed_line.carrier
    talk = await staffed_line.start_conversation(ada, handset(), TEXT)
    answer = await ada.say(talk.room, "an answer of before")
    await carrier.wait_for_delivery(talk.handset, "an answer of before")
    await stocked(line)
    older = copy_of(line, tmp_path)
    await ada.redact(talk.room, answer)
    for number in range(lost):
        await carrier.text(talk.handset, f"{NEWER} {number}")
        await talk.wait_for_text(f"{NEWER} {number}")
    await settled(line)
    await ada.away()
    await line.stop()
    put_back(line, older)
    ada.clear_cache()
    ada.renew_session(talk.room)
    async with homeserver_alone(line):
        await ada.back()
        await ada.say(talk.room, "I am here with you")
        for number in range(notes):
            await ada.say(talk.room, f"// note {number}")
        await ada.say(talk.room, "take all the time you need")
        await ada.away()
    await line.start()
    await ada.back()
    for words in ("I am here with you", "take all the time you need"):
        await carrier.wait_for_delivery(talk.handset, words)
    await carrier.text(talk.handset, NEWEST)
    await talk.wait_for_text(NEWEST)
    await settled(line)
    arrived = await carrier.texts_delivered(talk.handset)
    said = ("an answer of before", "I am here with you", "take all the time you need")
    assert [arrived.count(words) for words in said] == [1, 1, 1]
    assert rows(line, "SELECT kind FROM dead_letter") == []


async def test_put_back_beside_a_bridge_that_goes_on(own: tuple[StaffedLine, NioClient], tmp_path: Path) -> None:
    """To when the texter puppet was out of a room, and an advocate not yet in another: both come back; the desk hears."""
    staffed_line, ada = own
    line, carrier = staffed_line.stack, staffed_line.carrier
    old_alarms = await alarms(ada, staffed_line)
    first = await staffed_line.start_conversation(ada, handset(), TEXT)
    await stocked(line)
    await ada.away()
    await line.stop()
    async with homeserver_alone(line), aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{line.base}/_matrix/client/v3/rooms/{quote(first.room)}/leave"
        token = {"Authorization": f"Bearer {line.secret('as_token')}"}
        async with http.post(url, params={"user_id": staffed_line.ready.voice}, headers=token, json={}) as answer:
            assert answer.status == HTTPStatus.OK
    older = copy_of(line, tmp_path)
    await line.start()
    await ada.back()
    await carrier.text(first.handset, NEWER)
    await first.wait_for_text(NEWER)
    second = await staffed_line.start_conversation(ada, handset(), NEWER)
    await settled(line)
    before = set(await ada.invites())
    await ada.away()
    process = line.ready.pids["homeserver"]
    await line.kill("homeserver", back=False)
    put_back(line, older)
    await line.back("homeserver", process)
    await line.wait_until_well()
    ada.clear_cache()
    await ada.back()
    await go_on(staffed_line, ada, before, first, second)
    await settled(line)
    assert len(await alarms(ada, staffed_line)) == len(old_alarms) + 1
    assert rows(line, "SELECT kind FROM dead_letter") == []


async def test_who_was_removed_and_who_signs_in_since(own: tuple[StaffedLine, NioClient], tmp_path: Path) -> None:
    """Who had left is removed again and gets no key; a device of before is named; one made since is understood at once."""
    staffed_line, ada = own
    line, ready = staffed_line.stack, staffed_line.ready
    bea = await log_in_nio(ready.homeserver, ready.account("advocate", 1))
    await staffed_line.bring_to_desk(bea)
    phone, tablet = (NioClient(ready.homeserver, ready.account("advocate"), signed=False) for _ in range(2))
    await phone.start()
    await known_devices(line, ada.mxid, 2)
    await stocked(line)
    older = copy_of(line, tmp_path)
    # It uses up a one-time key of each of our identities.
    await tablet.start()
    await tablet.say(ready.desk_room, "// a device of before")
    await known_devices(line, ada.mxid, 3)
    desk = f"rooms/{quote(ready.desk_room)}/state/m.room.member/{quote(bea.mxid)}"
    await bea.leave(ready.desk_room)
    await phone.away()
    await phone.log_out()
    await known_devices(line, ada.mxid, 2)

    async def gone() -> bool | None:
        members = "SELECT membership FROM matrix_member WHERE user_id LIKE '@bea:%' AND membership <> 'leave'"
        return not rows(line, members) or None

    await wait_until("who left is noted as gone", gone)
    await settled(line)
    for client in (ada, bea, tablet):
        await client.away()
    await line.stop()
    put_back(line, older)
    await line.start()
    ada.clear_cache()
    await ada.back()
    for words in ("removed once more", "devices again that had been signed out"):
        await ada.find(ready.desk_room, words, lambda i, w=words: i.sender == ready.bot and w in i.body)  # type: ignore[misc]

    async def removed() -> bool | None:
        return (await staffed_line.as_bot("GET", desk)).get("membership") == "leave" or None

    await wait_until("who had left is removed again", removed)
    assert rows(line, "SELECT user_id FROM matrix_sent WHERE user_id LIKE '@bea:%' AND NOT owed") == []
    # A new device claims one-time keys that the homeserver had once more. Of Ada's client as well, and nio ends at that.
    await ada.away()
    new = await log_in_nio(ready.homeserver, ready.account("supervisor"))
    try:
        await staffed_line.bring_to_desk(new)
        await new.say(ready.desk_room, "!help")
        await new.find(
            ready.desk_room,
            "the first words of a new device are understood",
            lambda i: i.sender == ready.bot and "!claim" in i.body,
        )
    finally:
        for client in (new, bea, phone, tablet):
            await client.stop()
    assert rows(line, "SELECT kind FROM dead_letter") == []


async def known_devices(line: Stack, mxid: str, count: int) -> None:
    """Wait until the line knows so many devices of a person."""

    async def known() -> bool | None:
        return rows(line, f"SELECT COUNT(*) FROM matrix_device WHERE user_id = '{mxid}'") == [(count,)] or None  # noqa: S608

    await wait_until(f"{count} devices of theirs are known", known)


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


async def alarms(client: NioClient, staffed_line: StaffedLine) -> list[str]:
    """Return how often the desk was told that the homeserver was put back."""
    shown = await client.whole(staffed_line.ready.desk_room)
    return [item.body for item in shown if item.sender == staffed_line.ready.bot and PUT_BACK in item.body]
