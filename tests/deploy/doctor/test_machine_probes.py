"""What the doctor makes of files and directories."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from deploy.doctor.machine_probes import check_data_directory, check_restarts
from deploy.stack.readiness import record_death
from tests.deploy.line_directory import line_directory

DAY = 86_400.0


def test_a_database_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Left by a command of root's, it keeps the bridge out."""
    (tmp_path / "main.db").touch(0o600)
    real = Path.stat

    def stat(path: Path, **words: bool) -> os.stat_result:
        status = real(path, **words)
        if path.suffix != ".db":
            return status
        return os.stat_result((*status[:4], status.st_uid + 1, *status[5:]))

    monkeypatch.setattr(Path, "stat", stat)
    row = check_data_directory(tmp_path)
    assert not row.ok
    assert "main.db" in row.what


async def test_a_death_is_told_for_a_day(tmp_path: Path) -> None:
    """Of any part that `up` runs; a day later it is well again."""
    async with line_directory(tmp_path) as line:
        assert check_restarts(line.layout, line.config).ok
        record_death(line.layout.deaths, "homeserver", time.time() - 2 * DAY)
        assert check_restarts(line.layout, line.config).ok
        record_death(line.layout.deaths, "homeserver", time.time() - 10)
        row = check_restarts(line.layout, line.config)
    assert not row.ok
    assert "the homeserver 1 time" in row.what
