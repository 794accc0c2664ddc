"""Every drill that comes with Quietline, played to its debrief with a set clock, and what is kept of it."""

from __future__ import annotations

import pytest

from bot.drills.running import BRIEF_TTL, READING
from bot.model.actions import DESK, OFFICE
from bot.model.thread import ThreadState
from tests.bot.drills.drill_line import DRILLS, Advocate, DrillLine, play
from tests.bot.drills.practised import practised
from tests.bot.strategies import ANA, BEN, SUE
from tests.every_row import every_row

WAY = 1.0
"""Seconds that a text takes from its handset into its thread."""


def nobody(_line: DrillLine, _thread: str, _number: int) -> None:
    """Do nothing at all."""


def talkative(line: DrillLine, thread: str, _number: int) -> None:
    """Claim, and answer everything with a sentence, whatever was texted."""
    if line.threads[thread].assignment.assignee is None:
        line.say(DESK, "!claim")
    line.say(thread, "Tell me more about that, please.")
    line.say(thread, "!anyway")


def urgent_alone(line: DrillLine, thread: str, number: int) -> None:
    """Answer each text by one of ours, `!urgent` among them: it waits its undo window when the next text comes."""
    if line.threads[thread].assignment.assignee is None:
        line.say(DESK, "!claim")
    line.say(thread, ("I am here.", "!urgent", "I am here with you.")[number])


@every_row("language", ["en", "es"])
@every_row("name", DRILLS)
def test_a_practised_advocate_gets_a_debrief_without_a_but(name: str, language: str) -> None:
    """Whoever does what the practices ask plays each drill to a debrief that finds everything well, in both languages."""
    line = play(name, language, practised(name))
    debrief = line.debrief()
    assert "→" not in debrief, debrief
    assert "✓" in debrief
    assert line.texts
    if language == "es":
        assert {words for _, words in line.texts}.isdisjoint(words for _, words in play(name, "en", nobody).texts[:1])


@every_row("advocate", [nobody, talkative])
@every_row("name", DRILLS)
def test_every_way_has_its_end(name: str, advocate: Advocate) -> None:
    """Also where nobody answers, or everything is answered, each drill comes to its debrief, which says what would help."""
    line = play(name, "en", advocate)
    debrief = line.debrief()
    assert "→" in debrief or advocate is talkative, debrief
    assert f"{DRILLS[name].title['en']}" in debrief
    for text in line.phone:
        for words in line.phone[text]:
            assert words in debrief, "a text that left is not in the debrief"


@every_row("name", DRILLS)
def test_nothing_is_kept_but_a_count(name: str) -> None:
    """When a drill is over the desk holds none of it but that it was played, audit and report nothing; threads close."""
    line = play(name, "en", talkative)
    assert line.desk.drills == ()
    member = line.desk.member(ANA)
    assert member is not None
    assert member.drills == 1
    assert line.noted == []
    desk_repr = repr(line.desk)
    assert not any(words in desk_repr for _, words in line.texts if len(words) > len("START"))
    for thread in line.threads.values():
        assert thread.lifecycle.closes_at or thread.lifecycle.state is ThreadState.PARKED


def test_the_debrief_goes_after_an_hour() -> None:
    """And so does what was told in the office while the drill ran; neither goes sooner."""
    line = play("shift-change", "en", practised("shift-change"))
    messages = [said for said in line.in_offices if said[1].startswith(("debrief:", "brief:"))]
    assert {place for place, _ in messages} == {OFFICE + ANA, OFFICE + BEN}
    debriefs = {said for said in messages if said[1].startswith("debrief:")}
    over = line.now
    line.run_until(over + BRIEF_TTL - 1)
    assert debriefs.isdisjoint(line.redacted)
    line.run_until(over + BRIEF_TTL)
    assert set(messages) <= set(line.redacted)


def test_the_second_texter_is_another_one() -> None:
    """A change of shift brings two threads at once."""
    line = play("shift-change", "en", talkative)
    assert len(line.threads) == 2
    assert len({tag for tag, _ in line.texts}) == 2


def test_whoever_takes_over_is_told_as_well() -> None:
    """The debrief goes to whose drill it is and to whoever was the advocate, and to nobody else."""
    line = play("shift-change", "en", practised("shift-change"))
    assert line.debrief(BEN) == line.debrief(ANA)
    assert not any("is over" in each for each in line.offices[SUE])


