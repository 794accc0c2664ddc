"""The tables `inbox` and `seen`: sealed events on their way to an aggregate, and known messages of the carrier.

Rules of this module: an event is inserted by the commit that makes it a fact, and deleted by the commit that holds all its
effects. Events of a thread are decided in order of sequence; a thread whose phone was not looked up has to wait. The desk
has two orders: people's events there and in their offices, in the homeserver's order (`OF_PEOPLE`), are decided before news
of threads, timers and incidents, so that no command waits behind a flood; within each of the two, in order of sequence. A
message of the carrier is noted as seen by the commit that inserts its event.

Messages at the desk and in offices may hold an agreed word, a number or words about a texter. The desk's key stays as long
as the line, and PostgreSQL keeps deleted rows; so these messages are sealed under a passing key, whose number is their
prefix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bot.model.actions import DESK
from bot.model.events import (
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
from bot.model.thread_desk_events import PhoneMuted, PhoneStopped
from bridge.storage import serialization
from bridge.storage.database import Reader, Row, Transaction
from bridge.storage.serialization import kind_name
from bridge.storage.vault import CannotOpen, Passing, Vault, passing_owner_of
from bridge.tables.threads import StoredThread, is_on_hold

CONTEXT = "inbox"
TEXT = kind_name(TextArrived)
SAID: Final = kind_name(MessageSent)
OF_ROOM: Final = (SAID, *(kind_name(kind) for kind in (MessageIgnored, ReactionAdded, PhoneMuted, PhoneStopped)))
"""What may hold a person's command: a conversation does not end by itself before it is decided."""
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
        StaffAdded,
        StaffRemoved,
    )
)
"""Acts of people, and changes of their roles: one order at the desk, because a command depends on its sender's role."""


@dataclass(frozen=True, slots=True)
class InboxRow:
    """An event, sealed for its owner: a thread's id, or `desk`."""

    owner: str
    kind: str
    body: bytes


@dataclass(frozen=True, slots=True)
class SequencedRow:
    """An event in the inbox, and its place there."""

    seq: int
    inbox_row: InboxRow


@dataclass(frozen=True, slots=True)
class NextEvent:
    """A thread's oldest event, whether another one follows, and the thread, or None when it has ended."""

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
    """Seal an event for its owner. Call it before the commit, so that the commit waits for nothing.

    Messages at the desk or in an office are sealed within the commit, because their key must exist until its end.
    """
    kind, plain = kind_name(type(event)), serialization.encode(event)
    if owner != DESK or kind != SAID:
        return InboxRow(owner, kind, await vault.seal(owner, CONTEXT, plain))
    return InboxRow(owner, kind, await vault.seal_passing(Passing.WORDS, CONTEXT, plain))


async def open_body(vault: Vault, row: InboxRow) -> bytes:
    """Open a sealed event. Raises `CannotOpen`."""
    return await vault.open_either(row.owner, CONTEXT, row.body)


async def passing_owners(reader: Reader) -> set[str]:
    """Return the owners of the passing keys that are in use here."""
    rows = await reader.fetch("SELECT body FROM inbox WHERE owner = $1 AND kind = $2", DESK, SAID)
    return {passing_owner_of(bytes(row["body"])) for row in rows}


async def try_seal(vault: Vault, owner: str, event: Event) -> InboxRow | None:
    """Seal an event for an owner; None if it has ended meanwhile."""
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
    """Return all owners with an event."""
    return [row["owner"] for row in await reader.fetch("SELECT DISTINCT owner FROM inbox")]


async def next_at_desk(reader: Reader, most: int) -> list[SequencedRow]:
    """Return the desk's next events to decide: the oldest of people's alone, or up to `most` others, the oldest first."""
    query = "SELECT seq, kind, body FROM inbox WHERE owner = $1 AND of_people = $2 ORDER BY seq LIMIT $3"
    rows = await reader.fetch(query, DESK, True, 1) or await reader.fetch(query, DESK, False, most)
    return [_sequenced_row(DESK, row) for row in rows]


async def next_to_decide(reader: Reader, owner: str) -> NextEvent | None:
    """Return a thread's oldest event; None where there is none, or its phone was not looked up yet."""
    rows = await reader.fetch(
        f"""SELECT i.seq, i.kind, i.body, d.aggregate, {is_on_hold("d.id")} AS on_hold
           FROM inbox i LEFT JOIN thread d ON d.id = i.owner
           WHERE i.owner = $1 AND (d.id IS NULL OR d.screened) ORDER BY i.of_people, i.seq LIMIT 2""",  # noqa: S608 - ours
        owner,
    )
    if not rows:
        return None
    first = rows[0]
    thread = None if first["aggregate"] is None else StoredThread(first["aggregate"], bool(first["on_hold"]))
    return NextEvent(_sequenced_row(owner, first), len(rows) > 1, thread)


async def oldest(reader: Reader, owner: str) -> SequencedRow | None:
    """Return an owner's oldest event, whatever was looked up."""
    query = "SELECT seq, kind, body FROM inbox WHERE owner = $1 ORDER BY seq LIMIT 1"
    row = await reader.fetchrow(query, owner)
    return None if row is None else _sequenced_row(owner, row)


async def events_of(reader: Reader, owner: str) -> list[SequencedRow]:
    """Return an owner's events in their order."""
    query = "SELECT seq, kind, body FROM inbox WHERE owner = $1 ORDER BY seq"
    return [_sequenced_row(owner, row) for row in await reader.fetch(query, owner)]


async def has_text_after(reader: Reader, owner: str, seq: int, *, or_said: bool) -> bool:
    """Whether a text of this texter follows that place: nothing is destroyed before it is decided.

    `or_said`: or what a person said in the room, which may be a command that stops the phone.
    """
    kinds = (TEXT, *OF_ROOM) if or_said else (TEXT,)
    named = ", ".join(f"${place}" for place in range(3, 3 + len(kinds)))
    query = f"SELECT 1 FROM inbox WHERE owner = $1 AND seq > $2 AND kind IN ({named}) LIMIT 1"  # noqa: S608 - places
    return await reader.fetchval(query, owner, seq, *kinds) is not None


async def set_body(transaction: Transaction, seq: int, body: bytes) -> None:
    """Write another sealed body for an event that keeps its place."""
    await transaction.execute("UPDATE inbox SET body = $2 WHERE seq = $1", seq, body)


async def delete(transaction: Transaction, seq: int) -> None:
    """Take an event out."""
    await transaction.execute("DELETE FROM inbox WHERE seq = $1", seq)


async def take(transaction: Transaction, seq: int) -> bool:
    """Delete an event; return whether it was still there."""
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
    """Note a text, as `mark_seen` does, that was not noted, and whose thread existed, at an earlier look.

    Nothing waits for an answer: if it was noted since, or the thread has ended, the commit fails with
    `ConstraintViolation`.
    """
    await transaction.execute(
        # NULL without the thread, which `until` may not be.
        "INSERT INTO seen (hash, until) VALUES ($1, (SELECT CAST($2 AS BIGINT) FROM thread WHERE id = $3))",
        digest,
        until,
        thread,
    )


def _sequenced_row(owner: str, row: Row) -> SequencedRow:
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
    """Delete the notes of carrier messages whose time is over."""
    await transaction.execute("DELETE FROM seen WHERE until < $1", now)
