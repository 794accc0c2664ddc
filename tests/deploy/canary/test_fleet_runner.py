"""The canaries of a fleet: who gets one, and that one which breaks ends no other."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from deploy.canary import fleet_runner, runner
from deploy.canary.fleet_runner import canaries_of
from deploy.cli.main import cli
from deploy.data_dir.fleet import read_fleet
from tests.deploy.data_dir.test_fleet import fleet, line
from tests.e2e.polling import STEP_TIMEOUT


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """North and south are on an agency's homeserver, and have a canary."""
    lines = [line(tmp_path, slug, port) for slug, port in (("north", 20000), ("south", 20010))]
    for data in lines:
        (secret := data / "secrets" / "canary").write_text(os.urandom(32).hex())
        secret.chmod(0o600)
        change(data, canary={"secret_file": str(secret), "localpart": f"canary-{data.name}"})
    return fleet(tmp_path, {"lines": [{"data": str(data)} for data in lines]})


def change(data: Path, **keys: object) -> None:
    """Change keys of a line's configuration, and have it be on an agency's homeserver."""
    config = yaml.safe_load((data / "config.yaml").read_text())
    config["homeserver"].update(joined=True, policy_localpart=f"policy-{data.name}")
    (data / "config.yaml").write_text(yaml.safe_dump({**config, **keys}))


def ask(*words: str) -> Result:
    return CliRunner().invoke(cli, ["canary", *words])


def test_each_line_that_has_the_section_gets_one(two: Path) -> None:
    """The account of each is printed beside its name, as by itself."""
    result = ask("--fleet", str(two), "--show-account")
    assert (result.exit_code, result.stderr) == (0, "")
    for name, row in zip(("north", "south"), result.stdout.splitlines(), strict=True):
        alone = ask("--data", str(two.parent / name), "--show-account")
        assert row == f"{name} {alone.stdout.strip()}"
        assert f"@canary-{name}:" in row


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ({"canary": None}, "south: has no `canary` section"),
        ({"log_level": "LOUD"}, "south: cannot be used with its configuration; `quietline check` says why"),
    ],
)
def test_which_lines_have_none_is_said(two: Path, broken: dict[str, object], why: str) -> None:
    """The others run all the same; where none is left it is 2."""
    change(two.parent / "south", **broken)
    result = ask("--fleet", str(two), "--show-account")
    assert (result.exit_code, result.stderr) == (0, f"quietline: {why}\n")
    assert [row.split()[0] for row in result.stdout.splitlines()] == ["north"]
    change(two.parent / "north", canary=None)
    assert ask("--fleet", str(two)).exit_code == 2


def test_what_up_runs_gets_no_second_one(two: Path) -> None:
    """Two canaries of one line would each end the other's conversations."""
    config = yaml.safe_load((two.parent / "south" / "config.yaml").read_text())
    config["homeserver"]["joined"] = False
    (two.parent / "south" / "config.yaml").write_text(yaml.safe_dump(config))
    canaries, without = canaries_of(read_fleet(two))
    assert ([each.name for each in canaries], without) == (["north"], {"south": "has its canary from `quietline up`"})


async def test_one_that_breaks_begins_again_and_the_others_go_on(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a state file of its own, which goes with SIGTERM: doctor takes no word of a canary that is not there."""
    starts: list[str] = []
    again = asyncio.Event()

    async def run(self: runner.Runner) -> None:
        name = self._config.line.slug
        starts.append(name)
        self._state.parent.mkdir(exist_ok=True)
        self._state.write_text("{}")
        if starts.count("north") == 1 and name == "north":
            raise RuntimeError
        if starts.count("north") == 2:
            again.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(runner.Runner, "run", run)
    monkeypatch.setattr(fleet_runner, "RETRY_SECONDS", 0.05)
    canaries, _ = canaries_of(read_fleet(two))
    running = asyncio.create_task(fleet_runner.run(canaries))
    async with asyncio.timeout(STEP_TIMEOUT):
        await again.wait()
        assert [each.state.name for each in canaries if each.state.exists()] == ["canary.json"] * 2
        os.kill(os.getpid(), signal.SIGTERM)
        await running
    assert sorted(starts) == ["north", "north", "south"]
    assert not any(each.state.exists() for each in canaries)


def test_a_bridge_is_of_one_line(two: Path) -> None:
    assert ask("--fleet", str(two), "--bridge", "http://127.0.0.1:1").exit_code == 2
