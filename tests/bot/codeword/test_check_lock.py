"""A locked phone: what locks it, what leaves for it all the same, and who unlocks it (design.md, "The codeword")."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot import guard
from bot.display.thread_card import card
from bot.language.codeword_forms import MASK
from bot.model.actions import DESK, DeliveryReceipt, Origin, PageOnCall, SendMessage, SendSms, ShowReceipt
from bot.model.codeword_state import CodewordMatch, CodewordState, SendLock
from bot.model.desk import Thread
from bot.model.events import Outcome, TextOutcome, TimerDue
from bot.model.feature import Step
from bot.model.thread import Lifecycle, ThreadState
from bot.model.thread_desk_events import (
    AlarmKind,
    AlarmRaised,
    Assigned,
    DuressFlagChanged,
    OtherHandsChanged,
    ThreadQueued,
)
from bot.model.transactional_actions import SetTimer
from bot.safety import unsafe_phone
from policies.pack import TextName
from tests.bot.codeword_example import (
    CHALLENGE,
    COVERS,
    UNVERIFIED,
    VERIFIED,
    WINDOW,
    agreed,
    asked,
    comes,
    holding,
    locked,
)
from tests.bot.examples import alarms, arrived, at, held, marks, of, said, staffed_desk, texts, then, told, words
from tests.bot.strategies import ANA, BEN, DIGESTS, LONG, MEMBERS, NOW, PACK, SUE, UNDO, WARNED


@pytest.mark.parametrize("before", [agreed, asked, held, lambda: locked(SendLock.UNVERIFIED), lambda: agreed(spent=True)])
def test_duress_is_told_to_assignee_desk_and_whoever_is_on_call(before: object) -> None:
    """Asked or not, burned or not: a loud message to the assignee, an alarm that names the supervisors, a call outside."""
    thread = before()  # type: ignore[operator]
    if thread.codeword.digests is None:
        assert comes(thread, CodewordMatch.DURESS, 20).aggregate.codeword.lock is SendLock.NONE, (
            "without a word there is no duress word"
        )
        return
    step = comes(thread, CodewordMatch.DURESS, 20)
    assert step.aggregate.codeword.lock is SendLock.DURESS
    assert alarms(step) == ["duress"]
    (loud,) = [post for post in of(SendMessage, step) if "DURESS" in post.body]
    assert (loud.notice, loud.mentions) == (False, (thread.assignment.assignee,))
    desk = then(staffed_desk(), AlarmRaised(designation="amber heron", alarm=AlarmKind.DURESS))
    (post,) = [post for post in of(SendMessage, desk) if "DURESS" in post.body]
    assert (post.place, post.mentions) == (DESK, (SUE,))
    assert len(of(PageOnCall, desk)) == 1


def test_the_card_says_duress_and_not_verified() -> None:
    """Nobody who opens the room takes a thread under duress for a verified one."""
    assert "DURESS" in card(PACK, comes(asked(), CodewordMatch.DURESS, 20).aggregate)
    assert "verified:" not in card(
        PACK, comes(comes(asked(), CodewordMatch.SAFE, 20).aggregate, CodewordMatch.DURESS, 30).aggregate
    )


@pytest.mark.parametrize("lock", [SendLock.DURESS, SendLock.UNVERIFIED])
def test_only_cover_lines_leave_for_a_locked_phone(lock: SendLock) -> None:
    """Free words, the agency's other texts and the challenge are refused with the way out; cover lines leave, in time."""
    for body in ("I am here", "!say handover", "!say handover: my own words", "!verify", "!long", CHALLENGE):
        step = then(locked(lock), said(body))
        assert step.aggregate.sending.pending == (), body
    assert "!unlock" in words(then(locked(lock), said("I am here")))
    for n, line in enumerate(COVERS, 1):
        step = then(locked(lock), said(f"!cover {n}"))
        assert marks(step)["$m1"] is DeliveryReceipt.LEAVING
        assert texts(then(step.aggregate, TimerDue(key="send"), at(UNDO))) == [line]


