"""A homeserver that was put back: what is said before our first sync is heard, what was heard before is not heard again."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final

import pytest

from bridge.matrix.sync import homeserver_rollback
from bridge.runtime.crash_points import CrashPoint
from bridge.storage.database import Transaction
from tests.bridge.matrix.client_device import ClientDevice
from tests.bridge.matrix.rig import POLICY, Rig
from tests.bridge.matrix.scripted_homeserver import RecordedRequest, ScriptedHomeserver
from tests.bridge.matrix.sync_events import ROOM, bodies, know_ada, sync_with, timeline
from tests.bridge.matrix.test_crash_members import dies

BEFORE: Final = "s100_7_0_3"


async def heard(rig: Rig, server: ScriptedHomeserver) -> tuple[ClientDevice, dict[str, Any], dict[str, Any]]:
    """Have Ada say two things that are heard; returns her device and what she said."""
    ada = await know_ada(rig, server)
    keys = {"events": [ada.room_key_message(server.ours[POLICY], ROOM)]}
    one, two = ada.room_message(ROOM, "one"), ada.room_message(ROOM, "two")
    await sync_with(rig, server, {"next_batch": BEFORE, "to_device": keys, **timeline(one, two)})
    assert bodies(rig.events) == ["one", "two"]
    rig.events.clear()
    server.requests.clear()
    return ada, one, two


async def one_turn(rig: Rig) -> None:
    """Let the loop of the sync come to its first answer after a silence."""
    rig.matrix.sync.caught_up.clear()
    running = asyncio.create_task(rig.matrix.sync.run())
    await rig.matrix.sync.caught_up.wait()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    # Of a homeserver that was put back every list is asked for again, before anybody's words count.
    await rig.matrix.device_updates.run_once()


def syncs(server: ScriptedHomeserver) -> list[RecordedRequest]:
    """Return what was asked of rooms by the policy bot, in order."""
    requests = (each for each in server.requests if each.path.endswith("/sync"))
    return [each for each in requests if each.query["user_id"] == POLICY and '"rooms": []' not in each.query["filter"]]


@pytest.mark.parametrize(("position", "loses"), [("s60_7_0_3", False), ("s120_7_0_3", True)], ids=["fewer", "more"])
async def test_words_of_before_the_first_sync_are_heard(
    rig: Rig, server: ScriptedHomeserver, position: str, loses: bool
) -> None:
    """Whether it has counted fewer events than before or more by now: the cursor is not used, and old words stay old."""
    ada, one, two = await heard(rig, server)
    new, newest = ada.room_message(ROOM, "new"), ada.room_message(ROOM, "newest")
    server.position, server.lost = position, {two["event_id"]} if loses else set()
    server.queue_sync({"next_batch": position, **timeline(one, new, newest)})
    await one_turn(rig)
    assert bodies(rig.events) == ["new", "newest"]
    assert "since" not in syncs(server)[0].query
    assert await rig.database.fetchval("SELECT cursor FROM matrix_identity") == position
    # What it has now is what it is compared with next time.
    server.requests.clear()
    await one_turn(rig)
    assert syncs(server)[0].query["since"] == position


async def test_a_homeserver_that_has_all_is_asked_as_ever(rig: Rig, server: ScriptedHomeserver) -> None:
    """Its count went on, and it has the newest event: the cursor is used."""
    ada, one, _ = await heard(rig, server)
    server.position = "m60~2.130~3.101_9_0_3"
    server.queue_sync(timeline(one, ada.room_message(ROOM, "new")))
    await one_turn(rig)
    assert syncs(server)[0].query["since"] == BEFORE
    assert bodies(rig.events) == ["one", "new"], "of two events with one id the inbox takes one"


async def test_a_worker_that_is_behind_for_a_moment_is_asked_again(
    rig: Rig, server: ScriptedHomeserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A count that is less once, and not a second later, is no homeserver that was put back."""
    await heard(rig, server)
    server.position = "s60_7_0_3"

    async def catch_up(_seconds: float) -> None:
        server.position = BEFORE

    monkeypatch.setattr(homeserver_rollback, "wait", catch_up)
    await one_turn(rig)
    assert syncs(server)[0].query["since"] == BEFORE


