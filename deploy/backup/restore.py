"""`quietline restore`: a line from its backup, in an empty directory.

Rules of this module: nothing is written over, so a line, whether it runs or not, cannot be restored over; the
vault's keys, all devices and both Matrix identities are new, and so is the homeserver's database; no thread is resumed and
no text is sent. What the desk must know is told there at the first start (`bridge/app/startup.py`).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets as new_secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from bridge.config.load import ConfigError, load
from bridge.matrix.schema import MAIN_SCHEMA
from bridge.storage.errors import DatabaseError
from bridge.storage.sqlite_database import SqliteDatabase
from bridge.tables import line_state
from deploy.backup.backup import Backup, insert_rows, write_new_file
from deploy.data_dir.atomic_files import (
    file_problem,
    give_to_owner,
    make_private_directory,
    open_descriptor,
    sync_directory,
    write_atomically,
)
from deploy.data_dir.line_lock import staging_directory
from deploy.data_dir.secret_files import Secrets, SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.storage.database import Transaction
    from deploy.data_dir.layout import Layout

OUTSIDE_FILES: Final = "restored"
"""The folder for files from outside the old data directory."""
KEYS: Final = ("vault_key_file", "index_key_file")
"""The names in `keys` of files that are made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredFile:
    """A file of the backup and its new path."""

    old: str
    new: Path
    data: bytes


async def restore(backup: Backup, layout: Layout) -> None:
    """Make a data directory from a backup. Raises :class:`SetupError` with all problems.

    After an error there is no directory, unless the only problem is that the configuration names a missing file.
    """
    if problems := [*place_problems(layout), *version_problems(backup)]:
        raise SetupError(problems)
    os.umask(0o077)
    try:
        with staging_directory(layout.data) as staging:
            await _write_staging(backup, layout, staging)
            for directory, _, _ in os.walk(staging):
                sync_directory(Path(directory))
            staging.rename(layout.data)  # also in place of an empty directory, and of nothing else
            with contextlib.suppress(OSError):  # it is there; a power cut may take its name, and then it is restored again
                sync_directory(layout.data.parent)
    except OSError as error:
        raise SetupError([f"{file_problem(error, layout.data)}; nothing was restored"]) from None
    except DatabaseError as error:
        reason = "the disk is full" if error.is_full else f"its database cannot be written ({error.code})"
        raise SetupError([f"{layout.data}: {reason}; nothing was restored"]) from None
    try:
        load(layout.config)
    except ConfigError as error:
        raise SetupError(error.problems) from None


def place_problems(layout: Layout) -> list[str]:
    """Return the reasons why nothing can be restored into that directory."""
    if layout.data.is_symlink():
        return [f"{layout.data}: is a link, and a line takes the place of nothing; give the directory that it leads to"]
    if layout.data.exists() and (not layout.data.is_dir() or any(layout.data.iterdir())):
        return [f"{layout.data}: is not empty, and a line is never restored over another; give a new directory"]
    if not layout.config.is_relative_to(layout.data):
        return [f"{layout.config}: is not in {layout.data}, and is not written over; say --data, with a new directory"]
    if layout.data.is_mount():
        new = layout.data / "line"
        return [f"{layout.data}: a disk is mounted there, and a line is written beside its place first; give {new}"]
    return []


def version_problems(backup: Backup) -> list[str]:
    """Return the reasons why this program cannot read the rows of that backup."""
    if backup.schema != MAIN_SCHEMA.latest:
        return [f"it was made by version {backup.program}, whose tables are others; restore it with that one"]
    return []


async def _write_staging(backup: Backup, layout: Layout, staging: Path) -> None:
    """Write everything to a staging directory, with the paths of the final layout in it."""
    files = destinations(backup, layout)
    names = {each.old: str(each.new) for each in files}
    # A pack's name is that of the configuration, which may be relative or a folder.
    names |= {name: names[path] for name, path in backup.packs.items() if not Path(path).is_relative_to(_root(backup))}
    names |= _new_places(backup, layout)
    text = _replace_paths(backup.config, names, root=backup.root, data=str(layout.data))
    for each in files:
        path = _staging_path(staging, layout, each.new)
        make_private_directory(path.parent)
        write_new_file(path, each.data)
    write_atomically(_staging_path(staging, layout, layout.config), text)
    _write_new_keys(text, layout, staging)
    named: Any = yaml.safe_load(text)
    signing_key = _staging_path(staging, layout, Secrets(directory=layout.secrets).signing_key)
    if signing_key.is_file() and not named["homeserver"].get("joined"):
        # By it every verb knows, before the first start, that the line has a homeserver of its own (`quietline init`).
        make_private_directory(_staging_path(staging, layout, layout.handout))
    make_private_directory(_staging_path(staging, layout, layout.run))  # units may write there before the first start
    place = Path(str(named["data_dir"]))
    await write_database(make_private_directory(_staging_path(staging, layout, place)) / "main.db", backup)


