"""The configuration that all tests share."""

from __future__ import annotations

import ast
import re
import signal
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis.internal.conjecture import providers

from tests.conftest import HERE, SHARED_LINE, group, stop_ignoring_signals

HEAVY = re.compile(r"^(?:from|import) (?:synapse|quietline_synapse|telnyx)\b", re.MULTILINE)
"""Imports at module level that take a second."""
SESSION = """
import pytest, pytest_asyncio
import tests.conftest as ours

ours.group = lambda file: "the line 1" if "shared" in file else file
pytest_runtest_protocol, seen = ours.pytest_runtest_protocol, []

@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def line(server):
    seen.append("line")
    yield seen
    seen.append("line ended")

@pytest.fixture(scope="session")
def server():
    seen.append("server")
    yield seen
    seen.append("server ended")

def pytest_sessionfinish():
    assert seen.count("server") == seen.count("server ended")
"""
SHARED = """
import pytest
pytestmark = pytest.mark.asyncio(loop_scope="session")

async def test_first(line):
    assert line == ["server", "line"]

async def test_last(line):
    assert line == ["server", "line"]
"""
OTHERS = """
import pytest
before = ["server", "line", "line ended", "server ended", "server"]

def test_next(server):
    assert server == before

@pytest.mark.asyncio(loop_scope="session")
async def test_of_the_session(line):
    assert line == [*before, "line"]
"""
REPORT = "import signal; print(signal.getsignal(signal.SIGHUP) is signal.SIG_DFL)"


def test_ignored_signals_do_not_reach_the_processes_of_tests() -> None:
    """Under `nohup` the suite starts children that receive SIGHUP, and itself survives one."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stop_ignoring_signals()
        signal.raise_signal(signal.SIGHUP)
        heard = subprocess.run([sys.executable, "-c", REPORT], capture_output=True, text=True, check=True).stdout
    finally:
        signal.signal(signal.SIGHUP, before)
    assert heard == "True\n"


@pytest.mark.parametrize("package", ["bot.invariants", "bridge.carriers.steps", "e2e.polling", "fakes.bridge_harness"])
def test_what_tests_share_asserts_with_values(package: str) -> None:
    """An `assert` in a module that is no test reports the compared values."""
    spec = find_spec(f"tests.{package}")
    assert spec is not None
    assert type(spec.loader).__name__ == "AssertionRewritingHook"


def test_the_shared_line_ends_with_its_last_test(tmp_path: Path) -> None:
    """The session's fixtures end with it; later tests set up those that they need again."""
    for name, text in (("conftest", SESSION), ("test_a_shared", SHARED), ("test_b", OTHERS)):
        (tmp_path / f"{name}.py").write_text(text)
    options = ("-q", "-W", "error", "-o", "asyncio_default_fixture_loop_scope=function", "-p", "no:cacheprovider")
    command = (sys.executable, "-P", "-m", "pytest", *options, "--rootdir", str(tmp_path), str(tmp_path))
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(HERE.parent)}
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert (result.returncode, "4 passed" in result.stdout) == (0, True), result.stdout[-3000:] + result.stderr[-3000:]


def test_collecting_loads_nothing_heavy() -> None:
    """Every process of a run collects every test, so expensive modules are imported only by tests that need them."""
    files = HERE.rglob("*.py")
    heavy = [path.name for path in files if HEAVY.search(path.read_text(encoding="utf-8"))]
    assert heavy == ["cheap_homeserver.py"]  # only forks of a homeserver import it


def test_a_module_that_a_test_imports_changes_no_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hypothesis draws from our modules' constants; of those imported later it takes none, in whatever order tests run."""
    (tmp_path / "imported_late.py").write_text('WORD = "imported late"\n')
    monkeypatch.syspath_prepend(tmp_path)
    try:
        assert import_module("imported_late").WORD == "imported late"
        assert "imported late" not in providers._get_local_constants().strings
    finally:
        del sys.modules["imported_late"]


def test_only_who_uses_the_shared_line_waits_for_it() -> None:
    """A file of `tests/e2e` is in a group of the shared line if and only if it uses the line or one of its people.

    A file with its own line would keep the shared line running, and the tests of that line waiting.
    """
    wrong = [
        file.name
        for file in sorted((HERE / "e2e").glob("test_*.py"))
        if group(f"tests/e2e/{file.name}").startswith(SHARED_LINE) != _asks_for_the_line(file)
    ]
    assert wrong == ["test_polling.py"]  # needs no line and little time


def _asks_for_the_line(file: Path) -> bool:
    fixtures, parameters = set(), set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            is_fixture = any("fixture" in ast.unparse(each) for each in node.decorator_list)
            fixtures |= {node.name} if is_fixture else set()
            parameters |= {each.arg for each in node.args.args} if is_fixture or node.name.startswith("test_") else set()
    return bool(parameters & {"stack", "staffed_line", "ada", "bea", "sol"} - fixtures)
