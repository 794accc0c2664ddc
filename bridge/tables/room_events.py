"""The table `event`: the deletion index, with a row for every event of our rooms.

Rules of this module: an unseen event has no time of expiry. A thread's events get one when its assignee has seen them,
those of desk and offices when they are noted. Messages that people still need are excepted by their refs: a thread's card,
the live board, the card of a waiting thread, each with its newest edit. All functions run inside the caller's commit. Times
are seconds.

Why an event is "seen up to" another one only if it was noted before it *and* is older: the order of notes is not quite the
order in the room, and a machine's clock may have been set; only both together never mark unseen words as seen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from bot.model.actions import DESK, THREAD
from bridge.storage.database import Reader, Row, Transaction

CARD_PREFIX: Final = "card:"
EDIT_PREFIX: Final = "edit:"
PERMANENT_REFS: Final = ("card", "board")
TEXT_REFS: Final = "in:%:0"
"""The refs of the messages that show texts; of one in several parts the first."""
UNREAD_MARGIN_MS: Final = 2000
"""Words that came so shortly before a person wrote do not count as seen by that person."""
NOT_ON_HOLD: Final = """NOT EXISTS (
    SELECT 1 FROM thread t WHERE t.legal_hold AND (
        t.room_id = e.room_id OR t.id = e.owner OR t.id IN (SELECT x.thread FROM erasure x WHERE x.subject = e.room_id)))"""
"""SQL: the thread of an event `e` is not on legal hold: the one whose room it is or was, or that it is about."""
NOT_THREAD_CARD: Final = "(ref IS NULL OR ref NOT IN ('card', 'edit:card'))"


_INSERT: Final = """INSERT INTO event (event_id, room_id, owner, ref, about, at, expires, state)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE EXISTS (SELECT 1 FROM matrix_room WHERE room_id = $2)
    ON CONFLICT (event_id)"""

# `at` is NULL, which it may not be, where it is to be asked how things stand.
_INSERT_TEXT: Final = """INSERT INTO event (event_id, room_id, owner, ref, at)
    SELECT $1, $2, $3, $4, CASE
        WHEN EXISTS (SELECT 1 FROM thread WHERE id = $3 AND room_id = $2)
            AND NOT EXISTS (SELECT 1 FROM early_reaction WHERE target = $1 AND owner = $3)
        THEN CAST($5 AS BIGINT) END
    WHERE EXISTS (SELECT 1 FROM matrix_room WHERE room_id = $2)
    ON CONFLICT (event_id) DO UPDATE SET ref = excluded.ref WHERE event.owner = excluded.owner"""


class RoomStanding(NamedTuple):
    """State of an event sent to a room: whether the thread still has that room, and whether a reaction came early.

    `has_namesake`: another event of that owner has the same ref. `has_thread`: the thread that sent it has not ended.
    """

    owns_room: bool
    has_early_reaction: bool
    has_namesake: bool
    has_thread: bool

    def owner_of_event(self, sender: str, place: str) -> str:
        """Return the owner to note, which is the sender, a thread or the desk, unless the conversation has ended.

        Then the event belongs to a room that is being erased, or to the desk, as after `reassign`.
        """
        if place == THREAD:
            return sender if self.owns_room else ""
        return sender if self.has_thread else DESK


class IndexedEvent(NamedTuple):
    """A row of the index. `n` never repeats; `is_state`: it is counted and not redacted."""

    n: int
    event_id: str
    room_id: str
    is_state: bool


@dataclass(frozen=True, slots=True)
class KnownEvent:
    """An event on the index: our own name for it, empty for one that is not ours, and the event that it is on, or empty."""

    ref: str
    about: str


def is_permanent(ref: str) -> bool:
    """Whether a message of ours stays until another one replaces or settles it."""
    plain = ref.removeprefix(EDIT_PREFIX)
    return plain in PERMANENT_REFS or plain.startswith(CARD_PREFIX)


async def record(
    transaction: Transaction,
    *,
    event_id: str,
    room_id: str,
    owner: str,
    place: str,
    at: int,
    now: float,
    lifetime: int,
    about: str = "",
    state: bool = False,
    until: int | None = None,
) -> bool:
    """Note an event (`at` in milliseconds) that has no ref of ours; return whether it is a new one.

    An erased room gets no events any more. `until`: when it expires, if not by the rule of its place.
    """
    expires = until if until is not None or place == THREAD else int(now) + lifetime
    query = f"{_INSERT} DO NOTHING RETURNING n"
    values = (event_id, room_id, owner, None, about or None, at, expires, state)
    return await transaction.fetchval(query, *values) is not None


async def record_ours(
    transaction: Transaction,
    *,
    event_id: str,
    room_id: str,
    owner: str,
    place: str,
    at: int,
    now: float,
    lifetime: int,
    ref: str,
    about: str = "",
    until: int | None = None,
    has_namesake: bool = True,
) -> None:
    """Note an event that we sent, by its ref, which may be empty; also if the sync brought it before.

    `has_namesake`: whether another event has that ref, or may have it.
    """
    if ref and has_namesake:
        await transaction.execute(
            "UPDATE event SET ref = NULL, expires = COALESCE(expires, $3) WHERE owner = $1 AND ref = $2 AND event_id <> $4",
            owner,
            ref,
            int(now) + lifetime,
            event_id,
        )
    expires = until
    if until is None and place != THREAD and not await _is_current(transaction, ref):
        expires = int(now) + lifetime
    query = f"{_INSERT} DO UPDATE SET ref = excluded.ref WHERE event.owner = excluded.owner AND excluded.ref IS NOT NULL"
    values = (event_id, room_id, owner, ref or None, about or None, at, expires, False)
    await transaction.execute(query, *values)


async def record_text(transaction: Transaction, *, event_id: str, room_id: str, owner: str, at: int, ref: str) -> None:
    """Note the event of a texter's words in their thread's room, as `record_ours` does, in the usual case only.

    Nothing waits for an answer: if the thread has another room or none, if a reaction came before, or if another event has
    that ref, the commit fails with `ConstraintViolation`, and the caller has to use `standing_of`.
    """
    await transaction.execute(_INSERT_TEXT, event_id, room_id, owner, ref, at)


async def standing_of(reader: Reader, owner: str, room_id: str, event_id: str, ref: str) -> RoomStanding:
    """Return the state of an event of ours that was sent to a room and gets that ref."""
    row = await reader.fetchrow(
        """SELECT EXISTS (SELECT 1 FROM thread WHERE room_id = $1 AND id = $2) AS owns,
                  EXISTS (SELECT 1 FROM early_reaction WHERE target = $3 AND owner = $2) AS early,
                  EXISTS (SELECT 1 FROM event WHERE owner = $2 AND ref = $4 AND event_id <> $3) AS named,
                  EXISTS (SELECT 1 FROM thread WHERE id = $2) AS thread""",
        room_id,
        owner,
        event_id,
        ref,
    )
    return RoomStanding(*(bool(row and row[part]) for part in ("owns", "early", "named", "thread")))


async def find(reader: Reader, event_id: str) -> KnownEvent | None:
    """Return the row of an event, or None for one that is not on the index."""
    row = await reader.fetchrow("SELECT ref, about FROM event WHERE event_id = $1", event_id)
    return None if row is None else KnownEvent(row["ref"] or "", row["about"] or "")


async def find_in_room(reader: Reader, event_id: str, room_id: str) -> KnownEvent | None:
    """Return the row of an event of that room, or None."""
    row = await reader.fetchrow("SELECT ref, about FROM event WHERE event_id = $1 AND room_id = $2", event_id, room_id)
    return None if row is None else KnownEvent(row["ref"] or "", row["about"] or "")


async def mark_seen(transaction: Transaction, room_id: str, event_id: str, *, said: bool, expires: int) -> None:
    """Set the expiry of events in a thread's room that were seen up to this event."""
    mark: Any = await transaction.fetchrow(
        "SELECT n, at FROM event WHERE event_id = $1 AND room_id = $2", event_id, room_id
    )
    if mark is None:
        return
    await transaction.execute(
        f"""UPDATE event SET expires = $2 WHERE room_id = $1 AND expires IS NULL AND NOT state AND {NOT_THREAD_CARD}
            AND ((n <= $3 AND at <= $4) OR n = $3)""",  # noqa: S608 - a constant
        room_id,
        expires,
        mark["n"],
        mark["at"] - (UNREAD_MARGIN_MS if said else 0),
    )


