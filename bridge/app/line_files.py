"""Checks that the files of the data directory belong together, before anything is written to them.

Rule of this module: a fault that a restart cannot mend is reported once, with the file and what an operator can do, and
ends the start (exit code 2, see `main`). Faults that may pass (a full disk, a busy file) are not handled here. A missing
file is not made beside existing ones: it would prevent the restore of the right one.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from bot.model.actions import DESK
from bot.model.desk import Desk
from bridge.config.sections import Config
from bridge.lease.key_file_age import peek_keys
from bridge.runtime.clock import SteadyClock
from bridge.runtime.settings import read_secret
from bridge.storage import serialization
from bridge.storage.database import Database, Transaction
from bridge.storage.errors import (
    Busy,
    Corrupt,
    DatabaseError,
    InUse,
    OutdatedSchema,
    Unavailable,
    UnsuitableServer,
    UnsupportedSchema,
)
from bridge.storage.postgres_connection import PostgresPlace, connect, require_suitable
from bridge.storage.sqlite_connection import SqliteConnection, find_damage
from bridge.storage.vault import CannotOpen, Vault, key_check_value
from bridge.tables import clock_trust, desk_state, line_state
from bridge.tables.threads import AGGREGATE
from policies import ProblemsError

MAIN, KEYS, PUPPET = "main.db", "keys.db", "voice.db"
RESTORE: Final = (
    "Without it no conversation of this line can be opened again. If it is lost, `quietline restore` makes the line anew "
    "from a backup, in a new directory: number, packs, staff and STOP list come back, conversations do not"
)

LOST_KEY: Final = {
    "vault": RESTORE,
    "index": f"With another one nobody who texts is known again, and has two conversations at once. {RESTORE}",
    "suppression": (
        "With another one the line would text phones that said STOP or are blocked. If it is lost, every backup has it"
    ),
}
"""What is lost when a key is lost; by the key's name in `KeySettings.files`."""

MOVING: Final = ".moving"
"""The suffix of a database that `quietline migrate --to sqlite` has not finished."""
PUPPET_REMEDY: Final = "Move it away: the texter puppet makes itself a new device then, and nothing else is lost"


SERVER: Final = "the PostgreSQL database of database.url_file"
CREATE: Final = "make it again, empty: createdb --template=template0 --encoding=UTF8 --locale=C NAME"
SERVER_REMEDIES: Final = {
    "version": "PostgreSQL is older than version 13, which is the oldest that is used",
    "encoding": f"its encoding is not UTF-8; {CREATE}",
    "collation": f"it orders text by a language and not by bytes; {CREATE}",
    "certificate": "the server's certificate is not one that is trusted for its name",
    "settings": "the URL cannot be used as it is; sslmode=verify-full needs sslrootcert=FILE, the authority's certificate",
    "08P01": "a pooler such as PgBouncer is in between; write the server's own address and port into the URL",
    "28": "the server refuses this user or password",
    "3D000": "the server has no database of that name",
    "42501": (
        "this user may not make or change schemas and tables in it: ALTER DATABASE name OWNER TO user; for tables that "
        "another user made, as after a dump was read back, REASSIGN OWNED BY other TO user"
    ),
}
"""The sentence for an error, by a part of the error's code."""

KEPT_NAMES: Final[Mapping[str, tuple[Callable[[Config], str], str]]] = {
    line_state.SERVER_NAME: (
        lambda config: config.homeserver.server_name,
        "homeserver.server_name: this line was made on {} and stays there. Put that back.",
    ),
    line_state.SLUG: (
        lambda config: config.line.slug,
        (
            "lines.0.slug: this line was made as {} and stays that: under another slug no phone that said STOP or is "
            "blocked would be known. Put that back."
        ),
    ),
    line_state.POLICY: (
        lambda config: config.homeserver.policy_localpart,
        (
            "homeserver.policy_localpart: the policy bot of this line is {}, and its rooms and keys are that account's. "
            "Put that back."
        ),
    ),
    line_state.REHEARSAL: (
        lambda config: "true" if config.line.rehearsal else "false",
        (
            "lines.0.rehearsal: this line was begun with `rehearsal: {}`. A rehearsal trusts whoever signs in first, and "
            "its phones are handsets. Put that back; `quietline init` makes another line, in a directory of its own."
        ),
    ),
}
"""What a line keeps for good: each by its entry in the table `line`, as configured, and the sentence for another value."""

LOCKED: Final = (
    "another process keeps it locked in the middle of a write, as a bridge does that was frozen there. It is tried again; "
    "end that process"
)


class CannotStart(ProblemsError):  # noqa: N818 - the name states a fact
    """The line cannot start, and a restart does not help."""


