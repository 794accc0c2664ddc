"""What the outbox asks for: how it fails, and that asking again changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from bot.model.actions import Speaker
from bridge.matrix.api.events import PowerLevels
from bridge.matrix.api.http_client import Permanent, TokenRefused, Transient
from bridge.matrix.rooms.room_state import TOPIC, create_room_body, levels_of, members_of, set_membership
from tests.bridge.matrix.client_device import ClientDevice
from tests.bridge.matrix.rig import POLICY, PUPPET, Rig
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.bridge.matrix.sync_events import ROOM, record_our_room, sync_with, timeline

SECRET = "words that are nobody's business"
HELLO = "Please say hello when you are in"
"""What an invitation asked for once, and what a phone got."""


@pytest.mark.parametrize(
    ("answer", "kind", "after"),
    [
        (web.json_response({"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 1500}, status=429), Transient, 1.5),
        (web.json_response({"errcode": "M_LIMIT_EXCEEDED"}, status=429, headers={"Retry-After": "7"}), Transient, 7.0),
        (web.json_response({"retry_after_ms": 10**9}, status=429), Transient, 60.0),
        (web.Response(status=502, text="<html>"), Transient, 0.0),
        (web.Response(status=200, text="<html>"), Transient, 0.0),
        (web.json_response([], status=200), Transient, 0.0),
        (web.json_response({"event_id": 7}), Transient, 0.0),
        (web.json_response({"errcode": "M_FORBIDDEN", "error": SECRET}, status=403), Permanent, None),
        (web.json_response({"errcode": SECRET}, status=400), Transient, 0.0),
        (web.Response(status=404, text="<html>"), Transient, 0.0),
        (web.Response(status=403, text="<html>", headers={"Retry-After": "7"}), Transient, 7.0),
        (web.Response(status=413, text="<html>"), Permanent, None),
        (web.json_response({"errcode": "M_TOO_LARGE"}, status=413), Permanent, None),
        (web.json_response({"errcode": "M_UNKNOWN_TOKEN"}, status=401), TokenRefused, None),
    ],
)
async def test_how_requests_fail(
    rig: Rig, server: ScriptedHomeserver, answer: web.Response, kind: type[Transient | Permanent], after: float | None
) -> None:
    """Worth another try or not, with the wait asked for, bounded; and nothing of the answer in the error's text."""
    await record_our_room(rig)
    server.faults.append(answer)
    with pytest.raises(kind) as failed:
        await rig.room_client.react(ROOM, "$x", "✅", "t1")
    assert after is None or (isinstance(failed.value, Transient) and failed.value.retry_after == after)
    assert SECRET not in str(failed.value)
    assert SECRET not in failed.value.errcode


async def test_an_event_that_the_homeserver_has_not(rig: Rig, server: ScriptedHomeserver) -> None:
    """It is not there, and redacting it is done; any other refusal is none of that."""
    await record_our_room(rig)
    assert await rig.room_client.has_event(ROOM, "$x")
    for _ in range(2):
        server.faults.append(web.json_response({"errcode": "M_NOT_FOUND"}, status=404))
    assert not await rig.room_client.has_event(ROOM, "$x")
    await rig.room_client.redact(ROOM, "$x", "t1")
    for ask in (rig.room_client.has_event(ROOM, "$x"), rig.room_client.redact(ROOM, "$x", "t1")):
        server.faults.append(web.json_response({"errcode": "M_FORBIDDEN"}, status=403))
        with pytest.raises(Permanent):
            await ask


async def test_each_redaction_has_a_transaction_id_of_its_own(rig: Rig, server: ScriptedHomeserver) -> None:
    """Synapse takes a known one for that redaction again, and leaves another event as it is; a repetition has the same."""
    await record_our_room(rig)
    for event_id in ("$x", "$y", "$x"):
        await rig.room_client.redact(ROOM, event_id, "t1")
    first, other, again = (a.path for a in server.requests if "/redact/" in a.path)
    assert first == again
    assert first.rpartition("/")[2] != other.rpartition("/")[2]


