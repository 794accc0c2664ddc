"""What is shown in rooms: once, looked up when it is old, with one receipt and never none."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from bot.model.actions import (
    DESK,
    OFFICE,
    THREAD,
    Action,
    DeliveryReceipt,
    EditMessage,
    Invite,
    SendMessage,
    ShareRoomKeys,
    ShowReceipt,
    Speaker,
)
from bridge.matrix.api.http_client import Permanent, TokenRefused, Transient
from bridge.matrix.rooms.room_state import set_membership
from bridge.outbound.dispatcher import OutboxTask, PermanentFailure, RetryLater
from bridge.storage import serialization
from bridge.storage.database import Transaction
from bridge.tables import room_events, threads
from bridge.tables.outbox import number_of
from tests.fakes.bridge_harness import BridgeHarness
from tests.fakes.room_sender_harness import RoomSenderHarness


@pytest.mark.parametrize(
    "action",
    [
        SendMessage(place=THREAD, body="words", ref="r"),
        ShowReceipt(place=THREAD, event_id="$said", receipt=DeliveryReceipt.SENT),
    ],
    ids=["post", "receipt"],
)
async def test_a_row_that_is_forgotten_is_looked_up_before_it_is_sent(harness: BridgeHarness, action: Action) -> None:
    """A row that the homeserver remembers is sent; another one is looked up, and sent only when it is not there."""
    sender = RoomSenderHarness(harness)
    task = await sender.task(action)
    await sender.room_sender.perform(task)
    assert (sender.room_client.sent, sender.room_client.searched) == (["q1.0"], [])

    sender.room_client.forgot = True
    sender.room_client.sent.clear()
    sender.room_client.found_event = "$q1.0"
    await sender.room_sender.perform(task)
    assert (sender.room_client.sent, sender.room_client.searched) == ([], ["q1.0"])
    assert await harness.database.fetchval("SELECT COUNT(*) FROM event WHERE event_id = '$q1.0'") == 1

    sender.room_client.found_event = None
    await sender.room_sender.perform(task)
    assert sender.room_client.sent == ["q1.0"]


@pytest.mark.parametrize(
    ("error", "verdict", "after"),
    [
        (Transient(503, "", 2.5), RetryLater, 2.5),
        (TokenRefused(401, "M_UNKNOWN_TOKEN"), RetryLater, 1.0),
        (Permanent(403, "M_UNKNOWN"), PermanentFailure, None),
    ],
    ids=["transient", "token", "permanent"],
)
async def test_what_the_homeserver_says_decides_what_follows(
    harness: BridgeHarness, error: Exception, verdict: type[Exception], after: float | None
) -> None:
    """Transient is tried again after what was asked for, a refused token blames no row, permanent is for good."""
    sender = RoomSenderHarness(harness)
    task = await sender.task(SendMessage(place=THREAD, body="words"))
    sender.room_client.raises = error
    with pytest.raises(verdict) as failure:
        await sender.room_sender.perform(task)
    assert getattr(failure.value, "after", None) == after


async def test_a_text_in_its_room_is_told_to_whoever_deletes_its_copy(harness: BridgeHarness) -> None:
    """The copy's row is left as it is: that the text is shown stands on the deletion index."""
    sender, row = RoomSenderHarness(harness), "SELECT owner, ref, due, tries FROM carrier_copy"
    task = await sender.task(SendMessage(place=THREAD, body="words"))
    before = [tuple(each) for each in await harness.database.fetch(row)]
    ref = f"{before[0][1]}:0"
    words = SendMessage(place=THREAD, body="words", speaker=Speaker.TEXTER, notice=False, ref=ref)
    await sender.room_sender.perform(replace(task, action=words))
    assert sender.shown == [(task.owner, ref)]
    assert await room_events.event_of(harness.database, task.owner, ref) == "$q1.0"
    assert [tuple(each) for each in await harness.database.fetch(row)] == before


async def test_no_room_is_waited_for(harness: BridgeHarness) -> None:
    """A post for a thread that has no room yet waits to be called."""
    sender = RoomSenderHarness(harness)
    with pytest.raises(RetryLater) as failure:
        await sender.room_sender.perform(await sender.task(SendMessage(place=THREAD, body="words"), room=None))
    assert failure.value.after is None


