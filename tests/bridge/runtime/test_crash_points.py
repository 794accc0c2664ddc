"""Where a test can have the bridge killed: each place is one at which a test does."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

from bridge.runtime.crash_points import CrashPoint
from tests.bridge.crash.story import MOMENTS
from tests.bridge.erasure_crash_points import ERASURE_CRASH_POINTS

ROOT: Final = Path(__file__).resolve().parents[3]


def test_every_point_has_its_story() -> None:
    """No point is named that nobody is killed at: in the story, by a step of an erasure, or by a test that names it."""
    named = {
        node.attr
        for file in (ROOT / "tests/bridge").rglob("test_*.py")
        for test in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(test, ast.FunctionDef | ast.AsyncFunctionDef) and test.name.startswith("test_")
        for node in ast.walk(test)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "CrashPoint"
    }
    elsewhere = set(CrashPoint) - MOMENTS.keys() - ERASURE_CRASH_POINTS
    assert [point for point in elsewhere if point.name not in named] == []
