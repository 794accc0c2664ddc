"""Probes of a line's PostgreSQL: whether a commit is possible and durable, and what keeps deleted rows.

Rules of this module: it reads the server's own tables and no row of ours, on its own connection, which is abandoned after
the time limit; values that the line's role may not read are skipped. For a line on SQLite the rows say that it has no
server.

Sources: postgresql.org/docs/current: runtime-config-wal.html, routine-vacuuming.html, continuous-archiving.html.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final

from bridge.app.line_files import SERVER, SERVER_REMEDIES
from bridge.storage.errors import DatabaseError, Unavailable, UnsuitableServer
from bridge.storage.postgres_connection import PostgresConnection, PostgresPlace, connect
from bridge.storage.postgres_probe import PostgresHealth, ask_health, find_holders
from deploy.doctor.probes import NoAnswer, Probe, of_thread
from deploy.inspect.check_report import CheckResult, fault, well
from deploy.inspect.leader import NAME as LEADER
from deploy.inspect.leader import check_leader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from bridge.config.sections import Config

AWAY: Final = (
    "Start it, or write the right URL into the file of database.url_file. Texts are answered 503 and come again; the "
    "bridge goes on by itself when it is back."
)
LOOK_SECONDS: Final = 0.1
"""Seconds between two checks of a lock's holder: a commit takes some milliseconds."""
MIB: Final = 2**20
LONG_SECONDS: Final = 3600.0
"""Seconds after which an open transaction is a fault, because it prevents the vacuum of later deletions."""
FREE_CONNECTIONS: Final = 5


def postgres_probes(config: Config, *, wait_ms: int) -> list[Probe]:
    """Return the probes; none for a line on SQLite. `wait_ms`: a lock that is held for longer is a fault."""
    if config.database is None:
        return []

    async def lock() -> Sequence[CheckResult]:
        async with probe_connection(config, wait_ms) as connection:
            return [await check_lock(connection, wait_ms=wait_ms)]

    async def health() -> Sequence[CheckResult]:
        async with probe_connection(config, wait_ms) as connection:
            server = await ask_health(connection)
        return [check_server(server, config)]

    def leader() -> Iterator[CheckResult]:
        try:
            yield check_leader(config)
        except DatabaseError as error:
            raise NoAnswer(server_problem(error)) from None

    # A server that does not answer is one fault, in the first row.
    return [
        Probe(names=("database server",), ask=health, do=AWAY),
        Probe(names=("database lock",), ask=lock, do=AWAY, may_be_silent=True),
        Probe(names=(LEADER,), ask=of_thread(leader), do=AWAY, may_be_silent=True),
    ]


def sqlite_rows() -> list[CheckResult]:
    """Return the rows of a line without a server."""
    what = "the databases are SQLite, files of the line's directory"
    return [well("database server", what), well(LEADER, "one bridge, which the lock of its directory keeps alone")]


def server_problem(error: DatabaseError) -> str:
    """Return why a server cannot be used, as a sentence whose subject is the row's name."""
    if isinstance(error, UnsuitableServer):
        sentences = (sentence for code, sentence in SERVER_REMEDIES.items() if code in error.code)
        return next(sentences, f"cannot be used ({error.code})")
    return f"{SERVER} does not answer, or takes nothing just now ({error.code})"


@contextlib.asynccontextmanager
async def probe_connection(config: Config, wait_ms: int) -> AsyncIterator[PostgresConnection]:
    """Yield a connection for probes. Raises `NoAnswer`."""
    try:
        async with asyncio.timeout(wait_ms / 1000):
            place = PostgresPlace(config.database_url or "", "main")
            connection = await connect(place, read_only=True, lock_ms=wait_ms, replica_too=True)
        try:
            yield connection
        finally:
            connection.abort()  # an orderly close would wait for a server that does not answer
    except TimeoutError:
        raise NoAnswer(server_problem(Unavailable("TimeoutError"))) from None
    except DatabaseError as error:
        raise NoAnswer(server_problem(error)) from None


