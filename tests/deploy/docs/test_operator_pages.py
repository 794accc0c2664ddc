"""The operator's pages: every command in them is one that there is, with words that it takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

from deploy.cli.main import cli
from tests.deploy.init.answers import answers, run_init
from tests.deploy.processes import ROOT

PAGES = ("operator.md", "joining.md")
COMMAND = re.compile(r"\./quietline ([^`\n]+)")


def parsed(words: list[str]) -> None:
    """Have click read a command's words as it would, without running it. Raises what click raises."""
    context = click.Context(cli)
    command: click.Command = cli
    while isinstance(command, click.Group):
        name, found, words = command.resolve_command(context, words)
        assert found is not None
        command, context = found, click.Context(found, parent=context, info_name=name)
    command.make_context(command.name, words, resilient_parsing=False)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_is_one_that_there_is(page: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Verb, arguments and options are read by the command itself; none of them runs."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "deploy" / "docs" / page).read_text()
    commands = COMMAND.findall(text)
    assert len(commands) >= 5
    for each in commands:
        parsed(shlex.split(each))


def test_the_answers_of_joining_are_answers(tmp_path: Path) -> None:
    """The page's part of a file, laid over a whole one, makes a line."""
    text = (ROOT / "deploy" / "docs" / "joining.md").read_text()
    (block,) = re.findall(r"```yaml\n(.+?)```", text, re.DOTALL)
    assert run_init(tmp_path, answers(**yaml.safe_load(block))).exit_code == 0
    written = {path.name for path in (tmp_path / "line" / "synapse").iterdir()}
    assert written == {*re.findall(r"`([a-z-]+\.(?:yaml|nginx|caddy|conf))`", text)} & written
