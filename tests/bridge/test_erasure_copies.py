"""The carrier's copies: each goes as soon as it may, is asked about until it is gone, and never called gone when kept."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.events import Said
from bridge import erasure_acts, erasure_copies, sweep_clock
from bridge.carriers.adapter import Deleted, DeleteOutcome, DeliveryReport, Keeps, NotYet
from bridge.erasure_copies import COPIES, UNREPORTED, UNSHOWN
from tests.e2e.waiting import until
from tests.fakes.nerves import Nerves
from tests.fakes.paper_rooms import PaperRooms, WayDown

ID = "SM4711-vendor-id"


class Archive:
    """What the carrier is asked to delete, and what it answers."""

    def __init__(self, nerves: Nerves) -> None:
        self.asked: list[str] = []
        self.answers: deque[DeleteOutcome] = deque()
        nerves.paper.delete_copy = self.delete_copy  # type: ignore[method-assign]

    async def delete_copy(self, message_id: str) -> DeleteOutcome:
        self.asked.append(message_id)
        return self.answers.popleft() if self.answers else Deleted()


@pytest.fixture
async def nerves(tmp_path: Path) -> AsyncIterator[Nerves]:
    made = Nerves(tmp_path)
    await made.open()
    yield made
    await made.end()


async def results(nerves: Nerves) -> dict[str, int]:
    return {row["result"]: row["count"] for row in await nerves.store.fetch("SELECT result, count FROM copy_result")}


async def shown(nerves: Nerves, owner: str) -> None:
    """Say that a text is in its room, as `posts` does."""
    ref = await nerves.store.fetchval("SELECT ref FROM carrier_copy WHERE owner = $1 ORDER BY n LIMIT 1", owner)
    await nerves.store.commit(lambda conn: erasure_copies.shown(conn, owner, f"{ref}:0", nerves.clock.at))


@pytest.mark.practice(18)
async def test_an_inbound_copy_goes_once_its_text_is_shown(nerves: Nerves) -> None:
    """Kept while the text is not in its room yet, for a day at the longest; then deleted by the carrier's own id."""
    archive = Archive(nerves)
    owner = await nerves.arrive("words", message_id=ID)
    assert not await nerves.copies.once()
    await shown(nerves, owner)
    assert await nerves.copies.once()
    assert archive.asked == [ID]
    assert (await nerves.count("carrier_copy"), await results(nerves)) == (0, {"gone": 1})
    await nerves.arrive("never shown", message_id="other")
    nerves.clock.at += UNSHOWN
    assert await nerves.copies.once()


async def test_an_outbound_copy_goes_after_its_last_report(nerves: Nerves) -> None:
    """An answer's copy is kept until its final report, or an hour without one."""
    archive = Archive(nerves)
    await nerves.run()
    for number, reports in enumerate((True, False)):
        sender = f"+1206555020{number}"
        await nerves.arrive("hello", message_id=f"in{number}", sender=sender)
        await nerves.at_rest()
        if reports:
            await nerves.webhook.report(DeliveryReport(message_id=f"id{number}", status="delivered"))
            await nerves.at_rest()
        await nerves.copies.once()
        assert (f"id{number}" in archive.asked) is reports
    nerves.clock.at += UNREPORTED
    await nerves.copies.once()
    assert "id1" in archive.asked


@pytest.mark.practice(18)
@pytest.mark.parametrize("tries", [1, 7])
async def test_it_is_asked_until_the_carrier_confirms(nerves: Nerves, tries: int) -> None:
    """409, 429, 500 or a copy that is still there: asked again, later each time; after some hours the desk hears of it."""
    archive = Archive(nerves)
    owner = await nerves.arrive("words", message_id=ID)
    await shown(nerves, owner)
    archive.answers.extend([NotYet(5.0)] * tries)
    for _ in range(tries):
        await nerves.copies.once()
        assert await results(nerves) == {}
        assert not await nerves.copies.once(), "not before its time"
        nerves.clock.at += 6 * 3600
    await nerves.copies.once()
    assert archive.asked == [ID] * (tries + 1)
    assert await results(nerves) == {"gone": 1}
    assert nerves.alarms == (["a copy of a text at the carrier"] if tries >= 6 else [])


