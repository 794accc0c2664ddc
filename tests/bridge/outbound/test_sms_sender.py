"""Texts leave at most once each, in their turn, and never late."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bot.model.actions import DeliveryReceipt, Origin, SendSms, ShowReceipt
from bot.model.events import MemberJoined, MessageRedacted, MessageSent, PowerLevelsChanged, TextArrived
from bot.model.thread_desk_events import Assigned
from bridge.carriers.adapter import DeliveryReport, Rejected, TryLater, UnknownOutcome
from bridge.runtime.crash_points import CrashPoint
from bridge.storage import serialization
from bridge.storage.database import Row, Transaction
from bridge.tables.outbox import OutboxRow, number_of
from tests.e2e.polling import wait_until
from tests.fakes.bridge_harness import HANDSET, BridgeHarness

ADA = "@ada:quietline.localhost"
COUNTED = "SELECT count FROM copy_result WHERE result = $1"
GREETED = 1
"""The greeting, which every first text is answered with."""


async def talk(harness: BridgeHarness) -> str:
    """Have a thread whose assignee is Ada, greeted and at rest; returns its id."""
    await harness.run()
    await harness.deliver("desk", MemberJoined(place="desk", user=ADA), PowerLevelsChanged(users=()))
    await harness.wait_until_drained()
    owner = await harness.receive_text("hello", message_id="1")
    await harness.deliver(owner, Assigned(assignee=ADA))
    await harness.wait_until_drained()
    assert harness.engine.desk.roster
    assert len(harness.carrier.sent) == GREETED
    return owner


async def say(harness: BridgeHarness, owner: str, body: str, *, event_id: str = "$1") -> None:
    """Have the assignee say something; the undo window is none."""
    said = MessageSent(place="thread", sender=ADA, event_id=event_id, body=body, at=harness.clock.now())
    await harness.deliver(owner, said)


def receipts(harness: BridgeHarness, event_id: str = "$1") -> list[DeliveryReceipt]:
    """Receipts that were put on a message, in order."""
    return [
        action.receipt for _, action in harness.shown if isinstance(action, ShowReceipt) and action.event_id == event_id
    ]


async def test_an_answer_leaves_once(harness: BridgeHarness) -> None:
    """The assignee's words reach the carrier once, for the thread's own phone, and the receipt says so."""
    owner = await talk(harness)
    await say(harness, owner, "here I am")
    await harness.wait_until_drained()
    assert harness.carrier.sent[GREETED:] == [(HANDSET, "here I am")]
    assert receipts(harness) == [DeliveryReceipt.LEAVING, DeliveryReceipt.SENT]


async def test_the_guard_is_asked_right_before(harness: BridgeHarness) -> None:
    """A STOP that comes between the decision and the request stops the text; the receipt says that it was not sent."""
    owner = await talk(harness)
    row = await queued(harness, owner, "too late now")
    await harness.receive_text("STOP", message_id="2")
    await harness.wait_until_drained(standing=1)
    await release(harness, owner, row)
    await harness.wait_until_drained()
    assert "too late now" not in [body for _, body in harness.carrier.sent]
    assert receipts(harness)[-1] is DeliveryReceipt.NOT_SENT


async def test_the_firewall_is_asked_right_before(harness: BridgeHarness) -> None:
    """Words that are the designation of a thread which has come since they were decided on do not leave."""
    owner = await talk(harness)
    other = await harness.receive_text("somebody else", message_id="2", sender="+12065550198")
    await harness.wait_until_drained()
    name = await harness.database.fetchval("SELECT designation FROM thread WHERE id = $1", other)
    before = len(harness.carrier.sent)
    await release(harness, owner, await queued(harness, owner, f"as {name} said"))
    await harness.wait_until_drained()
    assert len(harness.carrier.sent) == before
    assert receipts(harness)[-1] is DeliveryReceipt.NOT_SENT
    own = await harness.database.fetchval("SELECT designation FROM thread WHERE id = $1", owner)
    await release(harness, owner, await queued(harness, owner, f"the {own} is nobody else's"))
    await harness.wait_until_drained()
    assert len(harness.carrier.sent) == before + 1


async def test_a_stop_that_has_its_2xx_stops_what_waits(harness: BridgeHarness, tmp_path: Path) -> None:
    """A STOP that is kept and not decided upon when the bridge dies: what stood in the outbox does not leave after it."""
    owner = await talk(harness)
    await queued(harness, owner, "after the STOP")
    await harness.stop()
    await harness.receive_text("STOP", message_id="2")
    await harness.close()
    again = BridgeHarness(tmp_path, clock=harness.clock)
    await again.open()
    await again.run()
    await again.wait_until_drained()
    assert (await again.thread(owner)).consent.stopped
    assert len(again.carrier.sent) == 1, "the confirmation of the STOP, and nothing else"
    assert "after the STOP" not in again.carrier.sent[0][1]
    await again.close()


async def test_nothing_leaves_beside_a_text_that_is_still_looked_at(
    harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a text of the phone waits for its comparison nothing leaves for it: the text may be a STOP."""
    owner = await talk(harness)
    looked, goes_on = harness.engine._codeword_matcher.match, asyncio.Event()

    async def slowly(aggregate: Any, event: Any) -> Any:
        if isinstance(event, TextArrived):
            await goes_on.wait()
        return await looked(aggregate, event)

    monkeypatch.setattr(harness.engine._codeword_matcher, "match", slowly)
    row = await queued(harness, owner, "too late now")
    await harness.receive_text("STOP", message_id="2")
    await release(harness, owner, row)
    await harness.wait_until_put_off()
    goes_on.set()
    await harness.wait_until_drained()
    assert "too late now" not in [body for _, body in harness.carrier.sent]


