"""Words that could not be shown are named at the desk, and are shown when a supervisor says !retry."""

from __future__ import annotations

from typing import Any

import pytest

from bot.decide import decide as real
from bot.model.actions import OFFICE, Post
from bot.model.events import TextArrived
from bridge.engine import engine
from bridge.outbound.dead_letter_retry import AGAIN, NOT_KEPT, NOT_THIS, UNKNOWN, Retries
from bridge.outbound.dispatcher import Impossible, TryAgain
from bridge.outbound.room_lookup import NO_OFFICE
from bridge.tables.suppression import Suppression
from tests.bridge.outbound.test_sms_sender import talk
from tests.e2e.waiting import until
from tests.fakes.nerves import HANDSET, Nerves
from tests.fakes.posting import Posting

WORDS = "he has the car keys"


def retries(nerves: Nerves) -> Retries:
    return Retries(
        store=nerves.store,
        clock=nerves.clock,
        wake_outbox=nerves.outbox.wake,
        wake_engine=nerves.engine.wake,
        screen=nerves.screening.wake,
    )


async def test_words_that_nobody_read_are_named_and_shown_after_all(nerves: Nerves) -> None:
    """The alert names the thread and the id; !retry brings the words into the room, once; a second one finds nothing."""
    owner = await talk(nerves)
    nerves.refuses = lambda action: isinstance(action, Post) and action.body == WORDS
    await nerves.arrive(WORDS, message_id="2")
    await nerves.at_rest()
    assert WORDS not in nerves.posts(owner)
    short_id = await nerves.store.fetchval("SELECT short_id FROM dead_letter")
    designation = (await nerves.thread(owner)).designation
    alert = [body for body in nerves.posts("desk") if short_id in body]
    assert alert
    assert designation in alert[0]
    assert f"!retry {short_id}" in alert[0]
    nerves.refuses = lambda _action: False
    assert await retries(nerves).again(short_id) == AGAIN
    await nerves.at_rest()
    assert nerves.posts(owner).count(WORDS) == 1
    assert await retries(nerves).again(short_id) == UNKNOWN
    assert await nerves.count("dead_letter") == 0


async def test_a_text_that_died_on_its_way_to_a_decision_is_decided(
    nerves: Nerves, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug that took a text from the engine: once it is mended, !retry has it decided upon and shown."""
    owner = await talk(nerves)
    decide = real

    def bug(pack: Any, facts: Any, aggregate: Any, event: Any) -> Any:
        return None if isinstance(event, TextArrived) else decide(pack, facts, aggregate, event)

    monkeypatch.setattr(engine, "decide", bug)
    await nerves.arrive(WORDS, message_id="2")
    await nerves.at_rest()
    short_id = await nerves.store.fetchval("SELECT short_id FROM dead_letter")
    assert any(short_id in body for body in nerves.posts("desk"))
    designation = (await nerves.thread(owner)).designation
    assert any(designation in body for body in nerves.posts("desk") if short_id in body)
    monkeypatch.setattr(engine, "decide", decide)
    assert await retries(nerves).again(short_id) == AGAIN
    await nerves.at_rest()
    assert nerves.posts(owner)[-1] == WORDS


async def test_words_of_somebody_new_are_looked_up_again(nerves: Nerves, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in looking up who a new texter is: once it is mended, !retry has them looked up and their words shown."""

    async def bug(*_told: Any, **_named: Any) -> Any:
        raise ValueError

    await nerves.run()
    with monkeypatch.context() as broken:
        broken.setattr(Suppression, "of", bug)
        await nerves.arrive(WORDS, message_id="1")
        await until("it died", lambda: nerves.store.fetchval("SELECT short_id FROM dead_letter"), every=0.02)
    owner = await nerves.thread_of(HANDSET)
    short_id = await nerves.store.fetchval("SELECT short_id FROM dead_letter")
    assert await retries(nerves).again(short_id) == AGAIN
    await nerves.at_rest()
    assert nerves.posts(owner)[0] == WORDS
    assert await nerves.count("dead_letter") == 0


async def test_what_was_not_kept_is_not_tried(nerves: Nerves, monkeypatch: pytest.MonkeyPatch) -> None:
    """Words that could not be compared are not kept, for an agreed word may stand in them: !retry says so."""
    await talk(nerves)
    monkeypatch.setattr(nerves.engine._words, "look", None)
    await nerves.arrive(WORDS, message_id="2")
    await nerves.at_rest()
    monkeypatch.undo()
    short_id = await nerves.store.fetchval("SELECT short_id FROM dead_letter WHERE kind = 'TextArrived'")
    assert await retries(nerves).again(short_id) == NOT_KEPT


async def test_a_text_to_a_phone_is_never_tried_again(nerves: Nerves) -> None:
    """What may have left is not sent by !retry, whatever a person says; it stays for the technician."""
    await talk(nerves)
    nerves.paper.outcomes.append(RuntimeError("the adapter's bug"))
    owner = await nerves.thread_of(HANDSET)
    await nerves.arrive("STOP", message_id="2")
    await nerves.at_rest()
    short_id = await nerves.store.fetchval("SELECT short_id FROM dead_letter WHERE owner = $1", owner)
    sent = list(nerves.paper.sent)
    assert await retries(nerves).again(short_id) == NOT_THIS
    await nerves.at_rest()
    assert nerves.paper.sent == sent
    assert await nerves.count("dead_letter") == 1


async def test_an_office_that_does_not_come_to_be_is_waited_for_and_then_told(nerves: Nerves) -> None:
    """What is for an office without a room waits for a quarter of an hour, and then dies loudly."""
    posting = Posting(nerves)
    task = await posting.task(Post(place=f"{OFFICE}@cat:x", body="debrief?"))
    with pytest.raises(TryAgain):
        await posting.posts.perform(task)
    nerves.clock.at += NO_OFFICE + 1
    with pytest.raises(Impossible):
        await posting.posts.perform(task)
