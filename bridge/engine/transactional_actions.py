"""Destroys rows, or gives them an expiry time, in the commit of the decision.

Rules of this module: it runs inside the engine's commit and does only SQL, so a conversation ends exactly when the decision
that ends it is committed. Data outside the database (rooms, keys, carrier) get a row in `erasure`. A thread owns its room
until it is parked; from then on the erasure job owns it, by the bare room id, and no event of that room is handled any
more, except those of `bridge/inbound/late_stop.py`. When the thread ends, the job forgets whose room it was.
"""

from __future__ import annotations

from typing import Final, TypeAlias, TypeGuard

from bot.model.actions import DESK, Action
from bot.model.transactional_actions import (
    EraseTexter,
    ExpireMessage,
    IncrementCounter,
    MarkSeen,
    ParkThread,
    RecordAudit,
    SetLegalHold,
    Suppress,
    TrustClock,
)
from bridge.matrix.rooms.room_state import rooms_of_thread, set_owner
from bridge.services import Services
from bridge.storage.database import Transaction
from bridge.tables import (
    carrier_copies,
    clock_trust,
    dead_letters,
    desk_state,
    early_reactions,
    erasure_jobs,
    inbox,
    outbox,
    room_events,
    sent_texts,
    threads,
    timers,
)
from bridge.tables.audit_log import AuditLog
from bridge.tables.suppression import Suppression

TransactionalAction: TypeAlias = (
    MarkSeen
    | ExpireMessage
    | ParkThread
    | EraseTexter
    | TrustClock
    | SetLegalHold
    | RecordAudit
    | Suppress
    | IncrementCounter
)
TRANSACTIONAL_ACTIONS: Final = (
    MarkSeen,
    ExpireMessage,
    ParkThread,
    EraseTexter,
    TrustClock,
    SetLegalHold,
    RecordAudit,
    Suppress,
    IncrementCounter,
)
RECORD_ONLY: Final = (IncrementCounter, RecordAudit)
"""Those that only count or record: no data end by them, in the database or outside."""


class TransactionalActions:
    """Performs transactional actions."""

    def __init__(self, services: Services, *, audit: AuditLog, suppression: Suppression) -> None:
        self._clock, self._audit, self.suppression = services.clock, audit, suppression

    async def perform(
        self, transaction: Transaction, owner: str, action: TransactionalAction, *, phone: bytes = b""
    ) -> None:
        """Perform one, inside the commit of the decision that made it. `phone`: its slow digest, for `Suppress`."""
        now = self._clock.now()
        match action:
            case MarkSeen():
                if (room_id := await threads.room_of(transaction, owner)) is not None:
                    until = int(now) + action.lifetime
                    await room_events.mark_seen(
                        transaction, room_id, action.event_id, said=action.by_message, expires=until
                    )
            case ExpireMessage():
                await room_events.expire_at_desk(transaction, action.ref, expires=int(now))
            case ParkThread():
                await _park(transaction, owner, grace=action.grace, now=now, canary=action.canary)
            case EraseTexter():
                await _end(transaction, owner, now=now, canary=action.canary)
            case TrustClock():
                await clock_trust.trust(transaction)
            case RecordAudit():
                await self._audit.record(transaction, owner, [action.kind], now=now)
            case Suppress():
                await self.suppression.write(transaction, phone, action, now=now)
            case IncrementCounter():
                await desk_state.increment_tally(
                    transaction, month=action.month, language=action.language, kind=action.kind
                )
            case SetLegalHold():
                await threads.set_legal_hold(transaction, owner, on=action.on)


def is_transactional(action: Action) -> TypeGuard[TransactionalAction]:
    """Whether an action is performed in the decision's own commit, and not by the outbox."""
    return isinstance(action, TRANSACTIONAL_ACTIONS)


def ends_data(action: TransactionalAction) -> bool:
    """Whether data outside the database may end because of an action, once its commit is on the disk."""
    return not isinstance(action, RECORD_ONLY)


async def _park(transaction: Transaction, thread: str, *, grace: float, now: float, canary: bool) -> None:
    # Those too that the homeserver has lost, and one that is being made: the end of the thread leaves none of them.
    room_ids = set(await rooms_of_thread(transaction, thread))
    if (room_id := await threads.room_of(transaction, thread)) is not None:
        room_ids.add(room_id)
    for each in sorted(room_ids):
        await erasure_jobs.begin(
            transaction,
            kind=erasure_jobs.ROOM,
            subject=each,
            thread=thread,
            grace=grace,
            now=now,
            canary=canary,
        )
        await set_owner(transaction, each, "")
        await room_events.release_room(transaction, each)
    await threads.park(transaction, thread)
    await _delete_rows(transaction, thread, now=now)


async def _end(transaction: Transaction, thread: str, *, now: float, canary: bool) -> None:
    await _delete_rows(transaction, thread, now=now)
    await inbox.delete_all(transaction, thread)
    await threads.delete(transaction, thread)
    await erasure_jobs.forget_thread(transaction, thread)
    job_id = await erasure_jobs.begin(
        transaction, kind=erasure_jobs.PERSON, subject=thread, thread="", grace=0.0, now=now, canary=canary
    )
    await carrier_copies.reassign(transaction, thread, job_id)


async def _delete_rows(transaction: Transaction, thread: str, *, now: float) -> None:
    """Delete everything of a thread that ends with the conversation; texts that are still undecided stay."""
    if under_way := await outbox.count_sending_sms(transaction, thread):
        await carrier_copies.count_without_id(transaction, thread, more=under_way)
    await outbox.delete_all(transaction, thread)
    await timers.delete_all(transaction, thread)
    await dead_letters.delete_all(transaction, thread)
    await early_reactions.delete(transaction, thread)
    await sent_texts.delete_all(transaction, thread)
    await inbox.delete_all_but_texts(transaction, thread)
    # Messages in an office stay until they expire, but no longer belong to this thread.
    await room_events.reassign(transaction, thread, DESK)
    await carrier_copies.expedite(transaction, thread, now)
