"""Every drill that comes with Quietline, played to its debrief with a set clock, and what is kept of it."""

from __future__ import annotations

from bot.drills.running import BRIEF_TTL
from bot.model.actions import DESK, OFFICE
from bot.model.thread import ThreadState
from tests.bot.drills.drill_line import DRILLS, Advocate, DrillLine, play
from tests.bot.drills.practised import practised
from tests.bot.strategies import ANA, BEN
from tests.every_row import every_row

"""Seconds that a text takes from its handset into its thread."""


def nobody(_line: DrillLine, _thread: str, _number: int) -> None:
    """Do nothing at all."""


def talkative(line: DrillLine, thread: str, _number: int) -> None:
    """Claim, and answer everything with a sentence, whatever was texted."""
    if line.threads[thread].assignment.assignee is None:
        line.say(DESK, "!claim")
    line.say(thread, "Tell me more about that, please.")
    line.say(thread, "!anyway")


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
