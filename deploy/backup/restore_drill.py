"""`quietline drill`: a backup, restored for a trial into a throwaway directory that is deleted at the end.

Rules of this module: it connects to nothing: no homeserver, no carrier, no address. It starts no bridge, because a bridge
on a restored line would sign out the real one's devices. From the line it reads only the database, in which it notes the
hour of a successful drill. It prints counts and times.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.config.load import load
from bridge.runtime.settings import read_secret
from bridge.storage.errors import DatabaseError
from bridge.storage.sqlite_connection import find_damage, snapshot
from bridge.storage.vault import key_check_value
from bridge.tables import line_state
from deploy.backup.backup import Backup, read_backup, read_rows, require_file
from deploy.backup.restore import destinations, restore
from deploy.backup.rotation import backups_of
from deploy.data_dir import offline
from deploy.data_dir.layout import Layout
from deploy.data_dir.line_lock import directory_lock
from deploy.data_dir.secret_files import SetupError
from deploy.inspect.check_report import CheckReport, CheckResult
from policies.load import PackError
from policies.load import load as load_pack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.config.sections import Config

PREFIX: Final = "quietline-drill-"
MEMORY_DISK: Final = Path("/dev/shm")  # noqa: S108 - the directory in it is made by mkdtemp, for us alone
"""A directory in memory, so that a drill's tokens never reach a disk."""
DAY: Final = 86_400.0
OLDER: Final = "Keep the file for whoever maintains this, make a new backup at once, and drill an older file by its name."


@dataclass(frozen=True, slots=True)
class Drill:
    """The input of a drill: the backup's file, its passphrase, and its line, if that is on this machine."""

    file: Path
    passphrase: bytes
    config: Config | None = None


def find_newest(config: Config, passphrase: bytes) -> Path:
    """Return the newest backup of the line in the directory of `backup.to`. Raises :class:`SetupError`, `OSError`."""
    if config.backup is None:
        raise SetupError(["backup: is not in the configuration; say FILE and --passphrase-file"])
    ours, foreign = backups_of(config.backup.to, (config.homeserver.server_name, config.line.slug), passphrase)
    if not ours:
        problem = f"{config.backup.to}: no backup of this line that this passphrase opens"
        raise SetupError([f"{problem}, of {len(foreign)} files" if foreign else problem])
    return ours[0]


async def run_drill(drill: Drill) -> CheckReport:
    """Restore a backup for a trial, and note a success in the line's database. Raises :class:`SetupError`."""
    require_file(drill.file)
    start = time.monotonic()
    rows = await _rows(drill)
    took = CheckResult(name="time", ok=True, what=f"all of it took {time.monotonic() - start:.1f} s")
    report = CheckReport(checks=(*rows, took))
    # Nothing is noted in a database that could not be read.
    if drill.config is not None and report.ok and all(row.asked for row in rows):
        now = str(time.time())
        await offline.commit(drill.config, lambda transaction: line_state.put(transaction, line_state.DRILLED, now))
    return report


async def _rows(drill: Drill) -> list[CheckResult]:
    try:
        backup = await asyncio.to_thread(read_backup, drill.file, drill.passphrase)
    except SetupError as error:
        return [CheckResult(name="opened", ok=False, what="; ".join(error.problems), do=OLDER)]
    days = (time.time() - backup.made_at) / DAY
    rows = [CheckResult(name="opened", ok=True, what=f"{drill.file.name}, {days:.1f} days old: every byte is as written")]
    with temporary_directory() as directory:
        layout = Layout(directory / "line")
        try:
            await restore(backup, layout)
        except SetupError as error:
            return [
                *rows,
                CheckResult(name="restored", ok=False, what=_without_directory(error.problems, directory), do=OLDER),
            ]
        rows += _compare(backup, layout, drill.config)
    return rows


