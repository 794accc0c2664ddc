"""`!drill`: where it is taken, and what each form of it does."""

from __future__ import annotations

from dataclasses import replace

from bot.model.actions import DESK, OFFICE, SendMessage, TextFromHandset
from tests.bot.drills.drill_line import DRILLS, play
from tests.bot.drills.test_running import nobody
from tests.bot.examples import FACTS, at_desk, of, staffed_desk, then, words
from tests.bot.strategies import ANA, BEN

ON_REHEARSAL = replace(FACTS, drills=DRILLS)


def test_a_line_in_service_refuses_every_form() -> None:
    """Where the line has no scripts nothing texts it, and the answer says where drills are."""
    for typed in ("!drill", "!drill silence", "!drill silence es", "!drill stop", "!drill count", "!drill forget"):
        step = then(staffed_desk(), at_desk(typed))
        assert "in service" in words(step)
        assert of(TextFromHandset, step) == []
        assert step.aggregate.drills == ()


def test_a_drill_begins_with_a_text_of_its_language() -> None:
    """The first words of the texter leave from the handset, in Spanish when that stands behind the name."""
    step = then(staffed_desk(), at_desk("!drill first-contact es"), ON_REHEARSAL)
    (text,) = of(TextFromHandset, step)
    assert text.body == "hola, hay alguien ahí?"
    assert "$m1" not in text.tag


def test_what_there_is_not_is_told() -> None:
    """An unknown drill or language begins nothing, and the answer names those there are."""
    for typed in ("!drill marzipan", "!drill silence fr", "!drill silence en now"):
        step = then(staffed_desk(), at_desk(typed), ON_REHEARSAL)
        assert of(TextFromHandset, step) == []
        assert "first-contact" in words(step)


def test_one_person_plays_one_at_a_time() -> None:
    """A second drill of the same person is refused; a colleague may have one beside it."""
    desk = then(staffed_desk(), at_desk("!drill silence"), ON_REHEARSAL).aggregate
    again = then(desk, at_desk("!drill prank", event_id="$m2"), ON_REHEARSAL)
    assert again.aggregate.drills == desk.drills
    assert "!drill stop" in words(again)
    other = then(desk, at_desk("!drill prank", event_id="$m3", sender=BEN), ON_REHEARSAL)
    assert [run.user for run in other.aggregate.drills] == [ANA, BEN]


def test_it_ends_early_with_its_debrief() -> None:
    """`!drill stop` ends one's own, and its debrief comes all the same."""
    desk = then(staffed_desk(), at_desk("!drill silence"), ON_REHEARSAL).aggregate
    not_theirs = then(desk, at_desk("!drill stop", event_id="$m2", sender=BEN), ON_REHEARSAL)
    assert not_theirs.aggregate.drills == desk.drills
    step = then(desk, at_desk("!drill stop", event_id="$m3"), ON_REHEARSAL)
    assert step.aggregate.drills == ()
    assert any("is over" in post.body for post in of(SendMessage, step) if post.place == OFFICE + ANA)


def test_the_count_is_told_and_deleted() -> None:
    """A person sees how many they have played, and takes that away."""
    line = play("silence", "en", nobody)
    line.say(DESK, "!drill forget")
    member = line.desk.member(ANA)
    assert member is not None
    assert member.drills == 0
