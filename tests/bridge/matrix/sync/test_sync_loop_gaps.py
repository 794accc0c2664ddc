"""What a limited timeline left out is heard, or a person is told: it is never passed over in silence."""

from __future__ import annotations

import pytest

from bridge.matrix.api.events import GapTruncated
from bridge.matrix.api.http_client import Permanent
from bridge.matrix.sync import sync_loop
from tests.bridge.matrix.rig import Rig
from tests.bridge.matrix.scripted_homeserver import ScriptedHomeserver
from tests.bridge.matrix.sync_events import ROOM, bodies, hear_ada, sync_with, timeline


@pytest.mark.parametrize(("status", "errcode"), [(400, "M_UNKNOWN"), (404, "M_NOT_FOUND"), (403, "M_FORBIDDEN")])
async def test_a_gap_that_is_refused_is_tried_again(
    rig: Rig, server: ScriptedHomeserver, status: int, errcode: str
) -> None:
    """Of a room that we are in: the cursor stays, and the words are heard once the homeserver gives them."""
    ada = await hear_ada(rig, server)
    lost, newest = ada.room_message(ROOM, "lost"), ada.room_message(ROOM, "seen")
    server.messages[ROOM] = {"chunk": [lost]}
    server.joined = [ROOM]
    server.refuse, server.refuse_errcode = ("/messages", status), errcode
    response = timeline(newest, limited=True, prev_batch="p")
    server.queue_sync(response)
    with pytest.raises(Permanent):
        await rig.matrix.sync.run_once()
    assert await rig.database.fetchval("SELECT cursor FROM matrix_identity") == "c1"
    assert rig.events == []
    server.refuse = None
    await sync_with(rig, server, response)
    assert bodies(rig.events) == ["lost", "seen"]


async def test_a_room_that_we_are_not_in_has_nothing_to_tell(rig: Rig, server: ScriptedHomeserver) -> None:
    """`M_FORBIDDEN` of a room that is not among ours any more holds nothing up."""
    ada = await hear_ada(rig, server)
    server.refuse, server.refuse_errcode = ("/messages", 403), "M_FORBIDDEN"
    cursor = await sync_with(rig, server, timeline(ada.room_message(ROOM, "seen"), limited=True, prev_batch="p"))
    assert bodies(rig.events) == ["seen"]
    assert await rig.database.fetchval("SELECT cursor FROM matrix_identity") == cursor


async def test_only_a_missing_end_ends_the_pages(rig: Rig, server: ScriptedHomeserver) -> None:
    """An empty page with an `end` is not the last one."""
    ada = await hear_ada(rig, server)
    old, new, newest = (ada.room_message(ROOM, word) for word in ("old", "new", "seen"))
    server.message_pages = {"p": {"chunk": [new], "end": "q"}, "q": {"chunk": [], "end": "r"}, "r": {"chunk": [old]}}
    await sync_with(rig, server, timeline(newest, limited=True, prev_batch="p"))
    assert bodies(rig.events) == ["old", "new", "seen"]
    assert not [item for item in rig.events if isinstance(item, GapTruncated)]


@pytest.mark.parametrize("prev_batch", ["p", None], ids=["too many pages", "no token"])
async def test_a_gap_that_is_cut_is_told(
    rig: Rig, server: ScriptedHomeserver, monkeypatch: pytest.MonkeyPatch, prev_batch: str | None
) -> None:
    """What was fetched is heard; that there was more is an item of its own."""
    ada = await hear_ada(rig, server)
    monkeypatch.setattr(sync_loop, "MAX_PAGES", 2)
    _, new, newest = (ada.room_message(ROOM, word) for word in ("old", "new", "seen"))
    server.message_pages = {"p": {"chunk": [new], "end": "q"}, "q": {"chunk": [], "end": "q"}}
    await sync_with(
        rig, server, timeline(newest, limited=True, **({} if prev_batch is None else {"prev_batch": prev_batch}))
    )
    assert bodies(rig.events) == (["new", "seen"] if prev_batch else ["seen"])
    assert [item for item in rig.events if isinstance(item, GapTruncated)] == [GapTruncated(room_id=ROOM)]
