"""Two lines on one real Synapse: each does what is its own, and nothing to the other.

`first` is the line that runs the homeserver, with ada and sol at its desk; `south` has bea and sol at its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from urllib.parse import quote

import pytest
import pytest_asyncio

from bridge.matrix.api.module_api import ModuleRequestRejected, RoomState
from deploy.stack.provision import mxid
from tests.deploy.module_homeserver import CLIENT, ENCRYPTED, ModuleHomeserver, two_lines

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLEAR = {"msgtype": "m.text", "body": "in the clear"}

Lines = tuple[ModuleHomeserver, ModuleHomeserver]
Request = tuple[str, str, str, object]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lines(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lines]:
    async with two_lines(tmp_path_factory.mktemp("lines")) as both:
        yield both


def both_ways(lines: Lines) -> Iterator[Lines]:
    """Give (a line, the other line), each way round."""
    yield lines
    yield lines[1], lines[0]


async def settled(line: ModuleHomeserver) -> int:
    """Return the count of a line's changes when none is left to be counted."""
    await line.said(line.policy, line.desk)
    known = await line.module_client.wait_for_change(0)
    return await line.module_client.wait_for_change(known)


async def test_a_line_syncs_for_its_own_people_alone(lines: Lines) -> None:
    """Not for another room, the other line, or somebody's typing; the answer comes when `/sync` has the event."""
    for line, other in both_ways(lines):
        known = await settled(line)
        _, lunch = await line.request_as("sol", "POST", "createRoom", {"name": "lunch"})
        assert (await line.send("sol", lunch["room_id"], "m.room.encrypted", ENCRYPTED))[0] == 200
        await other.said("sol", other.desk)
        path, typing = f"rooms/{line.desk}/typing/{quote(mxid('sol'))}", {"typing": True, "timeout": 1000}
        assert (await line.request_as("sol", "PUT", path, typing))[0] == 200
        _, before = await line.request_as(line.policy, "GET", "sync?timeout=0")
        waiting = asyncio.create_task(line.module_client.wait_for_change(known))
        said = await line.said("sol", line.desk)
        assert await waiting == known + 1
        _, news = await line.request_as(line.policy, "GET", f"sync?timeout=0&since={before['next_batch']}")
        assert said in {event["event_id"] for event in news["rooms"]["join"][line.desk]["timeline"]["events"]}


async def test_a_line_looks_at_censors_and_purges_its_own_rooms_alone(lines: Lines) -> None:
    """The other's thread is refused and stays as it is; its own goes, and the other's is there afterwards."""
    for line, other in both_ways(lines):
        own, theirs = await line.room("thread", "sol"), await other.room("thread", "sol")
        for call in (line.module_client.room, line.module_client.censor, line.module_client.purge):
            with pytest.raises(ModuleRequestRejected, match="QUIETLINE_NOT_OURS"):
                await call(theirs)
            with pytest.raises(ModuleRequestRejected, match="QUIETLINE_NOT_OURS"):
                await call(other.desk)
        before = await other.module_client.room(theirs)
        await line.purged(own)
        assert await other.module_client.room(theirs) == before
        assert before.state is RoomState.PRESENT
        await other.said(other.puppet, theirs)


async def test_a_token_is_no_identity_of_the_other_line(lines: Lines) -> None:
    """Neither as its bot nor as its puppet nor as its sender does a line's token read, write, invite or register."""
    for line, other in both_ways(lines):
        room = await other.room("thread", "sol")
        assert await line.module_client.is_claimed(line.policy)
        assert await line.module_client.is_claimed(line.puppet)
        for who in (other.policy, other.puppet):
            assert not await line.module_client.is_claimed(who)
            for method, path, body in (
                ("GET", "joined_rooms", None),
                ("GET", f"rooms/{room}/messages?dir=b", None),
                ("POST", f"rooms/{room}/invite", {"user_id": mxid("ada")}),
                ("PUT", f"rooms/{room}/send/m.room.encrypted/x", ENCRYPTED),
                ("PUT", "devices/STOLEN", {}),
            ):
                status, answer = await line.request_as(who, method, path, body)
                assert (status, answer["errcode"]) == (403, "M_FORBIDDEN"), (who, path)
            localpart = who[1:].partition(":")[0]
            registration = {"type": "m.login.application_service", "username": localpart, "inhibit_login": True}
            status, answer = await line.server.ask("POST", f"{CLIENT}/register", line.as_token, registration)
            assert (status, answer["errcode"]) == (400, "M_EXCLUSIVE")
        status, answer = await line.request_as(line.policy, "GET", f"rooms/{room}/messages?dir=b")
        assert (status, answer["errcode"]) == (403, "M_FORBIDDEN")


async def test_a_line_reaches_the_people_and_uploads_of_its_own_desk_alone(lines: Lines) -> None:
    """Who sits at the other desk only is neither counted nor signed out, and what they or its puppet uploaded stays.

    A supervisor at both desks is reached by both, and signed out of both.
    """
    for (line, other), stranger in zip(both_ways(lines), ("bea", "ada"), strict=True):
        for who in (mxid(stranger), other.policy, other.puppet):
            with pytest.raises(ModuleRequestRejected, match="QUIETLINE_NOT_AT_DESK"):
                await line.module_client.sign_out(who)
            status, answer = await line.call_module("GET", f"users/{quote(who)}/devices")
            assert (status, answer["errcode"]) == (403, "QUIETLINE_NOT_AT_DESK")
        for uploader in (stranger, other.puppet):
            _, upload = await other.upload(uploader, b"bundle")
            place = upload["content_uri"].removeprefix("mxc://")
            assert (await line.call_module("DELETE", f"media/{place}"))[1]["errcode"] == "QUIETLINE_NOT_OURS"
            assert await other.call_module("DELETE", f"media/{place}") == (200, {"exists": False})
        assert (await line.call_module("GET", f"users/{quote(mxid('sol'))}/devices"))[0] == 200
