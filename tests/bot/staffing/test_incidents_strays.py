"""What the desk hears of texts that are none to this line, of those that it may never see, and of one alarm many times."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.model.actions import DESK, EditMessage, SendMessage
from bot.model.desk import Desk
from bot.model.line_incidents import GapKind, StrayKind, StrayTextArrived, TextsMissing
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