@pytest.mark.practice(18)
async def test_what_the_carrier_keeps_is_called_kept(tmp_path: Path) -> None:
    """A copy that the carrier keeps stands in the receipt in the carrier's words, and never as gone."""
    nerves = Nerves(tmp_path)
    await nerves.open()
    await nerves.run()
    archive = Archive(nerves)
    way = WayDown(nerves, PaperRooms())
    owner = await way.furnish()
    archive.answers.append(Keeps("until 2027-01-01"))
    await way.say(owner, "!close now")
    await way.down()
    person = (await way.receipts())[1]
    assert person["carrier"] == {"carrier keeps it: until 2027-01-01": 1, "copies deleted, confirmed": 1}
    await nerves.end()


async def test_nobody_is_called_erased_whose_copy_is_not_settled(tmp_path: Path) -> None:
    """While one copy is still at the carrier there is no receipt for the person; when it is gone, there is."""
    nerves = Nerves(tmp_path)
    await nerves.open()
    await nerves.run()
    archive = Archive(nerves)
    way = WayDown(nerves, PaperRooms())
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
    await nerves.end()


async def test_a_held_threads_copies_stay(nerves: Nerves) -> None:
    """A hold freezes this deleter too, and so does a doubted clock, unless an end waits for it."""
    archive = Archive(nerves)
    owner = await nerves.arrive("words", message_id=ID)
    await shown(nerves, owner)
    await erasure_acts.hold(nerves.store, owner)
    assert not await nerves.copies.once()
    await erasure_acts.release(nerves.store, owner)
    await nerves.store.commit(sweep_clock.doubt)
    assert not await nerves.copies.once()
    await nerves.store.commit(sweep_clock.trust)
    await nerves.copies.once()
    assert archive.asked == [ID]


async def test_the_carriers_id_is_sealed_under_a_key_of_its_own(nerves: Nerves) -> None:
    """The id does not stand in the database in clear, and opens when the texter's key is destroyed."""
    owner = await nerves.arrive("words", message_id=ID)
    (row,) = await nerves.store.fetch("SELECT * FROM carrier_copy")
    assert not any(ID.encode() in value for value in row if isinstance(value, bytes))
    assert ID not in [value for value in row if isinstance(value, str)]
    await nerves.vault.destroy(owner)
    assert await nerves.vault.open(COPIES, COPIES, row["id"]) == ID.encode()


async def test_a_copy_of_a_text_that_was_under_way_is_not_forgotten(tmp_path: Path) -> None:
    """A text that the carrier takes after its conversation was closed has its copy deleted too, and tells nobody."""
    nerves = Nerves(tmp_path)
    await nerves.open()
    await nerves.run()
    archive = Archive(nerves)
    way = WayDown(nerves, PaperRooms())
    owner = await way.furnish()
    before = len(nerves.paper.sent)
    nerves.paper.holds, nerves.paper.sending = asyncio.Event(), asyncio.Event()
    await nerves.arrive("es", message_id="asks for Spanish")
    await asyncio.wait_for(nerves.paper.sending.wait(), 10)
    await nerves.tell(owner, *_close_now(nerves))
    await _gone(nerves)
    nerves.paper.holds.set()
    await nerves.at_rest()
    await nerves.texts.finish()
    await nerves.copies.once()
    assert len(nerves.paper.sent) == before + 1
    assert f"id{before}" in archive.asked
    await way.down()
    assert await nerves.count("dead_letter") == 0
    await nerves.end()


def _close_now(nerves: Nerves) -> list[Any]:
    return [Said(place="thread", sender="@sol:x", event_id="$now", body="!close now", at=nerves.clock.at + 1)]


async def _gone(nerves: Nerves) -> None:
    async def probe() -> bool | None:
        return await nerves.count("thread") == 0 or None

    await until("the thread has ended", probe, within=10, every=0.02)
