"""What the desk hears of texts that are none to this line, of those that it may never see, and of one alarm many times."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.model.actions import DESK, EditMessage, PageOnCall, SendMessage
from bot.model.desk import Desk
from bot.model.events import Event
from bot.model.line_incidents import (
    CanaryFailed,
    CanaryStep,
    GapKind,
    HomeserverIncident,
    HomeserverIncidentKind,
    KeysMissing,
    StrayKind,
    StrayTextArrived,
    SyncStalled,
    TextsMissing,
)
from bot.model.thread_desk_events import AlarmKind, AlarmRaised
from tests.bot.examples import at, of, then
from tests.bot.strategies import MEMBERS, SUE
from tests.every_row import every_row


@pytest.mark.parametrize("kind", list(StrayKind))
def test_a_stray_is_told_without_content(kind: StrayKind) -> None:
    """One loud message at the desk for each kind, in words of ours alone; it says what became of it."""
    step = then(Desk(roster=MEMBERS), StrayTextArrived(kind=kind))
    (post,) = [post for post in of(SendMessage, step) if post.ref != "board"]
    assert (post.place, post.notice, post.mentions) == (DESK, False, (SUE,))
    assert ("shown like all others" if kind is StrayKind.OTHER_NUMBER else "not kept") in post.body
    assert "+" not in post.body


@every_row("kind", list(GapKind))
def test_what_may_be_missing_is_told_with_what_to_do(kind: GapKind) -> None:
    """One loud message at the desk for each reason, without content: where texts can be found, and who should know."""
    step = then(Desk(roster=MEMBERS), TextsMissing(kind=kind, minutes=150))
    (post,) = [post for post in of(SendMessage, step) if post.ref != "board"]
    assert (post.place, post.notice, post.mentions) == (DESK, False, (SUE,))
    assert "portal" in post.body
    assert "technician" in post.body
    assert ("this machine's clock" in post.body) is (kind is GapKind.REFUSED)
    assert ("away for about 2 h" in post.body) is (kind is GapKind.AWAY)
    assert ("legal hold" in post.body) is (kind is GapKind.PROMOTED)


@every_row("kind", list(GapKind))
def test_texts_that_may_be_missing_call_outside_while_nobody_is_on_duty(kind: GapKind) -> None:
    """Whoever texts would wait for nobody. Several reasons within minutes are one call; missing reports are none."""
    nobody = Desk(roster=tuple(replace(member, on_duty=False) for member in MEMBERS))
    first = then(nobody, TextsMissing(kind=kind, minutes=5))
    assert len(of(PageOnCall, first)) == (kind is not GapKind.REPORTS)
    assert not of(PageOnCall, then(first.aggregate, TextsMissing(kind=GapKind.REPORTS), at(60)))
    other = GapKind.AWAY if kind is not GapKind.AWAY else GapKind.UNLISTED
    assert len(of(PageOnCall, then(first.aggregate, TextsMissing(kind=other), at(60)))) == (kind is GapKind.REPORTS)
    assert len(of(PageOnCall, then(first.aggregate, TextsMissing(kind=other), at(3600)))) == 1
    assert not of(PageOnCall, then(Desk(roster=MEMBERS), TextsMissing(kind=kind, minutes=5)))


def test_a_carrier_that_cannot_be_asked_for_an_hour_is_a_call_in_any_case() -> None:
    """People on duty were told an hour ago and it lasts: the person on call is called, and again each hour."""
    unlisted = TextsMissing(kind=GapKind.UNLISTED, minutes=65)
    step = then(Desk(roster=MEMBERS), unlisted)
    assert len(of(PageOnCall, step)) == 1
    assert not of(PageOnCall, then(step.aggregate, unlisted, at(60)))
    assert len(of(PageOnCall, then(step.aggregate, unlisted, at(3600)))) == 1


@every_row("alarm", list(AlarmKind))
def test_the_same_alarm_again_is_an_edit(alarm: AlarmKind) -> None:
    """Each kind of a thread is a new message; the same one within minutes edits it. Duress and a person's call never do."""
    raised = AlarmRaised(designation="amber heron", alarm=alarm)
    step = then(Desk(roster=MEMBERS), raised)
    again = then(step.aggregate, raised, at(30))
    new = [post for post in of(SendMessage, again) if post.ref != "board"]
    edits = [edit for edit in of(EditMessage, again) if edit.ref != "board"]
    if alarm in (AlarmKind.DURESS, AlarmKind.ESCALATED, AlarmKind.BREAK_GLASS):
        assert (len(new), edits) == (1, [])
        return
    (edit,) = edits
    assert (new, edit.body.endswith("(2 times)")) == ([], True)
    assert edit.ref in [post.ref for post in of(SendMessage, step)]
    for later, event in (
        (300, raised),
        (30, replace(raised, designation="quiet maple")),
        (30, replace(raised, alarm=AlarmKind.DURESS)),
    ):
        assert [p for p in of(SendMessage, then(again.aggregate, event, at(later))) if p.ref != "board"], "a new message"


@every_row(
    ("event", "called"),
    [
        (HomeserverIncident(kind=HomeserverIncidentKind.DEVICE_GONE), True),
        (HomeserverIncident(kind=HomeserverIncidentKind.ROOMS_LOST), False),
        (HomeserverIncident(kind=HomeserverIncidentKind.GAP), False),
        (HomeserverIncident(kind=HomeserverIncidentKind.MODULE), False),
        (HomeserverIncident(kind=HomeserverIncidentKind.OLD_ROOMS), False),
        (HomeserverIncident(kind=HomeserverIncidentKind.ROOM_CHANGED, designation="amber heron"), False),
        (HomeserverIncident(kind=HomeserverIncidentKind.SUSPENDED), True),
        (SyncStalled(minutes=3), True),
        (KeysMissing(conversations=1), True),
        (CanaryFailed(step=CanaryStep.SILENT), True),
    ],
)
def test_what_the_desk_may_not_hear_is_a_call_besides(event: Event, called: bool) -> None:
    """The person on call hears of what may keep words from the desk, or takes facts back; of nothing else."""
    assert len(of(PageOnCall, then(Desk(roster=MEMBERS), event))) == called
