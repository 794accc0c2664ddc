"""Lists that the homeserver does not tell, or refuses, are asked for again; a mark made meanwhile stays due."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import pytest
from aiohttp import web

from bridge.matrix.api.http_client import Permanent
from bridge.matrix.room_keys import confirmed_identities
from tests.bridge.matrix.rig import Rig
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.bridge.matrix.sync.test_homeserver_rollback import BEFORE, heard
from tests.bridge.matrix.sync_events import ROOM, bodies, sync_with, timeline


@pytest.mark.parametrize(
    "silent", [{"failures": {"x": {}}, "device_keys": {}}, {"device_keys": {}}, {}], ids=["failed", "left out", "empty"]
)
async def test_an_answer_that_says_nothing_of_a_person(
    rig: Rig, server: ScriptedHomeserver, silent: dict[str, Any]
) -> None:
    """Their list is not taken for fresh: what they say waits until one has come, and they are asked for again."""
    ada, _, _ = await heard(rig, server)
    await sync_with(rig, server, {"next_batch": BEFORE, "device_lists": {"changed": [ada.mxid]}})
    server.faults.append(web.json_response(silent))
    await rig.matrix.device_updates.run_once()
    await sync_with(rig, server, timeline(ada.room_message(ROOM, "said meanwhile")))
    await rig.matrix.device_updates.run_once()
    assert bodies(rig.events) == []
    await rig.database.commit(lambda transaction: transaction.execute("UPDATE matrix_dirty SET due_ms = 0"))
    await rig.matrix.device_updates.run_once()
    assert bodies(rig.events) == ["said meanwhile"]


@pytest.mark.parametrize(
    ("answer", "raised"),
    [({"failures": {"x": {}}, "device_keys": {}}, None), ({"errcode": "M_INVALID_PARAM"}, Permanent)],
    ids=["not told of", "refused"],
)
async def test_a_mark_that_is_made_while_a_list_is_asked_for(
    rig: Rig, server: ScriptedHomeserver, answer: dict[str, Any], raised: type[Exception] | None
) -> None:
    """Only what was asked for is put off: who was marked again meanwhile, for a new device or a `!trust`, is due now."""
    ada, _, _ = await heard(rig, server)
    devices = rig.matrix.devices
    await rig.database.commit(lambda transaction: devices.mark(transaction, [ada.mxid]))
    query = devices.query

    async def marked_meanwhile(users: Sequence[str]) -> Any:
        devices.query = query  # type: ignore[method-assign]
        try:
            return await query(users)
        finally:
            await rig.database.commit(lambda transaction: devices.mark(transaction, [ada.mxid]))

    for meanwhile in (True, False):
        devices.query = marked_meanwhile if meanwhile else query  # type: ignore[method-assign]
        server.faults.append(web.json_response(answer, status=HTTPStatus.BAD_REQUEST if raised else HTTPStatus.OK))
        with pytest.raises(raised) if raised else contextlib.nullcontext():
            await rig.matrix.device_updates.run_once()
        now = int(rig.clock.now() * 1000)
        assert bool(await confirmed_identities.due_marks(rig.database, now, 9)) is meanwhile
