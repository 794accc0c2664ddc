"""The greeting: the immediate answer to a text, once in twelve hours and language, promised only when a person is there."""

from __future__ import annotations

import pytest

from bot.model.actions import THREAD
from bot.model.desk import Thread
from bot.model.events import MemberJoined
from bot.model.thread_desk_events import Assigned
from policies.pack import TextName
from tests.bot.examples import arrived, at, held, texts, then, waiting, words
from tests.bot.strategies import ANA, PACK, SUE
from tests.every_row import every_row

HOUR = 3600
GREETING = {language: PACK.say(TextName.GREETING, language) for language in ("en", "es")}
UNAVAILABLE = PACK.say(TextName.UNAVAILABLE, "en")


def new(*, answerable: bool = True) -> Thread:
    return Thread(id="t1", designation="amber heron", answerable=answerable)


@pytest.mark.practice(5)
@every_row(
    ("body", "greeted"),
    [
        ("hi", GREETING["en"]),
        ("", GREETING["en"]),
        ("START", GREETING["en"]),
        ("I'm out of the office, can I text you?", GREETING["en"]),
        ("I liked “that” place", GREETING["en"]),
        ("ES", GREETING["es"]),
        ("español", GREETING["es"]),
        (" Es. ", GREETING["es"]),
        ("English", GREETING["en"]),
        ("es tarde", GREETING["en"]),
        ("Liked “ok”", None),
        ("Le gustó “hola”", None),
        ("👍 to “ok”", None),
        ("Auto-reply: I am away", None),
        ("I'm driving. I'll text you later.", None),
        ("STOP", PACK.say(TextName.STOP, "en")),
    ],
)
def test_the_first_text_is_answered(body: str, greeted: str | None) -> None:
    """A first text is greeted in the language that it asks for; what a phone wrote by itself is not (practices 26, 29)."""
    step = then(new(), arrived(body))
    assert texts(step) == ([greeted] if greeted else [])
    if greeted and body != "STOP":
        assert greeted not in words(step), "whoever claims it reads it on the card"
        assert f"Answered by itself (greeting): {greeted}" in words(then(step.aggregate, Assigned(assignee=ANA)))
        listens = then(step.aggregate, MemberJoined(place=THREAD, user=SUE))
        assert f"Answered by itself (greeting): {greeted}" in words(listens), "there is no card yet"


@pytest.mark.parametrize(("hours", "again"), [(0.1, False), (11.9, False), (12, True), (36, True)])
def test_the_greeting_comes_once_in_twelve_hours(hours: float, again: bool) -> None:
    """A second text within twelve hours of the greeting is not greeted again; later it is."""
    thread = then(new(), arrived("hi")).aggregate
    seconds = hours * HOUR
    step = then(thread, arrived("hello?", id="b", seconds=seconds), at(seconds))
    assert texts(step) == ([GREETING["en"]] if again else [])


def test_each_language_is_greeted_once() -> None:
    """ES after the English greeting brings the Spanish one, once, and the language stays."""
    thread = then(new(), arrived("hi")).aggregate
    step = then(thread, arrived("ES", id="b", seconds=60), at(60))
    assert texts(step) == [GREETING["es"]]
    assert step.aggregate.consent.language == "es"
    for body in ("ES", "EN", "hola"):
        assert texts(then(step.aggregate, arrived(body, id="c", seconds=120), at(120))) == []
    later = then(step.aggregate, arrived("hola", id="d", seconds=13 * HOUR), at(13 * HOUR))
    assert texts(later) == [GREETING["es"]]


def test_whoever_has_a_assignee_is_not_greeted() -> None:
    """Once a person is the assignee, nothing answers by itself, however long it was silent; a language word is kept."""
    assert texts(then(held(), arrived("hi", id="b", seconds=20 * HOUR), at(20 * HOUR))) == []
    step = then(held(), arrived("ES", id="b"))
    assert texts(step) == []
    assert step.aggregate.consent.language == "es"
    assigned = then(waiting(), Assigned(assignee=ANA)).aggregate
    assert texts(then(assigned, arrived("hi", id="b"))) == []


def test_a_late_text_is_not_greeted_and_nobody_is_told_it_was() -> None:
    """A text that reached us late brings no greeting, the room is not told of one, and the next text is greeted."""
    step = then(new(), arrived("hi", seconds=-301))
    assert texts(step) == []
    assert "Answered" not in words(step)
    assert texts(then(step.aggregate, arrived("hello?", id="b"))) == [GREETING["en"]]
