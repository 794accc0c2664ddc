"""A line's files, used from beside a bridge that may be running.

Rules of this module: what is read is read in one transaction of its own; what is written is one commit, through the same
kind of store that the bridge has, so neither ever sees half of the other's; `keys.db` is not opened here at all.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.runtime.settings import read_secret
from bridge.storage.database import Database
from bridge.storage.key_file import KeyFile
from bridge.storage.vault import Vault
from bridge.tables.audit_log import AuditLog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bot.model.audit_kinds import AuditKind
    from bridge.config import Config

LINE_ENTRY: Final = "line"
"""Whose entry of the audit it is when it belongs neither to a thread nor to the desk."""


def open_vault(config: Config) -> Vault:
    """Make a vault for what its two keys give by themselves: hashes and derived keys."""
    return Vault(
        keys=KeyFile(path=config.data_dir / "keys.db"),
        vault_key=bytes.fromhex(read_secret(config.keys.vault_key_file)),
        index_key=bytes.fromhex(read_secret(config.keys.index_key_file)),
    )


@contextlib.contextmanager
def read_transaction(config: Config) -> Iterator[sqlite3.Connection]:
    """Read the main database as it is at one moment. Raises `sqlite3.Error` when there is none that can be read."""
    path = config.data_dir / "main.db"
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as db:
        db.row_factory = sqlite3.Row
        db.isolation_level = None
        db.execute("BEGIN")
        yield db


@contextlib.contextmanager
def open_read_only(path: str) -> Iterator[sqlite3.Connection]:
    """Look at some SQLite file without being able to change it."""
    with contextlib.closing(sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as db:
        yield db


async def record_audit(config: Config, kind: AuditKind, *, statement: str = "", values: tuple[object, ...] = ()) -> None:
    """Note a kind in the audit, in one commit with a statement. Raises `sqlite3.Error`."""
    database = Database(config.data_dir / "main.db", upgrades=())
    audit = AuditLog(vault=open_vault(config))
    await database.open()
    try:

        async def commit(conn: object) -> None:
            if statement:
                await conn.execute(statement, *values)  # type: ignore[attr-defined]
            await audit.record(conn, LINE_ENTRY, [kind], now=time.time())  # type: ignore[arg-type]

        await database.commit(commit)
    finally:
        await database.close()