async def count_texts_after(reader: Reader, owner: str, event_id: str) -> int | None:
    """Return how many texts of a thread's texter are shown behind that event, by the order of `mark_seen`.

    None for an event that is not known, or of another room.
    """
    mark: Any = await reader.fetchrow(
        "SELECT e.n, e.at FROM event e JOIN thread t ON t.room_id = e.room_id WHERE e.event_id = $1 AND t.id = $2",
        event_id,
        owner,
    )
    if mark is None:
        return None
    query = "SELECT COUNT(*) FROM event WHERE owner = $1 AND ref LIKE $2 AND (n > $3 OR (at > $4 AND n <> $3))"
    return int(await reader.fetchval(query, owner, TEXT_REFS, mark["n"], mark["at"]))


async def shorten_lifetimes(transaction: Transaction, *, now: int, seconds: int, lifetime: int) -> None:
    """Let events expire earlier by so many seconds, but none before it is as old as `lifetime`, and none later."""
    await transaction.execute(
        """UPDATE event SET expires = CASE WHEN at / 1000 + $3 > expires - $2 THEN at / 1000 + $3 ELSE expires - $2 END
           WHERE expires > $1 AND expires > at / 1000 + $3""",
        now,
        seconds,
        lifetime,
    )


async def expire_at_desk(transaction: Transaction, ref: str, *, expires: int) -> None:
    """Make a message at the desk, and its newest edit, expire by then: a permanent one, or one that would expire later."""
    await transaction.execute(
        "UPDATE event SET expires = $4 WHERE owner = $1 AND ref IN ($2, $3) AND (expires IS NULL OR expires > $4)",
        DESK,
        ref,
        EDIT_PREFIX + ref,
        expires,
    )


