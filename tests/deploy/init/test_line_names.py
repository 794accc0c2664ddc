"""One of several lines: its slug is in every name outside its directory, and its ports are those of its answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner, Result

from bridge.config.load import load
from deploy.cli.main import cli
from tests.deploy.init.answers import answers_file, joined
from tests.every_row import every_row

NORTH: dict[str, Any] = {"slug": "north", "number": "+15555550101", "one_of_several": True}
SOUTH: dict[str, Any] = {"slug": "south", "number": "+15555550102", "one_of_several": True, "port_base": 8458}


def make(home: Path, inputs: dict[str, Any], *, into: str | None = None) -> Result:
    """Run `init` on the directory of the line's slug."""
    directory = home / (into or inputs["line"]["slug"])
    return CliRunner().invoke(cli, ["init", str(directory), "--answers", str(answers_file(home, inputs))])


def test_two_lines_have_nothing_in_common(tmp_path: Path) -> None:
    """Ports, bot, puppet, tokens and registrations are each line's own."""
    assert make(tmp_path, joined(line=NORTH)).exit_code == 0
    assert make(tmp_path, joined(line=SOUTH)).exit_code == 0
    north, south = (load(tmp_path / slug / "config.yaml") for slug in ("north", "south"))
    assert (north.listen.port, south.listen.port) == (8449, 8459)
    assert (north.policy_mxid, north.puppet_mxid) == ("@policy-north:text.agency.org", "@line-north:text.agency.org")
    assert (south.policy_mxid, south.puppet_mxid) == ("@policy-south:text.agency.org", "@line-south:text.agency.org")
    assert north.homeserver.as_token_file.read_text() != south.homeserver.as_token_file.read_text()
    for slug in ("north", "south"):
        folder = tmp_path / slug / "synapse"
        written = folder / f"quietline-{slug}-registration.yaml"
        assert yaml.safe_load(written.read_text())["id"] == f"quietline-{slug}"
        there = f"/etc/matrix-synapse/{written.name}"
        settings = yaml.safe_load((folder / "quietline.yaml").read_text())
        assert settings["app_service_config_files"] == [there]
        assert settings["modules"][0]["config"]["lines"] == [
            {"registration": there, "policy": f"@policy-{slug}:text.agency.org"}
        ]
        assert f"{written.name}` to `/etc/" in (tmp_path / slug / "CHECKLIST.md").read_text()


@every_row(
    ("inputs", "into", "said"),
    [
        (joined(line=SOUTH), "elsewhere", "line.slug: one of several lines is in a directory of its slug's name"),
        (joined(line={**SOUTH, "slug": "s" * 23}), None, "line.slug: names the account of its units, and is too long"),
        (joined(line=SOUTH, service="compose"), None, "service: compose is for a line by itself"),
    ],
)
def test_what_cannot_be_one_of_several_is_refused(
    tmp_path: Path, inputs: dict[str, Any], into: str | None, said: str
) -> None:
    """Exit code 2, a sentence, nothing written."""
    result = make(tmp_path, inputs, into=into)
    assert (result.exit_code, said in result.stderr) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["answers.yaml"]
