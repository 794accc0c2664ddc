"""The engine: order, one commit for everything that follows, and what a bug or a full disk costs."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from bot.decide import decide
from bot.model.actions import DESK, Post
from bot.model.desk import Facts
from bot.model.events import Event, TextArrived
from bot.model.feature import Step
from bot.model.line_incidents import LetterDied
from bridge.engine import engine
from bridge.runtime import log
from policies.pack import Pack
from tests.e2e.waiting import until
from tests.fakes.nerves import Nerves

SECRET = "sesame 4711 words nobody may log"


def fail_on(monkeypatch: pytest.MonkeyPatch, *kinds: type, body: str = "") -> None:
    """Give `decide` a bug: these events (or only texts with this body) raise, with content in the exception."""

    def buggy(pack: Pack, facts: Facts, aggregate: Any, event: Event) -> Step[Any]:
        if isinstance(event, kinds) and (not body or getattr(event, "body", "") == body):
            raise RuntimeError(f"{SECRET} {event!r} {getattr(event, 'body', '')}")
        return decide(pack, facts, aggregate, event)

    monkeypatch.setattr(engine, "decide", buggy)


async def test_order_holds_per_texter_and_texters_do_not_wait_for_each_other(nerves: Nerves) -> None:
    """Texts of many handsets, all at once: each is shown once, in the order of its handset."""
    await nerves.run()
    handsets = [f"+1206555{n:04}" for n in range(8)]
    words = [f"text {n}" for n in range(12)]

    async def texter(handset: str) -> str:
        for n, body in enumerate(words):
            await nerves.arrive(body, message_id=f"{handset}-{n}", sender=handset)
        return await nerves.thread_of(handset)

    owners = await asyncio.gather(*map(texter, handsets))
    await nerves.at_rest()
    assert len(set(owners)) == len(handsets)
    for owner in owners:
        assert nerves.posts(owner) == words


async def test_a_restart_goes_on_with_what_stood_in_the_inbox(nerves: Nerves, tmp_path: Path) -> None:
    """What was taken in and not yet decided is decided after the next start, once."""
    owner = await nerves.arrive("before the stop", message_id="1")
    await nerves.end()
    again = Nerves(tmp_path)
    await again.open()
    await again.run()
    await again.at_rest()
    assert again.posts(owner) == ["before the stop"]
    await again.end()


async def test_a_full_disk_is_waited_for(nerves: Nerves) -> None:
    """While nothing can be written nothing is lost and nothing leaves; afterwards everything happens once."""
    await nerves.engine.load()
    owner = await nerves.arrive("kept before the disk was full", message_id="1")
    nerves.store.full = True
    await nerves.run()
    await until("the engine tried", lambda: _refused(nerves), every=0.02)
    assert nerves.shown == []
    assert nerves.paper.sent == []
    nerves.store.full = False
    await nerves.at_rest()
    assert nerves.posts(owner) == ["kept before the disk was full"]
    assert len(nerves.paper.sent) == 1
    assert await nerves.count("dead_letter") == 0


async def test_a_bug_costs_one_event(
    nerves: Nerves, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An event whose decision raises is kept sealed, the desk is told its short id, and the thread goes on.

    Nothing of the content is in the log, at any level.
    """
    caplog.set_level(logging.DEBUG, logger=log.OURS)
    fail_on(monkeypatch, TextArrived, body=SECRET)
    await nerves.run()
    owner = await nerves.arrive("one", message_id="1")
    await nerves.arrive(SECRET, message_id="2")
    await nerves.arrive("three", message_id="3")
    await nerves.at_rest()
    assert nerves.posts(owner) == ["one", "three"]
    (letter,) = await nerves.store.fetch("SELECT short_id, owner, kind, body FROM dead_letter")
    assert (letter["owner"], letter["kind"]) == (owner, "TextArrived")
    assert SECRET.encode() not in letter["body"]
    assert SECRET.encode() in await nerves.vault.open(owner, "inbox", letter["body"])
    assert [body for body in nerves.posts(DESK) if letter["short_id"] in body]
    assert "engine.dead_letter" in caplog.text
    assert letter["short_id"] in caplog.text
    assert SECRET not in caplog.text


async def test_a_desk_that_cannot_hear_of_a_death_is_not_told_for_ever(
    nerves: Nerves, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When even the telling fails, two letters are dead and that is all."""
    fail_on(monkeypatch, TextArrived, LetterDied)
    await nerves.run()
    await nerves.arrive("anything", message_id="1")
    await nerves.at_rest()
    await asyncio.sleep(0.2)
    assert await nerves.count("dead_letter") == 2
    assert await nerves.count("inbox") == 0


async def test_what_cannot_be_opened_is_a_dead_letter(nerves: Nerves) -> None:
    """A row that was changed on the disk, or whose kind nobody knows, is buried, and the next one is handled."""
    owner = await nerves.arrive("changed on the disk", message_id="1")
    await nerves.store.commit(lambda conn: conn.execute("UPDATE inbox SET body = $1", b"\x01" + bytes(60)))
    await nerves.arrive("of no known kind", message_id="2")
    await nerves.store.commit(lambda conn: conn.execute("UPDATE inbox SET kind = 'Nothing' WHERE seq = 2"))
    await nerves.arrive("whole", message_id="3")
    await nerves.run()
    await nerves.at_rest()
    assert nerves.posts(owner) == ["whole"]
    assert await nerves.count("dead_letter") == 2


async def test_a_thread_and_the_desk_change_in_one_commit(nerves: Nerves) -> None:
    """A first text's card at the desk follows from the same commit that shows it: there is no state between the two."""
    await nerves.run()
    owner = await nerves.arrive("hello", message_id="1")
    await nerves.at_rest()
    assert [line.thread for line in nerves.engine.desk.waiting] == [owner]
    card = next(action for place, action in nerves.shown if place == DESK and isinstance(action, Post))
    assert (await nerves.thread(owner)).designation in card.body


async def _refused(nerves: Nerves) -> bool | None:
    return nerves.store.refused > 0 or None


async def test_what_was_said_is_in_the_audit_by_the_hour(nerves: Nerves) -> None:
    """Kinds stand in the audit in their order, with the hour and the thread, and no word or time beside them."""
    await nerves.run()
    nerves.clock.at += 1234.5
    owner = await nerves.arrive("hi, marzipan", message_id="1")
    await nerves.at_rest()
    rows = [dict(row) for row in await nerves.store.fetch("SELECT * FROM audit ORDER BY seq")]
    assert [row["kind"] for row in rows] == ["first_text_in", "unavailable"]
    (about,) = {row["about"] for row in rows}
    assert len(about) == 6
    assert about not in owner
    assert {row["hour"] for row in rows} == {1_800_000_000}
    assert {key for row in rows for key in row} == {"seq", "hour", "about", "kind", "mac"}
