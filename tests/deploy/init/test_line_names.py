"""A second line beside a first: other ports and names, nothing of the first taken or changed."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from bridge.config.load import load
from deploy.cli.main import cli
from deploy.data_dir.fleet import read_fleet
from tests.deploy.init.answers import answers, answers_file, joined

NORTH, SOUTH = {"slug": "north", "number": "+15555550101"}, {"slug": "south", "number": "+15555550102"}


def make(home: Path, inputs: dict[str, Any], *, into: str | None = None, fleet: bool = True) -> Result:
    """Run `init` on the directory of the line's slug."""
    words = ["--fleet", str(home / "fleet.yaml")] if fleet else []
    directory = home / (into or inputs["line"]["slug"])
    return CliRunner().invoke(cli, ["init", str(directory), "--answers", str(answers_file(home, inputs)), *words])


def both(home: Path, first: dict[str, Any], second: dict[str, Any]) -> tuple[Path, Path]:
    for inputs in (first, second):
        result = make(home, inputs)
        assert (result.exit_code, result.stderr) == (0, "")
    return home / "north", home / "south"


def tree(directory: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_a_second_line_takes_nothing_of_the_first(tmp_path: Path) -> None:
    """Ports, bot, puppet, tokens and keys are its own; the first line's files are as they were; the fleet names both."""
    assert make(tmp_path, joined(line=NORTH)).exit_code == 0
    before = tree(tmp_path / "north")
    assert make(tmp_path, joined(line=SOUTH)).exit_code == 0
    assert tree(tmp_path / "north") == before
    north, south = (load(tmp_path / slug / "config.yaml") for slug in ("north", "south"))
    assert (north.listen.port, south.listen.port) == (8449, 8459)
    assert (north.policy_mxid, north.puppet_mxid) == ("@policy-north:text.agency.org", "@line-north:text.agency.org")
    assert (south.policy_mxid, south.puppet_mxid) == ("@policy-south:text.agency.org", "@line-south:text.agency.org")
    assert north.homeserver.as_token_file.read_text() != south.homeserver.as_token_file.read_text()
    assert [line.name for line in read_fleet(tmp_path / "fleet.yaml")] == ["north", "south"]


def test_the_settings_of_the_homeserver_hold_both_lines(tmp_path: Path) -> None:
    """What the second `init` wrote takes the place of the first one's, and the module takes both registrations."""
    from quietline_synapse.settings import ModuleSettings

    place = tmp_path / "etc"
    home = {"url": "http://127.0.0.1:8008"}
    both(
        tmp_path,
        joined(line=NORTH, homeserver={**home, "registration_file": str(place / "north.yaml")}),
        joined(line=SOUTH, homeserver={**home, "registration_file": str(place / "south.yaml")}),
    )
    place.mkdir()
    for slug in ("north", "south"):
        written = tmp_path / slug / "synapse" / f"quietline-{slug}-registration.yaml"
        (place / f"{slug}.yaml").write_text(written.read_text())
        (place / f"{slug}.yaml").chmod(0o600)
    configuration = yaml.safe_load((tmp_path / "south" / "synapse" / "quietline.yaml").read_text())
    assert configuration["app_service_config_files"] == [str(place / "north.yaml"), str(place / "south.yaml")]
    settings = ModuleSettings.read(configuration["modules"][0]["config"])
    settings.check("text.agency.org")
    assert [line.policy for line in settings.lines] == ["@policy-north:text.agency.org", "@policy-south:text.agency.org"]
    ids = {yaml.safe_load((place / f"{slug}.yaml").read_text())["id"] for slug in ("north", "south")}
    assert ids == {"quietline-north", "quietline-south"}


def test_where_nothing_is_said_the_registration_bears_the_slug(tmp_path: Path) -> None:
    """Of a line by itself it is called as ever."""
    both(tmp_path, joined(line=NORTH), joined(line=SOUTH))
    configuration = yaml.safe_load((tmp_path / "south" / "synapse" / "quietline.yaml").read_text())
    assert configuration["app_service_config_files"] == [
        "/etc/matrix-synapse/quietline-north-registration.yaml",
        "/etc/matrix-synapse/quietline-south-registration.yaml",
    ]
    assert "quietline-south-registration.yaml` to `/etc/" in (tmp_path / "south" / "CHECKLIST.md").read_text()


def test_a_line_of_before_is_joined_by_a_second(tmp_path: Path) -> None:
    """It has the names of a line by itself, wherever it is; a registration of an earlier version has to be narrowed."""
    assert make(tmp_path, joined(line=NORTH), fleet=False, into="old/line").exit_code == 0
    (tmp_path / "fleet.yaml").write_text(f"lines:\n  - data: {tmp_path / 'old' / 'line'}\n")
    old = tmp_path / "old" / "line" / "synapse" / "quietline-registration.yaml"
    for claimed, is_named in (("line\\-north", False), ("line-.*", True)):
        old.write_text(old.read_text().replace("line\\-north", claimed))
        assert make(tmp_path, joined(line=SOUTH)).exit_code == 0
        page = (tmp_path / "south" / "CHECKLIST.md").read_text()
        assert ("north claims `@line-.*`" in page) == is_named
        settings = yaml.safe_load((tmp_path / "south" / "synapse" / "quietline.yaml").read_text())
        lines = settings["modules"][0]["config"]["lines"]
        assert [line["policy"] for line in lines] == ["@policy:text.agency.org", "@policy-south:text.agency.org"]
        (tmp_path / "south").rename(tmp_path / f"south-{is_named}")
        (tmp_path / "fleet.yaml").write_text(f"lines:\n  - data: {tmp_path / 'old' / 'line'}\n")


def test_a_line_joins_the_homeserver_that_another_line_runs(tmp_path: Path) -> None:
    """No settings are pasted: the checklist says what the first line's configuration gets, and that is what it takes."""
    home = {"url": "http://127.0.0.1:8448", "public_url": "https://text.agency.org"}
    north, south = both(tmp_path, answers(line=NORTH), joined(line=SOUTH, homeserver=home))
    assert [file.name for file in (south / "synapse").iterdir()] == ["quietline-south-registration.yaml"]
    page = (south / "CHECKLIST.md").read_text()
    (entry,) = [part for part in page.split("`") if part.startswith("other_lines: ")]
    config = (north / "config.yaml").read_text().replace("  # other_lines: []", f"  {entry}")
    (north / "config.yaml").write_text(config)
    (other,) = load(north / "config.yaml").homeserver.other_lines
    assert (other.registration, other.policy) == (
        north / "secrets" / "quietline-south-registration.yaml",
        "@policy-south:text.agency.org",
    )
    assert f"Copy `{south}/synapse/quietline-south-registration.yaml` to `{other.registration}`" in page
    assert f"--host {north}" in page


@pytest.mark.parametrize(
    ("inputs", "into", "said"),
    [
        (joined(line={**NORTH, "number": "+15555550109"}), "north", "exists; a line is never made over something"),
        (joined(line={**SOUTH, "number": NORTH["number"]}), None, "line.number: is that of another line of the fleet"),
        (joined(line={**SOUTH, "numbers": [NORTH["number"]]}), None, "line.number: is that of another line of the fleet"),
        (joined(line=SOUTH), "elsewhere", "line.slug: a line of a fleet is in a directory of its slug's name"),
        (joined(line={**NORTH, "number": "+15555550109"}), "more/north", "line.slug: is that of another line of the fleet"),
        (joined(line=SOUTH), "more/south", "service: units of a fleet find a line by its slug"),
        (joined(line={**SOUTH, "slug": "s" * 23}), None, "line.slug: names the account of its units, and is too long"),
        (joined(line=SOUTH, service="compose"), None, "service: compose is for a line by itself"),
    ],
)
def test_what_another_line_has_is_refused(tmp_path: Path, inputs: dict[str, Any], into: str | None, said: str) -> None:
    """Exit code 2, a sentence, nothing written: no directory, and the fleet's file as it was."""
    assert make(tmp_path, joined(line=NORTH)).exit_code == 0
    before = tree(tmp_path)
    result = make(tmp_path, inputs, into=into)
    assert result.exit_code == 2
    assert said in result.stderr
    assert {**tree(tmp_path), tmp_path / "answers.yaml": b""} == {**before, tmp_path / "answers.yaml": b""}


def test_a_homeserver_is_run_by_one_line(tmp_path: Path) -> None:
    """A second embedded one of the same name is refused, and how to join the first is said."""
    assert make(tmp_path, answers(line=NORTH)).exit_code == 0
    result = make(tmp_path, answers(line=SOUTH))
    assert (result.exit_code, (tmp_path / "south").exists()) == (2, False)
    assert "server_name: is that of the homeserver which another line runs" in result.stderr
    assert make(tmp_path, answers(line=SOUTH, server_name="text.elsewhere.net")).exit_code == 0


def test_a_line_that_the_fleet_has_no_room_for_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full at the very last file: 2, the reason, and neither the line nor its entry."""
    assert make(tmp_path, joined(line=NORTH)).exit_code == 0
    before = tree(tmp_path)
    real = Path.replace

    def full(self: Path, target: Path) -> Path:
        if target.name == "fleet.yaml":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(self, target)

    with monkeypatch.context() as changed:
        changed.setattr(Path, "replace", full)
        result = make(tmp_path, joined(line=SOUTH))
    assert (result.exit_code, "make room on that disk" in result.stderr) == (2, True), result.output
    assert {**tree(tmp_path), tmp_path / "answers.yaml": b""} == {**before, tmp_path / "answers.yaml": b""}
    assert make(tmp_path, joined(line=SOUTH)).exit_code == 0


def test_a_dry_run_adds_no_line(tmp_path: Path) -> None:
    """The fleet's file is not even made."""
    words = ["--fleet", str(tmp_path / "fleet.yaml"), "--dry-run"]
    file = answers_file(tmp_path, joined(line=NORTH))
    assert CliRunner().invoke(cli, ["init", str(tmp_path / "north"), "--answers", str(file), *words]).exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["answers.yaml"]


def test_settings_that_are_gone_are_told(tmp_path: Path) -> None:
    """New settings without the first line would stop it: they are not written."""
    assert make(tmp_path, joined(line=NORTH)).exit_code == 0
    (tmp_path / "north" / "synapse" / "quietline.yaml").unlink()
    result = make(tmp_path, joined(line=SOUTH))
    assert (result.exit_code, (tmp_path / "south").exists()) == (2, False)
    assert "cannot be read as the settings that `init` wrote" in result.stderr