class CannotStartYet(Exception):  # noqa: N818 - the name states a fact
    """The line cannot start at the moment: PostgreSQL does not answer, or `keys.db` is locked. The next try may succeed."""


def missing_keys(path: Path) -> str:
    """Say that `keys.db` of a line on PostgreSQL is missing, and what a person can do."""
    return f"{path}: missing: it has the keys of what {SERVER} holds. Put it back. {RESTORE}."


def stale_keys(path: Path) -> str:
    """Say that `keys.db` is an older copy, and what a person can do."""
    return (
        f"{path}: older than the database: it is a copy of before, or of another line. Keys that were made since are not "
        "in it, and destroyed ones may be. Put the newest one in its place. If that is lost, one start with --take-over "
        "takes this one: conversations that began since are not opened again and get no answer; the desk is told how many"
    )


def damaged_file(path: Path) -> str:
    """Say that a file is not a database, and what a person can do."""
    return f"{path}: damaged: it cannot be read as a database. {PUPPET_REMEDY if path.name == PUPPET else RESTORE}."


def unsuitable_server(error: UnsuitableServer) -> str:
    """Say why the server cannot be used."""
    remedies = (sentence for code, sentence in SERVER_REMEDIES.items() if code in error.code)
    return f"{SERVER}: {next(remedies, error.code)}"


def other_name(name: str, before: str) -> str:
    """Say that the configuration has another value than the line was made with. `name`: of `KEPT_NAMES`."""
    return KEPT_NAMES[name][1].format(before)


def check_presence(data: Path) -> None:
    """Raise `CannotStart` when one of the two files is missing: neither is of use without the other."""
    main, keys = data / MAIN, data / KEYS
    if main.exists() and not keys.exists() and _query_file(main, desk_state.peek_exists):
        raise CannotStart([f"{keys}: missing: it has the keys of what {main} holds. Put it back. {RESTORE}."])
    if keys.exists() and not main.exists() and _has_keys(keys):
        if main.with_name(f"{MAIN}{MOVING}").exists():
            again = "write `database` into the configuration again, and repeat `quietline migrate --to sqlite`"
            raise CannotStart([f"{main}: missing: its move from PostgreSQL was not finished. Nothing is lost: {again}."])
        raise CannotStart([f"{main}: missing: {keys} has the keys of what it holds. Put it back. {RESTORE}."])


def check_pages(data: Path) -> None:
    """Raise `CannotStart` when a database has a damaged page, before anything relies on it."""
    for path in (data / MAIN, data / PUPPET):
        with startup_errors(path):
            if path.exists() and find_damage(path):
                raise CannotStart([damaged_file(path)])


async def check_server(data: Path, server: str) -> None:
    """Raise `CannotStart` when `keys.db` and the PostgreSQL database are of two lines, or the latter cannot be used.

    Deletes what an interrupted `quietline migrate --to sqlite` left, when the server holds the line: that is a copy of all
    rows, from which no erasure would delete anything.
    """
    keys, main, there = data / KEYS, data / MAIN, False
    if main.exists():
        moves = "move it with `quietline migrate --to postgresql`, or take `database` out of the configuration"
        raise CannotStart([f"{main}: stands beside {SERVER}, and what it holds would be left out: {moves}."])
    with startup_errors(main, server=server):
        connection = await connect(PostgresPlace(server, main.stem), read_only=True)
        try:
            await require_suitable(connection)
            there = await connection.has_table("desk") and await desk_state.get(connection) is not None
        finally:
            await connection.close()
    if there and not keys.exists():
        raise CannotStart([missing_keys(keys)])
    if not there and keys.exists() and _has_keys(keys):
        raise CannotStart([f"{SERVER}: has nothing of this line, and {keys} has keys. Name the right one. {RESTORE}."])
    if there:
        _delete_unfinished(data)


@contextlib.contextmanager
def startup_errors(path: Path, *, server: str | None = None, may_wait: bool = False) -> Iterator[None]:
    """Name a file that is damaged, or was written by another version of this program. Raises `CannotStart`.

    `server`: the URL of the PostgreSQL server, when `path` stands for a schema there. `may_wait`: another bridge may be
    changing the file; then `CannotStartYet` is raised as well.
    """
    try:
        yield
    except UnsuitableServer as error:
        raise CannotStart([unsuitable_server(error)]) from None
    except Unavailable as error:
        if server is None and may_wait and isinstance(error, Busy):
            raise CannotStartYet(f"{path}: {LOCKED}") from None
        if server is None:
            raise
        raise CannotStartYet(f"{SERVER} does not answer, or takes nothing just now: {error.code}") from None
    except InUse:
        raise CannotStart([f"{SERVER}: another bridge, or a command, works on it"]) from None
    except OutdatedSchema:
        place = str(path) if server is None else SERVER
        upgrade = "`quietline upgrade` makes a backup and brings it to this one"
        raise CannotStart([f"{place}: an older version of this program wrote it; nothing was changed. {upgrade}"]) from None
    except (Corrupt, UnsupportedSchema) as error:
        if server is None:
            raise _cannot_use(path, error) from None
        damaged = "damaged: the server says that a page cannot be read"
        newer = "written by a newer version of this program, which has to be used"
        raise CannotStart([f"{SERVER}, schema {path.stem}: {damaged if isinstance(error, Corrupt) else newer}"]) from None
    except ValueError as error:
        raise _cannot_use(path, error) from None


