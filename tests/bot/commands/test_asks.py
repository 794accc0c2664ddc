"""What invitations, welcomes, help and refusals ask of people: a command, and never words that would become a text."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from bot.commands.help_text import help_text
from bot.model.actions import DESK, OFFICE, THREAD
from bot.model.desk import Desk
from bot.model.events import MemberJoined
from bot.wording.catalogue import TABLES
from policies.pack import AssignmentMode
from tests.bot.examples import asks_for_words, at, held, said, then, words
from tests.bot.simulation import Simulation
from tests.bot.strategies import ANA, BEN, MEMBERS, OWNERS, PACK, SUE, with_settings

T1 = OWNERS[0]
SMALL_TALK = re.compile(r"\b(?:say|write|type)\s+(?:\w+\s+){0,2}(?:hello|hi|hey|something|anything)\b", re.IGNORECASE)

SMALL_TALK_SPANISH = re.compile(
    r"\b(?:di|diga|dile|escribe|escriba|manda|env[ií]a|saluda)\b(?:\s+\w+){0,2}\s+"
    r"(?:hola|algo|saludos|lo que sea|unas palabras)\b",
    re.IGNORECASE,
)


@pytest.mark.parametrize(
    "text", ["Please say hello when you are in: it lets you read.", "Write a word here", "Hi! Say hi."]
)
def test_what_is_looked_for_is_found(text: str) -> None:
    """The look at sentences finds the ones that it is there for, and no others."""
    assert asks_for_words(text) != []
    assert asks_for_words("What you write is a note. Say !help when you are in: it helps.") == []


@pytest.mark.parametrize("place", [DESK, OFFICE + ANA])
def test_a_welcome_asks_for_a_command_alone(place: str) -> None:
    """Whoever comes to the desk or into their office is asked for nothing but a command."""
    step = then(Desk(), MemberJoined(place=place, user=ANA))
    assert words(step)
    assert asks_for_words(words(step)) == []
    assert ("!help" in words(step)) == (place == DESK)


@pytest.mark.parametrize("assignment", [AssignmentMode.NONE, AssignmentMode.FIRST])
def test_whoever_is_called_into_a_thread_is_asked_for_no_words(assignment: AssignmentMode) -> None:
    """From the card to the last of those who are called in: desk and room ask for commands and taps only."""
    world = Simulation(with_settings(assignment=assignment))
    world.open(T1, ANA)
    for sender, body in (
        (ANA, f"!with {BEN}"),
        (ANA, "!escalate"),
        (ANA, "!transfer all"),
        (SUE, "!take"),
        (SUE, "!listen"),
    ):
        world.say(T1, sender, body)
        world.settle()
    for user in (BEN, SUE):
        world.join(T1, user)
        world.settle()
    world.text(T1, "CALL")
    world.settle()
    world.say(DESK, SUE, "!listen amber heron")
    world.settle()
    shown = "\n".join((world.seen(DESK), world.seen(T1)))
    assert "accept the invitation" in shown.casefold()
    assert asks_for_words(shown) == []


def test_a_refusal_about_a_colleague_names_a_command() -> None:
    """Who could not be called in by a command is not sought by words, which would be texted (the assignee is heard)."""
    off = at(0, roster=tuple(replace(seat, on_duty=seat.user != BEN) for seat in MEMBERS))
    full = at(0, roster=MEMBERS, load={BEN: 99})
    for facts in (off, full):
        for body in (f"!transfer {BEN}", f"!with {BEN}", "!transfer nemo", "!with nemo", f"!transfer {ANA}", "!reveal yes"):
            step = then(held(), said(body), facts)
            assert asks_for_words(words(step).replace("Say the command with", "")) == [], words(step)
    assert "!transfer" in words(then(held(), said(f"!transfer {BEN}"), off))


@pytest.mark.parametrize("place", [DESK, THREAD, OFFICE])
def test_help_asks_for_no_words(place: str) -> None:
    """A line of `!more` is a command or a heading; nothing in either help is to be said without a command."""
    assert asks_for_words(help_text(PACK, place, every=False)) == []
    listed = help_text(PACK, place, every=True).splitlines()
    assert all(line.startswith("!") or (line.endswith(":") and asks_for_words(line) == []) for line in listed)


def test_nothing_that_is_shown_asks_for_small_talk() -> None:
    """No message of a catalogue asks a person to say hello, or anything."""
    said = [words for table in TABLES.values() for words in table.values()]
    assert [each for each in said if SMALL_TALK.search(each) or SMALL_TALK_SPANISH.search(each)] == []
    assert SMALL_TALK.search("Please say hello when you are in")
    assert SMALL_TALK_SPANISH.search("Por favor, di hola cuando entres")
