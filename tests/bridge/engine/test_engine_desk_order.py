"""What people do at the desk comes before news of threads, and many news are one commit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.decide import decide
from bot.model.actions import DESK
from bot.model.desk import Facts
from bot.model.events import Event, MemberJoined, MessageSent, TimerDue
from bot.model.feature import Step
from bot.model.thread_desk_events import ThreadQueued
from bridge.engine import engine
from bridge.storage.database import Sync, Transaction, Work
from bridge.tables import inbox
from policies.pack import Pack
from tests.fakes.bridge_harness import BridgeHarness

ANA = "@ana:line.example"
CALL = 1
"""Rows of the outbox that stay: the call of a flood, which nobody makes here."""


class DecidedEvents:
    """Notes what is decided, in order; raises for one event if told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, fails: Event | None = None) -> None:
        self.events: list[Event] = []
        self._fails = fails
        monkeypatch.setattr(engine, "decide", self._decide)

    def _decide(self, pack: Pack, facts: Facts, aggregate: Any, event: Event) -> Step[Any]:
        self.events.append(event)
        if event == self._fails:
            raise RuntimeError
        return decide(pack, facts, aggregate, event)


def queued(number: int) -> ThreadQueued:
    return ThreadQueued(thread=f"{number:032x}", designation=f"word number{number}", since=1_800_000_000.0)


def crowded(number: int) -> ThreadQueued:
    return replace(queued(number), rate_limited=True)


def said(body: str, number: int) -> MessageSent:
    return MessageSent(place=DESK, sender=ANA, event_id=f"$m{number}", body=body, at=1_800_000_000.0)


def commits_of_the_desk(harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows by how many events of the inbox each commit takes out, as soon as it is made.

    Counted within the commit: beside it, what another commit took out meanwhile would count a second time.
    """
    counts: list[int] = []
    real = harness.database.commit

    async def commit(work: Work[Any], *, sync: Sync = Sync.AWAIT) -> Any:
        async def counted(transaction: Transaction) -> tuple[Any, int]:
            before = await inbox.count(transaction)
            result = await work(transaction)
            return result, before - await inbox.count(transaction)

        result, less = await real(counted, sync=sync)
        if less > 0:
            counts.append(less)
        return result

    monkeypatch.setattr(harness.database, "commit", commit)
    return counts


async def test_a_command_is_decided_before_all_news_that_stand_before_it(
    harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind two hundred news and timers a person's events are decided first, in their own order; news keep theirs."""
    await harness.engine.load()
    news: list[Event] = [queued(n) if n % 3 else TimerDue(key=f"fade:desk|answer:{n}") for n in range(200)]
    people: list[Event] = [MemberJoined(place=DESK, user=ANA), said("!on", 1), said("!help", 2), said("!claim", 3)]
    await harness.deliver(DESK, *news[:150], *people[:2], *news[150:], *people[2:])
    decided = DecidedEvents(monkeypatch)
    await harness.run()
    await harness.wait_until_drained()
    assert decided.events[: len(people)] == people
    assert [event for event in decided.events if event in news][: len(news)] == news


async def test_news_of_the_desk_are_committed_together(harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a hundred news no single one has a commit of its own, and each is decided on what the one before it left."""
    await harness.engine.load()
    await harness.deliver(DESK, *(queued(n) for n in range(100)))
    counts = commits_of_the_desk(harness, monkeypatch)
    await harness.run()
    await harness.wait_until_drained()
    assert counts == [engine.MAX_TOGETHER] * 2
    desk = harness.engine.desk
    assert len(desk.threads) == 100


async def test_the_desk_works_before_strangers(harness: BridgeHarness) -> None:
    """The engine's queue has the desk first, then threads with an assignee, then everybody else."""
    rank = harness.engine._rank
    await harness.run()
    await harness.deliver(DESK, MemberJoined(place=DESK, user=ANA))
    owner = await harness.receive_text("hello", message_id="1")
    await harness.wait_until_drained()
    assert (rank(DESK), rank(owner)) == (0, 2)
    await harness.deliver(DESK, said("!on", 1), said("!claim", 2))
    await harness.wait_until_drained()
    assert rank(owner) == 1
