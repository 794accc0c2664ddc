"""What is over is gone, wherever it was, and the receipt says so (ARCHITECTURE.md, "Invariants", 7)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bridge.storage.database import Value
from tests.e2e import separate_line
from tests.e2e.carrier_api import handset
from tests.e2e.codeword_enrolment import enrol_codeword
from tests.e2e.conftest import StrictClientFactory
from tests.e2e.polling import StepFailed, wait_until
from tests.e2e.stack import Stack, run
from tests.e2e.staff_client import StaffClient
from tests.e2e.staffed_line import StaffedLine
from tests.e2e.visibility import every_file
from tests.fakes import database_file

TEXT = "kestrelfjord texted this"
ANSWER = "marzipanglacier answered that"
PICTURE = "velvetcormorant-at-home.jpg"
AGREED, DURESS = "Snapdragonquay", "Thimblewhirlpool"
WAY_DOWN = 180.0
"""Seconds for everything to be gone, on two busy cores. The promised minute is held by the clock of `test_erasure`."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Run a line of this module's own, logging everything: every byte of it is looked at."""
    async with separate_line.run_line(tmp_path_factory.mktemp("forgetting"), metrics=True) as staffed_line:
        yield staffed_line.stack


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def staff(own: Stack, strict_client_factory: StrictClientFactory) -> AsyncIterator[tuple[StaffClient, StaffClient]]:
    """Seat an advocate and the supervisor at the desk, on strict clients."""
    opening = (
        strict_client_factory.log_in(own.ready.homeserver, own.ready.account(role)) for role in ("advocate", "supervisor")
    )
    async with separate_line.bring_people(StaffedLine(stack=own, ready=own.ready), opening) as (ada, sol):
        yield ada, sol


@pytest.mark.practice(16, 17)
async def test_closed_now_nothing_of_it_is_left(own: Stack, staff: tuple[StaffClient, StaffClient]) -> None:
    """Once `!close now` is done none of what was planted is in any byte of ours, at the carrier, or in a client.

    Planted: a text, an answer, an agreed word that is enrolled and texted, a number, a picture's name. The signed
    receipt says so, and the command line finds it good.
    """
    ada, sol = staff
    staffed_line = StaffedLine(stack=own, ready=own.ready)
    number = handset()
    conversation = await staffed_line.start_conversation(ada, number, TEXT)
    await ada.say(conversation.room, ANSWER)
    await staffed_line.carrier.wait_for_delivery(number, ANSWER)
    await enrol_codeword(staffed_line, ada, conversation, AGREED, DURESS)
    await staffed_line.carrier.text(number, f"it is me, {AGREED}")
    await conversation.wait_for_notice("codeword came")
    picture = {"msgtype": "m.image", "body": PICTURE, "url": "mxc://quietline.localhost/nowhereAtAllHere"}
    await ada.say_raw(conversation.room, picture)
    before = set(await sol.invites())
    await ada.say(conversation.room, "!escalate")
    await sol.join(await staffed_line.wait_for_invite(sol, before))
    await sol.find(conversation.room, "the supervisor reads along", lambda i: i.body == TEXT)
    threads = rows(own, "SELECT room_id, id FROM thread")
    assert [row[0] for row in threads] == [conversation.room]

    await staffed_line.send_closing_command(sol, conversation.room, "!close now")
    await wait_until("two receipts are kept", lambda: _receipts(own, 2), within=WAY_DOWN, seen=lambda: _way(own))

    code, out = await run(own.command("erasure", "verify", "--json", "--data", str(own.data)))
    report = json.loads(out)
    assert (code, report["ok"]) == (0, True), report
    bodies = [json.loads(body) for (body,) in rows(own, "SELECT body FROM erasure_certificate")]
    assert {body["what"] for body in bodies} == {"conversation", "person"}
    carrier_copies = next(body["carrier"] for body in bodies if body["what"] == "person")
    assert carrier_copies == {"copies deleted, confirmed": len(await staffed_line.carrier.texts(number))}
    spelled = (AGREED, DURESS, AGREED.casefold(), DURESS.casefold())

    assert [r for r in await staffed_line.carrier.records() if number in (r["from"], r["to"])] == []
    for client in staff:
        await wait_until("they know that they are out", lambda client=client: _out(client, conversation.room))  # type: ignore[misc]
        # The client has heard that each message is gone, and that it is no longer a member.
        assert not [i for i in await client.open_items(conversation.room) if i.body in {TEXT, ANSWER, PICTURE}]
        for room in await client.joined():
            assert not [i for i in await client.items(room) if any(word in i.body for word in spelled)]
    _nowhere(own.data, TEXT, ANSWER, PICTURE, number[1:], *spelled)
    await staffed_line.vacuum()
    _nowhere(own.data, conversation.room)
    _nowhere(own.data, *[row[1] for row in threads])


