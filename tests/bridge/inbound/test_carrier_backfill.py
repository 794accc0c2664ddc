"""What came while nobody listened is added, and nothing arrives a second time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from bot.model.actions import DESK, PageOnCall
from bot.model.events import MemberJoined, MessageSent
from bridge.carriers.adapter import Ignored, InboundText
from bridge.inbound.carrier_backfill import MAX_AGE, CarrierBackfill
from bridge.runtime.phone_number import Phone
from bridge.storage.errors import Unavailable
from bridge.tables import clock_trust, line_state
from bridge.tables.sent_texts import ID_RETENTION
from tests.e2e.polling import wait_until
from tests.fakes.bridge_harness import HANDSET, BridgeHarness


def listed(harness: BridgeHarness, number: int, *, age: float) -> InboundText:
    at = datetime.fromtimestamp(harness.clock.at - age, UTC)
    return InboundText(message_id=f"id{number}", sender=Phone(HANDSET), text=f"text {number}", at=at)


def reconciling(harness: BridgeHarness) -> CarrierBackfill:
    return CarrierBackfill(
        harness.services, carrier=harness.carrier, webhook=harness.webhook, hourly_alerts=harness.hourly_alerts
    )


async def test_only_what_is_missing_is_added(harness: BridgeHarness) -> None:
    """After downtime the listing adds what no webhook brought, in order, and nothing a second time."""
    reconcile = reconciling(harness)
    await reconcile.run_once()
    assert harness.carrier.list_requests == []
    await harness.receive_text("text 1", message_id="id1")
    harness.clock.at += 3600
    harness.carrier.listed = [listed(harness, n, age=100 - n) for n in (1, 2, 3)]
    await reconcile.run_once()
    await reconcile.run_once()
    await harness.run()
    await harness.wait_until_drained()
    assert harness.messages_shown(await harness.thread_id(HANDSET)) == ["text 1", "text 2", "text 3"]


async def test_the_watermark_stays_when_nothing_was_listed(harness: BridgeHarness) -> None:
    """A carrier that could not be asked is asked again for the same time: its silence is no proof."""
    reconcile = reconciling(harness)
    await reconcile.run_once()
    for _ in range(3):
        harness.clock.at += 3600
        await reconcile.run_once()
    assert len(set(harness.carrier.list_requests)) == 1
    harness.carrier.listed = [listed(harness, 1, age=7000)]
    await reconcile.run_once()
    assert await harness.count("inbox") == 1


async def test_the_watermark_moves_to_the_last_text(harness: BridgeHarness) -> None:
    """It moves as far as the listing came, less some slack, and never into the future."""
    reconcile = reconciling(harness)
    await reconcile.run_once()
    harness.clock.at += 7200
    harness.carrier.listed = [listed(harness, 1, age=3600), listed(harness, 2, age=-86_400)]
    await reconcile.run_once()
    await reconcile.run_once()
    assert harness.carrier.list_requests[-1] == datetime.fromtimestamp(harness.clock.at, UTC) - timedelta(minutes=10)


@pytest.mark.parametrize(("by_webhook", "by_listing"), [("STOP", "START"), ("START", "STOP")])
async def test_an_older_word_of_the_listing_changes_nothing(
    harness: BridgeHarness, by_webhook: str, by_listing: str
) -> None:
    """After downtime a STOP or START that the listing brings does not undo the other one, which was texted after it."""
    reconcile = reconciling(harness)
    await reconcile.run_once()
    harness.clock.at += 3600
    await harness.run()
    owner = await harness.receive_text(by_webhook, message_id="id1")
    await harness.wait_until_drained()
    text_count, remembered = len(harness.carrier.sent), await harness.count("suppression")
    harness.carrier.listed = [replace(listed(harness, 2, age=600), text=by_listing)]
    await reconcile.run_once()
    await harness.wait_until_drained()
    assert (await harness.thread(owner)).consent.stopped is (by_webhook == "STOP")
    assert (len(harness.carrier.sent), await harness.count("suppression")) == (text_count, remembered)
    assert harness.messages_shown(owner) == [by_webhook, by_listing]
    assert any("came late" in body for body in harness.messages_shown(owner, notices=True))
    assert any("came late and out of its order" in body for body in harness.messages_shown("desk", notices=True))


async def test_a_listing_that_fails_for_long_is_told(harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """A carrier that does not answer is asked again; after five minutes the desk hears of it, once an hour at most.

    After an hour the person on call is called, although people are on duty.
    """
    reconcile = reconciling(harness)
    await harness.run()
    on = MessageSent(place=DESK, event_id="$on", sender="@ada:server", body="!on", at=harness.clock.at)
    await harness.deliver(DESK, MemberJoined(place=DESK, user=on.sender), on)
    await harness.wait_until_drained()
    kind = PageOnCall.__name__
    before = await harness.database.fetchval("SELECT COUNT(*) FROM outbox WHERE kind = $1", kind)
    await reconcile.run_and_alert()

    async def breaks_off(since: datetime) -> AsyncIterator[InboundText]:
        for text in [listed(harness, 1, age=since.timestamp())][:0]:
            yield text
        raise ConnectionError("the carrier's listing broke off")

    for broken, seconds, words, pages in (
        (True, 0, 0, 0),
        (True, 240, 0, 0),
        (True, 90, 1, 0),
        (True, 600, 1, 0),
        (True, 3000, 2, 1),
        (False, 0, 2, 1),
        (True, 60, 2, 1),
    ):
        harness.clock.at += seconds
        with monkeypatch.context() as patched:
            if broken:
                patched.setattr(harness.carrier, "list_since", breaks_off)
            with pytest.raises(ConnectionError) if broken else nullcontext():
                await reconcile.run_and_alert()
        await harness.wait_until_drained()
        assert len([body for body in harness.messages_shown("desk") if "does not say which texts came" in body]) == words
        assert await harness.database.fetchval("SELECT COUNT(*) FROM outbox WHERE kind = $1", kind) == before + pages


@pytest.mark.parametrize(("lists", "away", "words"), [(False, 7260, 1), (False, 300, 0), (True, 7260, 0)])
async def test_after_a_long_time_away_people_look_for_themselves(
    harness: BridgeHarness, lists: bool, away: float, words: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the carrier cannot be asked, the desk hears after a long time away that texts may be only in its portal."""
    monkeypatch.setattr(harness.carrier, "can_list", lists)
    reconcile = reconciling(harness)
    await reconcile.report_absence()
    await harness.run()
    await wait_until("the timers noted the clock", lambda: _noted(harness), every=0.01)
    await clock_trust.ClockCheck(
        database=harness.database,
        now=harness.clock.now,
        sample=lambda: clock_trust.ClockSample(harness.clock.at, 100.0, "b"),
    ).record_sample()
    harness.clock.at += away
    for _ in range(2):
        await reconcile.report_absence()
    await harness.wait_until_drained()
    assert (
        len([body for body in harness.messages_shown("desk", notices=True) if "This line was away for about 2 h" in body])
        == words
    )
    assert not [body for body in harness.messages_shown("desk", notices=True) if "away" in body and not words]


