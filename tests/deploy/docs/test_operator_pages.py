"""The operator's pages: every command in them is one that there is, with words that it takes."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from deploy.cli.main import cli
from tests.deploy.init.answers import answers, joined, run_init
from tests.deploy.processes import ROOT

PAGES = ("operator.md", "joining.md", "carriers.md", "disasters.md", "phones.md", "packs.md")
COMMAND = re.compile(r"\./quietline ([^`\n]+)")


def parsed(words: list[str]) -> None:
    """Have click read a command's words as it would, without running it. Raises what click raises."""
    context = click.Context(cli)
    command: click.Command = cli
    while isinstance(command, click.Group):
        name, subcommand, words = command.resolve_command(context, words)
        assert subcommand is not None
        command, context = subcommand, click.Context(subcommand, parent=context, info_name=name)
    command.make_context(command.name, words, resilient_parsing=False)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_is_one_that_there_is(page: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Verb, arguments and options are read by the command itself; none of them runs."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "deploy" / "docs" / page).read_text()
    commands = COMMAND.findall(text)
    assert len(commands) >= 4
    for each in commands:
        if each.strip() != "--version":
            parsed(shlex.split(each))


def in_places(script: str, **places: Path) -> str:
    """Put these directories for those of the page: as paths, and in the names of credentials, which have - for /."""
    for name, place in places.items():
        script = script.replace(f"/srv/{name}", str(place)).replace(f"srv-{name}-", f"{str(place)[1:].replace('/', '-')}-")
    return script


@pytest.mark.parametrize("kind", ["join", "embedded"])
def test_what_no_backup_holds_is_written_once_more(tmp_path: Path, kind: str) -> None:
    """The lines of the page, after `init`: proxy and units are as if the line had been made in its place."""
    page = (ROOT / "deploy" / "docs" / "disasters.md").read_text()
    (block,) = re.findall(r"```sh\n *\./quietline init /srv/papers .*?\n(.*?)```", page, re.DOTALL)
    new, there = tmp_path / "new" / "line", tmp_path / "line"
    new.parent.mkdir()
    make = joined if kind == "join" else answers
    assert run_init(tmp_path, make()).exit_code == 0
    assert run_init(new.parent, make()).exit_code == 0
    texts = {file: (new / file).read_text() for file in ("proxy/Caddyfile", "units/quietline.service")}
    for folder in ("proxy", "units"):
        shutil.rmtree(new / folder)
    subprocess.run(["sh", "-euc", in_places(block, papers=there, new=new)], check=True, timeout=60)
    assert {file: (new / file).read_text() for file in texts} == texts
    assert not there.exists()