async def due_events(reader: Reader, now: float, most: int, *, without: Sequence[str] = ()) -> list[IndexedEvent]:
    """Return up to `most` events that have expired, without those of threads on legal hold.

    They are ordered by room, beginning with the rooms of the longest expired events, so that work for each room is done
    seldom. `without`: rooms that are skipped now.
    """
    others = f" AND room_id NOT IN ({', '.join(f'${n}' for n in range(3, 3 + len(without)))})" if without else ""
    over = f"event e WHERE expires <= $1 AND NOT gone{others} AND {NOT_ON_HOLD}"
    rows = await reader.fetch(
        f"""SELECT n, event_id, room_id, state FROM {over} AND room_id IN (
                SELECT room_id FROM {over} ORDER BY expires LIMIT $2
            ) ORDER BY room_id, n LIMIT $2""",  # noqa: S608 - constants and numbers
        int(now),
        most,
        *without,
    )
    return _events_of(rows)


async def may_expire(reader: Reader, n: int) -> bool:
    """Whether an event is still on the index and may be redacted: its thread is not on legal hold now."""
    return await reader.fetchval(f"SELECT 1 FROM event e WHERE n = $1 AND {NOT_ON_HOLD}", n) is not None  # noqa: S608 - a constant


async def release_room(transaction: Transaction, room_id: str) -> None:
    """Delete owner, ref and expiry of the events of a room that is being erased: its erasure redacts them all."""
    await transaction.execute("UPDATE event SET owner = '', ref = NULL, expires = NULL WHERE room_id = $1", room_id)


async def reassign(transaction: Transaction, owner: str, to: str) -> None:
    """Give events of an owner to another, without their refs, which would identify the first. Their times stay."""
    await transaction.execute("UPDATE event SET owner = $2, ref = NULL WHERE owner = $1", owner, to)


async def forget_thread(transaction: Transaction, thread: str) -> None:
    """Delete the refs that identify an ended thread from events that are still at the desk. Their times stay."""
    query = "UPDATE event SET ref = NULL WHERE owner = $1 AND expires IS NOT NULL AND ref LIKE $2"
    await transaction.execute(query, DESK, f"%:{thread}%")


