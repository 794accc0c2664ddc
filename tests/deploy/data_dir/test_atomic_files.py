"""Files that are whole, private, and of the account that reads them."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from deploy.data_dir.atomic_files import file_problem, make_private_directory, rewrite_atomically, write_atomically
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
def owners(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Be root; return to whom what is made is given."""
    calls: list[tuple[int, int]] = []
    real = os.fchown

    def fchown(descriptor: int, user: int, group: int) -> None:
        calls.append((user, group))
        real(descriptor, user, group)

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fchown", fchown)
    return calls


def owner(path: Path) -> tuple[int, int]:
    return path.stat().st_uid, path.stat().st_gid


def test_what_root_writes_the_service_can_read(line: Path, owners: list[tuple[int, int]]) -> None:
    """New files and directories belong to whom the directory does; root's own directories are left root's."""
    write_atomically(line / "new", "words")
    make_private_directory(line / "a" / "b")
    with line_stopped(line):
        assert [owner(line / name) for name in ("new", "a", "a/b", "lock")] == [owner(line)] * 4
    assert owners == [owner(line)] * 4


def test_a_configuration_that_root_changes_stays_the_services(line: Path, owners: list[tuple[int, int]]) -> None:
    """`sudo quietline staff add` left it root's, mode 0600: the service did not start any more, days later."""
    config = line / "config.yaml"
    config.write_text("lines:\n- staff: []\n")
    os.chown(config, *owner(line))
    add_entry(config, "@zed:x", "advocate")
    assert (owner(config), owners) == (owner(line), [owner(line)])
    assert "@zed:x" in config.read_text()
    if os.geteuid() == os.getuid() == 0:
        (ours := line.parent / "config.yaml").touch()  # as under /etc, where the directory is root's
        os.chown(ours, *SERVICE)
        write_atomically(ours, "lines: []")
        assert (owner(ours), owner(ours.parent)) == (SERVICE, (0, 0))


def test_a_link_leads_root_to_no_file_of_its_own(line: Path, owners: list[tuple[int, int]]) -> None:
    """The service's account can put a link where the lock is: a verb as root gave it what that led to."""
    (own := line.parent / "shadow").write_text("words")
    (line / "lock").symlink_to(own)
    with pytest.raises(OSError, match="symbolic"), line_stopped(line):
        pass
    (line / "lock").unlink()
    (line / "lock").hardlink_to(own)
    with line_stopped(line):
        pass
    assert (owners, own.read_text()) == ([], "words")


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o660, 0o644])
def test_what_people_keep_stays_in_their_group_and_mode(mode: int, line: Path) -> None:
    """A `config.yaml` of root:service, mode 0640, was root:root after `staff add`: the service had read it by group."""
    (config := line / "config.yaml").write_text("lines: [a]")
    config.chmod(mode)
    if os.geteuid() == os.getuid() == 0:
        os.chown(config, 0, SERVICE[1])
    before = owner(config)
    rewrite_atomically(config, "lines: [b]")
    assert (owner(config), config.stat().st_mode & 0o7777, config.read_text()) == (before, mode, "lines: [b]")
    write_atomically(config, "lines: [c]")
    assert config.stat().st_mode & 0o7777 == 0o600


def test_a_link_to_a_configuration_stays_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that people edit, perhaps under /etc, is changed, and theirs counts; not by a link of another account."""
    (target := tmp_path / "etc").mkdir()
    config, link = target / "line.yaml", tmp_path / "config.yaml"
    config.write_text("lines:\n- staff: []\n")
    link.symlink_to(config)
    add_entry(link, "@ada:x", "advocate")
    assert link.is_symlink()
    assert "@ada:x" in config.read_text()
    assert [path.name for path in target.iterdir()] == ["line.yaml"]
    if os.geteuid() == 0:
        os.chown(link, *SERVICE, follow_symlinks=False)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: SERVICE[0])
    with pytest.raises(OSError, match="symbolic links"):
        add_entry(link, "@bea:x", "advocate")
    assert "@bea:x" not in config.read_text()


@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS, errno.ENOSPC, errno.EDQUOT])
def test_an_error_of_the_disk_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """The file is as it was, nothing is left beside it, and the operator reads what to do."""
    (config := tmp_path / "config.yaml").write_text("lines: [a]")

    def fail(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        rewrite_atomically(config, "lines: [b]")
    problem = file_problem(caught.value)
    assert problem.startswith(f"{config}: {os.strerror(number)}; ")
    assert problem.endswith("say it again")
    assert config.read_text() == "lines: [a]"
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]
