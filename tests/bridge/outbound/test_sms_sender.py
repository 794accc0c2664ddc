"""Texts leave at most once each, in their turn, and never late."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bot.model.actions import Mark, Origin, Receipt, Text
from bot.model.events import Joined, LevelsSet, Said, TextArrived, Unsaid
from bot.model.thread_desk_events import Assigned
from bridge.carriers.adapter import DeliveryReport, Rejected, TryLater, UnknownOutcome
from bridge.outbound.dispatcher import Sealed
from bridge.runtime.crash_points import CrashPoint
from bridge.storage import serialization
from tests.e2e.waiting import until
from tests.fakes.nerves import HANDSET, Nerves

ADA = "@ada:quietline.localhost"
GREETED = 1
"""The greeting, which every first text is answered with."""


async def talk(nerves: Nerves) -> str:
    """Have a thread whose voice is Ada, greeted and at rest; returns its id."""
    await nerves.run()
    await nerves.tell("desk", Joined(place="desk", user=ADA), LevelsSet(users=()))
    await nerves.at_rest()
    owner = await nerves.arrive("hello", message_id="1")
    await nerves.tell(owner, Assigned(voice=ADA))
    await nerves.at_rest()
    assert nerves.engine.desk.roster
    assert len(nerves.paper.sent) == GREETED
    return owner


async def say(nerves: Nerves, owner: str, body: str, *, event_id: str = "$1") -> None:
    """Have the voice say something; the undo window is none."""
    said = Said(place="thread", sender=ADA, event_id=event_id, body=body, at=nerves.clock.wall())
    await nerves.tell(owner, said)


def receipts(nerves: Nerves, event_id: str = "$1") -> list[Receipt]:
    """Receipts that were put on a message, in order."""
    return [action.receipt for _, action in nerves.shown if isinstance(action, Mark) and action.event_id == event_id]


async def test_an_answer_leaves_once(nerves: Nerves) -> None:
    """The voice's words reach the carrier once, for the thread's own phone, and the receipt says so."""
    owner = await talk(nerves)
    await say(nerves, owner, "here I am")
    await nerves.at_rest()
    assert nerves.paper.sent[GREETED:] == [(HANDSET, "here I am")]
    assert receipts(nerves) == [Receipt.LEAVING, Receipt.SENT]


async def test_the_guard_is_asked_right_before(nerves: Nerves) -> None:
    """A STOP that comes between the decision and the request stops the text; the receipt says that it was not sent."""
    owner = await talk(nerves)
    row = await queued(nerves, owner, "too late now")
    await nerves.arrive("STOP", message_id="2")
    await nerves.at_rest(standing=1)
    await release(nerves, owner, row)
    await nerves.at_rest()
    assert "too late now" not in [body for _, body in nerves.paper.sent]
    assert receipts(nerves)[-1] is Receipt.NOT_SENT


async def test_the_firewall_is_asked_right_before(nerves: Nerves) -> None:
    """Words that are the designation of a thread which has come since they were decided on do not leave."""
    owner = await talk(nerves)
    other = await nerves.arrive("somebody else", message_id="2", sender="+12065550198")
    await nerves.at_rest()
    name = await nerves.store.fetchval("SELECT designation FROM thread WHERE id = $1", other)
    before = len(nerves.paper.sent)
    await release(nerves, owner, await queued(nerves, owner, f"as {name} said"))
    await nerves.at_rest()
    assert len(nerves.paper.sent) == before
    assert receipts(nerves)[-1] is Receipt.NOT_SENT
    own = await nerves.store.fetchval("SELECT designation FROM thread WHERE id = $1", owner)
    await release(nerves, owner, await queued(nerves, owner, f"the {own} is nobody else's"))
    await nerves.at_rest()
    assert len(nerves.paper.sent) == before + 1


async def test_a_stop_that_has_its_2xx_stops_what_waits(nerves: Nerves, tmp_path: Path) -> None:
    """A STOP that is kept and not decided upon when the bridge dies: what stood in the outbox does not leave after it."""
    owner = await talk(nerves)
    await queued(nerves, owner, "after the STOP")
    await nerves.stop_working()
    await nerves.arrive("STOP", message_id="2")
    await nerves.end()
    again = Nerves(tmp_path, clock=nerves.clock)
    await again.open()
    await again.run()
    await again.at_rest()
    assert (await again.thread(owner)).consent.stopped
    assert len(again.paper.sent) == 1, "the confirmation of the STOP, and nothing else"
    assert "after the STOP" not in again.paper.sent[0][1]
    await again.end()


async def test_nothing_leaves_beside_a_text_that_is_still_looked_at(
    nerves: Nerves, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a text of the phone waits for its comparison nothing leaves for it: the text may be a STOP."""
    owner = await talk(nerves)
    looked, goes_on = nerves.engine._words.look, asyncio.Event()

    async def slowly(aggregate: Any, event: Any) -> Any:
        if isinstance(event, TextArrived):
            await goes_on.wait()
        return await looked(aggregate, event)

    monkeypatch.setattr(nerves.engine._words, "look", slowly)
    row = await queued(nerves, owner, "too late now")
    await nerves.arrive("STOP", message_id="2")
    await release(nerves, owner, row)
    await asyncio.sleep(0.2)
    goes_on.set()
    await nerves.at_rest()
    assert "too late now" not in [body for _, body in nerves.paper.sent]


