"""`quietline upgrade`: a line's databases, brought to this version after a backup.

Rules of this module: the line is stopped meanwhile. A backup is made before the first step, unless a person declined it.
Each step is one commit, so an interruption (a kill, a full disk) loses nothing and the same command continues. A database
of a newer version is not touched, nor one with a damaged page; and no step is taken while this version would not start with
the agency's packs. The older program then goes on as before. A real line of an older version does not start before the
upgrade.
"""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.app.line_files import SERVER, unsuitable_server
from bridge.config.packs import load_packs
from bridge.matrix.schema import MAIN_SCHEMA, PUPPET_SCHEMA
from bridge.runtime.program import own_version
from bridge.storage.errors import Busy, Corrupt, DatabaseError, InUse, InvalidStatement, UnsuitableServer
from bridge.storage.migrations import peek_version
from bridge.storage.postgres_database import database_of
from bridge.storage.sqlite_connection import find_damage
from bridge.tables import desk_state
from deploy.backup.rotation import backup_into
from deploy.data_dir import offline
from deploy.data_dir.atomic_files import file_problem
from deploy.data_dir.line_lock import LineRuns, line_stopped
from deploy.data_dir.secret_files import SetupError
from deploy.inspect.check_report import CheckReport, CheckResult
from deploy.inspect.leader import read_leadership
from policies import ProblemsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bridge.config.sections import Config
    from bridge.storage.migrations import Schema
    from deploy.data_dir.layout import Layout

FILES: Final = (("main.db", MAIN_SCHEMA), ("voice.db", PUPPET_SCHEMA))
ROOM_BYTES: Final = 64 * 1024 * 1024
"""Free bytes required besides a second copy of the database: the write-ahead log contains a step until its commit."""

WAY_BACK: Final = "only the backup of before leads back, without the conversations since"
DAMAGED: Final = (
    "Is the disk well? Keep a copy of the data directory; then `quietline restore` makes the line from its newest backup, "
    "in a new directory, without its conversations"
)
UNTOUCHED: Final = "The older program goes on as before"
KEEP_BACKUP: Final = "Keep the backup of before until the new version has proved itself."


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVersion:
    """The stored version of a database. `newest`: the version of this program."""

    file: Path
    number: int
    newest: int


def read_versions(config: Config) -> list[StoredVersion]:
    """Return the version of each database; none for a missing or empty one. Raises `DatabaseError`."""
    versions: list[StoredVersion] = []
    for name, schema in FILES:
        file = config.data_dir / name
        if config.database is None and not file.exists():
            continue
        with offline.line_snapshot(config.data_dir, config.database_url, file=name) as db:
            if number := peek_version(db):
                versions.append(StoredVersion(file=file, number=number, newest=schema.latest))
    return versions


def require_current(config: Config, layout: Layout) -> None:
    """Raise :class:`SetupError` when a real line must be upgraded before it starts. A rehearsal upgrades itself."""
    if config.line.rehearsal:
        return
    try:
        older = [each for each in read_versions(config) if each.number < each.newest]
        is_refused = bool(older) and _has_desk(config)
    except DatabaseError:
        return  # the bridge reports what is wrong with it, and takes no step of an existing database either
    if is_refused:
        verb = f"quietline upgrade {layout.option}"
        what = "its databases are of an older version, and nothing was changed"
        raise SetupError([f"{layout.data}: {what}. `{verb}` makes a backup and brings them to {own_version()}"])


def _has_desk(config: Config) -> bool:
    """Whether the line was ever started to the end: a first start that was interrupted is continued by the next one."""
    with offline.line_snapshot(config.data_dir, config.database_url) as db:
        return "desk" in db.tables() and desk_state.peek_exists(db)


def check_upgrade(layout: Layout, config: Config, *, backed_up: bool) -> CheckReport:
    """Report what an upgrade would do, and whether it is possible; change nothing.

    `backed_up`: a place for the backup is configured.
    """
    try:
        versions, runs = read_versions(config), is_bridge_running(config)
        rows = tuple(_rows(versions, layout, config, runs=runs, backed_up=backed_up))
    except DatabaseError as error:
        what = "cannot be read: the disk is full" if error.is_full else f"cannot be read ({error.code})"
        do = "Make room first." if error.is_full else "Is the disk well? `quietline doctor` says more."
        row = CheckResult(name="database", ok=False, what=what, do=do)
        return CheckReport(checks=(row,))
    return CheckReport(checks=rows)


def _rows(
    versions: list[StoredVersion], layout: Layout, config: Config, *, runs: bool, backed_up: bool
) -> Iterator[CheckResult]:
    newer = [each for each in versions if each.number > each.newest]
    steps = sum(max(0, each.newest - each.number) for each in versions)
    if newer:
        what = f"{newer[0].file.name} is of a newer version than {own_version()}"
        do = "Install that version, or newer. To go back, restore a backup of before: a database never goes back."
        yield CheckResult(name="database", ok=False, what=what, do=do)
    elif not versions and config.database is not None and (config.data_dir / "main.db").exists():
        what = f"{SERVER} is empty, and {config.data_dir / 'main.db'} holds a line, which does not start beside it"
        do = f"`quietline migrate --to postgresql {layout.option}`, or take `database` out of the configuration."
        yield CheckResult(name="database", ok=False, what=what, do=do)
    elif not versions:
        yield CheckResult(name="database", ok=True, what="there is none yet; the first start makes it")
    elif steps and (damage := _find_damage(config)):
        yield CheckResult(name="database", ok=False, what=damage, do=f"{DAMAGED}. {UNTOUCHED}.")
    else:
        what = f"{steps} steps are to be taken" if steps else f"is of this version, {own_version()}; nothing is to be done"
        yield CheckResult(name="database", ok=True, what=what)
    if runs:
        yield CheckResult(name="line", ok=not steps, what="runs", do="Stop it first." if steps else "")
    else:
        yield CheckResult(name="line", ok=True, what="is stopped")
    do = "" if backed_up or not steps else "Say --to-dir and --passphrase-file, or write `backup` into the configuration."
    what = "is made before the first step" if backed_up else "there is no place for one"
    yield CheckResult(name="backup", ok=backed_up or not steps, what=what, do=do)
    if config.data_dir.is_dir():
        yield _check_room(config)
    yield _check_packs(layout, config)
    if steps:
        what = f"an older version does not open the databases after their steps, and {WAY_BACK}"
        yield CheckResult(name="irreversible", ok=True, what=what, do=KEEP_BACKUP, warning=True)


