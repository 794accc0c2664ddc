"""The tables `inbox` and `seen`: events on their way to an aggregate, sealed, and what came from the carrier before.

Rules of this module: an event is put in by the same commit that makes it a fact, and taken out by the commit that holds
everything that follows from it. Events of a thread are decided smallest sequence first, and none of one whose phone was not
looked up. The desk has two orders: what people do there and in their offices, as the homeserver gave it (`OF_PEOPLE`), is
decided before news of threads, timers and incidents, so that no command waits behind a flood; within each of the two the
smallest sequence is first. A message of the carrier is noted as seen by the commit that puts its event in.

What people say at the desk and in offices may be an agreed word, a number or words about a texter. The desk's key stays as
long as the line, and PostgreSQL keeps what was deleted; so it is sealed under a passing key, whose number stands before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bot.model.actions import DESK
from bot.model.events import (
    DevicesReturned,
    Event,
    IdentityChanged,
    IdentityConfirmed,
    MemberJoined,
    MemberLeft,
    MemberNamed,
    MemberReturned,
    MessageIgnored,
    MessageRead,
    MessageRedacted,
    MessageSent,
    PowerLevelsChanged,
    ReactionAdded,
    TextArrived,
)
from bot.model.line_incidents import RoomLost, StaffAdded, StaffRemoved
from bridge.storage import serialization
from bridge.storage.database import Reader, Row, Transaction, earlier
from bridge.storage.serialization import kind_name
from bridge.storage.vault import CannotOpen, Passing, Vault, passing_owner_of
from bridge.tables.threads import StoredThread

CONTEXT = "inbox"
TEXT = kind_name(TextArrived)
SAID: Final = kind_name(MessageSent)
OF_PEOPLE: Final = frozenset(
    kind_name(kind)
    for kind in (
        MessageSent,
        MessageRedacted,
        MessageIgnored,
        MessageRead,
        ReactionAdded,
        MemberJoined,
        MemberLeft,
        MemberNamed,
        MemberReturned,
        PowerLevelsChanged,
        RoomLost,
        IdentityChanged,
        IdentityConfirmed,
        DevicesReturned,
        StaffAdded,
        StaffRemoved,
    )
)
"""What people do, and who may do it: at the desk one order with each other, for a command counts by who its sender is."""


@dataclass(frozen=True, slots=True)
class InboxRow:
    """An event, sealed for its owner: a thread's id, or `desk`."""

    owner: str
    kind: str
    body: bytes


@dataclass(frozen=True, slots=True)
class SequencedRow:
    """An event that stands in the inbox, and its place there."""

    seq: int
    inbox_row: InboxRow


@dataclass(frozen=True, slots=True)
class NextEvent:
    """A thread's oldest event, whether another stands behind it, and the thread, or None when it has ended."""

    row: SequencedRow
    is_followed: bool
    thread: StoredThread | None


@dataclass(frozen=True, slots=True)
class KnownTexter:
    """The thread of a phone that texts, and whether this text came before.

    `number`: the sealed number of the line that was texted last; `screened`: the phone was looked up.
    """

    thread: str
    number: bytes | None
    screened: bool
    is_seen: bool


async def seal(vault: Vault, owner: str, event: Event) -> InboxRow:
    """Seal an event for its owner. Done before the commit, so that a commit waits for nothing.

    But for what is said at the desk or in an office: within the commit, which its key has to outlast.
    """
    kind, plain = kind_name(type(event)), serialization.encode(event)
    if owner != DESK or kind != SAID:
        return InboxRow(owner, kind, await vault.seal(owner, CONTEXT, plain))
    return InboxRow(owner, kind, await vault.seal_passing(Passing.WORDS, CONTEXT, plain))


async def open_body(vault: Vault, row: InboxRow) -> bytes:
    """Return what was sealed as an event. Raises `CannotOpen`."""
    return await vault.open_either(row.owner, CONTEXT, row.body)


