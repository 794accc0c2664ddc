"""Lists that the homeserver does not tell, or refuses, are asked for again; a mark made meanwhile stays due."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import pytest
from aiohttp import web

from bridge.matrix.api.http_client import Permanent
from bridge.matrix.olm.cross_signing import DeviceAnswer
from bridge.matrix.room_keys import dirty_table
from bridge.matrix.sync.device_updates import MAX_SLEEP
from tests.bridge.matrix.rig import Rig
from tests.bridge.matrix.room_keys.test_outbound_sessions import encrypt, with_ada
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.bridge.matrix.sync.test_homeserver_rollback import BEFORE, heard
from tests.bridge.matrix.sync_events import ROOM, bodies, timeline


@pytest.mark.parametrize(
    "silent", [{"failures": {"x": {}}, "device_keys": {}}, {"device_keys": {}}, {}], ids=["failed", "left out", "empty"]
)
async def test_an_answer_that_says_nothing_of_a_person(
    rig: Rig, server: ScriptedHomeserver, silent: dict[str, Any]
) -> None:
    """Their list is not taken for fresh: what they say waits until one has come, and they are asked for again."""
    ada, _, _ = await heard(rig, server)
    server.queue_sync({"next_batch": BEFORE, "device_lists": {"changed": [ada.mxid]}})
    await rig.matrix.sync.run_once()
    server.faults.append(web.json_response(silent))
    await rig.matrix.device_updates.run_once()
    server.queue_sync(timeline(ada.room_message(ROOM, "said meanwhile")))
    await rig.matrix.sync.run_once()
    await rig.matrix.device_updates.run_once()
    assert bodies(rig.events) == []
    await rig.database.commit(lambda transaction: transaction.execute("UPDATE matrix_dirty SET due_ms = 0"))
    await rig.matrix.device_updates.run_once()
    assert bodies(rig.events) == ["said meanwhile"]


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        ({"failures": {"x": {}}, "device_keys": {}}, None),
        ({"errcode": "M_INVALID_PARAM"}, Permanent),
    ],
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

    async def marked_meanwhile(users: Sequence[str]) -> DeviceAnswer:
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
        assert bool(await dirty_table.due_marks(rig.database, now, 9)) is meanwhile


async def test_a_device_without_a_one_time_key_lets_the_loop_rest(rig: Rig, server: ScriptedHomeserver) -> None:
    """It is asked for one once a minute, and has its keys when it has one; a mark that is made meanwhile is due at once."""
    ada = await with_ada(rig, server)
    ada.signs_one_time_keys = False
    await encrypt(rig)
    updates = rig.matrix.device_updates
    for _ in range(2):
        await rig.database.commit(lambda transaction: rig.matrix.devices.mark(transaction, [ada.mxid]))
        request_count = len(server.requests)
        for _ in range(3):
            assert await updates._run_and_wait() == MAX_SLEEP
        assert [a.path.split("/keys/")[1] for a in server.requests[request_count:]] == ["query", "claim"]
        due, now = await dirty_table.next_due(rig.database), int(rig.clock.now() * 1000)
        assert due is not None
        assert now + 30_000 < due <= now + 60_000
    assert server.sent_to(ada) == []
    ada.signs_one_time_keys = True
    await rig.database.commit(lambda transaction: transaction.execute("UPDATE matrix_dirty SET due_ms = 0"))
    await updates._run_and_wait()
    assert len(server.sent_to(ada)) == 1
    assert await dirty_table.next_due(rig.database) is None


async def test_an_earlier_answer_that_is_written_last_takes_no_device(rig: Rig, server: ScriptedHomeserver) -> None:
    """Who signed in after it was asked for keeps device, keys and session, and the list is asked for again."""
    ada = await with_ada(rig, server)
    devices = rig.matrix.devices
    await devices.refresh_stale([ada.mxid])
    earlier = await devices.query([ada.mxid])
    tablet = ada.another_device()
    both = ada.keys_query_response()
    both["device_keys"][ada.mxid] |= tablet.keys_query_response()["device_keys"][ada.mxid]
    await rig.database.commit(lambda transaction: devices.mark(transaction, [ada.mxid]))
    server.faults.append(web.json_response(both))
    await rig.matrix.device_updates.run_once()
    said = await encrypt(rig)
    await rig.database.commit(lambda transaction: devices.apply_query(transaction, [ada.mxid], earlier))
    ids = {device.device_id for device in await devices.trusted_devices(ada.mxid)}
    assert ids == {ada.device_id, tablet.device_id}
    assert (await encrypt(rig))["session_id"] == said["session_id"]
    assert await dirty_table.is_stale(rig.database, ada.mxid)
    server.faults.append(web.json_response(both))
    await rig.matrix.device_updates.run_once()
    assert not await dirty_table.is_stale(rig.database, ada.mxid), "an answer that agrees is fresh"
