"""The doctor: each check is well on a line as `up` makes it, and not well when its one thing is wrong."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from os import utime
from pathlib import Path
from typing import Any

import pytest

from bridge.config.sections import BackupSettings, Config, OnCall
from bridge.tables import line_state
from deploy.data_dir import offline
from deploy.data_dir.layout import Layout
from deploy.doctor.database_probes import line_age
from deploy.inspect import doctor_database, doctor_files, shared_checks
from deploy.inspect.check_report import CheckResult, merge
from tests.deploy.line_directory import LineDirectory, line_directory
from tests.packs import shipped

PACK = shipped("base", "rehearsal")
DAY = 86_400


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[LineDirectory]:
    async with line_directory(tmp_path) as there:
        there.layout.provisioned_file.touch()
        yield there


def files(line: LineDirectory) -> dict[str, CheckResult]:
    checks = (
        doctor_files.check_modes(line.layout, line.config),
        doctor_files.check_key_copies(line.layout, line.config),
        doctor_files.check_logs(line.layout),
    )
    return {check.name: check for check in merge(checks)}


def rows(line: LineDirectory) -> dict[str, CheckResult]:
    now = time.time()
    with offline.read_transaction(line.config) as db:
        age = line_age(db, line.layout)
        checks = (
            doctor_database.check_clock(db),
            doctor_database.check_keys(db, line.config),
            *doctor_database.check_vacuums(db, now, age),
            doctor_database.check_backup(db, line.config, now, age),
            doctor_database.check_holds(db),
            doctor_database.check_revealed_numbers(db, now),
            doctor_database.check_dead_letters(db),
            doctor_database.check_audit(line.config, PACK),
        )
    return {check.name: check for check in merge(checks)}


def _copy_keys(layout: Layout) -> None:
    (layout.data / "keys.db.bak").write_bytes(b"")
    (layout.data / "keys.db.bak").chmod(0o600)


def _old_log(layout: Layout) -> None:
    (layout.logs / "bridge.runtime.log.1").write_text("x")
    utime(layout.logs / "bridge.runtime.log.1", (0, time.time() - 16 * DAY))


HARM: dict[str, tuple[str, Callable[[Layout], object]]] = {
    "others read a secret": ("file modes", lambda layout: (layout.secrets / "hs_token").chmod(0o640)),
    "others enter the secrets": ("file modes", lambda layout: layout.secrets.chmod(0o755)),
    "keys.db is copied": ("data directory", _copy_keys),
    "backup programs are not told": ("data directory", lambda layout: (layout.bridge / "CACHEDIR.TAG").unlink()),
    "an old log": ("disk", _old_log),
}


async def test_a_credential_may_show_its_group_and_a_file_may_not(
    line: LineDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What systemd or a cluster hands over is its owner's and its group's; the same file beside the line is a fault."""
    (handed := line.layout.data.parent / "handed").mkdir()
    for file in line.layout.secrets.iterdir():
        (handed / file.name).write_bytes(file.read_bytes())
        (handed / file.name).chmod(0o440)
    keys = line.config.keys.model_copy(update={"vault_key_file": handed / line.config.keys.vault_key_file.name})
    config = line.config.model_copy(update={"keys": keys})
    assert not doctor_files.check_modes(line.layout, config).ok
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(handed))
    assert doctor_files.check_modes(line.layout, config).ok