async def passing_owners(reader: Reader) -> set[str]:
    """Return the owners of the passing keys under which something stands here."""
    rows = await reader.fetch("SELECT body FROM inbox WHERE owner = $1 AND kind = $2", DESK, SAID)
    return {passing_owner_of(bytes(row["body"])) for row in rows}


async def try_seal(vault: Vault, owner: str, event: Event) -> InboxRow | None:
    """Seal an event for an owner who may have ended meanwhile; None then."""
    try:
        return await seal(vault, owner, event)
    except CannotOpen:
        return None


async def append(transaction: Transaction, row: InboxRow) -> None:
    """Put a sealed event into the inbox."""
    of_people = row.owner == DESK and row.kind in OF_PEOPLE
    query = "INSERT INTO inbox (owner, kind, body, of_people) VALUES ($1, $2, $3, $4)"
    await transaction.execute(query, row.owner, row.kind, row.body, of_people)


async def owners(reader: Reader) -> list[str]:
    """Return everybody for whom an event stands."""
    return [row["owner"] for row in await reader.fetch("SELECT DISTINCT owner FROM inbox")]


async def next_at_desk(reader: Reader, most: int) -> list[SequencedRow]:
    """Return what the desk decides next: the oldest event of people alone, or up to `most` others, the oldest first."""
    query = "SELECT seq, kind, body FROM inbox WHERE owner = $1 AND of_people = $2 ORDER BY seq LIMIT $3"
    rows = await reader.fetch(query, DESK, True, 1) or await reader.fetch(query, DESK, False, most)
    return [_sequenced(DESK, row) for row in rows]


async def next_to_decide(reader: Reader, owner: str) -> NextEvent | None:
    """Return a thread's oldest event; None where there is none, or its phone was not looked up yet."""
    rows = await reader.fetch(
        """SELECT i.seq, i.kind, i.body, t.aggregate, t.legal_hold FROM inbox i LEFT JOIN thread t ON t.id = i.owner
           WHERE i.owner = $1 AND i.of_people = FALSE AND (t.id IS NULL OR t.screened) ORDER BY i.seq LIMIT 2""",
        owner,
    )
    if not rows:
        return None
    first = rows[0]
    thread = None if first["aggregate"] is None else StoredThread(first["aggregate"], bool(first["legal_hold"]))
    return NextEvent(_sequenced(owner, first), len(rows) > 1, thread)


async def oldest(reader: Reader, owner: str) -> SequencedRow | None:
    """Return an owner's oldest event, whatever was looked up."""
    query = "SELECT seq, kind, body FROM inbox WHERE owner = $1 ORDER BY seq LIMIT 1"
    row = await reader.fetchrow(query, owner)
    return None if row is None else _sequenced(owner, row)


async def events_of(reader: Reader, owner: str) -> list[SequencedRow]:
    """Return an owner's events in their order."""
    query = "SELECT seq, kind, body FROM inbox WHERE owner = $1 ORDER BY seq"
    return [_sequenced(owner, row) for row in await reader.fetch(query, owner)]


async def has_text_after(reader: Reader, owner: str, seq: int) -> bool:
    """Whether a text of this texter stands behind that place: nothing is destroyed before it is decided upon."""
    query = "SELECT 1 FROM inbox WHERE owner = $1 AND seq > $2 AND kind = $3 LIMIT 1"
    return await reader.fetchval(query, owner, seq, TEXT) is not None


async def count_texts(reader: Reader, owner: str) -> int:
    """Return how many texts stand for an owner."""
    return int(await reader.fetchval("SELECT COUNT(*) FROM inbox WHERE owner = $1 AND kind = $2", owner, TEXT))


async def set_body(transaction: Transaction, seq: int, body: bytes) -> None:
    """Write another sealed body for an event that keeps its place."""
    await transaction.execute("UPDATE inbox SET body = $2 WHERE seq = $1", seq, body)


async def delete(transaction: Transaction, seq: int) -> None:
    """Take an event out."""
    await transaction.execute("DELETE FROM inbox WHERE seq = $1", seq)


async def take(transaction: Transaction, seq: int) -> bool:
    """Take an event out; return whether it still stood there."""
    return await transaction.fetchval("DELETE FROM inbox WHERE seq = $1 RETURNING seq", seq) is not None


