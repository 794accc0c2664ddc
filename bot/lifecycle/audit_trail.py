"""What the audit notes about decisions, and who may read it.

Rules of this module: the entries are derived from the result of a decision, in one place, so that no feature can forget
them. An entry is a kind, never a word, a name or a designation. Its time is given by the hour, and it expires
(practices.md, "Conflicts").
"""

from __future__ import annotations

from typing import Final

from bot.commands.parser import ParsedCommand, answer_ref
from bot.model.actions import DESK, Action, ConfirmIdentity, ShowAudit, SignOut
from bot.model.audit_kinds import AuditKind
from bot.model.desk import Desk, Facts, Thread
from bot.model.events import MessageSent
from bot.model.feature import Step
from bot.model.thread import ThreadState
from bot.model.thread_desk_events import AlarmRaised
from bot.model.transactional_actions import EraseTexter, ParkThread, RecordAudit, SendEvent
from policies.pack import Pack

AUDITED_ACTIONS: Final[dict[type, AuditKind]] = {
    ConfirmIdentity: AuditKind.TRUST,
    SignOut: AuditKind.SIGN_OUT,
    ParkThread: AuditKind.CLOSE,
    EraseTexter: AuditKind.END,
}
"""Actions that are always noted."""
KINDS_BY_VALUE: Final = {kind.value: kind for kind in AuditKind}
"""An alarm is noted when a kind has its name."""


def show_audit(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand) -> Step[Desk]:
    """`!audit`: shows supervisors the latest entries."""
    tell = ShowAudit(place=DESK, reply_to=event.event_id, ref=answer_ref(event))
    return Step(desk, (tell,), consumed=True)


def audit_records(before: Thread | Desk, after: Thread | Desk, actions: tuple[Action, ...]) -> tuple[RecordAudit, ...]:
    """Return the audit entries of a decision, beside those that its features made themselves."""
    kinds = [kind for action in actions if (kind := _kind(action)) is not None]
    if isinstance(before, Thread) and isinstance(after, Thread) and after.lifecycle.state is not ThreadState.PARKED:
        old, new = before.assignment.assignee, after.assignment.assignee
        if old != new:
            kinds.append(AuditKind.CLAIM if old is None else AuditKind.RELEASE if new is None else AuditKind.TRANSFER)
    notice = {action.kind for action in actions if isinstance(action, RecordAudit)}
    return tuple(RecordAudit(kind=kind) for kind in dict.fromkeys(kinds) if kind not in notice)


def _kind(action: Action) -> AuditKind | None:
    if isinstance(action, SendEvent) and isinstance(action.event, AlarmRaised):
        return KINDS_BY_VALUE.get(action.event.alarm.value)
    return AUDITED_ACTIONS.get(type(action))