async def test_each_harm_is_found_and_only_it(line: LineDirectory) -> None:
    """The check that it is about says no, says what to do, and no other does; nothing is wrong with a new line."""
    assert [check for check in files(line).values() if not check.ok] == []
    expected = []
    for name, do in HARM.values():
        do(line.layout)
        expected.append(name)
        bad = [check for check in files(line).values() if not check.ok]
        assert {check.name for check in bad} == set(expected)
        assert all(check.do for check in bad)


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("INSERT INTO line (name, value) VALUES ('clock_doubted', 'yes')", "clock"),
        ("INSERT INTO line (name, value) VALUES ('vacuumed', unixepoch() - 4 * 86400)", "vacuum"),
        ("INSERT INTO line (name, value) VALUES ('rewritten', unixepoch() - 4 * 86400)", "vacuum"),
        ("INSERT INTO revealed (event_id, room_id, granted, until) VALUES ('$e', '!r', 0, 1.0)", "erasure"),
        (
            "INSERT INTO dead_letter (short_id, owner, kind, body, at) VALUES ('x', 'desk', 'MessageSent', X'00', 1)",
            "texts",
        ),
        ("INSERT INTO line (name, value) VALUES ('key_check_suppression', 'of another key')", "keys"),
        ("INSERT INTO audit (hour, about, kind, mac) VALUES (0, 'desk', 'hold', X'00')", "audit"),
    ],
)
async def test_each_row_that_speaks_against_it_is_found(line: LineDirectory, statement: str, name: str) -> None:
    """Doubt, an old vacuum, a number that stands, a dead letter, a changed audit."""
    await line.execute(statement)
    bad = [check for check in rows(line).values() if not check.ok]
    assert [check.name for check in bad] == [name]
    assert bad[0].do


async def test_age_speaks_where_nothing_was_done_yet(line: LineDirectory) -> None:
    """A line of four days that was never vacuumed is not well; a real one of ten days without backup neither."""
    utime(line.layout.provisioned_file, (0, time.time() - 10 * DAY))
    assert not rows(line)["vacuum"].ok
    assert rows(line)["backup"].ok, "a rehearsal needs none"
    with offline.read_transaction(line.config) as db:
        assert not doctor_database.check_backup(db, real(line.config), time.time(), 10.0).ok
        assert doctor_database.check_backup(db, real(line.config), time.time(), 7.0).ok


def _with_backups(line: LineDirectory, place: Path) -> CheckResult:
    config = real(line.config).model_copy(update={"backup": BackupSettings(to=place, passphrase_file=place / "phrase")})
    with offline.read_transaction(config) as db:
        return doctor_database.check_backup(db, config, time.time(), 10.0)


async def test_a_backup_is_well_where_it_lies(line: LineDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of the last one says nothing of a directory that is gone or empty, or of the disk that it is on."""
    await line.harness.database.commit(partial(line_state.put, name=line_state.LAST_BACKUP, value=str(time.time())))
    place = tmp_path / "backups"
    row = _with_backups(line, place)
    assert (row.ok, "mounted" in row.do) == (False, True)
    place.mkdir()
    assert not _with_backups(line, place).ok
    old = place / "quietline-20260101T000000Z.backup"
    old.write_bytes(b"")
    utime(old, (0, time.time() - 30 * DAY))
    assert not _with_backups(line, place).ok
    (place / "quietline-20270101T000000Z.backup").write_bytes(b"")
    row = _with_backups(line, place)
    assert (row.ok, row.warning, "own disk" in row.what) == (True, True, True)
    monkeypatch.setattr(doctor_database, "is_on_own_disk", lambda _config: False)
    row = _with_backups(line, place)
    assert (row.ok, row.warning, row.do) == (True, False, "")


def real(config: Config, **changed: Any) -> Config:
    """Return the configuration of a line that is no rehearsal."""
    return config.model_copy(update={"lines": [config.line.model_copy(update={"rehearsal": False, **changed})]})


async def test_a_real_line_is_held_to_more(line: LineDirectory) -> None:
    """Unreviewed words and nobody on call are told to a rehearsal and are wrong on a real line."""
    for config, ok in ((line.config, True), (real(line.config), False)):
        assert shared_checks.check_packs(config, PACK).ok is ok
        assert shared_checks.check_on_call(config).ok is ok
        assert shared_checks.check_packs(config, PACK).do
        assert shared_checks.check_on_call(config).do
    called = OnCall(webhook_file=line.layout.config)
    assert shared_checks.check_on_call(real(line.config, on_call=called)).ok
