"""What a person's receipt says of copies at the carrier: gone, kept, or without an id; and when there is a receipt."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bot.model.events import MessageSent
from bridge.carriers.adapter import DeleteLater, DeliveryReport, RetainedByCarrier, UnknownOutcome
from bridge.erasure.carrier_copies import ELSEWHERE
from bridge.tables.carrier_copies import EARLY_REPORT_WAIT, WITHOUT_ID
from tests.bridge.erasure.test_carrier_copies import ID, FakeArchive, results
from tests.e2e.polling import STEP_TIMEOUT, wait_until
from tests.fakes.bridge_harness import BridgeHarness
from tests.fakes.erasure_harness import ErasureHarness


@pytest.mark.practice(18)
async def test_what_the_carrier_keeps_is_called_kept(erasure: ErasureHarness) -> None:
    """A copy that the carrier keeps stands in the receipt in the carrier's words, and never as gone."""
    archive = FakeArchive(erasure.harness)
    owner = await erasure.create_thread_room()
    archive.answers.append(RetainedByCarrier("until 2027-01-01"))
    await erasure.send_message(owner, "!close now")
    await erasure.run_to_end()
    person = (await erasure.certificates())[1]
    assert person["carrier"] == {"carrier keeps it: until 2027-01-01": 1, "copies deleted, confirmed": 1}


