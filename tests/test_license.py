"""The licence is the one that the package names."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
AGPL_3 = "0d96a4ff68ad6d4b6f1f30f713b18d5184912ba8dd389f86aa7710db079abcb0"
"""SHA-256 of the text published by the Free Software Foundation."""


def test_the_licence_is_whole_and_named() -> None:
    """The text of the licence is unchanged, and both packages name it."""
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == AGPL_3
    module = tomllib.loads((ROOT / "deploy" / "synapse_module" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert module["license"] == "AGPL-3.0-or-later", "Synapse loads it, and it is installed by itself"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (project["license"], project["license-files"]) == ("AGPL-3.0-or-later", ["LICENSE"])
