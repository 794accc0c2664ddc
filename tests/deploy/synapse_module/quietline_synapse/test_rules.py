"""What line rooms never hold, and who is let through the module's door: a real Synapse, and people who mean no good."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from bridge.matrix.rooms.room_state import RoomKind
from deploy.stack.provision import mxid
from tests.deploy.module_homeserver import (
    CLIENT,
    ENCRYPTED,
    MODULE_PATH,
    POLICY,
    PUPPET,
    ModuleHomeserver,
    module_homeserver,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def line(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ModuleHomeserver]:
    async with module_homeserver(tmp_path_factory.mktemp("rules")) as shared_line:
        yield shared_line


CLEAR = {"msgtype": "m.text", "body": "in the clear"}
REACTION = {"rel_type": "m.annotation", "event_id": "$x"}


@pytest.mark.parametrize("kind", ["desk", "office", "thread"])
@pytest.mark.practice(6)
async def test_nothing_in_the_clear(line: ModuleHomeserver, kind: RoomKind) -> None:
    """Nobody, our own identities included, gets unencrypted words into a line room; encrypted ones come in."""
    room_id = line.desk if kind == "desk" else await line.room(kind, "ada")
    for user in ("ada", POLICY, PUPPET):
        for type_ in ("m.room.message", "m.sticker", "m.call.invite", "org.example.note"):
            status, answer = await line.send(user, room_id, type_, CLEAR)
            assert (status, answer["errcode"]) == (403, "M_FORBIDDEN"), (user, type_)
        assert (await line.send(user, room_id, "m.room.encrypted", ENCRYPTED))[0] == 200


@pytest.mark.parametrize(
    "content",
    [
        {"algorithm": "m.none", "ciphertext": "in the clear"},
        {"algorithm": "m.megolm.v1.aes-sha2", "body": "in the clear"},
        {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": {"body": "in the clear"}},
        {**ENCRYPTED, "body": "in the clear"},
        {**ENCRYPTED, "m.new_content": {"body": "in the clear"}},
        {"body": "in the clear"},
        {},
    ],
)
@pytest.mark.practice(6)
async def test_what_only_calls_itself_encrypted(line: ModuleHomeserver, content: dict[str, Any]) -> None:
    """An `m.room.encrypted` that is not Megolm ciphertext is refused."""
    assert (await line.send("ada", line.desk, "m.room.encrypted", content))[0] == 403


@pytest.mark.parametrize(
    ("key", "status"),
    [
        ("✋", 200),
        ("👩‍👩‍👧‍👦", 200),
        ("1️⃣", 200),
        ("🏴󠁧󠁢󠁥󠁮󠁧󠁿", 200),
        ("call me", 403),
        ("да", 403),
        ("5550100555010055501", 403),
        ("", 403),
    ],
)
async def test_a_reaction_is_a_sign_and_not_a_text(line: ModuleHomeserver, key: str, status: int) -> None:
    """Reactions are not encrypted: signs pass, words do not."""
    event_id = await line.said("ada", line.desk)
    content = {"m.relates_to": {**REACTION, "event_id": event_id, "key": key}}
    assert (await line.send("ada", line.desk, "m.reaction", content))[0] == status


async def test_our_receipts_pass(line: ModuleHomeserver) -> None:
    """The policy bot's receipts have words in them, which are always the same few."""
    event_id = await line.said("ada", line.desk)
    content = {"m.relates_to": {**REACTION, "event_id": event_id, "key": "✓✓ delivered"}}
    assert (await line.send(POLICY, line.desk, "m.reaction", content))[0] == 200


async def test_a_redaction_loses_its_reason(line: ModuleHomeserver) -> None:
    """What a person gives as the reason of a removal is not encrypted: the removal takes place, the words are not kept."""
    event_id = await line.said("ada", line.desk)
    path = f"rooms/{line.desk}/redact/{event_id}/once"
    answers = [await line.request_as("ada", "PUT", path, {"reason": "she said reasonCANARY"}) for _ in range(2)]
    assert [status for status, _ in answers] == [200, 200]
    assert answers[0] == answers[1]
    _, redacted = await line.request_as("ada", "GET", f"rooms/{line.desk}/event/{event_id}")
    assert redacted["content"] == {}
    _, redaction = await line.request_as("ada", "GET", f"rooms/{line.desk}/event/{answers[0][1]['event_id']}")
    assert redaction["content"] == {"redacts": event_id}
    assert line.holding("reasonCANARY") == {}


