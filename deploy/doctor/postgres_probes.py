"""Probes of a line's PostgreSQL: whether a commit is possible, its settings, dead rows, its log and copies.

Rules of this module: it reads the server's own tables and no row of ours, on its own connection, which is abandoned after
the time limit; values that the line's role may not read are skipped. For a line on SQLite the rows say that it has no
server.

Sources: postgresql.org/docs/current: runtime-config-wal.html, routine-vacuuming.html, warm-standby.html (slots),
continuous-archiving.html, monitoring-stats.html.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bridge.app.line_files import CREATE, SERVER, SERVER_REMEDIES
from bridge.runtime.settings import is_private_host
from bridge.storage.errors import DatabaseError, Unavailable, UnsuitableServer
from bridge.storage.postgres_connection import OLDEST, PostgresConnection, PostgresPlace, connect
from bridge.storage.postgres_probe import PostgresHealth, ask_health, find_holders
from deploy.doctor.probes import NoAnswer, Probe, of_thread
from deploy.inspect.check_report import CheckResult
from deploy.inspect.leader import NAME as LEADER
from deploy.inspect.leader import check_leader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from bridge.config.sections import Config

ROWS: Final = ("database server", "database vacuum", "database log", "database copies")
SCHEMAS: Final = ("main", "voice")
AWAY: Final = (
    "Start it, or write the right URL into the file of database.url_file. Texts are answered 503 and come again; the "
    "bridge goes on by itself when it is back."
)
LOOK_SECONDS: Final = 0.1
"""Seconds between two checks of a lock's holder: a commit takes some milliseconds."""
MIB: Final = 2**20
MUCH_LOG_BYTES: Final = 256 * MIB
MANY_DEAD: Final = 20_000
"""The number of a table's dead rows above which a majority of dead rows is a fault."""
LONG_SECONDS: Final = 3600.0
"""Seconds after which an open transaction is a fault, because it prevents the vacuum of later deletions."""
FREE_CONNECTIONS: Final = 5
CLOCK_SECONDS: Final = 60.0
MIN_FREE_BYTES: Final = 1024 * MIB
LONG_DAYS: Final = 35
"""Days of copies beyond which the configured number causes a warning."""


def postgres_probes(config: Config, *, wait_ms: int) -> list[Probe]:
    """Return the probes; none for a line on SQLite. `wait_ms`: a lock that is held for longer is a fault."""
    if config.database is None:
        return []

    async def lock() -> Sequence[CheckResult]:
        async with probe_connection(config, wait_ms) as connection:
            return [await check_lock(connection, wait_ms=wait_ms)]

    async def health() -> Sequence[CheckResult]:
        async with probe_connection(config, wait_ms) as connection:
            server = await ask_health(connection, SCHEMAS)
        rows = check_server(server, config, now=time.time()), check_vacuum(server), check_log(server)
        return [*rows, check_copies(server, config)]

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
    alone = "one bridge, which the lock of its directory keeps alone"
    return [*(CheckResult(name=name, ok=True, what=what) for name in ROWS), CheckResult(name=LEADER, ok=True, what=alone)]


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
        return CheckResult(name=name, ok=True, what="nobody keeps the bridge from writing")
    pids = ", ".join(str(each) for each in sorted({holder.pid for holder in holders}))
    which = "the lock of commits" if any(holder.commits for holder in holders) else "a table of the line"
    held_for = f"for {wait_ms / 1000:g} seconds (process {pids} of PostgreSQL)"
    what = f"a transaction has held {which} {held_for}: nothing can be stored"
    do = (
        "End the program behind it, or call pg_terminate_backend(PROCESS) as the line's role: no text is stored "
        "meanwhile, and none is lost."
    )
    return CheckResult(name=name, ok=False, what=what, do=do)


def _row(name: str, faults: Iterator[tuple[str, str, bool]], well: str) -> CheckResult:
    """Make a row of findings: for each a sentence, the remedy, and True for a fault, False for a warning."""
    every = list(faults)
    shown = [each for each in every if each[2]] or every
    if not shown:
        return CheckResult(name=name, ok=True, what=well)
    what, do = "; ".join(each[0] for each in shown), " ".join(each[1] for each in shown)
    return CheckResult(name=name, ok=not shown[0][2], what=what, do=do, warning=not shown[0][2])


def check_server(server: PostgresHealth, config: Config, *, now: float) -> CheckResult:
    """Whether commits on the server are durable, and it accepts writes."""
    well = f"PostgreSQL {server.version // 10_000}, {server.bytes // MIB} MiB, keeps what it says that it keeps"
    return _row("database server", _server_faults(server, config, now), well)


