"""`!signout` in the threads: what waits for the carrier does not leave, and what has left is named."""

from __future__ import annotations

import pytest

from bot import guard
from bot.model.actions import DeliveryReceipt, SendSms
from bot.model.desk import Thread
from bot.model.events import Outcome, TextOutcome
from bot.model.thread_desk_events import AuthorSignedOut
from tests.bot.examples import due, held, marks, of, said, then, words
from tests.bot.strategies import ANA, NOW, PACK

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
