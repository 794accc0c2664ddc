"""The table `dead_letter`: events and actions that could not be handled, sealed, by the short id that a person can quote.

Rules of this module: the commit that removes a row from inbox or outbox records its dead letter and gives the desk its
short id. A dead letter whose body may hold an agreed word is recorded without the body. A thread's dead letters are deleted
with the thread, the desk's after a while. `lane`, `transport` and `txn` say where in the outbox the row was; they are empty
for an event.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from bot.model.actions import DESK, SendMessage
from bot.model.events import MemberLeft, MessageSent, TextArrived, TimerDue
from bot.model.line_incidents import (
    CanaryFailed,
    DeadLetterRecorded,
    HomeserverIncident,
    LineChecked,
    PageFailed,
    SyncStalled,
    TextsMissing,
)
from bot.model.thread_desk_events import (
    AlarmRaised,
    Assigned,
    ClaimRequested,
    MemberRemoved,
    ThreadMarked,
    ThreadQueued,
)
from bridge.runtime import log
from bridge.storage.database import Database, Reader, Transaction
from bridge.storage.serialization import decode_as, is_known, kind_name
from bridge.storage.vault import CannotOpen, Vault, passing_owner_of
from bridge.tables import inbox, threads
from bridge.tables.inbox import InboxRow

WITHOUT_KEY: Final = "EventWithoutKey"
"""The kind of an event of a thread whose key is not in `keys.db`, for instance after an older one was restored. No body."""
UNHANDLED: Final = "UnhandledEvent"
"""The kind of a part of a sync response on which the program failed: its JSON as it came, sealed; none if decrypted."""
MAX_UNHANDLED: Final = 100
"""The most dead letters of each of these two kinds that are kept for one owner: a member of a room can cause any number."""
SERIES_SECONDS: Final = 86_400
"""Seconds without a dead letter after which a series of them is over: the desk is told once of each series."""
RETENTION: Final = 7 * 86_400
"""Seconds for which a dead letter of the desk is kept; it may hold words from an office. A thread's are deleted with it."""
TEXT, MESSAGE, NOTICE = kind_name(TextArrived), kind_name(SendMessage), kind_name(DeadLetterRecorded)
QUEUED: Final = kind_name(ThreadQueued)
CALLING: Final = tuple(
    kind_name(kind)
    for kind in (
        *(AlarmRaised, ThreadMarked, TimerDue, Assigned, ClaimRequested, MemberLeft, MemberRemoved, MessageSent),
        *(CanaryFailed, HomeserverIncident, LineChecked, PageFailed, SyncStalled, TextsMissing),
    )
)
"""Events by which people are called, a thread gets or loses its assignee, or words leave: without one, a texter may wait
unnoticed."""


@dataclass(frozen=True, slots=True)
class Concern:
    """Whom a dead letter concerns, as in `DeadLetterRecorded`. None of it is content."""

    designation: str = ""
    new_texter: bool = False
    uncalled: bool = False
    untold: bool = False


