"""The carrier's copies: each goes as soon as it may, is asked about until it is gone, and never called gone when kept."""

from __future__ import annotations

import asyncio
from collections import deque
from pathlib import Path
from typing import Any, Literal

import pytest

from bot.model.actions import SendMessage
from bot.model.events import TextOutcome
from bridge.carriers.adapter import (
    Deleted,
    DeleteLater,
    DeleteOutcome,
    DeliveryReport,
    InboundText,
    Media,
    Status,
    UnknownOutcome,
)
from bridge.erasure import carrier_copies as copies_module
from bridge.erasure.carrier_copies import COPIES, GATHER_SECONDS, MAX_SLEEP
from bridge.runtime.crash_points import CrashPoint
from bridge.runtime.phone_number import Phone
from bridge.storage.database import Transaction
from bridge.tables import carrier_copies, clock_trust, room_events
from bridge.tables.carrier_copies import EARLY_REPORT_WAIT, REPORT_WAIT, SHOW_WAIT
from tests.bridge.tables.test_suppression import block
from tests.e2e.polling import STEP_TIMEOUT, wait_until
from tests.fakes.bridge_harness import HANDSET, BridgeHarness, ManualClock

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


@pytest.mark.parametrize(
    ("text", "media", "blocked"), [("", 1, False), ("", 0, False), ("words", 0, True), ("", 1, True), ("words", 1, False)]
)
async def test_a_copy_waits_for_no_message_that_never_comes(
    harness: BridgeHarness, text: str, media: int, blocked: bool
) -> None:
    """What a blocked phone sends goes once that is decided upon; a picture alone has a message, like words."""
    archive = FakeArchive(harness)
    await harness.run()
    owner = await answered(harness)
    if blocked:
        await block(harness, owner)
    pictures = tuple(Media(url="https://x.example/1", content_type="image/jpeg") for _ in range(media))
    await harness.webhook.accept_text(InboundText(message_id=ID, sender=Phone(HANDSET), text=text, media=pictures))
    await harness.wait_until_drained()
    await harness.carrier_copies.run_once()
    refs = [action.ref for _, action in harness.shown if isinstance(action, SendMessage) and action.ref.endswith(":0")]
    assert (len(refs), ID in archive.asked) == (1 if blocked else 2, blocked)


async def test_what_is_remembered_as_shown_outlasts_a_fault(harness: BridgeHarness) -> None:
    """Where a request ends in a bug, both copies are tried once more, and none is left for a day."""
    archive, faults = FakeArchive(harness), [1]

    async def delete_copy(message_id: str) -> DeleteOutcome:
        if message_id == "second" and faults:
            faults.clear()
            raise LookupError
        return await archive.delete_copy(message_id)

    harness.carrier.delete_copy = delete_copy  # type: ignore[method-assign]
    for number, message_id in enumerate(("first", "second")):
        await shown(harness, await harness.receive_text("words", message_id=message_id, sender=f"+1206555020{number}"))
    with pytest.raises(LookupError):
        await harness.carrier_copies.run_once()
    await harness.carrier_copies.run_once()
    assert archive.asked == ["first", "first", "second"]
    assert (await harness.count("carrier_copy"), await results(harness)) == (0, {"gone": 1})
    assert await harness.carrier_copies.run_once() == MAX_SLEEP, "nothing is remembered any more"


async def test_a_copy_is_tried_once_however_it_is_known_that_it_may_go(harness: BridgeHarness) -> None:
    """A long text has several messages, and its conversation may be over by then: the carrier is asked once."""
    archive = FakeArchive(harness)
    owner = await harness.receive_text("words", message_id=ID)
    await harness.carrier_copies.run_once()
    ref = await harness.database.fetchval("SELECT ref FROM carrier_copy")
    for piece in range(3):
        harness.services.wake.shown_text(owner, f"{ref}:{piece}")
    await harness.database.commit(lambda transaction: carrier_copies.expedite(transaction, owner, harness.clock.at))
    await harness.carrier_copies.run_once()
    assert archive.asked == [ID]
    assert (await harness.count("carrier_copy"), await results(harness)) == (0, {"gone": 1})


