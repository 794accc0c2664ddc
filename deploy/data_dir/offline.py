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

from bridge.runtime.settings import secret
from bridge.storage.database import Store
from bridge.storage.key_file import Keys
from bridge.storage.vault import Vault
from bridge.tables.audit_log import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bot.model.audit_kinds import AuditKind
    from bridge.config import Config

LINE: Final = "line"
"""Whose entry of the audit it is when it belongs neither to a thread nor to the desk."""


def vault(config: Config) -> Vault:
    """Make a vault for what its two keys give by themselves: hashes and derived keys."""
    return Vault(
        keys=Keys(path=config.data_dir / "keys.db"),
        vault_key=bytes.fromhex(secret(config.keys.vault_key_file)),
        index_key=bytes.fromhex(secret(config.keys.index_key_file)),
    )


@contextlib.contextmanager
def reading(config: Config) -> Iterator[sqlite3.Connection]:
    """Read the main database as it is at one moment. Raises `sqlite3.Error` when there is none that can be read."""
    path = config.data_dir / "main.db"
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as db:
        db.row_factory = sqlite3.Row
        db.isolation_level = None
        db.execute("BEGIN")
        yield db


@contextlib.contextmanager
def looking(path: str) -> Iterator[sqlite3.Connection]:
    """Look at some SQLite file without being able to change it."""
    with contextlib.closing(sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as db:
        yield db


async def note(config: Config, kind: AuditKind, *, statement: str = "", values: tuple[object, ...] = ()) -> None:
    """Note a kind in the audit, in one commit with a statement. Raises `sqlite3.Error`."""
    store = Store(config.data_dir / "main.db", upgrades=())
    ledger = Ledger(vault=vault(config))
    await store.open()
    try:

        async def commit(conn: object) -> None:
            if statement:
                await conn.execute(statement, *values)  # type: ignore[attr-defined]
            await ledger.note(conn, LINE, [kind], now=time.time())  # type: ignore[arg-type]

        await store.commit(commit)
    finally:
        await store.close()
