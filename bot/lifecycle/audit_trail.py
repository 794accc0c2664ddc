"""What the audit notes of decisions, and who may look at it.

Rules of this module: what is noted follows from what a decision did, in one place, so that no feature can forget it; a kind
is noted, never a word, a name or a designation; times are by the hour and entries expire (practices.md, conflicts).
"""

from __future__ import annotations

from typing import Final

from bot.commands.parser import answer_ref, fades, says
from bot.model.actions import DESK, Action, Confirm, SignOut, TellAudit
from bot.model.audit_kinds import AuditKind
from bot.model.desk import Desk, Facts, Thread
from bot.model.events import Said
from bot.model.feature import Step
from bot.model.thread import State
from bot.model.thread_desk_events import AlarmRaised
from bot.model.transactional_actions import Audit, End, Park, Tell
from policies.pack import Pack

DONE: Final[dict[type, AuditKind]] = {
    Confirm: AuditKind.TRUST,
    SignOut: AuditKind.SIGN_OUT,
    Park: AuditKind.CLOSE,
    End: AuditKind.END,
}
"""Actions that are noted whenever they are asked for."""
KINDS: Final = {kind.value: kind for kind in AuditKind}
"""An alarm is noted when a kind bears its name."""


def show(pack: Pack, facts: Facts, desk: Desk, event: Said) -> Step[Desk]:
    """`!audit`: what was noted last, for supervisors."""
    if event.place != DESK or says(event, "audit") is None:
        return Step(desk)
    tell = TellAudit(place=DESK, reply_to=event.event_id, ref=answer_ref(event))
    return Step(desk, (tell, fades(facts, event)), consumed=True)


def notes(before: Thread | Desk, after: Thread | Desk, actions: tuple[Action, ...]) -> tuple[Audit, ...]:
    """Return what is to be noted of a decision beside what its features noted themselves."""
    kinds = [kind for action in actions if (kind := _kind(action)) is not None]
    if isinstance(before, Thread) and isinstance(after, Thread) and after.life.state is not State.PARKED:
        old, new = before.voice.holder, after.voice.holder
        if old != new:
            kinds.append(AuditKind.CLAIM if old is None else AuditKind.RELEASE if new is None else AuditKind.TRANSFER)
    told = {action.kind for action in actions if isinstance(action, Audit)}
    return tuple(Audit(kind=kind) for kind in dict.fromkeys(kinds) if kind not in told)


def _kind(action: Action) -> AuditKind | None:
    if isinstance(action, Tell) and isinstance(action.event, AlarmRaised):
        return KINDS.get(action.event.alarm.value)
    return DONE.get(type(action))
