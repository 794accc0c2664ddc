"""Second words: what was held leaves by one command of its author, once; canned texts are shown, changed and stopped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot import guard
from bot.model.actions import THREAD, DeliveryReceipt, SendSms
from bot.model.codeword_state import SendLock
from bot.model.desk import Thread
from bot.model.events import MessageRedacted, Outcome, Relation, TextOutcome, TimerDue
from bot.model.thread_desk_events import Assigned, AssignmentKind
from bot.model.transactional_actions import SetTimer
from bot.sending.delivery_receipts import RECEIPTS
from policies.pack import TextName
from tests.bot.examples import arrived, at, due, edit, held, marks, of, said, texts, then, words
from tests.bot.strategies import ANA, BEN, LATE, LONG, NOW, PACK, STAFF, SUE, UNDO, WARNED
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


@pytest.mark.parametrize("name", BODIES)
def test_a_second_word_from_before_an_outage_lets_nothing_leave(name: str) -> None:
    """Heard late it is as old as other words would be: they are held, and `!again` that is said now lets them leave."""
    step = then(withheld(name), said(f"!{name}", event_id="$s"), at(LATE + 1))
    window_end = due(step.aggregate, LATE + 1 + UNDO)
    assert (texts(window_end), marks(window_end)) == ([], {"$m1": DeliveryReceipt.HELD})
    now = replace(said("!again", event_id="$s2"), at=NOW + LATE + 60)
    again = then(window_end.aggregate, now, at(LATE + 60))
    assert texts(due(again.aggregate, LATE + 60 + UNDO)) == [BODIES[name]]


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


def test_late_words_leave_by_again() -> None:
    """What was held because it was late leaves when its author says that it still fits."""
    thread = due(then(held(), said("hello")).aggregate, LATE + 1).aggregate
    thread = then(thread, said("!again", event_id="$s", at=NOW + LATE + 2), at(LATE + 2)).aggregate
    assert texts(due(thread, LATE + 2 + UNDO)) == ["hello"]


def test_long_and_warned_needs_both_words() -> None:
    """Words that are long and hold a number are asked about twice."""
    thread = then(held(), said(LONG + WARNED[0])).aggregate
    step = then(thread, said("!long", event_id="$s"))
    assert "!anyway" in words(step)
    assert texts(due(step.aggregate, UNDO)) == []
    step = then(step.aggregate, said("!anyway", event_id="$s2"))
    assert texts(due(step.aggregate, UNDO)) == [LONG + WARNED[0]]


OTHERWISE = "25. December"
"""What a client shows where a person typed something else."""


def test_what_is_shown_otherwise_than_typed_waits_for_a_person() -> None:
    """Its author reads what would leave; it leaves as it is shown, by `!anyway` alone."""
    step = then(held(), said(OTHERWISE, differs=True))
    assert marks(step) == {"$m1": DeliveryReceipt.HELD}
    assert f"“{OTHERWISE}”" in words(step)
    assert "!anyway" in words(step)
    assert texts(due(step.aggregate, UNDO)) == []
    step = then(step.aggregate, said("!anyway", event_id="$s"), at(60))
    assert texts(due(step.aggregate, 60 + UNDO)) == [OTHERWISE]


def test_all_that_is_asked_about_words_is_said_at_once() -> None:
    """A number in words that differ is named beside them; words that are long and differ are asked about twice."""
    assert "phone number" in words(then(held(), said(WARNED[0], differs=True)))
    step = then(then(held(), said(LONG, differs=True)).aggregate, said("!long", event_id="$s"))
    assert "!anyway" in words(step)
    assert texts(due(step.aggregate, UNDO)) == []
    thread = then(step.aggregate, said("!anyway", event_id="$s2")).aggregate
    assert texts(due(thread, UNDO)) == [LONG]
    endless = then(then(held(), said("x " * 1_500, differs=True)).aggregate, said("!long", event_id="$s"))
    assert ("(it goes on)" in words(endless), "(it goes on)" in words(step)) == (True, False)


def test_edits_and_own_words_are_asked_about_too() -> None:
    """An edit that is shown otherwise stops what waited; one that is not lets it leave; `!say` is no way round."""
    waiting = then(held(), said("hello")).aggregate
    step = then(waiting, edit(OTHERWISE, differs=True), at(2))
    assert (marks(step), texts(due(step.aggregate, 2 + UNDO))) == ({"$m1": DeliveryReceipt.HELD}, [])
    step = then(step.aggregate, edit("On 24 December", event_id="$e2"), at(3))
    assert texts(due(step.aggregate, 3 + UNDO)) == ["On 24 December"]
    own = then(held(), said(f"!say clarify: {OTHERWISE}", differs=True))
    assert (marks(own), texts(due(own.aggregate, UNDO))) == ({"$m1": DeliveryReceipt.HELD}, [])
    theirs = then(held(), said("!say clarify", differs=True))
    assert len(texts(due(theirs.aggregate, UNDO))) == 1


@pytest.mark.parametrize("name", BODIES)
def test_a_second_word_is_no_way_round_a_refusal(name: str) -> None:
    """After a STOP nothing that was held leaves, nor after a later START; nor what names another thread by now."""
    stopped = then(withheld(name), arrived("STOP", id="s")).aggregate
    resumed = then(stopped, arrived("START", id="t")).aggregate
    for thread in (stopped, resumed):
        step = then(thread, said(f"!{name}", event_id="$s"))
        assert step.aggregate.sending.pending == ()
        assert words(step)
    leak = at(0, designations=frozenset({"call me at", "hello", "long long"}))
    assert then(withheld(name), said(f"!{name}", event_id="$s"), leak).aggregate.sending.pending == ()


@pytest.mark.parametrize("name", BODIES)
def test_what_was_held_ends_with_its_assignee(name: str) -> None:
    """When the assignee changes, what was held does not leave any more, not even when the assignee comes back."""
    step = then(withheld(name), Assigned(assignee=SUE, how=AssignmentKind.TAKEN_OVER))
    assert marks(step) == ({} if name == "again" else {"$m1": DeliveryReceipt.NOT_SENT})
    thread = then(step.aggregate, Assigned(assignee=ANA, how=AssignmentKind.RETURNED)).aggregate
    step = then(thread, said(f"!{name}", event_id="$s"))
    assert step.aggregate.sending.pending == ()
    assert "Nothing of yours is held" in words(step)


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


def test_an_edit_that_is_doubtful_is_held() -> None:
    """An edit in the window that puts a number in is asked about like a new message."""
    thread = then(held(), said("hello")).aggregate
    step = then(thread, edit(WARNED[0]), at(3))
    assert marks(step) == {"$m1": DeliveryReceipt.HELD}
    assert texts(due(step.aggregate, 3 + UNDO)) == []
    step = then(step.aggregate, said("!anyway", event_id="$s", at=NOW + 5), at(5))
    assert texts(due(step.aggregate, 5 + UNDO)) == [WARNED[0]]


def test_an_edit_of_unknown_words_ends_them() -> None:
    """What may be on the phone is not changed by an edit, and `!again` does not send what the room does not show."""
    step = then(withheld("again"), edit("better not"))
    assert "changes nothing on the phone" in words(step)
    assert then(step.aggregate, said("!again", event_id="$s")).aggregate.sending.pending == ()


def test_what_was_delivered_is_not_said_again() -> None:
    """A report that unknown words arrived ends the offer to send them once more."""
    thread = then(withheld("again"), TextOutcome(ref="say:$m1", outcome=Outcome.DELIVERED)).aggregate
    assert then(thread, said("!again", event_id="$s")).aggregate.sending.pending == ()


@every_row("outcome", Outcome)
def test_which_outcomes_can_be_said_again(outcome: Outcome) -> None:
    """`!again` is for what is unknown, came too late, or never arrived; and for nothing that the carrier refused."""
    thread = due(then(held(), said("hello")).aggregate, UNDO).aggregate
    thread = then(thread, TextOutcome(ref="say:$m1", outcome=outcome)).aggregate
    step = then(thread, said("!again", event_id="$s"))
    again = outcome in (Outcome.UNKNOWN, Outcome.LATE, Outcome.FAILED)
    assert bool(step.aggregate.sending.pending) == again


@pytest.mark.parametrize("language", ["en", "es"])
def test_the_handover_text_is_shown_and_leaves_after_the_window(language: str) -> None:
    """`!say handover` puts the pack's text, in the texter's language, into the undo window and shows it."""
    thread = then(held(), arrived(language.upper(), id="l")).aggregate
    step = then(thread, said("!say handover"))
    assert marks(step) == {"$m1": DeliveryReceipt.LEAVING}
    assert HANDOVER[language] in words(step)
    assert texts(due(step.aggregate, UNDO - 0.1)) == []
    assert texts(due(step.aggregate, UNDO)) == [HANDOVER[language]]


@pytest.mark.practice(37)
@every_row(
    ("event", "leaves"),
    [
        (edit("!say handover: I have to go now."), ["I have to go now."]),
        (edit("!say handover I have to go now."), []),
        (edit("!say handover"), [HANDOVER["en"]]),
        (edit("I have to go now."), ["I have to go now."]),
        (edit("// no"), []),
        (edit("!say handover: // no"), []),
        (edit("!say handover: ask @ben"), []),
        (edit("!say handover: quiet maple"), []),
        (edit("!say handover", sender=BEN), [HANDOVER["en"]]),
        (MessageRedacted(place=THREAD, sender=ANA, target="$m1"), []),
        (MessageRedacted(place=THREAD, sender=BEN, target="$m1"), [HANDOVER["en"]]),
    ],
)
def test_a_canned_text_is_changed_by_editing_and_stopped_by_redacting(event: Any, leaves: list[str]) -> None:
    """Editing the command replaces the text, redacting it stops it; both are its author's."""
    thread = then(held(), said("!say handover")).aggregate
    thread = then(thread, event, at(3)).aggregate
    assert texts(due(thread, 3 + UNDO)) == leaves