def _new_places(backup: Backup, layout: Layout) -> dict[str, str]:
    """Return the new paths of the databases and of the vault's keys where they were not below the old directory.

    Raises :class:`SetupError` when nobody can say where the bridge would look for the STOP entries.
    """
    named: Any = yaml.safe_load(backup.config)
    root, data_dir = Path(backup.root), Path(str(named["data_dir"]))
    if not data_dir.is_absolute():
        raise SetupError([f"its configuration has `data_dir: {data_dir}`, which is no whole path; nothing was restored"])
    keys = {name: Path(str(named["keys"][name])) for name in KEYS}
    places = {str(data_dir): str(layout.bridge)} if data_dir == root or not data_dir.is_relative_to(root) else {}
    return places | {
        str(path): str(layout.data / OUTSIDE_FILES / name)
        for name, path in keys.items()
        if path.is_absolute() and not path.is_relative_to(root)
    }


def _replace_paths(text: str, names: Mapping[str, str], *, root: str, data: str) -> str:
    """Replace the old paths by the new ones in one pass: a new one may be within the old directory."""
    old = [rf"{re.escape(name)}(?![\w./-])" for name in sorted(names, key=len, reverse=True)]
    pattern = "|".join([*old, rf"{re.escape(root)}(?![\w.-])"])
    return re.sub(rf"(?<![\w./-])(?:{pattern})", lambda match: names.get(match[0], data), text)


async def write_database(path: Path, backup: Backup) -> None:
    """Make a database with the rows of a backup. Raises `DatabaseError`."""
    database = SqliteDatabase(path, schema=MAIN_SCHEMA)
    await database.open()
    try:
        await database.commit(lambda transaction: _insert_rows(transaction, backup))
    finally:
        await database.close()
    with open_descriptor(path) as descriptor:
        give_to_owner(descriptor, path)


def _write_new_keys(text: str, layout: Layout, staging: Path) -> None:
    """Make the vault's two keys where this configuration has them; for a path that is not whole the operator makes them."""
    named: Any = yaml.safe_load(text)
    for name in KEYS:
        path = Path(str(named["keys"][name]))
        if path.is_relative_to(layout.data):
            make_private_directory(_staging_path(staging, layout, path).parent)
            write_atomically(_staging_path(staging, layout, path), new_secrets.token_hex(32) + "\n")


def _root(backup: Backup) -> Path:
    """Return the old directory, written as its files' paths are compared."""
    return Path(os.path.normpath(backup.root))


def destinations(backup: Backup, layout: Layout) -> list[RestoredFile]:
    """Return each file of a backup with its new path: below the new directory if it was below the old one."""
    root, found_files = _root(backup), []
    for number, (old, data) in enumerate(backup.files.items()):
        path = Path(os.path.normpath(old))
        if path.is_relative_to(root):
            new = layout.data / path.relative_to(root)
        else:
            new = layout.data / OUTSIDE_FILES / f"{number}{path.suffix}"
        found_files.append(RestoredFile(old=old, new=new, data=data))
    return found_files


async def _insert_rows(transaction: Transaction, backup: Backup) -> None:
    await insert_rows(transaction, backup.tables)
    facts: dict[str, Any] = {
        line_state.RESTORE: {"made": backup.made_at, "unfinished": backup.unfinished},
        line_state.RESTORED_ROSTER: backup.roster,
    }
    for name, value in facts.items():
        await line_state.put(transaction, name, json.dumps(value))
    _, slug = backup.line
    await line_state.put(transaction, line_state.SLUG, slug)  # the STOP list that was inserted is hashed with it


def _staging_path(staging: Path, layout: Layout, path: Path) -> Path:
    return staging / path.relative_to(layout.data)
