"""The carrier's copies: each goes as soon as it may, is asked about until it is gone, and never called gone when kept."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import pytest

from bot.model.events import TextOutcome
from bridge.carriers.adapter import (
    Deleted,
    DeleteLater,
    DeleteOutcome,
    DeliveryReport,
    Status,
)
from bridge.erasure.carrier_copies import COPIES, GATHER_SECONDS, MAX_SLEEP
from bridge.runtime.crash_points import CrashPoint
from bridge.storage.database import Transaction
from bridge.tables import carrier_copies, clock_trust, room_events
from bridge.tables.carrier_copies import REPORT_WAIT, SHOW_WAIT
from tests.e2e.polling import wait_until
from tests.fakes.bridge_harness import BridgeHarness, ManualClock

ID = "SM4711-vendor-id"


class ProcessDied(BaseException):
    """The process is gone."""


class FakeArchive:
    """What the carrier is asked to delete, and what it answers."""

    def __init__(self, harness: BridgeHarness) -> None:
        self.asked: list[str] = []
        self.answers: deque[DeleteOutcome] = deque()
        harness.carrier.delete_copy = self.delete_copy  # type: ignore[method-assign]

    async def delete_copy(self, message_id: str) -> DeleteOutcome:
        self.asked.append(message_id)
        return self.answers.popleft() if self.answers else Deleted()


async def results(harness: BridgeHarness) -> dict[str, int]:
    return {row["result"]: row["count"] for row in await harness.database.fetch("SELECT result, count FROM copy_result")}


REMEMBERED, IN_ITS_ROW, ON_THE_INDEX = "remembered", "in its row", "on the index"
"""By what it is known that a text is in its room: as mostly; where more than the text was noted; after a start."""


async def shown(harness: BridgeHarness, owner: str, by: str = REMEMBERED) -> None:
    """Say that a text is in its room."""
    ref = await harness.database.fetchval("SELECT ref FROM carrier_copy WHERE owner = $1 ORDER BY n LIMIT 1", owner)
    if by == REMEMBERED:
        harness.services.wake.shown_text(owner, f"{ref}:0")
        return

    async def write(transaction: Transaction) -> None:
        if by == IN_ITS_ROW:
            await carrier_copies.release_shown(transaction, owner, f"{ref}:0", harness.clock.at)
            return
        await transaction.execute("UPDATE thread SET room_id = '!room' WHERE id = $1", owner)
        await room_events.record_text(transaction, event_id="$1", room_id="!room", owner=owner, ref=f"{ref}:0", at=1)

    if by == ON_THE_INDEX:
        await harness.note_room("!room", owner)
        harness.carrier_copies._has_asked_index = False  # as after a start
    await harness.database.commit(write)


@pytest.mark.practice(18)
@pytest.mark.parametrize("by", [REMEMBERED, IN_ITS_ROW, ON_THE_INDEX])
async def test_an_inbound_copy_goes_once_its_text_is_shown(harness: BridgeHarness, by: str) -> None:
    """Kept while the text is not in its room yet, for a day at the longest; then deleted by the carrier's own id."""
    archive = FakeArchive(harness)
    owner = await harness.receive_text("words", message_id=ID)
    assert await harness.carrier_copies.run_once() == MAX_SLEEP
    await shown(harness, owner, by)
    assert await harness.carrier_copies.run_once() == GATHER_SECONDS
    assert archive.asked == [ID]
    assert (await harness.count("carrier_copy"), await results(harness)) == (0, {"gone": 1})
    await harness.receive_text("never shown", message_id="other")
    harness.clock.at += SHOW_WAIT
    assert await harness.carrier_copies.run_once() == GATHER_SECONDS


async def test_an_outbound_copy_goes_after_its_last_report(harness: BridgeHarness) -> None:
    """An answer's copy is kept until its final report, or an hour without one."""
    archive = FakeArchive(harness)
    await harness.run()
    for number, reports in enumerate((True, False)):
        sender = f"+1206555020{number}"
        await harness.receive_text("hello", message_id=f"in{number}", sender=sender)
        await harness.wait_until_drained()
        if reports:
            await harness.webhook.accept_report(DeliveryReport(message_id=f"id{number}", status="delivered"))
            await harness.wait_until_drained()
        await harness.carrier_copies.run_once()
        assert (f"id{number}" in archive.asked) is reports
    harness.clock.at += REPORT_WAIT
    await harness.carrier_copies.run_once()
    assert "id1" in archive.asked


async def answered(harness: BridgeHarness) -> str:
    """Have a texter greeted; the carrier took the greeting as `id0`. Returns their thread."""
    owner = await harness.receive_text("hello", message_id="in0")
    await harness.wait_until_drained()
    assert len(harness.carrier.sent) == 1
    return owner


async def _first(heard: list[TextOutcome]) -> TextOutcome | None:
    return heard[0] if heard else None


async def outcomes(
    harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch, heard: list[TextOutcome] | None = None
) -> list[TextOutcome]:
    """Note what threads hear of their texts from now on."""
    heard = [] if heard is None else heard
    look = harness.engine._codeword_matcher.match

    async def noted(aggregate: Any, event: Any) -> Any:
        if isinstance(event, TextOutcome):
            heard.append(event)
        return await look(aggregate, event)

    monkeypatch.setattr(harness.engine._codeword_matcher, "match", noted)
    return heard