async def test_nothing_older_than_our_memory_is_asked_for(harness: BridgeHarness) -> None:
    """After a long silence the listing begins where `seen` still remembers, so that nothing arrives again."""
    reconcile = reconciling(harness)
    await reconcile.run_once()
    harness.clock.at += 30 * 86_400
    await reconcile.run_once()
    assert harness.carrier.list_requests == [datetime.fromtimestamp(harness.clock.at - MAX_AGE, UTC)]
    assert MAX_AGE < ID_RETENTION


async def test_a_duplicate_is_known_until_the_horizon(harness: BridgeHarness) -> None:
    """A carrier's id is remembered for eight days (`test_expiry`: and then forgotten)."""
    reconcile = reconciling(harness)
    await harness.receive_text("words", message_id="id1")
    harness.clock.at += ID_RETENTION - 60
    await reconcile.run_once()
    await harness.receive_text("words", message_id="id1")
    assert await harness.count("inbox") == 1


async def test_a_full_disk_does_not_move_the_watermark(harness: BridgeHarness) -> None:
    """A text that could not be kept is listed again at the next time."""
    reconcile = reconciling(harness)
    await reconcile.run_once()
    harness.clock.at += 60
    harness.carrier.listed = [listed(harness, 1, age=10)]
    harness.database.full = True
    with pytest.raises(Unavailable, match="FULL"):
        await reconcile.run_once()
    harness.database.full = False
    await reconcile.run_once()
    assert await harness.count("inbox") == 1


