"""`quietline upgrade`: a line's databases, brought to this version after a backup.

Rules of this module: the line is stopped meanwhile. A backup is made before the first step, unless a person declined it.
Each step is one commit, so an interruption (a kill, a full disk) loses nothing and the same command continues. A database
of a newer version is not touched. A real line of an older version does not start before the upgrade.
"""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.app.line_files import SERVER
from bridge.matrix.schema import PUPPET_MIGRATIONS
from bridge.storage.errors import DatabaseError, InUse
from bridge.storage.postgres_database import database_of
from deploy.backup.backup import DATABASE_TABLES
from deploy.backup.release_notes import last_version, note_version, notes_since, read_changelog
from deploy.backup.rotation import backup_into
from deploy.data_dir import offline
from deploy.data_dir.atomic_files import file_problem
from deploy.data_dir.line_lock import LineRuns, line_stopped
from deploy.data_dir.program import own_version
from deploy.data_dir.secret_files import SetupError
from deploy.inspect.check_report import CheckReport, CheckResult
from deploy.inspect.leader import read_leadership

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bridge.config.sections import Config
    from bridge.storage.migrations import Migrations
    from deploy.data_dir.layout import Layout

FILES: Final = (("main.db", DATABASE_TABLES), ("voice.db", PUPPET_MIGRATIONS))
ROOM_BYTES: Final = 64 * 1024 * 1024
"""Free bytes required besides a second copy of the database: the write-ahead log contains a step until its commit."""

WAY_BACK: Final = "only the backup of before leads back, without the conversations since"
KEEP_BACKUP: Final = "Keep the backup of before until the new version has proved itself."


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVersion:
    """The stored version of a set of tables. `newest`: the version of this program."""

    file: Path
    migrations: Migrations
    number: int

    @property
    def newest(self) -> int:
        """The version to which this program migrates it."""
        return self.migrations.latest


def read_versions(config: Config) -> list[StoredVersion]:
    """Return the version of each set of tables; none for a missing or empty file. Raises `DatabaseError`."""
    versions: list[StoredVersion] = []
    for name, sets in FILES:
        file = config.data_dir / name
        if config.database is None and not file.exists():
            continue
        with offline.line_snapshot(config.data_dir, config.database_url, file=name) as db:
            numbers = [StoredVersion(file=file, migrations=each, number=each.peek_version(db)) for each in sets]
        versions += numbers if any(each.number for each in numbers) else []
    return versions


def require_current(config: Config, layout: Layout) -> None:
    """Raise :class:`SetupError` when a real line must be upgraded before it starts. A rehearsal upgrades itself."""
    if config.line.rehearsal:
        return
    try:
        older = [each for each in read_versions(config) if each.number < each.newest]
    except DatabaseError:
        return  # the bridge reports what is wrong with it
    if older:
        verb = f"quietline upgrade {layout.option}"
        what = "its databases are of an older version, and nothing was changed"
        raise SetupError([f"{layout.data}: {what}. `{verb}` makes a backup and brings them to {own_version()}"])


def check_upgrade(config: Config, *, backed_up: bool) -> CheckReport:
    """Report what an upgrade would do, what is new and irreversible, and whether it is possible; change nothing.

    `backed_up`: a place for the backup is configured.
    """
    try:
        versions, runs = read_versions(config), is_bridge_running(config)
    except DatabaseError as error:
        what = "cannot be read: the disk is full" if error.is_full else f"cannot be read ({error.code})"
        do = "Make room first." if error.is_full else "Is the disk well? `quietline doctor` says more."
        row = CheckResult(name="database", ok=False, what=what, do=do)
        return CheckReport(checks=(row,))
    return CheckReport(checks=tuple(_rows(versions, config, runs=runs, backed_up=backed_up)))


