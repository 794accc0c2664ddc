"""The one reply to a text after a STOP: whose, how often, and what stops it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot import guard
from bot.decide import decide
from bot.display.thread_card import card
from bot.model.actions import DeliveryReceipt, Origin, SendSms
from bot.model.desk import DeskMember, Role, Thread
from bot.model.events import Event, MessageRedacted, Outcome, Relation, TextOutcome, TimerDue
from bot.model.feature import Step
from tests.bot.examples import FACTS, alarms, arrived, at, edit, held, marks, of, said, texts, then, words
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


def test_nothing_is_replied_to_a_stop_itself() -> None:
    """Without a text after it a STOP has its confirmation and nothing else; a second STOP takes the chance away."""
    stopped = then(held(), arrived("STOP", id="s")).aggregate
    assert "no text after a STOP" in words(reply(stopped))
    assert "no text after a STOP" in words(reply(then(after_stop(), arrived("STOP", id="s2")).aggregate))
    assert "no text after a STOP" in words(reply(then(stopped, arrived("Liked “ok”", id="p")).aggregate))


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


def test_no_reply_is_offered_where_the_carrier_keeps_the_stop() -> None:
    """Neither room nor card calls for a supervisor who could send nothing, and the command says why."""
    stopped = then(held(), arrived("STOP", id="s")).aggregate
    for outcome, is_offered in ((Outcome.ACCEPTED, True), (Outcome.OPTED_OUT, False)):
        thread = then(stopped, TextOutcome(ref="stop:s", outcome=outcome), at(1)).aggregate
        step = then(thread, arrived("hello?", id="t", seconds=60), at(60))
        assert alarms(step) == ["text_after_stop"]
        assert ("!reply" in words(step), "!reply" in card(PACK, step.aggregate)) == (is_offered, is_offered)
        assert ("carrier keeps this opt-out" in words(reply(step.aggregate))) != is_offered
    crossed = then(after_stop(), TextOutcome(ref="stop:s", outcome=Outcome.OPTED_OUT)).aggregate
    assert "!reply" not in card(PACK, crossed)


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


@every_row(
    ("body", "changed", "why"),
    [
        ("@ben please call her", {}, "call a colleague"),
        ("Ben: call her", {"mentions": True, "mentioned_users": (BEN,)}, "call a colleague"),
        ("// she sounds afraid", {}, "a note"),
        ("my cell is 555-123-4567", {}, "a phone number"),
        ("come to 12 Elm Street", {}, "a street address"),
        ("long " * 400, {}, "texts long"),
        ("4. call 911", {"differs": True}, "This would leave: “4. call 911”"),
    ],
)
def test_the_rules_for_words_hold_for_a_reply_and_its_edits(body: str, changed: dict[str, object], why: str) -> None:
    """What would not leave as words of the assignee does not leave as a reply to a text after a STOP, nor by its edit."""
    step = reply(after_stop(), body, **changed)
    assert why in words(step)
    assert (step.aggregate.consent.reply, marks(step)) == (None, {"$r": DeliveryReceipt.NOTE})
    waiting = reply(after_stop()).aggregate
    step = then(waiting, edit(f"!reply {body}", **({"sender": SUE, "target": "$r"} | changed)), at(1))
    assert why in words(step)
    assert marks(step) == {"$r": DeliveryReceipt.NOT_SENT}
    assert texts(leaves(step.aggregate, UNDO + 1)) == []


@pytest.mark.parametrize("body", ["call 555-123-4567", "long " * 400, "long " * 400 + "555-123-4567"])
def test_second_words_stand_before_the_reply(body: str) -> None:
    """What a warning kept from leaving leaves when the reply says so itself; what it says does not reach the phone."""
    step = reply(after_stop(), f"!anyway !long {body.strip()}")
    assert texts(leaves(step.aggregate)) == [body.strip()]
    assert texts(leaves(reply(after_stop(), "!anyway 4. call 911", differs=True).aggregate)) == ["4. call 911"]


def test_a_reply_keeps_its_lines_and_an_edit_that_is_taken_back_stops_it() -> None:
    """The words leave as they were typed; without its edit a reply is not what its author last wrote."""
    waiting = reply(after_stop(), "We saw it.\n\nCall 911.").aggregate
    assert texts(leaves(waiting)) == ["We saw it.\n\nCall 911."]
    changed = then(waiting, edit("!reply Call 911.", sender=SUE, target="$r", event_id="$e1"), at(1)).aggregate
    step = then(changed, MessageRedacted(place="thread", sender=SUE, target="$e1"), at(2))
    assert marks(step) == {"$r": DeliveryReceipt.RETRACTED}
    assert texts(leaves(step.aggregate, UNDO + 2)) == []


@pytest.mark.parametrize("sender", [SUE, ANA])
def test_a_reply_whose_edit_is_taken_back_on_its_way_to_the_carrier_does_not_leave(sender: str) -> None:
    """It waits for its turn at the carrier: without its edit it is not what its author last wrote, and it is refused."""
    changed = then(reply(after_stop()).aggregate, edit("!reply Call 911.", sender=SUE, target="$r", event_id="$e1"), at(1))
    going = then(changed.aggregate, TimerDue(key="reply"), at(UNDO + 1))
    (text,) = of(SendSms, going)
    after = then(going.aggregate, MessageRedacted(place="thread", sender=sender, target="$e1"), at(UNDO + 2)).aggregate
    assert (guard.may_send(PACK, after, text, NOW + UNDO + 3, ()) == guard.STOP_IS_OVER) is (sender == SUE)


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


@pytest.mark.parametrize("sender", [SUE, ANA])
def test_a_reply_that_is_taken_out_of_the_room_does_not_leave(sender: str) -> None:
    """`!redact` of the reply stops it in its undo window, and on its way to the carrier; only whoever may say `!redact`."""
    thread = then(then(held(), arrived("STOP", id="s")).aggregate, arrived("help me", id="t"), at(5)).aggregate
    thread = then(thread, said("!reply Call 911", sender=SUE, event_id="$r"), at(6)).aggregate
    redact = said("!redact", sender=sender, event_id="$x", relation=Relation.OTHER_REPLY, target="$r")
    step = then(thread, redact, at(7))
    sends = of(SendSms, then(step.aggregate, TimerDue(key="reply"), at(60)))
    assert (sends == []) is (sender == SUE)
    going = then(thread, TimerDue(key="reply"), at(20))
    (text,) = of(SendSms, going)
    after = then(going.aggregate, redact, at(21)).aggregate
    refused = guard.may_send(PACK, after, text, NOW + 22, ())
    assert (refused == guard.STOP_IS_OVER) is (sender == SUE)


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


@pytest.mark.parametrize("body", ["he's here", "BYE"])
def test_a_reply_to_a_person_who_breaks_off_is_asked_about(body: str) -> None:
    """After the texter had to leave, a supervisor is asked before a reply leaves, as an assignee is."""
    thread = then(after_stop(), arrived(body, id="q", seconds=3), at(3)).aggregate
    step = then(thread, said(f"!reply {WORDS}", sender=SUE, event_id="$r"), at(9))
    assert "!reply !anyway" in words(step)
    assert step.aggregate.consent.reply is None


@pytest.mark.practice(13)
def test_a_reply_of_a_lost_device_does_not_leave() -> None:
    """A supervisor who is signed out everywhere in its undo window may not have said it."""
    thread = reply(after_stop()).aggregate
    roster = tuple(replace(member, signed_out_at=NOW + 2) if member.user == SUE else member for member in FACTS.roster)
    step = then(thread, TimerDue(key="reply"), at(UNDO, roster=roster))
    assert (texts(step), marks(step)) == ([], {"$r": DeliveryReceipt.NOT_SENT})


def test_a_reply_waits_in_vain_where_the_line_sends_none_any_more() -> None:
    """The pack was changed during its undo window, or while it waited for its turn at the carrier."""
    pack = with_settings(reply_after_stop=False)
    thread = reply(after_stop()).aggregate
    step = decide(pack, at(UNDO), thread, TimerDue(key="reply"))
    assert (texts(step), marks(step)) == ([], {"$r": DeliveryReceipt.NOT_SENT})
    leaving = leaves(thread)
    (text,) = of(SendSms, leaving)
    assert guard.may_send(pack, leaving.aggregate, text, NOW + UNDO, ()) == guard.STOPPED
