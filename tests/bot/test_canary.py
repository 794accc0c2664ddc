"""The canary's thread: no feature but its own sees it, and nothing of it reaches a person."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bot import canary
from bot.decide import decide
from bot.model.actions import THREAD, Action, Invite, Origin, SendMessage, SendSms, Speaker
from bot.model.desk import Facts, Thread
from bot.model.events import Event, MessageSent, Outcome, TextArrived, TextOutcome, TimerDue
from bot.model.transactional_actions import EraseTexter, ParkThread, SetTimer
from tests.bot.examples import FACTS
from tests.bot.hypothesis_settings import USUAL
from tests.bot.strategies import EVENTS, NOW, PACK, any_event, facts, threads
from tests.every_row import every_row

CANARY = "@canary:line.example"
THREAD_OF_IT = Thread(id="t1", designation="amber heron", canary=CANARY)
ALLOWED = (SendMessage, Invite, SendSms, SetTimer, ParkThread, EraseTexter)
"""Everything that a thread of the canary may ask for: no event to the desk, no counter, no audit, no call, no receipt."""
of_canary = EVENTS[MessageSent].map(lambda event: replace(event, sender=CANARY))
"""What its account says."""
ANSWER = MessageSent(place=THREAD, sender=CANARY, event_id="$a", body="0123abcd", at=NOW)


def actions_of(event: Event, known: Facts = FACTS) -> tuple[Action, ...]:
    """Decide, and return the actions; the thread stays as it is."""
    step = decide(PACK, known, THREAD_OF_IT, event)
    assert step.aggregate == THREAD_OF_IT
    return step.actions


@USUAL
@given(thread=threads, event=any_event | of_canary | st.just(TimerDue(key=canary.TIMER)), known=facts)
def test_nothing_of_it_reaches_a_person(thread: Thread, event: Event, known: Facts) -> None:
    """Whatever happens in whatever state: it tells, counts, notes and calls nothing, and invites the canary alone.

    So it is no presence, no staff, no load, no queue, no report, no card and no greeting.
    """
    step = decide(PACK, known, replace(thread, canary=CANARY), event)
    assert step.aggregate == replace(thread, canary=CANARY)
    for action in step.actions:
        assert isinstance(action, ALLOWED)
        match action:
            case Invite():
                assert action == Invite(user=CANARY)
            case SendMessage():
                assert (action.place, action.speaker, action.mentions) == (THREAD, Speaker.TEXTER, ())
                assert isinstance(event, TextArrived)
                assert action.body == event.body
            case SendSms():
                assert isinstance(event, MessageSent)
                assert (event.sender, action.body) == (CANARY, event.body)


def test_a_text_is_shown_and_the_canary_invited() -> None:
    """A text is shown as any other, and the canary alone is invited; the end is set."""
    assert actions_of(TextArrived(id="1", body="hello", at=NOW)) == (
        SendMessage(place=THREAD, body="hello", speaker=Speaker.TEXTER, notice=False, ref="in:1:0"),
        Invite(user=CANARY),
        SetTimer(key=canary.TIMER, due=FACTS.now + canary.LIFETIME),
    )


def test_its_answer_leaves_as_an_advocates_does() -> None:
    """What the canary says in its thread leaves by the guard, at once."""
    (text,) = actions_of(ANSWER)
    assert isinstance(text, SendSms)
    assert (text.body, text.origin, text.ref) == ("0123abcd", Origin.ADVOCATE, "say:$a")


@every_row("outcome", Outcome)
def test_it_ends_with_its_answer_or_with_its_time(outcome: Outcome) -> None:
    """Whatever became of the answer, and if none came: everything is erased at once, without a certificate that stays."""
    assert actions_of(TextOutcome(ref="say:$a", outcome=outcome)) == (SetTimer(key=canary.TIMER, due=FACTS.now),)
    end = TimerDue(key=canary.TIMER)
    grace = PACK.settings.close_now_grace
    assert actions_of(end) == (ParkThread(grace=grace, drop_unsent=True, canary=True), EraseTexter(canary=True))
    for waits in (replace(FACTS, on_legal_hold=True), replace(FACTS, inbound_pending=True)):
        (again,) = actions_of(end, known=waits)
        assert again == SetTimer(key=canary.TIMER, due=FACTS.now + canary.LIFETIME)