def test_words_in_the_undo_window_do_not_leave_under_duress() -> None:
    """What was said before the duress word came does not leave after it; neither does what the carrier has not got yet."""
    thread = then(agreed(), said("meet me at the shelter"), at(0)).aggregate
    thread = comes(thread, CodewordMatch.DURESS, 2).aggregate
    step = then(thread, TimerDue(key="send"), at(UNDO))
    assert texts(step) == []
    assert marks(step)["$m1"] is DeliveryReceipt.HELD
    queued = SendSms(ref="say:$x", body="on its way", origin=Origin.ADVOCATE, epoch=thread.assignment.epoch, since=NOW)
    assert guard.may_send(PACK, thread, queued, NOW, ()) == guard.LOCKED[SendLock.DURESS]


@pytest.mark.practice(10)
@pytest.mark.parametrize("busy", [False, True])
def test_words_from_before_the_lock_do_not_leave_by_the_unlocking(busy: bool) -> None:
    """What waited its undo window, or its turn at a busy carrier, when the duress word came leaves by `!again` or never."""
    thread = then(agreed(), said("meet me at the shelter"), at(0)).aggregate
    step = then(thread, TimerDue(key="send"), at(UNDO)) if busy else Step(thread)
    thread = comes(step.aggregate, CodewordMatch.DURESS, UNDO + 1 if busy else 1).aggregate
    seconds = UNDO + 2 if busy else 2
    step_after = then(thread, said("!unlock", sender=SUE, event_id="$u", at=NOW + seconds), at(seconds))
    thread = step_after.aggregate
    assert thread.codeword.lock is SendLock.NONE
    if busy:
        (text,) = of(SendSms, step)
        assert guard.may_send(PACK, thread, text, NOW + UNDO + 3, ()) == guard.RETRACTED
        return
    assert marks(step_after)["$m1"] is DeliveryReceipt.HELD
    assert texts(then(thread, TimerDue(key="send"), at(UNDO + 2))) == []
    again = then(thread, said("!again", event_id="$a", at=NOW + 30), at(30)).aggregate
    assert texts(then(again, TimerDue(key="send"), at(60))) == ["meet me at the shelter"]


@pytest.mark.practice(10)
def test_the_unlocking_stops_no_cover_line() -> None:
    """A cover line that waits leaves as it would have left under the lock."""
    thread = then(locked(SendLock.DURESS), said("!cover 1"), at(0)).aggregate
    thread = then(thread, said("!unlock", sender=SUE, event_id="$u"), at(2)).aggregate
    assert texts(then(thread, TimerDue(key="send"), at(UNDO))) == [COVERS[0]]


def test_no_reply_after_a_stop_waits_for_an_unlocking() -> None:
    """A `!reply` is refused under a lock, and one from before it is cancelled when the lock is lifted."""
    stopped = then(agreed(), arrived("STOP", id="stop")).aggregate
    stopped = then(stopped, arrived("wait", id="more", seconds=1), at(1)).aggregate
    replied = then(stopped, said("!reply !anyway ok", sender=SUE, event_id="$r"), at(2)).aggregate
    assert replied.consent.reply is not None
    thread = comes(replied, CodewordMatch.DURESS, 3).aggregate
    step = then(thread, said("!unlock", sender=SUE, event_id="$u", at=NOW + 4), at(4))
    assert marks(step)["$r"] is DeliveryReceipt.NOT_SENT
    assert texts(then(step.aggregate, TimerDue(key="reply"), at(2 + UNDO))) == []
    refused = then(comes(stopped, CodewordMatch.DURESS, 3).aggregate, said("!reply ok", sender=SUE), at(4))
    assert refused.aggregate.consent.reply is None
    assert "!unlock" in words(refused)


def test_a_locked_phone_is_answered_by_itself_as_any_other() -> None:
    """A greeting and the confirmation of a STOP leave as they would after success: their absence would tell."""
    for lock in (SendLock.NONE, SendLock.DURESS):
        thread = locked(lock) if lock is not SendLock.NONE else agreed(spent=True)
        assert texts(then(thread, arrived("STOP"))) == [PACK.say(TextName.STOP)]
        thread = then(thread, said("!release", event_id="$r")).aggregate
        later = 13 * 3600.0
        assert texts(then(thread, arrived("hi", seconds=later), at(later))) == [PACK.say(TextName.GREETING)]