@pytest.mark.parametrize(
    ("step", "uses_cursor"),
    [("redact", False), ("destroy", False), ("purge", True), ("look", True), ("forget", True), ("sign", True), ("", True)],
)
async def test_an_event_of_a_room_that_is_purged_shows_no_rollback(
    rig: Rig, server: ScriptedHomeserver, step: str, uses_cursor: bool
) -> None:
    """The newest event is of a conversation that ends: the homeserver cannot have it once its purge has begun."""
    _, _, two = await heard(rig, server)
    await rig.database.commit(lambda transaction: _begin_erasure(transaction, step))
    server.position, server.lost = "s120_7_0_3", {two["event_id"]}
    server.queue_sync({"next_batch": "s120_7_0_3"})
    await one_turn(rig)
    assert ("since" in syncs(server)[0].query) is uses_cursor


async def _begin_erasure(transaction: Transaction, step: str) -> None:
    """Have the room's erasure be at a step; with none, the room is not noted any more."""
    if not step:
        await transaction.execute("DELETE FROM matrix_room WHERE room_id = $1", ROOM)
        return
    await transaction.execute(
        """INSERT INTO erasure (id, kind, subject, thread, step, due, grace, began, counts)
           VALUES ('1', 'room', $1, '', $2, 0, 0, 0, '{}')""",
        ROOM,
        step,
    )


async def put_back(rig: Rig, server: ScriptedHomeserver, lost: dict[str, Any], *now: dict[str, Any]) -> None:
    """Have the homeserver put back to before that event, and the first sync answered with these events."""
    server.requests.clear()
    server.position, server.lost = "s60_7_0_3", {lost["event_id"]}
    server.queue_sync({"next_batch": "s60_7_0_3", **timeline(*now)})
    await one_turn(rig)


async def test_we_begin_again_with_new_devices(rig: Rig, server: ScriptedHomeserver) -> None:
    """Ours from before had one-time keys that it hands out once more: what is said next is said in sessions of new ones."""
    ada, one, two = await heard(rig, server)
    old = {who: who.device_id for who in (rig.matrix.policy, rig.matrix.puppet)}
    for who in old:
        await rig.matrix.outbound_sessions.encrypt(who, ROOM, "m.room.message", {"msgtype": "m.text", "body": "hello"})
    before = [ada.decrypt_to_device(message)["content"]["session_id"] for message in server.sent_to(ada)]
    await put_back(rig, server, two, one)
    assert any(each.path.endswith("/keys/query") for each in server.requests), "devices are asked for again"
    assert all(who.device_id != device and not who.client.suspended for who, device in old.items())
    for who in old:
        await rig.matrix.outbound_sessions.encrypt(who, ROOM, "m.room.message", {"msgtype": "m.text", "body": "hello"})
    new = [ada.decrypt_to_device(message)["content"]["session_id"] for message in server.sent_to(ada)]
    assert len(new) == 2
    assert not {*before} & {*new}
    assert rig.rollbacks == 1
    await one_turn(rig)
    assert rig.rollbacks == 1


async def test_killed_once_it_is_noted(rig: Rig, server: ScriptedHomeserver) -> None:
    """The next start hears what is new and nothing twice, and tells nobody a second time."""
    ada, one, two = await heard(rig, server)
    server.position, server.lost = "s60_7_0_3", {two["event_id"]}
    await dies(rig, CrashPoint.ROLLBACK_NOTED, rig.matrix.sync._check_for_rollback)
    server.queue_sync({"next_batch": "s60_7_0_3", **timeline(one, two, ada.room_message(ROOM, "new"))})
    await one_turn(rig)
    assert bodies(rig.events) == ["new"]
    assert rig.counts_less == [True]


HOUR: Final = 3_600_000
