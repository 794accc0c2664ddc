"""Spanish for who writes Spanish: the first text, a word or a question for it, and what staff see of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.display.thread_card import card
from bot.model.actions import SendMessage, Speaker
from bot.model.desk import Thread
from bot.model.feature import Step
from bot.model.thread_desk_events import ThreadMarked, ThreadQueued
from policies.hours import longest_as_sent
from policies.pack import TextName
from policies.segments import segments
from tests.bot.examples import arrived, at, held, of, texts, then, told
from tests.bot.strategies import PACK
from tests.every_row import every_row

NEW = Thread(id="t1", designation="amber heron")
SPANISH = "hola necesito ayuda con mi esposo, me pega y tengo miedo"


def lines(step: Step[Thread]) -> list[str]:
    """Return what the room is told about a language."""
    posts = [post.body for post in of(SendMessage, step) if post.speaker is Speaker.POLICY]
    return [body for body in posts if body.startswith("Language:") or "seems to be" in body]


@pytest.mark.practice(25, 28)
@pytest.mark.parametrize("body", [SPANISH, "ayuda por favor", "hola puede ayudarme alguien", "¿hablas español?", "ES"])
def test_a_first_text_in_spanish_is_answered_in_spanish(body: str) -> None:
    """One text leaves, the Spanish greeting; desk, card and room know the language."""
    step = then(NEW, arrived(body))
    assert texts(step) == [PACK.say(TextName.GREETING, "es")]
    assert "language: es" in card(PACK, step.aggregate)
    (queued,) = (event for event in told(step.actions, "desk") if isinstance(event, ThreadQueued))
    assert queued.language == "es"
    assert len(lines(step)) == 1
    assert "Spanish" in lines(step)[0]
    assert "!lang" in lines(step)[0]


def test_after_hours_and_stop_are_in_spanish_as_well() -> None:
    """What else the line says by itself to a person who writes Spanish leaves in it."""
    nobody = then(NEW, arrived(SPANISH), at(0, roster=()))
    assert texts(nobody) == [PACK.say(TextName.UNAVAILABLE, "es")]
    stopped = then(then(NEW, arrived(SPANISH)).aggregate, arrived("STOP", id="b"), at(5))
    assert texts(stopped) == [PACK.say(TextName.STOP, "es")]
    assert texts(then(NEW, arrived("ALTO"))) == [PACK.say(TextName.STOP, "es")]


@pytest.mark.parametrize("body", ["hi, i need help", "ok", "👍", "help me por favor", "no"])
def test_what_is_not_clearly_spanish_is_answered_in_the_first_language(body: str) -> None:
    """In doubt the line speaks its first language, which names the other one."""
    step = then(NEW, arrived(body))
    assert texts(step) == [PACK.say(TextName.GREETING, "en")]
    assert lines(step) == []
    assert texts(step)[0].endswith("Español: ES")


@every_row("name", [TextName.GREETING, TextName.AFTER_HOURS, TextName.UNAVAILABLE, TextName.OUTAGE])
@every_row(("language", "other"), [("en", "Español: ES"), ("es", "English: EN")])
def test_each_first_answer_names_the_other_language_in_one_segment(name: TextName, language: str, other: str) -> None:
    """Whoever was taken for another person sees the way, by day and at night, and it costs one segment."""
    words = longest_as_sent(PACK.texts[name].wordings[language].text, language)
    assert words.endswith(other)
    assert (segments(words).count, segments(words).encoding) == (1, "gsm7")


@pytest.mark.practice(25)
@pytest.mark.parametrize("body", ["ES", "español por favor", "hablas español?", "spanish please", "en español porfavor"])
def test_a_switch_after_the_claim_is_seen_in_the_room(body: str) -> None:
    """The phone gets nothing by itself, the room one line, the desk the mark; asked again, nothing is told again."""
    step = then(held(), arrived(body, id="b"))
    assert texts(step) == []
    assert len(lines(step)) == 1
    assert step.aggregate.consent.language == "es"
    assert ThreadMarked(thread="t1", danger=False, language="es") in told(step.actions, "desk")
    assert lines(then(step.aggregate, arrived(body, id="c"), at(5))) == []
    back = then(step.aggregate, arrived("english please", id="d"), at(9))
    assert "English" in lines(back)[0]


def test_a_parked_conversation_begins_in_the_language_it_had() -> None:
    """A guess survives with the number, and the room of the next conversation is told of it."""
    known = replace(NEW, consent=replace(NEW.consent, language="es"))
    step = then(known, arrived("ok"))
    assert texts(step) == [PACK.say(TextName.GREETING, "es")]
    assert len(lines(step)) == 1
