"""What the documents name exists, what the code cites is there, and what is drawn from the code is as the code is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from bot.commands.spec import COMMANDS
from deploy.cli.main import cli
from tests import documents
from tests.package_map import MAY_IMPORT

ROOT: Final = Path(__file__).parents[1]
HISTORY: Final = "CHANGELOG.md"
"""The one document that speaks of what was there before."""
DOCUMENTS: Final = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (*ROOT.glob("*.md"), *(ROOT / "deploy").rglob("*.md"), *(ROOT / "policies").rglob("*.md"))
    if path.name != HISTORY
}
FENCE: Final = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
CODE: Final = re.compile(r"`([^`\n]+)`")
HEADING: Final = re.compile(r"^#+ (.+?)\s*$", re.MULTILINE)
LINK: Final = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
TABLE_NAMED: Final = re.compile(r"(?:the )?tables? `(\w+)`|`(\w+)` table")
CITATION: Final = re.compile(r"\b([A-Za-z][\w-]*\.md)(?:, \"([^\"]+)\")?")
NOT_HERE: Final = re.compile(
    r"\bDESIGN\b(?!\.md)|facts-(?:matrix|sms)\b(?!\.md)|\bissues? \d|CONTRACTS|\bDECISIONS\b(?!\.md)"
)
PATH: Final = re.compile(r"(?<![\w/.:-])(?:bot|bridge|deploy|policies|tests)/[\w./-]*\w")
SYNAPSE_TABLES: Final = frozenset({"push_rules_stream"})
NOT_COMMANDS: Final = frozenset({"!command", "!count"})
"""Placeholders, and the command that a new contributor adds as an exercise."""


def prose(text: str) -> str:
    """Return a document without its fenced blocks."""
    return FENCE.sub("", text)


def named(document: str) -> list[str]:
    """Return what stands between backticks in a document's prose."""
    return CODE.findall(prose(DOCUMENTS[document]))


def anchors(text: str) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(text)}


@cache
def python_texts() -> tuple[tuple[str, str], ...]:
    """Return the place and the text of every docstring, string and comment of ours and of the tests."""
    return tuple(_python_texts())