async def check_lock(connection: PostgresConnection, *, wait_ms: int) -> CheckResult:
    """Whether the bridge can commit: another connection may hold the lock of commits, or a table."""
    name, place = "database lock", PostgresPlace("", "main")
    until = time.monotonic() + wait_ms / 1000
    holders = await find_holders(connection, place)
    while holders and time.monotonic() < until:
        await asyncio.sleep(LOOK_SECONDS)
        holders &= await find_holders(connection, place)
    if not holders:
        return well(name, "nobody keeps the bridge from writing")
    pids = ", ".join(str(each) for each in sorted({holder.pid for holder in holders}))
    which = "the lock of commits" if any(holder.commits for holder in holders) else "a table of the line"
    held_for = f"for {wait_ms / 1000:g} seconds (process {pids} of PostgreSQL)"
    what = f"a transaction has held {which} {held_for}: nothing can be stored"
    do = (
        "End the program behind it, or call pg_terminate_backend(PROCESS) as the line's role: no text is stored "
        "meanwhile, and none is lost."
    )
    return fault(name, what, do)


def check_server(server: PostgresHealth, config: Config) -> CheckResult:
    """Whether commits on the server are durable, and it accepts writes."""
    name, every = "database server", list(_server_faults(server, config))
    if not (shown := [each for each in every if each[2]] or every):
        what = f"PostgreSQL {server.version // 10_000}, {server.bytes // MIB} MiB, keeps what it says that it keeps"
        return well(name, what)
    what, do = "; ".join(each[0] for each in shown), " ".join(each[1] for each in shown)
    return CheckResult(name=name, ok=not shown[0][2], what=what, do=do, warning=not shown[0][2])


def _server_faults(server: PostgresHealth, config: Config) -> Iterator[tuple[str, str, bool]]:
    """Yield for each finding a sentence, the remedy, and True for a fault, False for a warning.

    What a start refuses (version, encoding, order of text) is not asked again.
    """
    if server.is_replica:
        yield (
            "is a replica, which only reads",
            "Write the primary's URL into the file of database.url_file, or promote it.",
            True,
        )
    if not server.is_durable:
        what = "fsync or full_page_writes is off: a power cut can lose texts that were answered, or the whole database"
        yield what, "Set both to on in postgresql.conf, and reload.", True
    if server.synchronous_commit == "off":
        what = "synchronous_commit is off, for this role, the database or the server"
        yield (
            what,
            "In postgresql.conf, or of the role or the database: on, or remote_apply with a synchronous replica.",
            True,
        )
    if server.free_connections < FREE_CONNECTIONS:
        what = f"has {max(server.free_connections, 0)} connections left; a bridge needs ten when it starts"
        yield what, "Raise max_connections, or end what holds so many.", True
    yield from _retention_faults(server, None if config.database is None else config.database.copies_kept_days)


def _retention_faults(server: PostgresHealth, copies_kept_days: int | None) -> Iterator[tuple[str, str, bool]]:
    """Yield what keeps deleted rows on the server's disk for longer than it must."""
    if not server.autovacuum:
        what = "autovacuum, or track_counts, is off: rows that were deleted stay in the tables, and those grow"
        yield what, "Set both to on in postgresql.conf, and reload.", True
    if (oldest := server.oldest_transaction or 0.0) > LONG_SECONDS:
        what = f"a transaction has been open for {oldest / 3600:.1f} hours: no row that was deleted since can go"
        yield what, "Find it in pg_stat_activity (xact_start), and end it.", True
    if server.archives and server.archive_fails:
        what = "the archive of its log fails, so that it keeps all of the log until the disk is full"
        yield what, "See the server's log for archive_command and mend it, or set archive_mode off.", True
    if server.recycles_log:
        what = "old files of its log stay, with what was deleted, until they are overwritten (wal_recycle)"
        yield what, "Set wal_recycle = off in postgresql.conf, and reload.", False
    copies = "base backups, dumps and an archive of the log keep what was deleted"
    if copies_kept_days is None:
        what = f"{copies}, and nobody said for how long"
        yield what, "Write the days into database.copies_kept_days (0: there are none), and let each copy end then.", False
    elif copies_kept_days == 0 and server.archives:
        what = "it archives its log, though database.copies_kept_days says that no copy is kept"
        yield what, "Say for how many days, and let the archive end then; or set archive_mode off.", False