@every_row(
    ("body", "changed", "receipt"),
    [
        ("I have to go now.", {}, DeliveryReceipt.LEAVING),
        (WARNED[0], {}, DeliveryReceipt.HELD),
        ("// no", {}, DeliveryReceipt.NOTE),
        ("ask @ben", {}, DeliveryReceipt.NOTE),
        ("I have to go.", {"mentions": True}, DeliveryReceipt.NOTE),
        ("quiet maple", {}, DeliveryReceipt.NOT_SENT),
        ("@ana:line.example", {}, DeliveryReceipt.NOTE),
    ],
)
def test_own_words_behind_say_are_words_like_any_other(
    body: str, changed: dict[str, Any], receipt: DeliveryReceipt
) -> None:
    """`!say handover` with own words is no way round notes, mentions, the firewall and the warnings."""
    step = then(held(), said(f"!say handover: {body}", **changed))
    assert marks(step) == {"$m1": receipt}
    assert texts(due(step.aggregate, UNDO)) == ([body] if receipt is DeliveryReceipt.LEAVING else [])
    assert words(step)


def test_say_knows_its_texts() -> None:
    """`!say` with anything else sends nothing and names what there is."""
    for rest in ("", " nothing", " hand over"):
        step = then(held(), said(f"!say{rest}"))
        assert step.aggregate.sending.pending == ()
        assert "handover" in words(step)