async def test_a_membership_loses_its_reason(line: ModuleHomeserver) -> None:
    """Who goes, removes, invites, declines gives a reason in the clear, which nothing would ever redact: it is not kept."""
    thread = await line.room("thread", "ada")
    why = {"reason": "she said reasonCANARY"}
    ada = mxid("ada")
    acts = [
        ("sol", f"rooms/{line.desk}/invite", {"user_id": mxid("bea"), **why}),
        ("bea", f"rooms/{line.desk}/leave", why),
        ("sol", f"rooms/{line.desk}/invite", {"user_id": mxid("bea"), **why}),
        ("bea", f"join/{line.desk}", why),
        ("sol", f"rooms/{line.desk}/kick", {"user_id": mxid("bea"), **why}),
        ("sol", f"rooms/{line.desk}/ban", {"user_id": mxid("bea"), **why}),
        ("sol", f"rooms/{line.desk}/unban", {"user_id": mxid("bea"), **why}),
    ]
    for user, path, body in acts:
        assert (await line.request_as(user, "POST", path, body))[0] == 200, path
    profile = {"membership": "join", "displayname": "Ada", **why}
    assert (await line.request_as("ada", "PUT", f"rooms/{thread}/state/m.room.member/{ada}", profile))[0] == 200
    _, shown = await line.request_as(POLICY, "GET", f"rooms/{thread}/state/m.room.member/{ada}")
    assert shown == {"membership": "join", "displayname": "Ada"}
    assert (await line.request_as("ada", "POST", f"rooms/{thread}/leave", why))[0] == 200
    assert line.holding("reasonCANARY") == {}


async def test_our_invitations_keep_their_sentence(line: ModuleHomeserver) -> None:
    """What the policy bot says to whom it invites is what they read before they are in."""
    thread = await line.room("thread")
    body = {"user_id": mxid("bea"), "reason": "Somebody waits."}
    assert (await line.request_as(POLICY, "POST", f"rooms/{thread}/invite", body))[0] == 200
    _, shown = await line.request_as(POLICY, "GET", f"rooms/{thread}/state/m.room.member/{mxid('bea')}")
    assert (shown["membership"], shown["reason"]) == ("invite", "Somebody waits.")
    assert (await line.request_as("bea", "POST", f"rooms/{thread}/leave"))[0] == 200


@pytest.mark.practice(6)
async def test_no_outsiders(line: ModuleHomeserver) -> None:
    """Only the policy bot invites, and only people of this homeserver; at the desk supervisors may, elsewhere nobody."""
    thread = await line.room("thread", "ada", "sol")

    async def invite(user: str, room_id: str, whom: dict[str, str]) -> int:
        return (await line.request_as(user, "POST", f"rooms/{room_id}/invite", whom))[0]

    email = {"id_server": "is.example", "id_access_token": "x", "medium": "email", "address": "x@y.example"}
    for user in (POLICY, "sol"):
        for room_id in (thread, line.desk):
            assert await invite(user, room_id, {"user_id": "@mallory:elsewhere.example"}) == 403
            assert await invite(user, room_id, email) == 403
    for user in ("ada", "sol"):
        assert await invite(user, thread, {"user_id": mxid("bea")}) == 403
    assert await invite("ada", line.desk, {"user_id": mxid("bea")}) == 403
    assert await invite("sol", line.desk, {"user_id": mxid("bea")}) == 200
    assert await invite(POLICY, thread, {"user_id": mxid("bea")}) == 200
    assert (await line.request_as("bea", "POST", f"rooms/{thread}/leave"))[0] == 200
    assert (await line.request_as("bea", "POST", f"rooms/{line.desk}/leave"))[0] == 200


async def test_other_rooms_are_none_of_its_business(line: ModuleHomeserver) -> None:
    """A room that staff made themselves takes clear words, reactions with letters and invitations as ever."""
    _, room = await line.request_as("bea", "POST", "createRoom", {})
    room_id = room["room_id"]
    assert (await line.send("bea", room_id, "m.room.message", CLEAR))[0] == 200
    invited = {"user_id": mxid("ada"), "reason": "lunch"}
    assert (await line.request_as("bea", "POST", f"rooms/{room_id}/invite", invited))[0] == 200
    _, shown = await line.request_as("bea", "GET", f"rooms/{room_id}/state/m.room.member/{mxid('ada')}")
    assert shown["reason"] == "lunch"


