"""The carrier's copies: each goes as soon as it may, is asked about until it is gone, and never called gone when kept."""

from __future__ import annotations

import asyncio
from collections import deque
from pathlib import Path
from typing import Any

import pytest

from bot.model.events import TextOutcome
from bridge.carriers.adapter import Deleted, DeleteOutcome, DeliveryReport, NotYet, Status, UnknownOutcome
from bridge.engine import transactional_actions
from bridge.erasure import carrier_copies
from bridge.erasure.carrier_copies import COPIES, UNREPORTED, UNSHOWN
from bridge.runtime.crash_points import CrashPoint
from bridge.runtime.priority_gate import GIVES_WAY
from bridge.tables import clock_trust
from tests.e2e.waiting import until
from tests.fakes.nerves import Nerves, SetClock

ID = "SM4711-vendor-id"


class Died(BaseException):
    """The process is gone."""


class Archive:
    """What the carrier is asked to delete, and what it answers."""

    def __init__(self, nerves: Nerves) -> None:
        self.asked: list[str] = []
        self.answers: deque[DeleteOutcome] = deque()
        nerves.paper.delete_copy = self.delete_copy  # type: ignore[method-assign]

    async def delete_copy(self, message_id: str) -> DeleteOutcome:
        self.asked.append(message_id)
        return self.answers.popleft() if self.answers else Deleted()


async def results(nerves: Nerves) -> dict[str, int]:
    return {row["result"]: row["count"] for row in await nerves.store.fetch("SELECT result, count FROM copy_result")}


async def shown(nerves: Nerves, owner: str) -> None:
    """Say that a text is in its room, as `posts` does."""
    ref = await nerves.store.fetchval("SELECT ref FROM carrier_copy WHERE owner = $1 ORDER BY n LIMIT 1", owner)
    await nerves.store.commit(lambda conn: carrier_copies.shown(conn, owner, f"{ref}:0", nerves.clock.at))


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


@pytest.mark.parametrize("held", [False, True])
async def test_a_copy_gives_way_to_words_and_not_for_long(nerves: Nerves, held: bool) -> None:
    """While somebody talks it waits for a pause, and no longer than that; who holds the thread meanwhile keeps the copy."""
    archive = Archive(nerves)
    owner = await nerves.arrive("words", message_id=ID)
    await shown(nerves, owner)
    with nerves.outbox.talk.under_way():
        going = asyncio.create_task(nerves.copies.once())
        await asyncio.sleep(GIVES_WAY / 4)
        assert archive.asked == []
        if held:
            await nerves.store.commit(lambda conn: conn.execute("UPDATE thread SET held = TRUE WHERE id = $1", owner))
        async with asyncio.timeout(10):
            await going
    assert archive.asked == ([] if held else [ID])


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


async def answered(nerves: Nerves) -> str:
    """Have a texter greeted; the carrier took the greeting as `id0`. Returns their thread."""
    owner = await nerves.arrive("hello", message_id="in0")
    await nerves.at_rest()
    assert len(nerves.paper.sent) == 1
    return owner


async def _first(heard: list[TextOutcome]) -> TextOutcome | None:
    return heard[0] if heard else None


async def outcomes(
    nerves: Nerves, monkeypatch: pytest.MonkeyPatch, heard: list[TextOutcome] | None = None
) -> list[TextOutcome]:
    """Note what threads hear of their texts from now on."""
    heard = [] if heard is None else heard
    look = nerves.engine._words.look

    async def noted(aggregate: Any, event: Any) -> Any:
        if isinstance(event, TextOutcome):
            heard.append(event)
        return await look(aggregate, event)

    monkeypatch.setattr(nerves.engine._words, "look", noted)
    return heard


