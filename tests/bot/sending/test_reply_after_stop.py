"""The one reply to a text after a STOP: whose, how often, and what stops it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot import guard
from bot.decide import decide
from bot.model.actions import DeliveryReceipt, Origin, SendSms
from bot.model.desk import DeskMember, Role, Thread
from bot.model.events import Event, MessageRedacted, Outcome, TextOutcome, TimerDue
from bot.model.feature import Step
from tests.bot.examples import FACTS, arrived, at, edit, held, marks, of, said, texts, then, words
from tests.bot.strategies import ANA, BEN, NOW, PACK, SUE, UNDO, with_settings
from tests.every_row import every_row

WORDS = "We saw your text. You can call 911."


def after_stop() -> Thread:
    """Return a thread that was stopped and then got a text."""
    thread = then(held(), arrived("STOP", id="s")).aggregate
    stopped: Thread = then(thread, arrived("please", id="p")).aggregate
    return stopped


def reply(thread: Thread, body: str = WORDS, **changed: object) -> Step[Thread]:
    """Say `!reply` as the supervisor."""
    return then(thread, said(f"!reply {body}", **({"sender": SUE, "event_id": "$r"} | changed)))


def leaves(thread: Thread, seconds: float = UNDO) -> Step[Thread]:
    """Let its undo window be over."""
    return then(thread, TimerDue(key="reply"), at(seconds))


def test_a_supervisor_sends_one_reply() -> None:
    """The reply leaves word for word after the undo window, past the guard, with a receipt; a second one is refused."""
    step = reply(after_stop())
    assert (texts(step), marks(step)) == ([], {"$r": DeliveryReceipt.LEAVING})
    again = reply(step.aggregate, event_id="$r2")
    assert (texts(again), marks(again)) == ([], {"$r2": DeliveryReceipt.NOTE})
    step = leaves(step.aggregate)
    (text,) = of(SendSms, step)
    assert (text.body, text.origin) == (WORDS, Origin.REPLY_AFTER_STOP)
    assert guard.may_send(PACK, step.aggregate, text, NOW + UNDO, ()) is None
    acceptance = then(step.aggregate, TextOutcome(ref=text.ref, outcome=Outcome.ACCEPTED), at(9))
    assert marks(acceptance) == {"$r": DeliveryReceipt.SENT}
    assert "no text after a STOP" in words(reply(acceptance.aggregate, event_id="$r2"))


def test_each_text_after_the_stop_lets_one_more() -> None:
    """A further text of theirs lets a supervisor reply once more."""
    thread = leaves(reply(after_stop()).aggregate).aggregate
    more = then(thread, arrived("are you there", id="q"), at(60)).aggregate
    assert marks(reply(more, event_id="$r2")) == {"$r2": DeliveryReceipt.LEAVING}


@pytest.mark.parametrize("sender", [ANA, BEN])
def test_nobody_but_a_supervisor_replies(sender: str) -> None:
    """Neither the assignee nor another advocate does."""
    before = after_stop()
    assert reply(before, sender=sender).aggregate.consent == before.consent


@pytest.mark.parametrize(
    ("event", "words_then"), [(arrived("STOP", id="s2"), "said STOP"), (arrived("START", id="t"), "the STOP is over")]
)
def test_what_they_say_meanwhile_cancels_it(event: object, words_then: str) -> None:
    """STOP and START while the reply waits keep it from leaving, and its author is told."""
    waiting = reply(after_stop()).aggregate
    step = then(waiting, event, at(3))  # type: ignore[arg-type]
    assert marks(step)["$r"] is DeliveryReceipt.NOT_SENT
    assert words_then in words(step)
    assert texts(leaves(step.aggregate)) == []


def test_its_author_changes_it_or_takes_it_back() -> None:
    """An edit replaces the reply, a redaction or an edit into something else stops it, and it can then be said again."""
    waiting = reply(after_stop()).aggregate
    changed = then(waiting, edit("!reply another word", sender=SUE, target="$r"))
    assert texts(leaves(changed.aggregate)) == ["another word"]
    for event in (
        MessageRedacted(place="thread", sender=SUE, target="$r"),
        edit("never mind", sender=SUE, target="$r"),
        edit("!reply see @ana:line.example", sender=SUE, target="$r"),
    ):
        withdrawal = then(waiting, event)
        assert texts(leaves(withdrawal.aggregate)) == []
        assert marks(reply(withdrawal.aggregate, event_id="$r2")) == {"$r2": DeliveryReceipt.LEAVING}
    for event in (MessageRedacted(place="thread", sender=ANA, target="$r"), edit("!reply no", target="$r")):
        assert texts(leaves(then(waiting, event).aggregate)) == [WORDS]


def test_a_reply_is_guarded_like_all_words() -> None:
    """Leaks, nothing at all, a carrier that keeps the opt-out, a block, a line that wants none: refused in a sentence."""
    thread = after_stop()
    assert "Matrix address" in words(reply(thread, "see @ana:line.example"))
    assert "Say !reply and the words" in words(reply(thread, ""))
    vendor = replace(thread, consent=replace(thread.consent, carrier_block=True))
    assert "carrier keeps this opt-out" in words(reply(vendor))
    blocked = replace(thread, consent=replace(thread.consent, blocked_until=NOW + 60))
    assert "blocked" in words(reply(blocked))
    none = decide(with_settings(reply_after_stop=False), FACTS, thread, said("!reply hi", sender=SUE, event_id="$r"))
    assert "sends no replies" in words(none)


@pytest.mark.parametrize("body", ["call 555-123-4567", "long " * 400, "long " * 400 + "555-123-4567"])
def test_second_words_stand_before_the_reply(body: str) -> None:
    """What a warning kept from leaving leaves when the reply says so itself; what it says does not reach the phone."""
    step = reply(after_stop(), f"!anyway !long {body.strip()}")
    assert texts(leaves(step.aggregate)) == [body.strip()]
    assert texts(leaves(reply(after_stop(), "!anyway 4. call 911", differs=True).aggregate)) == ["4. call 911"]


def test_whoever_does_not_supervise_any_more_is_not_heard() -> None:
    """The role counts when it leaves, too."""
    waiting = reply(after_stop()).aggregate
    roster = (DeskMember(user=SUE, role=Role.ADVOCATE),)
    step = then(waiting, TimerDue(key="reply"), at(UNDO, roster=roster))
    assert (texts(step), marks(step)) == ([], {"$r": DeliveryReceipt.NOT_SENT})


@pytest.mark.parametrize(
    ("outcome", "anew"), [(o, o is not Outcome.UNKNOWN) for o in (Outcome.LATE, Outcome.REJECTED, Outcome.UNKNOWN)]
)
def test_a_reply_that_did_not_leave_can_be_said_anew(outcome: Outcome, anew: bool) -> None:
    """What surely is not on the phone may be said once more; what may be on it may not."""
    thread = leaves(reply(after_stop()).aggregate).aggregate
    step = then(thread, TextOutcome(ref="say:$r", outcome=outcome), at(400))
    assert step.actions != ()
    assert (marks(reply(step.aggregate, event_id="$r2"))["$r2"] is DeliveryReceipt.LEAVING) == anew


@every_row("late", [False, True])
@every_row(
    "event",
    [
        *(arrived(body, id="q", seconds=7) for body in ("he's here", "don't text me", "BYE", "who is this?")),
        *(said(body, sender=BEN, event_id="$x") for body in ("!stop", "unsafe")),
        *(said(body, event_id="$x") for body in ("!unsafe", "!different", "!stopped")),
    ],
)
def test_what_stops_waiting_words_stops_a_reply(event: Event, late: bool) -> None:
    """A reply neither leaves its undo window nor takes its turn at the carrier after what stops an assignee's words."""
    thread = reply(after_stop()).aggregate
    going = leaves(thread) if late else None
    step = then(going.aggregate if going else thread, event, at(9))
    if going is None:
        assert marks(step)["$r"] is DeliveryReceipt.NOT_SENT
        assert texts(leaves(step.aggregate, 60)) == []
        return
    safe = then(step.aggregate, said("!safe", sender=SUE, event_id="$y", at=NOW + 10), at(10)).aggregate
    (text,) = of(SendSms, going)
    assert guard.may_send(PACK, safe, text, NOW + 11, ()) == guard.STOP_IS_OVER


def test_a_reply_waits_in_vain_where_the_line_sends_none_any_more() -> None:
    """The pack was changed during its undo window, or while it waited for its turn at the carrier."""
    pack = with_settings(reply_after_stop=False)
    thread = reply(after_stop()).aggregate
    step = decide(pack, at(UNDO), thread, TimerDue(key="reply"))
    assert (texts(step), marks(step)) == ([], {"$r": DeliveryReceipt.NOT_SENT})
    leaving = leaves(thread)
    (text,) = of(SendSms, leaving)
    assert guard.may_send(pack, leaving.aggregate, text, NOW + UNDO, ()) == guard.STOPPED