async def test_a_room_is_noted_with_who_is_in_it(rig: Rig, server: ScriptedHomeserver) -> None:
    """Desk and threads have both of ours, an office the policy bot; a thread has a key of its own to seal with."""
    for number, kind in enumerate(("desk", "office", "thread")):
        server.faults.append(web.json_response({"room_id": f"!{number}"}))
        await rig.room_client.create_room(kind, "amber heron", owner="o", supervisors=["@sol:x"])  # type: ignore[arg-type]
        await rig.room_client.prepare_sessions(f"!{number}")
    assert [set(await members_of(rig.database, f"!{number}")) for number in range(3)] == [
        {POLICY, PUPPET},
        {POLICY},
        {POLICY, PUPPET},
    ]
    assert [await levels_of(rig.database, f"!{number}") for number in range(3)] == [{"@sol:x": 50}, {}, {}]
    assert {owner for owner in await rig.vault.owners() if owner.startswith("room:")} == {"room:!2"}
    named = [a for a in server.requests if a.path.endswith(f"/state/m.room.member/{PUPPET}")]
    assert [(a.query["user_id"], a.body["displayname"]) for a in named] == [(PUPPET, "amber heron")]


@pytest.mark.parametrize("kind", ["desk", "office", "thread"])
def test_what_a_room_looks_like(kind: str) -> None:
    """Encrypted and closed from the first event; the creator is not named; nobody but it may undo that."""
    body = create_room_body(kind, "amber heron", invite=[PUPPET], supervisors=["@sol:x"])  # type: ignore[arg-type]
    state = {event["type"]: event["content"] for event in body["initial_state"]}
    assert state["m.room.encryption"] == {"algorithm": "m.megolm.v1.aes-sha2"}
    assert state["m.room.history_visibility"] == {"history_visibility": "shared"}
    assert state["m.room.guest_access"] == {"guest_access": "forbidden"}
    assert body["creation_content"] == {"m.federate": False, "quietline.kind": kind}
    assert body["topic"] == TOPIC, "one for every room, without data"
    levels = body["power_level_content_override"]
    assert levels["state_default"] == 100, "nor may a supervisor change the topic or the name"
    assert not {"m.room.topic", "m.room.name"} & set(levels["events"])
    assert levels["users"] == ({"@sol:x": 50} if kind == "desk" else {})
    for name in ("encryption", "history_visibility", "join_rules", "tombstone", "server_acl", "guest_access"):
        assert levels["events"][f"m.room.{name}"] == 100
    assert levels["invite"] == levels["kick"] == levels["events"]["m.room.power_levels"] == (50 if kind == "desk" else 100)
    assert levels["events"]["m.room.encrypted"] == levels["events"]["m.reaction"] == levels["users_default"] == 0


async def test_already_is_success(rig: Rig, server: ScriptedHomeserver) -> None:
    """Inviting a person who is there and removing a person who is not ask for nothing more."""
    await record_our_room(rig)
    sol = ClientDevice("@sol:x")
    server.register(sol)
    server.membership = "join"
    await rig.room_client.invite(ROOM, sol.mxid)
    server.membership = "leave"
    await rig.room_client.remove(ROOM, sol.mxid)
    assert not [a for a in server.requests if a.path.endswith(("/invite", "/kick"))]


@pytest.mark.parametrize(
    ("before", "steps"),
    [
        ("leave", ["invite", "join", "state"]),
        ("ban", ["unban", "invite", "join", "state"]),
        ("invite", ["join", "state"]),
        ("join", ["state"]),
    ],
)
async def test_the_texter_puppet_is_brought_back(
    rig: Rig, server: ScriptedHomeserver, before: str, steps: list[str]
) -> None:
    """The policy bot invites, the puppet joins, under its name in a thread; done again it does what is still missing."""
    await record_our_room(rig)
    assert await rig.room_client.rooms_without_puppet() == []
    await rig.database.commit(lambda transaction: set_membership(transaction, ROOM, PUPPET, before))
    assert await rig.room_client.rooms_without_puppet() == ([] if before == "join" else [ROOM])
    server.membership = before
    request_count = len(server.requests)
    await rig.room_client.readd_puppet(ROOM, "amber heron")
    done = [a for a in server.requests[request_count:] if a.method != "GET"]
    assert [next(step for step in ("unban", "invite", "join", "state") if f"/{step}" in a.path) for a in done] == steps
    assert [a.query["user_id"] for a in done] == [PUPPET if "join" in a.path or "state" in a.path else POLICY for a in done]
    assert done[-1].body == {"membership": "join", "displayname": "amber heron"}
    await rig.room_client.readd_puppet(ROOM, "")
    assert server.requests[-1].path.endswith("/state/m.room.member/" + PUPPET) is (before == "join")


