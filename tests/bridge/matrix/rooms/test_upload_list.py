"""A room's uploads are listed at the homeserver, sealed, until the room is erased: so those that come back are found."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from bot.model.actions import DESK
from bridge.matrix.api.http_client import Permanent, TokenRefused, Transient
from bridge.matrix.rooms import media
from bridge.matrix.rooms.room_state import RoomKind
from bridge.matrix.rooms.upload_list import UPLOADS, UploadList
from tests.bridge.matrix.rig import POLICY, Rig
from tests.bridge.matrix.scripted_homeserver import RecordedRequest, ScriptedHomeserver
from tests.bridge.matrix.sync_events import ROOM, record_our_room
from tests.bridge.matrix.test_crash_members import typed

ONE, TWO = "mxc://x/aaaaaaaa", "mxc://x/bbbbbbbb"
OTHER = "!other:x"


async def note(rig: Rig, address: str, room_id: str = ROOM) -> None:
    """Note an upload that a message links."""
    await rig.database.commit(
        lambda transaction: media.record_linked_media(transaction, address, room_id=room_id, event_id="$e", at_ms=1)
    )


async def erase(rig: Rig, room_id: str) -> None:
    """Begin to erase a room."""
    query = "INSERT INTO erasure (subject) VALUES ($1)"
    await rig.database.commit(lambda transaction: transaction.execute(query, room_id))


def new_list(rig: Rig) -> UploadList:
    """Return the lists as a bridge that has just started knows them."""
    return UploadList(database=rig.database, vault=rig.vault, owner=DESK, identity=rig.matrix.policy)


def stored(server: ScriptedHomeserver, room_id: str = ROOM) -> Any:
    """Return the account data of the policy bot for that room."""
    return server.account_data.get(f"{POLICY} {room_id} {UPLOADS}")


def writes(server: ScriptedHomeserver) -> list[RecordedRequest]:
    """Return the requests that stored a list."""
    return [each for each in server.requests if each.method == "PUT" and each.path.endswith(UPLOADS)]


async def test_what_is_noted_is_listed_where_only_we_can_read_it(rig: Rig, server: ScriptedHomeserver) -> None:
    """Each upload of a room is on its list; the homeserver has no address of it; nothing new, no request."""
    await record_our_room(rig)
    await note(rig, ONE)
    uploads = rig.matrix.upload_list
    await uploads.add_all()
    assert ONE not in str(stored(server))
    await note(rig, TWO)
    await uploads.add_all()
    assert sorted(await new_list(rig).addresses(ROOM)) == [ONE, TWO]
    count = len(server.requests)
    await uploads.add_all()
    assert len(server.requests) == count


async def test_an_address_stays_listed_after_its_upload_was_deleted(rig: Rig, server: ScriptedHomeserver) -> None:
    """A rollback may bring it back as well. A bridge that has just started adds to the list and replaces nothing."""
    await record_our_room(rig)
    await note(rig, ONE)
    await rig.matrix.upload_list.add_all()
    await rig.database.commit(lambda transaction: media.delete_upload(transaction, mxc=ONE))
    await note(rig, TWO)
    for _ in range(2):
        await new_list(rig).add_all()
    assert sorted(await new_list(rig).addresses(ROOM)) == [ONE, TWO]
    assert len(writes(server)) == 2


@pytest.mark.parametrize(("kind", "is_listed"), [("thread", True), ("office", True), ("desk", False)])
async def test_the_desk_has_no_list(rig: Rig, server: ScriptedHomeserver, kind: RoomKind, is_listed: bool) -> None:
    """It is never erased, and its list would grow for ever."""
    await record_our_room(rig, kind=kind)
    await note(rig, ONE)
    await rig.matrix.upload_list.add_all()
    await rig.matrix.upload_list.add(ROOM)
    assert (stored(server) is not None) is is_listed


async def test_a_room_that_is_erased_gets_no_list_any_more(rig: Rig, server: ScriptedHomeserver) -> None:
    """After its purge a list would be the only thing that still names it."""
    await record_our_room(rig)
    await note(rig, ONE)
    await erase(rig, ROOM)
    await rig.matrix.upload_list.add_all()
    await rig.matrix.upload_list.add(ROOM)
    assert server.account_data == {}


async def test_an_erasure_that_begins_meanwhile_waits_for_the_list(rig: Rig, server: ScriptedHomeserver) -> None:
    """Whoever reads the list for the erasure reads it after the request that was under way, and no other follows."""
    await record_our_room(rig)
    await note(rig, ONE)
    uploads = rig.matrix.upload_list
    adding, reading = asyncio.create_task(uploads.add(ROOM)), asyncio.create_task(uploads.addresses(ROOM))
    assert await reading == [ONE]
    await adding
    await erase(rig, ROOM)
    await note(rig, TWO)
    await uploads.add(ROOM)
    assert len(writes(server)) == 1


@pytest.mark.parametrize(
    "content",
    [{}, {"sealed": 7}, {"sealed": "no base64"}, {"sealed": "AAAA"}, {"sealed": "of another room"}],
    ids=str,
)
async def test_a_list_that_cannot_be_opened_holds_no_erasure_up(
    rig: Rig, server: ScriptedHomeserver, content: dict[str, Any]
) -> None:
    """Damaged, of a lost key, or put there by the homeserver from another room: it names nothing."""
    for room_id in (ROOM, OTHER):
        await record_our_room(rig, room_id)
        await note(rig, f"{ONE}{room_id[1:2]}", room_id)
    await rig.matrix.upload_list.add_all()
    server.account_data[f"{POLICY} {ROOM} {UPLOADS}"] = (
        stored(server, OTHER) if content.get("sealed") == "of another room" else content
    )
    assert await new_list(rig).addresses(ROOM) == []
    assert await new_list(rig).addresses(OTHER) != []
    assert await new_list(rig).addresses("!unknown:x") == []


@pytest.mark.parametrize(
    ("status", "errcode", "error"),
    [(403, "M_FORBIDDEN", Permanent), (401, "M_UNKNOWN_TOKEN", TokenRefused), (502, "", Transient)],
)
async def test_no_answer_is_not_taken_for_an_empty_list(
    rig: Rig, server: ScriptedHomeserver, status: int, errcode: str, error: type[Exception]
) -> None:
    """The erasure asks again: a certificate must not say that uploads are gone which nobody looked for."""
    server.refuse, server.refuse_errcode = (UPLOADS, status), errcode
    with pytest.raises(error):
        await rig.matrix.upload_list.addresses(ROOM)


async def test_a_room_that_the_homeserver_has_lost_gets_no_list(rig: Rig, server: ScriptedHomeserver) -> None:
    """Put back to before the room: the list would stay there for ever, because nothing is purged. A bundle needs none."""
    sol = await typed(rig, server)
    await note(rig, ONE)
    server.refuse, server.refuse_errcode = ("joined_members", 403), "M_FORBIDDEN"
    await rig.matrix.upload_list.add_all()
    with pytest.raises(Permanent):
        await rig.room_client.share_key_bundle(ROOM, sol.mxid)
    assert server.account_data == {}
    assert [each for each in server.requests if "/media/v3/upload/" in each.path] == []


async def test_a_room_that_is_refused_holds_up_no_other(rig: Rig, server: ScriptedHomeserver) -> None:
    """Its uploads are listed at the next turn."""
    for room_id in (ROOM, OTHER):
        await record_our_room(rig, room_id)
        await note(rig, f"{ONE}{room_id[1:2]}", room_id)
    server.faults.append(web.json_response({"errcode": "M_UNKNOWN"}, status=403))
    await rig.matrix.upload_list.add_all()
    assert len(server.account_data) == 1
    await rig.matrix.upload_list.add_all()
    assert len(server.account_data) == 2


async def test_a_refused_token_is_not_overlooked(rig: Rig, server: ScriptedHomeserver) -> None:
    """Nothing works with it, and the process has to end."""
    await record_our_room(rig)
    await note(rig, ONE)
    server.refuse, server.refuse_errcode = (UPLOADS, 401), "M_UNKNOWN_TOKEN"
    with pytest.raises(TokenRefused):
        await rig.matrix.upload_list.add_all()


async def test_a_bundle_is_listed_before_it_is_uploaded(rig: Rig, server: ScriptedHomeserver) -> None:
    """A copy of the homeserver made at any moment has no bundle that its list does not name; without a list, no bundle."""
    sol = await typed(rig, server)
    await rig.room_client.share_key_bundle(ROOM, sol.mxid)
    paths = [each.path for each in server.requests]
    (uploaded,) = [n for n, path in enumerate(paths) if "/media/v3/upload/" in path]
    (listed,) = [n for n, each in enumerate(server.requests) if each in writes(server)]
    assert listed < uploaded
    assert await new_list(rig).addresses(ROOM) == [f"mxc://{paths[uploaded].split('/upload/')[1]}"]
    server.refuse = (UPLOADS, 502)
    with pytest.raises(Transient):
        await rig.room_client.share_key_bundle(ROOM, sol.mxid)
    assert len([each for each in server.requests if "/media/v3/upload/" in each.path]) == 1


async def test_a_room_that_is_being_erased_gets_no_bundle(rig: Rig, server: ScriptedHomeserver) -> None:
    """Its erasure began after the sessions were read: nothing is noted, uploaded or sent that no step would delete."""
    sol = await typed(rig, server)
    await erase(rig, ROOM)
    await rig.room_client.share_key_bundle(ROOM, sol.mxid)
    assert await media.uploads_of(rig.database, ROOM) == []
    assert [each for each in server.requests if "/media/v3/upload/" in each.path] == []
