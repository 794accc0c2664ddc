"""Types are strict everywhere; `./quietline test` without arguments checks them here, beside the other tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.timeout(1800)
def test_types_are_strict() -> None:
    """Mypy finds no error in the files that `pyproject.toml` names: all of the product, and its tests."""
    checked = subprocess.run([sys.executable, "-P", "-m", "mypy"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