async def test_there_is_one_receipt_and_never_none(harness: BridgeHarness) -> None:
    """The new receipt is up before the old one goes, and performing it again takes nothing away."""
    sender = RoomSenderHarness(harness)
    first = await sender.task(ShowReceipt(place=THREAD, event_id="$said", receipt=DeliveryReceipt.LEAVING))
    await sender.room_sender.perform(first)
    again = ShowReceipt(place=THREAD, event_id="$said", receipt=DeliveryReceipt.SENT)
    second = OutboxTask(number=2, owner=first.owner, txn="q2.0", created=first.created, action=again)
    await sender.room_sender.perform(second)
    assert sender.room_client.sent == ["q1.0", "q2.0", "q2.0.old"]
    await sender.room_sender.perform(second)
    assert sender.room_client.sent == ["q1.0", "q2.0", "q2.0.old", "q2.0"]
    assert sender.room_client.reactions == ["⏳ leaving", "✓ sent", "✓ sent"]


@pytest.mark.parametrize("again", [True, False])
async def test_who_asks_for_the_keys_gets_both_sides(harness: BridgeHarness, again: bool) -> None:
    """`!recap` in a thread sends the texter's side, also to devices that have had it, and what colleagues typed."""
    sender = RoomSenderHarness(harness)
    task = await sender.task(ShareRoomKeys(place=THREAD, user="@ana:line.example", resend=again))
    await harness.database.commit(lambda transaction: set_membership(transaction, "!room", "@ana:line.example", "join"))
    await sender.room_sender.perform(task)
    assert sender.room_client.sent == [f"keys again={again}", "bundle"]


@pytest.mark.parametrize("membership", ["leave", "ban", "invite"])
async def test_who_is_not_in_the_room_gets_no_keys(harness: BridgeHarness, membership: str) -> None:
    """Keys that waited while their person was removed or left do not go, nor to one who was never in."""
    sender = RoomSenderHarness(harness)
    task = await sender.task(ShareRoomKeys(place=THREAD, user="@ana:line.example", resend=True))
    await sender.room_sender.perform(task)
    await harness.database.commit(lambda transaction: set_membership(transaction, "!room", "@ana:line.example", membership))
    await sender.room_sender.perform(task)
    assert sender.room_client.sent == []


async def desk_with(harness: BridgeHarness, **memberships: str) -> None:
    """Note a desk room with these members."""

    async def commit(transaction: Transaction) -> None:
        query = "INSERT INTO matrix_room (room_id, kind, owner, key_owner) VALUES ($1, $2, $3, $4)"
        await transaction.execute(query, "!desk", "desk", DESK, "room:!desk")
        await transaction.execute(query, "!office", "office", "@ben:h", "room:!office")
        for name, membership in memberships.items():
            await set_membership(transaction, "!desk", f"@{name}:h", membership)

    await harness.database.commit(commit)


async def test_nobody_is_invited_who_has_left_the_desk(harness: BridgeHarness) -> None:
    """An invitation that waited while its person left the desk sends neither keys nor invite; nobody waits for it."""
    sender = RoomSenderHarness(harness)
    await desk_with(harness, ana="join", ben="leave", eve="invite")
    for user in ("@ana:h", "@ben:h", "@eve:h", "@nobody:h"):
        await sender.room_sender.perform(await sender.task(Invite(user=user)))
    assert sender.room_client.membership_calls == [("invite", "!room", "@ana:h")]


async def test_who_got_an_account_is_invited_to_the_desk(harness: BridgeHarness) -> None:
    """`quietline staff add`: they are not at the desk yet, and to no other room are they invited for that."""
    sender = RoomSenderHarness(harness)
    await desk_with(harness, ana="join")
    await sender.room_sender.perform(await sender.task(Invite(user="@dan:h", place=DESK)))
    await sender.room_sender.perform(await sender.task(Invite(user="@dan:h", place=OFFICE + "@dan:h")))
    assert [(call[0], call[2]) for call in sender.room_client.membership_calls] == [("invite", "@dan:h")]


