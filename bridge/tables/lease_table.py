"""The lease: one row in a schema of its own beside the line's database, on PostgreSQL only.

Rules of this module: a lease ends by the server's clock. A new holder has a higher epoch than any before it. The lease is
taken under a lock that each commit of a leader shares (`Fence`), so a commit is made before the next epoch begins, or not
at all.

A new holder takes it when the row says that it was released, when the holder is dead on this machine, or when it has run
out by the server's clock *and* has not changed for its whole length by the taker's clock: a server whose clock was set
forward, or that was replaced by one whose clock is ahead, ends no lease early.

States of the row, and who may do what:

    held        until > now     the holder commits, sends and speaks; nobody takes it
    run out     until <= now    the holder commits as long as nobody has taken it, and neither sends nor speaks before it
                                has renewed it; another may take it
    released    released        nobody commits; another takes it at once
    gone        no row, no table, another epoch: the holder's commits fail and it ends

Sources: postgresql.org/docs/current: explicit-locking.html (advisory locks), functions-datetime.html (`clock_timestamp`
goes on within a transaction), view-pg-locks.html, functions-admin.html (`pg_terminate_backend`: a role may end its own).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from bridge.storage.database import Row, Snapshot
from bridge.storage.errors import Busy, DatabaseError
from bridge.storage.postgres_connection import PostgresConnection, PostgresPlace
from bridge.storage.postgres_transaction import FENCE, LEASE_SCHEMA, LEASE_TABLE

LEASE_SECONDS: Final = 8.0
"""How long a lease lasts. Together with two looks a second and the time of a start it is below 15 seconds."""
LEADER_NAME: Final = "quietline leader"
STANDBY_NAME: Final = "quietline standby"
KEYLESS_NAME: Final = "quietline standby without keys"
"""The names at the server of a standby's connection, so that `status` can count them: the second has no `keys.db`."""

_CREATE: Final = """CREATE TABLE IF NOT EXISTS lease (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch BIGINT NOT NULL,
    holder TEXT NOT NULL,
    host TEXT NOT NULL,
    until TIMESTAMPTZ NOT NULL,
    released BOOLEAN NOT NULL,
    handover BOOLEAN NOT NULL,
    keys BIGINT NOT NULL
)"""
_FIRST: Final = """INSERT INTO lease (id, epoch, holder, host, until, released, handover, keys)
    VALUES (1, 0, '', '', clock_timestamp(), $1, FALSE, 0) ON CONFLICT (id) DO NOTHING"""
_READ: Final = """SELECT epoch, holder, host, released, handover, keys, until::text AS until,
    until <= clock_timestamp() AS run_out FROM lease WHERE id = 1"""
_TAKE: Final = """UPDATE lease SET epoch = $1, holder = $2, host = $3, released = FALSE, handover = FALSE,
    until = clock_timestamp() + make_interval(secs => $4) WHERE id = 1"""
_RENEW: Final = """UPDATE lease SET until = clock_timestamp() + make_interval(secs => $3)
    WHERE id = 1 AND epoch = $1 AND holder = $2 AND NOT released RETURNING handover"""
_RELEASE: Final = "UPDATE lease SET released = TRUE, handover = FALSE WHERE id = 1 AND epoch = $1 AND holder = $2"
_KEYS: Final = "UPDATE lease SET keys = $1 WHERE id = 1 AND epoch = $1 AND holder = $2"
_ASK: Final = "UPDATE lease SET handover = $1 WHERE id = 1 AND NOT released RETURNING epoch"
_END_COMMITS: Final = """SELECT pg_terminate_backend(pid) FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND mode = 'ShareLock' AND classid::bigint = $1 AND objid::bigint = $2
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()"""
_STANDBYS: Final = """SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = $1
    AND datname = current_database() AND usename = current_user"""
_LINE: Final = 'SELECT EXISTS (SELECT 1 FROM "{}".desk)'
_WORD: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The row. `run_out`: by the server's clock; `until`: as the server writes it, to see whether it changes.

    `keys`: the epoch of the last leader that opened `keys.db`: a file with a lower one is not the file of this line.
    """

    epoch: int
    holder: str
    host: str
    released: bool
    handover: bool
    keys: int
    run_out: bool
    until: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseHolder:
    """A process that wants the lease. `host`: for people; `least_epoch`: that of `keys.db`; a new one must be higher."""

    identity: str
    host: str
    least_epoch: int = 0


def place_of_lease(place: PostgresPlace) -> PostgresPlace:
    """Return the place of a database's lease."""
    return PostgresPlace(place.url, LEASE_SCHEMA.format(place.schema))


async def call(connection: PostgresConnection, name: str) -> None:
    """Have the server call our connection so. Raises `DatabaseError`."""
    await connection.execute("SELECT set_config('application_name', $1, FALSE)", name)


