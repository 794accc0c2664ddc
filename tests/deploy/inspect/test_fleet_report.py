"""`doctor`, `status`, `targets` of a fleet: a row for each line, the worst exit code; none keeps another from its row."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from click.testing import CliRunner, Result

from bridge.config.load import ConfigError
from bridge.storage.errors import Unavailable
from deploy.cli.main import cli
from deploy.data_dir.fleet import FleetLine, read_fleet
from deploy.data_dir.secret_files import SetupError
from deploy.inspect.check_report import CheckReport, CheckResult
from deploy.inspect.fleet_report import check_lines, scrape_targets
from tests.deploy.data_dir.test_fleet import fleet, line

if TYPE_CHECKING:
    from deploy.data_dir.layout import Layout

WELL = CheckResult(name="disk", ok=True, what="room")
WARNED = CheckResult(name="on-call", ok=True, what="nobody", do="Name somebody.", warning=True)
WRONG = CheckResult(name="backup", ok=False, what="old", do="Make one.")


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Give a fleet's file with the lines north and south, which are not running."""
    metrics = {"listen": "0.0.0.0:20004", "exposed": True}
    lines = [line(tmp_path, "north", 20000, metrics=metrics), line(tmp_path, "south", 20010)]
    return fleet(tmp_path, {"lines": [{"data": str(each)} for each in lines]})


@pytest.mark.parametrize(
    ("checks", "code", "said"),
    [
        ((WELL, WELL), 0, ["ok  north: 1 checks are well", "ok  south: 1 checks are well"]),
        ((WELL, WARNED), 0, ["ok  north: 1 checks are well", "!   south: on-call", "    quietline doctor --data SOUTH"]),
        ((WRONG, WELL), 1, ["NOT north: backup", "    quietline doctor --data NORTH", "ok  south: 1 checks are well"]),
    ],
)
async def test_a_row_for_each_line_and_the_worst_code(
    two: Path, checks: tuple[CheckResult, CheckResult], code: int, said: list[str]
) -> None:
    """What is not well is named, with the command that says more; warnings change no code."""
    lines = read_fleet(two)

    async def look(layout: Layout) -> tuple[CheckReport, int]:
        check = checks[0] if layout.data.name == "north" else checks[1]
        return CheckReport(checks=(check,)), 0 if check.ok else 1

    report = await check_lines(lines, look)
    places = {"NORTH": lines[0].layout.data, "SOUTH": lines[1].layout.data}
    expected = [each.replace("NORTH", str(places["NORTH"])).replace("SOUTH", str(places["SOUTH"])) for each in said]
    assert (report.code, report.as_text("doctor")) == (code, expected)
    document = json.loads(report.as_json())
    assert (document["ok"], [each["line"] for each in document["lines"]]) == (code == 0, ["north", "south"])
    assert document["lines"][0]["checks"] == [checks[0].as_object()]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConfigError(["a: is missing", "b: is wrong"]), "a: is missing; b: is wrong"),
        (SetupError(["the words"]), "the words"),
        (Unavailable("SQLITE_BUSY"), "cannot be looked at (Unavailable)"),
        (OSError("a path"), "cannot be looked at (OSError)"),
    ],
)
async def test_a_line_that_cannot_be_looked_at_is_a_row(two: Path, error: Exception, said: str) -> None:
    """Its exit code is 2, and the other is looked at."""

    async def look(layout: Layout) -> tuple[CheckReport, int]:
        if layout.data.name == "north":
            raise error
        return CheckReport(checks=(WELL,)), 0

    report = await check_lines(read_fleet(two), look)
    assert report.code == 2
    north, south = report.lines
    assert [(check.name, check.ok, check.what) for check in north.report.checks] == [("configuration", False, said)]
    assert (south.row.ok, north.row.ok) == (True, False)