async def test_words_taken_back_while_the_carrier_is_busy_do_not_leave(nerves: Nerves) -> None:
    """Their undo window is over, their turn at the carrier has not come, and their author redacts them: they stay here."""
    owner = await talk(nerves)
    nerves.paper.outcomes.append(TryLater(0.5))
    await say(nerves, owner, "meant for another room")
    await until("the carrier was asked", lambda: _asked(nerves), every=0.01)
    await nerves.tell(owner, Unsaid(place="thread", sender=ADA, target="$1"))
    await nerves.at_rest()
    assert len(nerves.paper.sent) == GREETED
    assert receipts(nerves) == [Receipt.LEAVING, Receipt.UNSAID]


async def test_words_of_an_earlier_voice_do_not_leave(nerves: Nerves) -> None:
    """When the voice changes between decision and request, what has not left does not leave."""
    owner = await talk(nerves)
    row = await queued(nerves, owner, "words of the first voice")
    await nerves.tell(owner, Assigned(voice="@bea:quietline.localhost"))
    await nerves.at_rest(standing=1)
    await release(nerves, owner, row)
    await nerves.at_rest()
    assert len(nerves.paper.sent) == GREETED


async def test_what_was_being_sent_at_a_crash_is_unknown(nerves: Nerves, tmp_path: Path) -> None:
    """A row that says `sending` at the start is never sent again by itself; its receipt says that nobody knows."""
    owner = await talk(nerves)
    await queued(nerves, owner, "sent, or perhaps not", state="sending")
    await nerves.end()
    again = Nerves(tmp_path)
    await again.open()
    await again.run()
    await again.at_rest()
    assert again.paper.sent == []
    assert receipts(again) == [Receipt.UNKNOWN]
    await again.end()


async def test_a_marked_row_is_never_sent_a_second_time(nerves: Nerves) -> None:
    """A row that was marked and comes again in the same process ends as unknown."""
    owner = await talk(nerves)
    await release(nerves, owner, await queued(nerves, owner, "marked before", state="sending"))
    await nerves.at_rest()
    assert len(nerves.paper.sent) == GREETED
    assert receipts(nerves)[-1] is Receipt.UNKNOWN


