"""Who is rung in Element, by matrix-js-sdk's own judge of push rules and the rules that Synapse gives."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from bot.decide import decide
from bot.model.actions import OFFICE, SendMessage
from bot.model.desk import Desk, Facts, Thread
from bot.model.events import Event
from bot.model.feature import Step
from bridge.matrix.api.message_content import message_content
from tests.bot.display.test_ringing import CASES, KNOWN, OFF, texter_posts
from tests.bot.display.test_ringing_by_synapse import contents
from tests.bot.element_push import DRIVER, element_push
from tests.bot.examples import arrived, held, of, then
from tests.bot.hypothesis_settings import USUAL
from tests.bot.push_rules import Push, push
from tests.bot.strategies import ANA, BEN, PACK, SUE, any_event, desks, facts, threads
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


@USUAL
@given(aggregate=desks | threads, event=any_event, known=facts)
def test_our_model_of_the_rules_is_elements(aggregate: Desk | Thread, event: Event, known: Facts) -> None:
    """Whatever is said or edited at the desk or in a room: Element does what `push_rules` says of it."""
    step: Step[Any] = decide(PACK, known, aggregate, event)
    said = [content for place, content in contents(step) if not place.startswith(OFFICE)]
    for user in EVERYBODY if said else ():
        does = element_push([message_event(content) for content in said], user, members=DESK_MEMBERS)
        assert does == [push(content, user) for content in said]


@USUAL
@given(aggregate=desks | threads, event=any_event, known=facts)
def test_an_office_rings_in_element_for_what_calls_its_person(aggregate: Desk | Thread, event: Event, known: Facts) -> None:
    """In a room of two an ordinary message rings and a notice does not: a call to its person is no notice."""
    step: Step[Any] = decide(PACK, known, aggregate, event)
    for post in of(SendMessage, step):
        if post.place.startswith(OFFICE):
            user = post.place.removeprefix(OFFICE)
            (does,) = element_push([message_event(message_content(post))], user, members=(user, BOT))
            assert does is (Push.NOTHING if post.notice else Push.RING)


def test_a_text_of_the_phone_rings_its_advocate_in_element() -> None:
    """It comes with a sound for whoever has the thread, without one for others in the room, and nobody off duty is rung."""
    (post,) = texter_posts(then(held(), arrived("is anyone there"), KNOWN))
    event = message_event(message_content(post))
    rings = {user: element_push([event], user, members=(ANA, BEN, BOT, PUPPET))[0] for user in (ANA, BEN)}
    assert rings == {ANA: Push.RING, BEN: Push.NOTIFY}
    assert not {user for user in (ANA, BEN, SUE, OFF) if synapse_push(event, user, members=4) is Push.RING} - {ANA}


def test_the_plain_cases_of_the_specification() -> None:
    """A text of the phone notifies everybody, a mention in a notice nobody, an edit nobody, a mention who is named."""
    mentioned = {"m.mentions": {"user_ids": [ANA]}}
    edit = {"m.relates_to": {"rel_type": "m.replace", "event_id": "$e"}, "m.new_content": {"body": "x"}}
    events = [
        message_event({"body": "x", **more})
        for more in (
            {"msgtype": "m.text"},
            {"msgtype": "m.text", **mentioned},
            {"msgtype": "m.notice", **mentioned},
            {"msgtype": "m.text", **edit},
            {"msgtype": "m.notice", **edit},
        )
    ]
    quiet = [Push.NOTHING] * 3
    assert element_push(events, ANA, members=DESK_MEMBERS) == [Push.NOTIFY, Push.RING, *quiet]
    assert element_push(events, BEN, members=DESK_MEMBERS) == [Push.NOTIFY, Push.NOTIFY, *quiet]
    assert element_push(events[:1], ANA, members=(ANA, BOT)) == [Push.RING], "a room of two"
