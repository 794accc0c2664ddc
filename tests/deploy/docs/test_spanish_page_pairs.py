"""Pages that are written by hand in English and Spanish say the same: what can be compared of the two is the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[3] / "deploy" / "docs"
PAGES = ("breach", "clients", "drills", "phones", "practices", "shifts", "signs")
ENGLISH_WORDS = re.compile(r"\b(?:the|and|with|that|which|their|whoever|somebody)\b", re.IGNORECASE)


def read(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def prose(page: str) -> str:
    """Return a page without code, links' targets, names of menus and the measured table."""
    page = re.sub(r"<!-- measured.*?<!-- end -->|```.*?```", "", page, flags=re.DOTALL)
    return re.sub(r"`[^`]*`|\]\([^)]*\)|\*\*[^*]*\*\*", "", page)


def codes(page: str) -> list[str]:
    """Return what stands in code, sorted: commands, verbs, names of settings. What a person types for it is left out."""
    page = re.sub(r"```.*?```", "", page, flags=re.DOTALL)
    return sorted(re.sub(r"^(!note) .*", r"\1", each) for each in re.findall(r"`([^`\n]+)`", page))


@pytest.mark.parametrize("name", PAGES)
def test_both_languages_have_the_same_parts(name: str) -> None:
    """Headings, rows, items, blocks of code and everything in code: what one page has, the other one has."""
    english, spanish = read(f"{name}.md"), read(f"{name}.es.md")
    for what in (r"^(#+) ", r"^(\|)", r"^ {0,2}(-|\d+\.) "):
        assert re.findall(what, english, re.MULTILINE) == re.findall(what, spanish, re.MULTILINE), what
    blocks = [re.findall(r"```.*?```", page, re.DOTALL) for page in (english, spanish)]
    assert blocks[0] == blocks[1]
    assert codes(english) == codes(spanish)
    assert re.findall(r"\d+", prose(english)) == re.findall(r"\d+", prose(spanish))


@pytest.mark.parametrize("name", PAGES)
def test_each_names_the_other(name: str) -> None:
    """Who opens the wrong one finds the right one at the beginning; a link leads to Spanish where there is a page."""
    assert f"[En español]({name}.es.md)" in read(f"{name}.md")[:1_000]
    spanish = read(f"{name}.es.md")
    assert f"En\ninglés: [{name}.md]({name}.md)" in spanish or f"En inglés: [{name}.md]({name}.md)" in spanish
    for target in re.findall(r"\]\(([a-z-]+)\.md\)", spanish):
        assert target == name or not (DOCS / f"{target}.es.md").exists(), target


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_left_in_english(name: str) -> None:
    """The Spanish page has no sentence in English, and its accents."""
    spanish = prose(read(f"{name}.es.md"))
    assert ENGLISH_WORDS.findall(spanish) == []
    assert len(re.findall("[áéíóúñ]", spanish)) > len(spanish) / 100


def test_every_spanish_page_has_an_english_one() -> None:
    """A page that exists in Spanish alone would be read by half of a desk."""
    for page in DOCS.glob("*.es.md"):
        assert (DOCS / f"{page.name.removesuffix('.es.md')}.md").is_file(), page.name