NO_CONVERSATION: Final = Concern()


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A row that could not be handled, its short id, and its place in the outbox."""

    short_id: str
    row: InboxRow
    lane: str = ""
    transport: str = ""
    txn: str = ""

    @property
    def is_text(self) -> bool:
        """Whether it is a text that could not be taken in."""
        return self.transport == "" and self.row.kind == TEXT

    @property
    def is_queued_thread(self) -> bool:
        """Whether it is a thread that waits, of which the desk does not know."""
        return self.transport == "" and self.row.kind == QUEUED

    @property
    def is_message(self) -> bool:
        """Whether it is a message that could not be shown in a room."""
        return self.transport == "matrix" and self.row.kind == MESSAGE

    @property
    def is_notice(self) -> bool:
        """Whether it is itself the notice of a dead letter to the desk."""
        return self.transport == "" and self.row.kind == NOTICE


def new_short_id() -> str:
    """Return a short id: eight hexadecimal digits."""
    return secrets.token_hex(4)


async def concern_of(reader: Reader, vault: Vault, row: InboxRow) -> Concern:
    """Return whom an event concerns that could not be decided: who waits without that people see it."""
    if row.kind == TEXT:
        return Concern(designation=await threads.designation_of(reader, row.owner))
    if row.kind == QUEUED:
        try:
            return Concern(designation=(await open_queued(vault, row)).designation)
        except (CannotOpen, ValueError):
            return Concern(new_texter=True)
    # Nobody knows what a kind of a newer version would have done.
    if row.kind not in CALLING and is_known(row.kind):
        return NO_CONVERSATION
    # An event of the desk does not always name its thread; whoever looks sees who waits.
    named = await threads.designation_of(reader, row.owner) if row.owner != DESK else await _designation_in(vault, row)
    return Concern(designation=named, uncalled=True)


async def open_queued(vault: Vault, row: InboxRow) -> ThreadQueued:
    """Open the event of a thread that waits. Raises `CannotOpen` and `ValueError`."""
    return decode_as(ThreadQueued, await inbox.open_body(vault, row))


async def _designation_in(vault: Vault, row: InboxRow) -> str:
    try:
        is_alarm = row.kind == kind_name(AlarmRaised)
        return decode_as(AlarmRaised, await inbox.open_body(vault, row)).designation if is_alarm else ""
    except (CannotOpen, ValueError):
        return ""


async def seal_notice(
    vault: Vault, short_id: str, concern: Concern = NO_CONVERSATION, *, keyless: bool = False
) -> InboxRow:
    """Seal the desk's notice of a dead letter."""
    recorded = DeadLetterRecorded(
        short_id=short_id,
        designation=concern.designation,
        new_texter=concern.new_texter,
        uncalled=concern.uncalled,
        untold=concern.untold,
        keyless=keyless,
    )
    return await inbox.seal(vault, DESK, recorded)


async def record(transaction: Transaction, letter: DeadLetter, *, at: float, notices: Sequence[InboxRow]) -> None:
    """Record a row that could not be handled, and tell those concerned."""
    await transaction.execute(
        """INSERT INTO dead_letter (short_id, owner, kind, body, at, lane, transport, txn)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8)""",
        letter.short_id,
        letter.row.owner,
        letter.row.kind,
        letter.row.body,
        int(at),
        letter.lane,
        letter.transport,
        letter.txn,
    )
    for notice in notices:
        await inbox.append(transaction, notice)


async def move_row(
    database: Database,
    vault: Vault,
    letter: DeadLetter,
    *,
    remove: Callable[[Transaction], Awaitable[bool]],
    at: float,
    concern: Concern = NO_CONVERSATION,
    others: Sequence[InboxRow] = (),
    seal: Callable[[], Awaitable[InboxRow]] | None = None,
) -> list[str]:
    """Move a row from inbox or outbox to the dead letters, in a commit of its own; return the owners with a new event.

    `remove` deletes the row within the commit, and returns whether a dead letter is recorded: not if the row was deleted
    meanwhile. The desk is told of the `concern`; `others`: events for other owners. `seal`: makes the stored body,
    within the commit, because it may be under a passing key.
    """
    notices = [*others]
    # When the desk's notice itself fails, another notice would only make the next dead letter, without end.
    if not letter.is_notice:
        notices.insert(0, await seal_notice(vault, letter.short_id, concern))

    async def commit(transaction: Transaction) -> bool:
        if not await remove(transaction):
            return False
        sealed_letter = letter if seal is None else replace(letter, row=await seal())
        await record(transaction, sealed_letter, at=at, notices=notices)
        return True

    return [notice.owner for notice in notices] if await database.commit(commit) else []


async def move_event(
    database: Database,
    vault: Vault,
    seq: int,
    letter: DeadLetter,
    *,
    at: float,
    concern: Concern = NO_CONVERSATION,
    seal: Callable[[], Awaitable[InboxRow]] | None = None,
) -> None:
    """Move an event from the inbox to the dead letters, as `move_row` does: one that is not there was decided."""
    remove = partial(inbox.take, seq=seq)
    await move_row(database, vault, letter, remove=remove, at=at, concern=concern, seal=seal)