async def test_the_canary_is_invited_to_its_own_thread_alone(harness: BridgeHarness) -> None:
    """The canary's account, which is never at the desk, comes into its own thread and no other; nobody else into that."""
    sender = RoomSenderHarness(harness)
    await desk_with(harness, ana="join")
    task = await sender.task(Invite(user="@canary:h"))
    await sender.room_sender.perform(task)
    assert sender.room_client.membership_calls == [], "it is a texter's thread"
    own = replace(await harness.thread(task.owner), canary="@canary:h")
    sealed = await harness.vault.seal(task.owner, "aggregate", serialization.encode(own))
    await harness.database.commit(lambda transaction: threads.set_aggregate(transaction, task.owner, sealed))
    for user in ("@eve:h", "@canary:h"):
        await sender.room_sender.perform(await sender.task(Invite(user=user)))
    assert sender.room_client.membership_calls == [("invite", "!room", "@canary:h")]


@pytest.mark.parametrize("is_over", [False, True], ids=["stands", "ended"])
async def test_an_office_message_under_way_names_no_ended_thread(harness: BridgeHarness, is_over: bool) -> None:
    """It is noted after everything of the thread was deleted: for the desk, or the person's certificate waits for it."""
    sender = RoomSenderHarness(harness)
    task = await sender.task(SendMessage(place=OFFICE + "@ada:x", body="words", ref="offer:1", reactions=("✅",)))
    query = "INSERT INTO matrix_room (room_id, kind, owner, key_owner) VALUES ('!office', 'office', '@ada:x', 'k')"
    await harness.database.commit(lambda transaction: transaction.execute(query))
    if is_over:
        await harness.database.commit(lambda transaction: transaction.execute("DELETE FROM thread"))
    await sender.room_sender.perform(task)
    rows = await harness.database.fetch("SELECT event_id, owner, ref, expires FROM event ORDER BY n")
    owner, ref = (DESK, None) if is_over else (task.owner, "offer:1")
    expected = [("$q1.0", owner, ref), ("$q1.0.tap0", owner, None)]
    assert [(row["event_id"], row["owner"], row["ref"]) for row in rows] == expected
    assert all(row["expires"] is not None for row in rows)


async def test_a_card_bears_what_is_to_be_tapped(harness: BridgeHarness) -> None:
    """What a message asks to be tapped stands on it, once however often the row is performed, and goes when it goes."""
    sender = RoomSenderHarness(harness)
    task = await sender.task(SendMessage(place=THREAD, body="words", ref="r", reactions=("✅", "❌")))
    for _ in range(2):
        await sender.room_sender.perform(task)
        assert sender.room_client.sent == ["q1.0", "q1.0.tap0", "q1.0.tap1"]
        sender.room_client.sent.clear()
    rows = await harness.database.fetch("SELECT event_id FROM event WHERE about = '$q1.0' ORDER BY n")
    assert [row["event_id"] for row in rows] == ["$q1.0.tap0", "$q1.0.tap1"]


async def test_an_edit_that_another_one_overtakes_is_not_sent(harness: BridgeHarness) -> None:
    """Many changes of one message within two seconds are two edits, the first and the last; others' are not touched."""
    sender = RoomSenderHarness(harness)
    first = await sender.task(SendMessage(place=THREAD, body="0", ref="card"))
    await sender.room_sender.perform(first)
    await sender.room_sender.perform(replace(first, txn="q2.0", action=SendMessage(place=THREAD, body="0", ref="other")))
    tasks = []
    for number, ref in enumerate(("card", "card", "other", "card"), 3):
        edit = EditMessage(place=THREAD, ref=ref, body=f"{number}")
        sealed = await harness.outbox.seal(first.owner, f"q{number}.0", edit)
        appended = await harness.database.commit(
            partial(harness.outbox.put, owner=first.owner, item=sealed, created=first.created)
        )
        tasks.append(replace(first, number=number_of(appended), txn=f"q{number}.0", action=edit))
    sender.room_client.sent.clear()
    await sender.room_sender.perform(tasks[0])
    await sender.room_sender.perform(tasks[1])
    await sender.room_sender.perform(tasks[2])
    with pytest.raises(RetryLater) as later:
        await sender.room_sender.perform(tasks[3])
    assert later.value.in_turn, "nothing was requested, so the next edit may replace it"
    assert sender.room_client.sent == ["q3.0", "q5.0"]
    harness.clock.at += 2
    await sender.room_sender.perform(tasks[3])
    assert sender.room_client.sent == ["q3.0", "q5.0", "q6.0"]
    assert await harness.count("outbox") == 0


