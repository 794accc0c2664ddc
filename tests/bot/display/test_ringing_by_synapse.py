"""Who is rung, by Synapse's own evaluator of push rules: what the server pushes with sound, what a phone rings for."""

from __future__ import annotations

from typing import Any

import pytest

from bot.model.actions import OFFICE, EditMessage, SendMessage, Speaker
from bot.model.desk import Desk, Thread
from bot.model.events import Event
from bot.model.feature import Step
from bridge.matrix.api.message_body import edit_content, message_content
from tests.bot.display.test_ringing import CASES, KNOWN, OFF
from tests.bot.examples import of, then
from tests.bot.push_rules import Push
from tests.bot.strategies import ANA, BEN, SUE
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


@every_row("members", [3, ROOM, 40])
@every_row("relation", [None, {"rel_type": "m.replace", "event_id": "$e"}, {"rel_type": "m.thread"}])
def test_the_homeserver_itself_pushes_nothing_with_sound(members: int, relation: dict[str, Any] | None) -> None:
    """It sees ciphertext: at the desk and in threads it wakes phones without a sound, and they decide after it."""
    for user in EVERYBODY:
        assert synapse_push(encrypted_event(relation), user, members=members) is not Push.RING
