"""The audit: what is noted follows from what was decided."""

from __future__ import annotations

from typing import Any

from hypothesis import given

from bot.model.actions import DESK, OFFICE, ShowAudit
from bot.model.audit_kinds import AuditKind
from bot.model.desk import Facts, Thread
from bot.model.events import Event
from bot.model.feature import Step
from bot.model.thread_desk_events import Assigned, AssignmentKind
from bot.model.transactional_actions import EraseTexter, ParkThread, RecordAudit
from tests.bot.examples import at_desk, held, of, said, staffed_desk, then, waiting, words
from tests.bot.hypothesis_settings import USUAL
from tests.bot.strategies import ANA, BEN, STAFF, SUE, WORDS, any_event, facts, threads


def noted(step: Step[Any]) -> list[AuditKind]:
    """Return the kinds that a step notes."""
    return [audit.kind for audit in of(RecordAudit, step)]


def test_who_becomes_the_assignee_is_noted() -> None:
    """A claim, a transfer and a release are three kinds."""
    assert noted(then(waiting(), Assigned(assignee=ANA))) == [AuditKind.CLAIM]
    assert noted(then(held(), Assigned(assignee=BEN, how=AssignmentKind.ACCEPTED))) == [AuditKind.TRANSFER]
    assert noted(then(held(), said("!release"))) == [AuditKind.RELEASE]


def test_parking_and_ending_are_noted() -> None:
    """`!close now` notes both; a closing that can still be taken back notes neither."""
    step = then(held(), said("!close now", sender=SUE))
    assert of(ParkThread, step)
    assert of(EraseTexter, step)
    assert noted(step) == [AuditKind.CLOSE, AuditKind.END]
    assert noted(then(held(), said("!close"))) == []


def test_supervisors_see_the_audit_at_the_desk() -> None:
    """`!audit` asks the bridge for it; nobody else may, and not in an office."""
    step = then(staffed_desk(), at_desk("!audit", sender=SUE))
    assert of(ShowAudit, step) == [ShowAudit(place=DESK, reply_to="$m1", ref="answer:$m1")]
    assert not of(ShowAudit, then(staffed_desk(), at_desk("!audit")))
    office = then(staffed_desk(), said("!audit", sender=SUE, place=OFFICE + SUE))
    assert not of(ShowAudit, office)
    assert "at the desk" in words(office)


@USUAL
@given(thread=threads, event=any_event, known=facts)
def test_no_note_without_a_cause_and_no_content(thread: Thread, event: Event, known: Facts) -> None:
    """A note is a kind and nothing else; none is made twice in one decision; what decides to park or end is noted."""
    step = then(thread, event, known)
    kinds = noted(step)
    assert len(kinds) == len(set(kinds))
    assert (AuditKind.CLOSE in kinds) == bool(of(ParkThread, step))
    assert (AuditKind.END in kinds) == bool(of(EraseTexter, step))
    for audit in of(RecordAudit, step):
        assert not [words for words in (*WORDS, *STAFF) if words in repr(audit)]
