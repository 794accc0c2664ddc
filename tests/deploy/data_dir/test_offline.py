"""A command beside the bridge changes a database that there is, and makes none."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.model.audit_kinds import AuditKind
from bridge.config.load import load
from bridge.storage.database import Transaction
from bridge.storage.errors import Unavailable
from deploy.data_dir import offline
from tests.deploy.init.answers import answers, run_init


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
