"""`!lang me es`: the language in which the software speaks to one person, and to nobody else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.decide import decide
from bot.model.actions import DESK, OFFICE, EditMessage, SendMessage, SendSms
from bot.model.desk import Desk
from bot.model.thread_desk_events import ReadingLanguageChosen
from tests.bot.examples import at, at_desk, held, of, said, staffed_desk, then, told, words
from tests.bot.simulation import Simulation
from tests.bot.strategies import ANA, BEN, MEMBERS, OWNERS, PACK, SUE

T1 = OWNERS[0]
NOTED = "Desde ahora te hablo en español"


def reads(desk: Desk) -> dict[str, str]:
    """Return who chose which language."""
    return {member.user: member.reads for member in desk.roster if member.reads}


@pytest.mark.parametrize("place", [DESK, OFFICE + BEN])
@pytest.mark.parametrize("body", ["!lang me es", "!Lang ME  ES."])
def test_at_the_desk_and_in_an_office(place: str, body: str) -> None:
    """Whoever says it is spoken to in it from the answer on; nobody else is, and no phone is touched."""
    step = then(staffed_desk(), at_desk(body, sender=BEN) if place == DESK else said(body, place=place, sender=BEN))
    assert reads(step.aggregate) == {BEN: "es"}
    assert NOTED in words(step)
    assert of(SendSms, step) == []
    back = then(step.aggregate, at_desk("!lang me en", sender=BEN))
    assert reads(back.aggregate) == {BEN: "en"}
    assert "I speak English to you" in words(back)


@pytest.mark.parametrize("sender", [ANA, BEN, SUE])
def test_in_a_thread_it_is_about_its_sender(sender: str) -> None:
    """Any member may say it in a thread's room: the desk hears of it, and the language of the phone stays as it was."""
    before = held()
    step = then(before, said("!lang me es", sender=sender))
    assert told(step.actions, DESK) == [ReadingLanguageChosen(user=sender, language="es")]
    assert step.aggregate.consent == before.consent
    assert NOTED in words(step)
    cards = [action.body for action in of(EditMessage, step) if action.ref == "card"]
    assert [("con ana" in body, "with ana" in body) for body in cards] == ([(True, False)] if sender == ANA else [])


def test_a_whole_shift_in_two_languages() -> None:
    """Ana reads Spanish and Ben English: each room, office and answer is in the language of who reads it."""
    world = Simulation(PACK)
    world.say(DESK, ANA, "!lang me es")
    world.settle()
    world.open(T1, ANA)
    assert "con ana" in world.shown[T1, "card"]
    assert "Queue: 0" in world.shown[DESK, "board"]
    world.say(T1, ANA, "!options")
    world.settle()
    assert "Sale en un momento: “" in world.seen(T1)
    world.say(T1, BEN, "!status")
    world.say(DESK, ANA, "!board")
    world.settle()
    assert "last text in: " in world.seen(T1)
    assert "Cola: 0" in world.seen(DESK)
    world.say(T1, ANA, f"!transfer {BEN}")
    world.settle()
    world.join(T1, BEN)
    world.say(T1, BEN, "!accept")
    world.settle()
    assert "with ben" in world.shown[T1, "card"]
    assert "ben is the advocate now" in world.seen(T1)


def test_danger_at_the_desk_is_said_to_everybody() -> None:
    """An alarm that calls people is said in the language of the desk and in those that people there chose; its edit too."""
    roster = tuple(replace(member, reads="es") if member.user == BEN else member for member in MEMBERS)
    desk: Any = replace(staffed_desk(), roster=roster)
    alarm = said_alarm()
    first = then(desk, alarm)
    again = then(first.aggregate, alarm, at(5))
    for step in (first, again):
        (post,) = [a for a in step.actions if isinstance(a, SendMessage | EditMessage) and a.ref != "board"]
        assert "the phone may be in other hands" in post.body
        assert "el teléfono puede estar en otras manos" in post.body
    alone = then(staffed_desk(), alarm)
    assert "teléfono" not in words(alone)


def said_alarm() -> Any:
    """Return the alarm of `!unsafe`."""
    (event,) = [event for event in told(then(held(), said("!unsafe")).actions, DESK) if hasattr(event, "alarm")][-1:]
    return event


def test_a_line_may_speak_spanish_to_all_its_staff() -> None:
    """`staff_language: es` in a pack: whoever chose nothing is spoken to in Spanish; who chose English, in English."""
    pack = replace(PACK, staff_language="es")
    desk = decide(pack, at(0), staffed_desk(), at_desk("!lang me en", sender=BEN)).aggregate
    for sender, expected in ((ANA, "Entrar y salir de turno"), (BEN, "Come and go")):
        step = decide(pack, at(30, roster=desk.roster), desk, at_desk("!help", sender=sender))
        assert expected in words(step)
        assert "Cola: 0" in step.aggregate.board
