"""Who is rung in Element, by matrix-js-sdk's own judge of push rules and the rules that Synapse gives."""

from __future__ import annotations

import pytest

from bot.model.actions import OFFICE
from bot.model.desk import Desk, Thread
from bot.model.events import Event
from bridge.matrix.api.message_body import message_content
from tests.bot.display.test_ringing import CASES, KNOWN, OFF, texter_posts
from tests.bot.display.test_ringing_by_synapse import contents
from tests.bot.element_push import DRIVER, element_push
from tests.bot.examples import arrived, held, then
from tests.bot.push_rules import Push
from tests.bot.strategies import ANA, BEN, SUE
from tests.bot.synapse_push import message_event, synapse_push
from tests.every_row import every_row

pytestmark = pytest.mark.long

BOT = "@policy:line.example"
PUPPET = "@line-main:line.example"
EVERYBODY = (ANA, BEN, SUE, OFF)
DESK_MEMBERS = (*EVERYBODY, BOT, PUPPET)


@pytest.fixture(autouse=True)
def _engine_is_here(pytestconfig: pytest.Config) -> None:
    if not DRIVER.is_here():
        from tests.conftest import MISSING_PROGRAMS

        pytestconfig.stash[MISSING_PROGRAMS].append("Element's engine")
        pytest.skip("Node has no build for this machine")


@pytest.mark.practice(30)
@every_row(("aggregate", "event", "who"), CASES)
def test_element_rings_for_those_on_duty_whom_it_is_for(aggregate: Desk | Thread, event: Event, who: set[str]) -> None:
    """For each kind of post Element rings the people whom it is for, and nobody off duty."""
    said = [
        message_event(content) for place, content in contents(then(aggregate, event, KNOWN)) if not place.startswith(OFFICE)
    ]
    assert {user for user in EVERYBODY if Push.RING in element_push(said, user, members=DESK_MEMBERS)} == who


def test_a_text_of_the_phone_rings_its_advocate_in_element() -> None:
    """It comes with a sound for whoever has the thread, without one for others in the room, and nobody off duty is rung."""
    (post,) = texter_posts(then(held(), arrived("is anyone there"), KNOWN))
    event = message_event(message_content(post))
    rings = {user: element_push([event], user, members=(ANA, BEN, BOT, PUPPET))[0] for user in (ANA, BEN)}
    assert rings == {ANA: Push.RING, BEN: Push.NOTIFY}
    assert not {user for user in (ANA, BEN, SUE, OFF) if synapse_push(event, user, members=4) is Push.RING} - {ANA}
