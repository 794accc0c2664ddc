"""Answers of a homeserver that no table can hold, or of another type: none ends the loop, or the work beside it.

Events of that kind are in `test_sync_loop_hostile`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from bridge.matrix.api.http_client import Transient
from bridge.matrix.olm import identity_table
from bridge.matrix.sync import sync_loop
from tests.bridge.matrix.client_device import ClientDevice
from tests.bridge.matrix.rig import POLICY, Rig
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.bridge.matrix.sync.test_homeserver_rollback import heard
from tests.bridge.matrix.sync_events import ROOM, bodies, hear_ada, record_our_room, timeline

NO_UTF8: Final = "\ud800"
ODD: Final = (NO_UTF8, "a\0b")
"""SQLite can hold the second, PostgreSQL neither."""


async def test_an_answer_that_takes_long_comes_in_the_end(
    server: ScriptedHomeserver, new_rig: Callable[[str], Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many rooms, after a rollback: Synapse begins again when a request is broken off, so the next waits longer."""
    monkeypatch.setattr(sync_loop, "ANSWER_WAITS", (0.05, 10.0))
    rig = new_rig("many rooms")
    await rig.start(run=False)
    server.sync_seconds = 0.3
    broken_off = 0
    while await identity_table.cursor(rig.database, POLICY) == "" and broken_off < 12:
        try:
            await rig.matrix.sync.run_once()
        except Transient:
            broken_off += 1
    assert 0 < broken_off < 12


@pytest.mark.parametrize("odd", ODD)
async def test_a_room_that_no_table_can_name(rig: Rig, server: ScriptedHomeserver, odd: str) -> None:
    """With a gap in its timeline: it is passed over, the others are read, and the cursor moves."""
    ada = await hear_ada(rig, server)
    rooms = timeline(ada.room_message(ROOM, "good"))["rooms"]["join"]
    gap = {"timeline": {"events": [{"type": "x"}], "limited": True, "prev_batch": "p"}}
    last = server.queue_sync({"rooms": {"join": {odd: gap, **rooms}}})
    await rig.matrix.sync.run_once()
    assert bodies(rig.events) == ["good"]
    assert await identity_table.cursor(rig.database, POLICY) == last


@pytest.mark.parametrize("odd", ODD)
async def test_a_cursor_that_no_table_can_hold(rig: Rig, server: ScriptedHomeserver, odd: str) -> None:
    """It counts as none: nothing of that response is taken, and it is asked for again."""
    ada = await hear_ada(rig, server)
    said = ada.room_message(ROOM, "good")
    server.queue_sync({"next_batch": odd, **timeline(said)})
    server.queue_sync(timeline(said))
    with pytest.raises(Transient):
        await rig.matrix.sync.run_once()
    assert bodies(rig.events) == []
    await rig.matrix.sync.run_once()
    assert bodies(rig.events) == ["good"]


class OddIdentity(ClientDevice):
    """A person whose identity has such a key."""

    odd = NO_UTF8

    def keys_query_response(self) -> dict[str, Any]:
        """Return what `/keys/query` says of them."""
        key = {"user_id": self.mxid, "usage": ["master"], "keys": {f"ed25519:{self.odd}": self.odd}}
        return {**super().keys_query_response(), "master_keys": {self.mxid: key}}


@pytest.mark.parametrize("odd", ODD)
async def test_an_identity_that_no_table_can_hold(rig: Rig, server: ScriptedHomeserver, odd: str) -> None:
    """That person has none; the list of a colleague in the same answer is taken."""
    eve, bob = OddIdentity("@eve:x"), ClientDevice("@bob:x")
    eve.odd = odd
    await record_our_room(rig, people=(eve.mxid, bob.mxid))
    server.register(eve, bob)
    await rig.database.commit(rig.matrix.devices.mark_all_dirty)
    await rig.matrix.device_updates.run_once()
    assert [len(await rig.matrix.devices.trusted_devices(who.mxid)) for who in (eve, bob)] == [0, 1]


@pytest.mark.parametrize("membership", [[], {}, 7])
async def test_a_membership_of_another_type_after_a_rollback(
    rig: Rig, server: ScriptedHomeserver, membership: object
) -> None:
    """It is nobody's, and the words beside it are heard."""
    ada, one, _ = await heard(rig, server)
    server.position = "s60_7_0_3"
    state = {"type": "m.room.member", "state_key": "@eve:x", "content": {"membership": membership}, "origin_server_ts": 1}
    response = timeline(one, ada.room_message(ROOM, "new"))
    response["rooms"]["join"][ROOM]["state_after"] = {"events": [state]}
    server.queue_sync({"next_batch": "s60_7_0_3", **response})
    await rig.matrix.sync._check_for_rollback()
    await rig.matrix.sync.run_once()
    await rig.matrix.device_updates.run_once()
    assert bodies(rig.events) == ["new"]
