"""What came while nobody listened is added, and nothing arrives a second time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from bridge.carriers.adapter import InboundText
from bridge.inbound.carrier_backfill import OLDEST, Reconcile
from bridge.outbound.sms_sender import HORIZON
from bridge.runtime.phone_number import Phone
from bridge.tables import clock_trust
from tests.e2e.waiting import until
from tests.fakes.nerves import HANDSET, Nerves


def listed(nerves: Nerves, number: int, *, age: float) -> InboundText:
    at = datetime.fromtimestamp(nerves.clock.at - age, UTC)
    return InboundText(message_id=f"id{number}", sender=Phone(HANDSET), text=f"text {number}", at=at)


def reconciling(nerves: Nerves) -> Reconcile:
    return Reconcile(
        store=nerves.store, clock=nerves.clock, carrier=nerves.paper, webhook=nerves.webhook, hourly=nerves.hourly
    )


async def test_only_what_is_missing_is_added(nerves: Nerves) -> None:
    """After downtime the listing adds what no webhook brought, in order, and nothing a second time."""
    reconcile = reconciling(nerves)
    await reconcile.once()
    assert nerves.paper.asked == []
    await nerves.arrive("text 1", message_id="id1")
    nerves.clock.at += 3600
    nerves.paper.listed = [listed(nerves, n, age=100 - n) for n in (1, 2, 3)]
    await reconcile.once()
    await reconcile.once()
    await nerves.run()
    await nerves.at_rest()
    assert nerves.posts(await nerves.thread_of(HANDSET)) == ["text 1", "text 2", "text 3"]


async def test_the_watermark_stays_when_nothing_was_listed(nerves: Nerves) -> None:
    """A carrier that could not be asked is asked again for the same time: its silence is no proof."""
    reconcile = reconciling(nerves)
    await reconcile.once()
    for _ in range(3):
        nerves.clock.at += 3600
        await reconcile.once()
    assert len(set(nerves.paper.asked)) == 1
    nerves.paper.listed = [listed(nerves, 1, age=7000)]
    await reconcile.once()
    assert await nerves.count("inbox") == 1


async def test_the_watermark_moves_to_the_last_text(nerves: Nerves) -> None:
    """It moves as far as the listing came, less some slack, and never into the future."""
    reconcile = reconciling(nerves)
    await reconcile.once()
    nerves.clock.at += 7200
    nerves.paper.listed = [listed(nerves, 1, age=3600), listed(nerves, 2, age=-86_400)]
    await reconcile.once()
    await reconcile.once()
    assert nerves.paper.asked[-1] == datetime.fromtimestamp(nerves.clock.at, UTC) - timedelta(minutes=10)


async def test_a_watermark_of_a_wrong_clock_comes_back(nerves: Nerves) -> None:
    """After the first start with a clock a day ahead, what came since is asked for as soon as the clock is right."""
    reconcile, right = reconciling(nerves), nerves.clock.at
    nerves.clock.at = right + 86_400
    await reconcile.once()
    for later in (3600.0, 7200.0):
        nerves.clock.at = right + later
        await reconcile.once()
    asked = datetime.fromtimestamp(right + 3600, UTC) - timedelta(minutes=10)
    assert nerves.paper.asked == [asked, asked]


@pytest.mark.parametrize(("by_webhook", "by_listing"), [("STOP", "START"), ("START", "STOP")])
async def test_an_older_word_of_the_listing_changes_nothing(nerves: Nerves, by_webhook: str, by_listing: str) -> None:
    """After downtime a STOP or START that the listing brings does not undo the other one, which was texted after it."""
    reconcile = reconciling(nerves)
    await reconcile.once()
    nerves.clock.at += 3600
    await nerves.run()
    owner = await nerves.arrive(by_webhook, message_id="id1")
    await nerves.at_rest()
    sent, remembered = len(nerves.paper.sent), await nerves.count("suppression")
    nerves.paper.listed = [replace(listed(nerves, 2, age=600), text=by_listing)]
    await reconcile.once()
    await nerves.at_rest()
    assert (await nerves.thread(owner)).consent.stopped is (by_webhook == "STOP")
    assert (len(nerves.paper.sent), await nerves.count("suppression")) == (sent, remembered)
    assert nerves.posts(owner) == [by_webhook, by_listing]
    assert any("came late" in body for body in nerves.posts(owner, notices=True))
    assert any("came late and out of its order" in body for body in nerves.posts("desk"))


async def test_a_listing_that_fails_for_long_is_told(nerves: Nerves, monkeypatch: pytest.MonkeyPatch) -> None:
    """A carrier that does not answer is asked again; after five minutes the desk hears of it, once an hour at most."""
    reconcile = reconciling(nerves)
    await nerves.run()
    await reconcile.watched()

    async def breaks_off(since: datetime) -> AsyncIterator[InboundText]:
        for text in [listed(nerves, 1, age=since.timestamp())][:0]:
            yield text
        raise ConnectionError("the carrier's listing broke off")

    for broken, seconds, words in (
        (True, 0, 0),
        (True, 240, 0),
        (True, 90, 1),
        (True, 600, 1),
        (False, 0, 1),
        (True, 60, 1),
    ):
        nerves.clock.at += seconds
        with monkeypatch.context() as patched:
            if broken:
                patched.setattr(nerves.paper, "list_since", breaks_off)
            with pytest.raises(ConnectionError) if broken else nullcontext():
                await reconcile.watched()
        await nerves.at_rest()
        assert len([body for body in nerves.posts("desk") if "does not say which texts came" in body]) == words


@pytest.mark.parametrize(("lists", "away", "words"), [(False, 7260, 1), (False, 300, 0), (True, 7260, 0)])
async def test_after_a_long_time_away_people_look_for_themselves(
    nerves: Nerves, lists: bool, away: float, words: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the carrier cannot be asked, the desk hears after a long time away that texts may be only in its portal."""
    monkeypatch.setattr(nerves.paper, "lists", lists)
    reconcile = reconciling(nerves)
    await reconcile.back()
    await nerves.run()
    await until("the timers noted the clock", lambda: _noted(nerves), within=5, every=0.01)
    await clock_trust.Doubt(store=nerves.store, read=lambda: clock_trust.Reading(nerves.clock.at, 100.0, "b")).note()
    nerves.clock.at += away
    for _ in range(2):
        await reconcile.back()
    await nerves.at_rest()
    assert len([body for body in nerves.posts("desk") if "This line was away for about 2 h" in body]) == words
    assert not [body for body in nerves.posts("desk") if "away" in body and not words]


