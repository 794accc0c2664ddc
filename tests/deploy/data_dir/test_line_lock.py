"""A directory that is made beside its place belongs to one command, and to the owner of what it replaces."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deploy.data_dir.line_lock import staging_directory
from deploy.data_dir.secret_files import SetupError
from tests.deploy.data_dir.test_atomic_files import SERVICE


def test_two_commands_never_write_into_one_directory(tmp_path: Path) -> None:
    """The second one is refused and deletes nothing of the first, whose directory then gets its name."""
    data = tmp_path / "line"
    with staging_directory(data) as staging:
        (staging / "main.db").write_bytes(b"rows")
        with pytest.raises(SetupError, match="another command"), staging_directory(data):
            raise AssertionError("two at once")
        staging.rename(data)
        with staging_directory(data) as next_one:
            assert not list(next_one.iterdir())
    assert (data / "main.db").read_bytes() == b"rows"
    assert [path.name for path in tmp_path.iterdir()] == ["line"]


def test_the_account_of_a_line_passes_the_directories_above_it(tmp_path: Path) -> None:
    """Root makes them with the line, for an account that is not in their group; it passes them, and lists none."""
    before = os.umask(0o077)  # as in every verb
    try:
        with staging_directory(tmp_path / "lines" / "of" / "line") as staging:
            (staging / "config.yaml").touch()
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(before)
    modes = [each.stat().st_mode & 0o777 for each in (staging.parent.parent, staging.parent)]
    assert modes == [0o711, 0o711]


def test_what_a_killed_command_left_is_deleted(tmp_path: Path) -> None:
    """Its files and directories, but nothing that a link leads to; a failed command leaves nothing."""
    (half := tmp_path / ".line.half").mkdir()
    half.chmod(0o755)
    (half / "secrets").mkdir()
    (half / "secrets" / "as_token").write_text("secret")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").touch()
    (half / "link").symlink_to(tmp_path / "elsewhere")
    with staging_directory(tmp_path / "line") as staging:
        assert not list(staging.iterdir())
        assert staging.stat().st_mode & 0o777 == 0o700
        (staging / "main.db").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["elsewhere"]
    assert (tmp_path / "elsewhere" / "kept").exists()


def test_it_belongs_to_the_owner_of_what_it_replaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root restores into the empty directory that the service's account owns, and the service can read the line."""
    (data := tmp_path / "line").mkdir()
    if os.geteuid() == 0:
        os.chown(data, *SERVICE)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with staging_directory(data) as staging:
        assert (staging.stat().st_uid, staging.stat().st_gid) == (data.stat().st_uid, data.stat().st_gid)
        staging.rename(data)
