"""The tables `erasure` and `erasure_certificate`: erasure jobs, and their certificates.

Rules of this module: a job is kept until deleted rows are overwritten after its last step; the commit that closes it stores
its certificate. Times are seconds since the epoch; the counts of what was found gone are JSON.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from bridge.storage.database import Reader, Transaction
from bridge.tables.threads import is_on_hold

ROOM, PERSON = "room", "person"
"""What a job erases: a room, or the data of a texter."""
FIRST_STEP: Final = {ROOM: "redact", PERSON: "key"}
PURGE: Final = "purge"
"""The step that waits for its time: until then clients learn that the room is gone."""
IMMEDIATE: Final = 3600.0
"""Grace up to which the end was a person's order, and no doubt of the clock holds it back."""
MAX_WAIT: Final = 300.0
"""Seconds between two tries of one step, at most."""
CANARY: Final = "canary"
"""The key in the counts of a job that is about the canary (`bot.canary`): its certificate is of no use to anybody."""
CANARY_CERTIFICATE: Final = 3600
"""Seconds for which a canary's certificate is kept."""
FLUSH: Final = "flush"
"""The last step: everything is erased, and what deleted rows left in the database is overwritten."""
MAX_IMMEDIATE_WAIT: Final = IMMEDIATE + MAX_WAIT
"""Seconds ahead that nothing wanted at once can be due, unless the clock was set back since: then it is due now."""
ROOM_COLUMNS: Final = (
    ("event", "room_id"),
    ("thread", "room_id"),
    ("warm_room", "room_id"),
    ("matrix_room", "room_id"),
    ("matrix_member", "room_id"),
    ("matrix_level", "room_id"),
    ("matrix_session", "room_id"),
    ("matrix_inbound", "room_id"),
    ("matrix_read", "room_id"),
    ("matrix_waiting", "room_id"),
    ("matrix_upload", "room_id"),
    ("matrix_identity", "heard_room"),
    ("revealed", "room_id"),
)
"""Table and column, for a room's id."""

PERSON_COLUMNS: Final = (
    ("thread", "id"),
    ("inbox", "owner"),
    ("outbox", "owner"),
    ("timer", "owner"),
    ("sent_text", "owner"),
    ("early_reaction", "owner"),
    ("event", "owner"),
    ("dead_letter", "owner"),
    ("carrier_copy", "owner"),
    ("copy_result", "owner"),
    ("erasure", "thread"),
    ("matrix_room", "owner"),
)
"""Table and column, for a thread's id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureJob:
    """One erasure job. `step` is the next one to do; `counts`: what was found gone so far; each step adds to it.

    `grace`: seconds before the step `purge`, in which clients learn that the room is gone.
    """

    id: str
    kind: str
    subject: str
    thread: str
    step: str
    due: float
    grace: float
    began: float
    tries: int
    counts: dict[str, int] = field(default_factory=dict)

    def certificate_seconds(self, retention: int) -> int:
        """Return how long its certificate is kept; `retention`: that of a texter's."""
        return min(retention, CANARY_CERTIFICATE) if CANARY in self.counts else retention


async def begin(
    transaction: Transaction, *, kind: str, subject: str, thread: str, grace: float, now: float, canary: bool = False
) -> str:
    """Begin the job of a subject; return its id. A subject that has one keeps it."""
    job_id = secrets.token_hex(8)
    await transaction.execute(
        """INSERT INTO erasure (id, kind, subject, thread, step, due, grace, began, counts)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $6, $8) ON CONFLICT (subject) DO NOTHING""",
        job_id,
        kind,
        subject,
        thread,
        FIRST_STEP[kind],
        now,
        grace,
        json.dumps({CANARY: 1} if canary else {}),
    )
    return job_id


async def count_canary(reader: Reader) -> int:
    """Return how many jobs about the canary have something to erase still."""
    rows = await reader.fetch("SELECT counts FROM erasure WHERE step <> $1", FLUSH)
    return sum(CANARY in json.loads(row["counts"]) for row in rows)


async def forget_thread(transaction: Transaction, thread: str) -> None:
    """Forget of which thread a room was."""
    await transaction.execute("UPDATE erasure SET thread = '' WHERE thread = $1", thread)


async def has_job(reader: Reader, subject: str) -> bool:
    """Whether a room or a texter is being erased."""
    return await reader.fetchval("SELECT 1 FROM erasure WHERE subject = $1", subject) is not None


async def is_at_step(reader: Reader, job: ErasureJob) -> bool:
    """Whether the next step of a job is still the one that is being done: `redo_rooms` may have restarted it."""
    return await reader.fetchval("SELECT 1 FROM erasure WHERE id = $1 AND step = $2", job.id, job.step) is not None


async def thread_of_room(reader: Reader, room_id: str) -> str:
    """Return of which thread a room was that is being erased; empty once the thread has ended."""
    query = "SELECT thread FROM erasure WHERE subject = $1 AND kind = $2"
    return await reader.fetchval(query, room_id, ROOM) or ""


