"""Paths as they are stored: from the root, and where the system leads."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.runtime.whole_path import whole_path


def test_a_path_is_from_the_root_and_has_no_way_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both spellings of one directory become the same, whether it is there or not."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert whole_path(Path("line")) == tmp_path / "here" / "line"
    assert whole_path(Path("../line/bridge")) == tmp_path / "line" / "bridge"
    assert whole_path(Path("..")) == tmp_path
    assert whole_path(Path("../a/../line")) == tmp_path / "line"
    assert whole_path(Path("/..")) == Path("/")


def test_links_lead_where_the_system_leads(tmp_path: Path) -> None:
    """The way back from a link is from the directory to which it leads; other links stay, and a loop is no error."""
    disk = tmp_path / "disk" / "lines"
    disk.mkdir(parents=True)
    (tmp_path / "link").symlink_to(disk)
    (tmp_path / "loop").symlink_to("loop")
    assert whole_path(tmp_path / "link" / "line") == tmp_path / "link" / "line"
    assert whole_path(tmp_path / "link" / ".." / "line") == tmp_path / "disk" / "line"
    assert whole_path(tmp_path / "disk" / ".." / "link" / "line") == tmp_path / "link" / "line"
    assert whole_path(tmp_path / "loop" / ".." / "line").name == "line"
