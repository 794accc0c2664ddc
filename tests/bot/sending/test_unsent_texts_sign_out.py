"""`!signout` in the threads: what waits for the carrier does not leave, and what has left is named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot import guard
from bot.model.actions import DeliveryReceipt, Origin, SendSms
from bot.model.desk import Thread
from bot.model.events import Outcome, TextOutcome
from bot.model.thread_desk_events import AuthorSignedOut
from tests.bot.examples import due, held, marks, of, said, then, words
from tests.bot.strategies import ANA, BEN, NOW, PACK, SUE

UNDO = PACK.settings.undo_seconds
STOPPED, STAYS = "is stopped, if it had not left", "cannot be called back"


def queued() -> tuple[Thread, SendSms]:
    """Return a thread whose assignee's words wait for their turn at the carrier, and the text."""
    step = due(then(held(), said("where are you now")).aggregate, UNDO)
    (text,) = of(SendSms, step)
    return step.aggregate, text


@pytest.mark.practice(13)
def test_words_that_wait_for_the_carrier_do_not_leave() -> None:
    """The guard refuses them at their turn, the room is told, and the mark follows the carrier's answer."""
    thread, text = queued()
    assert guard.may_send(PACK, thread, text, NOW + UNDO, ()) is None
    step = then(thread, AuthorSignedOut(user=ANA))
    assert guard.may_send(PACK, step.aggregate, text, NOW + UNDO, ()) is guard.RETRACTED
    assert STOPPED in words(step)
    assert STAYS not in words(step)
    before = then(step.aggregate, TextOutcome(ref=text.ref, outcome=Outcome.REFUSED))
    assert marks(before) == {"$m1": DeliveryReceipt.RETRACTED}
    after = then(step.aggregate, TextOutcome(ref=text.ref, outcome=Outcome.ACCEPTED))
    assert marks(after) == {"$m1": DeliveryReceipt.SENT}
    assert "has left already" in words(after)


@pytest.mark.parametrize("outcome", [Outcome.ACCEPTED, Outcome.DELIVERED, Outcome.UNKNOWN])
def test_what_the_carrier_has_cannot_be_stopped(outcome: Outcome) -> None:
    """The room is told so, once."""
    thread, text = queued()
    step = then(then(thread, TextOutcome(ref=text.ref, outcome=outcome)).aggregate, AuthorSignedOut(user=ANA))
    assert STAYS in words(step)
    assert STOPPED not in words(step)


def test_words_of_others_leave() -> None:
    """Another person is signed out: nothing is stopped, and nothing is said."""
    thread, text = queued()
    step = then(thread, AuthorSignedOut(user=BEN))
    assert (step.aggregate, step.actions) == (thread, ())
    assert guard.may_send(PACK, step.aggregate, text, NOW + UNDO, ()) is None


def test_a_reply_after_a_stop_waits_no_more() -> None:
    """It is a supervisor's: at the sign-out of one it is refused at its turn."""
    thread = held()
    thread = replace(thread, consent=replace(thread.consent, stopped=True, reply_ref="say:$r"))
    text = SendSms(ref="say:$r", body="bye", origin=Origin.REPLY_AFTER_STOP, epoch=1, since=NOW)
    for user, why in ((ANA, None), (SUE, guard.STOP_IS_OVER)):
        assert guard.may_send(PACK, then(thread, AuthorSignedOut(user=user)).aggregate, text, NOW, ()) is why
