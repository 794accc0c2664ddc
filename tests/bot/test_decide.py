"""`decide`: total, deterministic, and silent towards the phone unless design.md, "Rules of the phone" lets it speak."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import guard
from bot.commands import parser
from bot.decide import TABLE, decide
from bot.model.actions import THREAD, EditMessage, Origin, SendMessage, SendSms
from bot.model.desk import Desk, Facts, Thread
from bot.model.events import Event, MessageSent, TextArrived, TimerDue
from bot.model.feature import Step
from bot.model.thread import PendingText, Sending
from bot.model.thread_desk_events import PhoneMuted
from policies.pack import TextName
from tests.bot.examples import held
from tests.bot.hypothesis_settings import COMMON, EXPLORES, USUAL
from tests.bot.strategies import ANA, EVENT_TYPES, EVENTS, NOW, PACK, any_event, desks, facts, threads

EACH = settings(COMMON, max_examples=500 if EXPLORES else 40)
STATES = {Thread: threads, Desk: desks}
TOGETHER = 8
"""The kinds of events that are tried in one state: drawing a state costs ten times as much as a decision."""
GROUPS = tuple(EVENT_TYPES[first : first + TOGETHER] for first in range(0, len(EVENT_TYPES), TOGETHER))


@pytest.mark.parametrize("kinds", GROUPS, ids=lambda kinds: f"{kinds[0].__name__} to {kinds[-1].__name__}")
@pytest.mark.parametrize("aggregate", STATES, ids=lambda kind: kind.__name__)
@EACH
@given(data=st.data())
def test_decide_is_total_and_deterministic(kinds: tuple[type, ...], aggregate: type, data: st.DataObject) -> None:
    """Every event in every state of either aggregate has one answer: never an exception, and the same again."""
    state: Any = data.draw(STATES[aggregate])
    known = data.draw(facts)
    for kind in kinds:
        event = data.draw(EVENTS[kind])
        step = decide(PACK, known, state, event)
        assert isinstance(step, Step)
        assert isinstance(step.aggregate, aggregate)
        assert step == decide(PACK, known, state, event)
        if kind is not MessageSent and not TABLE.get((aggregate, kind)):
            assert seen_apart_from_the_board(step, state) == Step(state), (
                "an event that no feature looks at changes nothing"
            )


def seen_apart_from_the_board(step: Step[Any], was: Any) -> Step[Any]:
    """Return a step without the live board, which is brought up to date after any event of the desk."""
    if isinstance(step.aggregate, Thread):
        return step
    actions = tuple(a for a in step.actions if getattr(a, "ref", "") != "board" and getattr(a, "key", "") != "board")
    board = {name: getattr(was, name) for name in ("board", "board_at", "board_alarms", "board_threads", "board_posted_at")}
    return Step(replace(step.aggregate, **board), actions)


@pytest.mark.practice(28)
@USUAL
@given(thread=threads, event=any_event, known=facts)
def test_an_automatic_text_is_the_answer_to_a_text_just_received(thread: Thread, event: Event, known: Facts) -> None:
    """At most one automatic text leaves, in the decision about the text that it answers, and refers to it.

    Rule: design.md, "Rules of the phone".
    """
    automatic = [
        a
        for a in decide(PACK, known, thread, event).actions
        if isinstance(a, SendSms) and a.origin not in (Origin.ADVOCATE, Origin.REPLY_AFTER_STOP)
    ]
    assert len(automatic) <= 1
    for text in automatic:
        assert isinstance(event, TextArrived)
        # It begins with what it is: the confirmation of a STOP, a verdict ("answer"), or one of the agency's texts.
        kind, _, text_id = text.ref.partition(":")
        assert (kind == "stop") == (text.origin is Origin.STOP_CONFIRMATION)
        assert kind in {"stop", "answer", *TextName}
        assert text_id == event.id
        assert text.since == event.at
        assert known.now - event.at <= PACK.settings.late_after_seconds


@USUAL
@given(thread=threads, known=facts, event=EVENTS[TextArrived])
def test_the_room_is_told_of_an_answer_only_if_it_leaves(thread: Thread, known: Facts, event: TextArrived) -> None:
    """The room is told "Answered by itself", or its card will say it, if and only if the greeting leaves (practice 28)."""
    step = decide(PACK, known, thread, event)
    leaves = [a for a in step.actions if isinstance(a, SendSms) and a.origin is Origin.AUTO_REPLY]
    shown = [a for a in step.actions if isinstance(a, SendMessage) and a.body.startswith("Answered by itself")]
    new = step.aggregate.silence.answered_alone[len(thread.silence.answered_alone) :]
    bodies = [post.body for post in shown] + [body for _, body in new]
    assert [leaves[0].body in body for body in bodies] == [True] * len(leaves) if leaves else not bodies
    quiet = step.aggregate.consent.greeted == thread.consent.greeted
    assert leaves or event.rate_limited or quiet, "what did not leave counts as a greeting"


@USUAL
@given(thread=threads, known=facts, event=EVENTS[TextArrived])
def test_whoever_came_in_a_flood_gets_no_automatic_reply_before_a_person_has_them(
    thread: Thread, known: Facts, event: TextArrived
) -> None:
    """In any state of a thread that nobody has taken, no text brings one, whatever it is."""
    assignment = replace(thread.assignment, assignee=None, epoch=0)
    thread = replace(thread, assignment=assignment, silence=replace(thread.silence, from_flood=True))
    step = decide(PACK, known, thread, event)
    assert not [a for a in step.actions if isinstance(a, SendSms) and a.origin is Origin.AUTO_REPLY]


@USUAL
@given(thread=threads, event=any_event, known=facts)
def test_every_text_passes_the_guard(thread: Thread, event: Event, known: Facts) -> None:
    """No text comes out of a decision that the guard would refuse for the thread as it is after the decision."""
    step = decide(PACK, known, thread, event)
    for text in (a for a in step.actions if isinstance(a, SendSms)):
        assert guard.may_send(PACK, step.aggregate, text, known.now, ()) is None


@USUAL
@given(thread=threads, event=any_event, known=facts)
def test_nothing_but_the_confirmation_leaves_a_stopped_thread(thread: Thread, event: Event, known: Facts) -> None:
    """Whatever happens after a STOP, no decision sends anything until there was a START."""
    stopped = replace(thread, consent=replace(thread.consent, stopped=True))
    step = decide(PACK, known, stopped, event)
    sends = [a for a in step.actions if isinstance(a, SendSms)]
    assert sends == [] or (isinstance(event, TimerDue) and [a.origin for a in sends] == [Origin.REPLY_AFTER_STOP])


@USUAL
@given(event=any_event, known=facts)
def test_words_stay_in_their_thread(event: Event, known: Facts) -> None:
    """Neither a texter's nor an advocate's words are in an action of a thread for the desk.

    Rule: ARCHITECTURE.md, "Invariants", 5.
    """
    words = PendingText(event_id="$m1", body="marzipan", author=ANA, said_at=NOW, send_at=NOW)
    thread = replace(held(), sending=Sending(pending=(words,)))
    if isinstance(event, TextArrived | MessageSent):
        event = replace(event, body=f"{event.body} marzipan")
    for action in decide(PACK, known, thread, event).actions:
        if not (isinstance(action, SendSms) or (isinstance(action, SendMessage | EditMessage) and action.place == THREAD)):
            value = getattr(action, "event", action)
            assert "marzipan" not in "".join(str(getattr(value, name)) for name in value.__slots__)


def test_bodies_are_not_in_reprs() -> None:
    """What a person said does not show where an event, an action or an aggregate is printed.

    Rule: ARCHITECTURE.md, "Invariants", 5.
    """
    words = PendingText(event_id="$m1", body="marzipan", author=ANA, said_at=NOW, send_at=NOW)
    thread = replace(held(), sending=Sending(pending=(words,)))
    said = MessageSent(place=THREAD, sender=ANA, event_id="$m1", body="marzipan", at=NOW)
    step = decide(PACK, Facts(now=NOW + 10), thread, said)
    arrived = TextArrived(id="a", body="marzipan", at=NOW)
    muted = PhoneMuted(user=ANA, body="!stopped marzipan")
    command = parser.parse("!marzipan marzipan\nmarzipan")
    shown = repr((thread, said, step, arrived, muted, command, SendMessage(place=THREAD, body="marzipan")))
    assert "marzipan" not in shown