async def test_a_full_disk_after_the_request_does_not_send_twice(nerves: Nerves) -> None:
    """When the carrier's answer cannot be written, the writing is tried again and the request is not."""
    owner = await talk(nerves)

    def full(point: CrashPoint) -> None:
        if point is CrashPoint.SMS_SENT:
            nerves.store.full = True

    nerves.crash = full
    await say(nerves, owner, "exactly once")
    await until("the result could not be written", lambda: _refused(nerves), every=0.01)
    nerves.crash = lambda _point: None
    nerves.store.full = False
    await nerves.at_rest()
    assert nerves.paper.sent[GREETED:] == [(HANDSET, "exactly once")]
    assert receipts(nerves)[-1] is Receipt.SENT


async def test_a_bug_in_an_adapter_leaves_doubt_and_no_second_request(nerves: Nerves) -> None:
    """An adapter that raises although it must not: the text is not sent again, and its receipt is `unknown`."""
    owner = await talk(nerves)
    nerves.paper.outcomes.append(RuntimeError("the adapter's bug"))
    await say(nerves, owner, "who knows")
    await nerves.at_rest()
    assert len(nerves.paper.sent) == GREETED
    assert receipts(nerves)[-1] is Receipt.UNKNOWN
    assert await nerves.count("dead_letter") == 1


@pytest.mark.parametrize(
    ("outcome", "receipt"),
    [
        (UnknownOutcome(), Receipt.UNKNOWN),
        (Rejected("30005"), Receipt.NOT_SENT),
        (Rejected("21610", opted_out=True), Receipt.NOT_SENT),
    ],
    ids=["unknown", "rejected", "opted out"],
)
async def test_every_outcome_has_its_receipt(nerves: Nerves, outcome: Any, receipt: Receipt) -> None:
    """Doubt and refusal end in a receipt that says so, and nothing is tried again."""
    owner = await talk(nerves)
    nerves.paper.outcomes.append(outcome)
    await say(nerves, owner, "words")
    await nerves.at_rest()
    assert receipts(nerves) == [Receipt.LEAVING, receipt]
    assert len(nerves.paper.sent) == GREETED


async def test_not_now_is_tried_again(nerves: Nerves) -> None:
    """What the carrier certainly did not take is sent later, once, and before what was said after it."""
    owner = await talk(nerves)
    nerves.paper.outcomes.extend([TryLater(0.05), TryLater(0.05)])
    await say(nerves, owner, "first", event_id="$1")
    await say(nerves, owner, "second", event_id="$2")
    await nerves.at_rest()
    assert [body for _, body in nerves.paper.sent[GREETED:]] == ["first", "second"]
    assert receipts(nerves)[-1] is Receipt.SENT


async def test_not_now_for_five_minutes_is_held(nerves: Nerves) -> None:
    """Words that could not leave for more than five minutes do not leave; their author is asked."""
    owner = await talk(nerves)

    def later(point: CrashPoint) -> None:
        if point is CrashPoint.SMS_SENT:
            nerves.clock.at += 301

    nerves.crash = later
    nerves.paper.outcomes.append(TryLater(0.05))
    await say(nerves, owner, "stale by now")
    await nerves.at_rest()
    assert len(nerves.paper.sent) == GREETED
    assert receipts(nerves) == [Receipt.LEAVING, Receipt.HELD]


async def test_a_report_that_comes_before_the_result_is_not_lost(nerves: Nerves) -> None:
    """A carrier that reports delivery before its own answer is noted: the receipt ends as delivered."""
    owner = await talk(nerves)

    async def early() -> None:
        await nerves.paper.sending.wait()
        await nerves.webhook.report(DeliveryReport(message_id="id1", status="delivered"))
        assert nerves.paper.holds is not None
        nerves.paper.holds.set()

    nerves.paper.sending.clear()
    nerves.paper.holds = asyncio.Event()
    reporting = asyncio.create_task(early())
    await say(nerves, owner, "quick")
    await reporting
    await nerves.at_rest()
    assert receipts(nerves)[-1] is Receipt.DELIVERED
    assert await nerves.count("early_report") == 0