@pytest.mark.parametrize("status", ["delivered", "failed"])
async def test_a_text_without_a_report_is_asked_about(
    nerves: Nerves, status: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour after a text was taken, when no report came, the carrier says what became of it, before its copy goes."""
    archive = Archive(nerves)
    await nerves.run()
    await answered(nerves)
    heard = await outcomes(nerves, monkeypatch)
    nerves.paper.states["id0"] = DeliveryReport(message_id="id0", status=status, code="")
    await nerves.copies.once()
    assert nerves.paper.asked_status == []
    nerves.clock.at += UNREPORTED
    await nerves.copies.once()
    await until("it is heard", lambda: _first(heard), within=5, every=0.01)
    assert [event.outcome.value for event in heard] == [status]
    assert (nerves.paper.asked_status, "id0" in archive.asked) == (["id0"], True)
    await nerves.webhook.report(DeliveryReport(message_id="id0", status=status))
    assert await nerves.store.fetchval("SELECT COUNT(*) FROM inbox WHERE kind = 'TextOutcome'") == 0


@pytest.mark.parametrize("reports", [True, False])
async def test_nobody_is_asked_in_vain(nerves: Nerves, reports: bool) -> None:
    """Neither a text whose last report came is asked about, nor one of theirs; where nobody knows, nothing changes."""
    archive = Archive(nerves)
    await nerves.run()
    await answered(nerves)
    if reports:
        await nerves.webhook.report(DeliveryReport(message_id="id0", status="delivered"))
        await nerves.at_rest()
    nerves.clock.at += UNSHOWN
    await nerves.copies.once()
    assert nerves.paper.asked_status == ([] if reports else ["id0"])
    assert sorted(archive.asked) == ["id0", "in0"]


async def test_killed_between_the_answer_and_the_copy(
    nerves: Nerves, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed when the carrier's word is kept and its copy still stands: it is heard once, and the copy goes after all."""

    def crash(now: CrashPoint) -> None:
        if now is CrashPoint.STATUS_TAKEN:
            raise Died

    await nerves.run()
    await answered(nerves)
    heard = await outcomes(nerves, monkeypatch)
    report = DeliveryReport(message_id="id0", status="delivered")
    nerves.paper.states["id0"] = report
    nerves.clock.at += UNREPORTED
    nerves.crash = crash
    with pytest.raises(Died):
        await nerves.copies.once()
    at = nerves.clock.at
    await nerves.end()
    later = Nerves(tmp_path, clock=SetClock(at))
    await later.open()
    archive = Archive(later)
    await outcomes(later, monkeypatch, heard)
    later.paper.states["id0"] = report
    await later.run()
    await later.copies.once()
    await until("it is heard", lambda: _first(heard), within=5, every=0.01)
    assert await later.store.fetchval("SELECT COUNT(*) FROM inbox WHERE kind = 'TextOutcome'") == 0
    assert ([event.outcome.value for event in heard], archive.asked.count("id0")) == (["delivered"], 1)
    await later.end()


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


async def test_a_held_threads_copies_stay(nerves: Nerves) -> None:
    """A hold freezes this deleter too, and so does a doubted clock, unless an end waits for it."""
    archive = Archive(nerves)
    owner = await nerves.arrive("words", message_id=ID)
    await shown(nerves, owner)
    await transactional_actions.hold(nerves.store, owner)
    assert not await nerves.copies.once()
    await transactional_actions.release(nerves.store, owner)
    await nerves.store.commit(clock_trust.doubt)
    assert not await nerves.copies.once()
    await nerves.store.commit(clock_trust.trust)
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


async def test_a_report_before_the_result_is_the_same_copy(nerves: Nerves) -> None:
    """A report that overtakes its text's result notes the copy, and the result says whose it is: one row, one deletion."""
    archive = Archive(nerves)
    await nerves.run()
    await nerves.webhook.report(DeliveryReport(message_id="id0", status="delivered"))
    assert not await nerves.copies.once()
    owner = await nerves.arrive("hello", message_id="in0")
    await nerves.at_rest()
    query = "SELECT owner FROM carrier_copy WHERE ref NOT LIKE 'in:%'"
    assert [row["owner"] for row in await nerves.store.fetch(query)] == [owner]
    await nerves.copies.once()
    assert archive.asked == ["id0"]


async def test_nobodys_copy_waits_for_whom_it_may_concern(nerves: Nerves) -> None:
    """While a held thread has a text without an id, a copy of which nobody knows whose it is stays."""
    archive = Archive(nerves)
    nerves.paper.outcomes.append(UnknownOutcome())
    await nerves.run()
    owner = await nerves.arrive("hello", message_id="in0")
    await nerves.at_rest()
    await transactional_actions.hold(nerves.store, owner)
    await nerves.webhook.report(DeliveryReport(message_id="vendor-77", status="delivered"))
    nerves.clock.at += UNSHOWN
    assert not await nerves.copies.once()
    await transactional_actions.release(nerves.store, owner)
    await nerves.copies.once()
    assert "vendor-77" in archive.asked


async def test_a_hold_stops_a_batch_of_deletions(nerves: Nerves) -> None:
    """A hold that is set while the first of six copies is being deleted keeps the other five."""
    archive = Archive(nerves)
    for number in range(6):
        owner = await nerves.arrive(f"text {number}", message_id=f"m{number}")
    nerves.clock.at += UNSHOWN

    async def delete_copy(message_id: str) -> DeleteOutcome:
        await transactional_actions.hold(nerves.store, owner)
        return await archive.delete_copy(message_id)

    nerves.paper.delete_copy = delete_copy  # type: ignore[method-assign]
    await nerves.copies.once()
    assert archive.asked == ["m0"]
    assert await nerves.count("carrier_copy") == 5
