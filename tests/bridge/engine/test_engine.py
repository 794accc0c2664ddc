"""The engine: order, one commit for everything that follows, and what a bug or a full disk costs."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.decide import decide
from bot.model.actions import DESK, Action
from bot.model.desk import Facts
from bot.model.events import Event, MessageSent, TextArrived, TimerDue
from bot.model.feature import Step
from bot.model.thread import PendingText
from bridge.carriers.adapter import InboundText
from bridge.engine import engine
from bridge.engine.codeword_matching import MatchedEvent
from bridge.outbound.dispatcher import OutboxDispatcher
from bridge.runtime import log
from bridge.runtime.phone_number import Phone
from bridge.tables.outbox import OutboxRow
from policies.pack import Pack
from tests.e2e.polling import wait_until
from tests.fakes.bridge_harness import HANDSET, NUMBER, BridgeHarness

SECRET = "sesame 4711 words nobody may log"


def fail_on(monkeypatch: pytest.MonkeyPatch, *kinds: type, body: str = "") -> None:
    """Give `decide` a bug: these events (or only texts with this body) raise, with content in the exception."""

    def buggy(pack: Pack, facts: Facts, aggregate: Any, event: Event) -> Step[Any]:
        if isinstance(event, kinds) and (not body or getattr(event, "body", "") == body):
            raise RuntimeError(f"{SECRET} {event!r} {getattr(event, 'body', '')}")
        return decide(pack, facts, aggregate, event)

    monkeypatch.setattr(engine, "decide", buggy)


async def test_order_holds_per_texter_and_texters_do_not_wait_for_each_other(harness: BridgeHarness) -> None:
    """Texts of many handsets, all at once: each is shown once, in the order of its handset."""
    await harness.run()
    handsets = [f"+1206555{n:04}" for n in range(8)]
    words = [f"text {n}" for n in range(12)]

    async def texter(handset: str) -> str:
        for n, body in enumerate(words):
            await harness.receive_text(body, message_id=f"{handset}-{n}", sender=handset)
        return await harness.thread_id(handset)

    owners = await asyncio.gather(*map(texter, handsets))
    await harness.wait_until_drained()
    assert len(set(owners)) == len(handsets)
    for owner in owners:
        assert harness.messages_shown(owner) == words


async def test_no_two_starts_make_the_same_transaction_id(
    harness: BridgeHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that has lost its last rows gives out their numbers again, and the homeserver must not know the ids."""
    txns: list[str] = []
    seal = OutboxDispatcher.seal

    async def noting(self: OutboxDispatcher, owner: str, txn: str, action: Action) -> OutboxRow:
        txns.append(txn)
        return await seal(self, owner, txn, action)

    monkeypatch.setattr(OutboxDispatcher, "seal", noting)
    (tmp_path / "other").mkdir()
    other = BridgeHarness(tmp_path / "other")
    await other.open()
    for each in (harness, other):
        await each.run()
        await each.receive_text("the first of all", message_id="1")
        await each.wait_until_drained()
    await other.close()
    assert len(txns) == len(set(txns))
    assert len({txn.partition(".")[2] for txn in txns}) < len(txns), "nothing was numbered alike"


async def test_a_full_disk_is_waited_for(harness: BridgeHarness) -> None:
    """While nothing can be written nothing is lost and nothing leaves; afterwards everything happens once."""
    await harness.engine.load()
    owner = await harness.receive_text("kept before the disk was full", message_id="1")
    harness.database.full = True
    await harness.run()
    await wait_until("the engine tried", lambda: _refused(harness), every=0.02)
    assert harness.shown == []
    assert harness.carrier.sent == []
    harness.database.full = False
    await harness.wait_until_drained()
    assert harness.messages_shown(owner) == ["kept before the disk was full"]
    assert len(harness.carrier.sent) == 1
    assert await harness.count("dead_letter") == 0