@pytest.mark.parametrize("verb", ["doctor", "status"])
def test_a_line_of_another_account_says_what_to_do(two: Path, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    """Its row says by whom the verb can be run; the other line is looked at."""
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda path, *mode, **options: "south" not in str(path) and access(path, *mode, **options)
    )
    result = ask(verb, "--fleet", str(two))
    assert result.exit_code == 2
    (row,) = [row for row in result.stdout.splitlines() if row.startswith("NOT south")]
    assert row.endswith(
        f"{two.parent / 'south'}: this account may not read it; say it again as root, or as the account that runs the line"
    )
    assert "NOT north" in result.stdout


def ask(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words))


@pytest.mark.parametrize("verb", ["doctor", "status"])
def test_the_verbs_ask_every_line(two: Path, verb: str) -> None:
    """Two lines that do not run are not well, and each has the report that it would have by itself."""
    result = ask(verb, "--fleet", str(two), "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert [(each["line"], each["exit"]) for each in report["lines"]] == [("north", 1), ("south", 1)]
    for each in report["lines"]:
        alone = json.loads(ask(verb, "--data", each["data"], "--json").stdout)
        assert [check["name"] for check in each["checks"]] == [check["name"] for check in alone["checks"]]
    text = ask(verb, "--fleet", str(two))
    assert [row[:9] for row in text.stdout.splitlines() if not row.startswith(" ")] == ["NOT north", "NOT south"]


@pytest.mark.parametrize("verb", ["doctor", "status"])
def test_one_broken_configuration_is_two(two: Path, verb: str) -> None:
    """The other line has its row all the same."""
    (two.parent / "south" / "config.yaml").write_text("data_dir: [")
    result = ask(verb, "--fleet", str(two), "--json")
    report = json.loads(result.stdout)
    expected = [("north", 1), ("south", 2)] if verb == "doctor" else [("north", 1), ("south", 1)]
    assert [(each["line"], each["exit"]) for each in report["lines"]] == expected
    assert result.exit_code == max(code for _, code in expected)


@pytest.mark.parametrize("verb", ["doctor", "status", "targets"])
def test_a_file_that_is_none_is_two(tmp_path: Path, verb: str) -> None:
    """Missing, no list, a line twice: sentences, and nothing is asked."""
    missing = ask(verb, "--fleet", str(tmp_path / "none.yaml"))
    assert (missing.exit_code, "cannot be read" in missing.stderr) == (2, True)
    north = line(tmp_path, "north", 20000)
    twice = ask(verb, "--fleet", str(fleet(tmp_path, {"lines": [{"data": str(north)}] * 2})))
    assert (twice.exit_code, twice.stdout) == (2, "")
    assert "lines.1 (north): is the line of lines.0 (north) once more" in twice.stderr


@pytest.mark.parametrize("words", [["doctor", "--changes"], ["status", "--watch"], ["status", "--data", "x"]])
def test_what_is_for_one_line_is_said(two: Path, words: list[str]) -> None:
    """A usage error."""
    assert ask(*words, "--fleet", str(two)).exit_code == 2


def test_targets_carry_the_slug(two: Path) -> None:
    """Every address of the machine is asked at loopback; a line without metrics is said, and makes it 1."""
    result = ask("targets", "--fleet", str(two))
    assert json.loads(result.stdout) == [{"targets": ["127.0.0.1:20004"], "labels": {"line": "north"}}]
    assert (result.exit_code, result.stderr) == (1, "quietline: south: has no `metrics` section that can be read\n")
    config = two.parent / "south" / "config.yaml"
    configuration = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump({**configuration, "metrics": {"listen": "[::1]:20014"}}))
    result = ask("targets", "--fleet", str(two))
    assert (result.exit_code, json.loads(result.stdout)[1]["targets"]) == (0, ["[::1]:20014"])


def test_a_line_that_cannot_be_read_has_no_target(two: Path) -> None:
    """It is named by its directory."""
    lines = read_fleet(two)
    broken = FleetLine(layout=lines[0].layout, config=None)
    assert scrape_targets([broken]) == ("[]", ["north"])
