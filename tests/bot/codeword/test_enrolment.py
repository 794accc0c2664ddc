"""Agreeing on a codeword: asked in the office, redacted at once, and forgotten by whatever interrupts it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bot.codeword.codeword_commands import KEPT, NOT_KEPT
from bot.codeword.enrolment import ANSWER_WITHIN, REDACT_FOR, pending_answer
from bot.commands.parser import parse
from bot.model.actions import OFFICE, RedactEvent, SendMessage
from bot.model.codeword_state import EnrolmentAnswer, Flaw, SendLock
from bot.model.desk import Desk, Thread
from bot.model.events import IgnoreReason, MemberLeft, MessageIgnored, Relation, TimerDue
from bot.model.feature import Step
from bot.model.thread import Lifecycle, ThreadState
from bot.model.thread_desk_events import EnrolmentFinished, EnrolmentRequested
from bot.model.transactional_actions import SendEvent, SetTimer
from bot.wording.durations import spell_duration
from bot.wording.notice import in_language
from policies.pack import TextName
from tests.bot.codeword_example import agreed, locked
from tests.bot.examples import at, at_desk, held, of, said, staffed_desk, then, told, words
from tests.bot.strategies import ANA, BEN, DIGESTS, EVE, NAMED, PACK, SUE
from tests.every_row import every_row

ROOM = OFFICE + ANA
FIRST, BOTH = EnrolmentAnswer(), EnrolmentAnswer(digests=DIGESTS)


def asking(*, second: bool = False) -> Desk:
    """Return a desk that asks Ana for a codeword, or for the duress word."""
    desk = then(staffed_desk(), EnrolmentRequested(thread="t1", designation=NAMED[0], user=ANA)).aggregate
    return answered(desk, FIRST).aggregate if second else desk


def answered(desk: Desk, answer: EnrolmentAnswer | None, *, seconds: float = 0.0, **changed: Any) -> Step[Desk]:
    """Let something be said in Ana's office; what it was the bridge has taken out."""
    event = said(changed.pop("body", ""), place=ROOM, **changed)
    return then(desk, event, at(seconds, enrolment_answer=answer))


@pytest.mark.practice(10)
def test_the_words_are_asked_for_in_the_office_of_whoever_agreed_on_them() -> None:
    """`!codeword` in the thread: the answer says that only a word agreed by phone call is one.

    The desk asks in the office.
    """
    step = then(held(), said("!codeword"))
    assert told(step.actions, "desk") == [EnrolmentRequested(thread="t1", designation=NAMED[0], user=ANA, language="en")]
    assert "by phone call" in words(step)
    question = then(staffed_desk(), EnrolmentRequested(thread="t1", designation=NAMED[0], user=ANA))
    posts = [post for post in of(SendMessage, question) if post.place == ROOM]
    assert [NAMED[0] in post.body for post in posts] == [True, False]
    assert then(staffed_desk(), EnrolmentRequested(thread="t1", designation=NAMED[0], user=EVE)).aggregate.enrolments == ()


@pytest.mark.practice(10)
@pytest.mark.parametrize("language", ["en", "es"])
def test_the_advocate_is_told_what_the_phone_will_show(language: str) -> None:
    """The question for the word, what follows any answer, and the cover lines, in the texter's language, to pass on."""
    spanish = then(held(), said(f"!lang {language}")).aggregate
    (request,) = told(then(spanish, said("!codeword", event_id="$m2"), at(1)).actions, "desk")
    step = then(staffed_desk(), request)
    (post,) = [post for post in of(SendMessage, step) if "!verify" in post.body]
    assert post.place == ROOM
    for name in (TextName.CHALLENGE, TextName.VERIFIED, TextName.COVER_1, TextName.COVER_2, TextName.COVER_3):
        assert f"“{PACK.say(name, language)}”" in post.body
    assert "by voice" in post.body


@pytest.mark.practice(10)
@pytest.mark.parametrize("language", ["en", "es"])
def test_the_advocate_is_told_where_and_how_long_the_word_is_heard(language: str) -> None:
    """Whoever relies on a word has to know that it is of one phone, and is forgotten with its number."""
    desk = then(staffed_desk(), at_desk(f"!lang me {language}")).aggregate
    body = words(then(desk, EnrolmentRequested(thread="t1", designation=NAMED[0], user=ANA)))
    grace, longer = (in_language(spell_duration(s), language) for s in (PACK.settings.grace, PACK.settings.continuing))
    assert {"en": "this phone only", "es": "solo en este teléfono"}[language] in body
    assert grace in body
    assert f"({longer} " in body
    assert "!continue" in body