def test_three_failures_within_a_day_lock_the_phone() -> None:
    """The third answer without the word: unverified, desk told, free words held; two and an old one do not."""
    thread, step = agreed(), Step(agreed())
    for n in range(3):
        start = n * 600.0
        thread = then(thread, arrived("hi", seconds=start, id=f"t{n}"), at(start)).aggregate
        step = comes(asked(thread, seconds=start, name=f"$v{n}"), CodewordMatch.NONE, start + 20, "who is this", id=f"w{n}")
        thread = step.aggregate
        assert texts(step) == [UNVERIFIED]
        assert (thread.codeword.lock is SendLock.UNVERIFIED) == (n == 2)
    assert alarms(step) == ["unverified"]
    old = agreed(failures=(NOW - 86_500, NOW - 60))
    assert comes(asked(old), CodewordMatch.NONE, 20, "who is this").aggregate.codeword.lock is SendLock.NONE


@pytest.mark.parametrize(
    ("on_call", "who"), [(True, "Whoever is on call is being called"), (False, "please phone somebody")]
)
def test_a_lock_that_only_a_supervisor_lifts_calls_the_person_on_call_at_night(on_call: bool, who: str) -> None:
    """With no supervisor on duty the person on call is paged for failed words, and the room says so; by day nobody is."""
    at_night = (MEMBERS[0], MEMBERS[1], replace(MEMBERS[2], on_duty=False))
    night = replace(holding(CodewordMatch.NONE, 20), roster=at_night, on_call=on_call)
    thread = asked(agreed(failures=(NOW - 120, NOW - 60)))
    step = then(thread, arrived("all fine here", seconds=20), night)
    assert step.aggregate.codeword.lock is SendLock.UNVERIFIED
    assert who in words(step)
    (alarm,) = [event for event in told(step.actions, DESK) if isinstance(event, AlarmRaised)]
    desk = staffed_desk()
    assert len(of(PageOnCall, then(replace(desk, roster=at_night), alarm, night))) == 1
    assert of(PageOnCall, then(desk, alarm)) == []
    assert who not in words(comes(thread, CodewordMatch.NONE, 20, "all fine here"))


@pytest.mark.parametrize("lock", [SendLock.DURESS, SendLock.UNVERIFIED])
def test_words_for_a_locked_phone_are_held_until_a_person_sends_them(lock: SendLock) -> None:
    """What was said under a lock is held; a supervisor's `!unlock` lets nothing leave, then its author's `!again` does."""
    step = then(locked(lock), said("I am here"))
    assert marks(step)["$m1"] is DeliveryReceipt.HELD
    again = then(step.aggregate, said("!again", event_id="$a"), at(5))
    assert "!unlock" in words(again)
    free = then(again.aggregate, said("!unlock", sender=SUE, event_id="$u"), at(60))
    assert texts(then(free.aggregate, TimerDue(key="send"), at(600))) == []
    resend = then(free.aggregate, said("!again", event_id="$b", at=NOW + 600), at(600))
    assert texts(then(resend.aggregate, TimerDue(key="send"), at(600 + UNDO))) == ["I am here"]


def test_a_supervisor_unlocks_and_nobody_else() -> None:
    """`!unlock` lets free words leave again and forgets the failures; the burned word stays burned."""
    thread = comes(asked(), CodewordMatch.DURESS, 20).aggregate
    for sender in (ANA, BEN):
        assert then(thread, said("!unlock", sender=sender)).aggregate.codeword == thread.codeword
    free = then(thread, said("!unlock", sender=SUE, at=NOW + 30), at(30)).aggregate
    assert (free.codeword.lock, free.codeword.spent) == (SendLock.NONE, True)
    assert marks(then(free, said("I am here", event_id="$n")))["$n"] is DeliveryReceipt.LEAVING
    assert "Nothing is locked" in words(then(free, said("!unlock", sender=SUE)))


