"""Whatever comes, the loop goes on: each malformed thing is dropped alone, and the good beside it arrives."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bridge.matrix.api.events import DecryptedMessage, UndecryptableEvent
from bridge.matrix.api.http_client import TokenRefused
from tests.bot.hypothesis_settings import EXPLORES
from tests.bridge.matrix.client_device import ClientDevice
from tests.bridge.matrix.rig import POLICY, PUPPET, Rig
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.bridge.matrix.sync_events import ROOM, bodies, know_ada, member_event, record_our_room, sync_with, timeline
from tests.e2e.polling import wait_until

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63, -(2**70), 10**400, 0, -1])
    | st.floats(allow_nan=False)
    | st.text(st.characters(), max_size=8)
    | st.sampled_from(["\ud800", "\0", "", POLICY, "m.room.encrypted", "m.room_key", "m.megolm.v1.aes-sha2", ROOM])
)
NAMES = st.text(st.characters(), max_size=6) | st.sampled_from(
    ["type", "sender", "content", "event_id", "state_key", "algorithm", "ciphertext", "session_id", "sender_key", "users"]
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)
KINDS = st.sampled_from(
    [
        "m.room.encrypted",
        "m.room.member",
        "m.room.power_levels",
        "m.room.tombstone",
        "m.room.redaction",
        "m.room_key",
        "m.dummy",
        "m.key.verification.request",
        "m.reaction",
    ]
)
EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "type": KINDS | JSON,
        "sender": st.sampled_from(["@ada:x", "@eve:x", POLICY]) | JSON,
        "event_id": st.text(max_size=5) | JSON,
        "state_key": st.sampled_from(["", "@ada:x"]) | JSON,
        "origin_server_ts": JSON,
        "content": JSON
        | st.fixed_dictionaries(
            {},
            optional={
                "algorithm": st.sampled_from(["m.megolm.v1.aes-sha2", "m.olm.v1.curve25519-aes-sha2"]) | JSON,
                "ciphertext": JSON,
                "session_id": JSON,
                "sender_key": JSON,
                "membership": st.sampled_from(["join", "leave", "else"]) | JSON,
                "users": JSON,
                "redacts": JSON,
                "from_device": JSON,
                "transaction_id": JSON,
            },
        ),
    },
)


class Stage:
    """A rig on a small homeserver with one trusted person, kept over all examples of a property."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.server = ScriptedHomeserver()
        self.ada = ClientDevice("@ada:x")

    def open(self, directory: Path) -> None:
        self.runner.run(self.server.start())
        self.rig = Rig(directory=directory, url=self.server.url, token="t")
        self.runner.run(self._open())

    async def _open(self) -> None:
        await self.rig.start(run=False)
        await record_our_room(self.rig)
        self.server.register(self.ada)
        await self.rig.matrix.devices.refresh_stale([self.ada.mxid])
        self.server.queue_sync({"to_device": {"events": [self.ada.room_key_message(self.server.ours[POLICY], ROOM)]}})
        await self.rig.matrix.sync.run_once()

    def close(self) -> None:
        self.runner.run(self._close())
        self.runner.close()

    async def _close(self) -> None:
        await self.rig.stop()
        await self.server.stop()

    async def survives(self, response: dict[str, Any]) -> list[str]:
        """Sync a response with one good event at its end, and return what was said."""
        self.rig.events.clear()
        await self.rig.database.commit(lambda transaction: transaction.execute("DELETE FROM matrix_dirty"))
        cursor = self.server.queue_sync(response)
        await self.rig.matrix.sync.run_once()
        await self.rig.matrix.device_updates.run_once()
        stored = await self.rig.database.fetchval("SELECT cursor FROM matrix_identity")
        assert stored == cursor
        return bodies(self.rig.events)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    new_stage = Stage()
    try:
        new_stage.open(tmp_path_factory.mktemp("stage"))
        yield new_stage
    finally:
        new_stage.close()


