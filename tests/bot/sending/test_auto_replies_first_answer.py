"""What a first text, and a picture, are answered with: hours, duty and outage decide, and nothing follows by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.decide import decide
from bot.display.thread_card import list_auto_replies
from bot.model.desk import Thread
from bot.model.events import Event, Outcome, TextOutcome
from bot.model.feature import Step
from policies.pack import TextName
from tests.bot.examples import arrived, at, due, held, said, texts, then, waiting, words
from tests.bot.strategies import MEMBERS, PACK, UNDO
from tests.every_row import every_row
from tests.packs import shipped

OFFICE_HOURS = replace(PACK, hours=shipped("base").hours)
"""Weekdays from eight to eight in New York; `NOW` is a Friday, 3:00 AM there."""
HOUR = 3600.0
OPEN = 6 * HOUR
OFF = tuple(replace(seat, on_duty=False) for seat in MEMBERS)
NEW = Thread(id="t1", designation="amber heron")
PICTURE = PACK.say(TextName.PICTURE)


def decided(thread: Thread, event: Event, seconds: float, **changed: Any) -> Step[Thread]:
    """Decide with the pack that has office hours."""
    return decide(OFFICE_HOURS, at(seconds, **changed), thread, event)


@pytest.mark.practice(5, 29, 41)
@every_row(
    ("seconds", "roster", "outage", "name"),
    [
        (OPEN, MEMBERS, False, TextName.GREETING),
        (OPEN, OFF, False, TextName.UNAVAILABLE),
        (OPEN, (), False, TextName.UNAVAILABLE),
        (0, MEMBERS, False, TextName.AFTER_HOURS),
        (0, OFF, False, TextName.AFTER_HOURS),
        (0, MEMBERS, True, TextName.OUTAGE),
        (OPEN, MEMBERS, True, TextName.OUTAGE),
        (OPEN, OFF, True, TextName.OUTAGE),
        (OPEN + 24 * HOUR, MEMBERS, False, TextName.AFTER_HOURS),
    ],
)
@every_row("word", ["hi", "ES"])
def test_a_person_is_promised_only_when_hours_and_duty_say_so(
    seconds: float, roster: tuple[Any, ...], outage: bool, name: TextName, word: str
) -> None:
    """Open and staffed: greeted. Else the answer says that nobody can answer now, and when to text again (29, 41)."""
    step = decided(NEW, arrived(word, seconds=seconds), seconds, roster=roster, outage=outage)
    language = "es" if word == "ES" else "en"
    opens = "8:00 AM" if seconds == 0 else "8:00 AM on Jan 18" if language == "en" else "8:00 AM del 18 de ene"
    assert texts(step) == [OFFICE_HOURS.say(name, language, opens=opens)]
    assert any(line.startswith(f"Answered by itself ({name})") for line in list_auto_replies(step.aggregate))


@pytest.mark.practice(28, 29)
def test_a_promise_that_turned_false_is_corrected_at_the_next_text() -> None:
    """Greeted before closing, a text after it hears that nobody answers now; in the morning they are greeted; each once.

    That nobody can answer is said once: an outage after hours, or the end of the shift in one, is no news to them.
    """
    evening = later = OPEN - 13.1 * HOUR
    step = decided(NEW, arrived("hi", seconds=evening), evening)
    assert texts(step) == [OFFICE_HOURS.say(TextName.GREETING)]
    for hours, expected in ((0.5, 1), (1.0, 0)):
        later = evening + hours * HOUR
        step = decided(step.aggregate, arrived("hello?", id=f"l{hours}", seconds=later), later)
        assert len(texts(step)) == expected
    outage = decided(step.aggregate, arrived("hello?", id="o", seconds=later + 60), later + 60, outage=True)
    assert texts(outage) == []
    morning = evening + 13.2 * HOUR
    step = decided(outage.aggregate, arrived("hello", id="m", seconds=morning), morning)
    assert texts(step) == [OFFICE_HOURS.say(TextName.GREETING)]
    assert texts(decided(step.aggregate, arrived("hello", id="n", seconds=morning + 9), morning + 9)) == []


@pytest.mark.practice(20)
@pytest.mark.parametrize("body", ["", "look what he did"])
def test_a_picture_is_answered_once_in_a_talk(body: str) -> None:
    """In a talk, the first picture brings the kind text and the playbook; later ones only the note in the room (20)."""
    step = then(spoken(), arrived(body, id="b", media=1))
    assert texts(step) == [PICTURE]
    assert "!playbook evidence_offered" in words(step)
    assert "not fetched" in words(step)
    thread = then(step.aggregate, TextOutcome(ref="picture:b", outcome=Outcome.ACCEPTED), at(1)).aggregate
    for seconds in (5, 10):
        step = then(spoken(thread), arrived(body, id=f"c{seconds}", media=2, seconds=seconds), at(seconds))
        assert texts(step) == []
        assert "not fetched" in words(step)


def spoken(thread: Thread | None = None) -> Thread:
    """Return a thread whose assignee has said something since the line last answered by itself."""
    event_id = f"$v{thread.silence.heard_at if thread else ''}"
    before = due(then(thread or held(), said("hello", event_id=event_id)).aggregate, UNDO).aggregate
    result: Thread = then(before, TextOutcome(ref=f"say:{event_id}", outcome=Outcome.ACCEPTED)).aggregate
    return result


@pytest.mark.practice(28)
def test_no_automatic_text_follows_another() -> None:
    """A picture after the greeting, at once or later, before anybody spoke, is not answered by itself (practice 28)."""
    for thread in (waiting(), held(), then(held(), arrived("are you there", id="c")).aggregate):
        step = then(thread, arrived("", id="b", media=1))
        assert texts(step) == []
        assert "!playbook evidence_offered" in words(step)