def _find_damage(config: Config) -> str:
    """Return which database has a damaged page, empty when none has; PostgreSQL checks its pages itself."""
    files = () if config.database is not None else (config.data_dir / name for name, _ in FILES)
    for file in files:
        if file.exists() and find_damage(file):
            return f"{file} is damaged"
    return ""


def _check_packs(layout: Layout, config: Config) -> CheckResult:
    """Whether this version would start with the agency's packs: its rules, or a text to be reviewed, may be others."""
    try:
        load_packs(config, file=layout.config)
    except ProblemsError as error:
        do = "Put it right first (`quietline policy lint`): this version does not start with them."
        return CheckResult(name="packs", ok=False, what="; ".join(error.problems), do=do)
    return CheckResult(name="packs", ok=True, what="can be used by this version")


def _check_room(config: Config) -> CheckResult:
    size = sum(each.stat().st_size for each in config.data_dir.glob("*.db"))
    free, needed = shutil.disk_usage(config.data_dir).free, size + ROOM_BYTES
    do = "" if free >= needed else "Make room first."
    what = f"{free // 2**20} MiB are free, {needed // 2**20} are needed"
    return CheckResult(name="disk", ok=free >= needed, what=what, do=do)


async def upgrade(layout: Layout, config: Config, *, backup: tuple[Path, bytes] | None) -> tuple[int, Path | None]:
    """Upgrade a line to this version; return the number of steps, and the backup made before them, if any.

    `backup`: its directory and passphrase; None: a person declined it. Raises :class:`SetupError`, `OSError`.
    """
    with bridge_lock(config):
        try:
            versions = read_versions(config)
        except UnsuitableServer as error:
            raise SetupError([f"{unsuitable_server(error)}. Nothing was changed"]) from None
        if newer := [each for each in versions if each.number > each.newest]:
            raise SetupError([f"{newer[0].file}: is of a newer version than {own_version()}; nothing was changed"])
        steps = sum(max(0, each.newest - each.number) for each in versions)
        if not steps:
            return 0, None
        if not (room := _check_room(config)).ok:
            raise SetupError([f"{config.data_dir}: {room.what}; make room first. Nothing was changed"])
        if damage := _find_damage(config):
            raise SetupError([f"{damage}; nothing was changed. {DAMAGED}. {UNTOUCHED}"])
        if not (packs := _check_packs(layout, config)).ok:
            raise SetupError([f"packs: {packs.what}. {packs.do} Nothing was changed"])
        backup_path = (await backup_into(layout, backup[0], backup[1])).file if backup else None
        for name, schema in FILES:
            if config.database is not None or (config.data_dir / name).exists():
                await _migrate(config.data_dir / name, config.database_url, schema)
    return steps, backup_path


async def _migrate(file: Path, server: str | None, schema: Schema) -> None:
    # It takes the lease, so that no bridge of another machine uses the same tables.
    database = database_of(file, server, schema=schema, leads=file.name == "main.db")
    try:
        await database.open()
    except InUse:
        raise LineRuns(SERVER) from None
    except (DatabaseError, OSError) as error:
        where = str(file) if server is None else SERVER
        raise SetupError(
            [f"{where}: {_step_problem(error)}. Each step that was taken stands, the others were not begun"]
        ) from None
    finally:
        await database.close()


def _step_problem(error: DatabaseError | OSError) -> str:
    """Return why a step could not be taken, and what to do."""
    again = "run the same command again"
    match error:
        case OSError():
            return f"{file_problem(error)}; {again}"
        case DatabaseError(is_full=True):
            return f"the disk is full; make room on it, and {again}"
        case Busy():
            return f"another program uses these tables just now, as a dump does; let it end, and {again}"
        case UnsuitableServer():
            return f"{unsuitable_server(error).removeprefix(f'{SERVER}: ')}; then {again}"
        case Corrupt():
            return f"a page is damaged. {DAMAGED}"
        case InvalidStatement():
            by_hand = "was a table, a column, an index or a view added by hand? Take it away"
            return f"the tables are not as this program left them ({error}): {by_hand}, and {again}"
        case _:
            return f"it cannot be written ({error}); {again}"


def is_bridge_running(config: Config) -> bool:
    """Whether a bridge runs on that directory, or on the line's server, perhaps of another machine.

    Raises `DatabaseError`.
    """
    try:
        with bridge_lock(config):
            leadership = None if config.database_url is None else read_leadership(config.database_url)
    except LineRuns:
        return True
    return leadership is not None and bool(leadership.leads or leadership.standbys or leadership.keyless)


def bridge_lock(config: Config) -> contextlib.AbstractContextManager[None]:
    """Prevent a bridge from starting during the block, when the directory exists. Raises `LineRuns`."""
    return line_stopped(config.data_dir) if config.data_dir.is_dir() else contextlib.nullcontext()
