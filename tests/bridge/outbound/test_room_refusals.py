"""A refusal in a room that one of us is not in is not final: words wait until it is made again, or we are back."""

from __future__ import annotations

from unittest.mock import AsyncMock

import pytest

from bot.model.actions import THREAD, SendMessage, Speaker
from bridge.matrix.room_client import Permanent, Transient
from bridge.outbound.dispatcher import PermanentFailure, RetryLater
from bridge.outbound.room_refusals import RoomRefusals
from tests.fakes.bridge_harness import BridgeHarness
from tests.fakes.room_sender_harness import RoomSenderHarness

WORDS = SendMessage(place=THREAD, body="help", speaker=Speaker.TEXTER)


@pytest.mark.parametrize(
    ("outside", "errcode", "raised"),
    [
        (True, "M_FORBIDDEN", RetryLater),
        (False, "M_FORBIDDEN", PermanentFailure),
        (True, "M_TOO_LARGE", PermanentFailure),
    ],
)
async def test_words_make_no_dead_letter_for_a_room_that_is_lost(
    harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch, outside: bool, errcode: str, raised: type[Exception]
) -> None:
    """Only a refusal of the room itself, and only where one of us is outside, is tried again; then rooms are compared."""
    sender = RoomSenderHarness(harness)
    sender.outside_rooms = {"!room"} if outside else set()
    task = await sender.task(WORDS)
    monkeypatch.setattr(sender.room_client, "send", AsyncMock(side_effect=Permanent(403, errcode)))
    with pytest.raises(raised):
        await sender.room_sender.perform(task)
    assert sender.comparisons == (1 if raised is RetryLater else 0)


async def test_a_homeserver_that_does_not_say_buries_nothing(harness: BridgeHarness) -> None:
    """Where it cannot be asked which rooms we are in, the row waits."""
    sender = RoomSenderHarness(harness)
    task = await sender.task(WORDS)
    asked: list[str] = []
    refusals = RoomRefusals(
        harness.services,
        is_outside=AsyncMock(side_effect=Transient(500, "")),
        compare_rooms=lambda: asked.append("compared"),
    )
    assert await refusals.may_heal(task, Permanent(403, "M_FORBIDDEN"))
    assert asked == ["compared"]
