"""What the homeserver has lost, as after its database was put back: edits are posted again, receipts on it are done."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.model.actions import THREAD, EditMessage, SendMessage
from bridge.outbound.dispatcher import OutboxTask
from bridge.runtime.crash_points import CrashPoint
from tests.fakes.bridge_harness import BridgeHarness
from tests.fakes.room_sender_harness import RoomSenderHarness


class ProcessDied(Exception):  # noqa: N818 - it says what happened
    """A kill -9 in a test."""


async def lost_message(sender: RoomSenderHarness, ref: str) -> OutboxTask:
    """Post a message and edit it, and have the homeserver lose both; returns the row of the next edit."""
    post = await sender.task(SendMessage(place=THREAD, body="0", ref=ref))
    await sender.room_sender.perform(post)
    await sender.room_sender.perform(replace(post, txn="q2.0", action=EditMessage(place=THREAD, ref=ref, body="1")))
    sender.harness.clock.at += 2
    sender.room_client.lost |= {"$q1.0", "$q2.0"}
    sender.room_client.sent.clear()
    return replace(post, txn="q3.0", action=EditMessage(place=THREAD, ref=ref, body="2"))


async def event_named(harness: BridgeHarness, ref: str) -> str:
    event_id: str = await harness.database.fetchval("SELECT event_id FROM event WHERE ref = $1", ref)
    return event_id


@pytest.mark.parametrize(("ref", "pins"), [("card", ["pin $q3.0.again"]), ("wait:a:0", [])])
async def test_an_edit_of_a_lost_message_is_posted(harness: BridgeHarness, ref: str, pins: list[str]) -> None:
    """It bears the name from then on, and is edited next; it is pinned if the lost one was, which is redacted."""
    sender = RoomSenderHarness(harness)
    edit = await lost_message(sender, ref)
    await sender.room_sender.perform(edit)
    assert await event_named(harness, ref) == "$q3.0.again"
    assert sender.room_client.posted["q3.0.again"] == "2"
    assert sender.room_client.sent == ["q3.0.again", *pins, "q3.0.old"]
    assert sender.room_client.redacted == ["$q1.0"]
    await sender.room_sender.perform(replace(edit, txn="q4.0"))
    assert sender.room_client.sent[-1] == "q4.0"
    assert await event_named(harness, f"edit:{ref}") == "$q4.0"


async def test_a_crash_posts_a_lost_message_once(harness: BridgeHarness) -> None:
    """After a kill between the post and its note the same transaction is asked for; an old one is looked up."""
    dies: list[CrashPoint] = [CrashPoint.MATRIX_SENT]

    def crash(point: CrashPoint) -> None:
        if point in dies and "$q1.0" in sender.room_client.lost:
            dies.clear()
            raise ProcessDied

    sender = RoomSenderHarness(harness, crash=crash)
    edit = await lost_message(sender, "card")
    with pytest.raises(ProcessDied):
        await sender.room_sender.perform(edit)
    await sender.room_sender.perform(edit)
    assert [txn for txn in sender.room_client.sent if txn == "q3.0.again"] == ["q3.0.again"] * 2
    assert await event_named(harness, "card") == "$q3.0.again"

    sender.room_client.forgot = True
    sender.room_client.lost.add("$q3.0.again")
    await sender.room_sender.perform(replace(edit, txn="q5.0"))
    assert sender.room_client.searched == ["q5.0", "q5.0.again"]
