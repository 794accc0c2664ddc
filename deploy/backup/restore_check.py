"""`quietline restore --check`: whether a backup could be restored on this machine, now.

Rule of this module: it writes nothing, neither in the directory nor beside it, nor on a PostgreSQL server, which is only
queried; rows are inserted into a database in memory.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml
from pydantic import ValidationError

from bridge.config.sections import Config
from bridge.runtime.program import own_version
from bridge.runtime.settings import secret_files
from bridge.storage.errors import DatabaseError
from deploy.backup.backup import RENEWED_SECRETS, Backup, read_backup, require_file
from deploy.backup.migrate import CannotMigrate, require_free_server
from deploy.backup.restore import place_problems, try_rows, version_problems
from deploy.data_dir.secret_files import SetupError
from deploy.inspect.check_report import CheckReport, CheckResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deploy.data_dir.layout import Layout

ROOM_BYTES: Final = 64 * 1024 * 1024
"""Bytes that a restored line needs besides its files, before its homeserver's first start."""
DAY: Final = 86_400.0
NOT_OPENED: Final = "was not looked at: the file could not be opened"


async def check_restore(file: Path, passphrase: bytes, layout: Layout) -> CheckReport:
    """Check a backup and the directory for its restore. Raises :class:`SetupError` when the file is no backup."""
    size = require_file(file)
    try:
        backup = read_backup(file, passphrase)
    except SetupError as error:
        do = "Is it the passphrase of that time, and the whole file? Try an older backup: each is opened by itself."
        rows = [CheckResult(name="integrity", ok=False, what="; ".join(error.problems), do=do)]
        rows += [CheckResult(name=name, ok=True, what=NOT_OPENED, asked=False) for name in ("version", "rows")]
        return CheckReport(checks=(*rows, *_place(layout, size=size)))
    days = (time.time() - backup.made_at) / DAY
    what = f"opens, and is what was written {days:.1f} days ago: {len(backup.files)} files, {len(backup.roster)} people"
    rows = [CheckResult(name="integrity", ok=True, what=what), _version(backup)]
    if rows[-1].ok:
        rows += [await _rows(backup), *_configuration(backup), *await _server(backup)]
    return CheckReport(checks=(*rows, *_place(layout, size=sum(map(len, backup.files.values())))))


def _version(backup: Backup) -> CheckResult:
    if problems := version_problems(backup):
        do = "Install that version here, and restore with it."
        return CheckResult(name="version", ok=False, what="; ".join(problems), do=do)
    made_by = backup.program or "a version that did not say so"
    return CheckResult(name="version", ok=True, what=f"made by {made_by}; this is {own_version()}, which reads it")


async def _rows(backup: Backup) -> CheckResult:
    try:
        counts = await try_rows(backup)
    except DatabaseError as error:
        do = "Keep the file, and tell whoever maintains this; an older backup may be well."
        return CheckResult(name="rows", ok=False, what=f"its rows fit into no table ({error.code})", do=do)
    listing = ", ".join(f"{count} of {table}" for table, count in counts.items())
    return CheckResult(name="rows", ok=True, what=f"can be read: {listing or 'none'}")


def _configuration(backup: Backup) -> Iterator[CheckResult]:
    """Whether the configuration is valid, and each file that it names is in the backup or here."""
    try:
        document: Any = yaml.safe_load(backup.config)
        config = Config.model_validate(document)
    except (yaml.YAMLError, ValidationError, RecursionError):
        do = "It is restored all the same; put config.yaml right before the start: `quietline check` names each key."
        yield CheckResult(name="configuration", ok=False, what="is none that this version can use", do=do)
        return
    root = Path(backup.root)
    missing = [
        str(path)
        for name, path in secret_files(config)
        if name not in RENEWED_SECRETS
        and str(path.absolute()) not in backup.files
        and (path.is_relative_to(root) or not path.is_file())
    ]
    what = f"line {config.line.slug}, {config.line.carrier.kind}"
    if missing:
        do = "Put these files here first, or the restored line does not start: " + ", ".join(missing)
        yield CheckResult(name="configuration", ok=False, what=f"{what}; {len(missing)} files are nowhere", do=do)
    else:
        yield CheckResult(name="configuration", ok=True, what=f"{what}; every secret is in the backup, here, or made new")


async def _server(backup: Backup) -> list[CheckResult]:
    """Whether the line's PostgreSQL database, if it has one, would accept its rows; no row for a line on SQLite."""
    try:
        config = Config.model_validate(yaml.safe_load(backup.config))
    except (yaml.YAMLError, ValidationError, RecursionError):
        return []  # the row before reports it
    if config.database is None:
        return []
    file, name = config.database.url_file, "database"
    then = "It is restored all the same, into a file: put this right, then `quietline migrate --to postgresql`."
    try:
        data = backup.files.get(str(file.absolute()))
        await require_free_server(file.read_text(encoding="utf-8").strip() if data is None else data.decode().strip())
    except OSError:
        what = f"PostgreSQL; {file}, with its URL, is nowhere"
        return [CheckResult(name=name, ok=True, what=what, do=then, warning=True)]
    except (CannotMigrate, DatabaseError) as error:
        return [CheckResult(name=name, ok=True, what=f"PostgreSQL: {error}", do=then, warning=True)]
    return [CheckResult(name=name, ok=True, what="a PostgreSQL that will do, and holds no line: the rows go there")]


def _place(layout: Layout, *, size: int) -> Iterator[CheckResult]:
    """Whether the directory is free, can be made in the one above it, and has enough space there."""
    name = "place"
    if problems := place_problems(layout):
        yield CheckResult(name=name, ok=False, what="; ".join(problems), do="Say another one with --data.")
        return
    # Also in place of an empty directory that is there: the line is written beside it, and renamed to it.
    above = next(path for path in layout.data.parents if os.path.lexists(path))
    if not above.is_dir():
        what, do = f"{above} is no directory, so none can be made in it", "Say another one with --data."
        yield CheckResult(name=name, ok=False, what=what, do=do)
        return
    if not os.access(above, os.W_OK | os.X_OK):
        what = f"{above} may not be written, and a line is made there before it gets its name"
        do = "Restore as root, or as the account that will run the line, where it may write."
        yield CheckResult(name=name, ok=False, what=what, do=do)
        return
    free, needed = shutil.disk_usage(above).free, 2 * size + ROOM_BYTES
    what = f"{layout.data}: free for a line, {free // 2**20} MiB on the disk, {needed // 2**20} needed"
    do = "" if free >= needed else "Make room, or say another directory with --data."
    yield CheckResult(name=name, ok=free >= needed, what=what, do=do)