async def test_an_edit_waits_for_its_message_and_for_no_other(harness: BridgeHarness) -> None:
    """While the message stands in the outbox its edit waits, and is shown on it; a swept one's edit is done at once."""
    sender = RoomSenderHarness(harness)
    first = await sender.task(EditMessage(place=THREAD, ref="gone", body="1"))
    rows = []
    actions: list[Action] = [
        SendMessage(place=THREAD, body="0", ref="card"),
        EditMessage(place=THREAD, ref="card", body="1"),
    ]
    for number, action in enumerate(actions, 2):
        sealed = await harness.outbox.seal(first.owner, f"q{number}.0", action)
        appended = await harness.database.commit(
            partial(harness.outbox.put, owner=first.owner, item=sealed, created=first.created)
        )
        rows.append(replace(first, number=number_of(appended), txn=f"q{number}.0", action=action))
    post, edit = rows
    for _ in range(3):
        with pytest.raises(RetryLater):
            await sender.room_sender.perform(edit)
        harness.clock.at += 100
    await sender.room_sender.perform(replace(edit, txn="q4.0", number=edit.number + 1, action=first.action))
    assert sender.room_client.sent == []
    await sender.room_sender.perform(post)
    await sender.room_sender.perform(edit)
    assert sender.room_client.sent == ["q2.0", "q3.0"]
    assert await harness.count("outbox") == 0


async def edited_card(sender: RoomSenderHarness) -> tuple[OutboxTask, OutboxTask]:
    """Post a card and edit it; returns these rows' like, and the row of a fresh one."""
    card = await sender.task(SendMessage(place=THREAD, body="0", ref="card"))
    await sender.room_sender.perform(card)
    await sender.room_sender.perform(replace(card, txn="q2.0", action=EditMessage(place=THREAD, ref="card", body="1")))
    sender.harness.clock.at += 2
    return card, replace(card, txn="q3.0", action=EditMessage(place=THREAD, ref="card", body="2", fresh=True))


async def test_a_fresh_card_takes_the_place_of_the_old_one(harness: BridgeHarness) -> None:
    """It is posted and pinned before the old one goes; the next edit is one of the new card, with the name of edits."""
    sender = RoomSenderHarness(harness)
    card, fresh = await edited_card(sender)
    sender.room_client.sent.clear()
    for _ in range(2):  # as after a kill before the row had gone
        await sender.room_sender.perform(fresh)
    assert sender.room_client.sent == ["q3.0", "pin $q3.0", "q3.0.old", "q3.0", "pin $q3.0"]
    assert sender.room_client.redacted == ["$q1.0"]
    await sender.room_sender.perform(replace(card, txn="q4.0", action=EditMessage(place=THREAD, ref="card", body="3")))
    rows = await harness.database.fetch(
        "SELECT event_id, ref, expires IS NULL AS stays FROM event WHERE event_id LIKE '$q%' ORDER BY event_id"
    )
    assert [(row["event_id"], row["ref"], bool(row["stays"])) for row in rows] == [
        ("$q2.0", None, False),
        ("$q3.0", "card", True),
        ("$q4.0", "edit:card", True),
    ]
    assert await harness.database.fetchval("SELECT about FROM event WHERE ref = 'edit:card'") == "$q3.0"


async def test_a_fresh_card_of_a_thread_on_hold_takes_nothing_away(harness: BridgeHarness) -> None:
    """Of what a person holds nothing goes: the new card is pinned beside the old one."""
    sender = RoomSenderHarness(harness)
    card, fresh = await edited_card(sender)
    await harness.database.commit(
        lambda transaction: transaction.execute("UPDATE thread SET legal_hold = $1 WHERE id = $2", True, card.owner)
    )
    await sender.room_sender.perform(fresh)
    assert sender.room_client.redacted == []
    assert "pin $q3.0" in sender.room_client.sent
