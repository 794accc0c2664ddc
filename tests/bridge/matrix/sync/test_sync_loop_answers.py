"""Answers of a homeserver that no table can hold, or of another type: none ends the loop, or the work beside it.

Events of that kind are in `test_sync_loop_hostile`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from bridge.matrix.api.http_client import Transient
from bridge.matrix.olm import identity_table
from bridge.matrix.sync import sync_loop
from tests.bridge.matrix.rig import POLICY, Rig
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.bridge.matrix.sync_events import ROOM, bodies, hear_ada, timeline

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
