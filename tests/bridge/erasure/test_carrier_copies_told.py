"""What a person's receipt says of copies at the carrier: gone, kept, or without an id; and when there is a receipt."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bot.model.events import Said
from bridge.carriers.adapter import DeliveryReport, Keeps, NotYet, UnknownOutcome
from bridge.erasure.carrier_copies import EARLY, ELSEWHERE, UNNAMED
from tests.bridge.erasure.test_carrier_copies import ID, Archive, results
from tests.e2e.waiting import until
from tests.fakes.nerves import Nerves
from tests.fakes.paper_rooms import WayDown


@pytest.mark.practice(18)
async def test_what_the_carrier_keeps_is_called_kept(way: WayDown) -> None:
    """A copy that the carrier keeps stands in the receipt in the carrier's words, and never as gone."""
    archive = Archive(way.nerves)
    owner = await way.furnish()
    archive.answers.append(Keeps("until 2027-01-01"))
    await way.say(owner, "!close now")
    await way.down()
    person = (await way.receipts())[1]
    assert person["carrier"] == {"carrier keeps it: until 2027-01-01": 1, "copies deleted, confirmed": 1}


async def test_what_lies_at_another_carrier_is_never_called_gone(way: WayDown, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line is set up for another carrier before the old one's copies went: nobody is asked, and nothing called gone."""
    nerves, archive = way.nerves, Archive(way.nerves)
    owner = await way.furnish()
    await way.say(owner, "!close now")
    monkeypatch.setattr(nerves.paper, "kind", "another")
    await way.down()
    assert archive.asked == []
    assert (await way.receipts())[1]["carrier"] == {ELSEWHERE: 2}


async def test_nobody_is_called_erased_whose_copy_is_not_settled(way: WayDown) -> None:
    """While one copy is still at the carrier there is no receipt for the person; when it is gone, there is."""
    nerves, archive = way.nerves, Archive(way.nerves)
    owner = await way.furnish()
    archive.answers.append(NotYet(7200.0))
    await way.say(owner, "!close now")
    for _ in range(60):
        await way.erasure.once()
        await nerves.copies.once()
        nerves.clock.at += 1
    assert [told["what"] for told in await way.receipts()] == ["conversation"]
    nerves.clock.at += 7200
    await way.down()
    assert [told["what"] for told in await way.receipts()] == ["conversation", "person"]


async def test_a_copy_of_a_text_that_was_under_way_is_not_forgotten(way: WayDown) -> None:
    """A text that was being sent when it was closed all the same is in the receipt: without an id, until it has one."""
    nerves, archive = way.nerves, Archive(way.nerves)
    owner = await way.furnish()
    before = len(nerves.paper.sent)
    nerves.paper.holds, nerves.paper.sending = asyncio.Event(), asyncio.Event()
    await nerves.arrive("es", message_id="asks for Spanish")
    await asyncio.wait_for(nerves.paper.sending.wait(), 10)
    await nerves.tell(owner, *_close_now(nerves))
    await _gone(nerves)
    assert (await results(nerves))[UNNAMED] == 1
    nerves.paper.holds.set()
    await nerves.at_rest()
    await nerves.texts.finish()
    await nerves.copies.once()
    assert len(nerves.paper.sent) == before + 1
    assert f"id{before}" in archive.asked
    await way.down()
    assert (await way.receipts())[1]["carrier"] == {"copies deleted, confirmed": 4}
    assert await nerves.count("dead_letter") == 0


async def test_a_text_whose_result_is_unknown_is_never_called_gone(way: WayDown) -> None:
    """The carrier took it and the answer was lost: its report tells the id, and the receipt that one had none."""
    nerves, archive = way.nerves, Archive(way.nerves)
    nerves.paper.outcomes.append(UnknownOutcome())
    owner = await way.furnish(uploads=0)
    await nerves.webhook.report(DeliveryReport(message_id="vendor-77", status="delivered"))
    await way.say(owner, "!close now")
    await way.down()
    nerves.clock.at += EARLY
    await nerves.copies.once()
    assert "vendor-77" in archive.asked
    assert (await way.receipts())[1]["carrier"] == {"copies deleted, confirmed": 1, UNNAMED: 1}


async def test_a_text_that_was_being_sent_at_a_crash_is_never_called_gone(tmp_path: Path) -> None:
    """Killed with the carrier's answer in hand: the receipt of that person says that a text has no id."""
    nerves = Nerves(tmp_path)
    await nerves.open()
    await nerves.run()
    nerves.paper.holds = asyncio.Event()
    owner = await nerves.arrive("hello", message_id=ID)
    await asyncio.wait_for(nerves.paper.sending.wait(), 10)
    nerves.texts._sending.clear()
    await nerves.end()
    again = Nerves(tmp_path)
    await again.open()
    await again.run()
    await again.at_rest()
    query = "SELECT owner, count FROM copy_result WHERE result = $1"
    assert [tuple(row) for row in await again.store.fetch(query, UNNAMED)] == [(owner, 1)]
    await again.end()


async def test_a_blocked_phones_texts_go_at_the_carrier_too(way: WayDown) -> None:
    """What a blocked phone sends is kept nowhere: its copy is deleted at once, and again after a retry nothing happens."""
    nerves, archive = way.nerves, Archive(way.nerves)
    owner = await way.furnish(uploads=0)
    await way.say(owner, "!block 30 days")
    await way.say(owner, "!close now", event_id="$now")
    await way.down()
    for _ in range(2):
        await nerves.arrive("I will find you", message_id="blocked", sender="+12065550199")
        await nerves.at_rest()
        await nerves.copies.once()
    assert archive.asked.count("blocked") == 1
    assert await nerves.count("thread") == 0


def _close_now(nerves: Nerves) -> list[Any]:
    return [Said(place="thread", sender="@sol:x", event_id="$now", body="!close now anyway", at=nerves.clock.at + 1)]


async def _gone(nerves: Nerves) -> None:
    async def probe() -> bool | None:
        return await nerves.count("thread") == 0 or None

    await until("the thread has ended", probe, every=0.02)
