"""Cues: what the room is asked to look at in a text that came; never a word of it, and nothing on the phone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.display.thread_card import card
from bot.language.time_windows import local
from bot.model.actions import SendMessage, SendSms, Speaker
from bot.model.desk import Thread
from bot.model.feature import Step
from bot.model.thread import ConsentFlags, Silence
from tests.bot.examples import arrived, at, held, of, then
from tests.bot.strategies import NOW, PACK
from tests.every_row import every_row

DAY = 86_400.0
"""The rehearsal line's day is UTC's."""


def spoken(**changed: Any) -> Thread:
    """Return a thread in which the assignee answered half a minute ago."""
    return replace(held(), silence=replace(held().silence, spoke_at=NOW - 30, **changed))


def said_by_us(step: Step[Any]) -> str:
    """Return what the policy bot says in the room."""
    return "\n".join(post.body for post in of(SendMessage, step) if post.speaker is Speaker.POLICY)


@pytest.mark.practice(39)
@every_row(
    ("body", "minor"),
    [
        ("I'm 14 and my dad hits me", True),
        ("I\u2019m 14", True),
        ("im only 15", True),
        ("i am sixteen", True),
        ("i just turned 17.", True),
        ("14f here", True),
        ("I'm a minor", True),
        ("i'm in 9th grade", True),
        ("I am in high school", True),
        ("Tengo 15 años", True),
        ("tengo catorce anitos", True),
        ("tengo 16", True),
        ("apenas cumplí 17 años", True),
        ("soy menor de edad", True),
        ("I'm 18", False),
        ("i am 45 years old", False),
        ("I'm 10 minutes away", False),
        ("i'm 12 weeks pregnant", False),
        ("I'm 15 min late", False),
        ("i am 8 months along", False),
        ("I'm 7/10 sure", False),
        ("tengo 15 minutos", False),
        ("tengo 12 semanas", False),
        ("tengo 2 hijos", False),
        ("I have 14 dollars", False),
        ("he is 40", False),
        ("my dad hits me", True),
        ("mi papa me pega", True),
        ("my stepdad keeps touching me, he touches me at night", True),
        ("mis padres siempre me pegan", True),
        ("my dad wants to meet me", False),
        ("my mom hit the roof", False),
        ("mi mamá me ayuda", False),
    ],
)
def test_somebody_may_be_under_age(body: str, minor: bool) -> None:
    """An age under eighteen, said of oneself, brings the playbook for minors into the room (practice 39)."""
    assert ("!playbook minor" in said_by_us(then(held(), arrived(body, id="b")))) == minor


@pytest.mark.practice(27)
@every_row(
    ("body", "is_told"),
    [
        ("he hits my son", True),
        ("My daughter was molested by my boyfriend", True),
        ("he hurt the kids last night", True),
        ("le pega a mis hijos", True),
        ("mi hijo llora porque su papá lo golpea", True),
        ("he hits me", False),
        ("my son is asleep. he hit me", False),
        ("mi esposo me pega", False),
        ("can I bring my kids?", False),
    ],
)
def test_a_disclosure_before_the_limits_goes_to_a_supervisor(body: str, is_told: bool) -> None:
    """A child hurt, told before the limits were given, brings "talk to a supervisor before any report" (practice 27)."""
    thread = Thread(id="t1", designation="amber heron")
    for step in (then(thread, arrived(body)), then(held(), arrived(body, id="b"))):
        assert ("talk to a supervisor before any report" in said_by_us(step)) == is_told
    after_limits = replace(held(), flags=ConsentFlags(limits=NOW - 60))
    assert "supervisor before any report" not in said_by_us(then(after_limits, arrived(body, id="b")))


def test_each_is_told_once_in_a_conversation() -> None:
    """The same cue does not come twice, and another one still does."""
    thread = then(held(), arrived("I'm 14", id="b")).aggregate
    assert "!playbook minor" not in said_by_us(then(thread, arrived("I'm 14, really", id="c"), at(5)))
    assert "supervisor before any report" in said_by_us(then(thread, arrived("he hits my son", id="c"), at(5)))


@pytest.mark.practice(11)
@pytest.mark.parametrize(
    ("minutes", "question"),
    [(5, None), (29, None), (30, "back after 30 min"), (300, "back after 5 h"), (60 * 24 * 31, "owner")],
)
def test_whoever_comes_back_is_asked_again(minutes: float, question: str | None) -> None:
    """After half an hour's absence the room is asked to check, after a month who it is (practice 11); so says the card."""
    ago = NOW - minutes * 60
    step = then(replace(held(), silence=Silence(heard_at=ago - 5, spoke_at=ago)), arrived("hi", id="b"))
    assert ("!safecheck" in said_by_us(step)) == (question is not None)
    assert (question or "") in said_by_us(step)
    assert ("ask again" in card(PACK, step.aggregate)) == (question is not None)
    assert of(SendSms, step) == []


@pytest.mark.practice(11)
def test_an_hour_that_was_not_called_safe() -> None:
    """A text outside the agreed times brings the cue when that begins or after a pause, not with each text of a talk."""
    hour = local(PACK, NOW).hour
    before, now = (((hour - 3) % 24 * 60, (hour - 2) % 24 * 60),), ((hour * 60, (hour + 1) % 24 * 60),)
    talk = replace(held(), silence=Silence(heard_at=NOW - 3 * 3600, spoke_at=NOW - 10))
    for spans, odd in ((before, True), ((*before, *now), False), (now, False), ((), False)):
        thread = replace(talk, flags=ConsentFlags(safe_times=spans))
        step = then(thread, arrived("hi", id="b"))
        assert ("outside the times" in said_by_us(step)) == odd, spans
        assert "outside the times" not in said_by_us(then(step.aggregate, arrived("and", id="c"), at(20)))
        later = then(step.aggregate, arrived("again", id="d"), at(1801))
        assert ("outside the times" in said_by_us(later)) == odd, spans


@pytest.mark.practice(26, 27)
def test_the_limits_nag_until_they_are_given() -> None:
    """After some exchanges without limits the room is told so, again later, and not once they were given (practice 26)."""
    thread = held()
    nags: list[int] = []
    for n in range(1, 12):
        thread = replace(thread, silence=replace(thread.silence, spoke_at=NOW + n * 10 - 5))
        step = then(thread, arrived("ok", id=f"n{n}"), at(n * 10))
        again = then(step.aggregate, arrived("and", id=f"m{n}"), at(n * 10 + 1))
        assert "limits yet" not in said_by_us(again), "a second text in a row is no exchange"
        thread, nags = again.aggregate, nags + [n] * ("limits yet" in said_by_us(step))
    assert nags == [2, 5, 10]
    after_limits = replace(
        held(), flags=ConsentFlags(limits=NOW), silence=Silence(heard_at=NOW - 60, spoke_at=NOW - 30, exchanges=1)
    )
    assert "limits yet" not in said_by_us(then(after_limits, arrived("ok", id="b")))


def test_a_cue_never_repeats_the_text() -> None:
    """No cue holds a word of what came."""
    body = "Fwd: I'm 14 and he hits my son marzipan"
    step = then(held(), arrived(body, id="b", media=1))
    assert said_by_us(step).count("!playbook") >= 3
    assert "marzipan" not in said_by_us(step)