async def test_nothing_older_than_our_memory_is_asked_for(nerves: Nerves) -> None:
    """After a long silence the listing begins where `seen` still remembers, so that nothing arrives again."""
    reconcile = reconciling(nerves)
    await reconcile.once()
    nerves.clock.at += 30 * 86_400
    await reconcile.once()
    assert nerves.paper.asked == [datetime.fromtimestamp(nerves.clock.at - OLDEST, UTC)]
    assert OLDEST < HORIZON


async def test_a_duplicate_is_known_until_the_horizon(nerves: Nerves) -> None:
    """A carrier's id is remembered for eight days (and forgotten by the sweep, `test_sweep`)."""
    reconcile = reconciling(nerves)
    await nerves.arrive("words", message_id="id1")
    nerves.clock.at += HORIZON - 60
    await reconcile.once()
    await nerves.arrive("words", message_id="id1")
    assert await nerves.count("inbox") == 1


async def test_a_full_disk_does_not_move_the_watermark(nerves: Nerves) -> None:
    """A text that could not be kept is listed again at the next time."""
    reconcile = reconciling(nerves)
    await reconcile.once()
    nerves.clock.at += 60
    nerves.paper.listed = [listed(nerves, 1, age=10)]
    nerves.store.full = True
    with pytest.raises(Exception, match="full"):
        await reconcile.once()
    nerves.store.full = False
    await reconcile.once()
    assert await nerves.count("inbox") == 1


async def test_one_text_that_cannot_be_kept_holds_up_no_other(nerves: Nerves) -> None:
    """Where a thread stands without its key, what others texted comes in; the desk hears once, and it stays asked for."""
    reconcile = reconciling(nerves)
    await nerves.engine.load()
    await nerves.vault.destroy(await nerves.arrive("before", message_id="id0"))
    await reconcile.once()
    nerves.clock.at += 7200
    other = replace(listed(nerves, 2, age=3500), sender=Phone("+12065550111"))
    nerves.paper.listed = [listed(nerves, 1, age=3600), other]
    for _ in range(3):
        await reconcile.once()
        nerves.clock.at += 3600
    assert len(set(nerves.paper.asked)) == 1
    assert await nerves.count("thread") == 2
    assert await nerves.store.fetch("SELECT kind FROM inbox WHERE owner = $1", await nerves.thread_of("+12065550111"))
    assert await nerves.store.fetchval("SELECT COUNT(*) FROM inbox WHERE owner = 'desk'") == 1


@pytest.mark.parametrize("ahead", [-3600.0, 3600.0])
async def test_a_text_of_now_is_answered_when_the_clock_was_set(nerves: Nerves, ahead: float) -> None:
    """The carrier's time is right and the bridge began with a wrong one: a new texter is greeted all the same."""
    nerves.clock.ahead = ahead
    await nerves.run()
    now = datetime.fromtimestamp(nerves.clock.machine(), UTC)
    await nerves.webhook.take(InboundText(message_id="1", sender=Phone(HANDSET), text="hello", at=now))
    await nerves.at_rest()
    assert len(nerves.paper.sent) == 1


async def test_an_old_text_is_not_answered_when_the_clock_was_set(nerves: Nerves) -> None:
    """A clock that was set forward by five hours does not make a text of five hours ago one of now."""
    nerves.clock.ahead = 5 * 3600.0
    await nerves.run()
    old = datetime.fromtimestamp(nerves.clock.machine() - 5 * 3600, UTC)
    await nerves.webhook.take(InboundText(message_id="1", sender=Phone(HANDSET), text="hello", at=old))
    await nerves.at_rest()
    assert nerves.paper.sent == []


async def test_what_came_hours_ago_is_shown_but_not_answered(nerves: Nerves) -> None:
    """What a listing brings hours later has not just arrived: nothing automatic leaves for that phone (DESIGN §0)."""
    reconcile = reconciling(nerves)
    await reconcile.once()
    nerves.clock.at += 6 * 3600
    nerves.paper.listed = [listed(nerves, 1, age=5 * 3600)]
    await reconcile.once()
    await nerves.run()
    await nerves.at_rest()
    assert nerves.posts(await nerves.thread_of(HANDSET)) == ["text 1"]
    assert nerves.paper.sent == []


async def _noted(nerves: Nerves) -> str | None:
    return cast("str | None", await nerves.store.fetchval("SELECT value FROM line WHERE name = $1", clock_trust.LAST))