def _cannot_use(path: Path, error: Exception) -> CannotStart:
    if isinstance(error, Corrupt):
        return CannotStart([damaged_file(path)])
    return CannotStart([f"{path}: written by a newer version of this program, which has to be used"])


async def check_vault(vault: Vault, path: Path, key_file: Path) -> None:
    """Raise `CannotStart` when this vault key opens no key in `keys.db`."""
    try:
        await vault.check_key()
    except ValueError as error:
        remedy = f"Put the right one back into {key_file}, or the right {path.name} beside it. {RESTORE}"
        raise CannotStart([f"{path}: {error}. {remedy}."]) from None


async def check_keys(database: Database, files: Mapping[str, Path]) -> None:
    """Raise `CannotStart` when a key is not the one with which this database was written. `files`: by the key's name.

    A database without check values gets them. Call it after the desk was opened, which shows that the vault key is right.
    """
    values = {name: key_check_value(bytes.fromhex(read_secret(file))) for name, file in files.items()}
    wrong = await database.commit(lambda transaction: line_state.settle_keys(transaction, values))
    if wrong:
        belongs = "is not the one that the database of this line was written with. Put that one back"
        raise CannotStart([f"{files[name]}: this {name} key {belongs}. {LOST_KEY[name]}." for name in wrong])


async def check_names(database: Database, config: Config) -> None:
    """Raise `CannotStart` when the line was made with other names: nothing that it stored would belong to these.

    A database without such a name gets the configured one.
    """
    names = {
        name: (await line_state.get(database, name), configured(config)) for name, (configured, _) in KEPT_NAMES.items()
    }
    if wrong := [other_name(name, before) for name, (before, now) in names.items() if before not in {None, now}]:
        raise CannotStart(wrong)

    async def commit(transaction: Transaction) -> None:
        for name, (before, now) in names.items():
            if before is None:
                await line_state.put(transaction, name, now)

    if any(before is None for before, _ in names.values()):
        await database.commit(commit)


async def steady_clock(database: Database) -> SteadyClock:
    """Return the line's clock, which never runs behind its last note. Raises `CannotStart` for one that is years ahead."""
    last = await clock_trust.last_time(database)
    if last and time.time() - last > clock_trust.MAX_AHEAD:
        problem = (
            "the machine's clock is more than a year ahead of when this line last ran. Set the clock, and start it again"
        )
        raise CannotStart([f"{problem}. If the line did not run for so long, begin a new one (`quietline init`)."])
    return SteadyClock(not_before=last)


async def check_desk(database: Database, vault: Vault, data: Path) -> None:
    """Raise `CannotStart` when the desk's row cannot be opened: the two files are not of one line."""
    sealed = await desk_state.get(database)
    if sealed is None:
        return
    try:
        serialization.decode_as(Desk, await vault.open(DESK, AGGREGATE, sealed))
    except (CannotOpen, ValueError, TypeError):
        main, keys = data / MAIN, data / KEYS
        problem = f"{keys}: does not open the desk in {main}: one of the two is of another line or another time"
        raise CannotStart([f"{problem}. Put the two together that belong together. {RESTORE}."]) from None


def _delete_unfinished(data: Path) -> None:
    """Delete what an interrupted move to SQLite left; `voice.db` may have its name already."""
    if unfinished := [path for name in (MAIN, PUPPET) for path in data.glob(f"{name}{MOVING}*")]:
        for path in [*(data / f"{PUPPET}{end}" for end in ("-wal", "-shm", "")), *unfinished]:
            path.unlink(missing_ok=True)


def _has_keys(path: Path) -> bool:
    """Whether the file has keys; a file of another kind has none.

    Raises `CannotStartYet` when it cannot be read at the moment.
    """
    try:
        return peek_keys(path)
    except Busy:
        raise CannotStartYet(f"{path}: {LOCKED}") from None
    except DatabaseError:
        return False


def _query_file(path: Path, question: Callable[[SqliteConnection], bool]) -> bool:
    """Query a file; return False when it lacks the table or is not a database."""
    try:
        with contextlib.closing(SqliteConnection(path, read_only=True)) as connection:
            return question(connection)
    except DatabaseError:
        return False
