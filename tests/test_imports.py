"""The directions of imports, and unnecessary ones: they delay each verb and each restart of the line."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from bridge.app.main import LATE

ROOT: Final = Path(__file__).parents[1]
HTTP: Final = "aiohttp"
STEPS: Final = {
    "from deploy.cli.main import cli; cli(['--version'], standalone_mode=False)": {"asyncio", "ssl", "pydantic", "yaml"},
    "import bridge.config.load": {HTTP, "phonenumbers", "cryptography", "policies.schema"},
    "cli(['exposure'], standalone_mode=False)": {HTTP, "apsw", "asyncpg", "policies.schema"},
    "import deploy.packs.lint_report": {HTTP, "apsw", "asyncpg", "cryptography", "bot.decide", "bot.guard"},
    "import deploy.carrier.carrier_check": {"apsw", "bot.guard", "prometheus_client"},
    "import deploy.doctor.line_facts": {"bot.guard"},
}
"""Steps, and the modules that each must not load; all in one process, so the smallest step comes first."""


@pytest.fixture(scope="module")
def loaded() -> dict[str, list[str]]:
    """Return the loaded modules after each step."""
    code = (
        "import contextlib, io, json, sys\n"
        "after = {}\n"
        f"for step in {list(STEPS)!r}:\n"
        "    with contextlib.redirect_stdout(io.StringIO()):\n"
        "        exec(step)\n"
        "    after[step] = sorted(sys.modules)\n"
        "print(json.dumps(after))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    after: dict[str, list[str]] = json.loads(result.stdout)
    return after


def test_a_running_bridge_imports_nothing_more() -> None:
    """Modules that functions import are loaded at the start, because an upgrade may replace the files later."""
    statements = {
        ast.unparse(statement)
        for folder in ("bridge", "bot", "policies")
        for path in (ROOT / folder).rglob("*.py")
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for statement in ast.walk(function)
        if isinstance(statement, ast.Import | ast.ImportFrom)
    }
    code = (
        "import sys\n"
        "from bridge.app import main\n"
        "main.load = sys.exit\n"  # the modules at the time when `main` reads its configuration
        "try:\n"
        "    main.main(None)\n"
        "except SystemExit:\n"
        "    before = set(sys.modules)\n"
        f"for statement in {sorted(statements)!r}:\n"
        "    exec(statement)\n"
        "print(*set(sys.modules) - before)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert len(statements) > len(LATE)
    assert result.stdout.split() == []


@pytest.mark.parametrize("step", STEPS)
def test_nothing_is_loaded_that_is_not_used(loaded: dict[str, list[str]], step: str) -> None:
    """Neither reading a configuration nor help needs an HTTP client; `python -X importtime` shows what imports one."""
    assert STEPS[step] & set(loaded[step]) == set()


def test_imports_run_one_way() -> None:
    """The contracts of import-linter in `pyproject.toml` hold."""
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
