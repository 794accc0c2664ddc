"""The packs with which a line starts."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bridge.config.load import ConfigError
from bridge.config.packs import load_packs
from policies.load import load
from policies.pack import unreviewed


def test_a_real_line_needs_reviewed_words(tmp_path: Path) -> None:
    """A line that is no rehearsal does not start with legal texts that nobody reviewed, and each of them is named."""
    config: Any = SimpleNamespace(line=SimpleNamespace(packs=["base"], rehearsal=False))
    with pytest.raises(ConfigError) as refused:
        load_packs(config, file=tmp_path / "config.yaml")
    named = {problem.split()[1] for problem in refused.value.problems if "is legal text and not reviewed" in problem}
    assert named == set(unreviewed(load(["base"]))) != set()
    config.line.rehearsal = True
    assert load_packs(config, file=tmp_path / "config.yaml") == load(["base"])