async def delete_all(transaction: Transaction, owner: str) -> None:
    """Take every event of an owner out."""
    await transaction.execute("DELETE FROM inbox WHERE owner = $1", owner)


async def delete_all_but_texts(transaction: Transaction, owner: str) -> None:
    """Take out what concerned a conversation that is over. Texts stay: they begin the next one."""
    await transaction.execute("DELETE FROM inbox WHERE owner = $1 AND kind <> $2", owner, TEXT)


async def is_seen(reader: Reader, digest: bytes) -> bool:
    """Whether a message of the carrier came before: a text by its id, a report by its status and id, as a keyed hash."""
    return await reader.fetchval("SELECT until FROM seen WHERE hash = $1", digest) is not None


async def mark_seen(transaction: Transaction, digest: bytes, *, until: int) -> bool:
    """Note, until that time in seconds since the epoch, that a message of the carrier came; False when it came before."""
    query = "INSERT INTO seen (hash, until) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING until"
    return await transaction.fetchval(query, digest, until) is not None


async def known_texter(reader: Reader, phone_hash: bytes, digest: bytes) -> KnownTexter | None:
    """Return the thread of a phone, by its keyed hash, or None; `digest`: of the text that has come."""
    row = await reader.fetchrow(
        """SELECT id, number, screened, EXISTS (SELECT 1 FROM seen WHERE hash = $2) AS seen FROM thread
           WHERE phone_hash = $1""",
        phone_hash,
        digest,
    )
    if row is None:
        return None
    return KnownTexter(row["id"], row["number"], bool(row["screened"]), bool(row["seen"]))


async def require_unseen(transaction: Transaction, digest: bytes, *, until: int, thread: str) -> None:
    """Note that a text came, as `mark_seen` does, which was not noted when it was looked for, and whose thread stood.

    Nothing waits for an answer: where it was noted since, or the thread has ended, the commit fails, with
    `ConstraintViolation`.
    """
    await transaction.execute(
        # NULL without the thread, which `until` may not be.
        "INSERT INTO seen (hash, until) VALUES ($1, (SELECT CAST($2 AS BIGINT) FROM thread WHERE id = $3))",
        digest,
        until,
        thread,
    )


def _sequenced(owner: str, row: Row) -> SequencedRow:
    return SequencedRow(row["seq"], InboxRow(owner, row["kind"], row["body"]))


async def has_rows(reader: Reader, owner: str) -> bool:
    """Whether an event of an owner is not decided yet."""
    return await reader.fetchval("SELECT 1 FROM inbox WHERE owner = $1 LIMIT 1", owner) is not None


async def oldest_seq(reader: Reader) -> int | None:
    """Return the sequence number of the oldest event, or None when there is none."""
    seq: int | None = await reader.fetchval("SELECT MIN(seq) FROM inbox")
    return seq


async def newest_seq(reader: Reader) -> int | None:
    """Return the sequence number of the newest event, or None when there is none."""
    seq: int | None = await reader.fetchval("SELECT MAX(seq) FROM inbox")
    return seq


async def count(reader: Reader) -> int:
    """Return how many events are not decided yet."""
    return int(await reader.fetchval("SELECT COUNT(*) FROM inbox"))


async def delete_expired(transaction: Transaction, now: int) -> None:
    """Forget the messages of the carrier that are noted until a time which is over."""
    await transaction.execute("DELETE FROM seen WHERE until < $1", now)


async def bring_back(transaction: Transaction, *, until: int, seconds: int) -> None:
    """Let messages of the carrier that are noted for longer than `until` be noted for so many seconds less."""
    query = f"UPDATE seen SET {earlier('until')} WHERE until > $1"  # noqa: S608 - a constant
    await transaction.execute(query, until, seconds)


async def bring_forward(transaction: Transaction, *, seconds: int) -> None:
    """Let messages of the carrier be noted for so many seconds longer."""
    await transaction.execute("UPDATE seen SET until = until + $1", seconds)
