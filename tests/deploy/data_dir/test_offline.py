"""A command beside the bridge changes a database that there is, and makes none."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from bot.model.audit_kinds import AuditKind
from bridge.config.load import load
from bridge.storage.database import Transaction
from bridge.storage.errors import Unavailable, UnsupportedSchema
from bridge.storage.sqlite_connection import SqliteConnection
from deploy.backup import backup
from deploy.data_dir import offline
from tests.deploy.init.answers import answers, run_init
from tests.deploy.line_directory import line_directory


async def test_a_lost_database_is_not_made_by_a_command(tmp_path: Path) -> None:
    """An empty one would let the next start believe that the line is new."""
    assert run_init(tmp_path, answers()).exit_code == 0
    config = load(tmp_path / "line" / "config.yaml")
    config.data_dir.mkdir(parents=True, exist_ok=True)

    async def nothing(transaction: Transaction) -> None:
        del transaction

    with pytest.raises(Unavailable):
        await offline.commit(config, nothing)
    with pytest.raises(Unavailable):
        await offline.record_audit(config, next(iter(AuditKind)))
    assert not (config.data_dir / "main.db").exists()


async def test_a_newer_versions_database_is_not_written_to(tmp_path: Path) -> None:
    """Nor is a backup made of it; a name that only the newer one has is no fault of the file."""
    async with line_directory(tmp_path) as line:
        config, layout = line.config, line.layout
    with contextlib.closing(SqliteConnection(config.data_dir / "main.db")) as db:
        db.execute("UPDATE quietline_version SET version = version + 1")

        async def change(transaction: Transaction) -> None:
            await transaction.execute("INSERT INTO line (name, value) VALUES ('x', 'x')")

        for work in (offline.commit(config, change), offline.record_audit(config, next(iter(AuditKind)), change)):
            with pytest.raises(UnsupportedSchema):
                await work
        with pytest.raises(UnsupportedSchema):
            await backup.backup(layout, tmp_path / "to.backup", b"six random words are very good")
        with pytest.raises(UnsupportedSchema), offline.read_transaction(config) as snapshot:
            snapshot.fetch("SELECT of_the_next_version FROM thread")
        assert db.fetch("SELECT 1 FROM line WHERE name = 'x'") == []
    assert not (tmp_path / "to.backup").exists()