async def test_words_taken_back_while_the_carrier_is_busy_do_not_leave(harness: BridgeHarness) -> None:
    """Their undo window is over, their turn at the carrier has not come, and their author redacts them: they stay here."""
    owner = await talk(harness)
    harness.carrier.outcomes.append(TryLater(0.5))
    await say(harness, owner, "meant for another room")
    await wait_until("the carrier was asked", lambda: _asked(harness), every=0.01)
    await harness.deliver(owner, MessageRedacted(place="thread", sender=ADA, target="$1"))
    await harness.wait_until_drained()
    assert len(harness.carrier.sent) == GREETED
    assert receipts(harness) == [DeliveryReceipt.LEAVING, DeliveryReceipt.RETRACTED]


async def test_words_of_an_earlier_assignee_do_not_leave(harness: BridgeHarness) -> None:
    """When the assignee changes between decision and request, what has not left does not leave."""
    owner = await talk(harness)
    row = await queued(harness, owner, "words of the first advocate")
    await harness.deliver(owner, Assigned(assignee="@bea:quietline.localhost"))
    await harness.wait_until_drained(standing=1)
    await release(harness, owner, row)
    await harness.wait_until_drained()
    assert len(harness.carrier.sent) == GREETED


@pytest.mark.parametrize("damaged", [False, True], ids=["whole", "of no known kind"])
async def test_what_was_being_sent_at_a_crash_is_unknown(harness: BridgeHarness, tmp_path: Path, *, damaged: bool) -> None:
    """A row that says `sending` at the start is never sent again by itself; its receipt says that nobody knows."""
    owner = await talk(harness)
    await queued(harness, owner, "sent, or perhaps not", state="sending")
    if damaged:
        query = "UPDATE outbox SET kind = 'Nothing'"
        await harness.database.commit(lambda transaction: transaction.execute(query))
    await harness.close()
    again = BridgeHarness(tmp_path)
    await again.open()
    await again.run()
    await again.wait_until_drained()
    assert again.carrier.sent == []
    assert receipts(again) == [DeliveryReceipt.UNKNOWN]
    await again.close()


