"""What `doctor --alarm` tells: what changed since the last look, and nothing else; and the exit codes."""

from __future__ import annotations

import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from click.testing import Result

from deploy.doctor import doctor
from deploy.doctor.changes import since_last_time
from deploy.inspect.check_report import CheckReport, CheckResult
from tests.deploy.doctor.real_line import RealLine, real_line
from tests.deploy.verb import invoke

pytestmark = pytest.mark.asyncio(loop_scope="module")


def row(name: str, state: str = "ok", what: str = "") -> CheckResult:
    return CheckResult(name=name, ok=state != "not", what=what, asked=state != "unasked", warning=state == "warning")


def changed(path: Path, *rows: CheckResult) -> list[CheckResult]:
    return list(since_last_time(path, CheckReport(checks=rows)).checks)


def test_only_what_changed_is_told(tmp_path: Path) -> None:
    """A fault once, its end once; a count that moves, and what nobody could ask, are no change."""
    state = tmp_path / "run" / "doctor.json"
    assert changed(state, row("disk"), row("clock")) == []
    fault = row("disk", "not", "3 MiB are free")
    assert changed(state, fault, row("clock")) == [fault]
    assert changed(state, row("disk", "not", "2 MiB are free"), row("clock")) == []
    assert changed(state, row("disk", "unasked"), row("clock")) == []
    assert changed(state, row("disk", "not"), row("clock", "warning")) == [row("clock", "warning")]
    assert changed(state, row("disk"), row("clock", "warning")) == [row("disk")]
    assert changed(state, row("disk"), row("clock", "warning")) == []


def test_the_state_is_private_and_says_nothing(tmp_path: Path) -> None:
    """Mode 0600, names of rows and how they were; one that cannot be read counts as none."""
    state = tmp_path / "run" / "doctor.json"
    fault = row("file modes", "not", "others can read /srv/line/secrets")
    assert changed(state, fault) == [fault]
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    assert json.loads(state.read_text()) == {"file modes": "not well"}
    state.write_text("no state")
    assert changed(state, fault) == [fault]


def test_each_problem_of_a_configuration_is_one(tmp_path: Path) -> None:
    """A second problem is news while the first stands, and so is that there is none any more."""
    state = tmp_path / "doctor.json"
    first, second = row("configuration", "not", "a: missing"), row("configuration", "not", "b: missing")
    assert changed(state, first) == [first]
    assert changed(state, first, second) == [second]
    assert changed(state, row("configuration")) == [row("configuration")]
    assert changed(state, row("configuration")) == []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def line(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealLine]:
    async with real_line(tmp_path_factory.mktemp("changes")) as shared_line:
        yield shared_line


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no part that is well be called silent because the machine is busy."""
    monkeypatch.setattr(doctor.run_checks, "__kwdefaults__", {"seconds": 30.0})


async def run_doctor(line: RealLine, *words: str) -> Result:
    return await invoke(["doctor", "--data", str(line.layout.data), *words])


async def test_the_exit_code_says_how_bad(line: RealLine) -> None:
    """0 well, 1 not well, 2 with every problem and its path when no line could be started."""
    assert (await run_doctor(line)).exit_code == 0
    (line.layout.secrets / "as_token").chmod(0o644)
    unusable = await run_doctor(line, "--json")
    (line.layout.secrets / "as_token").chmod(0o600)
    assert unusable.exit_code == 2
    assert "homeserver.as_token_file" in unusable.stderr
    named = {check["name"]: check["ok"] for check in json.loads(unusable.stdout)["checks"]}
    assert not named["file modes"]