def _rows(versions: list[StoredVersion], config: Config, *, runs: bool, backed_up: bool) -> Iterator[CheckResult]:
    newer = [each for each in versions if each.number > each.newest]
    steps = sum(max(0, each.newest - max(each.number, each.migrations.base_version)) for each in versions)
    if newer:
        what = f"{newer[0].file.name} is of a newer version than {own_version()}"
        do = "Install that version, or newer. To go back, restore a backup of before: a database never goes back."
        yield CheckResult(name="database", ok=False, what=what, do=do)
    elif not versions:
        yield CheckResult(name="database", ok=True, what="there is none yet; the first start makes it")
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
    yield from _what_changes(config, steps=steps)


def _check_room(config: Config) -> CheckResult:
    size = sum(each.stat().st_size for each in config.data_dir.glob("*.db"))
    free, needed = shutil.disk_usage(config.data_dir).free, size + ROOM_BYTES
    do = "" if free >= needed else "Make room first."
    what = f"{free // 2**20} MiB are free, {needed // 2**20} are needed"
    return CheckResult(name="disk", ok=free >= needed, what=what, do=do)


def _what_changes(config: Config, *, steps: int) -> Iterator[CheckResult]:
    """Yield a row for the notes of each version in between, and one for irreversible changes."""
    before, text = last_version(config), read_changelog()
    known = [] if before is None or text is None else notes_since(before, text, own=own_version())
    for each in known:
        yield CheckResult(name=f"notes of {each.version}", ok=True, what=" ".join(each.notes))
    if before is None or text is None:
        what = "which version ran here before is not known" if before is None else "the notes are not beside this program"
        yield CheckResult(name="notes", ok=True, what=what, do="Read CHANGELOG.md from your version on.")
    elif not known:
        yield CheckResult(name="notes", ok=True, what=f"{before} ran here last: nothing is new")
    for_good = [note for each in known for note in each.irreversible]
    if steps:
        for_good.insert(0, f"the databases' steps: an older version does not open them afterwards, and {WAY_BACK}")
    what = "; ".join(for_good) or "nothing that an older version could not go on with"
    yield CheckResult(name="irreversible", ok=True, what=what, do=KEEP_BACKUP if for_good else "", warning=bool(for_good))


async def upgrade(layout: Layout, config: Config, *, backup: tuple[Path, bytes] | None) -> tuple[int, Path | None]:
    """Upgrade a line to this version; return the number of steps, and the backup made before them, if any.

    `backup`: its directory and passphrase; None: a person declined it. Raises :class:`SetupError`, `OSError`.
    """
    with bridge_lock(config):
        versions = read_versions(config)
        if newer := [each for each in versions if each.number > each.newest]:
            raise SetupError([f"{newer[0].file}: is of a newer version than {own_version()}; nothing was changed"])
        steps = sum(max(0, each.newest - max(each.number, each.migrations.base_version)) for each in versions)
        if not steps:
            return 0, None
        if not (room := _check_room(config)).ok:
            raise SetupError([f"{config.data_dir}: {room.what}; make room first. Nothing was changed"])
        backup_path = (await backup_into(layout, backup[0], backup[1])).file if backup else None
        for name, sets in FILES:
            if config.database is not None or (config.data_dir / name).exists():
                await _migrate(config.data_dir / name, config.database_url, sets)
        note_version(config)
    return steps, backup_path


async def _migrate(file: Path, server: str | None, sets: tuple[Migrations, ...]) -> None:
    # It takes the lease, so that no bridge of another machine uses the same tables.
    database = database_of(file, server, migrations=sets, leads=file.name == "main.db")
    try:
        await database.open()
    except InUse:
        raise LineRuns(SERVER) from None
    except (DatabaseError, OSError) as error:
        if isinstance(error, OSError):
            reason = file_problem(error)
        else:
            reason = "the disk is full; make room on it" if error.is_full else f"it cannot be written ({error})"
        then = "Each step that was taken stands, the others were not begun; run the same command again"
        raise SetupError([f"{file if server is None else SERVER}: {reason}. {then}"]) from None
    finally:
        await database.close()


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