def test_unknown_words_after_a_stop_are_not_said_again() -> None:
    """When the texter says STOP and then the carrier's answer is lost, nothing is offered, also not after a START."""
    thread = due(then(held(), said("hello")).aggregate, UNDO).aggregate
    thread = then(thread, arrived("STOP", id="s"), at(9)).aggregate
    step = then(thread, TextOutcome(ref="say:$m1", outcome=Outcome.UNKNOWN), at(10))
    assert "may have left" in words(step)
    for event in (said("!again", event_id="$s"), arrived("START", id="t", seconds=12), said("!again", event_id="$s2")):
        step = then(step.aggregate, event, at(12))
        assert step.aggregate.sending.pending == ()


@pytest.mark.parametrize("outcome", [Outcome.ACCEPTED, Outcome.DELIVERED])
def test_a_report_of_the_first_time_ends_the_second(outcome: Outcome) -> None:
    """Words that wait to leave again do not, when a report says that they left the first time; their author is told."""
    thread = due(then(held(), said("hello")).aggregate, UNDO).aggregate
    thread = then(thread, TextOutcome(ref="say:$m1", outcome=Outcome.UNKNOWN), at(20)).aggregate
    waiting = then(thread, said("!again", event_id="$s", at=NOW + 21), at(21)).aggregate
    step = then(waiting, TextOutcome(ref="say:$m1", outcome=outcome), at(22))
    assert marks(step) == {"$m1": RECEIPTS[outcome]}
    assert "has left already" in words(step)
    assert texts(due(step.aggregate, 60)) == []


def test_limits_that_left_the_first_time_are_told() -> None:
    """The late report of a text of the agency counts, although its author was sending it again."""
    thread = due(then(held(), said("!limits")).aggregate, UNDO).aggregate
    thread = then(thread, TextOutcome(ref="say:$m1", outcome=Outcome.UNKNOWN), at(20)).aggregate
    waiting = then(thread, said("!again", event_id="$s", at=NOW + 21), at(21)).aggregate
    step = then(waiting, TextOutcome(ref="say:$m1", outcome=Outcome.DELIVERED), at(22))
    assert step.aggregate.flags.limits