def _server_faults(server: PostgresHealth, config: Config, now: float) -> Iterator[tuple[str, str, bool]]:
    if server.is_replica:
        yield (
            "is a replica, which only reads",
            "Write the primary's URL into the file of database.url_file, or promote it.",
            True,
        )
    unfit = {
        "version": server.version < OLDEST,
        "encoding": server.encoding != "UTF8",
        "collation": not server.orders_bytes,
    }
    for name in (name for name, is_so in unfit.items() if is_so):
        yield (
            SERVER_REMEDIES[name],
            f"To {CREATE.replace('make it again, empty', 'make one that will do')}; move the line.",
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
    if (free := _free_bytes(server, config)) is not None and free < MIN_FREE_BYTES:
        yield f"its disk has {free // MIB} MiB left", "Make room: on a full disk it takes no text.", True
    if abs(apart := server.clock - now) > CLOCK_SECONDS:
        what = f"its clock is {abs(apart):.0f} seconds {'ahead of' if apart > 0 else 'behind'} this machine's"
        yield what, "Have both set theirs (NTP). Texts go on: the line's times are this machine's.", False


def _free_bytes(server: PostgresHealth, config: Config) -> int | None:
    """Return the free bytes on the server's disk; None when it is on another machine, or they are unknown."""
    host = urlsplit(config.database_url or "").hostname or ""
    if server.directory is None or host not in {"localhost", "127.0.0.1", "::1"} or not is_private_host(host):
        return None
    with contextlib.suppress(OSError):
        return shutil.disk_usage(Path(server.directory)).free
    return None


def check_vacuum(server: PostgresHealth) -> CheckResult:
    """Whether the space of deleted rows is reused, so that their content is overwritten eventually."""
    dead = sum(table.dead for table in server.tables)
    return _row(
        "database vacuum", _vacuum_faults(server), f"autovacuum is on; {dead} dead rows in {len(server.tables)} tables"
    )


def _vacuum_faults(server: PostgresHealth) -> Iterator[tuple[str, str, bool]]:
    if not server.autovacuum:
        what = "autovacuum, or track_counts, is off: rows that were deleted stay in the tables, and those grow"
        yield what, "Set both to on in postgresql.conf, and reload.", True
    if left_out := [table.name for table in server.tables if table.left_out]:
        what = f"autovacuum passes over {', '.join(left_out)}"
        yield what, "Reset the storage parameter autovacuum_enabled of that table.", True
    if many := [table.name for table in server.tables if table.dead > max(MANY_DEAD, table.live)]:
        what = f"most rows are dead in {', '.join(many)}: autovacuum does not get there"
        do = "Vacuum them by hand; then look for what is in its way: open transactions, slots, autovacuum_max_workers."
        yield what, do, True
    if (oldest := server.oldest_transaction or 0.0) > LONG_SECONDS:
        what = f"a transaction has been open for {oldest / 3600:.1f} hours: no row that was deleted since can go"
        yield what, "Find it in pg_stat_activity (xact_start), and end it.", True
    if server.prepared_count:
        what = f"{server.prepared_count} transactions are left prepared, and keep deleted rows"
        yield what, "ROLLBACK PREPARED, or COMMIT PREPARED, each of pg_prepared_xacts.", True


def check_log(server: PostgresHealth) -> CheckResult:
    """How long the server's log and copies keep deleted data, and whether its log may fill the disk."""
    copies = f"{server.replicas} replicas, {len(server.slots)} slots, " + (
        "an archive" if server.archives else "no archive"
    )
    named = "waits for the replica" if server.is_synchronous else "waits for no replica"
    copies += f"; what is answered {named} (synchronous_standby_names)"
    retention = "ids and times that were deleted stay in log and copies as long as those are kept"
    return _row("database log", _log_faults(server), f"{copies}; {retention}")


def _log_faults(server: PostgresHealth) -> Iterator[tuple[str, str, bool]]:
    if server.archives and server.archive_fails:
        what = "the archive of the log fails: the server keeps all of it until the disk is full"
        yield what, "See the server's log for archive_command, and put it right, or set archive_mode off.", True
    for slot in server.slots:
        backlog = f"holds {slot.kept_bytes // MIB} MiB of log back"
        do = f"Start its reader again, or call pg_drop_replication_slot('{slot.name}'); limit it by max_slot_wal_keep_size."
        if slot.status == "lost":
            yield f"slot {slot.name}: its replica can never catch up", f"{do} The replica has to be made again.", True
        elif not slot.active or slot.kept_bytes > MUCH_LOG_BYTES:
            what = f"slot {slot.name} {backlog}" + ("" if slot.active else ", and nobody reads it")
            yield what, do, slot.kept_bytes > MUCH_LOG_BYTES
    if server.slots and server.slots_keep_all:
        what = "max_slot_wal_keep_size is not set: a replica that stays away has the log fill the disk"
        yield what, "Set it to what the disk can spare, such as 2GB, and reload.", False
    if server.kept_log_bytes > MUCH_LOG_BYTES:
        what = f"wal_keep_size keeps {server.kept_log_bytes // MIB} MiB of log, with what was deleted meanwhile"
        yield what, "Set it to 0, and give each replica a slot.", False
    if server.recycles_log:
        what = "files of its log that are over stay, with what was deleted, until they are written over (wal_recycle)"
        yield what, "Set wal_recycle = off in postgresql.conf, and reload.", False
    if server.base_backups:
        yield (
            f"{server.base_backups} base backups are being made",
            "Keep none with keys.db beside it; say how long it is kept.",
            False,
        )


def check_copies(server: PostgresHealth, config: Config) -> CheckResult:
    """Whether the retention of copies is configured, and plausible: the server does not know it."""
    days = None if config.database is None else config.database.copies_kept_days
    well = "none is kept" if days == 0 else f"kept for {days} days at most"
    well = f"{well}, by database.copies_kept_days"
    return _row("database copies", _copies_faults(days, archives=server.archives), well)


def _copies_faults(days: int | None, *, archives: bool) -> Iterator[tuple[str, str, bool]]:
    copies = "base backups, dumps and an archive of the log keep what was deleted"
    if days is None:
        what = f"{copies}, and nobody said for how long"
        yield what, "Write the days into database.copies_kept_days (0: there are none), and let each copy end then.", False
    elif days == 0 and archives:
        what = "the server archives its log, though database.copies_kept_days says that no copy is kept"
        yield what, "Say for how many days, and let the archive end then; or set archive_mode off.", False
    elif days > LONG_DAYS:
        what = f"{copies}, for {days} days: ids and times of each conversation stay as long"
        yield what, f"Keep them for {LONG_DAYS} days at most, unless a duty of yours says otherwise.", False