async def test_what_lies_at_another_carrier_is_never_called_gone(
    erasure: ErasureHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line is set up for another carrier before the old one's copies went: nobody is asked, and nothing called gone."""
    harness, archive = erasure.harness, FakeArchive(erasure.harness)
    owner = await erasure.create_thread_room()
    await erasure.send_message(owner, "!close now")
    monkeypatch.setattr(harness.carrier, "kind", "another")
    await erasure.run_to_end()
    assert archive.asked == []
    assert (await erasure.certificates())[1]["carrier"] == {ELSEWHERE: 2}


@pytest.mark.parametrize("back", [False, True], ids=["stays there", "comes back"])
async def test_what_lies_in_another_account_is_never_called_gone(erasure: ErasureHarness, *, back: bool) -> None:
    """The same carrier, which has no such text in this account. With the first account again they are deleted."""
    harness, archive = erasure.harness, FakeArchive(erasure.harness)
    await harness.carrier_copies.note_account()
    owner = await erasure.create_thread_room()
    await erasure.send_message(owner, "!close now")
    for account in ("another", "")[: 1 + back]:
        harness.clock.at += 1
        harness.carrier_copies._account = account
        for _ in range(2):
            await harness.carrier_copies.note_account()
    await erasure.run_to_end()
    assert bool(archive.asked) is back
    results_shown = (await erasure.certificates())[1]["carrier"]
    assert results_shown == ({"copies deleted, confirmed": 2} if back else {ELSEWHERE: 2})


async def test_nobody_is_called_erased_whose_copy_is_not_settled(erasure: ErasureHarness) -> None:
    """While one copy is still at the carrier there is no receipt for the person; when it is gone, there is."""
    harness, archive = erasure.harness, FakeArchive(erasure.harness)
    owner = await erasure.create_thread_room()
    archive.answers.append(DeleteLater(7200.0))
    await erasure.send_message(owner, "!close now")
    for _ in range(60):
        await erasure.runner.run_once()
        await harness.carrier_copies.run_once()
        harness.clock.at += 1
    assert [certificate["what"] for certificate in await erasure.certificates()] == ["conversation"]
    harness.clock.at += 7200
    await erasure.run_to_end()
    assert [certificate["what"] for certificate in await erasure.certificates()] == ["conversation", "person"]


async def test_a_copy_of_a_text_that_was_under_way_is_not_forgotten(erasure: ErasureHarness) -> None:
    """A text that was being sent when it was closed all the same is in the receipt: without an id, until it has one."""
    harness, archive = erasure.harness, FakeArchive(erasure.harness)
    owner = await erasure.create_thread_room()
    before = len(harness.carrier.sent)
    harness.carrier.send_gate, harness.carrier.sending = asyncio.Event(), asyncio.Event()
    await harness.receive_text("es", message_id="asks for Spanish")
    await asyncio.wait_for(harness.carrier.sending.wait(), STEP_TIMEOUT)
    await harness.deliver(owner, *_close_now(harness))
    await _gone(harness)
    assert (await results(harness))[WITHOUT_ID] == 1
    harness.carrier.send_gate.set()
    await harness.wait_until_drained()
    await harness.sms_sender.wait_for_requests()
    await harness.carrier_copies.run_once()
    assert len(harness.carrier.sent) == before + 1
    assert f"id{before}" in archive.asked
    await erasure.run_to_end()
    assert (await erasure.certificates())[1]["carrier"] == {"copies deleted, confirmed": 4}
    assert await harness.count("dead_letter") == 0


async def test_a_text_whose_result_is_unknown_is_never_called_gone(erasure: ErasureHarness) -> None:
    """The carrier took it and the answer was lost: its report tells the id, and the receipt that one had none."""
    harness, archive = erasure.harness, FakeArchive(erasure.harness)
    harness.carrier.outcomes.append(UnknownOutcome())
    owner = await erasure.create_thread_room(uploads=0)
    await harness.webhook.accept_report(DeliveryReport(message_id="vendor-77", status="delivered"))
    await erasure.send_message(owner, "!close now")
    await erasure.run_to_end()
    harness.clock.at += EARLY_REPORT_WAIT
    await harness.carrier_copies.run_once()
    assert "vendor-77" in archive.asked
    assert (await erasure.certificates())[1]["carrier"] == {"copies deleted, confirmed": 1, WITHOUT_ID: 1}


async def test_a_text_that_was_being_sent_at_a_crash_is_never_called_gone(tmp_path: Path) -> None:
    """Killed with the carrier's answer in hand: the receipt of that person says that a text has no id."""
    harness = BridgeHarness(tmp_path)
    await harness.open()
    await harness.run()
    harness.carrier.send_gate = asyncio.Event()
    owner = await harness.receive_text("hello", message_id=ID)
    await asyncio.wait_for(harness.carrier.sending.wait(), STEP_TIMEOUT)
    harness.sms_sender._sending.clear()
    await harness.close()
    again = BridgeHarness(tmp_path)
    await again.open()
    await again.run()
    await again.wait_until_drained()
    query = "SELECT owner, count FROM copy_result WHERE result = $1"
    assert [tuple(row) for row in await again.database.fetch(query, WITHOUT_ID)] == [(owner, 1)]
    await again.close()


async def test_a_blocked_phones_texts_go_at_the_carrier_too(erasure: ErasureHarness) -> None:
    """What a blocked phone sends is kept nowhere: its copy is deleted at once, and again after a retry nothing happens."""
    harness, archive = erasure.harness, FakeArchive(erasure.harness)
    owner = await erasure.create_thread_room(uploads=0)
    await erasure.send_message(owner, "!block 30 days")
    await erasure.send_message(owner, "!close now", event_id="$now")
    await erasure.run_to_end()
    for _ in range(2):
        await harness.receive_text("I will find you", message_id="blocked", sender="+12065550199")
        await harness.wait_until_drained()
        await harness.carrier_copies.run_once()
    assert archive.asked.count("blocked") == 1
    assert await harness.count("thread") == 0


def _close_now(harness: BridgeHarness) -> list[Any]:
    return [
        MessageSent(place="thread", sender="@sol:x", event_id="$now", body="!close now anyway", at=harness.clock.at + 1)
    ]


async def _gone(harness: BridgeHarness) -> None:
    async def probe() -> bool | None:
        return await harness.count("thread") == 0 or None

    await wait_until("the thread has ended", probe, every=0.02)
