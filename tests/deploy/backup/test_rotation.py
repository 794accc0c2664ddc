"""Backups in a directory: the newest of a line stay, and nothing else ever goes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.runtime.keep_plan import KeepPlan
from deploy.backup import backup as backup_file
from deploy.backup.backup import Backup
from deploy.backup.rotation import backup_into
from deploy.data_dir.secret_files import SetupError
from tests.deploy.line_directory import LineDirectory
from tests.deploy.verb import invoke

PASSPHRASE = b"six random words are very good"
OTHER = b"another passphrase altogether"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Set the time that a file is named after."""
    now = [1_800_000_000.0]
    monkeypatch.setattr("deploy.backup.rotation.time.time", lambda: now[0])
    return now


def name(number: int) -> str:
    return backup_file.new_file_name(1_700_000_000 + number)


def encrypted(slug: str, phrase: bytes = PASSPHRASE) -> bytes:
    keys = {"homeserver": {"server_name": "quietline.localhost"}, "lines": [{"slug": slug}]}
    config = yaml.safe_dump(keys)
    nothing: dict[str, Any] = {"files": {}, "packs": {}, "roster": [], "tables": {}, "unfinished": 0}
    backup = Backup(made_at=0, root="/r", config=config, program="0.1", schema=1, **nothing)
    return backup_file.encrypt(backup, phrase)


async def test_the_newest_of_the_line_stay(line: LineDirectory, tmp_path: Path, clock: list[float]) -> None:
    """Five backups with `keep` 3: the three newest are there, and each opens."""
    folder = tmp_path / "kept"
    folder.mkdir()
    for _ in range(4):
        clock[0] += 60
        await backup_into(line.layout, folder, PASSPHRASE, keep=KeepPlan(newest=3))
    clock[0] += 60
    last = await backup_into(line.layout, folder, PASSPHRASE, keep=KeepPlan(newest=3))
    assert sorted(path.name for path in folder.iterdir()) == [
        backup_file.new_file_name(clock[0] - 60 * n) for n in (2, 1, 0)
    ]
    assert last.removed == (folder / backup_file.new_file_name(clock[0] - 180),)
    assert [backup_file.read_backup(path, PASSPHRASE).line for path in folder.iterdir()] == [last.backup.line] * 3


async def test_a_disk_that_is_not_mounted_is_said(line: LineDirectory, tmp_path: Path) -> None:
    """By its directory, and not by the name of a half-written file that nobody knows; nothing is made in its place."""
    with pytest.raises(SetupError, match="kept: there is no such directory; is its disk mounted"):
        await backup_into(line.layout, tmp_path / "kept", PASSPHRASE)
    assert not (tmp_path / "kept").exists()


async def test_what_is_not_this_lines_stays(line: LineDirectory, tmp_path: Path, clock: list[float]) -> None:
    """Another line's, another passphrase's, a damaged one, a link, other names: all stay, whatever `keep` says."""
    folder = tmp_path / "kept"
    folder.mkdir()
    slug = line.config.line.slug
    (folder / name(1)).write_bytes(encrypted("another"))
    (folder / name(2)).write_bytes(encrypted(slug, OTHER))
    (folder / name(3)).write_bytes(encrypted(slug)[:-1])
    (folder / name(4)).symlink_to(folder / name(1))
    (folder / "quietline.backup").write_bytes(encrypted(slug))
    (folder / f"{name(5)}.copy").write_bytes(encrypted(slug))
    (folder / name(6)).mkdir()
    stay = {path.name for path in folder.iterdir()}
    (folder / name(7)).write_bytes(encrypted(slug))
    done = await backup_into(line.layout, folder, PASSPHRASE, keep=KeepPlan(newest=1))
    assert {path.name for path in folder.iterdir()} == stay | {done.file.name}
    assert {path.name for path in done.foreign} == {name(1), name(2), name(3)}


async def test_nothing_is_deleted_for_a_file_that_cannot_be_read_back(
    line: LineDirectory, tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that returns something else than what was written: said, and the older file is there."""
    folder = tmp_path / "kept"
    folder.mkdir()
    old = (await backup_into(line.layout, folder, PASSPHRASE, keep=KeepPlan(newest=1))).file
    clock[0] += 60
    another = encrypted("other")
    with monkeypatch.context() as changed:
        changed.setattr(backup_file, "encrypt", lambda _backup, _phrase: another)
        with pytest.raises(SetupError, match="is the disk well"):
            await backup_into(line.layout, folder, PASSPHRASE, keep=KeepPlan(newest=1))
    assert old in set(folder.iterdir())


@pytest.mark.parametrize("keep", [KeepPlan(newest=1), None])
async def test_what_a_killed_run_left_goes_later(
    line: LineDirectory, tmp_path: Path, clock: list[float], keep: KeepPlan | None
) -> None:
    """A half file of long ago goes; one that another run may be writing stays."""
    folder = tmp_path / "kept"
    folder.mkdir()
    old, new = (folder / f".{name(n)}.abcd0123.half" for n in (1, 2))
    for path, age in ((old, 7200), (new, 60)):
        path.write_bytes(b"half")
        os.utime(path, (clock[0] - age, clock[0] - age))
    done = await backup_into(line.layout, folder, PASSPHRASE, keep=keep)
    assert set(folder.iterdir()) == {done.file, new}


async def test_days_weeks_and_months_stay(line: LineDirectory, tmp_path: Path, clock: list[float]) -> None:
    """With `3d,2w,2m`: the newest of each of the last that have one; a name that is no time stays."""
    folder = tmp_path / "kept"
    folder.mkdir()
    slug = line.config.line.slug
    # The new one is of Friday 2027-01-15, 08:00 (ISO week 2).
    times = ["20270115T070000", "20270114T080000", "20270112T080000", "20270112T070000", "20270108T080000"]
    times += ["20270104T080000", "20261231T080000", "20261205T080000", "20261130T080000", "20269999T080000"]
    for at in times:
        (folder / f"quietline-{at}Z.backup").write_bytes(encrypted(slug))
    done = await backup_into(line.layout, folder, PASSPHRASE, keep=KeepPlan.parse("3d,2w,2m"))
    assert done.file.name == "quietline-20270115T080000Z.backup"
    stay = {"20270115T080000", "20270114T080000", "20270112T080000", "20270108T080000", "20261231T080000"}
    assert {path.name[10:25] for path in folder.iterdir()} == stay | {"20269999T080000"}


async def test_the_verb(line: LineDirectory, tmp_path: Path, clock: list[float]) -> None:
    """What the configuration says; or another directory with `--to`, where nothing is deleted."""
    phrase, folder, other = tmp_path / "phrase", tmp_path / "kept", tmp_path / "other"
    phrase.write_bytes(PASSPHRASE)
    phrase.chmod(0o600)
    folder.mkdir()
    other.mkdir()
    common = ["backup", "--data", str(line.layout.data)]
    for keep, files in ((1, 1), (1, 1), ("7d,4w,12m", 1)):
        configuration = yaml.safe_load(line.layout.config.read_text())
        configuration["backup"] = {"to": str(folder), "passphrase_file": str(phrase), "keep": keep}
        line.layout.config.write_text(yaml.safe_dump(configuration))
        clock[0] += 60
        result = await invoke(common)
        assert (result.exit_code, len(list(folder.iterdir()))) == (0, files), result.output
        assert (await invoke([*common, "--to", str(other)])).exit_code == 0
    assert len(list(other.iterdir())) == 3
