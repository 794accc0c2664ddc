"""`!lang me es`: the language in which the software speaks to one person, and to nobody else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.decide import decide
from bot.model.actions import (
    DESK,
    OFFICE,
    THREAD,
    EditMessage,
    PageOnCall,
    SendMessage,
    SendRecap,
    SendSms,
    ShowDevices,
    ShowReceipt,
)
from bot.model.desk import Desk
from bot.model.events import MemberJoined, ReactionAdded
from bot.model.line_incidents import SyncStalled
from bot.model.thread_desk_events import ReadingLanguageChosen, RevealRequested, ThreadQueued
from tests.bot.examples import arrived, at, at_desk, held, of, said, staffed_desk, then, told, waiting, words
from tests.bot.simulation import Simulation
from tests.bot.strategies import ANA, BEN, MEMBERS, NOW, OWNERS, PACK, SUE
from tests.every_row import every_row

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


def test_lang_without_me_is_about_the_phone() -> None:
    """`!lang es` sets the language of the phone, by the assignee alone, as before; nobody's own language changes."""
    step = then(held(), said("!lang es"))
    assert step.aggregate.consent.language == "es"
    assert [event for event in told(step.actions, DESK) if isinstance(event, ReadingLanguageChosen)] == []
    refused = then(held(), said("!lang es", sender=BEN))
    assert "!lang is for the advocate of the thread" in words(refused)


@every_row("rest", ["", " es", " me", " me fr", " me es now", " you es"])
def test_anything_else_says_how(rest: str) -> None:
    """At the desk and in an office nothing else is done by `!lang`: it says how it is said."""
    step = then(staffed_desk(), at_desk(f"!lang{rest}", sender=BEN))
    assert reads(step.aggregate) == {}
    assert "!lang me es (Spanish)" in words(step)


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


def test_what_is_said_before_the_claim_is_for_whoever_claims() -> None:
    """A cue in a room that nobody has yet is in the language of the line and in those that people there chose."""
    roster = tuple(replace(member, reads="es") if member.user == BEN else member for member in MEMBERS)
    cue = words(then(waiting(), arrived("he has a knife"), at(0, roster=roster)))
    assert "There may be a weapon" in cue
    assert "Puede haber un arma" in cue
    assert "Puede haber" not in words(then(waiting(), arrived("he has a knife")))
    claimed = words(then(held(), arrived("he has a knife"), at(0, roster=roster)))
    assert "Puede haber" not in claimed, "the thread is Ana's"


def test_who_is_called_or_comes_reads_it_in_their_language() -> None:
    """An offer, a call and the line that meets a late comer are in their language beside the assignee's; a card is not."""
    roster = tuple(replace(member, reads="es") if member.user == BEN else member for member in MEMBERS)
    known = at(0, roster=roster)
    offer = words(then(held(), said("!transfer ben"), known))
    assert "offers this thread to ben" in offer
    assert "ofrece esta conversación a ben" in offer
    thread = replace(held(), assignment=replace(held().assignment, members=frozenset({ANA})))
    come = then(thread, MemberJoined(place=THREAD, user=BEN), known)
    assert "ben: what colleagues wrote" in words(come)
    assert "ben: puede que no se vea" in words(come)
    assert not any("con ana" in edit.body for edit in of(EditMessage, come))
    assert "puede que no" not in words(then(thread, MemberJoined(place=THREAD, user=SUE), known))


def test_who_did_something_in_anothers_room_reads_what_came_of_it() -> None:
    """A colleague's `!unsafe` or 🛑 in Ana's room is told in her language and in theirs."""
    roster = tuple(replace(member, reads="es") if member.user == BEN else member for member in MEMBERS)
    there = replace(held(), assignment=replace(held().assignment, members=frozenset({ANA, BEN})))
    tap = ReactionAdded(place=THREAD, sender=BEN, event_id="$t", key="🛑", target="$m0", trusted=True)
    for event in (said("!unsafe", sender=BEN), tap):
        stopped = words(then(there, event, at(0, roster=roster)))
        assert "UNSAFE: nothing" in stopped
        assert "NO SEGURO: nada sale" in stopped


@pytest.mark.parametrize(
    ("event", "english", "spanish"),
    [
        (RevealRequested(thread=T1, designation="amber heron", by=ANA), "asks to see the number", "ver el número"),
        (ThreadQueued(thread=T1, designation="amber heron", since=NOW), "come to the queue", "entrado en la cola"),
        (at_desk("!outage"), "OUTAGE", "FALLA"),
    ],
    ids=["the number", "a texter", "an outage"],
)
def test_who_is_called_at_the_desk_reads_it_in_their_language(event: Any, english: str, spanish: str) -> None:
    """What calls people there is in the line's language, and in those of the people whom it calls; a card is not."""
    roster = tuple(replace(member, reads="es") if member.user == SUE else member for member in MEMBERS)
    step = then(replace(staffed_desk(), roster=roster), event, at(0, roster=roster))
    calls = [post.body for post in of(SendMessage, step) if SUE in post.mentions]
    assert [english in body and spanish in body for body in calls] == [True]
    assert not any(spanish in post.body for post in of(SendMessage, step) if not post.mentions)


def test_a_tap_is_answered_in_its_senders_language() -> None:
    """At the desk and in a room: whoever taps what cannot be done any more reads why in their language alone."""
    world = Simulation(PACK)
    world.say(DESK, BEN, "!lang me es")
    world.settle()
    world.open(T1, ANA)
    for where, key, target in ((DESK, "✋", f"card:{T1}"), (T1, "✅", "offer")):
        world.tap(where, BEN, key, target)
        world.settle()
    answers = [post.body for _, post in world.rooms if post.ref.startswith("answer:")]
    assert answers[-2] == "ben: amber heron ya está con ana."
    assert "aquí no hay nada ofrecido" in answers[-1]
    assert "nothing is offered" not in answers[-1]


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


def test_what_the_bridge_puts_together_is_for_its_reader() -> None:
    """Marks, recaps, lists and a number carry the language of whoever reads them; calls outside have the line's."""
    roster = tuple(replace(member, reads="es") if member.user == ANA else member for member in MEMBERS)
    spanish, known = replace(PACK, staff_language="es"), at(0, roster=roster)
    marks = of(ShowReceipt, decide(PACK, known, held(), said("hello")))
    assert [mark.language for mark in marks] == ["es"]
    note = of(ShowReceipt, decide(PACK, known, held(), said("hello", sender=BEN)))
    assert [mark.language for mark in note] == [""], "Ben chose nothing, and the line speaks English"
    for sender, language in ((ANA, "es"), (BEN, "")):
        (recap,) = of(SendRecap, decide(PACK, known, held(), said("!recap", sender=sender)))
        assert recap.language == language
    desk = replace(staffed_desk(), roster=roster)
    (shown,) = of(ShowDevices, decide(PACK, known, desk, at_desk("!devices ben", sender=ANA)))
    assert shown.language == "es"
    for pack, language in ((PACK, ""), (spanish, "es")):
        (page,) = of(PageOnCall, decide(pack, known, desk, SyncStalled(minutes=9)))
        assert page.language == language