def _compare(backup: Backup, layout: Layout, line: Config | None) -> Iterator[CheckResult]:
    """Compare the restored line with the backup's content, and with the present line."""
    files = destinations(backup, layout)
    wrong = [each for each in files if each.new.read_bytes() != each.data or each.new.stat().st_mode & 0o077]
    what = f"{len(files)} files, {len(backup.roster)} people"
    said = f"{what}; {len(wrong)} files are not what the backup holds, or others can read them" if wrong else what
    yield CheckResult(name="restored", ok=not wrong, what=said, do=OLDER if wrong else "")
    config = load(layout.config)
    yield CheckResult(name="configuration", ok=True, what="can be used, with its secrets and new vault keys")
    yield _words(config, layout)
    yield _database(backup, config)
    yield _check_suppression_key(backup, config, line)


def _words(config: Config, layout: Layout) -> CheckResult:
    try:
        load_pack(config.line.packs, near=layout.config.parent)
    except PackError as error:
        do = "Put the pack right on the line, and make a new backup."
        return CheckResult(name="packs", ok=False, what=f"{len(error.problems)} problems", do=do)
    return CheckResult(name="packs", ok=True, what="every wording is there")


def _database(backup: Backup, config: Config) -> CheckResult:
    """Whether the database is intact, has the present version, and has each row of the backup."""
    name, file = "database", config.data_dir / "main.db"
    try:
        damage = find_damage(file)
        with snapshot(file) as db:
            counts = {table: len(rows) for table, rows in read_rows(db).items()}
    except DatabaseError as error:
        return CheckResult(name=name, ok=False, what=f"cannot be read ({error.code})", do=OLDER)
    short = [table for table, rows in backup.tables.items() if counts.get(table) != len(rows)]
    if damage or short:
        what = damage or f"rows are missing: {', '.join(short)}"
        return CheckResult(name=name, ok=False, what=what, do=OLDER)
    listing = ", ".join(f"{count} of {table}" for table, count in counts.items())
    return CheckResult(name=name, ok=True, what=f"is sound and has every row: {listing or 'none'}")


def _check_suppression_key(backup: Backup, config: Config, line: Config | None) -> CheckResult:
    """Whether a restored line would recognise phones that said STOP: its key must be that of the entries."""
    count, name = len(backup.tables.get("suppression", ())), "stops"
    if line is None:
        what = f"{count} entries; whether their key is the line's is seen beside the line"
        return CheckResult(name=name, ok=True, what=what, asked=False)
    value = key_check_value(bytes.fromhex(read_secret(config.keys.suppression_key_file)))
    try:
        with offline.read_transaction(line) as db:
            wrong = line_state.peek_wrong_keys(db, {"suppression": value})
            now = len(read_rows(db).get("suppression", ()))
    except DatabaseError:
        what = f"{count} entries; the line's own database cannot be read, to compare"
        return CheckResult(name=name, ok=True, what=what, asked=False)
    if wrong:
        do = "Put the right suppression key back on the line (`quietline doctor`, row keys), and make a new backup."
        return CheckResult(name=name, ok=False, what="its key is not that of the line: no STOP would be known", do=do)
    return CheckResult(name=name, ok=True, what=f"{count} entries, under the line's key; the line has {now} now")


@contextlib.contextmanager
def temporary_directory() -> Iterator[Path]:
    """Make a private directory, in memory where that is possible, and delete it whatever happens.

    The next drill deletes the remains of a drill that was killed: a directory without a lock's holder.
    """
    usable = MEMORY_DISK.is_dir() and os.access(MEMORY_DISK, os.W_OK | os.X_OK)
    place = MEMORY_DISK if usable else Path(tempfile.gettempdir())
    for stale_directory in place.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # another drill deletes it, or it is no directory of ours
            if stale_directory.lstat().st_uid != os.getuid():
                continue
            with directory_lock(stale_directory) as free:
                if free:
                    shutil.rmtree(stale_directory, ignore_errors=True)
    with contextlib.ExitStack() as stack:
        while True:
            directory = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
            with contextlib.suppress(FileNotFoundError):  # another drill took it for one that was left
                if stack.enter_context(directory_lock(directory)):
                    break
        try:
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)


def _without_directory(problems: list[str], directory: Path) -> str:
    """Return problems as a sentence, without the name of a directory that is deleted."""
    return "; ".join(problem.replace(str(directory), "…") for problem in problems)
