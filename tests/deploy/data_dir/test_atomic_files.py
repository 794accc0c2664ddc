"""Files that are whole, private, and of the account that reads them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deploy.data_dir.atomic_files import make_private_directory, write_atomically
from deploy.data_dir.line_lock import line_stopped
from deploy.data_dir.staff_file import add_entry

SERVICE = (12_345, 12_346)
"""An account of its own, as a unit runs a line; the one who runs the tests, where that is not root."""


@pytest.fixture
def line(tmp_path: Path) -> Path:
    """Make a directory of that account."""
    directory = tmp_path / "line"
    directory.mkdir()
    if os.geteuid() == 0:
        os.chown(directory, *SERVICE)
    return directory


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Be root; return to whom what is made is given."""
    told: list[tuple[int, int]] = []
    real = os.fchown

    def fchown(descriptor: int, user: int, group: int) -> None:
        told.append((user, group))
        real(descriptor, user, group)

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fchown", fchown)
    return told


def owner(path: Path) -> tuple[int, int]:
    return path.stat().st_uid, path.stat().st_gid


def test_what_root_writes_the_service_can_read(line: Path, given: list[tuple[int, int]]) -> None:
    """New files and directories belong to whom the directory does; root's own directories are left root's."""
    write_atomically(line / "new", "words")
    make_private_directory(line / "a" / "b")
    with line_stopped(line):
        assert [owner(line / name) for name in ("new", "a", "a/b", "lock")] == [owner(line)] * 4
    assert given == [owner(line)] * 4


def test_a_configuration_that_root_changes_stays_the_services(line: Path, given: list[tuple[int, int]]) -> None:
    """`sudo quietline staff add` left it root's, mode 0600: the service did not start any more, days later."""
    config = line / "config.yaml"
    config.write_text("lines:\n- staff: []\n")
    os.chown(config, *owner(line))
    add_entry(config, "@zed:x", "advocate")
    assert (owner(config), given) == (owner(line), [owner(line)])
    assert "@zed:x" in config.read_text()


def test_who_is_not_root_gives_nothing_away(line: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does root where the machine does not let it: the file is written all the same."""

    def refused(*_words: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "fchown", refused)
    for user in (0, 12_345):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        write_atomically(line / "file", f"{user}")
        assert (line / "file").read_text() == f"{user}"
