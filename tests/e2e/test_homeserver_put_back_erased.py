"""A homeserver whose database was put back has again what was erased since, and people in it: all of it goes once more."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from urllib.parse import quote

from tests.e2e.carrier_api import handset
from tests.e2e.nio_client import NioClient
from tests.e2e.polling import wait_until
from tests.e2e.separate_line import HURRIED, bring_people, log_in_nio, run_line
from tests.e2e.stack import Stack
from tests.e2e.staff_client import attachment
from tests.e2e.staffed_line import StaffedLine
from tests.e2e.test_erasure import rows
from tests.e2e.test_homeserver_put_back import TEXT, copy_of, put_back, stocked
from tests.fakes import database_file

PICTURES = (b"a picture of before, sealed", b"a picture of after, sealed", b"a picture of what has ended, sealed")


async def test_what_had_ended_goes_again(tmp_path: Path) -> None:
    """A conversation that ended since, and a message of the desk that was erased since, are erased once more.

    So is one that was closed since and waits for its clients before the purge. The files of uploads are put back as well:
    those of both go with them. One that goes on ends with its uploads, also with one of which only the file is there.
    """
    async with run_line(tmp_path, settings={**HURRIED, "close_undo": 2}) as staffed_line:
        ready = staffed_line.ready
        logins = [log_in_nio(ready.homeserver, ready.account(role)) for role in ("advocate", "supervisor")]
        async with bring_people(staffed_line, logins) as (ada, sol):
            await _erased_once_more(staffed_line, ada, sol, tmp_path)


async def _erased_once_more(staffed_line: StaffedLine, ada: NioClient, sol: NioClient, tmp_path: Path) -> None:
    line, ready = staffed_line.stack, staffed_line.ready
    talk, ongoing, closed = [await staffed_line.start_conversation(ada, handset(), TEXT) for _ in range(3)]
    for conversation in (talk, ongoing):
        before = set(await sol.invites())
        await ada.say(conversation.room, "!escalate")
        await sol.join(await staffed_line.wait_for_invite(sol, before))
    await upload_in(line, ada, ongoing.room, PICTURES[0])
    uploads = await uploads_in(line, ada, talk.room) + await uploads_in(line, ada, closed.room)
    assert len(uploads) > 2, "the supervisor was given no bundle of keys"
    erased = (await ada.say(ready.desk_room, "// this is erased by its time")).event_id
    assert erased is not None
    path = f"rooms/{quote(ready.desk_room)}/event/{quote(erased)}"
    await stocked(line)
    older = copy_of(line, tmp_path)
    media = shutil.copytree(line.data / "homeserver" / "media", tmp_path / "media")

    async def noted() -> bool | None:
        # As a value: in a statement an id that begins with a digit would be taken for a placeholder.
        return rows(line, "SELECT 1 FROM event WHERE event_id = $1", erased) == [(1,)] or None

    await wait_until("it is on the deletion index", noted)
    await upload_in(line, ada, ongoing.room, PICTURES[1])
    await staffed_line.send_closing_command(sol, talk.room, "!close now")
    await staffed_line.send_closing_command(ada, closed.room, "!close")

    async def ended() -> bool | None:
        query = "SELECT 1 FROM thread WHERE room_id = $1 UNION ALL SELECT 1 FROM erasure WHERE grace < 60"
        return not rows(line, query, talk.room) or None

    closed_is_empty = partial(is_empty, staffed_line, closed.room)
    await wait_until("the conversation is over", ended)
    await wait_until("the other waits for its clients", closed_is_empty)
    assert (left_of(line, uploads), len(files_of(line))) == ([], 2)
    certificates = rows(line, "SELECT COUNT(*) FROM erasure_certificate")[0][0]
    for client in (ada, sol):
        await client.away()
    await line.stop()
    # As its expiry would have left it.
    database_file.write(line.data / "bridge" / "main.db", "DELETE FROM event WHERE event_id = $1", erased)
    put_back(line, older)
    shutil.copytree(media, line.data / "homeserver" / "media", dirs_exist_ok=True)
    assert (left_of(line, uploads), len(files_of(line))) == (uploads, 4)
    await line.start()
    for client in (ada, sol):
        client.clear_cache()
        await client.back()

    async def gone() -> bool | None:
        count = rows(line, "SELECT COUNT(*) FROM erasure_certificate")[0][0]
        return (count > certificates and await ended()) or None

    await wait_until("its room is erased once more", gone)
    await wait_until("what had been closed is empty once more", closed_is_empty)
    with closing(sqlite3.connect(line.data / "homeserver" / "homeserver.db")) as database:
        for table in ("events", "room_memberships", "room_account_data"):
            cursor = database.execute(f"SELECT COUNT(*) FROM {table} WHERE room_id = ?", (talk.room,))  # noqa: S608
            assert cursor.fetchone() == (0,), table
    assert (left_of(line, uploads), len(files_of(line))) == ([], 2)

    async def says_nothing() -> bool | None:
        return (await staffed_line.as_bot("GET", path)).get("content") == {} or None

    await wait_until("the message is erased once more", says_nothing)
    certificates = rows(line, "SELECT COUNT(*) FROM erasure_certificate")[0][0]
    await staffed_line.send_closing_command(sol, ongoing.room, "!close now")
    await wait_until("the conversation that went on is over", gone)
    assert files_of(line) == []
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


async def uploads_in(line: Stack, client: NioClient, room: str) -> list[str]:
    """Have the assignee put a picture into a conversation; return the addresses of its uploads, with bundles of keys."""
    await upload_in(line, client, room, PICTURES[2])
    return [address for (address,) in rows(line, "SELECT mxc FROM matrix_upload WHERE room_id = $1", room)]


async def upload_in(line: Stack, client: NioClient, room: str, picture: bytes) -> None:
    """Have the assignee put a picture into a conversation, and wait until the line has noted and listed where it is."""
    before = list_of(line, room)
    address = await client.upload(picture)
    content = attachment("a picture")
    await client.say_raw(room, {**content, "file": {**content["file"], "url": address}})

    async def noted() -> bool | None:
        return rows(line, "SELECT 1 FROM matrix_upload WHERE mxc = $1", address) == [(1,)] or None

    async def listed() -> bool | None:
        return list_of(line, room) != before or None

    await wait_until("the upload is noted", noted)
    await wait_until("the upload is listed", listed)


def list_of(line: Stack, room: str) -> str | None:
    """Return the room's list of uploads, sealed, as the homeserver has it."""
    query = "SELECT content FROM room_account_data WHERE room_id = ? AND account_data_type = 'quietline.uploads'"
    stored = database_file.rows(line.data / "homeserver" / "homeserver.db", query, room)
    return str(stored[0][0]) if stored else None


def left_of(line: Stack, uploads: list[str]) -> list[str]:
    """Return those of these uploads of which the homeserver has the row."""
    query = "SELECT media_id FROM local_media_repository"
    there = {row[0] for row in database_file.rows(line.data / "homeserver" / "homeserver.db", query)}
    return [address for address in uploads if address.rpartition("/")[2] in there]


def files_of(line: Stack) -> list[Path]:
    """Return where the homeserver has these pictures."""
    media = line.data / "homeserver" / "media"
    return [path for path in media.rglob("*") if path.is_file() and path.read_bytes() in PICTURES]