MANY = settings(max_examples=2000 if EXPLORES else 100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@MANY
@given(bad=st.lists(EVENTS | JSON, max_size=4), state=st.lists(EVENTS, max_size=2))
@example(bad=[{"type": "m.room.encrypted", "sender": "@eve:x", "event_id": "$e", "content": {"a": "\ud800"}}], state=[])
def test_malformed_events_cost_themselves_only(stage: Stage, bad: list[Any], state: list[Any]) -> None:
    """Room events of any shape around a good one: the good one is said, and the cursor moves."""
    good = stage.ada.room_message(ROOM, "good")
    response = timeline(*bad, good)
    response["rooms"]["join"][ROOM]["state"] = {"events": state}
    assert "good" in stage.runner.run(stage.survives(response))


@MANY
@given(payload_room=JSON | EVENTS, kind=KINDS)
def test_malformed_insides_of_letters(stage: Stage, payload_room: Any, kind: str) -> None:
    """Properly encrypted messages with anything inside: dropped alone, and the sender's session still works."""
    letter = stage.ada.to_device(stage.server.ours[POLICY], kind, payload_room)
    key = stage.ada.room_key_message(stage.server.ours[POLICY], ROOM)
    response = {"to_device": {"events": [letter, key]}, **timeline(stage.ada.room_message(ROOM, "good"))}
    assert stage.runner.run(stage.survives(response)) == ["good"]


@pytest.mark.parametrize(
    "changes",
    [
        {"sender": "@eve:x"},
        {"recipient": PUPPET},
        {"recipient_keys": {"ed25519": "x"}},
        {"keys": None},
        {"sender_device_keys": {"user_id": "@ada:x", "keys": {}}},
    ],
)
async def test_a_letter_that_names_others_is_dropped(rig: Rig, server: ScriptedHomeserver, changes: dict[str, Any]) -> None:
    """Sender, recipient and keys inside must be those of the message, or its room key is not taken."""
    await record_our_room(rig)
    ada = ClientDevice("@ada:x")
    content = {"algorithm": "m.megolm.v1.aes-sha2", "room_id": ROOM}
    content |= {"session_id": ada.group(ROOM).id, "session_key": ada.group(ROOM).session_key}
    good = ada.to_device(server.ours[POLICY], "m.room_key", content)
    for letter, count in ((ada.to_device(server.ours[POLICY], "m.room_key", content, **changes), 0), (good, 1)):
        await sync_with(rig, server, {"to_device": {"events": [letter]}})
        assert await rig.database.fetchval("SELECT COUNT(*) FROM matrix_inbound") == count


async def test_malformed_insides_of_events_are_told(rig: Rig, server: ScriptedHomeserver) -> None:
    """What a trusted device encrypted and we cannot use is unreadable, not lost: its sender is told."""
    ada = await know_ada(rig, server)
    key = ada.room_key_message(server.ours[POLICY], ROOM)
    insides = ["", "[]", "{", '{"room_id": "!room"}', "[" * 100_000, '{"type": "x", "room_id": "!room", "content": []}']
    insides += ['{"type": "x", "room_id": "!room", "content": {"body": "\\ud800"}}', '{"a": NaN}']
    events = []
    for n, inside in enumerate(insides):
        event = ada.room_message(ROOM, "x")
        event["content"]["ciphertext"] = ada.group(ROOM).encrypt(inside)
        events.append({**event, "event_id": f"$inside{n}"})
    await sync_with(rig, server, {"to_device": {"events": [key]}, **timeline(*events)})
    event_ids = [item.event_id for item in rig.events if isinstance(item, UndecryptableEvent)]
    assert event_ids == [event["event_id"] for event in events]
    assert not [item for item in rig.events if isinstance(item, DecryptedMessage)]


async def test_a_homeserver_in_trouble_is_waited_for(rig: Rig, server: ScriptedHomeserver) -> None:
    """Errors, limits, half answers and no cursor are waited out; the event comes, and nothing is said twice."""
    await record_our_room(rig, people=())
    ada = ClientDevice("@ada:x")
    server.register(ada)
    server.queue_sync(timeline(member_event(ada)))
    server.faults.extend(
        [
            web.Response(status=500),
            web.json_response({"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 10}, status=429),
            web.Response(text='{"next_batch": "c', content_type="application/json"),
            web.json_response({}),
            web.json_response({"errcode": "M_UNKNOWN", "error": "secret"}, status=400),
        ]
    )
    running = asyncio.create_task(rig.matrix.sync.run())
    try:
        await wait_until("the event comes", lambda: _first(rig))
    finally:
        running.cancel()
    assert len(rig.events) == 1


async def test_a_refused_token_ends_it_with_a_clear_error(rig: Rig, server: ScriptedHomeserver) -> None:
    """`M_UNKNOWN_TOKEN` is not waited out."""
    server.faults.append(web.json_response({"errcode": "M_UNKNOWN_TOKEN"}, status=401))
    with pytest.raises(TokenRefused):
        await rig.matrix.sync.run()


async def _first(rig: Rig) -> bool | None:
    return bool(rig.events) or None


@MANY
@given(bad=st.lists(EVENTS | JSON, max_size=4))
def test_malformed_letters_cost_themselves_only(stage: Stage, bad: list[Any]) -> None:
    """To-device messages of any shape before a good room event: it is said, and the cursor moves."""
    response = {"to_device": {"events": bad}, **timeline(stage.ada.room_message(ROOM, "good"))}
    assert stage.runner.run(stage.survives(response)) == ["good"]


@MANY
@given(
    whole=st.dictionaries(st.sampled_from(["rooms", "to_device", "device_lists", "device_one_time_keys_count"]), JSON),
    rooms=JSON,
)
def test_a_malformed_response_moves_the_cursor(stage: Stage, whole: dict[str, Any], rooms: Any) -> None:
    """Sections of any shape: nothing is raised, and syncing goes on behind it."""
    stage.runner.run(stage.survives({"rooms": {"join": {ROOM: rooms}}, **whole}))
    assert stage.runner.run(stage.survives(timeline(stage.ada.room_message(ROOM, "good")))) == ["good"]


async def test_cut_and_bent_letters(rig: Rig, server: ScriptedHomeserver) -> None:
    """A to-device message cut short or with changed bytes is dropped; a good one afterwards is still read."""
    await record_our_room(rig)
    ada = ClientDevice("@ada:x")
    server.register(ada)
    chance = random.Random(7)  # noqa: S311 - the same bent messages in every run
    good = json.dumps(ada.room_key_message(server.ours[POLICY], ROOM))
    body = json.loads(good)["content"]["ciphertext"][server.ours[POLICY].curve25519]["body"]
    bad = []
    for _ in range(60):
        at = chance.randrange(len(body))
        bent = chance.choice([body[:at], body[:at] + chance.choice("AZ09+/=*") + body[at + 1 :], body + body])
        bad.append(json.loads(good.replace(body, bent)))
    server.queue_sync({"to_device": {"events": [*(b for b in bad if json.dumps(b) != good), json.loads(good)]}})
    await rig.matrix.sync.run_once()
    assert await rig.database.fetchval("SELECT COUNT(*) FROM matrix_inbound") == 1
