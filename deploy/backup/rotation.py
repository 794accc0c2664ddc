"""Backups in a directory: a new one each time, and of this line's those that a plan keeps.

Rules of this module: no backup is deleted before the new file was read back from the disk and opened. A backup is deleted
only if it opens with the same passphrase and belongs to the same line; files of other lines, with another passphrase, and
damaged ones stay. The new file stays, whatever the clock says.
"""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.matrix.schema import MAIN_SCHEMA, PUPPET_SCHEMA
from bridge.runtime.keep_plan import KeepPlan
from bridge.storage.postgres_database import database_of
from deploy.backup.backup import HALF, Backup, backup, new_file_name, read_backup, read_passphrase
from deploy.data_dir.line_lock import line_stopped
from deploy.data_dir.secret_files import SetupError

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.config.sections import Config
    from deploy.data_dir.layout import Layout

FILES: Final = (("main.db", MAIN_SCHEMA), ("voice.db", PUPPET_SCHEMA))


async def upgrade(layout: Layout, config: Config, *, with_backup: bool = True) -> Path | None:
    """Upgrade a line to this version; return the backup made before, if any.

    Raises :class:`SetupError`, `DatabaseError`, `OSError`.
    """
    with line_stopped(config.data_dir) if config.data_dir.is_dir() else contextlib.nullcontext():
        file = None
        if with_backup:
            if (section := config.backup) is None:
                raise SetupError([f"{layout.config}: backup: is not there; write it, or say --without-backup"])
            file = (await backup_into(layout, section.to, read_passphrase(section.passphrase_file))).file
        for name, schema in FILES:
            if config.database is None and not (config.data_dir / name).exists():
                continue
            # It leads meanwhile, so that no bridge of another machine uses the same tables.
            database = database_of(config.data_dir / name, config.database_url, schema=schema, leads=name == "main.db")
            try:
                await database.open()
            finally:
                await database.close()
    return file


FILE_NAME: Final = re.compile(r"quietline-[0-9]{8}T[0-9]{6}Z\.backup")
HALF_NAME: Final = re.compile(rf"\.{FILE_NAME.pattern}\.[0-9a-f]+{re.escape(HALF)}")
HALF_SECONDS: Final = 3600.0
"""Seconds after which no process can still be writing a `.half` file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RotatedBackup:
    """A new backup in a directory. `removed`: deleted older ones of the line; `foreign`: files that were not recognised."""

    file: Path
    backup: Backup
    removed: tuple[Path, ...] = ()
    foreign: tuple[Path, ...] = ()


def plan_of(value: int | str) -> KeepPlan:
    """Parse the plan of files to keep, from the configuration or an option. Raises `ValueError` with a sentence."""
    return KeepPlan.parse(str(value))


async def backup_into(layout: Layout, directory: Path, passphrase: bytes, *, keep: KeepPlan | None = None) -> RotatedBackup:
    """Write a backup into a directory; keep the line's backups by the plan `keep` and the times in their names; None: all.

    Raises `ConfigError`, `SetupError`, `OSError`, `DatabaseError`.
    """
    _require_directory(directory)
    file = directory / new_file_name(now := time.time())
    new_backup = await backup(layout, file, passphrase)
    for path in _stale_halves(directory):
        path.unlink(missing_ok=True)
    if keep is None:
        return RotatedBackup(file=file, backup=new_backup)
    if read_backup(file, passphrase) != new_backup:
        raise SetupError([f"{file}: does not hold what was written into it; is the disk well? No older file was deleted"])
    ours, foreign = backups_of(directory, new_backup.line, passphrase)
    others = {path: at for path in ours if path != file and (at := _time_of(path)) is not None}
    # The new file is always kept, and counts as the newest, whatever the time in its name.
    named = datetime.fromtimestamp(int(now), UTC)
    newest = max([named, *(at + timedelta(seconds=1) for at in others.values())])
    stay = keep.times_to_keep([newest, *others.values()])
    removed = [path for path, at in others.items() if at not in stay]
    for path in removed:
        path.unlink(missing_ok=True)
    return RotatedBackup(file=file, backup=new_backup, removed=tuple(removed), foreign=tuple(foreign))


def _require_directory(directory: Path) -> None:
    if not directory.is_dir():
        raise SetupError([f"{directory}: there is no such directory; is its disk mounted? Else make it, and say it again"])


def backups_of(directory: Path, line: tuple[str, str], passphrase: bytes) -> tuple[list[Path], list[Path]]:
    """Return the backups of a line in a directory, the newest first, and files whose line this passphrase does not show.

    Raises `OSError` when the directory cannot be read.
    """
    ours: list[Path] = []
    foreign: list[Path] = []
    for path in sorted(directory.iterdir(), key=lambda each: each.name, reverse=True):
        if not FILE_NAME.fullmatch(path.name) or path.is_symlink() or not path.is_file():
            continue
        try:
            is_ours = read_backup(path, passphrase).line == line
        except SetupError:
            foreign.append(path)
        else:
            (ours if is_ours else foreign).append(path)
    return ours, foreign


def _time_of(path: Path) -> datetime | None:
    """Return the time in a file's name; None for a name without a time, whose file is kept."""
    try:
        return datetime.strptime(path.name, "quietline-%Y%m%dT%H%M%SZ.backup").replace(tzinfo=UTC)
    except ValueError:
        return None


def _stale_halves(directory: Path) -> list[Path]:
    """Return `.half` files that killed runs have left."""
    before, stale = time.time() - HALF_SECONDS, list[Path]()
    for path in directory.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another run has deleted it, or finished it
            if HALF_NAME.fullmatch(path.name) and path.lstat().st_mtime < before:
                stale.append(path)
    return stale
