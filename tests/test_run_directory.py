"""Files of a run are in memory if there is enough, or in TMPDIR if it is set."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import run_directory

ROOM = SimpleNamespace(f_flag=0, f_bavail=run_directory.FREE_BYTES, f_frsize=1)
"""A file system with exactly the required space."""


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Unset the directory of temporary files, and restore it afterwards."""
    monkeypatch.setenv("TMPDIR", "put back by the fixture")
    monkeypatch.delenv("TMPDIR")
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(run_directory, "AVAILABLE_BYTES", 0)
    monkeypatch.setattr(run_directory, "MEMORY", Path("/memory"))
    return monkeypatch


def test_in_memory(nowhere: pytest.MonkeyPatch) -> None:
    nowhere.setattr(os, "statvfs", lambda _path: ROOM)
    run_directory.keep_files_in_memory()
    assert (os.environ.get("TMPDIR"), tempfile.tempdir) == ("/memory", "/memory")


@pytest.mark.parametrize(
    "there", [ROOM.__dict__ | {"f_flag": os.ST_NOEXEC}, ROOM.__dict__ | {"f_bavail": run_directory.FREE_BYTES - 1}]
)
def test_no_room(there: dict[str, int], nowhere: pytest.MonkeyPatch) -> None:
    nowhere.setattr(os, "statvfs", lambda _path: SimpleNamespace(**there))
    run_directory.keep_files_in_memory()
    assert (os.environ.get("TMPDIR"), tempfile.tempdir) == (None, None)


def test_no_memory_to_spare(nowhere: pytest.MonkeyPatch) -> None:
    nowhere.setattr(os, "statvfs", lambda _path: ROOM)
    nowhere.setattr(run_directory, "AVAILABLE_BYTES", 1 << 60)
    run_directory.keep_files_in_memory()
    assert (os.environ.get("TMPDIR"), tempfile.tempdir) == (None, None)


def test_told_where(nowhere: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nowhere.setattr(os, "statvfs", lambda _path: ROOM)
    nowhere.setenv("TMPDIR", str(tmp_path))
    run_directory.keep_files_in_memory()
    assert (os.environ["TMPDIR"], tempfile.tempdir) == (str(tmp_path), None)
