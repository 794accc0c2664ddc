"""Who is rung, by Synapse's own evaluator of push rules: what the server pushes with sound, what a phone rings for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from bot.decide import decide
from bot.model.actions import OFFICE, EditMessage, SendMessage, Speaker
from bot.model.desk import Desk, Facts, Thread
from bot.model.events import Event
from bot.model.feature import Step
from bridge.matrix.api.message_content import edit_content, message_content
from tests.bot.display.test_ringing import CASES, KNOWN, OFF
from tests.bot.examples import of, then
from tests.bot.hypothesis_settings import USUAL
from tests.bot.push_rules import Push, push
from tests.bot.strategies import ANA, BEN, PACK, SUE, any_event, desks, facts, threads
from tests.bot.synapse_push import encrypted_event, message_event, synapse_push
from tests.every_row import every_row

EVERYBODY = (ANA, BEN, SUE, OFF)
ROOM = 5
"""Members of a desk, both identities among them; a thread's room has three and more."""


def contents(step: Step[Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the places and the contents of what the policy bot says and edits."""
    said = [(post.place, message_content(post)) for post in of(SendMessage, step) if post.speaker is Speaker.POLICY]
    return said + [(edit.place, edit_content(edit, "$target")) for edit in of(EditMessage, step)]


@pytest.mark.practice(30)
@every_row(("aggregate", "event", "who"), CASES)
def test_a_phone_rings_for_those_on_duty_whom_it_is_for(aggregate: Desk | Thread, event: Event, who: set[str]) -> None:
    """For each kind of post the evaluator that Synapse has compiled in rings the same people, and nobody off duty."""
    said = [content for place, content in contents(then(aggregate, event, KNOWN)) if not place.startswith(OFFICE)]
    rung = {
        user
        for user in EVERYBODY
        for content in said
        if synapse_push(message_event(content), user, members=ROOM) is Push.RING
    }
    assert rung == who
    assert OFF not in rung


@USUAL
@given(aggregate=desks | threads, event=any_event, known=facts)
def test_our_model_of_the_rules_is_synapses(aggregate: Desk | Thread, event: Event, known: Facts) -> None:
    """Whatever is said at the desk or in a room: phones do what `push_rules` says, and nobody off duty is rung."""
    step: Step[Any] = decide(PACK, known, aggregate, event)
    roster = step.aggregate.roster if isinstance(step.aggregate, Desk) else known.roster
    on_duty = {member.user for member in roster if member.on_duty}
    for place, content in contents(step):
        if place.startswith(OFFICE):
            continue
        for user in {*EVERYBODY, *(member.user for member in roster)}:
            does = synapse_push(message_event(content), user, members=ROOM)
            assert does is push(content, user)
            assert does is not Push.RING or user in on_duty


@USUAL
@given(aggregate=desks | threads, event=any_event, known=facts)
def test_an_office_rings_for_what_calls_its_person(aggregate: Desk | Thread, event: Event, known: Facts) -> None:
    """In a room of two every ordinary message rings, so there a notice is the rule; a call to its person is none."""
    step: Step[Any] = decide(PACK, known, aggregate, event)
    for post in of(SendMessage, step):
        if post.place.startswith(OFFICE):
            user = post.place.removeprefix(OFFICE)
            rings = synapse_push(message_event(message_content(post)), user, members=2) is Push.RING
            assert rings is not post.notice
            assert post.notice or post.mentions == (user,)


@every_row("members", [3, ROOM, 40])
@every_row("relation", [None, {"rel_type": "m.replace", "event_id": "$e"}, {"rel_type": "m.thread"}])
def test_the_homeserver_itself_pushes_nothing_with_sound(members: int, relation: dict[str, Any] | None) -> None:
    """It sees ciphertext: at the desk and in threads it wakes phones without a sound, and they decide after it."""
    for user in EVERYBODY:
        assert synapse_push(encrypted_event(relation), user, members=members) is not Push.RING


def test_in_an_office_it_pushes_everything_with_sound() -> None:
    """A room of two: an app that cannot decrypt before it notifies rings there also for a notice (decisions/desk.md)."""
    assert synapse_push(encrypted_event(), ANA, members=2) is Push.RING


@every_row(
    ("kind", "content"),
    [
        ("m.reaction", {"m.relates_to": {"rel_type": "m.annotation", "event_id": "$e", "key": "✋"}}),
        ("m.room.redaction", {"redacts": "$e"}),
        ("m.room.pinned_events", {"pinned": ["$e"]}),
        ("m.room.topic", {"topic": "x"}),
        ("m.room.name", {"name": "amber heron"}),
        ("m.room.power_levels", {"users": {}}),
        ("m.room.member", {"membership": "join", "displayname": "amber heron"}),
    ],
)
def test_marks_and_changes_of_rooms_ring_nobody(kind: str, content: dict[str, Any]) -> None:
    """Receipts, taps, pins and who comes and goes are no calls, in the desk, a thread or an office."""
    event = {"type": kind, "sender": "@policy:line.example", "room_id": "!r", "content": content, "state_key": ""}
    for user in EVERYBODY:
        for members in (2, ROOM):
            assert synapse_push(event, user, members=members) is not Push.RING
