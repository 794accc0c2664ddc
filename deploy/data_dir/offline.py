"""A line's files, used from beside a bridge that may be running.

Rules of this module: a read is one transaction, a write is one commit through the same store class as the bridge's, so
neither program sees an incomplete change of the other. Nothing is written to a database of a newer version. `keys.db` is
never opened here.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Final

from bot.model.audit_kinds import AuditKind
from bridge.matrix.schema import MAIN_SCHEMA
from bridge.runtime.settings import read_secret
from bridge.storage.errors import DatabaseError, InvalidStatement, OutdatedSchema, Unavailable, UnsupportedSchema
from bridge.storage.key_file import KeyFile
from bridge.storage.migrations import VERSION_TABLE, peek_version
from bridge.storage.postgres_connection import PostgresPlace
from bridge.storage.postgres_database import database_of
from bridge.storage.sqlite_connection import BUSY_MS, snapshot
from bridge.storage.vault import Vault
from bridge.tables import line_state
from bridge.tables.audit_log import AuditLog
from deploy.data_dir import postgres_snapshot
from deploy.data_dir.line_lock import line_stopped
from deploy.data_dir.secret_files import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bot.model.audit_kinds import AuditKind
    from bridge.config.sections import Config
    from bridge.storage.database import Database, Snapshot, Transaction, Work


LINE_ENTRY: Final = "line"
"""The owner of audit entries that belong neither to a thread nor to the desk."""


async def accept_lost_keys(config: Config) -> None:
    """Make the next start end the conversations without a key. Raises :class:`SetupError`, `DatabaseError`, `OSError`."""
    await _note(config, line_state.KEYS_LOST, "yes")


async def accept_old_rooms(config: Config) -> None:
    """Make the next start erase the rooms from before a restore. Raises as `accept_lost_keys`."""
    await _note(config, line_state.OLD_ROOMS, line_state.ERASE)


async def _note(config: Config, name: str, value: str) -> None:
    with line_stopped(config.data_dir):
        if not (keys := config.data_dir / "keys.db").is_file():
            raise SetupError([f"{keys}: missing: put it back, or mount its volume here; nothing was changed"])
        await record_audit(
            config, AuditKind.ACCEPT_FACTS, lambda transaction: line_state.put(transaction, name, value), leads=True
        )


def open_vault(config: Config, keys: KeyFile | None = None) -> Vault:
    """Make a vault. `keys`: an open key file; without one it only gives hashes and derived keys."""
    return Vault(
        keys=keys or KeyFile(path=config.data_dir / "keys.db"),
        vault_key=bytes.fromhex(read_secret(config.keys.vault_key_file)),
        index_key=bytes.fromhex(read_secret(config.keys.index_key_file)),
    )


@contextlib.contextmanager
def read_transaction(config: Config, *, busy_ms: int = BUSY_MS) -> Iterator[Snapshot]:
    """Read the main database in one transaction. Raises `DatabaseError` when it is missing or cannot be read.

    In a database of another version only the tables and columns that both have can be read; others raise `OutdatedSchema`
    or `UnsupportedSchema`.
    """
    with line_snapshot(config.data_dir, config.database_url, busy_ms=busy_ms) as db:
        version = peek_version(db)
        try:
            yield db
        except InvalidStatement:
            if 0 < version < MAIN_SCHEMA.latest:
                raise OutdatedSchema(VERSION_TABLE) from None
            if version > MAIN_SCHEMA.latest:
                raise UnsupportedSchema(VERSION_TABLE) from None
            raise


def line_snapshot(
    data: Path, server: str | None, *, file: str = "main.db", busy_ms: int = BUSY_MS
) -> contextlib.AbstractContextManager[Snapshot]:
    """Read a database of the line, a file or a schema on a server, in one transaction. Raises `DatabaseError`."""
    path = data / file
    if server is None:
        return snapshot(path, busy_ms=busy_ms)
    return postgres_snapshot.snapshot(PostgresPlace(server, path.stem), busy_ms=busy_ms)


def has_database(config: Config) -> bool:
    """Whether the line has a database, which its first start makes. True when the server does not answer."""
    if (server := config.database_url) is None:
        return (config.data_dir / "main.db").is_file()
    try:
        with postgres_snapshot.snapshot(PostgresPlace(server, "main")) as db:
            return "desk" in db.tables()
    except DatabaseError:
        return True


def _main_database(config: Config, *, leads: bool = False) -> Database:
    """Return the main database, not yet open. Raises `Unavailable` for a missing file: only a start makes it.

    Raises `UnsupportedSchema` when a newer program wrote it: this one may lack columns that belong to what it would write.
    """
    file = config.data_dir / "main.db"
    if config.database_url is None and not file.is_file():
        raise Unavailable("SQLITE_CANTOPEN")
    with line_snapshot(config.data_dir, config.database_url) as db:
        if peek_version(db) > MAIN_SCHEMA.latest:
            raise UnsupportedSchema(VERSION_TABLE)
    return database_of(file, config.database_url, leads=leads)


async def record_audit(config: Config, kind: AuditKind, work: Work[None] | None = None, *, leads: bool = False) -> None:
    """Record a kind in the audit, in one commit with `work`. Raises `DatabaseError`.

    `leads`: take the lease, so that no bridge runs meanwhile, also on another machine, where our lock has no effect. Raises
    `InUse`.
    """
    database = _main_database(config, leads=leads)
    audit = AuditLog(vault=open_vault(config))
    await database.open()
    try:

        async def commit(transaction: Transaction) -> None:
            if work is not None:
                await work(transaction)
            await audit.record(transaction, LINE_ENTRY, [kind], now=time.time())

        await database.commit(commit)
    finally:
        await database.close()


async def commit(config: Config, work: Work[None]) -> None:
    """Run `work` in one commit of the main database, beside the bridge. Raises `DatabaseError`."""
    database = _main_database(config)
    await database.open()
    try:
        await database.commit(work)
    finally:
        await database.close()
