"""`quietline restore`: a line from its backup, in an empty directory.

Rules of this module: nothing is written over, so a running line, or one that stands still, cannot be restored over; the
vault's keys, all devices and both Matrix identities are new, and so is the homeserver's database; no thread is resumed and
no text is sent. What the desk must know is told there at the first start (bridge/restored).
"""

from __future__ import annotations

import json
import os
import re
import secrets as new_secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from bridge.config import ConfigError, load
from bridge.engine.startup_notices import RESTORED, ROSTER
from bridge.matrix.schema import MAIN_UPGRADES
from bridge.storage.database import Store
from bridge.tables import schema
from deploy.backup.backup import KEPT, Backup, write
from deploy.data_dir.atomic_files import private_directory, write_whole
from deploy.data_dir.secret_files import Unusable

if TYPE_CHECKING:
    from bridge.storage.database import Connection
    from deploy.data_dir.layout import Layout

ELSEWHERE: Final = "restored"
"""Folder for files that lay outside the old data directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A file of the backup and where it goes."""

    old: str
    new: Path
    data: bytes


async def restore(found: Backup, layout: Layout) -> None:
    """Make a data directory from a backup. Raises :class:`Unusable` with all problems.

    There is no directory then, except when only the configuration still names something that this machine has not.
    """
    if layout.data.exists() and (not layout.data.is_dir() or any(layout.data.iterdir())):
        problem = f"{layout.data}: is not empty, and a line is never restored over another; give a new directory"
        raise Unusable([problem])
    os.umask(0o077)
    half = layout.data.with_name(f".{layout.data.name}.half")
    shutil.rmtree(half, ignore_errors=True)
    try:
        await _fill(found, layout, half)
        if layout.data.exists():
            layout.data.rmdir()
        half.rename(layout.data)
    except OSError as error:
        raise Unusable([f"{error.filename}: {error.strerror}"]) from None
    finally:
        shutil.rmtree(half, ignore_errors=True)
    try:
        load(layout.config)
    except ConfigError as error:
        raise Unusable(error.problems) from None


async def _fill(found: Backup, layout: Layout, half: Path) -> None:
    """Write everything under a name of its own, as it will stand under the layout's."""
    moved = _moves(found, layout)
    names = {each.old: str(each.new) for each in moved}
    # A pack is named as it stands in the configuration, which may be relative, or its folder.
    names |= {name: names[path] for name, path in found.packs.items() if not Path(path).is_relative_to(found.root)}
    text = found.config
    for old, new in sorted(names.items(), key=lambda pair: len(pair[0]), reverse=True):
        text = re.sub(rf"(?<![\w./-]){re.escape(old)}(?![\w./-])", lambda _match, new=new: new, text)  # type: ignore[misc]
    text = re.sub(rf"(?<![\w./-]){re.escape(found.root)}(?![\w.-])", lambda _match: str(layout.data), text)
    for each in moved:
        path = _under(half, layout, each.new)
        private_directory(path.parent)
        write(path, each.data)
    write_whole(_under(half, layout, layout.config), text)
    _new_keys(text, layout, half)
    bridge = private_directory(_under(half, layout, layout.bridge))
    store = Store(bridge / "main.db", upgrades=(schema.upgrades, *MAIN_UPGRADES))
    await store.open()
    try:
        await store.commit(lambda conn: _rows(conn, found))
    finally:
        await store.close()


def _new_keys(text: str, layout: Layout, half: Path) -> None:
    """Make the two keys of the vault where this configuration has them; outside the directory that is the operator's."""
    named: Any = yaml.safe_load(text)
    for name in ("vault_key_file", "index_key_file"):
        path = Path(str(named["keys"][name]))
        if path.is_relative_to(layout.data):
            private_directory(_under(half, layout, path).parent)
            write_whole(_under(half, layout, path), new_secrets.token_hex(32) + "\n")


def _moves(found: Backup, layout: Layout) -> list[Moved]:
    root, moved = Path(found.root), []
    for number, (old, data) in enumerate(found.files.items()):
        path = Path(os.path.normpath(old))
        if path.is_relative_to(root):
            new = layout.data / path.relative_to(root)
        else:
            new = layout.data / ELSEWHERE / f"{number}{path.suffix}"
        moved.append(Moved(old=old, new=new, data=data))
    return moved


async def _rows(conn: Connection, found: Backup) -> None:
    for table, rows in found.tables.items():
        if table not in KEPT:
            continue
        for row in rows:
            names = [name for name in row if name.isidentifier()]
            places = ", ".join(f"${n + 1}" for n in range(len(names)))
            query = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({places})"  # noqa: S608 - names that were checked
            await conn.execute(query, *(row[name] for name in names))
    facts: dict[str, Any] = {
        RESTORED: {"made": found.made, "unfinished": found.unfinished},
        ROSTER: found.roster,
    }
    for name, value in facts.items():
        await conn.execute("INSERT INTO line (name, value) VALUES ($1, $2)", name, json.dumps(value))


def _under(half: Path, layout: Layout, path: Path) -> Path:
    return half / path.relative_to(layout.data)