@pytest.mark.parametrize("status", ["delivered", "failed"])
async def test_a_text_without_a_report_is_asked_about(
    harness: BridgeHarness, status: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour after a text was taken, when no report came, the carrier says what became of it, before its copy goes."""
    archive = FakeArchive(harness)
    await harness.run()
    await answered(harness)
    heard = await outcomes(harness, monkeypatch)
    harness.carrier.reports["id0"] = DeliveryReport(message_id="id0", status=status, code="")
    await harness.carrier_copies.run_once()
    assert harness.carrier.status_requests == []
    harness.clock.at += REPORT_WAIT
    await harness.carrier_copies.run_once()
    await wait_until("it is heard", lambda: _first(heard), every=0.01)
    assert [event.outcome.value for event in heard] == [status]
    assert (harness.carrier.status_requests, "id0" in archive.asked) == (["id0"], True)
    await harness.webhook.accept_report(DeliveryReport(message_id="id0", status=status))
    assert await harness.database.fetchval("SELECT COUNT(*) FROM inbox WHERE kind = 'TextOutcome'") == 0


async def test_killed_between_the_answer_and_the_copy(
    harness: BridgeHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed when the carrier's word is kept and its copy still stands: it is heard once, and the copy goes after all."""

    def crash(now: CrashPoint) -> None:
        if now is CrashPoint.STATUS_TAKEN:
            raise ProcessDied

    await harness.run()
    await answered(harness)
    heard = await outcomes(harness, monkeypatch)
    report = DeliveryReport(message_id="id0", status="delivered")
    harness.carrier.reports["id0"] = report
    harness.clock.at += REPORT_WAIT
    harness.crash = crash
    with pytest.raises(ProcessDied):
        await harness.carrier_copies.run_once()
    at = harness.clock.at
    await harness.close()
    later = BridgeHarness(tmp_path, clock=ManualClock(at))
    await later.open()
    archive = FakeArchive(later)
    await outcomes(later, monkeypatch, heard)
    later.carrier.reports["id0"] = report
    await later.run()
    await later.carrier_copies.run_once()
    await wait_until("it is heard", lambda: _first(heard), every=0.01)
    assert await later.database.fetchval("SELECT COUNT(*) FROM inbox WHERE kind = 'TextOutcome'") == 0
    assert ([event.outcome.value for event in heard], archive.asked.count("id0")) == (["delivered"], 1)
    await later.close()


@pytest.mark.practice(18)
@pytest.mark.parametrize("tries", [1, 7])
async def test_it_is_asked_until_the_carrier_confirms(harness: BridgeHarness, tries: int) -> None:
    """409, 429, 500 or a copy that is still there: asked again, later each time; after some hours the desk hears of it."""
    archive = FakeArchive(harness)
    owner = await harness.receive_text("words", message_id=ID)
    await shown(harness, owner)
    archive.answers.extend([DeleteLater(5.0)] * tries)
    for _ in range(tries):
        await harness.carrier_copies.run_once()
        assert await results(harness) == {}
        assert await harness.carrier_copies.run_once() == MAX_SLEEP, "not before its time"
        harness.clock.at += 6 * 3600
    await harness.carrier_copies.run_once()
    assert archive.asked == [ID] * (tries + 1)
    assert await results(harness) == {"gone": 1}
    assert harness.alerts == (["copy"] if tries >= 6 else [])


async def test_a_held_threads_copies_stay(harness: BridgeHarness) -> None:
    """A hold freezes this deleter too, and so does a doubted clock, unless an end waits for it."""
    archive = FakeArchive(harness)
    owner = await harness.receive_text("words", message_id=ID)
    await shown(harness, owner)
    await harness.set_legal_hold(owner, on=True)
    await harness.carrier_copies.run_once()
    assert await harness.carrier_copies.run_once() == MAX_SLEEP
    await harness.set_legal_hold(owner, on=False)
    await harness.database.commit(clock_trust.distrust)
    assert await harness.carrier_copies.run_once() == MAX_SLEEP
    other = await harness.receive_text("words", message_id="other", sender="+12065550201")
    await shown(harness, other)
    await harness.carrier_copies.run_once()
    assert archive.asked == []
    await harness.database.commit(clock_trust.trust)
    await harness.carrier_copies.run_once()
    assert archive.asked == [ID, "other"]


async def test_the_carriers_id_is_sealed_under_a_key_of_its_own(harness: BridgeHarness) -> None:
    """The id does not stand in the database in clear, and opens when the texter's key is destroyed."""
    owner = await harness.receive_text("words", message_id=ID)
    (row,) = await harness.database.fetch("SELECT * FROM carrier_copy")
    assert not any(ID.encode() in value for value in row if isinstance(value, bytes))
    assert ID not in [value for value in row if isinstance(value, str)]
    await harness.vault.destroy(owner)
    assert await harness.vault.open(COPIES, COPIES, row["id"]) == ID.encode()


async def test_a_report_before_the_result_is_the_same_copy(harness: BridgeHarness) -> None:
    """A report that overtakes its text's result notes the copy, and the result says whose it is: one row, one deletion."""
    archive = FakeArchive(harness)
    await harness.run()
    await harness.webhook.accept_report(DeliveryReport(message_id="id0", status="delivered"))
    assert await harness.carrier_copies.run_once() == MAX_SLEEP
    owner = await harness.receive_text("hello", message_id="in0")
    await harness.wait_until_drained()
    query = "SELECT owner FROM carrier_copy WHERE ref NOT LIKE 'in:%'"
    assert [row["owner"] for row in await harness.database.fetch(query)] == [owner]
    await harness.carrier_copies.run_once()
    assert archive.asked == ["id0"]
