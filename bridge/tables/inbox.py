"""Events on their way to an aggregate: sealed rows, smallest sequence first.

Rule of this module: an event is put in by the same commit that makes it a fact, and taken out by the commit that holds
everything that follows from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.model.events import Event
from bridge.storage import serialization
from bridge.storage.database import Connection, Store
from bridge.storage.vault import Sealed, Vault

CONTEXT = "inbox"


@dataclass(frozen=True, slots=True)
class Letter:
    """An event, sealed for its owner: a thread's id, or `desk`."""

    owner: str
    kind: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Buried:
    """What a dead letter is called by, and where in the outbox it stood; empty for one of an inbox."""

    short_id: str
    lane: str = ""
    way: str = ""
    txn: str = ""


async def seal(vault: Vault, owner: str, event: Event) -> Letter:
    """Seal an event for its owner. Done before the commit, so that a commit waits for nothing."""
    return Letter(owner, type(event).__name__, await vault.seal(owner, CONTEXT, serialization.encode(event)))


async def seal_if(vault: Vault, owner: str, event: Event) -> Letter | None:
    """Seal an event for an owner who may have ended meanwhile; None then."""
    try:
        return await seal(vault, owner, event)
    except Sealed:
        return None


async def put(conn: Connection, letter: Letter) -> None:
    """Put a sealed event into the inbox."""
    await conn.execute("INSERT INTO inbox (owner, kind, body) VALUES ($1, $2, $3)", letter.owner, letter.kind, letter.body)


async def named(store: Store, owner: str) -> str:
    """Return the designation that an alert about words of that thread names; empty where there is none."""
    found: str | None = await store.fetchval("SELECT designation FROM thread WHERE id = $1", owner)
    return found or ""


async def bury(conn: Connection, letter: Letter, buried: Buried, *, at: float, told: Sequence[Letter]) -> None:
    """Keep what could not be handled, and tell whom it concerns: the desk knows its short id."""
    await conn.execute(
        """INSERT INTO dead_letter (short_id, owner, kind, body, at, lane, way, txn)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8)""",
        buried.short_id,
        letter.owner,
        letter.kind,
        letter.body,
        int(at),
        buried.lane,
        buried.way,
        buried.txn,
    )
    for each in told:
        await put(conn, each)
