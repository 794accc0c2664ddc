"""Generated pages: current, complete, and short enough to be used."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import click
import pytest

from bot.commands.spec import COMMANDS
from bot.model.actions import DeliveryReceipt
from deploy.cli.main import cli
from deploy.docs import spanish_page
from deploy.docs.generate import DOCS, PAGES, PEOPLE, advocate_page, commands_page


@pytest.mark.parametrize("name", PAGES)
def test_the_pages_are_current(name: str) -> None:
    """What stands in the file is what the tables say now; `python -m deploy.docs.generate` makes it so."""
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name]()


def test_every_command_is_on_the_page_in_each_of_its_places() -> None:
    """Each row of the table is told once per place, with its words of help."""
    page = commands_page()
    for command in COMMANDS:
        rows = [line for line in page.splitlines() if line.startswith((f"| `!{command.name}`", f"| `!{command.name} "))]
        assert len(rows) == len(command.places)
        assert all(command.help in row for row in rows)


def test_the_advocates_page_is_a_page() -> None:
    """It explains every mark and every command of the card, names the undo windows of the pack, and fits on one page."""
    page = advocate_page()
    assert all(f"| {mark.value} |" in page for mark in DeliveryReceipt)
    assert all(f"| {spanish_page.mark_of(mark)} |" in spanish_page.advocate_page() for mark in DeliveryReceipt)
    assert all(f"`!{command.name}" in page for command in COMMANDS if command.card)
    assert "waits 8 seconds" in page
    assert len(page.splitlines()) < 80


def _in_both(page_of: Callable[[str], str]) -> tuple[str, str]:
    return page_of("en"), page_of("es")


@pytest.mark.parametrize(
    "make",
    [
        lambda: (advocate_page(), spanish_page.advocate_page()),
        lambda: (commands_page(), spanish_page.commands_page()),
        *(partial(_in_both, page_of) for page_of in PEOPLE.values()),
    ],
    ids=["advocate", "commands", *PEOPLE],
)
def test_the_spanish_page_is_the_same_page(make: Callable[[], tuple[str, str]]) -> None:
    """Part by part: as many headings, rows and paragraphs as in English, with the same commands and numbers."""
    english, spanish = (page.split("\n\n") for page in make())
    assert [part.count("\n") for part in english] == [part.count("\n") for part in spanish]
    for one, other in zip(english, spanish, strict=True):
        assert one.startswith("#") == other.startswith("#")
        assert set(re.findall(r"\d+", one)) == set(re.findall(r"\d+", other))
        named = [set(re.findall(r"`!([a-z-]+)", part)) - {"lang", "languages"} for part in (one, other)]
        assert named[0] == named[1]


def test_no_row_is_broken() -> None:
    """A bar within a cell is escaped: each row has as many cells as its head."""
    for page in (page_of() for page_of in PAGES.values()):
        cells = 0
        for line in page.splitlines():
            now = line.replace("\\|", "").count("|") if line.startswith("|") else 0
            assert not (cells and now) or now == cells, line
            cells = now


@pytest.mark.practice(23)
@pytest.mark.parametrize("name", ["breach.md", "vendor.md"])
def test_what_a_page_tells_people_to_say_is_there(name: str) -> None:
    """The pages for a breach and for a contract name the clock, and only commands and verbs that exist."""
    page = (DOCS / name).read_text(encoding="utf-8")
    assert "24 hours" in page
    assert set(re.findall(r"`!([a-z-]+)", page)) <= {command.name for command in COMMANDS}
    for verb in re.findall(r"`quietline ([a-z]+(?: [a-z]+)*)`", page):
        group: click.Command = cli
        for word in verb.split():
            assert isinstance(group, click.Group)
            assert word in group.commands, verb
            group = group.commands[word]
