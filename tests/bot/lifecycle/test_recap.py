"""`!recap`: keys and words for a device that came later, and nothing said again that is gone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.lifecycle.recap import MOST_RECEIPTS
from bot.model.actions import RECAP, THREAD, DeliveryReceipt, RedactMessage, SendMessage, SendRecap, SendSms, ShareRoomKeys
from bot.model.events import MessageRedacted, Relation
from bot.model.thread import HeldReason, HeldText, PendingText, SentText
from bot.model.transactional_actions import SetTimer
from tests.bot.examples import held, marks, of, said, then
from tests.bot.strategies import ANA, NOW, STAFF
from tests.every_row import every_row

AGAIN = RedactMessage(place=THREAD, ref=RECAP)


@pytest.mark.parametrize("sender", STAFF)
def test_whoever_is_in_the_room_may_ask(sender: str) -> None:
    """It gives the keys once more to who asks, and says colleagues' words again in answer to them; nothing else."""
    step = then(held(), said("!recap", sender=sender))
    assert of(ShareRoomKeys, step) == [ShareRoomKeys(place=THREAD, user=sender, resend=True)]
    assert of(SendRecap, step) == [SendRecap(place=THREAD, reply_to="$m1")]
    assert marks(step) == {"$m1": DeliveryReceipt.NOTE}
    assert not of(SendMessage, step)
    assert not of(SendSms, step)


def test_nobody_asks_from_outside() -> None:
    """Whoever is not at the desk is given nothing, neither keys nor words."""
    step = then(held(), said("!recap", sender="@stranger:elsewhere"))
    assert not of(SendRecap, step)
    assert not of(ShareRoomKeys, step)


@pytest.mark.parametrize("target", ["$m1", "$any"])
def test_what_is_taken_back_is_not_said_again(target: str) -> None:
    """When anybody takes anything back, what was said again goes."""
    assert AGAIN in of(RedactMessage, then(held(), MessageRedacted(place=THREAD, sender=ANA, target=target)))


@every_row("body", ["yes", "!again", "!anyway", "!long", "!say"])
@every_row("relation", [Relation.OTHER_REPLY, Relation.EDIT, Relation.THREAD])
def test_it_does_not_come_to_the_phone_by_what_is_said_to_it(body: str, relation: Relation) -> None:
    """Replies to it, edits of it and commands about it bring nothing to the phone, also when the assignee says them."""
    event = said(body, relation=relation, target="$m1", ref=RECAP, event_id="$m2")
    step = then(then(held(), said("!recap")).aggregate, event)
    assert not of(SendSms, step)
    assert not step.aggregate.sending.pending
    assert not [timer for timer in of(SetTimer, step) if timer.key == "send"]


def test_it_says_what_became_of_what_was_meant_for_the_phone() -> None:
    """The receipts of the newest words go with it: sent and delivered, held, and still leaving; none of a note."""
    thread = held()
    sent_texts = tuple(SentText(event_id=f"$s{number}", receipt=DeliveryReceipt.DELIVERED.name) for number in range(80))
    pending = PendingText(event_id="$p", body="words", author=ANA, said_at=NOW, send_at=NOW + 60)
    waits = HeldText(event_id="$h", body="words", author=ANA, reason=HeldReason.LATE)
    thread = replace(thread, sending=replace(thread.sending, sent=sent_texts, pending=(pending,), held=(waits,)))
    (recap,) = of(SendRecap, then(thread, said("!recap")))
    assert recap.receipts[-3:] == (("$s79", "✓✓ delivered"), ("$h", "✋ held"), ("$p", "⏳ leaving"))
    assert len(recap.receipts) == MOST_RECEIPTS
