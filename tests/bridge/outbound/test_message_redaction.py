"""A redaction does not miss a message of ours that is posted after it would be performed."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from bot.model.actions import THREAD, Action, RedactMessage, SendMessage
from bridge.outbound.dispatcher import OutboxTask, RetryLater
from bridge.tables.outbox import number_of
from tests.fakes.bridge_harness import BridgeHarness
from tests.fakes.room_sender_harness import RoomSenderHarness

REF = "answer:$command"
POST = SendMessage(place=THREAD, body="why she was called", ref=REF)
REDACTION = RedactMessage(place=THREAD, ref=REF)


async def put(sender: RoomSenderHarness, like: OutboxTask, txn: str, action: Action) -> OutboxTask:
    """Commit a row of the thread, and wake nobody."""
    sealed = await sender.harness.outbox.seal(like.owner, txn, action)
    appended = await sender.harness.database.commit(
        partial(sender.harness.outbox.put, owner=like.owner, item=sealed, created=like.created)
    )
    return replace(like, number=number_of(appended), txn=txn, action=action)


async def test_a_redaction_waits_for_its_message(harness: BridgeHarness) -> None:
    """While the message stands in the outbox, as in another lane, nothing is redacted and the row stays."""
    sender = RoomSenderHarness(harness)
    like = await sender.task(POST)
    post = await put(sender, like, "q2.0", POST)
    redaction = await put(sender, like, "q3.0", REDACTION)
    for _ in range(3):
        with pytest.raises(RetryLater):
            await sender.room_sender.perform(redaction)
    assert await harness.count("outbox") == 2
    await sender.room_sender.perform(post)
    await sender.room_sender.perform(redaction)
    assert sender.room_client.redacted == ["$q2.0"]
    assert await harness.count("outbox") == 0


async def test_a_redaction_does_not_miss_a_message_that_comes_just_then(
    harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message is posted between the two looks, in the index and in the outbox: it is redacted."""
    sender = RoomSenderHarness(harness)
    like = await sender.task(POST)
    post = await put(sender, like, "q2.0", POST)
    redaction = await put(sender, like, "q3.0", REDACTION)

    async def just_then(*_arguments: object) -> bool:
        await sender.room_sender.perform(post)
        return False

    monkeypatch.setattr(sender.room_sender._edit_throttle, "is_message_pending", just_then)
    await sender.room_sender.perform(redaction)
    assert sender.room_client.redacted == ["$q2.0"]