def test_both_words_are_redacted_and_their_digests_go_to_the_thread() -> None:
    """The word, then the duress word: each is redacted at once; the thread is told digests, and nobody anything else."""
    first = answered(asking(), FIRST, event_id="$w1")
    assert of(RedactEvent, first) == [RedactEvent(place=ROOM, event_id="$w1")]
    assert "duress word" in words(first)
    second = answered(first.aggregate, BOTH, event_id="$w2")
    assert of(RedactEvent, second) == [RedactEvent(place=ROOM, event_id="$w2")]
    assert told(second.actions, "t1") == [EnrolmentFinished(user=ANA, digests=DIGESTS)]
    assert second.aggregate.enrolments == ()
    thread = then(held(), EnrolmentFinished(user=ANA, digests=DIGESTS)).aggregate
    assert thread.codeword.digests == DIGESTS


@every_row("flaw", [flaw for flaw in Flaw if flaw is not Flaw.LOST])
@every_row("second", [False, True])
def test_a_refused_word_is_redacted_and_asked_for_again(flaw: Flaw, second: bool) -> None:
    """Its reason is told, it is redacted like any other, and the same question stands for another five minutes."""
    step = answered(asking(second=second), EnrolmentAnswer(flaw=flaw), seconds=200)
    assert of(RedactEvent, step)
    assert flaw.value in words(step)
    (still,) = step.aggregate.enrolments
    assert (still.wants_duress_word, still.until) == (second, at(200).now + ANSWER_WITHIN)


@every_row("second", [False, True])
@every_row("how", ["time", "left", "lost", "clear", "late", "another"])
def test_an_enrolment_that_is_interrupted_keeps_nothing(how: str, second: bool) -> None:
    """Five minutes, leaving, a restart, a message in clear, another `!codeword`: at neither step is a word kept."""
    desk = asking(second=second)
    steps: dict[str, Callable[[], Step[Desk]]] = {
        "time": lambda: then(desk, TimerDue(key=f"word:{ANA}"), at(ANSWER_WITHIN + REDACT_FOR)),
        "left": lambda: then(desk, MemberLeft(place="desk", user=ANA)),
        "lost": lambda: answered(desk, EnrolmentAnswer(flaw=Flaw.LOST)),
        "clear": lambda: then(desk, MessageIgnored(place=ROOM, sender=ANA, event_id="$c", reason=IgnoreReason.UNENCRYPTED)),
        "late": lambda: answered(desk, BOTH, seconds=ANSWER_WITHIN + 1),
        "another": lambda: then(desk, EnrolmentRequested(thread="t2", designation=NAMED[1], user=ANA)),
    }
    step = steps[how]()
    assert not [tell for tell in of(SendEvent, step) if isinstance(tell.event, EnrolmentFinished)]
    if how == "another":
        assert [(a.thread, a.wants_duress_word) for a in step.aggregate.enrolments] == [("t2", False)]
        return
    assert step.aggregate.enrolments == ()
    if how in ("lost", "clear", "late"):
        assert of(RedactEvent, step), "what was said stands"


@pytest.mark.parametrize("second", [False, True])
def test_what_comes_late_is_redacted_and_not_taken(second: bool) -> None:
    """For ten minutes after its time a word is redacted like one in time, and not taken: people answer late."""
    step = then(asking(second=second), TimerDue(key=f"word:{ANA}"), at(ANSWER_WITHIN))
    assert "Five minutes are over" in words(step)
    assert of(SetTimer, step) == [SetTimer(key=f"word:{ANA}", due=at(ANSWER_WITHIN + REDACT_FOR).now)]
    late = answered(step.aggregate, BOTH, seconds=ANSWER_WITHIN + 60, event_id="$w")
    assert of(RedactEvent, late) == [RedactEvent(place=ROOM, event_id="$w")]
    assert not [tell for tell in of(SendEvent, late) if isinstance(tell.event, EnrolmentFinished)]
    assert late.aggregate.enrolments == ()


@pytest.mark.parametrize(
    "body", ["!codeword tulip", "!code-word tulip", "!Codeword: tulip", "/codeword tulip", "!word tulip"]
)
def test_a_word_behind_its_command_is_taken_out(body: str) -> None:
    """At the desk and in an office, asked or not: what stands behind `!codeword`, or what was meant as it, is redacted."""
    for desk in (staffed_desk(), asking()):
        for place in ("desk", ROOM):
            step = then(desk, said(body, place=place, event_id="$w"), at(0, enrolment_answer=FIRST))
            assert of(RedactEvent, step) == [RedactEvent(place=place, event_id="$w")]
            assert "not taken" in words(step)
            assert "tulip" not in words(step)
            assert step.aggregate.enrolments == desk.enrolments


