"""`bridge.json`: private, whole, what the bridge is now; and gone afterwards."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bridge.app.bridge import BridgeFile
from bridge.config.load import load
from tests.bridge.papers import Papers


def test_it_says_who_the_bridge_is(tmp_path: Path) -> None:
    """The contract's keys and no others, for its owner only; a new desk is told, and a stop removes it."""
    papers, run = Papers(tmp_path), tmp_path / "run"
    file = BridgeFile(run, load(papers.save()))
    for desk in ("!one", "!two"):
        file.publish(desk)
        file.publish(desk)
        assert json.loads((run / "bridge.json").read_text()) == {
            "bot": "@policy:quietline.localhost",
            "voice": "@line-main:quietline.localhost",
            "desk_room": desk,
            "pid": os.getpid(),
        }
    assert (run / "bridge.json").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in run.iterdir()] == ["bridge.json"]
    file.remove()
    file.remove()
    assert not list(run.iterdir())


def test_a_directory_that_cannot_be_written_costs_the_file_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is raised, and it is written when it can be."""
    file = BridgeFile(tmp_path / "run", load(Papers(tmp_path).save()))

    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", full)
        file.publish("!desk")
    assert not (tmp_path / "run" / "bridge.json").exists()
    file.publish("!desk")
    assert (tmp_path / "run" / "bridge.json").exists()
