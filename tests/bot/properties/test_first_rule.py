"""An automatic text leaves only as the immediate answer to a text just received (design.md, "Rules of the phone")."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
from hypothesis import given

from bot.decide import decide
from bot.model.actions import Origin, SendSms
from bot.model.desk import Facts, Thread
from bot.model.events import Event, MessageSent, Outcome, TextArrived, TextOutcome, TimerDue
from bot.model.transactional_actions import CancelTimer, SetTimer
from tests.bot.hypothesis_settings import USUAL
from tests.bot.strategies import EVENTS, NOW, PACK, facts, threads
from tests.packs import shipped

BASE = shipped("base")
"""The same texts with hours that close."""
MOVES = [kind for kind in EVENTS if kind is not TimerDue]


def _walk(data: st.DataObject, pack: Any, *also: str) -> None:
    """Let anything happen to a thread for some hours, with every timer set becoming due. `also`: other texts."""
    thread: Thread = data.draw(threads)
    known: Facts = data.draw(facts)
    now, answers, inbound = NOW, 0, 0
    timers = dict.fromkeys(("send", "silence", "offer"), 0.0)
    said = {words.event_id: (words.author, words.body) for words in thread.sending.pending}
    steps: int = data.draw(st.integers(min_value=1, max_value=12))
    for n in range(steps):
        now += data.draw(st.sampled_from((0.0, 1.0, 8.0, 60.0, 400.0, 3600.0, 50_000.0)))
        due = sorted(key for key, at in timers.items() if at <= now)
        event: Event
        comes = data.draw(st.booleans())
        if due and comes:
            event = TimerDue(key=due[0])
            del timers[due[0]]
        else:
            event = data.draw(EVENTS[data.draw(st.sampled_from(MOVES))])
        if isinstance(event, TextArrived):
            body = data.draw(st.sampled_from((event.body, *also)))
            event = TextArrived(id=f"walk{n}", body=body, media=event.media, at=now)
            inbound += 1
        step = decide(pack, Facts(now=now, roster=known.roster, load=known.load, outage=known.outage), thread, event)
        thread = step.aggregate
        said |= {words.event_id: (words.author, words.body) for words in thread.sending.pending}
        texts = [action for action in step.actions if isinstance(action, SendSms)]
        automatic = [text for text in texts if text.origin is not Origin.ADVOCATE]
        if automatic:
            assert isinstance(event, TextArrived), "something left by itself that answers nothing"
            assert len(texts) == 1, "one text brought more than one answer"
            assert automatic[0].ref.endswith(f":{event.id}")
            answers += 1
        if not isinstance(event, TimerDue):
            assert len(texts) == len(automatic), "words left before their undo window"
        for text in texts:
            if text.origin is Origin.ADVOCATE:
                event_id = text.ref.removeprefix("say:")
                assert said[event_id] == (said[event_id][0], text.body), "a timer made words that nobody said"
                assert text.since > now - pack.settings.late_after_seconds - 1
        for action in step.actions:
            if isinstance(action, SetTimer):
                timers[action.key] = action.due
            elif isinstance(action, CancelTimer):
                timers.pop(action.key, None)
    assert answers <= inbound, "more answers than texts"


@USUAL
@given(data=st.data())
def test_nothing_leaves_by_itself_but_as_an_answer(data: st.DataObject) -> None:
    """Whatever happens to whichever thread, timers, cues, silence and carriers make no text; a text brings one at most."""
    _walk(data, PACK)


@USUAL
@given(thread=threads, known=facts, key=st.sampled_from(("silence", "offer", "fade:thread|answer:$m1", "anything")))
def test_no_timer_but_the_undo_windows_makes_a_text(thread: Thread, known: Facts, key: str) -> None:
    """Silence, offers and everything else that becomes due is a cue to a person at most."""
    step = decide(PACK, known, thread, TimerDue(key=key))
    assert not [action for action in step.actions if isinstance(action, SendSms)]


@USUAL
@given(thread=threads, known=facts, outcome=st.sampled_from(Outcome), event=EVENTS[MessageSent])
def test_neither_reports_nor_commands_make_a_text_at_once(
    thread: Thread, known: Facts, outcome: Outcome, event: MessageSent
) -> None:
    """A carrier's report makes no text, and a person's command makes one only through the undo window."""
    for happened in (TextOutcome(ref="say:$m1", outcome=outcome), TextOutcome(ref="answer:a", outcome=outcome), event):
        assert not [action for action in decide(PACK, known, thread, happened).actions if isinstance(action, SendSms)]
