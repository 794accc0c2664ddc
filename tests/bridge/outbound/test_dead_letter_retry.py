"""Words that could not be shown are named at the desk, and are shown when a supervisor says !retry."""

from __future__ import annotations

from typing import Any

import pytest

from bot.decide import decide as real
from bot.model.actions import OFFICE, SendMessage
from bot.model.events import TextArrived
from bridge.engine import engine
from bridge.outbound.dead_letter_retry import NOT_RETRYABLE, NOT_STORED, RETRYING, UNKNOWN, DeadLetterRetry
from bridge.outbound.dispatcher import PermanentFailure, RetryLater
from bridge.outbound.room_lookup import OFFICE_TIMEOUT
from bridge.tables.suppression import Suppression
from tests.bridge.outbound.test_sms_sender import talk
from tests.e2e.polling import wait_until
from tests.fakes.bridge_harness import HANDSET, BridgeHarness
from tests.fakes.room_sender_harness import RoomSenderHarness

WORDS = "he has the car keys"


def retries(harness: BridgeHarness) -> DeadLetterRetry:
    return DeadLetterRetry(harness.services)


async def test_words_that_nobody_read_are_named_and_shown_after_all(harness: BridgeHarness) -> None:
    """The alert names the thread and the id; !retry brings the words into the room, once; a second one finds nothing."""
    owner = await talk(harness)
    harness.rejects = lambda action: isinstance(action, SendMessage) and action.body == WORDS
    await harness.receive_text(WORDS, message_id="2")
    await harness.wait_until_drained()
    assert WORDS not in harness.messages_shown(owner)
    short_id = await harness.database.fetchval("SELECT short_id FROM dead_letter")
    designation = (await harness.thread(owner)).designation
    alert = [body for body in harness.messages_shown("desk") if short_id in body]
    assert alert
    assert designation in alert[0]
    assert f"!retry {short_id}" in alert[0]
    harness.rejects = lambda _action: False
    assert await retries(harness).retry(short_id) == RETRYING
    await harness.wait_until_drained()
    assert harness.messages_shown(owner).count(WORDS) == 1
    assert await retries(harness).retry(short_id) == UNKNOWN
    assert await harness.count("dead_letter") == 0


async def test_a_text_that_died_on_its_way_to_a_decision_is_decided(
    harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug that took a text from the engine: once it is mended, !retry has it decided upon and shown."""
    owner = await talk(harness)
    decide = real

    def bug(pack: Any, facts: Any, aggregate: Any, event: Any) -> Any:
        return None if isinstance(event, TextArrived) else decide(pack, facts, aggregate, event)

    monkeypatch.setattr(engine, "decide", bug)
    await harness.receive_text(WORDS, message_id="2")
    await harness.wait_until_drained()
    short_id = await harness.database.fetchval("SELECT short_id FROM dead_letter")
    assert any(short_id in body for body in harness.messages_shown("desk"))
    designation = (await harness.thread(owner)).designation
    assert any(designation in body for body in harness.messages_shown("desk") if short_id in body)
    monkeypatch.setattr(engine, "decide", decide)
    assert await retries(harness).retry(short_id) == RETRYING
    await harness.wait_until_drained()
    assert harness.messages_shown(owner)[-1] == WORDS


async def test_words_of_somebody_new_are_looked_up_again(harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in looking up who a new texter is: once it is mended, !retry has them looked up and their words shown."""

    async def bug(*_told: Any, **_named: Any) -> Any:
        raise ValueError

    await harness.run()
    with monkeypatch.context() as broken:
        broken.setattr(Suppression, "digest", bug)
        await harness.receive_text(WORDS, message_id="1")
        await wait_until("it died", lambda: harness.database.fetchval("SELECT short_id FROM dead_letter"), every=0.02)
    owner = await harness.thread_id(HANDSET)
    short_id = await harness.database.fetchval("SELECT short_id FROM dead_letter")
    assert await retries(harness).retry(short_id) == RETRYING
    await harness.wait_until_drained()
    assert harness.messages_shown(owner)[0] == WORDS
    assert await harness.count("dead_letter") == 0


async def test_what_was_not_kept_is_not_tried(harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Words that could not be compared are not kept, for an agreed word may stand in them: !retry says so."""
    await talk(harness)
    monkeypatch.setattr(harness.engine._codeword_matcher, "match", None)
    await harness.receive_text(WORDS, message_id="2")
    await harness.wait_until_drained()
    monkeypatch.undo()
    short_id = await harness.database.fetchval("SELECT short_id FROM dead_letter WHERE kind = 'TextArrived'")
    assert await retries(harness).retry(short_id) == NOT_STORED


async def test_a_text_to_a_phone_is_never_tried_again(harness: BridgeHarness) -> None:
    """What may have left is not sent by !retry, whatever a person says; it stays for the technician."""
    await talk(harness)
    harness.carrier.outcomes.append(RuntimeError("the adapter's bug"))
    owner = await harness.thread_id(HANDSET)
    await harness.receive_text("STOP", message_id="2")
    await harness.wait_until_drained()
    short_id = await harness.database.fetchval("SELECT short_id FROM dead_letter WHERE owner = $1", owner)
    before = list(harness.carrier.sent)
    assert await retries(harness).retry(short_id) == NOT_RETRYABLE
    await harness.wait_until_drained()
    assert harness.carrier.sent == before
    assert await harness.count("dead_letter") == 1


async def test_an_office_that_does_not_come_to_be_is_waited_for_and_then_told(harness: BridgeHarness) -> None:
    """What is for an office without a room waits for a quarter of an hour, and then dies loudly."""
    sender = RoomSenderHarness(harness)
    task = await sender.task(SendMessage(place=f"{OFFICE}@cat:x", body="debrief?"))
    with pytest.raises(RetryLater):
        await sender.room_sender.perform(task)
    harness.clock.at += OFFICE_TIMEOUT + 1
    with pytest.raises(PermanentFailure):
        await sender.room_sender.perform(task)