async def test_a_late_report_finds_its_text(nerves: Nerves) -> None:
    """A report after the result moves the receipt on, a second one changes nothing."""
    owner = await talk(nerves)
    await say(nerves, owner, "words")
    await nerves.at_rest()
    for _ in range(2):
        await nerves.webhook.report(DeliveryReport(message_id="id1", status="delivered"))
        await nerves.at_rest()
    assert receipts(nerves) == [Receipt.LEAVING, Receipt.SENT, Receipt.DELIVERED]


async def test_a_failed_delivery_tells_the_code(nerves: Nerves) -> None:
    """The carrier's code of a failure is said in the room, for a person to quote, also when it came early."""
    owner = await talk(nerves)
    await nerves.webhook.report(DeliveryReport(message_id="id1", status="failed", code="30003"))
    await say(nerves, owner, "words")
    await nerves.at_rest()
    assert receipts(nerves)[-1] is Receipt.NOT_SENT
    assert any("30003" in body for body in nerves.posts(owner, notices=True))


async def test_an_orderly_stop_finishes_a_request_under_way(nerves: Nerves, tmp_path: Path) -> None:
    """A stop in the middle of a request waits for its answer, so that nothing is left in doubt."""
    owner = await talk(nerves)
    nerves.paper.sending.clear()
    nerves.paper.holds = asyncio.Event()
    await say(nerves, owner, "under way")
    await nerves.paper.sending.wait()
    ending = asyncio.create_task(nerves.end())
    await asyncio.sleep(0.1)
    nerves.paper.holds.set()
    await ending
    assert nerves.paper.sent[GREETED:] == [(HANDSET, "under way")]
    again = Nerves(tmp_path)
    await again.open()
    await again.run()
    await again.at_rest()
    assert again.paper.sent == []
    assert receipts(again) == [Receipt.SENT]
    await again.end()


async def queued(nerves: Nerves, owner: str, body: str, *, state: str = "queued") -> int:
    """Put a text of the voice into the outbox as if decided, and wake nobody; returns its number."""
    thread = await nerves.thread(owner)
    text = Text(ref="say:$1", body=body, origin=Origin.VOICE, epoch=thread.voice.epoch, since=nerves.clock.wall())
    sealed = await nerves.vault.seal(owner, "outbox x1", serialization.encode(text))
    item = Sealed("conversation", "carrier", "Text", "x1", sealed)

    async def commit(conn: Any) -> int:
        number = await nerves.outbox.put(conn, owner, item, int(nerves.clock.wall()))
        await conn.execute("UPDATE outbox SET state = $1 WHERE id = $2", state, number)
        return number

    return await nerves.store.commit(commit)


async def test_a_row_that_does_not_open_ends_no_start(nerves: Nerves, tmp_path: Path) -> None:
    """A text that stood as being sent and cannot be opened is put aside loudly at the start; others are settled."""
    owner = await talk(nerves)
    await nerves.stop_working()
    number = await queued(nerves, owner, "cannot be opened", state="sending")
    query = "UPDATE outbox SET body = $1, txn = 'x0' WHERE id = $2"
    await nerves.store.commit(lambda conn: conn.execute(query, b"\x01" + bytes(40), number))
    await queued(nerves, owner, "under way", state="sending")
    await nerves.end()
    again = Nerves(tmp_path)
    await again.open()
    await again.run()
    await again.at_rest()
    (dead,) = await again.store.fetch("SELECT owner, kind, txn, short_id FROM dead_letter")
    assert (dead["owner"], dead["kind"], dead["txn"]) == (owner, "Text", "x0")
    assert [body for body in again.posts("desk") if dead["short_id"] in body]
    assert Receipt.UNKNOWN in receipts(again)
    assert again.paper.sent == []
    await again.end()


async def release(nerves: Nerves, owner: str, number: int) -> None:
    """Let a row that was put in by `queued` be performed."""
    nerves.outbox.wake(number, owner, "conversation", "carrier")


async def _refused(nerves: Nerves) -> bool | None:
    return nerves.store.refused > 1 or None


async def _asked(nerves: Nerves) -> bool | None:
    return not nerves.paper.outcomes or None