@pytest.mark.practice(10)
def test_an_unlock_that_crosses_the_duress_word_unlocks_nothing() -> None:
    """The call that it rests on was before: lock and mark stay, and the room hears so; one from after it lifts both."""
    thread = comes(locked(SendLock.UNVERIFIED), CodewordMatch.DURESS, 20).aggregate
    step = then(thread, said("!unlock", sender=SUE, event_id="$u", at=NOW + 19), at(20))
    assert step.aggregate.codeword == thread.codeword
    assert not [event for event in told(step.actions, DESK) if isinstance(event, DuressFlagChanged | OtherHandsChanged)]
    assert "another sign or stop came" in words(step)
    assert texts(step) == []
    free = then(thread, said("!unlock", sender=SUE, event_id="$u", at=NOW + 25), at(25))
    assert free.aggregate.codeword.lock is SendLock.NONE
    assert DuressFlagChanged(thread="t1", duress=False) in told(free.actions, DESK)


def test_an_unlock_that_crosses_the_last_failed_check_unlocks_nothing() -> None:
    """An answer without the word that came after it stays counted."""
    thread = comes(asked(agreed(failures=(NOW - 120, NOW - 60))), CodewordMatch.NONE, 20, "all fine here").aggregate
    assert thread.codeword.lock is SendLock.UNVERIFIED
    step = then(thread, said("!unlock", sender=SUE, event_id="$u", at=NOW + 19), at(20))
    assert step.aggregate.codeword == thread.codeword


@pytest.mark.parametrize("before", ["!release", "!safe"])
def test_an_unlock_ends_the_sign_at_the_desk(before: str) -> None:
    """Duress counts there as a sign of other hands, once the thread waits again or `!safe` was said: so does its end."""
    thread = comes(asked(), CodewordMatch.DURESS, 20).aggregate
    thread = then(thread, said("!unsafe", event_id="$x"), at(25)).aggregate if before == "!safe" else thread
    step = then(thread, said(before, event_id="$b", at=NOW + 30), at(30))
    signs = [
        event.other_hands_at for event in told(step.actions, DESK) if isinstance(event, ThreadQueued | OtherHandsChanged)
    ]
    assert signs == [NOW + 20]
    free = then(step.aggregate, said("!unlock", sender=SUE, event_id="$u", at=NOW + 60), at(60))
    assert OtherHandsChanged(thread="t1", other_hands_at=0.0) in told(free.actions, DESK)


@pytest.mark.parametrize("stop", ["STOP", "!unsafe"])
def test_an_unlock_says_what_else_stops_the_phone(stop: str) -> None:
    """Whoever reads that words leave again also reads why they do not yet."""
    thread = comes(asked(), CodewordMatch.DURESS, 20).aggregate
    event = arrived(stop, id="s", seconds=30) if stop == "STOP" else said(stop, event_id="$x")
    thread = then(thread, event, at(30)).aggregate
    step = then(thread, said("!unlock", sender=SUE, event_id="$u", at=NOW + 60), at(60))
    assert "Not yet, though" in words(step)
    assert "Not yet" not in words(then(locked(SendLock.DURESS), said("!unlock", sender=SUE, event_id="$u"), at(60)))


def test_a_success_does_not_unlock() -> None:
    """After three failures the word alone opens nothing: whoever guessed it is not let in."""
    step = comes(locked(SendLock.UNVERIFIED), CodewordMatch.SAFE, 20)
    assert step.aggregate.codeword.lock is SendLock.UNVERIFIED
    assert "!unlock" in words(step)


def test_forgetting_and_agreeing_wait_for_an_unlock() -> None:
    """Under a lock no word is forgotten and none agreed; without one, forgetting keeps nothing but the failures."""
    for body in ("!forget-word", "!codeword"):
        thread = locked(SendLock.DURESS)
        step = then(thread, said(body))
        assert "!unlock" in words(step)
        assert step.aggregate.codeword == thread.codeword
    forgotten = then(agreed(failures=(NOW,)), said("!forget-word")).aggregate.codeword
    assert (forgotten.digests, forgotten.failures) == (None, (NOW,))
    assert "No codeword" in words(then(held(), said("!forget-word")))