def test_the_office_says_kept_when_it_is_kept() -> None:
    """The thread alone says into the office that a word is kept, or that it is not; what is parked says that too."""
    said_in_office = [post.body for post in of(SendMessage, answered(asking(second=True), BOTH)) if post.place == ROOM]
    assert not any("It is kept:" in body or "nobody sees it again" in body for body in said_in_office)
    confirmation = then(held(), EnrolmentFinished(user=ANA, digests=DIGESTS))
    assert [post.body for post in of(SendMessage, confirmation) if post.place == ROOM] == [KEPT]
    parked = Thread(id="t1", designation="", lifecycle=Lifecycle(state=ThreadState.PARKED))
    for thread in (locked(SendLock.DURESS), parked):
        step = then(thread, EnrolmentFinished(user=ANA, digests=DIGESTS))
        assert [post.body for post in of(SendMessage, step) if post.place == ROOM] == [NOT_KEPT]
        assert step.aggregate.codeword == thread.codeword


def test_an_early_timer_forgets_nothing() -> None:
    """The timer of an earlier question does not end a later one."""
    desk = asking()
    assert then(desk, TimerDue(key=f"word:{ANA}"), at(10)).aggregate == desk


def test_only_their_own_office_is_listened_to() -> None:
    """Nobody else's words, no other place and no command is taken for a codeword."""
    desk = asking()
    for event in (
        said("tulip", place=OFFICE + BEN, sender=BEN),
        said("tulip", place="desk"),
        said("!help", place=ROOM),
        said("tulip", place=ROOM, sender=SUE),
    ):
        step = then(desk, event, at(0, enrolment_answer=None))
        assert not of(RedactEvent, step)
        assert step.aggregate.enrolments == desk.enrolments


def test_a_word_that_was_taken_is_not_changed() -> None:
    """An edit of what was redacted is redacted too, during the questions and after them, and nothing is kept."""
    for desk in (asking(second=True), answered(asking(second=True), BOTH, event_id="$m2").aggregate):
        target = desk.codeword_event_ids[-1]
        step = answered(desk, None, body="tulip", relation=Relation.EDIT, target=target, event_id="$e")
        assert of(RedactEvent, step) == [RedactEvent(place=ROOM, event_id="$e")]
        assert step.aggregate.enrolments == ()


@pytest.mark.parametrize("why", list(IgnoreReason))
def test_what_could_not_be_read_in_an_asked_office_is_redacted(why: IgnoreReason) -> None:
    """It may be the word: from an unsigned device, without its key, or in clear."""
    step = then(asking(), MessageIgnored(place=ROOM, sender=ANA, event_id="$c", reason=why))
    assert of(RedactEvent, step) == [RedactEvent(place=ROOM, event_id="$c")]
    assert words(step)


def test_a_word_is_kept_for_whoever_may_still_speak_for_the_thread() -> None:
    """The assignee, or a supervisor; after a change of assignee, or under a lock, nothing is kept and the room is told."""
    assert then(held(), EnrolmentFinished(user=SUE, digests=DIGESTS)).aggregate.codeword.digests == DIGESTS
    for thread, user in ((held(), BEN), (locked(SendLock.DURESS), ANA)):
        step = then(thread, EnrolmentFinished(user=user, digests=DIGESTS))
        assert step.aggregate == thread
        assert "No codeword was kept" in words(step)


def test_a_new_word_takes_the_place_of_a_spent_one() -> None:
    """It is not burned, and what was verified with the old one does not stand for it."""
    codeword = then(agreed(spent=True, verified_at=1.0), EnrolmentFinished(user=ANA, digests=DIGESTS)).aggregate.codeword
    assert (codeword.spent, codeword.verified_at) == (False, 0.0)


@pytest.mark.parametrize("body", ["!codewrod", "!abort", "\u200e!codeword pineapple", "\uff01codeword pineapple"])
def test_what_seems_a_command_is_no_word(body: str) -> None:
    """A mistyped command, or a command behind a mark that nobody sees, is redacted and not taken for the word."""
    desk = asking()
    step = answered(desk, None, body=body, event_id="$w")
    assert of(RedactEvent, step) == [RedactEvent(place=ROOM, event_id="$w")]
    assert "not taken" in words(step)
    assert step.aggregate.enrolments == desk.enrolments
    assert pending_answer(desk, said(body, place=ROOM), parse(body)) is None
