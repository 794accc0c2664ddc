"""What the doctor makes of files and directories."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from deploy.data_dir.layout import Layout
from deploy.doctor.machine_probes import check_data_directory, check_restarts, is_alive, is_embedded
from deploy.stack.deaths import record_death
from tests.deploy.line_directory import line_directory

DAY = 86_400.0


def test_a_data_directory_that_the_bridge_can_use(tmp_path: Path) -> None:
    """It is well; missing, not writable, or with a database that its owner cannot write, it is not, and says which."""
    directory = tmp_path / "bridge"
    missing = check_data_directory(directory)
    assert not missing.ok
    assert str(directory) in missing.what
    directory.mkdir(mode=0o700)
    (directory / "main.db").touch(0o600)
    assert check_data_directory(directory).ok
    (directory / "main.db").chmod(0o400)
    assert "main.db" in check_data_directory(directory).what
    (directory / "main.db").chmod(0o600)
    directory.chmod(0o500)
    assert not check_data_directory(directory).ok
    directory.chmod(0o700)
    assert check_data_directory(directory).ok


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


def test_a_bridge_is_there_while_its_process_is(tmp_path: Path) -> None:
    """`bridge.json` of a process that is gone, or none, is no bridge."""
    layout = Layout(tmp_path)
    layout.run.mkdir()
    assert not is_alive(layout)
    for pid, alive in ((os.getpid(), True), (2**22 + 1, False)):
        layout.bridge_file.write_text(f'{{"bot": "b", "voice": "v", "desk_room": "r", "pid": {pid}}}')
        assert is_alive(layout) is alive


async def test_files_of_a_homeserver_of_before_say_nothing_of_the_joined_one(tmp_path: Path) -> None:
    """A line that was moved to the agency's Synapse is asked there; what `up` once wrote is not judged."""
    async with line_directory(tmp_path) as line:
        line.layout.homeserver.mkdir(exist_ok=True)
        config = line.config
        assert is_embedded(line.layout, config)
        joined = config.model_copy(update={"homeserver": config.homeserver.model_copy(update={"joined": True})})
        assert not is_embedded(line.layout, joined)