def test_a_failure_of_the_first_time_does_not_stop_the_second() -> None:
    """It changes no mark, because the mark is about the words that wait."""
    thread = due(then(held(), said("hello")).aggregate, UNDO).aggregate
    thread = then(thread, TextOutcome(ref="say:$m1", outcome=Outcome.UNKNOWN), at(20)).aggregate
    waiting = then(thread, said("!again", event_id="$s", at=NOW + 21), at(21)).aggregate
    step = then(waiting, TextOutcome(ref="say:$m1", outcome=Outcome.FAILED), at(22))
    assert (marks(step), words(step)) == ({}, "")
    assert texts(due(step.aggregate, 60)) == ["hello"]


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


def test_a_failure_of_the_first_time_offers_no_third() -> None:
    """It comes while the second waits at the carrier: the mark goes by the second, which is the last."""
    thread = due(then(held(), said("hello")).aggregate, UNDO).aggregate
    thread = then(thread, TextOutcome(ref="say:$m1", outcome=Outcome.UNKNOWN), at(20)).aggregate
    going = due(then(thread, said("!again", event_id="$s", at=NOW + 21), at(21)).aggregate, 60).aggregate
    failed = TextOutcome(ref="say:$m1", outcome=Outcome.FAILED)
    step = then(going, failed, at(61))
    assert (marks(step), words(step), step.aggregate.sending.held) == ({}, "", ())
    accepted = then(step.aggregate, TextOutcome(ref="say:$m1", outcome=Outcome.ACCEPTED), at(62))
    assert marks(accepted) == {"$m1": DeliveryReceipt.SENT}
    assert marks(then(accepted.aggregate, failed, at(90))) == {"$m1": DeliveryReceipt.NOT_SENT}, "of the second it counts"


@pytest.mark.parametrize("outcome", [Outcome.UNKNOWN, None])
def test_an_edit_that_is_taken_back_after_the_window_stops_the_words(outcome: Outcome | None) -> None:
    """Without its edit the room shows other words: they wait no longer at the carrier, and are not said again."""
    thread = then(then(held(), said("hello")).aggregate, edit("hello you"), at(1)).aggregate
    going = due(thread, UNDO + 1)
    (text,) = of(SendSms, going)
    thread = going.aggregate
    if outcome is not None:
        thread = then(thread, TextOutcome(ref=text.ref, outcome=outcome), at(20)).aggregate
    thread = then(thread, MessageRedacted(place="thread", sender=ANA, target="$e"), at(21)).aggregate
    assert then(thread, said("!again", event_id="$s", at=NOW + 22), at(22)).aggregate.sending.pending == ()
    if outcome is None:
        assert guard.may_send(PACK, thread, text, NOW + 22, ()) == guard.RETRACTED


@pytest.mark.parametrize("outcome", [Outcome.UNKNOWN, Outcome.LATE])
def test_words_of_an_earlier_assignee_are_not_kept(outcome: Outcome) -> None:
    """What became of the former assignee's words is shown, and the words are not kept for anybody to send."""
    thread = due(then(held(), said("hello")).aggregate, UNDO).aggregate
    thread = then(thread, Assigned(assignee=BEN, how=AssignmentKind.ACCEPTED), at(9)).aggregate
    step = then(thread, TextOutcome(ref="say:$m1", outcome=outcome), at(10))
    assert "$m1" in marks(step)
    assert step.aggregate.sending.held == ()
    assert "Nothing of yours is held" in words(then(step.aggregate, said("!again", sender=BEN, event_id="$s")))


def test_held_words_are_their_authors_whoever_is_the_assignee() -> None:
    """Even if another's words were held when a person became the assignee, no second word of theirs lets them leave."""
    thread = withheld("anyway")
    other = replace(thread, assignment=replace(thread.assignment, assignee=BEN))
    step = then(other, said("!anyway", sender=BEN, event_id="$s"))
    assert step.aggregate.sending.pending == ()


def test_held_words_go_with_their_message() -> None:
    """After the time for which a message stands nothing of them is left, and `!again` finds nothing."""
    stands = PACK.settings.message_ttl
    step = then(held(), said(LONG))
    assert ("held", NOW + stands) in [(timer.key, timer.due) for timer in of(SetTimer, step)]
    before = then(step.aggregate, TimerDue(key="held"), at(stands - 1)).aggregate
    assert [words.body for words in before.sending.held] == [LONG]
    after = then(before, TimerDue(key="held"), at(stands)).aggregate
    assert after.sending.held == ()
    assert "Nothing of yours is held" in words(then(after, said("!long", event_id="$s"), at(stands + 1)))


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


def test_again_sends_only_the_last_of_what_is_unknown() -> None:
    """What is unknown may be on the phone: nothing but the one that is meant is sent a second time."""
    thread = withheld("again", "$m2", withheld("again"))
    step = then(thread, said("!again", event_id="$s"))
    assert [pending.event_id for pending in step.aggregate.sending.pending] == ["$m2"]
