"""Facts that a decision gets from the database."""

from __future__ import annotations

from functools import partial

import pytest

from bot.model.actions import DESK
from bot.model.events import MemberJoined, MessageRead, MessageSent, TimerDue
from bot.model.thread_desk_events import Assigned
from bridge.engine.codeword_matching import MatchedEvent
from bridge.matrix.rooms.room_state import Room, record_room, set_membership
from tests.e2e.polling import wait_until
from tests.fakes.erasure_harness import ADA, ErasureHarness


@pytest.mark.parametrize(
    ("event_id", "unseen"), [("$zero", 3), ("$one", 2), ("$two", 1), ("$note", 1), ("$three", 0), ("$unknown", 0)]
)
async def test_a_receipt_counts_up_to_its_event(erasure: ErasureHarness, event_id: str, unseen: int) -> None:
    """A receipt for an earlier event leaves later texts unread, also one that is still on its way into the room."""
    harness = erasure.harness
    owner = await erasure.create_thread_room(events=0, uploads=0)
    await harness.database.commit(lambda transaction: transaction.execute("DELETE FROM event"))
    await harness.deliver(owner, Assigned(assignee=ADA), MemberJoined(place="thread", user=ADA))
    await harness.wait_until_drained()
    await harness.deliver(owner, MessageRead(place="thread", user=ADA, event_id="$before"))
    await erasure.add_event(owner, "$zero")
    for number, name in enumerate(("one", "two", "three")):
        harness.clock.at += 1
        await harness.receive_text(name, message_id=name)
        await harness.wait_until_drained()
        await erasure.add_event(owner, f"${name}", ref=f"in:{name}:0")
        if number == 1:
            await erasure.add_event(owner, "$note")
    assert (await harness.thread(owner)).lifecycle.unseen == 3
    await harness.deliver(owner, MessageRead(place="thread", user=ADA, event_id=event_id))
    await harness.wait_until_drained()
    assert (await harness.thread(owner)).lifecycle.unseen == unseen


async def test_a_text_on_its_way_into_the_room_is_behind_every_receipt(erasure: ErasureHarness) -> None:
    """The person who read an earlier event cannot have seen it."""
    harness = erasure.harness
    owner = await erasure.create_thread_room(events=0, uploads=0)
    await harness.deliver(owner, Assigned(assignee=ADA), MemberJoined(place="thread", user=ADA))
    await erasure.add_event(owner, "$note")
    await harness.wait_until_drained()
    harness.has_rooms = False
    await harness.receive_text("he is back", message_id="late")
    await harness.deliver(owner, MessageRead(place="thread", user=ADA, event_id="$note"))

    async def decided() -> bool | None:
        return not await harness.count("inbox") or None

    await wait_until("it is decided", decided, every=0.01)
    assert (await harness.thread(owner)).lifecycle.unseen == 1


@pytest.mark.parametrize("membership", ["leave", "ban", "join"])
async def test_whoever_left_the_desk_is_not_obeyed_before_the_desk_decided_that(
    erasure: ErasureHarness, membership: str
) -> None:
    """Their words do not reach the phone, nor, at their timer, words that wait. Whoever is at the desk is obeyed."""
    harness = erasure.harness
    owner = await erasure.create_thread_room(events=0, uploads=0)
    desk = Room(room_id="!desk:line.example", kind="desk", owner=DESK, key_owner=DESK)
    await harness.database.commit(lambda transaction: record_room(transaction, desk, members={ADA: "join"}, levels={}))
    await harness.deliver(owner, Assigned(assignee=ADA), MemberJoined(place="thread", user=ADA))
    await harness.wait_until_drained()
    for body, now in (("I am here", "join"), ("are you safe?", membership)):
        await harness.database.commit(partial(set_membership, room_id=desk.room_id, user_id=ADA, membership=now))
        message = MessageSent(place="thread", sender=ADA, event_id=f"${body}", body=body, at=harness.clock.at)
        await harness.deliver(owner, message)
        await harness.wait_until_drained()
    facts = await harness.engine._lookup.facts(
        owner=owner,
        seq=0,
        matched=MatchedEvent(TimerDue(key="send")),
        aggregate=await harness.thread(owner),
        desk=harness.engine.desk,
        frozen=False,
        now=harness.clock.at,
    )
    assert harness.engine.desk.member(ADA) is not None
    if membership == "join":
        assert facts.role(ADA) is not None
        assert harness.carrier.sent[-1][1] == "are you safe?"
    else:
        assert facts.role(ADA) is None
        assert harness.carrier.sent[-1][1] == "I am here"
