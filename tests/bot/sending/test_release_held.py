"""Second words: what was held leaves by one command of its author, once; canned texts are shown, changed and stopped."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot import guard
from bot.model.actions import THREAD, DeliveryReceipt, SendSms
from bot.model.codeword_state import SendLock
from bot.model.desk import Thread
from bot.model.events import MessageRedacted, Outcome, Relation, TextOutcome
from bot.model.transactional_actions import SetTimer
from policies.pack import TextName
from tests.bot.examples import at, due, edit, held, marks, of, said, texts, then, words
from tests.bot.strategies import ANA, BEN, LONG, NOW, PACK, STAFF, SUE, UNDO, WARNED
from tests.every_row import every_row

HANDOVER = {language: PACK.say(TextName.HANDOVER, language) for language in ("en", "es")}
BODIES = {"anyway": WARNED[0], "long": LONG, "again": "hello"}


def withheld(name: str, event_id: str = "$m1", thread: Thread | None = None) -> Thread:
    """Return a thread in which words are held that this command lets leave."""
    thread = then(thread or held(), said(BODIES[name], event_id=event_id)).aggregate
    if name == "again":
        thread = due(thread, UNDO).aggregate
        thread = then(thread, TextOutcome(ref=f"say:{event_id}", outcome=Outcome.UNKNOWN)).aggregate
    return thread


@pytest.mark.parametrize("name", BODIES)
def test_a_second_word_lets_leave_what_was_held(name: str) -> None:
    """Held words leave unchanged, once, through an undo window that begins with the second word."""
    thread = withheld(name)
    assert texts(due(thread, UNDO)) == []
    step = then(thread, said(f"!{name}", event_id="$s"), at(60))
    assert marks(step) == {"$s": DeliveryReceipt.NOTE, "$m1": DeliveryReceipt.LEAVING}
    assert [timer.due for timer in of(SetTimer, step)] == [NOW + 60 + UNDO]
    assert texts(due(step.aggregate, 60 + UNDO - 0.1)) == []
    window_end = due(step.aggregate, 60 + UNDO)
    assert texts(window_end) == [BODIES[name]]
    again = then(window_end.aggregate, said(f"!{name}", event_id="$s2"), at(90))
    assert texts(due(again.aggregate, 100)) == []
    assert "Nothing of yours is held" in words(again)


@every_row("name", BODIES)
@every_row("wrong", BODIES)
def test_each_reason_has_its_own_word(name: str, wrong: str) -> None:
    """A word for another reason lets nothing leave and says so."""
    step = then(withheld(name), said(f"!{wrong}", event_id="$s"))
    assert (marks(step).get("$m1") is DeliveryReceipt.LEAVING) == (wrong == name)


@every_row("sender", STAFF)
@every_row("name", BODIES)
def test_only_the_author_says_a_second_word(name: str, sender: str) -> None:
    """Nobody else lets an assignee's words leave, not even a supervisor."""
    step = then(withheld(name), said(f"!{name}", event_id="$s", sender=sender))
    assert bool(step.aggregate.sending.pending) == (sender == ANA)


@pytest.mark.parametrize("name", BODIES)
def test_a_reply_chooses_and_else_it_is_the_last(name: str) -> None:
    """A second word as a reply lets exactly that message leave, or nothing; alone it is about the last one held."""
    thread = withheld(name, "$m2", withheld(name))
    for target, chosen in (("$m1", ["$m1"]), ("$m2", ["$m2"]), ("", ["$m2"]), ("$other", [])):
        relation = Relation.OTHER_REPLY if target else Relation.NONE
        step = then(thread, said(f"!{name}", event_id="$s", relation=relation, target=target))
        assert [pending.event_id for pending in step.aggregate.sending.pending] == chosen
        assert chosen or "Nothing of yours is held" in words(step)


OTHERWISE = "25. December"
"""What a client shows where a person typed something else."""


@every_row(("sender", "is_gone"), [(ANA, True), (BEN, False), (SUE, True)])
@every_row("name", BODIES)
def test_redacting_held_words_ends_them(name: str, sender: str, is_gone: bool) -> None:
    """Held words that their author or a supervisor redacted cannot leave by a second word; nobody else ends them."""
    step = then(withheld(name), MessageRedacted(place=THREAD, sender=sender, target="$m1"))
    assert marks(step) == ({"$m1": DeliveryReceipt.RETRACTED} if is_gone and name != "again" else {})
    step = then(step.aggregate, said(f"!{name}", event_id="$s"))
    assert bool(step.aggregate.sending.pending) != is_gone


