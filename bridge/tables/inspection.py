"""Queries of operators' commands to the main database: counts and content-free rows, read beside the bridge.

Rules of this module: it reads only, on a connection of its own to the file; no answer has a phone, a text, or the id of a
thread or room. Times are seconds since the epoch. Every function raises `DatabaseError`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bot.model.actions import DESK, SendSms
from bridge.storage.database import Snapshot
from bridge.storage.serialization import kind_name
from bridge.tables import outbox
from bridge.tables.carrier_copies import NOT_ON_HOLD as COPY_NOT_ON_HOLD
from bridge.tables.room_events import NOT_ON_HOLD as EVENT_NOT_ON_HOLD
from bridge.tables.threads import is_on_hold

JOB_NOT_ON_HOLD: Final = f"NOT {is_on_hold('e.thread')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedErasure:
    """An erasure job that is not closed. `due`: its next try; `deadline`: when the wait for clients ends."""

    kind: str
    step: str
    tries: int
    due: float
    deadline: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingRows:
    """Waiting rows. `event_count`: events; the oldest has the number `oldest_event`; `outbox_count`: rows of the outbox.

    `oldest_in_outbox`: when the oldest of those was put in that could leave. `unknown`: texts with an unknown outcome.
    `remembered_until`: until when the newest text that left is remembered. None if there is none.
    """

    event_count: int
    oldest_event: int | None
    outbox_count: int
    oldest_in_outbox: int | None
    unknown: int
    remembered_until: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCertificate:
    """A row of `erasure_certificate`, as stored: JSON and its signature, not verified yet."""

    id: str
    body: str
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TallyCell:
    """A counter of conversations. `month`: `YYYY-MM`, in UTC; `kind`: see `bot.lifecycle.tally`."""

    month: str
    language: str
    kind: str
    number: int


def count_legal_holds(connection: Snapshot) -> int:
    """Return how many threads are on legal hold."""
    return int(connection.fetchval(f"SELECT COUNT(*) FROM thread WHERE {is_on_hold('thread.id')}"))  # noqa: S608 - ours


def count_threads_of_phone(connection: Snapshot, phone_hash: bytes) -> tuple[int, int]:
    """Return how many threads a phone has (0 or 1) and how many of them are on hold: one row, whatever there is."""
    on_hold_too = f"COALESCE(SUM(CASE WHEN {is_on_hold('thread.id')} THEN 1 ELSE 0 END), 0)"
    query = f"SELECT COUNT(*), {on_hold_too} FROM thread WHERE phone_hash = $1"  # noqa: S608 - a constant
    ((count, on_hold),) = connection.fetch(query, phone_hash)
    return int(count), int(on_hold)


def count_revealed_numbers(connection: Snapshot, *, until: float) -> int:
    """Return how many numbers are in offices that should have been redacted before that time."""
    return int(connection.fetchval("SELECT COUNT(*) FROM revealed WHERE until < $1", until))


def count_dead_letters(connection: Snapshot) -> int:
    """Return the number of events and actions that failed for good and are kept."""
    return int(connection.fetchval("SELECT COUNT(*) FROM dead_letter"))


def count_unfinished_texts(connection: Snapshot) -> int:
    """Return how many texts wait to be sent, or were handed to the carrier with an unknown outcome."""
    queued = connection.fetchval("SELECT COUNT(*) FROM outbox WHERE kind = $1", kind_name(SendSms))
    return int(queued) + int(connection.fetchval("SELECT COUNT(*) FROM sent_text WHERE unknown = 1"))


def waiting_rows(connection: Snapshot) -> WaitingRows:
    """Return how much waits for a decision, waits to leave, and is unknown."""
    ((undecided, oldest_event),) = connection.fetch("SELECT COUNT(*), MIN(seq) FROM inbox")
    leaving = connection.fetchval("SELECT COUNT(*) FROM outbox")
    return WaitingRows(
        event_count=int(undecided),
        oldest_event=oldest_event,
        outbox_count=int(leaving),
        oldest_in_outbox=connection.fetchval(outbox.OLDEST_STUCK),
        unknown=int(connection.fetchval("SELECT COUNT(*) FROM sent_text WHERE unknown = 1")),
        remembered_until=connection.fetchval("SELECT MAX(until) FROM sent_text"),
    )


def count_overdue_copies(connection: Snapshot, *, due: float, tries: int) -> int:
    """Return how many copies at the carrier, none of them on hold, were due before that time or tried so often."""
    query = f"SELECT COUNT(*) FROM carrier_copy c WHERE (due < $1 OR tries >= $2) AND {COPY_NOT_ON_HOLD}"  # noqa: S608 - a constant
    return int(connection.fetchval(query, due, tries))


def count_overdue_events(connection: Snapshot, *, expires: float) -> int:
    """Return how many events, none of them on hold, should have been redacted before that time."""
    query = f"SELECT COUNT(*) FROM event e WHERE COALESCE(refused, expires) < $1 AND NOT gone AND {EVENT_NOT_ON_HOLD}"  # noqa: S608 - a constant
    return int(connection.fetchval(query, expires))


def unfinished_erasures(connection: Snapshot) -> list[UnfinishedErasure]:
    """Return every erasure job that is not closed, and not on hold."""
    query = f"SELECT kind, step, tries, due, began + grace AS deadline FROM erasure e WHERE {JOB_NOT_ON_HOLD}"  # noqa: S608 - a constant
    return [UnfinishedErasure(**dict(row)) for row in connection.fetch(query)]


def certificates(connection: Snapshot) -> list[StoredCertificate]:
    """Return all kept certificates of erasures, by their ids."""
    rows = connection.fetch("SELECT id, body, signature FROM erasure_certificate ORDER BY id")
    return [StoredCertificate(**dict(row)) for row in rows]


def tally(connection: Snapshot) -> list[TallyCell]:
    """Return every counter, by month, language and kind."""
    rows = connection.fetch("SELECT month, language, kind, number FROM tally ORDER BY month, language, kind")
    return [TallyCell(**dict(row)) for row in rows]


def is_shown_at_desk(connection: Snapshot, ref: str) -> bool:
    """Whether the homeserver has the message of that `ref` at the desk."""
    return connection.fetchval("SELECT 1 FROM event WHERE owner = $1 AND ref = $2", DESK, ref) is not None