async def record_unhandled(
    transaction: Transaction, vault: Vault, owner: str, kind: str, *, now: float, raw: str = ""
) -> bool:
    """Record what the homeserver sent and the bridge could not handle; return whether the desk has a new event.

    `kind`: `WITHOUT_KEY` or `UNHANDLED`; `raw`: its JSON, sealed here for its owner.
    """
    row = await transaction.fetchrow(
        "SELECT COUNT(*) AS standing, MAX(at) AS newest FROM dead_letter WHERE owner = $1 AND kind = $2", owner, kind
    )
    standing, newest = (0, None) if row is None else (int(row["standing"]), row["newest"])
    if standing >= MAX_UNHANDLED:
        log.event("dead_letters.not_kept", kind=kind)
        return False
    short_id = new_short_id()
    log.event("dead_letters.unhandled", kind=kind, short_id=short_id)
    notices = []
    if newest is None or not 0 <= now - newest < SERIES_SECONDS:
        keyless = kind == WITHOUT_KEY
        named = await threads.designation_of(transaction, owner) if keyless else ""
        notices.append(await seal_notice(vault, short_id, Concern(designation=named), keyless=keyless))
    body = await vault.seal(owner, inbox.CONTEXT, raw.encode()) if raw else b""
    await record(transaction, DeadLetter(short_id, InboxRow(owner, kind, body)), at=now, notices=notices)
    return bool(notices)


async def get(reader: Reader, short_id: str) -> DeadLetter | None:
    """Return the dead letter of that id, or None."""
    row = await reader.fetchrow(
        "SELECT owner, kind, body, lane, transport, txn FROM dead_letter WHERE short_id = $1", short_id
    )
    if row is None:
        return None
    return DeadLetter(short_id, InboxRow(row["owner"], row["kind"], row["body"]), row["lane"], row["transport"], row["txn"])


async def retryable(reader: Reader, owner: str, *, since: float) -> list[DeadLetter]:
    """Return an owner's texts that could not be accepted, and messages that could not be shown, recorded since then."""
    rows = await reader.fetch(
        """SELECT short_id, kind, body, lane, transport, txn FROM dead_letter WHERE owner = $1 AND at >= $2
           AND (kind = $3 AND transport = '' OR kind = $4 AND transport = 'matrix')""",
        owner,
        since,
        TEXT,
        MESSAGE,
    )
    return [
        DeadLetter(r["short_id"], InboxRow(owner, r["kind"], r["body"]), r["lane"], r["transport"], r["txn"]) for r in rows
    ]


async def passing_owners(reader: Reader) -> set[str]:
    """Return the owners of the passing keys that are in use here."""
    rows = await reader.fetch("SELECT body FROM dead_letter WHERE owner = $1 AND kind = $2", DESK, inbox.SAID)
    return {passing_owner_of(bytes(row["body"])) for row in rows}


async def take(transaction: Transaction, short_id: str) -> bool:
    """Delete a dead letter that is tried again; False when it no longer exists."""
    query = "DELETE FROM dead_letter WHERE short_id = $1 RETURNING short_id"
    return await transaction.fetchval(query, short_id) is not None


async def expire(transaction: Transaction, *, before: float) -> None:
    """Delete the desk's that were recorded before that time. A thread's are kept until its conversation ends."""
    await transaction.execute("DELETE FROM dead_letter WHERE owner = $1 AND at < $2", DESK, before)


async def delete_all(transaction: Transaction, owner: str) -> None:
    """Delete every dead letter of an owner."""
    await transaction.execute("DELETE FROM dead_letter WHERE owner = $1", owner)


async def count(reader: Reader) -> int:
    """Return how many are kept."""
    return int(await reader.fetchval("SELECT COUNT(*) FROM dead_letter"))
