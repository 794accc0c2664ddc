"""A homeserver whose database was put back has again what was erased since, and people in it: all of it goes once more."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from urllib.parse import quote

from tests.e2e.carrier_api import handset
from tests.e2e.nio_client import NioClient
from tests.e2e.polling import wait_until
from tests.e2e.separate_line import HURRIED, bring_people, log_in_nio, run_line
from tests.e2e.staffed_line import StaffedLine
from tests.e2e.test_erasure import rows
from tests.e2e.test_homeserver_put_back import TEXT, copy_of, put_back, stocked
from tests.fakes import database_file


async def test_what_had_ended_goes_again(tmp_path: Path) -> None:
    """A conversation that ended since, and a message of the desk that was erased since, are erased once more.

    So is one that was closed since and waits for its clients before the purge.
    """
    async with run_line(tmp_path, settings={**HURRIED, "close_undo": 2}) as staffed_line:
        ready = staffed_line.ready
        async with bring_people(staffed_line, [log_in_nio(ready.homeserver, ready.account("supervisor"))]) as (sol,):
            await _erased_once_more(staffed_line, sol, tmp_path)


async def _erased_once_more(staffed_line: StaffedLine, sol: NioClient, tmp_path: Path) -> None:
    line, ready = staffed_line.stack, staffed_line.ready
    talk, closed = [await staffed_line.start_conversation(sol, handset(), TEXT) for _ in range(2)]
    erased = (await sol.say(ready.desk_room, "// this is erased by its time")).event_id
    assert erased is not None
    path = f"rooms/{quote(ready.desk_room)}/event/{quote(erased)}"
    await stocked(line)
    older = copy_of(line, tmp_path)

    async def noted() -> bool | None:
        # As a value: in a statement an id that begins with a digit would be taken for a placeholder.
        return rows(line, "SELECT 1 FROM event WHERE event_id = $1", erased) == [(1,)] or None

    await wait_until("it is on the deletion index", noted)
    await staffed_line.send_closing_command(sol, talk.room, "!close now")
    await staffed_line.send_closing_command(sol, closed.room, "!close")

    async def ended() -> bool | None:
        query = "SELECT 1 FROM thread WHERE room_id = $1 UNION ALL SELECT 1 FROM erasure WHERE grace < 60"
        return not rows(line, query, talk.room) or None

    closed_is_empty = partial(is_empty, staffed_line, closed.room)
    await wait_until("the conversation is over", ended)
    await wait_until("the other waits for its clients", closed_is_empty)
    certificates = rows(line, "SELECT COUNT(*) FROM erasure_certificate")[0][0]
    await sol.away()
    await line.stop()
    # As its expiry would have left it.
    database_file.write(line.data / "bridge" / "main.db", "DELETE FROM event WHERE event_id = $1", erased)
    put_back(line, older)
    await line.start()
    sol.clear_cache()
    await sol.back()

    async def gone() -> bool | None:
        count = rows(line, "SELECT COUNT(*) FROM erasure_certificate")[0][0]
        return (count > certificates and await ended()) or None

    await wait_until("its room is erased once more", gone)
    await wait_until("what had been closed is empty once more", closed_is_empty)
    with closing(sqlite3.connect(line.data / "homeserver" / "homeserver.db")) as database:
        for table in ("events", "room_memberships", "room_account_data"):
            cursor = database.execute(f"SELECT COUNT(*) FROM {table} WHERE room_id = ?", (talk.room,))  # noqa: S608
            assert cursor.fetchone() == (0,), table

    async def says_nothing() -> bool | None:
        return (await staffed_line.as_bot("GET", path)).get("content") == {} or None

    await wait_until("the message is erased once more", says_nothing)
    assert rows(line, "SELECT kind FROM dead_letter") == []


async def is_empty(staffed_line: StaffedLine, room: str) -> bool | None:
    """Whether a closed conversation's room has neither words nor people, and waits for its purge."""
    if rows(staffed_line.stack, "SELECT step FROM erasure WHERE subject = $1", room) != [("purge",)]:
        return None
    here = f"rooms/{quote(room)}"
    joined = (await staffed_line.as_bot("GET", f"{here}/joined_members"))["joined"]
    events = (await staffed_line.as_bot("GET", f"{here}/messages?dir=b&limit=100"))["chunk"]
    said = [event for event in events if event["type"] == "m.room.encrypted" and event["content"]]
    return (not said and joined.keys() == {staffed_line.ready.bot, staffed_line.ready.voice}) or None
