"""Which test shows which practice, found by reading the tests: `python -m tests.practices` writes the file.

Rule of this module: each test names its practices itself, with `@pytest.mark.practice(10)`; no test is run.
"""

from __future__ import annotations

import ast
import json
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from deploy.inspect.practices import SHOWN_FILE

ROOT: Final = Path(__file__).resolve().parents[1]


@cache
def collect(root: Path = ROOT) -> dict[str, list[str]]:
    """Return the ids of tests by the practice's number (as text), both sorted; computed once in a process."""
    ids: defaultdict[int, list[str]] = defaultdict(list)
    for path in sorted((root / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                for number in _numbers(node.decorator_list):
                    ids[number].append(f"{path.relative_to(root).as_posix()}::{node.name}")
    return {str(number): sorted(ids[number]) for number in sorted(ids)}


def written(shown: dict[str, list[str]]) -> str:
    """Return the file's text."""
    return json.dumps(shown, indent=1, ensure_ascii=False) + "\n"


def _numbers(decorators: list[ast.expr]) -> Iterator[int]:
    for call in decorators:
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.practice":
            yield from (arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, int))


if __name__ == "__main__":
    SHOWN_FILE.write_text(written(collect()), encoding="utf-8")