def test_whoever_took_the_phone_could_read_what_had_left() -> None:
    """The debrief tells what could be read on a phone that was taken, and how soon everything was stopped."""
    debrief = play("phone-taken", "en", practised("phone-taken")).debrief()
    assert "Everything was stopped 5 s after the phone was taken." in debrief
    before, _, after = debrief.partition("these words of ours:")
    assert "Yes, of course." in before
    assert "Yes, of course." in after
    assert "reached it after that" not in debrief
    talked = play("phone-taken", "en", talkative).debrief()
    assert "The phone was taken, and nothing was stopped." in talked
    assert "reached it after that" in talked


def test_limits_before_a_disclosure() -> None:
    """The debrief tells whether the limits were told before a disclosure, after it, or not."""
    assert "before the disclosure." in play("disclosure", "en", practised("disclosure")).debrief()
    assert "The limits were not told, and there was a disclosure." in play("disclosure", "en", talkative).debrief()


def test_a_wait_counts_what_has_come_true_since_the_last_text() -> None:
    """Words that were said before a text are no answer to it."""
    line = play("first-contact", "en", talkative)
    assert [words for _, words in line.texts] == [
        step.words["en"] for step in DRILLS["first-contact"].steps("begin") if hasattr(step, "words")
    ]
    crossing = play("overdose", "en", urgent_alone)
    assert "I am here with you." in crossing.debrief(), "it was over before the last text was answered"
    assert [words for _, words in crossing.texts][-1] == "ok. my sister is at the door"
    lonely = play("first-contact", "en", nobody)
    assert [words for _, words in lonely.texts][-1] == "ok i guess nobody is there"


@pytest.mark.parametrize(("way", "after"), [(WAY, 0.0), (WAY, WAY / 2), (WAY, WAY), (WAY, WAY + READING / 2), (20.0, 1.0)])
def test_words_that_were_written_before_a_text_could_be_read_are_no_answer_to_it(way: float, after: float) -> None:
    """Said while it is on its way, however long that is, or as it comes: the drill waits for whoever has read it."""
    last = "ok. my sister is at the door"

    def meanwhile(line: DrillLine, thread: str, number: int) -> None:
        if line.texts[number][1] == last:
            line.after(after, lambda: line.say(thread, "Stay where you are."))

    def slowly(line: DrillLine, thread: str, number: int) -> None:
        line.after(20 if line.texts[number][1] == last else 0, lambda: urgent_alone(line, thread, number))

    line = DrillLine(react=slowly, leave=meanwhile, way=way)
    line.say(DESK, "!drill overdose en")
    line.run()
    assert [words for _, words in line.texts][-1] == last
    assert "Stay where you are." in line.debrief()
    assert "I am here with you." in line.debrief(), "it was over before the last text was answered"


@pytest.mark.parametrize("released", [False, True])
@pytest.mark.parametrize("last", [0, 1])
def test_a_text_that_was_on_its_way_when_its_drill_was_stopped(last: int, released: bool) -> None:
    """It keeps no thread: its first text makes none that waits, and a later one takes no closing back for good."""

    def stops(line: DrillLine, thread: str, number: int) -> None:
        if number == last:
            if released and last:
                line.say(thread, "!release")
            line.say(DESK, "!drill stop")

    line = DrillLine(react=urgent_alone, leave=stops, way=WAY)
    line.say(DESK, "!drill overdose en")
    line.run()
    line.run_until(line.now + 2 * WAY)
    assert len(line.texts) == last + 1
    (thread,) = line.threads.values()
    closing = thread.lifecycle.closes_at > 0
    assert (thread.assignment.assignee is not None and closing) or thread.lifecycle.state is ThreadState.PARKED
    assert (thread.lifecycle.state is ThreadState.PARKED) is (released or not last)


def test_words_that_are_edited_after_a_text_are_an_answer_to_it() -> None:
    """Whoever has read the text and then changes what still waits has answered; nothing else needs to be said."""

    def edits(line: DrillLine, thread: str, number: int) -> None:
        if number < 2:
            urgent_alone(line, thread, number)
        else:
            line.edit(thread, "I am glad she is there.")

    def meanwhile(line: DrillLine, thread: str, number: int) -> None:
        if number == 2:
            line.after(WAY / 2, lambda: line.say(thread, "Stay where you are."))

    line = DrillLine(react=edits, leave=meanwhile, way=WAY)
    line.say(DESK, "!drill overdose en")
    started_at = line.now
    line.run()
    assert "I am glad she is there." in line.debrief()
    assert line.now - started_at < 60, "the answer was waited for in vain"