async def test_uploads_are_small(line: ModuleHomeserver) -> None:
    """Who is in a line room uploads 64 KiB at most and is told so; our identities and people elsewhere are free."""
    big, small = b"x" * 65_537, b"x" * 65_536
    status, answer = await line.upload("ada", big)
    assert (status, answer["errcode"]) == (413, "M_TOO_LARGE")
    assert (await line.upload("ada", small))[0] == 200
    for user in (PUPPET, POLICY, "bea"):
        assert (await line.upload(user, big))[0] == 200
    media = "/_matrix/client/v1/media/config"
    assert (await line.server.ask("GET", media, line.tokens["ada"]))[1] == {"m.upload.size": 65_536}
    assert (await line.server.ask("GET", media, line.tokens["bea"]))[1]["m.upload.size"] > 65_536


CALLS = [
    ("GET", "health"),
    ("POST", "vacuum"),
    ("GET", "rooms/!x"),
    ("POST", "rooms/!x/purge"),
    ("POST", "rooms/!x/censor"),
    ("GET", "media/quietline.localhost/abcdefghijkl"),
    ("DELETE", "media/quietline.localhost/abcdefghijkl"),
    ("DELETE", "users/@sol:quietline.localhost/devices"),
    ("GET", "nothing"),
]


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_nobody_without_the_token(line: ModuleHomeserver, method: str, path: str) -> None:
    """No token, a wrong one, one of a member of staff, a beginning of ours, or ours in the address: 401 and no more."""
    assert (await line.call_module(method, path, ""))[1]["errcode"] == "M_MISSING_TOKEN"
    for token in ("wrong", line.tokens["sol"], line.as_token[:-1], line.as_token + "x", "Bearer " + line.as_token):
        status, answer = await line.call_module(method, path, token)
        assert (status, answer["errcode"]) == (401, "M_UNKNOWN_TOKEN")
    status, answer = await line.server.ask(method, f"{MODULE_PATH}/{path}?access_token={line.as_token}")
    assert (status, answer["errcode"]) == (401, "M_MISSING_TOKEN")
    assert (await line.request_as("sol", "GET", "account/whoami"))[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "errcode"),
    [
        ("GET", "", 404, "M_UNRECOGNIZED"),
        ("GET", "rooms", 404, "M_UNRECOGNIZED"),
        ("GET", "rooms/!x/purge", 404, "M_UNRECOGNIZED"),
        ("POST", "rooms/!x/purge/again", 404, "M_UNRECOGNIZED"),
        ("POST", "health", 404, "M_UNRECOGNIZED"),
        ("POST", "vacuum/", 404, "M_UNRECOGNIZED"),
        ("PUT", "rooms/!x/purge", 404, "M_UNRECOGNIZED"),
        ("GET", "rooms/%ff", 404, "M_UNRECOGNIZED"),
        ("GET", "media/quietline.localhost/..%2f..%2f..%2fhomeserver.db", 400, "M_INVALID_PARAM"),
        ("DELETE", "media/quietline.localhost/..%2f..%2fregistration.yaml", 400, "M_INVALID_PARAM"),
        ("DELETE", "media/quietline.localhost/abcd", 400, "M_INVALID_PARAM"),
        ("DELETE", "media/quietline.localhost/" + "a" * 300, 400, "M_INVALID_PARAM"),
        ("DELETE", "media/elsewhere.example/abcdefghijkl", 403, "QUIETLINE_NOT_OURS"),
        ("DELETE", "users/%40sol%3Aquietline.localhost'%20OR%201=1/devices", 403, "QUIETLINE_NOT_AT_DESK"),
        ("DELETE", "users//devices", 403, "QUIETLINE_NOT_AT_DESK"),
        ("DELETE", "users/%00/devices", 403, "QUIETLINE_NOT_OURS"),
        ("POST", "rooms/!x'%3B%20DROP%20TABLE%20rooms--/purge", 200, ""),
        ("POST", "rooms/%25/purge", 200, ""),
        ("GET", "rooms/" + "!" * 2000, 200, ""),
    ],
)
async def test_hostile_paths(line: ModuleHomeserver, method: str, path: str, status: int, errcode: str) -> None:
    """With the right token still only what is ours: no way out of the media folder, no SQL, no server error."""
    code, answer = await line.server.ask(method, f"{MODULE_PATH}/{path}", line.as_token)
    assert (code, answer.get("errcode", "")) == (status, errcode)
    if status == 200:
        assert answer["state"] == "gone"
    assert (await line.server.ask("GET", f"{CLIENT}/account/whoami", line.tokens["sol"]))[0] == 200