async def test_one_text_that_cannot_be_kept_holds_up_no_other(harness: BridgeHarness) -> None:
    """Where a thread stands without its key, what others texted comes in; the desk hears once, and it stays asked for."""
    reconcile = reconciling(harness)
    await harness.engine.load()
    await harness.vault.destroy(await harness.receive_text("before", message_id="id0"))
    await reconcile.run_once()
    harness.clock.at += 7200
    other = replace(listed(harness, 2, age=3500), sender=Phone("+12065550111"))
    harness.carrier.listed = [listed(harness, 1, age=3600), other]
    for _ in range(3):
        await reconcile.run_once()
        harness.clock.at += 3600
    assert len(set(harness.carrier.list_requests)) == 1
    assert await harness.count("thread") == 2
    assert await harness.database.fetch("SELECT kind FROM inbox WHERE owner = $1", await harness.thread_id("+12065550111"))
    assert await harness.database.fetchval("SELECT COUNT(*) FROM inbox WHERE owner = 'desk'") == 1


async def test_what_is_listed_of_another_channel_is_told_once(harness: BridgeHarness) -> None:
    """The desk hears that somebody wrote over another channel; the next listing, which has it too, is no news.

    One that a webhook brought is not told by the listing either, hours after the desk heard of it.
    """
    reconcile = reconciling(harness)
    await harness.run()
    await reconcile.run_once()
    await harness.webhook.report_ignored(Ignored("channel", "by-webhook"))
    harness.carrier.listed = [Ignored("channel", "by-webhook"), Ignored("channel", "listed")]
    said: list[int] = []
    for _ in range(4):
        harness.clock.at += 7200
        await reconcile.run_once()
        await harness.wait_until_drained()
        notices = harness.messages_shown("desk", notices=True)
        said.append(len([body for body in notices if "another channel" in body]))
    assert said == [2, 2, 2, 2]
    assert await harness.count("thread") == 0


async def test_a_group_of_a_webhook_is_no_text_in_the_listing(harness: BridgeHarness) -> None:
    """A listing may have a group MMS without its other members: what a webhook told as a group begins no conversation."""
    reconcile = reconciling(harness)
    await reconcile.run_once()
    harness.clock.at += 3600
    await harness.webhook.report_ignored(Ignored("group", "id1"))
    harness.carrier.listed = [listed(harness, 1, age=60), listed(harness, 2, age=30)]
    await reconcile.run_once()
    assert await harness.count("inbox") == 2  # the desk's alert, and the other text


async def test_what_came_hours_ago_is_shown_but_not_answered(harness: BridgeHarness) -> None:
    """What a listing brings hours later has not just arrived: nothing automatic leaves for that phone.

    Rule: design.md, "Rules of the phone".
    """
    reconcile = reconciling(harness)
    await reconcile.run_once()
    harness.clock.at += 6 * 3600
    harness.carrier.listed = [listed(harness, 1, age=5 * 3600)]
    await reconcile.run_once()
    await harness.run()
    await harness.wait_until_drained()
    assert harness.messages_shown(await harness.thread_id(HANDSET)) == ["text 1"]
    assert harness.carrier.sent == []


async def _noted(harness: BridgeHarness) -> str | None:
    return cast(
        "str | None", await harness.database.fetchval("SELECT value FROM line WHERE name = $1", line_state.CLOCK_SAMPLE)
    )
