"""The waiting time that a greeting names is measured at this desk."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.model.desk import Desk, Thread
from bot.model.thread_desk_events import ThreadActivity, ThreadQueued
from bot.staffing import waiting_time
from policies.hours import waiting_text
from policies.pack import TextName
from tests.bot.examples import FACTS, arrived, at, staffed_desk, texts, then
from tests.bot.strategies import NOW, PACK
from tests.every_row import every_row

TODAY = int(NOW // waiting_time.DAY)
QUEUED = ThreadQueued(thread="t1", designation="amber heron", since=NOW)


def measured(*minutes: int, day: int = TODAY) -> Desk:
    """Return a desk that has measured these waits."""
    return replace(staffed_desk(), waits=tuple((day, wait) for wait in minutes))


def answered_after(minutes: float, desk: Desk | None = None) -> Desk:
    """Let a thread come and be answered by a person."""
    queued: Desk = then(desk or staffed_desk(), QUEUED).aggregate
    ours = ThreadActivity(thread="t1", at=NOW + minutes * 60, inbound=False)
    done: Desk = then(queued, ours, at(minutes * 60)).aggregate
    return done


@pytest.mark.practice(29)
@every_row(("minutes", "named"), [(0, False), (5, True), (60, True)])
@every_row("language", ["en", "es"])
def test_a_greeting_names_the_measured_time_or_none(minutes: int, named: bool, language: str) -> None:
    """What leaves says how long people wait here, in both languages, and no number where nothing was measured."""
    body = "hola necesito ayuda con mi esposo" if language == "es" else "hi"
    (text,) = texts(then(Thread(id="t1", designation="amber heron"), arrived(body), replace(FACTS, usual_wait=minutes)))
    assert text == PACK.say(TextName.GREETING, language, wait=waiting_text(minutes, language))
    assert (f"{minutes} min" in text) is named
    assert any(letter.isdigit() for letter in text) is named
    assert "{" not in text


def test_a_wait_ends_with_the_first_words_of_a_person_and_counts_once() -> None:
    """From the first text on, in begun minutes; later answers add nothing."""
    desk = answered_after(6.5)
    assert desk.waits == ((TODAY, 7),)
    later = then(desk, ThreadActivity(thread="t1", at=NOW + 900, inbound=False), at(900)).aggregate
    theirs = then(desk, ThreadActivity(thread="t1", at=NOW + 900, inbound=True), at(900)).aggregate
    assert later.waits == theirs.waits == desk.waits


@pytest.mark.parametrize("changed", [{"roster": ()}, {"outage": True}])
def test_who_was_promised_nobody_is_not_measured(changed: dict[str, object]) -> None:
    """Whoever texts at night, or in an outage, was not told that a person answers: the morning's answer is no wait."""
    queued = then(staffed_desk(), QUEUED, replace(FACTS, **changed)).aggregate  # type: ignore[arg-type] # fields of Facts
    assert [entry.measured_from for entry in queued.threads] == [0.0]
    assert then(queued, ThreadActivity(thread="t1", at=NOW + 60, inbound=False), at(60)).aggregate.waits == ()
