"""`run/deaths.json`: how often a child of `up` ended by itself."""

from __future__ import annotations

import stat
from pathlib import Path

from deploy.stack.readiness import KEPT_SECONDS, MAX_KEPT, count_deaths, record_death


def test_deaths_are_counted_by_child(tmp_path: Path) -> None:
    """Since a time, without those of which there were none; the file is private and does not grow for ever."""
    file = tmp_path / "deaths.json"
    assert count_deaths(file, 0.0) == {}
    for now in (10.0, 20.0, 30.0):
        record_death(file, "homeserver", now)
    record_death(file, "bridge", 15.0)
    assert count_deaths(file, 15.0) == {"homeserver": 2}
    assert count_deaths(file, 0.0) == {"homeserver": 3, "bridge": 1}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for n in range(MAX_KEPT + 5):
        record_death(file, "bridge", 100.0 + n)
    assert count_deaths(file, 0.0)["bridge"] == MAX_KEPT
    record_death(file, "bridge", KEPT_SECONDS + 1000)
    assert count_deaths(file, 0.0)["bridge"] == 1