async def test_what_a_homeserver_that_was_put_back_has_again_is_erased(rig: Rig, server: ScriptedHomeserver) -> None:
    """Rooms that we made for conversations and offices are; a desk, others' rooms and those we cannot look at are left."""
    await record_our_room(rig)
    rooms = {
        "!thread": (POLICY, "thread"),
        "!office": (POLICY, "office"),
        "!desk": (POLICY, "desk"),
        "!theirs": ("@eve:x", "thread"),
        "!plain": (POLICY, None),
    }
    server.created = {
        room_id: {"sender": sender, "content": {} if kind is None else {"quietline.kind": kind}}
        for room_id, (sender, kind) in rooms.items()
    }
    server.joined = [ROOM, *rooms, "!closed"]
    erased: list[str] = []

    async def erase(room_id: str) -> None:
        erased.append(room_id)

    await rig.room_client.leave_unknown_rooms(await rig.room_client.unknown_rooms(), erase)
    assert erased == ["!office", "!thread"]
    left_rooms = {a.path.split("/rooms/")[1].split("/")[0] for a in server.requests if a.path.endswith("/leave")}
    assert left_rooms == {"!desk", "!theirs", "!plain", "!closed"}


@pytest.mark.parametrize("by", ["mark", "transaction id"])
async def test_an_event_is_found_by_its_transaction(rig: Rig, server: ScriptedHomeserver, by: str) -> None:
    """Only the speaker's own event of this transaction, and None when it is not there.

    By the mark in it, which the homeserver shows every device of ours; one that was redacted by the transaction id.
    """
    await record_our_room(rig)
    await rig.room_client.send(ROOM, Speaker.TEXTER, "t1", "m.room.message", {"body": "x"})
    content = server.requests[-1].body
    event = {"content": content} if by == "mark" else {"content": {}, "unsigned": {"transaction_id": "t1"}}
    server.messages[ROOM] = {
        "chunk": [{"event_id": "$other", "sender": POLICY, **event}, {"event_id": "$mine", "sender": PUPPET, **event}]
    }
    assert "t1" not in content.values(), "the mark tells nobody how many rows there were before"
    assert await rig.room_client.find(ROOM, Speaker.TEXTER, "t1") == "$mine"
    assert await rig.room_client.find(ROOM, Speaker.TEXTER, "t2") is None


MADE = {
    **create_room_body("desk", "desk", invite=[], supervisors=["@sol:x"])["power_level_content_override"],
    "historical": 100,
}


@pytest.mark.parametrize(
    ("levels", "wrong"),
    [
        (MADE, False),
        ({**MADE, "users": {"@sol:x": 50, "@ada:x": 50, "@bea:x": 25}}, False),
        ({**MADE, "users": {}}, False),
        ({**MADE, "events": {**MADE["events"], "m.room.encrypted": 50}}, True),
        ({**MADE, "events": {**MADE["events"], "m.room.name": 0}}, True),
        ({**MADE, "users_default": 50}, True),
        ({**MADE, "kick": 0}, True),
        ({**MADE, "invite": "50"}, True),
        ({**MADE, "users": {"@ada:x": -1, "@sol:x": 50}}, True),
        ({"users": {"@sol:x": 50}}, True),
        ({}, True),
    ],
    ids=range(11),
)
async def test_levels_that_were_bent_are_put_back(
    rig: Rig, server: ScriptedHomeserver, levels: dict[str, Any], wrong: bool
) -> None:
    """What silences people or gives everybody a supervisor's power is told and put back; roles are left as they are."""
    await record_our_room(rig, kind="desk")
    event = {"event_id": "$l", "sender": "@sol:x", "type": "m.room.power_levels", "state_key": "", "content": levels}
    await sync_with(rig, server, timeline(event))
    assert [item.tampered for item in rig.events if isinstance(item, PowerLevels)] == [wrong]
    server.faults.append(web.json_response(levels))
    await rig.room_client.restore_power_levels(ROOM)
    written = [a.body for a in server.requests if a.method == "PUT" and a.path.endswith("/state/m.room.power_levels/")]
    supervisors = [user for user, level in levels.get("users", {}).items() if level == 50]
    put_back = create_room_body("desk", "", invite=[], supervisors=supervisors)["power_level_content_override"]
    assert written == ([put_back] if wrong else [])
