"""The command itself: verbs, help, exit codes, `check_status` beside a line and beside nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from datetime import date
from typing import TYPE_CHECKING

import aiohttp
import pytest
import yaml
from click.testing import CliRunner, Result

from deploy.cli import main
from deploy.data_dir.layout import Layout
from deploy.inspect.status import check_status
from deploy.stack import readiness
from policies.load import load as load_pack
from tests.deploy.processes import ROOT, eventually, make_real_line, read_ready_file, run_up
from tests.e2e.polling import STEP_TIMEOUT
from tests.free_ports import free_ports

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no part that is well be called silent because the machine is busy."""
    monkeypatch.setattr(readiness, "TIMEOUT", aiohttp.ClientTimeout(total=60))


def quietline(*arguments: str, cwd: Path | None = None) -> Result:
    """Run a verb in this process: to start another costs a second of CPU, for what it imports."""
    umask = os.umask(0o022)
    try:
        with contextlib.chdir(cwd) if cwd else contextlib.nullcontext():
            return CliRunner().invoke(main.cli, arguments)
    finally:
        os.umask(umask)


def test_version_is_the_projects() -> None:
    """`--version` tells what pyproject.toml says."""
    own = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    process = subprocess.run(
        [sys.executable, "-P", "-m", "deploy", "--version"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert process.returncode == 0
    assert process.stdout.startswith(f"quietline {own} (Python 3.")


@pytest.mark.parametrize(
    "arguments", [("nonsense",), ("up", "--port-base", "0"), ("up", "--port-base", "65534"), ("up", "extra"), ("bridge",)]
)
def test_wrong_usage_exits_2(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """Whatever cannot be meant exits 2 with a sentence, and makes nothing."""
    result = quietline(*arguments, cwd=tmp_path)
    assert result.exit_code == 2
    assert result.stderr
    assert not list(tmp_path.iterdir())


def test_the_bridge_of_a_real_line_refuses_an_example_that_was_copied(tmp_path: Path) -> None:
    """Base's words with a person's name under them: exit 2, and each text is named that still sends people to nobody."""
    make_real_line(tmp_path, 20000, carrier="https://carrier.invalid")
    review = {"reviewed_by": "Counsel", "reviewed_on": date(2026, 3, 1)}
    texts = {
        str(text.name): {"wordings": {"en": {"text": wording.text, **review}}}
        for text, language, wording in load_pack(["base"]).wordings
        if language == "en" and (text.legal or wording.sample)
    }
    hours = {"always": True}
    own = tmp_path / "own.yaml"
    own.write_text(yaml.safe_dump({"name": "own", "languages": ["en"], "hours": hours, "texts": texts}))
    config = tmp_path / "config.yaml"
    configuration = yaml.safe_load(config.read_text())
    configuration["lines"][0]["packs"] = ["base", str(own)]
    configuration["data_dir"] = str(tmp_path / "elsewhere")
    config.write_text(yaml.safe_dump(configuration))
    result = quietline("bridge", "--config", str(config))
    assert result.exit_code == 2
    named = {line.split()[1] for line in result.stderr.splitlines() if "still holds an example" in line}
    assert result.stderr.splitlines()[-1].startswith(
        f"packs: put them right in the agency's own pack, {own}; `quietline policy"
    )
    assert (tmp_path / "elsewhere" / "CACHEDIR.TAG").is_file(), "backup programs are told, also without `up`"
    assert named == {f"{name}.en" for name in ("after_hours", "unavailable", "options", "outage", "urgent")}


def test_up_on_an_impossible_directory_exits_2(tmp_path: Path) -> None:
    """A data directory that cannot be made is told with its path."""
    (tmp_path / "file").touch()
    result = quietline("up", "--data", "file/below", "--port-base", str(free_ports()), cwd=tmp_path)
    assert result.exit_code == 2
    assert f"{tmp_path}/file" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("where", [["--data", "none"], ["--data", "."], ["--config", "none.yaml"]])
def test_status_where_there_is_no_line(tmp_path: Path, where: list[str]) -> None:
    """No directory, no line in it, no such configuration: a usage error, with the remedy; it makes nothing.

    Rule: design.md, "Contracts with the outside".
    """
    result = quietline("status", *where, "--json", cwd=tmp_path)
    assert result.exit_code == 2
    assert "there is no line. Name its directory with --data, or make one: ./quietline up --data " in result.stderr
    report = json.loads(result.stdout)
    assert report["ok"] is False
    assert [check.keys() for check in report["checks"]] == [{"name", "ok", "what", "do"}]
    assert not list(tmp_path.iterdir())


def test_status_of_a_real_line_asks_its_own_carrier(tmp_path: Path) -> None:
    """A carrier that cannot be reached is told as such, by its kind: no stand-in answers for it."""
    base = free_ports()
    make_real_line(tmp_path, base, carrier=f"http://127.0.0.1:{base + 2}")
    with run_up(tmp_path, base):
        read_ready_file(tmp_path)
        result = quietline("status", "--data", str(tmp_path), "--json")
        assert result.exit_code == 1
        rows = {check["name"]: check for check in json.loads(result.stdout)["checks"]}
        assert {name: check["ok"] for name, check in rows.items()} == {"homeserver": True, "bridge": True, "carrier": False}
        assert rows["carrier"]["what"] == "twilio: the carrier cannot be reached"
        assert rows["carrier"]["do"]


def test_status_of_a_bridge_that_runs_alone(tmp_path: Path) -> None:
    """Without `up` all are asked where the configuration has them, running or not, and nothing is said of `up`."""
    base = free_ports()
    make_real_line(tmp_path, base, carrier=f"http://127.0.0.1:{base + 2}")
    for own in ("homeserver", "handout"):  # the homeserver is another person's
        shutil.rmtree(tmp_path / own, ignore_errors=True)
    config = tmp_path / "config.yaml"
    for _ in ("before the bridge has its desk", "after"):
        result = quietline("status", "--config", str(config), "--json")
        assert result.exit_code == 1
        rows = {check["name"]: check for check in json.loads(result.stdout)["checks"]}
        assert {name: check["what"] for name, check in rows.items()} == {
            "homeserver": f"does not answer as ready at http://127.0.0.1:{base}",
            "bridge": f"does not answer as ready at http://127.0.0.1:{base + 1}",
            "carrier": "twilio: the carrier cannot be reached",
        }
        assert all(check["do"] and "by itself" not in check["do"] for check in rows.values())
        (tmp_path / "run").mkdir(exist_ok=True)
        (tmp_path / "run" / "bridge.json").write_text("{}")


def test_status_beside_a_line(tmp_path: Path) -> None:
    """Beside a running line all three are well (exit 0); beside a dead one none is, and it says what to do."""
    with run_up(tmp_path, free_ports()) as process:
        read_ready_file(tmp_path)
        result = quietline("status", "--data", str(tmp_path), "--json")
        assert result.exit_code == 0
        report = json.loads(result.stdout)
        assert report["ok"] is True
        assert {check["name"]: check["ok"] for check in report["checks"]} == {
            "homeserver": True,
            "bridge": True,
            "carrier": True,
        }
        process.send_signal(signal.SIGKILL)
        process.wait(STEP_TIMEOUT)
        eventually(lambda: not any(check.ok for check in asyncio.run(check_status(Layout(tmp_path))).checks))
        result = quietline("status", "--data", str(tmp_path))
        assert result.exit_code == 1
        assert result.stdout.count("NOT ") == 3
        assert "see " in result.stdout


@pytest.mark.parametrize(
    ("codes", "expected"), [({}, 0), ({"ruff": 1}, 1), ({"mypy": 2}, 1), ({"pytest": 5}, 1), ({"pytest": 2}, 1)]
)
def test_test_runs_all_checks_and_pytest_last(
    monkeypatch: pytest.MonkeyPatch, codes: dict[str, int], expected: int
) -> None:
    """`test` runs style, format, types, then pytest with the arguments; it ends with 0 or 1; pytest speaks last."""
    ran: list[tuple[str, ...]] = []

    def run(*command: str) -> int:
        ran.append(command[3:])
        return codes.get(command[3], 0)

    monkeypatch.setattr(main, "_run", run)
    result = CliRunner().invoke(main.cli, ["test", "tests/deploy", "-k", "x", "--help"])
    assert result.exit_code == expected
    assert ran == [
        ("ruff", "check"),
        ("ruff", "format", "--check"),
        ("mypy",),
        ("pytest", "tests/deploy", "-k", "x", "--help"),
    ]
    assert result.stdout == ""


@pytest.mark.parametrize(("codes", "code"), [((0, 0), 0), ((1, 0), 1), ((0, 1), 1)])
def test_the_whole_suite_runs_in_two_stages(monkeypatch: pytest.MonkeyPatch, codes: tuple[int, int], code: int) -> None:
    """Without arguments both stages run, whatever the first gave; a test of the suite looks at the types."""
    ran: list[tuple[str, ...]] = []

    def run(*command: str) -> int:
        ran.append(command[3:])
        return codes[len(ran) - 3] if command[3] == "pytest" else 0

    monkeypatch.setattr(main, "_run", run)
    assert CliRunner().invoke(main.cli, ["test"]).exit_code == code
    assert ran == [("ruff", "check"), ("ruff", "format", "--check"), *(("pytest", *stage) for stage in main.STAGES)]
    assert all((ROOT / place).is_dir() for place in main.LINE_TESTS)
