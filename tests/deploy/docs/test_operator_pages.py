"""The operator's pages: every command in them is one that there is, with words that it takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from deploy.cli.main import cli
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
