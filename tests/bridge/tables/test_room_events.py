"""Every event has its row on the deletion index, ours and others', and its time where it has one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from bot.model.actions import (
    RECAP,
    THREAD,
    Action,
    DeliveryReceipt,
    EditMessage,
    EraseMessage,
    RedactMessage,
    SendMessage,
    SendRecap,
    ShowReceipt,
)
from bot.model.events import MessageRead, ReactionAdded
from bridge.matrix.api import events
from bridge.outbound.dispatcher import OutboxTask
from bridge.storage import serialization
from bridge.storage.database import Transaction
from bridge.tables import early_reactions, inbox, room_events
from bridge.tables.outbox import number_of
from tests.bridge.outbound.test_recap import RecapHarness, typed
from tests.e2e.polling import wait_until
from tests.fakes.bridge_harness import BridgeHarness
from tests.fakes.ingest_harness import ADA, DESK_ROOM, THREAD_ROOM, IngestHarness
from tests.fakes.room_sender_harness import RoomSenderHarness


async def index(harness: BridgeHarness) -> dict[str, Any]:
    rows = await harness.database.fetch("SELECT event_id, ref, about, expires, state FROM event ORDER BY n")
    return {row["event_id"]: row for row in rows}


async def test_what_we_show_is_noted_and_what_we_take_away_is_not(harness: BridgeHarness) -> None:
    """Texts, edits and receipts are on the index, with what they are on; what was replaced or has faded is off it."""
    sender = RoomSenderHarness(harness)
    first = await sender.task(SendMessage(place=THREAD, body="words", ref="card"))
    number = first.number

    async def perform(action: Any) -> str:
        nonlocal number
        number += 1
        txn = f"q{number}.0"
        task = OutboxTask(number=number, owner=first.owner, txn=txn, created=int(harness.clock.now()), action=action)
        await sender.room_sender.perform(task)
        return f"${txn}"

    await sender.room_sender.perform(first)
    card = "$q1.0"
    edit = await perform(EditMessage(place=THREAD, ref="card", body="other words"))
    leaving = await perform(ShowReceipt(place=THREAD, event_id="$said", receipt=DeliveryReceipt.LEAVING))
    noted = await index(harness)
    assert [(name, row["about"]) for name, row in noted.items()] == [(card, None), (edit, card), (leaving, "$said")]
    assert {row["expires"] for row in noted.values()} == {None}
    receipt_id = await perform(ShowReceipt(place=THREAD, event_id="$said", receipt=DeliveryReceipt.SENT))
    assert set(await index(harness)) == {card, edit, receipt_id}
    harness.clock.at += 3
    newer = await perform(EditMessage(place=THREAD, ref="card", body="newest words"))
    noted = await index(harness)
    assert noted[edit]["expires"] is not None
    assert noted[newer]["expires"] is None
    await perform(RedactMessage(place=THREAD, ref="card"))
    assert set(await index(harness)) == {edit, receipt_id, newer}


@pytest.mark.parametrize("case", ["as usual", "again", "another room", "an early reaction", "a namesake"])
async def test_a_text_in_its_room_is_noted(harness: BridgeHarness, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name, and its row is done. How things stand is asked only where they are not as usual."""
    sender = RoomSenderHarness(harness)
    text = await sender.task(SendMessage(place=THREAD, body="words", ref="in:a:0"))
    sealed = await harness.outbox.seal(text.owner, text.txn, text.action)
    appended = await harness.database.commit(partial(harness.outbox.put, owner=text.owner, item=sealed, created=1))
    text = replace(text, number=number_of(appended))
    tap = ReactionAdded(place=THREAD, sender=ADA, event_id="$tap", key="✅", target="", trusted=False)

    async def prepare(transaction: Transaction) -> None:
        if case == "another room":
            await transaction.execute("UPDATE thread SET room_id = '!other'")
        elif case == "an early reaction":
            await early_reactions.record(transaction, harness.vault, text.owner, tap, "$q1.0", now=harness.clock.now())
        elif case == "a namesake":
            query = "INSERT INTO event (event_id, room_id, owner, ref, at) VALUES ('$before', '!room', $1, 'in:a:0', 0)"
            await transaction.execute(query, text.owner)

    await harness.database.commit(prepare)
    event_ids, ask = list[str](), room_events.standing_of

    async def standing_of(*arguments: Any) -> room_events.RoomStanding:
        event_ids.append(arguments[3])
        return await ask(*arguments)

    monkeypatch.setattr(room_events, "standing_of", standing_of)
    text = replace(text, room="!room")
    for _ in range(2 if case == "again" else 1):
        await sender.room_sender.perform(text)
    noted = await index(harness)
    assert noted.pop("$q1.0")["ref"] == (None if case == "another room" else "in:a:0")
    assert [row["ref"] for row in noted.values()] == ([None] if case == "a namesake" else [])
    assert event_ids == ([] if case in {"as usual", "again"} else ["$q1.0"])
    assert await harness.count("outbox") == 0
    heard = await inbox.events_of(harness.database, text.owner)
    bodies = [await inbox.open_body(harness.vault, each.inbox_row) for each in heard if each.inbox_row.kind != inbox.TEXT]
    reactions = [serialization.decode_as(ReactionAdded, body) for body in bodies]
    assert reactions == ([replace(tap, target="in:a:0")] if case == "an early reaction" else [])