async def next_job(reader: Reader, now: float, *, clock_distrusted: bool) -> ErasureJob | None:
    """Return the job whose step is due first, due already or not, except for threads on legal hold; None without one."""
    # A job that a person wanted at once does not wait behind scheduled ones.
    is_immediate = f"e.grace <= {IMMEDIATE} AND (e.due <= $1 OR e.due > $1 + {MAX_IMMEDIATE_WAIT})"
    # While the clock is distrusted, a step that waits for its time keeps waiting, unless a person wanted it at once.
    only = f"AND (e.step <> '{PURGE}' OR e.grace <= {IMMEDIATE})" if clock_distrusted else ""
    row = await reader.fetchrow(
        f"""SELECT e.* FROM erasure e
            WHERE NOT {is_on_hold("e.thread")} {only}
            ORDER BY CASE WHEN {is_immediate} THEN 0 ELSE 1 END, e.due LIMIT 1""",  # noqa: S608 - constants
        now,
    )
    return None if row is None else ErasureJob(**{**dict(row), "counts": json.loads(row["counts"])})


async def ids_at_step(reader: Reader, step: str) -> list[str]:
    """Return the ids of the jobs whose next step that is."""
    return [row["id"] for row in await reader.fetch("SELECT id FROM erasure WHERE step = $1", step)]


async def advance(transaction: Transaction, job: ErasureJob, step: str, *, due: float, tries: int) -> None:
    """Note the next step of a job and what it found, if its step is still the one that was done."""
    query = "UPDATE erasure SET step = $2, due = $3, tries = $6, counts = $4 WHERE id = $1 AND step = $5"
    await transaction.execute(query, job.id, step, due, json.dumps(job.counts), job.step, tries)


async def redo_rooms(transaction: Transaction, *, now: float) -> None:
    """Restart the erasure of rooms from the first step, except those with a signed certificate.

    For a rollback of the homeserver: it may have their words and members again. A step that is under way meanwhile is not
    counted as done (`advance`).
    """
    query = "UPDATE erasure SET step = $1, due = $2, tries = 0 WHERE kind = $3 AND step NOT IN ($1, $4)"
    await transaction.execute(query, FIRST_STEP[ROOM], now, ROOM, FLUSH)


async def postpone(transaction: Transaction, job: ErasureJob, *, due: float, tries: int) -> None:
    """Note that a step failed, what it found nevertheless, and when it is tried again."""
    query = "UPDATE erasure SET tries = $2, due = $3, counts = $4 WHERE id = $1"
    await transaction.execute(query, job.id, tries, due, json.dumps(job.counts))


async def note_counts(transaction: Transaction, job: ErasureJob) -> None:
    """Keep what a step has found so far, in the commit that deletes the rows it found."""
    await transaction.execute("UPDATE erasure SET counts = $2 WHERE id = $1", job.id, json.dumps(job.counts))


async def forget_subject(transaction: Transaction, job_id: str, *, due: float) -> None:
    """Delete the subject of a job, and set its last step; the remaining row identifies nobody."""
    query = "UPDATE erasure SET subject = id, thread = '', step = $2, due = $3, tries = 0 WHERE id = $1"
    await transaction.execute(query, job_id, FLUSH, due)


async def delete(transaction: Transaction, job_ids: Iterable[str]) -> None:
    """Delete jobs that are done."""
    for job_id in job_ids:
        await transaction.execute("DELETE FROM erasure WHERE id = $1", job_id)


async def store_certificate(
    transaction: Transaction, certificate_id: str, *, body: str, signature: bytes, until: int
) -> None:
    """Store a certificate, unless one with its id exists: its canonical JSON, the signature, and until when it is kept."""
    await transaction.execute(
        "INSERT INTO erasure_certificate (id, body, signature, until) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING",
        certificate_id,
        body,
        signature,
        until,
    )


async def count_failing(reader: Reader, *, tries: int) -> int:
    """Return how many jobs, none of them on legal hold, have a step that was tried so often without success."""
    query = f"SELECT COUNT(*) FROM erasure e WHERE tries >= $1 AND NOT {is_on_hold('e.thread')}"  # noqa: S608 - ours
    return int(await reader.fetchval(query, tries))


async def delete_expired_certificates(transaction: Transaction, now: int) -> None:
    """Delete the certificates whose time is over."""
    await transaction.execute("DELETE FROM erasure_certificate WHERE until < $1", now)


async def count_leftovers(transaction: Transaction, where: tuple[tuple[str, str], ...], value: str) -> int:
    """Count the rows that still name a room or a thread. Runs in the caller's commit."""
    count = 0
    for table, column in where:
        query = f"SELECT COUNT(*) FROM {table} WHERE {column} = $1"  # noqa: S608 - names from above
        count += int(await transaction.fetchval(query, value))
    return count
