"""`!recap`: keys and words for a device that came later, and nothing said again that is gone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.lifecycle.recap import MOST_RECEIPTS
from bot.model.actions import (
    RECAP,
    THREAD,
    Action,
    DeliveryReceipt,
    EraseMessage,
    RedactEvent,
    RedactMessage,
    SendMessage,
    SendRecap,
    SendSms,
    ShareRoomKeys,
)
from bot.model.codeword_state import CodewordMatch
from bot.model.events import MessageRedacted, ReactionAdded, Relation
from bot.model.thread import HeldReason, HeldText, Lifecycle, PendingText, SentText, ThreadState
from bot.model.transactional_actions import SetTimer
from tests.bot.examples import at, held, marks, of, said, then, waiting
from tests.bot.strategies import ANA, BEN, NOW, STAFF, SUE
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


@pytest.mark.parametrize("relation", [Relation.EDIT, Relation.THREAD])
def test_it_is_asked_for_as_any_command(relation: Relation) -> None:
    """By an edit or in a Matrix thread no command is taken."""
    assert not of(SendRecap, then(held(), said("!recap", relation=relation, target="$x")))


def test_a_conversation_that_is_over_is_not_said_again() -> None:
    """What is parked has no room in which anything could be said."""
    parked = replace(waiting(), lifecycle=Lifecycle(state=ThreadState.PARKED))
    assert not of(SendRecap, then(parked, said("!recap")))


@pytest.mark.parametrize("target", ["$m1", "$any"])
def test_what_is_taken_back_is_not_said_again(target: str) -> None:
    """When anybody takes anything back, what was said again goes."""
    assert AGAIN in of(RedactMessage, then(held(), MessageRedacted(place=THREAD, sender=ANA, target=target)))


def test_what_is_taken_out_is_not_said_again() -> None:
    """`!redact` takes the message out first, then what says it again: both wait in one lane."""
    step = then(held(), said("!redact", sender=SUE, relation=Relation.OTHER_REPLY, target="$x"))
    erasures: list[Action] = [action for action in step.actions if isinstance(action, EraseMessage | RedactMessage)]
    assert erasures == [EraseMessage(place=THREAD, event_id="$x"), AGAIN]


def test_an_agreed_word_is_not_said_again() -> None:
    """A message that held an agreed word is redacted, and with it what may have said it again meanwhile."""
    step = then(held(), said("it is marmalade"), at(0, codeword_match=CodewordMatch.SAFE))
    assert of(RedactEvent, step) == [RedactEvent(place=THREAD, event_id="$m1")]
    assert AGAIN in of(RedactMessage, step)


def test_on_hold_nothing_is_taken_away() -> None:
    """A hold wins: what is said again stays as well, until the hold is lifted."""
    frozen = at(0, on_legal_hold=True)
    assert not of(
        RedactMessage, then(held(on_legal_hold=True), MessageRedacted(place=THREAD, sender=ANA, target="$m1"), frozen)
    )
    assert of(SendRecap, then(held(on_legal_hold=True), said("!recap"), frozen))


@every_row("body", ["yes", "!again", "!anyway", "!long", "!say"])
@every_row("relation", [Relation.OTHER_REPLY, Relation.EDIT, Relation.THREAD])
def test_it_does_not_come_to_the_phone_by_what_is_said_to_it(body: str, relation: Relation) -> None:
    """Replies to it, edits of it and commands about it bring nothing to the phone, also when the assignee says them."""
    event = said(body, relation=relation, target="$m1", ref=RECAP, event_id="$m2")
    step = then(then(held(), said("!recap")).aggregate, event)
    assert not of(SendSms, step)
    assert not step.aggregate.sending.pending
    assert not [timer for timer in of(SetTimer, step) if timer.key == "send"]


@pytest.mark.parametrize("key", ["✋", "✅", "📝"])
def test_it_does_not_come_to_the_phone_by_a_tap(key: str) -> None:
    """A reaction on it changes nothing."""
    tap = ReactionAdded(place=THREAD, sender=BEN, event_id="$t", key=key, target=RECAP, trusted=True)
    assert then(held(), tap).actions == ()


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
