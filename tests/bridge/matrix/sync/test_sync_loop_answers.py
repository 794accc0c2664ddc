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