async def test_a_marked_row_is_never_sent_a_second_time(harness: BridgeHarness) -> None:
    """A row that was marked and comes again in the same process ends as unknown, until a report tells of it."""
    owner = await talk(harness)
    await release(harness, owner, await queued(harness, owner, "marked before", state="sending"))
    await harness.wait_until_drained()
    assert len(harness.carrier.sent) == GREETED
    assert receipts(harness)[-1] is DeliveryReceipt.UNKNOWN
    delivered = DeliveryReport(message_id="theirs", status="delivered", reference=harness.sms_sender.reference("x1"))
    await harness.webhook.accept_report(delivered)
    await harness.wait_until_drained()
    assert receipts(harness)[-1] is DeliveryReceipt.DELIVERED


async def test_a_full_disk_after_the_request_does_not_send_twice(harness: BridgeHarness) -> None:
    """When the carrier's answer cannot be written, the writing is tried again and the request is not."""
    owner = await talk(harness)

    def full(point: CrashPoint) -> None:
        if point is CrashPoint.SMS_SENT:
            harness.database.full = True

    harness.crash = full
    await say(harness, owner, "exactly once")
    await wait_until("the result could not be written", lambda: _refused(harness), every=0.01)
    harness.crash = lambda _point: None
    harness.database.full = False
    await harness.wait_until_drained()
    assert harness.carrier.sent[GREETED:] == [(HANDSET, "exactly once")]
    assert receipts(harness)[-1] is DeliveryReceipt.SENT


async def test_a_bug_in_an_adapter_leaves_doubt_and_no_second_request(harness: BridgeHarness) -> None:
    """An adapter that raises although it must not: the text is not sent again, and its receipt is `unknown`."""
    owner = await talk(harness)
    harness.carrier.outcomes.append(RuntimeError("the adapter's bug"))
    await say(harness, owner, "who knows")
    await harness.wait_until_drained()
    assert len(harness.carrier.sent) == GREETED
    assert receipts(harness)[-1] is DeliveryReceipt.UNKNOWN
    assert await harness.count("dead_letter") == 1


@pytest.mark.parametrize(
    ("outcome", "receipt"),
    [
        (UnknownOutcome(), DeliveryReceipt.UNKNOWN),
        (Rejected("30005"), DeliveryReceipt.NOT_SENT),
        (Rejected("21610", opted_out=True), DeliveryReceipt.NOT_SENT),
    ],
    ids=["unknown", "rejected", "opted out"],
)
async def test_every_outcome_has_its_receipt(harness: BridgeHarness, outcome: Any, receipt: DeliveryReceipt) -> None:
    """Doubt and refusal end in a receipt that says so, and nothing is tried again."""
    owner = await talk(harness)
    harness.carrier.outcomes.append(outcome)
    await say(harness, owner, "words")
    await harness.wait_until_drained()
    assert receipts(harness) == [DeliveryReceipt.LEAVING, receipt]
    assert len(harness.carrier.sent) == GREETED


async def test_not_now_is_tried_again(harness: BridgeHarness) -> None:
    """What the carrier certainly did not take is sent later, once, and before what was said after it."""
    owner = await talk(harness)
    harness.carrier.outcomes.extend([TryLater(0.05), TryLater(0.05)])
    await say(harness, owner, "first", event_id="$1")
    await say(harness, owner, "second", event_id="$2")
    await harness.wait_until_drained()
    assert [body for _, body in harness.carrier.sent[GREETED:]] == ["first", "second"]
    assert receipts(harness)[-1] is DeliveryReceipt.SENT


async def test_not_now_for_five_minutes_is_held(harness: BridgeHarness) -> None:
    """Words that could not leave for more than five minutes do not leave; their author is asked."""
    owner = await talk(harness)

    def later(point: CrashPoint) -> None:
        if point is CrashPoint.SMS_SENT:
            harness.clock.at += 301

    harness.crash = later
    harness.carrier.outcomes.append(TryLater(0.05))
    await say(harness, owner, "stale by now")
    await harness.wait_until_drained()
    assert len(harness.carrier.sent) == GREETED
    assert receipts(harness) == [DeliveryReceipt.LEAVING, DeliveryReceipt.HELD]


