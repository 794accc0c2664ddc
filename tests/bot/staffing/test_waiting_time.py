"""The waiting time that a greeting names is measured at this desk."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.model.actions import DESK
from bot.model.desk import Desk, QueueEntry, Thread
from bot.model.events import Outcome
from bot.model.flood import CrowdEntry, Flood
from bot.model.thread_desk_events import ThreadActivity, ThreadQueued
from bot.staffing import waiting_time
from policies.hours import waiting_text
from policies.pack import TextName
from tests.bot.examples import FACTS, arrived, at, staffed_desk, texts, then
from tests.bot.simulation import Simulation
from tests.bot.strategies import ANA, NOW, OWNERS, PACK
from tests.every_row import every_row

TODAY = int(NOW // waiting_time.DAY)
QUEUED = ThreadQueued(thread="t1", designation="amber heron", since=NOW)


def measured(*minutes: int, day: int = TODAY) -> Desk:
    """Return a desk that has measured these waits."""
    return replace(staffed_desk(), waits=tuple((day, wait) for wait in minutes))


def measured_by(world: Simulation) -> list[int]:
    return [minutes for _, minutes in world.desk.waits]


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


@every_row(
    ("waits", "minutes"),
    [
        ((), 0),
        ((1, 1, 1, 1), 0),
        ((1, 1, 1, 1, 1), 5),
        ((2, 3, 7, 7, 7), 10),
        ((1, 1, 1, 12, 90), 15),
        ((1, 1, 1, 1, 90), 5),
        ((61, 61, 61, 61, 61), 0),
        ((60, 60, 60, 60, 60), 60),
    ],
)
def test_it_is_a_time_within_which_most_were_answered(waits: tuple[int, ...], minutes: int) -> None:
    """Four of five were answered by then; of few or long waits nothing is said."""
    assert waiting_time.usual_minutes(measured(*waits), NOW) == minutes


def test_long_ago_is_not_usual() -> None:
    """What was measured more than four weeks ago, or by a clock that was ahead, says nothing."""
    for days in (-29, 1):
        assert waiting_time.usual_minutes(measured(*([1] * 9), day=TODAY + days), NOW) == 0
    assert waiting_time.usual_minutes(measured(*([1] * 9), day=TODAY - 28), NOW) == 5


@pytest.mark.parametrize(("seconds", "minutes"), [(60, 5), (301, 10), (1_700, 30), (3_601, 0)])
def test_whoever_waits_longer_now_is_counted(seconds: int, minutes: int) -> None:
    """Nobody is promised five minutes while another person has waited for half an hour."""
    desk = then(measured(*([1] * 9)), QUEUED).aggregate
    assert waiting_time.usual_minutes(desk, NOW + seconds) == minutes


def test_whoever_was_promised_nobody_or_waits_in_a_crowd_is_counted_too() -> None:
    """A queue of the night, a thread given unasked and a crowd: no time is named that they have passed."""
    night = QueueEntry(thread="t1", designation="x", since=NOW - 36_000)
    auto_entry = replace(night, assignee=ANA, auto_assigned=True, measured_from=NOW - 7_200)
    claimed_entry = replace(night, assignee=ANA)
    for entry, minutes in ((night, 0), (auto_entry, 0), (claimed_entry, 5)):
        assert waiting_time.usual_minutes(replace(measured(*([1] * 9)), threads=(entry,)), NOW) == minutes
    crowd = {"t1": CrowdEntry(thread="t1", designation="x", since=NOW)}
    for flood in (Flood(active=True), Flood(crowd=crowd)):
        assert waiting_time.usual_minutes(replace(measured(*([1] * 9)), flood=flood), NOW) == 0


def test_a_wait_ends_with_the_first_words_of_a_person_and_counts_once() -> None:
    """From the first text on, in begun minutes; later answers add nothing."""
    desk = answered_after(6.5)
    assert desk.waits == ((TODAY, 7),)
    later = then(desk, ThreadActivity(thread="t1", at=NOW + 900, inbound=False), at(900)).aggregate
    theirs = then(desk, ThreadActivity(thread="t1", at=NOW + 900, inbound=True), at(900)).aggregate
    assert later.waits == theirs.waits == desk.waits


def test_only_the_last_are_kept_and_none_says_of_whom() -> None:
    """Twenty waits, each a day and minutes."""
    desk = answered_after(3, measured(*range(20)))
    assert desk.waits == (*((TODAY, n) for n in range(1, 20)), (TODAY, 3))


@pytest.mark.parametrize("changed", [{"roster": ()}, {"outage": True}])
def test_who_was_promised_nobody_is_not_measured(changed: dict[str, object]) -> None:
    """Whoever texts at night, or in an outage, was not told that a person answers: the morning's answer is no wait."""
    queued = then(staffed_desk(), QUEUED, replace(FACTS, **changed)).aggregate  # type: ignore[arg-type] # fields of Facts
    assert [entry.measured_from for entry in queued.threads] == [0.0]
    assert then(queued, ThreadActivity(thread="t1", at=NOW + 60, inbound=False), at(60)).aggregate.waits == ()


def test_who_waits_again_is_no_new_wait() -> None:
    """A thread that its advocate gave back is measured from its first text, or not any more."""
    again = then(answered_after(2), replace(QUEUED, since=NOW + 600, requeued=True), at(600)).aggregate
    assert [entry.measured_from for entry in again.threads] == [0.0]
    desk = replace(staffed_desk(), threads=(QueueEntry(thread="t1", designation="x", since=NOW, measured_from=NOW),))
    still = then(desk, replace(QUEUED, since=NOW + 600, requeued=True), at(600)).aggregate
    assert [entry.measured_from for entry in still.threads] == [NOW]


def test_through_a_whole_line() -> None:
    """A text, a claim and an answer that left: the wait is measured, and the answers of the line itself are none."""
    world = Simulation(PACK, threads=1)
    owner = OWNERS[0]
    world.text(owner, "hi")
    world.settle()
    world.attempt(owner, Outcome.ACCEPTED)
    world.settle()
    assert measured_by(world) == []
    world.pass_time(240)
    world.tap(DESK, ANA, "✋", f"card:{owner}")
    world.settle()
    world.join(owner, ANA)
    world.settle()
    world.reaches(owner, ANA, "ok")
    world.settle()
    assert measured_by(world) == [5]
