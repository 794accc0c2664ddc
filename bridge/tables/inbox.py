"""Events on their way to an aggregate: sealed rows, smallest sequence first.

Rule of this module: an event is put in by the same commit that makes it a fact, and taken out by the commit that holds
everything that follows from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.model.events import Event
from bridge.storage import serialization
from bridge.storage.database import Database, Transaction
from bridge.storage.vault import CannotOpen, Vault

CONTEXT = "inbox"


@dataclass(frozen=True, slots=True)
class InboxRow:
    """An event, sealed for its owner: a thread's id, or `desk`."""

    owner: str
    kind: str
    body: bytes


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What a dead letter is called by, and where in the outbox it stood; empty for one of an inbox."""

    short_id: str
    lane: str = ""
    transport: str = ""
    txn: str = ""


async def seal(vault: Vault, owner: str, event: Event) -> InboxRow:
    """Seal an event for its owner. Done before the commit, so that a commit waits for nothing."""
    return InboxRow(owner, type(event).__name__, await vault.seal(owner, CONTEXT, serialization.encode(event)))


async def try_seal(vault: Vault, owner: str, event: Event) -> InboxRow | None:
    """Seal an event for an owner who may have ended meanwhile; None then."""
    try:
        return await seal(vault, owner, event)
    except CannotOpen:
        return None


async def append(conn: Transaction, row: InboxRow) -> None:
    """Put a sealed event into the inbox."""
    await conn.execute("INSERT INTO inbox (owner, kind, body) VALUES ($1, $2, $3)", row.owner, row.kind, row.body)


async def designation_of(database: Database, owner: str) -> str:
    """Return the designation that an alert about words of that thread names; empty where there is none."""
    found: str | None = await database.fetchval("SELECT designation FROM thread WHERE id = $1", owner)
    return found or ""


async def record_dead_letter(
    conn: Transaction, row: InboxRow, dead_letter: DeadLetter, *, at: float, notices: Sequence[InboxRow]
) -> None:
    """Keep what could not be handled, and tell whom it concerns: the desk knows its short id."""
    await conn.execute(
        """INSERT INTO dead_letter (short_id, owner, kind, body, at, lane, way, txn)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8)""",
        dead_letter.short_id,
        row.owner,
        row.kind,
        row.body,
        int(at),
        dead_letter.lane,
        dead_letter.transport,
        dead_letter.txn,
    )
    for notice in notices:
        await append(conn, notice)
