"""What a decision destroys, or gives an expiry time, in its own commit.

Rules of this module: it runs inside the engine's commit and does only SQL, so a conversation is over exactly when the
decision that ends it is kept. What lies outside the database (rooms, keys, carrier) gets a row in `erasure`. Who owns which
fact: until a thread is parked it owns its room; then the erasure job does, by the bare room id, and no event of that room
is handled any more; when the thread ends, the erasure forgets even whose room it was.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
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
from bridge.erasure import carrier_copies
from bridge.runtime.clock import Clock
from bridge.storage.database import Database, Transaction
from bridge.tables import clock_trust, room_events
from bridge.tables.audit_log import AuditLog
from bridge.tables.suppression import Suppression, write
from policies.pack import Settings

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

ROOM, PERSON = "room", "person"
"""What is on its way down: a room, or what was kept of a texter."""
FIRST_STEP: Final = {ROOM: "redact", PERSON: "key"}

THREAD_TABLES: Final = ("outbox", "timer", "dead_letter", "early_tap", "sent_text")
"""Tables with rows of a thread that do not outlive its conversation. `inbox` is cleared but for texts."""


class TransactionalActions:
    """Performs these actions. `wake`: something may be due at once."""

    def __init__(
        self, *, clock: Clock, settings: Settings, audit: AuditLog, suppression: Suppression, wake: Callable[[], None]
    ) -> None:
        self._clock, self._settings, self._audit, self.wake = clock, settings, audit, wake
        self.suppression = suppression

    async def perform(self, conn: Transaction, owner: str, action: TransactionalAction, *, phone: bytes = b"") -> None:
        """Do one, inside the commit of the decision that asked for it. `phone`: its slow digest, for `Suppress`."""
        now = self._clock.now()
        match action:
            case MarkSeen():
                room_id = await conn.fetchval("SELECT room_id FROM thread WHERE id = $1", owner)
                if room_id is not None:
                    until = int(now) + self._settings.message_ttl
                    await room_events.mark_seen(conn, room_id, action.event_id, said=action.by_message, expires=until)
            case ExpireMessage():
                await room_events.expire_now(conn, DESK, action.ref, expires=int(now))
            case ParkThread():
                await _park(conn, owner, patience=action.grace, now=now)
            case EraseTexter():
                await _end(conn, owner, now=now)
            case TrustClock():
                await clock_trust.trust(conn)
            case RecordAudit():
                await self._audit.record(conn, owner, [action.kind], now=now)
            case Suppress():
                await write(conn, phone, action, now=now)
            case IncrementCounter():
                await conn.execute(
                    """INSERT INTO tally (month, language, kind, number) VALUES ($1, $2, $3, 1)
                       ON CONFLICT (month, language, kind) DO UPDATE SET number = tally.number + 1""",
                    action.month,
                    action.language,
                    action.kind,
                )
            case SetLegalHold():
                await conn.execute("UPDATE thread SET held = $2 WHERE id = $1", owner, action.on)


def is_transactional(action: Action) -> TypeGuard[TransactionalAction]:
    """Whether an action is done in the decision's own commit, and not by the outbox."""
    return isinstance(action, TRANSACTIONAL_ACTIONS)


async def place_hold(database: Database, thread: str) -> bool:
    """Freeze every deleter of one thread, for what still exists of it. False when there is no such thread."""
    return await _set_hold(database, thread, held=True)


async def release_hold(database: Database, thread: str) -> bool:
    """Let a thread's deletions go on where they stopped."""
    return await _set_hold(database, thread, held=False)


async def _set_hold(database: Database, thread: str, *, held: bool) -> bool:
    async def commit(conn: Transaction) -> bool:
        query = "UPDATE thread SET held = $2 WHERE id = $1 RETURNING id"
        return await conn.fetchval(query, thread, held) is not None

    return await database.commit(commit)


async def _park(conn: Transaction, thread: str, *, patience: float, now: float) -> None:
    room_id = await conn.fetchval("SELECT room_id FROM thread WHERE id = $1", thread)
    if room_id is not None:
        await begin_erasure(conn, kind=ROOM, subject=room_id, thread=thread, patience=patience, now=now)
        await conn.execute("UPDATE matrix_room SET owner = '' WHERE room_id = $1", room_id)
        await conn.execute("UPDATE event SET owner = '', ref = NULL, expires = NULL WHERE room_id = $1", room_id)
    await conn.execute("UPDATE thread SET room_id = NULL, designation = '' WHERE id = $1", thread)
    await _delete_rows(conn, thread, now=now)


async def _end(conn: Transaction, thread: str, *, now: float) -> None:
    await _delete_rows(conn, thread, now=now)
    await conn.execute("DELETE FROM inbox WHERE owner = $1", thread)
    await conn.execute("DELETE FROM thread WHERE id = $1", thread)
    await conn.execute("UPDATE erasure SET thread = '' WHERE thread = $1", thread)
    job_id = await begin_erasure(conn, kind=PERSON, subject=thread, thread="", patience=0.0, now=now)
    for table in ("carrier_copy", "copy_result"):
        await conn.execute(f"UPDATE {table} SET owner = $2 WHERE owner = $1", thread, job_id)  # noqa: S608 - one of two words


async def _delete_rows(conn: Transaction, thread: str, *, now: float) -> None:
    sending = "SELECT COUNT(*) FROM outbox WHERE owner = $1 AND kind = 'SendSms' AND state = 'sending'"
    if under_way := int(await conn.fetchval(sending, thread)):
        await carrier_copies.count_result(conn, thread, carrier_copies.WITHOUT_ID, more=under_way)
    for table in THREAD_TABLES:
        await conn.execute(f"DELETE FROM {table} WHERE owner = $1", thread)  # noqa: S608 - names from above
    await conn.execute("DELETE FROM inbox WHERE owner = $1 AND kind <> 'TextArrived'", thread)
    # What stands in an office stays there for its time, and no longer says of whom it was.
    await conn.execute("UPDATE event SET owner = $2, ref = NULL WHERE owner = $1", thread, DESK)
    await conn.execute("UPDATE carrier_copy SET due = $2 WHERE owner = $1 AND due > $2", thread, now)


async def begin_erasure(conn: Transaction, *, kind: str, subject: str, thread: str, patience: float, now: float) -> str:
    """Put something on its way down; return what the way is called. What is on its way already is left so."""
    job_id = secrets.token_hex(8)
    await conn.execute(
        """INSERT INTO erasure (id, kind, subject, thread, step, due, patience, began)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $6) ON CONFLICT (subject) DO NOTHING""",
        job_id,
        kind,
        subject,
        thread,
        FIRST_STEP[kind],
        now,
        patience,
    )
    return job_id