async def test_what_is_too_much_to_remember_is_asked_of_the_index(
    harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a carrier does not answer for hours: nothing is left for a day because memory is bounded."""
    monkeypatch.setattr(copies_module, "MOST_REMEMBERED", 1)
    archive = FakeArchive(harness)
    owner = await harness.receive_text("words", message_id=ID)
    await harness.carrier_copies.run_once()
    await shown(harness, owner, ON_THE_INDEX)
    harness.carrier_copies._has_asked_index = True
    for thread in (owner, "another", "a third"):
        harness.services.wake.shown_text(thread, "in:1:0")
    await harness.carrier_copies.run_once()
    assert archive.asked == [ID]


@pytest.mark.parametrize("is_held", [False, True])
async def test_a_copy_gives_way_to_words_and_not_for_long(
    harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch, is_held: bool
) -> None:
    """While a person talks it waits for a pause, and no longer than that; who holds the thread meanwhile keeps the copy."""
    archive = FakeArchive(harness)
    owner = await harness.receive_text("words", message_id=ID)
    await shown(harness, owner)
    yields, goes_on = asyncio.Event(), asyncio.Event()

    async def watched() -> None:
        yields.set()
        await goes_on.wait()
        await harness.outbox.priority_gate.yield_to_foreground()

    monkeypatch.setattr(harness.carrier_copies, "_yield_to_foreground", watched)
    with harness.outbox.priority_gate.foreground():
        going = asyncio.create_task(harness.carrier_copies.run_once())
        await yields.wait()
        assert archive.asked == []
        if is_held:
            await harness.database.commit(
                lambda transaction: transaction.execute("UPDATE thread SET legal_hold = TRUE WHERE id = $1", owner)
            )
        goes_on.set()
        async with asyncio.timeout(STEP_TIMEOUT):
            await going
    assert archive.asked == ([] if is_held else [ID])


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


@pytest.mark.parametrize("reports", [True, False])
async def test_nobody_is_asked_in_vain(harness: BridgeHarness, reports: bool) -> None:
    """Neither a text whose last report came is asked about, nor one of theirs; where nobody knows, nothing changes."""
    archive = FakeArchive(harness)
    await harness.run()
    await answered(harness)
    if reports:
        await harness.webhook.accept_report(DeliveryReport(message_id="id0", status="delivered"))
        await harness.wait_until_drained()
    harness.clock.at += SHOW_WAIT
    await harness.carrier_copies.run_once()
    assert harness.carrier.status_requests == ([] if reports else ["id0"])
    assert sorted(archive.asked) == ["id0", "in0"]


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


@pytest.mark.parametrize("first", ["sent", "delivered"])
async def test_a_second_report_does_not_hurry_nobodys_copy(
    harness: BridgeHarness, first: Literal["sent", "delivered"]
) -> None:
    """A copy that has no owner yet waits for its text's result after any number of reports: its thread may be held."""
    archive = FakeArchive(harness)
    await harness.run()
    for status in (first, "delivered"):
        await harness.webhook.accept_report(DeliveryReport(message_id="id0", status=status))
    await harness.carrier_copies.run_once()
    assert archive.asked == []
    harness.clock.at += EARLY_REPORT_WAIT
    await harness.carrier_copies.run_once()
    assert archive.asked == ["id0"]


async def test_nobodys_copy_waits_for_whom_it_may_concern(harness: BridgeHarness) -> None:
    """While a held thread has a text without an id, a copy of which nobody knows whose it is stays."""
    archive = FakeArchive(harness)
    harness.carrier.outcomes.append(UnknownOutcome())
    await harness.run()
    owner = await harness.receive_text("hello", message_id="in0")
    await harness.wait_until_drained()
    await harness.set_legal_hold(owner, on=True)
    await harness.webhook.accept_report(DeliveryReport(message_id="vendor-77", status="delivered"))
    harness.clock.at += SHOW_WAIT
    assert await harness.carrier_copies.run_once() == MAX_SLEEP
    await harness.set_legal_hold(owner, on=False)
    await harness.carrier_copies.run_once()
    assert "vendor-77" in archive.asked


async def test_a_hold_stops_a_batch_of_deletions(harness: BridgeHarness) -> None:
    """A hold that is set while the first of six copies is being deleted keeps the other five."""
    archive = FakeArchive(harness)
    for number in range(6):
        owner = await harness.receive_text(f"text {number}", message_id=f"m{number}")
    harness.clock.at += SHOW_WAIT

    async def delete_copy(message_id: str) -> DeleteOutcome:
        await harness.set_legal_hold(owner, on=True)
        return await archive.delete_copy(message_id)

    harness.carrier.delete_copy = delete_copy  # type: ignore[method-assign]
    await harness.carrier_copies.run_once()
    assert archive.asked == ["m0"]
    assert await harness.count("carrier_copy") == 5