async def test_a_report_that_comes_before_the_result_is_not_lost(harness: BridgeHarness) -> None:
    """A carrier that reports delivery before its own answer is noted: the receipt ends as delivered."""
    owner = await talk(harness)

    async def early() -> None:
        await harness.carrier.sending.wait()
        await harness.webhook.accept_report(DeliveryReport(message_id="id1", status="delivered"))
        assert harness.carrier.send_gate is not None
        harness.carrier.send_gate.set()

    harness.carrier.sending.clear()
    harness.carrier.send_gate = asyncio.Event()
    reporting = asyncio.create_task(early())
    await say(harness, owner, "quick")
    await reporting
    await harness.wait_until_drained()
    assert receipts(harness)[-1] is DeliveryReceipt.DELIVERED
    assert await harness.count("early_report") == 0


async def test_a_late_report_finds_its_text(harness: BridgeHarness) -> None:
    """A report after the result moves the receipt on, a second one changes nothing."""
    owner = await talk(harness)
    await say(harness, owner, "words")
    await harness.wait_until_drained()
    for _ in range(2):
        await harness.webhook.accept_report(DeliveryReport(message_id="id1", status="delivered"))
        await harness.wait_until_drained()
    assert receipts(harness) == [DeliveryReceipt.LEAVING, DeliveryReceipt.SENT, DeliveryReceipt.DELIVERED]


async def test_a_failed_delivery_tells_the_code(harness: BridgeHarness) -> None:
    """The carrier's code of a failure is said in the room, for a person to quote, also when it came early."""
    owner = await talk(harness)
    await harness.webhook.accept_report(DeliveryReport(message_id="id1", status="failed", code="30003"))
    await say(harness, owner, "words")
    await harness.wait_until_drained()
    assert receipts(harness)[-1] is DeliveryReceipt.NOT_SENT
    assert any("30003" in body for body in harness.messages_shown(owner, notices=True))


async def test_an_orderly_stop_finishes_a_request_under_way(
    harness: BridgeHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop in the middle of a request waits for its answer, so that nothing is left in doubt."""
    owner = await talk(harness)
    harness.carrier.sending.clear()
    gate = harness.carrier.send_gate = asyncio.Event()
    wait_for_requests = harness.sms_sender.wait_for_requests

    async def watched() -> None:
        waiting = asyncio.create_task(wait_for_requests())
        for _ in range(10):  # turns of the loop in which what waits for nothing would end
            await asyncio.sleep(0)
        assert not waiting.done()
        gate.set()
        await waiting

    monkeypatch.setattr(harness.sms_sender, "wait_for_requests", watched)
    await say(harness, owner, "under way")
    await harness.carrier.sending.wait()
    await harness.close()
    assert harness.carrier.sent[GREETED:] == [(HANDSET, "under way")]
    again = BridgeHarness(tmp_path)
    await again.open()
    await again.run()
    await again.wait_until_drained()
    assert again.carrier.sent == []
    assert receipts(again) == [DeliveryReceipt.SENT]
    await again.close()


async def queued(harness: BridgeHarness, owner: str, body: str, *, state: str = "queued") -> int:
    """Put a text of the assignee into the outbox as if decided, and wake nobody; returns its number."""
    thread = await harness.thread(owner)
    text = SendSms(
        ref="say:$1", body=body, origin=Origin.ADVOCATE, epoch=thread.assignment.epoch, since=harness.clock.now()
    )
    sealed = await harness.vault.seal(owner, "outbox x1", serialization.encode(text))
    item = OutboxRow("conversation", "carrier", "SendSms", "x1", sealed)

    async def commit(transaction: Transaction) -> list[Row]:
        appended = await harness.outbox.put(transaction, owner, item, int(harness.clock.now()))
        await transaction.execute("UPDATE outbox SET state = $1 WHERE txn = 'x1'", state)
        return appended

    return number_of(await harness.database.commit(commit))


async def release(harness: BridgeHarness, owner: str, number: int) -> None:
    """Let a row that was put in by `queued` be performed."""
    harness.outbox.wake(number, owner, "conversation", "carrier")


async def _refused(harness: BridgeHarness) -> bool | None:
    return harness.database.rejected_commits > 1 or None


async def _asked(harness: BridgeHarness) -> bool | None:
    return not harness.carrier.outcomes or None