@pytest.mark.practice(10)
def test_the_lock_outlives_a_change_of_assignee() -> None:
    """The lock belongs to the phone: whoever takes the thread has the same cover lines and nothing else."""
    thread = then(locked(SendLock.DURESS), said("!release", event_id="$r")).aggregate
    thread = then(thread, Assigned(assignee=BEN)).aggregate
    assert "DURESS" in card(PACK, thread)
    assert then(thread, said("I am Ben", sender=BEN, event_id="$n")).aggregate.sending.pending == ()


def test_cover_lines_are_shown_before_one_is_chosen() -> None:
    """`!cover` alone, or with a number that is none, shows the three."""
    for body in ("!cover", "!cover 4"):
        assert all(line in words(then(agreed(), said(body))) for line in COVERS)


def test_a_late_duress_word_still_locks() -> None:
    """A text told of hours later answers nothing, and its duress word locks and alarms all the same."""
    step = then(agreed(), arrived(MASK, seconds=-7200), holding(CodewordMatch.DURESS, 0))
    assert texts(step) == []
    assert alarms(step) == ["duress"]
    assert step.aggregate.codeword.lock is SendLock.DURESS


def test_the_room_says_what_the_phone_gets_and_when_to_look_again() -> None:
    """The answer is shown in the room; the window of a challenge has a timer."""
    step = comes(asked(), CodewordMatch.DURESS, 20)
    assert f"Answered by itself (whatever follows !verify): {VERIFIED}" in words(step)
    thread = then(then(agreed(), said("!verify", event_id="$v")).aggregate, TimerDue(key="send"), at(UNDO)).aggregate
    acceptance = then(thread, TextOutcome(ref="say:$v", outcome=Outcome.ACCEPTED), at(UNDO))
    assert SetTimer(key="challenge", due=NOW + UNDO + WINDOW) in acceptance.actions
    assert not [m for m in of(ShowReceipt, acceptance) if m.receipt is DeliveryReceipt.NOTE]


@pytest.mark.practice(10)
@pytest.mark.parametrize("lock", [SendLock.DURESS, SendLock.UNVERIFIED])
def test_a_lock_that_a_phone_brings_along_is_told_as_when_it_came(lock: SendLock) -> None:
    """A phone under duress whose conversation ended begins a new one: the desk marks it and calls the supervisors."""
    parked = Thread(
        id="t1",
        designation="",
        codeword=CodewordState(digests=DIGESTS, lock=lock),
        lifecycle=Lifecycle(state=ThreadState.PARKED),
    )
    step = then(parked, arrived("hi again"), at(0, new_designation="plain river"))
    assert alarms(step) == [{SendLock.DURESS: "duress", SendLock.UNVERIFIED: "unverified"}[lock]]
    marked = [event for event in told(step.actions, DESK) if isinstance(event, DuressFlagChanged)]
    assert [event.duress for event in marked] == [True] * (lock is SendLock.DURESS)


@pytest.mark.parametrize("body", [LONG, *WARNED])
def test_words_held_by_a_lock_are_looked_at_before_they_leave(body: str) -> None:
    """After `!unlock`, `!again` lets nothing leave that would have been held without a lock."""
    thread = then(locked(SendLock.UNVERIFIED), said(body, event_id="$w"), at(1)).aggregate
    thread = then(thread, said("!unlock", sender=SUE, event_id="$u"), at(2)).aggregate
    step = then(thread, said("!again", event_id="$a", at=NOW + 3), at(3))
    assert marks(step)["$w"] is DeliveryReceipt.HELD
    assert texts(then(step.aggregate, TimerDue(key="send"), at(60))) == []


def test_whoever_has_the_phone_now_has_said_no_word() -> None:
    """After `!different` nobody is verified: what was agreed was agreed with another person."""
    thread = replace(agreed(), codeword=CodewordState(digests=DIGESTS, spent=True, ever_texted=True, verified_at=NOW))
    thread, _ = unsafe_phone.start_over(PACK, at(5), thread)
    assert thread.codeword.verified_at == 0.0
