"""What forgetting asks of the homeserver, and what it reads in the answers."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from bridge.matrix.api.events import ReadReceipt
from bridge.matrix.api.http_client import Permanent, Transient
from bridge.matrix.room_client import ErasureProbe
from tests.bridge.matrix.rig import POLICY, PUPPET, Rig
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.bridge.matrix.sync_events import ROOM, record_our_room, sync_with

WORDS = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x"}


def erasure_probe(rig: Rig) -> ErasureProbe:
    return ErasureProbe(policy=rig.matrix.policy, ours=(POLICY, PUPPET))


def event(event_id: str, kind: str, content: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"event_id": event_id, "type": kind, "content": content, "origin_server_ts": 7, **more}


async def test_what_can_still_be_read_is_found(rig: Rig, server: ScriptedHomeserver) -> None:
    """Messages and reactions with content, on every page; not state, not redactions, not what is redacted."""
    pages = (
        [
            event("$words", "m.room.encrypted", WORDS),
            event("$redacted", "m.room.encrypted", {}),
            event("$redaction", "m.room.redaction", {"redacts": "$redacted"}),
            event("$name", "m.room.name", {"name": "amber heron"}, state_key=""),
            {"type": "m.room.encrypted", "content": WORDS},
        ],
        [event("$tap", "m.reaction", {"m.relates_to": {}})],
    )
    server.faults.append(web.json_response({"chunk": pages[0], "end": "2"}))
    server.faults.append(web.json_response({"chunk": pages[1]}))
    assert await erasure_probe(rig).readable(ROOM) == [("$words", 7), ("$tap", 7)]


async def test_everybody_but_us_is_removed(rig: Rig, server: ScriptedHomeserver) -> None:
    """Members, invited people and those who knock are removed; our two identities are not."""
    people = {POLICY: "join", PUPPET: "join", "@ada:x": "join", "@bea:x": "invite", "@cy:x": "knock", "@eve:x": "ban"}
    chunk = [event("$m", "m.room.member", {"membership": how}, state_key=who) for who, how in people.items()]
    server.faults.append(web.json_response({"chunk": chunk}))
    assert await erasure_probe(rig).empty(ROOM) == 3
    kicked = [request.body["user_id"] for request in server.requests if request.path.endswith("/kick")]
    assert kicked == ["@ada:x", "@bea:x", "@cy:x"]


@pytest.mark.parametrize(
    ("answer", "is_gone"),
    [
        (web.json_response({"errcode": "M_NOT_FOUND"}, status=404), True),
        (web.json_response({"errcode": "M_FORBIDDEN"}, status=403), True),
        (web.json_response(event("$e", "m.room.encrypted", {})), True),
        (web.json_response(event("$e", "m.room.encrypted", WORDS)), False),
    ],
)
async def test_whether_an_event_is_gone(rig: Rig, server: ScriptedHomeserver, answer: web.Response, is_gone: bool) -> None:
    """Not found, not allowed to look any more, or empty: gone. With words in it: there."""
    server.faults.append(answer)
    assert await erasure_probe(rig).is_event_gone(ROOM, "$e") is is_gone


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (web.Response(status=502), Transient),
        (web.json_response({"errcode": "M_UNRECOGNIZED"}, status=404), Permanent),
        (web.Response(status=404, text="<html>"), Transient),
        (web.json_response({"errcode": "M_UNKNOWN"}, status=400), Permanent),
    ],
)
async def test_what_cannot_be_looked_at_is_not_gone(
    rig: Rig, server: ScriptedHomeserver, answer: web.Response, error: type[Exception]
) -> None:
    """A proxy's page, an unknown path, a refusal or silence is never taken for gone."""
    server.faults.append(answer)
    with pytest.raises(error):
        await erasure_probe(rig).is_event_gone(ROOM, "$e")


async def test_a_receipt_in_a_matrix_thread_is_for_that_thread_only(rig: Rig, server: ScriptedHomeserver) -> None:
    """A colleague who reads side remarks there has not read the texts before them in the room: nothing is told."""
    await record_our_room(rig)
    content: dict[str, Any] = {
        "$aside": {"m.read": {"@ada:x": {"ts": 2, "thread_id": "$root"}, "@bea:x": {"ts": 2, "thread_id": "main"}}},
        "$text": {"m.read": {"@cy:x": {"ts": 1}}},
    }
    receipts = {"ephemeral": {"events": [{"type": "m.receipt", "content": content}]}}
    await sync_with(rig, server, {"rooms": {"join": {ROOM: receipts}}})
    assert rig.events == [
        ReadReceipt(room_id=ROOM, user_id="@bea:x", event_id="$aside"),
        ReadReceipt(room_id=ROOM, user_id="@cy:x", event_id="$text"),
    ]


async def test_who_has_read_what_is_told(rig: Rig, server: ScriptedHomeserver) -> None:
    """Public read receipts of others, per person the newest; not ours, not private ones; nonsense costs nothing."""
    await record_our_room(rig)
    content: dict[str, Any] = {
        "$one": {"m.read": {"@ada:x": {"ts": 1}, POLICY: {"ts": 1}}},
        "$two": {"m.read": {"@ada:x": {"ts": 2}}, "m.read.private": {"@bea:x": {"ts": 1}}},
        "$three": "nonsense",
        "$four": {"m.read": ["@cy:x"]},
    }
    events: list[Any] = [{"type": "m.receipt", "content": content}, {"type": "m.typing", "content": {}}, 7]
    server.queue_sync(
        {"rooms": {"join": {ROOM: {"ephemeral": {"events": events}}, "!strange": {"ephemeral": {"events": events}}}}}
    )
    await rig.matrix.sync.run_once()
    assert rig.events == [ReadReceipt(room_id=ROOM, user_id="@ada:x", event_id="$two")]
