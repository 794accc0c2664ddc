"""`quietline staff` where there is nothing to change: a homeserver of others, a line that does not run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy.cli import main
from deploy.data_dir.layout import Layout, Ports
from deploy.stack.provision import write_line_files
from tests.deploy.carrier.sample_lines import sample
from tests.deploy.line_directory import line_directory
from tests.free_ports import free_ports


@pytest.mark.parametrize(
    ("verb", "remedy"),
    [
        (("add", "dan", "--role", "advocate"), "invite it"),
        (("reset", "dan"), "password"),
        (("remove", "dan"), "deactivate"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_on_a_homeserver_of_others_it_says_what_to_do(verb: tuple[str, ...], remedy: str, tmp_path: Path) -> None:
    """Exit code 2, with the account's whole id, and no password is made."""
    file, config = tmp_path / "password", sample(tmp_path, "kannel")
    place = () if verb[0] == "remove" else ("--password-file", str(file))
    result = CliRunner().invoke(main.cli, ["staff", *verb, "--config", str(config), *place])
    assert result.exit_code == 2
    assert "@dan:example.org" in result.output
    assert remedy in result.output
    assert f"`quietline staff {verb[0]}` with `--host DIR`" in result.output
    assert not file.exists()


async def test_who_is_on_the_staff_is_listed(tmp_path: Path) -> None:
    """Of the configuration and of the desk: role, whether there or invited, whether trusted."""
    async with line_directory(tmp_path) as line:
        await line.desk()
        result = CliRunner().invoke(main.cli, ["staff", "list", "--json", "--data", str(line.layout.data)])
    assert result.exit_code == 0
    listed = [(each["name"], each["role"], each["desk"], each["trusted"]) for each in json.loads(result.output)["staff"]]
    assert listed == [
        ("ada", "advocate", "joined", False),
        ("bea", "advocate", "none", False),
        ("sol", "supervisor", "invited", False),
    ]


def test_a_line_that_does_not_run(tmp_path: Path) -> None:
    """Nothing is made, no file is left, and what to do is said."""
    layout, file = Layout(tmp_path / "line"), tmp_path / "password"
    write_line_files(layout, Ports(free_ports()))
    before = layout.config.read_bytes()
    words = ["staff", "add", "dan", "--role", "advocate", "--data", str(layout.data), "--password-file", str(file)]
    result = CliRunner().invoke(main.cli, words)
    assert (result.exit_code, "start the line" in result.output, file.exists()) == (2, True, False)
    assert layout.config.read_bytes() == before