async def delete(transaction: Transaction, event_ids: Iterable[str]) -> None:
    """Delete rows of events that are redacted."""
    for event_id in event_ids:
        await transaction.execute("DELETE FROM event WHERE event_id = $1", event_id)


async def expire_after_hold(transaction: Transaction, event_ids: Iterable[str]) -> None:
    """Make events expire as soon as the legal hold ends. They get the earliest time: a recap during the hold omits them."""
    for event_id in event_ids:
        await transaction.execute("UPDATE event SET expires = -1 WHERE event_id = $1", event_id)


async def event_of(reader: Reader, owner: str, ref: str) -> str | None:
    """Return the id of the message that bears that name."""
    event_id: str | None = await reader.fetchval("SELECT event_id FROM event WHERE owner = $1 AND ref = $2", owner, ref)
    return event_id


async def standing_until(reader: Reader, room_id: str, until: int) -> set[str]:
    """Return the ids of a room's events that expire no sooner than that."""
    query = "SELECT event_id FROM event WHERE room_id = $1 AND NOT gone AND (expires IS NULL OR expires >= $2)"
    return {row["event_id"] for row in await reader.fetch(query, room_id, until)}


async def ids_with_edits_and_reactions(reader: Reader, room_id: str, event_id: str) -> list[str]:
    """Return the ids of a message, of its edits, which have the same words, and of the reactions to it."""
    query = "SELECT event_id FROM event WHERE room_id = $1 AND NOT state AND (event_id = $2 OR about = $2) ORDER BY n"
    return [row["event_id"] for row in await reader.fetch(query, room_id, event_id)]


async def to_redact(reader: Reader, room_id: str, most: int) -> list[IndexedEvent]:
    """Return up to `most` events of a room that must be redacted when the room is erased, the oldest first."""
    query = """SELECT n, event_id, room_id, state FROM event WHERE room_id = $1 AND NOT gone AND NOT state
        ORDER BY n LIMIT $2"""
    return _events_of(await reader.fetch(query, room_id, most))


async def ids_of_room(reader: Reader, room_id: str) -> list[str]:
    """Return the ids of a room's events, redacted or not, without its state."""
    rows = await reader.fetch("SELECT event_id FROM event WHERE room_id = $1 AND NOT state", room_id)
    return [row["event_id"] for row in rows]


async def mark_redacted(transaction: Transaction, numbers: Iterable[int]) -> None:
    """Note that events (by `n`) are redacted. They stay on the index until they are looked for."""
    for n in numbers:
        await transaction.execute("UPDATE event SET gone = $2 WHERE n = $1", n, True)


async def mark_readable(transaction: Transaction, event_id: str) -> None:
    """Note that an event can still be read, and must be redacted again."""
    await transaction.execute("UPDATE event SET gone = $2 WHERE event_id = $1", event_id, False)


async def postpone(transaction: Transaction, numbers: Iterable[int], until: int) -> None:
    """Postpone events (by `n`) that the homeserver did not redact; remember since when they should be gone."""
    for n in numbers:
        query = "UPDATE event SET refused = COALESCE(refused, expires), expires = $2 WHERE n = $1"
        await transaction.execute(query, n, until)


async def delete_room(transaction: Transaction, room_id: str) -> None:
    """Delete the rows of an erased room."""
    await transaction.execute("DELETE FROM event WHERE room_id = $1", room_id)


def _events_of(rows: Collection[Row]) -> list[IndexedEvent]:
    return [IndexedEvent(row["n"], row["event_id"], row["room_id"], bool(row["state"])) for row in rows]


async def _is_current(transaction: Transaction, ref: str) -> bool:
    """Whether a permanent message is still needed: the card of a parked thread is not."""
    if not is_permanent(ref):
        return False
    plain = ref.removeprefix(EDIT_PREFIX)
    if not plain.startswith(CARD_PREFIX):
        return True
    thread = plain.removeprefix(CARD_PREFIX).partition(":")[0]
    return await transaction.fetchval("SELECT 1 FROM thread WHERE id = $1 AND designation <> ''", thread) is not None