@pytest.mark.raises_words("the worst bug there may be: its exception is the text itself")
async def test_a_bug_costs_one_event(
    harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An event whose decision raises is kept sealed, the desk is told its short id, and the thread goes on.

    Nothing of the content is in the log, at any level.
    """
    caplog.set_level(logging.DEBUG, logger=log.LOGGER_NAME)
    fail_on(monkeypatch, TextArrived, body=SECRET)
    await harness.run()
    owner = await harness.receive_text("one", message_id="1")
    await harness.receive_text(SECRET, message_id="2")
    await harness.receive_text("three", message_id="3")
    await harness.wait_until_drained(standing=1)  # the call of the person on call
    assert harness.messages_shown(owner) == ["one", "three"]
    (inbox_row,) = await harness.database.fetch("SELECT short_id, owner, kind, body FROM dead_letter")
    assert (inbox_row["owner"], inbox_row["kind"]) == (owner, "TextArrived")
    assert SECRET.encode() not in inbox_row["body"]
    assert SECRET.encode() in await harness.vault.open(owner, "inbox", inbox_row["body"])
    assert [body for body in harness.messages_shown(DESK, notices=True) if inbox_row["short_id"] in body]
    assert "engine.dead_letter" in caplog.text
    assert inbox_row["short_id"] in caplog.text
    assert SECRET not in caplog.text


async def test_what_fails_behind_the_commit_makes_no_dead_letter(
    harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event is decided, and its words are shown: a person who tries its dead letter again would show them twice."""
    failed, wake = list[str](), engine.Engine._wake_parts

    def wake_parts(self: engine.Engine, owner: str, *parts: Any, **more: Any) -> None:
        wake(self, owner, *parts, **more)
        if owner != DESK and not failed:
            failed.append(owner)
            raise RuntimeError("behind the commit")

    monkeypatch.setattr(engine.Engine, "_wake_parts", wake_parts)
    await harness.run()
    owner = await harness.receive_text("shown once", message_id="1")
    await harness.wait_until_drained()
    assert harness.messages_shown(owner) == ["shown once"]
    assert failed == [owner]
    assert await harness.count("dead_letter") == 0


async def _waits(harness: BridgeHarness, owner: str) -> bool | None:
    return owner in harness.outbox._waiting_for_room or None


async def _decided(harness: BridgeHarness) -> bool | None:
    return not await harness.count("inbox") or None


async def _refused(harness: BridgeHarness) -> bool | None:
    return harness.database.rejected_commits > 0 or None


async def test_what_was_said_is_in_the_audit_by_the_hour(harness: BridgeHarness) -> None:
    """Kinds stand in the audit in their order, with the hour and the thread, and no word or time beside them."""
    await harness.run()
    harness.clock.at += 1234.5
    owner = await harness.receive_text("hi, marzipan", message_id="1")
    await harness.wait_until_drained()
    rows = [dict(row) for row in await harness.database.fetch("SELECT * FROM audit ORDER BY seq")]
    assert [row["kind"] for row in rows] == ["first_text_in", "unavailable"]
    (about,) = {row["about"] for row in rows}
    assert len(about) == 6
    assert about != owner[:6]
    assert {row["hour"] for row in rows} == {1_800_000_000}
    assert {key for row in rows for key in row} == {"seq", "hour", "about", "kind", "mac"}


@pytest.mark.parametrize(("number", "is_gone"), [(NUMBER, False), ("+15555550111", True), ("", False)])
async def test_a_number_that_is_none_of_the_lines_any_more_is_known(
    harness: BridgeHarness, number: str, is_gone: bool
) -> None:
    """It was texted before the configuration was changed. Where the carrier tells no number, none is known."""
    await harness.webhook.accept_text(InboundText(message_id="m1", sender=Phone(HANDSET), text="hi", to=number))
    owner = await harness.thread_id(HANDSET)
    await harness.screening.screen(owner)
    message = MessageSent(place="thread", sender="@ana:line.example", event_id="$m", body="words", at=harness.clock.at)
    facts = await harness.engine._lookup.facts(
        owner=owner,
        seq=0,
        matched=MatchedEvent(message),
        aggregate=await harness.thread(owner),
        desk=harness.engine.desk,
        frozen=False,
        now=harness.clock.at,
    )
    assert facts.number_gone is is_gone
    pending = PendingText(event_id="$m", body="words", author="@ana:line.example", said_at=0, send_at=0)
    for waits in ((), (pending,)):
        thread = await harness.thread(owner)
        facts = await harness.engine._lookup.facts(
            owner=owner,
            seq=0,
            matched=MatchedEvent(TimerDue(key="send")),
            aggregate=replace(thread, sending=replace(thread.sending, pending=waits)),
            desk=harness.engine.desk,
            frozen=False,
            now=harness.clock.at,
        )
        assert facts.number_gone is (is_gone and bool(waits))