@pytest.mark.long
@pytest.mark.practice(18, 19)
async def test_a_client_that_was_off_for_a_month(own: Stack, staff: tuple[StaffClient, StaffClient]) -> None:
    """Switched off before the end and on after the purge: it hears nothing of what was said after, and the line goes on.

    What it had before it keeps, for a purge is told to nobody: that, and that it is so, stands in the exposure sheet.
    """
    ada, sol = staff
    staffed_line, number = StaffedLine(stack=own, ready=own.ready), handset()
    had, missed, reply = "foxglovelantern, while ada was there", "quillharbor, while ada was off", "emberorchard to that"
    conversation = await staffed_line.start_conversation(ada, number, had)
    before = set(await sol.invites())
    await ada.say(conversation.room, "!escalate")
    await sol.join(await staffed_line.wait_for_invite(sol, before))
    await ada.away()
    try:
        await staffed_line.carrier.text(number, missed)
        await sol.find(conversation.room, "the text is there", lambda i: i.body == missed)
        await sol.say(conversation.room, "!take")
        await sol.say(conversation.room, reply)
        await staffed_line.carrier.wait_for_delivery(number, reply)
        await staffed_line.send_closing_command(sol, conversation.room, "!close now")
        await wait_until("it is gone", lambda: _gone(own, conversation.room), within=WAY_DOWN, seen=lambda: _way(own))
        _a_month(own, ada.mxid)
    finally:
        await ada.back()

    again = await staffed_line.start_conversation(ada, handset(), "somebody texts after ada's month")
    assert await again.texts_in_room() == ["somebody texts after ada's month"]
    for room in await ada.joined():
        assert not [i for i in await ada.items(room) if i.body in {missed, reply}]
    assert [i.body for i in await ada.open_items(conversation.room) if i.body == had]
    # What she would say there reaches nobody, and her client says so.
    with pytest.raises(StepFailed):
        await ada.say(conversation.room, "is anybody here")
    code, sheet = await run(own.command("exposure", "--data", str(own.data)))
    assert (code, "after `!close now`, for longer than 10 s, keeps what it had" in sheet) == (0, True), sheet


def rows(own: Stack, query: str, *values: Value) -> list[Any]:
    """Read the main database beside the running bridge: tuples."""
    return [tuple(row) for row in database_file.rows(own.data / "bridge" / "main.db", query, *values)]


async def _receipts(own: Stack, count: int) -> bool | None:
    return (len(rows(own, "SELECT id FROM erasure_certificate")) >= count and await _nothing_down(own)) or None


async def _nothing_down(own: Stack) -> bool | None:
    return not rows(own, "SELECT id FROM erasure") or None


async def _gone(own: Stack, room: str) -> bool | None:
    """Whether a thread's end has been heard, and done."""
    return (not rows(own, "SELECT id FROM thread WHERE room_id = ?", room) and await _nothing_down(own)) or None


async def _out(client: StaffClient, room: str) -> bool | None:
    return room not in await client.joined() or None


async def _way(own: Stack) -> str:
    down = rows(own, "SELECT kind, step, tries, counts FROM erasure")
    return f"erasure jobs: {down}; {await own.tail()}"


def _nowhere(directory: Path, *planted: str) -> None:
    for path, raw in every_file(directory):
        count = sum(thing.encode() in raw for thing in planted)
        assert count == 0, f"{count} planted thing(s) in the bytes of {path.relative_to(directory)}"


async def _is(own: Stack, query: str) -> bool | None:
    return bool(rows(own, query)) or None


def _a_month(own: Stack, mxid: str) -> None:
    """Forget where a person's clients were, as the homeserver does after a week."""
    path = own.data / "homeserver" / "homeserver.db"
    with closing(sqlite3.connect(path, timeout=10)) as connection, connection:
        connection.execute("PRAGMA foreign_keys = ON")
        assert connection.execute("DELETE FROM sliding_sync_connections WHERE user_id = ?", (mxid,)).rowcount