async def test_erase_takes_the_message_its_edits_and_its_receipt(harness: BridgeHarness) -> None:
    """An edit says the same words as its message: all of it is redacted and leaves the index."""
    sender = RoomSenderHarness(harness)
    task = await sender.task(EraseMessage(place=THREAD, event_id="$said"))
    for event_id, about in (("$said", None), ("$edit", "$said"), ("$mark", "$said"), ("$other", None)):
        query = "INSERT INTO event (event_id, room_id, owner, about, at) VALUES ($1, '!room', '', $2, 0)"
        await harness.database.commit(lambda transaction, e=event_id, a=about, q=query: transaction.execute(q, e, a))  # type: ignore[misc]
    redacted: list[str] = []

    async def redact(room_id: str, event_id: str, txn: str) -> None:
        redacted.append(event_id)

    sender.room_client.redact = redact  # type: ignore[method-assign]
    await sender.room_sender.perform(task)
    assert redacted == ["$said", "$edit", "$mark"]
    assert set(await index(harness)) == {"$other"}
    await sender.room_sender.perform(
        OutboxTask(number=9, owner=task.owner, txn="q9.0", created=0, action=EraseMessage(place=THREAD, event_id="$x"))
    )
    assert len(redacted) == 3, "an event that is not in the room is not redacted"


@pytest.mark.parametrize(
    "action", [EraseMessage(place=THREAD, event_id="$said"), RedactMessage(place=THREAD, ref="answer:$x")]
)
async def test_nothing_is_erased_of_what_somebody_holds_by_now(
    harness: BridgeHarness, action: EraseMessage | RedactMessage
) -> None:
    """A `!redact`, or an answer's fading, that was decided before a hold takes nothing away; after it the sweep does."""
    sender = RoomSenderHarness(harness)
    task = await sender.task(action)
    query = "INSERT INTO event (event_id, room_id, owner, ref, at) VALUES ('$said', '!room', $1, 'answer:$x', 0)"
    await harness.database.commit(lambda transaction: transaction.execute(query, task.owner))
    await harness.set_legal_hold(task.owner, on=True)
    await sender.room_sender.perform(task)
    assert (sender.room_client.sent, set(await index(harness))) == ([], {"$said"})
    assert await room_events.due_events(harness.database, harness.clock.now(), 9) == []
    await harness.set_legal_hold(task.owner, on=False)
    due = await room_events.due_events(harness.database, harness.clock.now(), 9)
    assert [event.event_id for event in due] == ["$said"]


async def test_a_redaction_on_hold_blocks_nothing_behind_it(harness: BridgeHarness) -> None:
    """`!redact`, a hold, `!recap`: the recap comes at once, without the words that were to go; nothing is taken away."""
    asking = RecapHarness(harness)
    await asking.has(typed("secret"), typed("other"))
    owner, edge, now = asking.task.owner, asking.room_client, int(harness.clock.now())
    await harness.set_legal_hold(owner, on=True)
    behind = SendRecap(place=THREAD, reply_to="$asked")
    actions: list[Action] = [EraseMessage(place=THREAD, event_id="$secret"), RedactMessage(place=THREAD, ref=RECAP), behind]
    for number, action in enumerate(actions):
        sealed = await harness.outbox.seal(owner, f"z{number}", action)
        appended = await harness.database.commit(partial(harness.outbox.put, owner=owner, item=sealed, created=now))
        harness.outbox.wake(number_of(appended), owner, sealed.lane, sealed.transport)
    running = asyncio.create_task(harness.outbox.run("matrix", asking.posting.room_sender.perform))

    async def empty() -> bool | None:
        return await harness.count("outbox") == 0 or None

    await wait_until("the lane is empty", empty, every=0.02)
    running.cancel()
    (said,) = edge.posted.values()
    assert ("other" in said, "secret" in said, edge.redacted) == (True, False, [])


async def test_read_receipts_reach_the_thread_they_are_of(harness: BridgeHarness) -> None:
    """Who has read a thread's event is told to the thread; what is read at the desk concerns nobody.

    A person without a trusted device has no keys: their client reports as read what it could not show.
    """
    ingest = IngestHarness(harness)
    await ingest.create_rooms()
    assert await ingest.take(events.ReadReceipt(room_id=THREAD_ROOM, user_id=ADA, event_id="$x")) == []
    await ingest.trust_ada()
    receipt = events.ReadReceipt(room_id=THREAD_ROOM, user_id=ADA, event_id="$x")
    assert await ingest.take(receipt) == [(ingest.thread, MessageRead(place=THREAD, user=ADA, event_id="$x"))]
    assert await ingest.take(events.ReadReceipt(room_id=DESK_ROOM, user_id=ADA, event_id="$x")) == []
    assert await index(harness) == {}
