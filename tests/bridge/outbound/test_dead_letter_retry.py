"""Words that could not be shown are named at the desk, and are shown when a supervisor says !retry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bot.decide import decide as real
from bot.model.actions import OFFICE, PageOnCall, SendMessage
from bot.model.events import TextArrived, TimerDue
from bot.model.thread_desk_events import AlarmKind, AlarmRaised, ThreadQueued
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


def failing_at(*kinds: type[Any]) -> Callable[[Any, Any, Any, Any], Any]:
    """Return the decision with a bug: it gives nothing for events of these kinds."""

    def decide(pack: Any, facts: Any, aggregate: Any, event: Any) -> Any:
        return None if isinstance(event, kinds) else real(pack, facts, aggregate, event)

    return decide


async def test_a_text_that_died_on_its_way_to_a_decision_is_decided(
    harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug that took a text from the engine: once it is mended, !retry has it decided upon and shown."""
    owner = await talk(harness)
    monkeypatch.setattr(engine, "decide", failing_at(TextArrived))
    await harness.receive_text(WORDS, message_id="2")
    await harness.wait_until_drained()
    short_id = await harness.database.fetchval("SELECT short_id FROM dead_letter")
    assert any(short_id in body for body in harness.messages_shown("desk"))
    designation = (await harness.thread(owner)).designation
    assert any(designation in body for body in harness.messages_shown("desk") if short_id in body)
    monkeypatch.setattr(engine, "decide", real)
    assert await retries(harness).retry(short_id) == RETRYING
    await harness.wait_until_drained()
    assert harness.messages_shown(owner)[-1] == WORDS


async def test_a_thread_that_the_desk_does_not_know_is_called_for_and_queued_after_all(
    harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug in queueing a thread: the desk hears whose words nobody reads, the person on call too; !retry queues it."""
    await harness.run()
    monkeypatch.setattr(engine, "decide", failing_at(ThreadQueued))
    owner = await harness.receive_text(WORDS, message_id="1")
    await harness.wait_until_drained()
    designation = (await harness.thread(owner)).designation
    short_id = await harness.database.fetchval("SELECT short_id FROM dead_letter")
    (alert,) = [body for body in harness.messages_shown("desk", notices=True) if short_id in body]
    assert designation in alert
    assert not any(WORDS in body or HANDSET in body for body in harness.messages_shown("desk", notices=True))
    pages = "SELECT COUNT(*) FROM outbox WHERE kind = $1"
    assert await harness.database.fetchval(pages, PageOnCall.__name__) == 1
    assert harness.engine.desk.threads == ()
    monkeypatch.setattr(engine, "decide", real)
    assert await retries(harness).retry(short_id) == RETRYING
    await harness.wait_until_drained()
    assert [entry.thread for entry in harness.engine.desk.waiting] == [owner]
    assert await harness.count("dead_letter") == 0


async def test_a_thread_of_an_earlier_conversation_is_not_queued(
    harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dead letter of a conversation that is over makes no ghost at the desk."""
    await harness.run()
    with monkeypatch.context() as broken:
        broken.setattr(engine, "decide", failing_at(ThreadQueued))
        owner = await harness.receive_text(WORDS, message_id="1")
        await harness.wait_until_drained()
    short_id = await harness.database.fetchval("SELECT short_id FROM dead_letter")
    rename = "UPDATE thread SET designation = 'quiet maple' WHERE id = $1"
    await harness.database.commit(lambda transaction: transaction.execute(rename, owner))
    assert await retries(harness).retry(short_id) == UNKNOWN


async def test_a_lost_alarm_and_a_lost_timer_are_called_for(
    harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without them a texter may wait unnoticed: the desk hears which conversation it was, as far as that is known."""
    owner = await talk(harness)
    designation = (await harness.thread(owner)).designation
    monkeypatch.setattr(engine, "decide", failing_at(TimerDue, AlarmRaised))
    events = (TimerDue(key="unread"), owner), (AlarmRaised(designation=designation, alarm=AlarmKind.HELP), "desk")
    for event, to in events:
        await harness.deliver(to, event)
    await harness.deliver("desk", TimerDue(key="flood"))
    await harness.wait_until_drained()
    lost = [body for body in harness.messages_shown("desk") if "people may not have been told" in body]
    assert [body.split(":")[0].removeprefix("⚠️ ") for body in lost].count(designation) == 2
    assert any(body.startswith("⚠️ A conversation:") for body in lost)


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