def test_an_edit_of_held_words_replaces_them() -> None:
    """Held words leave as their author last wrote them: without the number at once, with another one by one word."""
    thread = withheld("anyway")
    step = then(thread, edit("better not"), at(5))
    assert marks(step) == {"$m1": DeliveryReceipt.LEAVING}
    assert texts(due(step.aggregate, 5 + UNDO)) == ["better not"]
    step = then(thread, edit(WARNED[1]), at(5))
    assert marks(step) == {}
    assert texts(due(step.aggregate, 5 + UNDO)) == []
    step = then(step.aggregate, said("!anyway", event_id="$s", at=NOW + 10), at(10))
    assert texts(due(step.aggregate, 10 + UNDO)) == [WARNED[1]]
    step = then(thread, edit("better not", sender=BEN), at(5))
    assert step.aggregate == thread
    for note in ("// a note", "@ben look"):
        step = then(thread, edit(note), at(5))
        assert marks(step) == {"$m1": DeliveryReceipt.NOT_SENT}
        assert then(step.aggregate, said("!anyway", event_id="$s")).aggregate.sending.pending == ()


@every_row("outcome", Outcome)
def test_which_outcomes_can_be_said_again(outcome: Outcome) -> None:
    """`!again` is for what is unknown, came too late, or never arrived; and for nothing that the carrier refused."""
    thread = due(then(held(), said("hello")).aggregate, UNDO).aggregate
    thread = then(thread, TextOutcome(ref="say:$m1", outcome=outcome)).aggregate
    step = then(thread, said("!again", event_id="$s"))
    again = outcome in (Outcome.UNKNOWN, Outcome.LATE, Outcome.FAILED)
    assert bool(step.aggregate.sending.pending) == again


def test_a_delivery_of_the_first_time_stops_the_second_on_its_way_to_the_carrier() -> None:
    """What waits for its turn there is refused, and the mark stays at delivered."""
    thread = due(then(held(), said("hello")).aggregate, UNDO).aggregate
    thread = then(thread, TextOutcome(ref="say:$m1", outcome=Outcome.UNKNOWN), at(20)).aggregate
    going = due(then(thread, said("!again", event_id="$s", at=NOW + 21), at(21)).aggregate, 60)
    (text,) = of(SendSms, going)
    step = then(going.aggregate, TextOutcome(ref="say:$m1", outcome=Outcome.DELIVERED), at(61))
    assert marks(step) == {"$m1": DeliveryReceipt.DELIVERED}
    assert guard.may_send(PACK, step.aggregate, text, NOW + 62, ()) == guard.RETRACTED
    assert marks(then(step.aggregate, TextOutcome(ref="say:$m1", outcome=Outcome.REFUSED), at(62))) == {}


def test_again_lets_all_leave_that_was_locked_in_its_order() -> None:
    """After `!unlock` one `!again` is about everything that was held, not about the last; a reply is about one."""
    locked = held()
    locked = replace(locked, codeword=replace(locked.codeword, lock=SendLock.UNVERIFIED))
    for n, body in enumerate(("one", "two", "call 555-0134-222")):
        locked = then(locked, said(body, event_id=f"$h{n}"), at(n)).aggregate
    free = then(locked, said("!unlock", sender=SUE, event_id="$k"), at(5)).aggregate
    step = then(free, said("!again", event_id="$s", at=NOW + 6), at(6))
    assert [pending.body for pending in step.aggregate.sending.pending] == ["one", "two"]
    assert marks(step) == {
        "$s": DeliveryReceipt.NOTE,
        "$h0": DeliveryReceipt.LEAVING,
        "$h1": DeliveryReceipt.LEAVING,
        "$h2": DeliveryReceipt.HELD,
    }
    assert "!anyway" in words(step)
    about_one = said("!again", event_id="$s", relation=Relation.OTHER_REPLY, target="$h0", at=NOW + 6)
    one = then(free, about_one, at(6)).aggregate
    assert [pending.body for pending in one.sending.pending] == ["one"]