async def create(connection: PostgresConnection, place: PostgresPlace, *, is_new: bool) -> None:
    """Make the row if there is none. `is_new`: nothing of the line exists, so that no bridge can have led it.

    `place`: of the lease. Raises `DatabaseError`.
    """
    await connection.run(f"BEGIN; SELECT pg_advisory_xact_lock({place.lock('create')})")
    try:
        await connection.run(f'CREATE SCHEMA IF NOT EXISTS "{place.schema}"')
        await connection.run(_CREATE)
        await connection.execute(_FIRST, is_new)
    except DatabaseError:
        await connection.run("ROLLBACK")
        raise
    await connection.run("COMMIT")


async def share_leaders_lock(connection: PostgresConnection, place: PostgresPlace) -> bool:
    """Take a share of the leaders' lock for as long as the connection lasts; False while another has it alone.

    `place`: of the main database. Raises `DatabaseError`.
    """
    return bool(await connection.fetchval("SELECT pg_try_advisory_lock_shared($1)", place.lock("leader")))


async def line_exists(connection: PostgresConnection, place: PostgresPlace) -> bool:
    """Whether the main database at that place has anything of a line. Raises `DatabaseError`."""
    if not await connection.has_table(f'"{place.schema}".desk'):
        return False
    return bool(await connection.fetchval(_LINE.format(place.schema)))


async def read(connection: PostgresConnection) -> Lease | None:
    """Read the row; None without one. Raises `DatabaseError`, `InvalidStatement` without a table."""
    row = await connection.fetchrow(_READ)
    return None if row is None else _lease_of(row)


def peek(snapshot: Snapshot) -> Lease | None:
    """Read the row from beside the line; None where there is none. `snapshot`: of the lease's own schema."""
    row = snapshot.fetchrow(_READ) if LEASE_TABLE in snapshot.tables() else None
    return None if row is None else _lease_of(row)


def peek_standbys(snapshot: Snapshot) -> tuple[int, int]:
    """Count the connections of bridges that wait, from beside the line: those that see `keys.db`, and those that do not."""
    seeing, others = (int(snapshot.fetchval(_STANDBYS, name)) for name in (STANDBY_NAME, KEYLESS_NAME))
    return seeing, others


def _lease_of(row: Row) -> Lease:
    return Lease(**{name: row[name] for name in row.keys()})  # noqa: SIM118 - it is no mapping


async def take(
    connection: PostgresConnection,
    place: PostgresPlace,
    lease: Lease,
    *,
    is_free: bool,
    may_lead: Callable[[Lease], Awaitable[bool]],
    by: LeaseHolder,
) -> int | None:
    """Take the lease if it is still as `seen`; return the new epoch, or None.

    `is_free`: the holder is dead, or the row has not changed for its length. It waits for a commit of the old holder that
    is under way, and ends it at the server if it stalls. `may_lead` is called while the old holder can make no commit: if
    it returns False or raises, nothing has changed, and a holder that is only slow continues. The server ends a taker that
    is frozen meanwhile (`connect_to_lease`). Raises `DatabaseError`.
    """
    lock = place.lock(FENCE)
    try:
        await connection.run(f"BEGIN; SELECT pg_advisory_xact_lock({lock})")
    except Busy:
        await connection.run("ROLLBACK")
        high, low = (lock >> _WORD) & 0xFFFFFFFF, lock & 0xFFFFFFFF
        await connection.fetch(_END_COMMITS, high, low)
        return None
    try:
        row = await connection.fetchrow(f"{_READ} FOR UPDATE")
        same = row is not None and (row["epoch"], row["until"]) == (lease.epoch, lease.until)
        if row is None or not same or not (row["released"] or is_free) or not await may_lead(_lease_of(row)):
            await connection.run("ROLLBACK")
            return None
        epoch = max(lease.epoch, by.least_epoch) + 1
        await connection.execute(_TAKE, epoch, by.identity, by.host, LEASE_SECONDS)
        await call(connection, LEADER_NAME)
    except DatabaseError:
        if not connection.is_closed:
            await connection.run("ROLLBACK")
        raise
    except BaseException:
        connection.abort()  # the server rolls back; a failing ROLLBACK would hide that this process ends
        raise
    await connection.run("COMMIT")
    return epoch


async def renew(connection: PostgresConnection, epoch: int, identity: str) -> bool | None:
    """Renew the lease from now; return whether it should be handed over, or None when it is not ours any more."""
    handover = await connection.fetchval(_RENEW, epoch, identity, LEASE_SECONDS)
    return None if handover is None else bool(handover)


async def note_keys(connection: PostgresConnection, epoch: int, identity: str) -> None:
    """Note that `keys.db` has this epoch now."""
    await connection.execute(_KEYS, epoch, identity)


async def release(connection: PostgresConnection, epoch: int, identity: str) -> None:
    """Release the lease: another takes it at once. A lease that is not ours is not changed."""
    await connection.execute(_RELEASE, epoch, identity)


async def ask_handover(connection: PostgresConnection, *, wanted: bool = True) -> int | None:
    """Ask the leader to hand over, or withdraw that; return its epoch, or None when no bridge leads."""
    epoch = await connection.fetchval(_ASK, wanted)
    return None if epoch is None else int(epoch)