def _python_texts() -> Iterator[tuple[str, str]]:
    for folder in (*documents.FOLDERS, "tests"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            where = path.relative_to(ROOT).as_posix()
            text = path.read_text(encoding="utf-8")
            for node in ast.walk(documents.source().get(where) or ast.parse(text)):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield f"{where}:{node.lineno}", " ".join(node.value.split())
            for number, line in enumerate(text.splitlines(), 1):
                if "#" in line:
                    yield f"{where}:{number}", line.partition("#")[2]


@pytest.mark.parametrize("document", documents.DRAWN)
def test_drawn_parts_are_as_the_code_is(document: str) -> None:
    """What the code or the pages of decisions say is drawn from them: `.venv/bin/python -m tests.documents`."""
    text = DOCUMENTS[document]
    assert {part["name"] for part in documents.PART.finditer(text)} == documents.DRAWN[document].keys()
    assert documents.drawn(document, text) == text


def test_architecture_names_every_package_and_every_table() -> None:
    """No package and no table is missing from the map."""
    words = set(named("ARCHITECTURE.md"))
    assert set(MAY_IMPORT) - words == set()
    assert documents.tables().keys() - words == set()


def test_architecture_names_what_uses_threads() -> None:
    """Each module of the bridge that has work done in a thread is named where the architecture says what threads do."""
    bullet = DOCUMENTS["ARCHITECTURE.md"].partition("**One process, one event loop.**")[2].partition("\n- ")[0]
    calls = {"asyncio.to_thread", "ThreadPoolExecutor", "threading.Thread"}
    modules = {
        file
        for file, tree in documents.source().items()
        if file.startswith("bridge/")
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and ast.unparse(call.func) in calls
    }
    assert modules == {name for name in CODE.findall(bullet) if name.endswith(".py")}


def test_sequences_are_short() -> None:
    """Each of the three journeys fits into fewer than fifteen lines, and each line of it says where it happens."""
    text = DOCUMENTS["ARCHITECTURE.md"]
    for title in ("A text comes in", "An answer goes out", "A conversation ends"):
        steps = re.findall(r"^\d+\. ", text.partition(f"## {title}\n")[2].partition("\n## ")[0], re.MULTILINE)
        assert 5 <= len(steps) < 15, title


@pytest.mark.parametrize("document", DOCUMENTS)
def test_paths_exist(document: str) -> None:
    """Each path between backticks that begins in a folder of ours, and each link, leads to something."""
    tops = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")} - {"var", "quietline"}
    for name in named(document):
        place = name.partition("::")[0]
        if " " in place or place.partition("/")[0] not in tops or not ("/" in place or place.endswith((".md", ".toml"))):
            continue
        place = place.rstrip("/")
        assert any(ROOT.glob(place)) or (ROOT / f"{place}.py").is_file(), f"{document}: {name}"
        if "::" in name:
            assert name.rpartition("::")[2] in (ROOT / place).read_text(encoding="utf-8"), f"{document}: {name}"
    here = (ROOT / document).parent
    for path, anchor in LINK.findall(prose(DOCUMENTS[document])):
        target = (here / path).resolve() if path else ROOT / document
        assert target.exists(), f"{document}: {path}"
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{document}: {path}#{anchor}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_exist(document: str) -> None:
    """Each `!command` between backticks is in the command table, and each `./quietline verb` is a verb."""
    commands = {command.name for command in COMMANDS}
    verbs = {*cli.commands, "test", "bench"}
    for name in named(document):
        for word in re.findall(r"(?:^|(?<=\s))![a-z][a-z-]*", name):
            assert word.removeprefix("!") in commands or word in NOT_COMMANDS, f"{document}: {name}"
        if verb := re.match(r"(?:\./)?quietline ([a-z]+(?:-[a-z]+)*)", name):
            assert verb[1] in verbs, f"{document}: {name}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_tables_exist(document: str) -> None:
    """What a document calls a table is one."""
    known = documents.tables().keys()
    for before, after in TABLE_NAMED.findall(prose(DOCUMENTS[document])):
        name = before or after
        assert name in known | SYNAPSE_TABLES, f"{document}: {name}"


def test_what_the_code_cites_is_here() -> None:
    """A document that code or a test cites is in the repository, and so is the section; nothing else is cited."""
    by_name = {path.rpartition("/")[2]: text for path, text in DOCUMENTS.items()}
    headings = {name: set(HEADING.findall(text)) for name, text in by_name.items()}
    cited = 0
    for where, text in python_texts():
        if where.startswith("tests/test_documents.py"):
            continue
        assert not NOT_HERE.search(text), f"{where}: {text[:120]}"
        for name, section in CITATION.findall(text):
            if section:
                assert name in headings, f"{where}: {name}"
                assert section in headings[name], f"{where}: {name} has no section {section!r}"
                cited += 1
    assert cited > 50


def test_paths_in_prose_exist() -> None:
    """A module, package or file that a docstring, a string or a comment of the product names is there."""
    wrong = []
    for where, text in python_texts():
        for path in () if where.startswith("tests/") else PATH.findall(text):
            name = path.rstrip(".")
            if not ((ROOT / name).exists() or (ROOT / f"{name}.py").exists()):
                wrong.append(f"{where}: {name}")
    assert wrong == []


def test_a_missing_section_would_be_seen() -> None:
    """The pattern finds a citation and its section, also across a wrapped line."""
    assert CITATION.findall('as the plan says (design.md, "No such section").') == [("design.md", "No such section")]
    assert NOT_HERE.search("DESIGN section 4")
    assert NOT_HERE.search("facts-matrix, section 3")
