"""The operator's pages: every command in them is one that there is, with words that it takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from bridge.carriers.vendors.registry import CARRIER_KINDS
from deploy.cli.main import cli
from tests.deploy.init.answers import answers, run_init
from tests.deploy.processes import ROOT

PAGES = ("operator.md", "joining.md", "carriers.md", "disasters.md", "phones.md")
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
    assert len(commands) >= 4
    for each in commands:
        parsed(shlex.split(each))


def verbs(group: click.Group, at: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from verbs(command, f"{at}{name} ")
        else:
            yield at + name


def test_every_verb_has_a_row() -> None:
    """A new verb gets its line in the page of verbs; one that is hidden has none. The rows of one command share a line."""
    text = (ROOT / "deploy" / "docs" / "verbs.md").read_text()
    rows = re.findall(r"^\| `\./quietline (.+?)` \|", text, re.MULTILINE)
    for verb in verbs(cli):
        words = verb.split()
        named = [row for row in rows if row.split()[0] == words[0]]
        assert named, verb
        assert len(words) == 1 or any(words[1] in row.split() for row in named) or f"`{verb}" in text, verb


def test_each_carrier_has_its_part() -> None:
    """Every kind that a line may name, by the name that its vendor has, with the address and every secret that it needs."""
    parts = (ROOT / "deploy" / "docs" / "carriers.md").read_text().split("\n## ")
    named = {part.splitlines()[0].partition(":")[0]: part for part in parts}
    for kind, carrier in CARRIER_KINDS.items():
        if kind == "rehearsal":
            continue
        (part,) = [part for name, part in named.items() if name.casefold() == kind]
        files = [name for name in carrier.settings.model_fields if name.endswith("_file")]
        for name in files:
            told = {"path_secret_file": "SECRET", "shared_key_file": ""}.get(name, name)
            assert told in part, (kind, name)
        assert "/carriers/main/inbound" in part, kind


def test_the_answers_of_joining_are_answers(tmp_path: Path) -> None:
    """The page's part of a file, laid over a whole one, makes a line."""
    text = (ROOT / "deploy" / "docs" / "joining.md").read_text()
    (block,) = re.findall(r"```yaml\n(.+?)```", text, re.DOTALL)
    assert run_init(tmp_path, answers(**yaml.safe_load(block))).exit_code == 0
    written = {path.name for path in (tmp_path / "line" / "synapse").iterdir()}
    assert written == {*re.findall(r"`([a-z-]+\.(?:yaml|nginx|caddy|conf))`", text)} & written
