"""Who is rung, by Matrix's default push rules, for every kind of message of ours."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from bot.decide import decide
from bot.model.actions import OFFICE, EditMessage, SendMessage, Speaker
from bot.model.desk import Desk, DeskMember, Facts, Role, Thread
from bot.model.events import Event
from bot.model.feature import Step
from bot.model.line_incidents import (
    AlarmTestRequested,
    CanaryFailed,
    CanaryRecovered,
    CanaryStep,
    DeadLetterRecorded,
    HomeserverIncident,
    HomeserverIncidentKind,
    LineChecked,
    LineRestored,
    PageFailed,
    StrayKind,
    StrayTextArrived,
    SyncStalled,
)
from bot.model.thread_desk_events import AlarmKind, AlarmRaised, OfferChanged, ThreadMarked, ThreadQueued
from bot.staffing.assignment import MAX_CHARACTERS
from bridge.matrix.api.message_body import edit_content, message_content
from tests.bot.examples import FACTS, arrived, at_desk, held, of, said, staffed_desk, then, waiting
from tests.bot.hypothesis_settings import USUAL
from tests.bot.push_rules import Push, push
from tests.bot.staffing.test_claim_queue import tap
from tests.bot.strategies import ANA, BEN, MEMBERS, NOW, PACK, SUE, any_event, desks, facts, threads
from tests.every_row import every_row

OFF = "@off:line.example"
ROSTER = (*MEMBERS, DeskMember(user=OFF, role=Role.SUPERVISOR, on_duty=False))
KNOWN = replace(FACTS, roster=ROSTER)
ALL = {ANA, BEN, SUE}
QUEUED = ThreadQueued(thread="t1", designation="amber heron", since=NOW)


def desk() -> Desk:
    return replace(staffed_desk(), roster=ROSTER)


def queued() -> Desk:
    waiting: Desk = then(desk(), QUEUED, KNOWN).aggregate
    return waiting


def claimed() -> Desk:
    result: Desk = then(queued(), tap(ANA), KNOWN).aggregate
    return result


def rung(step: Step[Any]) -> set[str]:
    """Return the members whose devices ring for what the policy bot says and edits."""
    contents = [message_content(post) for post in of(SendMessage, step) if post.speaker is Speaker.POLICY]
    contents += [edit_content(edit, "$target") for edit in of(EditMessage, step)]
    return {user for user in (ANA, BEN, SUE, OFF) for content in contents if push(content, user) is Push.RING}


CASES = [
    pytest.param(desk(), QUEUED, ALL, id="a thread that waits"),
    pytest.param(queued(), tap(ANA), set(), id="a claim"),
    pytest.param(queued(), at_desk("!board"), set(), id="an answer at the desk"),
    pytest.param(queued(), ThreadMarked("t1", danger=True, language=""), ALL, id="danger of one who waits"),
    pytest.param(
        then(queued(), tap(ANA), KNOWN).aggregate, OfferChanged(thread="t1", open=True), {BEN, SUE}, id="an offer to all"
    ),
    *(
        pytest.param(desk(), AlarmRaised(designation="amber heron", alarm=alarm), who, id=alarm.value)
        for alarm, who in (
            (AlarmKind.DURESS, {SUE}),
            (AlarmKind.UNVERIFIED, {SUE}),
            (AlarmKind.OTHER_HANDS, {SUE}),
            (AlarmKind.UNSAFE, {SUE}),
            (AlarmKind.ESCALATED, {SUE}),
            (AlarmKind.HELP, {SUE}),
            (AlarmKind.CALL, {SUE}),
            (AlarmKind.INFO, set()),
            (AlarmKind.LEFT_ALARMED, {SUE}),
            (AlarmKind.GOODBYE, {SUE}),
            (AlarmKind.URGENT, ALL),
            (AlarmKind.STOPPED, set()),
            (AlarmKind.RESUMED, set()),
            (AlarmKind.SAFE, set()),
            (AlarmKind.LEFT_QUIETLY, set()),
            (AlarmKind.BLOCKED, set()),
            (AlarmKind.UNREAD, {SUE}),
            (AlarmKind.STILL_UNREAD, {SUE}),
        )
    ),
    pytest.param(desk(), SyncStalled(minutes=3), {SUE}, id="a dead line"),
    pytest.param(desk(), CanaryFailed(step=CanaryStep.TEXT), {SUE}, id="a test text that did not come through"),
    pytest.param(desk(), CanaryRecovered(), set(), id="one that did"),
    pytest.param(desk(), LineChecked(rows=("disk",)), {SUE}, id="a look that found something"),
    pytest.param(desk(), LineChecked(), set(), id="a look that finds all well again"),
    pytest.param(desk(), HomeserverIncident(kind=HomeserverIncidentKind.DEVICE_GONE), {SUE}, id="a lost device"),
    pytest.param(desk(), LineRestored(hours=1, unfinished=0), ALL, id="a restored line"),
    pytest.param(desk(), PageFailed(given_up=True), ALL, id="a page that failed"),
    pytest.param(desk(), AlarmTestRequested(test="0badcafe"), ALL, id="a test of the alarms"),
    pytest.param(desk(), StrayTextArrived(kind=StrayKind.GROUP), {SUE}, id="a stray"),
    pytest.param(desk(), DeadLetterRecorded(short_id="0badcafe"), set(), id="a technician's matter"),
    pytest.param(desk(), DeadLetterRecorded(short_id="0badcafe", uncalled=True), {SUE}, id="a call that was lost"),
    pytest.param(desk(), at_desk("!outage"), ALL, id="an outage"),
    pytest.param(held(), arrived("STOP"), {ANA}, id="STOP"),
    pytest.param(held(), arrived("HELP"), {ANA}, id="HELP"),
    pytest.param(held(), arrived("CALL ME"), {ANA}, id="CALL"),
    pytest.param(held(), arrived("can't talk"), {ANA}, id="LATER"),
    pytest.param(held(), arrived("please stop texting me"), {ANA}, id="WISH"),
    pytest.param(held(), arrived("he has a knife"), {ANA}, id="a sign of danger"),
    pytest.param(held(), said("!unsafe", sender=BEN), {ANA}, id="unsafe"),
    pytest.param(held(), said("!status"), set(), id="an answer in a room"),
    pytest.param(held(), said("!limits"), set(), id="a text that is shown"),
    pytest.param(held(), said("!transfer @ben"), {BEN}, id="an offer"),
    pytest.param(held(), said("!close"), set(), id="a closing"),
]
"""What happens at the desk or in a thread, and who is rung by what is said of it there."""


@every_row(("aggregate", "event", "who"), CASES)
def test_who_is_rung(aggregate: Desk | Thread, event: Event, who: set[str]) -> None:
    """Each kind of message rings those whom it is for, if they are on duty, and nobody else."""
    assert rung(then(aggregate, event, KNOWN)) == who


def texter_posts(step: Step[Any]) -> list[SendMessage]:
    return [post for post in of(SendMessage, step) if post.speaker is Speaker.TEXTER]


@pytest.mark.practice(30)
def test_a_text_of_the_phone_rings_its_advocate() -> None:
    """By the default rules a message that mentions nobody makes no sound: so a texter's words mention who answers them.

    One text is one ring, however many messages show it; nobody is named before a claim, or who is off duty.
    """
    (post,) = texter_posts(then(held(), arrived("is anyone there"), KNOWN))
    assert {user: push(message_content(post), user) for user in (ANA, BEN, SUE, OFF)} == {
        ANA: Push.RING,
        BEN: Push.NOTIFY,
        SUE: Push.NOTIFY,
        OFF: Push.NOTIFY,
    }
    long = texter_posts(then(held(), arrived("a" * 2 * MAX_CHARACTERS), KNOWN))
    assert [each.mentions for each in long] == [(ANA,), ()]
    away = replace(KNOWN, roster=tuple(replace(m, on_duty=m.user != ANA) for m in ROSTER))
    for aggregate, known in ((waiting(), KNOWN), (held(), away)):
        assert [each.mentions for each in texter_posts(then(aggregate, arrived("hello?"), known))] == [()]


@pytest.mark.parametrize("alarm", [AlarmKind.DURESS, AlarmKind.UNVERIFIED, AlarmKind.OTHER_HANDS, AlarmKind.ESCALATED])
def test_without_a_supervisor_everybody_on_duty_is_rung(alarm: AlarmKind) -> None:
    """An alarm for supervisors is no silent one while none is on duty."""
    roster = (MEMBERS[0], MEMBERS[1], replace(MEMBERS[2], on_duty=False))
    known = replace(FACTS, roster=roster)
    step = then(replace(desk(), roster=roster), AlarmRaised(designation="amber heron", alarm=alarm), known)
    assert rung(step) == {ANA, BEN}


@USUAL
@given(aggregate=desks | threads, event=any_event, known=facts)
def test_whoever_is_off_duty_is_never_called(aggregate: Desk | Thread, event: Event, known: Facts) -> None:
    """Whatever happens: who is named is on duty, and what names nobody is a notice."""
    step: Step[Any] = decide(PACK, known, aggregate, event)
    roster = step.aggregate.roster if isinstance(step.aggregate, Desk) else known.roster
    on_duty = {member.user for member in roster if member.on_duty}
    for post in of(SendMessage, step):
        if not post.place.startswith(OFFICE):
            assert set(post.mentions) <= on_duty
            assert post.speaker is Speaker.TEXTER or post.notice is not bool(post.mentions)
