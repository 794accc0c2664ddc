"""A clock that was a year ahead leaves nothing a year too late, and nothing is texted because it was put right."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any, Final, get_args, get_type_hints

import pytest
from hypothesis import given

from bot.codeword import check, enrolment
from bot.codeword.check import TIMER as CHALLENGE
from bot.decide import decide
from bot.lifecycle.corrected_times import DUE, KEPT, make_times_earlier
from bot.lifecycle.retention import CLOSE, END, IDLE
from bot.model.actions import SendSms
from bot.model.codeword_state import CodewordState, Enrolment
from bot.model.desk import Desk, Thread
from bot.model.dialled_number import ColdOutreach
from bot.model.events import TimerDue
from bot.model.line_incidents import TimesAhead
from bot.model.thread import Assignment, Consent, HeldReason, ReplyAfterStop, TransferOffer
from bot.model.transactional_actions import EraseTexter, ParkThread, SetTimer, Suppress
from bot.safety import blocking
from bot.staffing import cold_outreach
from tests.bot.examples import FACTS, at, due, held, of, said, texts, then
from tests.bot.hypothesis_settings import USUAL
from tests.bot.strategies import ANA, NOW, PACK, SUE, desks, threads
from tests.every_row import every_row

YEAR: Final = 365 * 86_400
RIGHT: Final = at(-YEAR)
"""The facts once the clock is right: a year before what it showed."""
LATEST: Final = NOW + 1000
"""The latest time of the strategies."""
BEEN: Final = frozenset(
    {
        *("at", "since", "last_inbound", "last_outbound", "last_said", "heard_at", "spoke_at", "left_at", "held_since"),
        *("limits", "tips", "rights", "other_hands_at", "greeted", "signs", "texted_at", "promised_at", "offer_ended_at"),
        *("colleague_at", "verified_at", "failures", "last_text_at", "challenge_sent_at", "duress_at", "on_duty_since"),
        *("debrief_offered_at", "opened_at", "last_activity", "measured_from", "reported", "board_at", "board_posted_at"),
        *("called_at", "rate_limit_reported_at", "dropped_since", "gaps_told_at", "arrivals", "begun_at", "calm_since"),
        *("paged_at", "before", "began", "facts", "marks", "taken_at", "came", "signed_out_at", "reminded_at", "asked_at"),
        *("broke_off_at", "verify_refused"),
    }
)
"""Fields of times of what has been."""
LENGTHS: Final = frozenset({"unordered_within"})


def times_of(kind: type, known: set[type] | None = None) -> set[str]:
    """Return the names of all fields of an aggregate that hold a float."""
    known = set() if known is None else known
    known.add(kind)
    names: set[str] = set()
    for name, hint in get_type_hints(kind).items():
        inner = [hint]
        while inner:
            each = inner.pop()
            inner += get_args(each)
            if each is float:
                names.add(name)
            elif isinstance(each, type) and is_dataclass(each) and each not in known:
                names |= times_of(each, known)
    return names


def earlier(value: Any, seconds: float) -> Any:
    """Return an aggregate as it would be had the clock been right: every time but when words were said."""
    if isinstance(value, float):
        return value - seconds if value > seconds else value
    if isinstance(value, tuple):
        return tuple(earlier(each, seconds) for each in value)
    if is_dataclass(value) and not isinstance(value, type):
        changed = {f.name: earlier(getattr(value, f.name), seconds) for f in fields(value) if f.name not in KEPT}
        return replace(value, **changed)
    return value


def test_every_time_is_known() -> None:
    """A new field with a time is of what has been, or of what is to come, and then it has a limit."""
    assert times_of(Thread) | times_of(Desk) == BEEN | LENGTHS | KEPT | DUE.keys()
    assert not BEEN & DUE.keys()


@USUAL
@given(thread=threads)
def test_a_thread_is_as_if_the_clock_had_been_right(thread: Thread) -> None:
    """Every time is a year earlier, in the same order; a second time changes nothing."""
    back = make_times_earlier(thread, LATEST - YEAR, YEAR)
    assert back == earlier(thread, YEAR)
    assert make_times_earlier(back, LATEST - YEAR, YEAR) == back


@USUAL
@given(desk=desks)
def test_the_desk_is_as_if_the_clock_had_been_right(desk: Desk) -> None:
    """The same for queue, board, flood and questions."""
    assert make_times_earlier(desk, LATEST - YEAR, YEAR) == earlier(desk, YEAR)


@USUAL
@given(thread=threads)
def test_times_of_the_right_clock_are_left_alone(thread: Thread) -> None:
    """What the right clock stamped is not a year earlier, whatever is said to be ahead."""
    assert make_times_earlier(thread, LATEST, YEAR) == thread


@USUAL
@given(thread=threads)
def test_nothing_is_texted_and_nothing_ends_because_the_clock_is_right(thread: Thread) -> None:
    """In any state: no text leaves, nothing is parked or ended; words that waited are held or not sent, and it is said."""
    step = decide(PACK, RIGHT, thread, TimesAhead(seconds=YEAR))
    assert of(SendSms, step) == []
    assert (of(ParkThread, step), of(EraseTexter, step)) == ([], [])
    for seconds in (60, 86_400):
        later = decide(PACK, at(seconds - YEAR), step.aggregate, TimerDue(key="send"))
        assert of(SendSms, later) == []


def test_words_in_the_undo_window_are_held_and_leave_by_one_word() -> None:
    """Their author hears of it, and lets them leave; by themselves they never do."""
    step = then(then(held(), said("are you there")).aggregate, TimesAhead(seconds=YEAR), RIGHT)
    (words,) = step.aggregate.sending.held
    assert (words.body, words.reason) == ("are you there", HeldReason.LATE)
    assert texts(due(step.aggregate, 60.0 - YEAR)) == []
    again = then(step.aggregate, said("!again", event_id="$a", at=RIGHT.now + 5), at(5 - YEAR)).aggregate
    assert texts(due(again, 60.0 - YEAR)) == ["are you there"]


@pytest.mark.parametrize("seconds", [-90, 90])
def test_words_in_the_undo_window_are_held_by_however_little_the_clock_was_wrong(seconds: int) -> None:
    """By the right clock they are not late, and their undo window is over at once, or longer: their author decides."""
    thread = then(held(), said("are you there")).aggregate
    step = then(thread, TimesAhead(seconds=seconds), at(-seconds))
    assert texts(step) == []
    (words,) = step.aggregate.sending.held
    assert (words.body, words.reason) == ("are you there", HeldReason.LATE)


@pytest.mark.parametrize("seconds", [-90, 90])
def test_a_reply_after_a_stop_is_to_be_said_again(seconds: int) -> None:
    """It is not held, and the text that it answers may be replied to once more."""
    reply = ReplyAfterStop(event_id="$r", body="we are here", author=SUE, said_at=NOW)
    thread = replace(held(), consent=Consent(stopped=True, reply=reply))
    consent = then(thread, TimesAhead(seconds=seconds), at(-seconds)).aggregate.consent
    assert (consent.reply, consent.text_after_stop) == (None, "$r")


@pytest.mark.parametrize("key", [CLOSE, IDLE, END])
def test_a_conversation_ends_when_the_right_clock_says_so(key: str) -> None:
    """Not a year late: the timer that fires too early is set to what is left by the right clock, and then it ends."""
    thread = then(held(), said("!close")).aggregate
    if key == END:
        thread = then(thread, TimerDue(key=CLOSE), at(PACK.settings.close_undo)).aggregate
    if key == IDLE:
        thread = replace(held(), silence=replace(held().silence, spoke_at=NOW))
    thread = then(thread, TimesAhead(seconds=YEAR), RIGHT).aggregate
    early = then(thread, TimerDue(key=key), RIGHT)
    (timer,) = of(SetTimer, early)
    assert RIGHT.now < timer.due <= RIGHT.now + PACK.settings.continuing
    over = then(early.aggregate, TimerDue(key=key), replace(RIGHT, now=timer.due))
    assert of(EraseTexter if key == END else ParkThread, over) != []


def test_a_block_ends_when_it_would_have_ended() -> None:
    """The block, and what is remembered of the phone beyond its thread, are a year earlier."""
    blocked = replace(held(), consent=Consent(blocked_until=NOW + 7 * 86_400))
    step = then(blocked, TimesAhead(seconds=YEAR), RIGHT)
    assert step.aggregate.consent.blocked_until == RIGHT.now + 7 * 86_400
    assert [action.until for action in of(Suppress, step)] == [RIGHT.now + 7 * 86_400]


@pytest.mark.parametrize("key", [CLOSE, IDLE, END])
def test_by_a_clock_that_was_behind_nothing_ends_a_year_early(key: str) -> None:
    """Once it is right, what would be over for long ends when it would have ended."""
    thread = then(held(), said("!close")).aggregate
    if key == END:
        thread = then(thread, TimerDue(key=CLOSE), at(PACK.settings.close_undo)).aggregate
    if key == IDLE:
        thread = replace(held(), silence=replace(held().silence, spoke_at=NOW))
    later = at(YEAR + 60)
    assert of(EraseTexter if key == END else ParkThread, then(thread, TimerDue(key=key), later)) != [], "it would be over"
    thread = then(thread, TimesAhead(seconds=-YEAR), later).aggregate
    early = then(thread, TimerDue(key=key), later)
    (timer,) = of(SetTimer, early)
    assert later.now < timer.due <= later.now + PACK.settings.continuing


@USUAL
@given(thread=threads)
def test_nothing_is_texted_because_a_clock_was_behind(thread: Thread) -> None:
    """In any state no text leaves, and no time by which words are judged is fresher."""
    step = decide(PACK, at(YEAR), thread, TimesAhead(seconds=-YEAR))
    assert of(SendSms, step) == []
    assert step.aggregate.signs.texted_at == thread.signs.texted_at
    assert step.aggregate.lifecycle.newest_text == thread.lifecycle.newest_text


EARLY: Final[tuple[tuple[str, Any, float], ...]] = (
    ("answer", replace(held(), assignment=replace(held().assignment, answer_by=NOW + 60)), NOW + 60),
    (
        "offer",
        replace(
            held(), assignment=Assignment(assignee=ANA, offer=TransferOffer(to="", by=ANA, until=NOW + 60, event_id="$o"))
        ),
        NOW + 60,
    ),
    (blocking.TIMER, replace(held(), consent=Consent(blocked_until=NOW + 60)), NOW + 60),
    (
        CHALLENGE,
        replace(held(), codeword=CodewordState(challenge="$c", challenge_sent_at=NOW)),
        NOW + PACK.settings.challenge_window,
    ),
    (
        enrolment.TIMER + ANA,
        Desk(enrolments=(Enrolment(user=ANA, thread="t1", designation="a b", until=NOW + 60),)),
        NOW + 60,
    ),
    (cold_outreach.TIMER + ANA, Desk(outreach=(ColdOutreach(user=ANA, until=NOW + 60),)), NOW + 60),
)


@every_row(("key", "aggregate", "when"), EARLY)
def test_a_timer_that_fires_too_early_is_set_again(key: str, aggregate: Any, when: float) -> None:
    """Nothing that was to end is forgotten because a clock was put back in between."""
    step = decide(PACK, FACTS, aggregate, TimerDue(key=key))
    assert SetTimer(key=key, due=when) in step.actions
    assert check.TIMER == CHALLENGE
