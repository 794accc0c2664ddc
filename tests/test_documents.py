"""What the documents name and the code cites exists, and generated parts agree with the code."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest

from bot.commands.spec import COMMANDS
from deploy.cli.main import cli
from tests import documents
from tests.package_map import MAY_IMPORT

ROOT: Final = Path(__file__).parents[1]
HISTORY: Final = "CHANGELOG.md"
"""The only document that describes the past."""
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
ROLE: Final = re.compile(r":(?:class|func|meth|mod|exc|data|attr):`~?([\w.]+)`")
DOTTED: Final = re.compile(r"(?<![\w./@-])(?:bot|bridge|deploy|policies|tests)(?:\.[A-Za-z_]\w*)+")
NO_MODULES: Final = frozenset({"bridge.json", "tests.content"})
"""Not modules: a file of a line, and a field of a test's own script."""
TEST: Final = re.compile(r"(?<![\w.-])test_\w+")
SHORT_PATH: Final = re.compile(r"`([a-z_]+(?:/[\w.]+)+)`")
IN_A_MODULE: Final = re.compile(r"`([a-z_]+)\.([A-Z][a-z]+\w*)`")
COMMENT: Final = re.compile(r"(?:^|  )\s*#(.*)$", re.MULTILINE)
CLASS: Final = re.compile(r"`([A-Z][a-z]+\w*)`")
OF_OTHERS: Final = frozenset(
    {"storage/engines/postgres.py", "random.Random", "subprocess.TimeoutExpired", "quietline_synapse.Quietline"}
    | {"test_verify_jwt", "test_name", "test_name_part"}
    | {"Authorization", "Date", "Delivered", "FromCity", "FromZip", "InboundCallbackCreds", "To", "ValidityPeriod"}
    | {"Unreleased", "QuietlineDown", "QuietlineOutboxStuck"}
)
"""Names that are not ours: a file of Synapse, names of Python's library and of a carrier's SDK; headers and fields of
carriers; patterns for names; a heading, and alerts of Prometheus."""
MARKDOWN: Final = re.compile(r"(?<![\w./-])[\w-]+(?:\.[a-z]{2})?\.md\b")
WRITTEN_FOR_A_LINE: Final = frozenset({"CHECKLIST.md"})
SYNAPSE_TABLES: Final = frozenset({"push_rules_stream"})
NOT_COMMANDS: Final = frozenset({"!command", "!count"})
"""Placeholders, and the command that a new contributor adds as an exercise."""


def prose(text: str) -> str:
    """Return a document without its fenced blocks."""
    return FENCE.sub("", text)


def named(document: str) -> list[str]:
    """Return the texts between backticks in a document's prose."""
    return CODE.findall(prose(DOCUMENTS[document]))


def anchors(text: str) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(text)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleNames:
    """The texts and names of a module of ours or of the tests.

    `texts`: place and text of every docstring, string and comment; `prose`: only of docstrings and comments. `names`: every
    name that it defines, imports, reads or has as a parameter; `top`: those that it defines or imports at its top.
    """

    texts: list[tuple[str, str]]
    prose: list[tuple[str, str]]
    names: set[str]
    top: set[str]


@cache
def modules() -> Mapping[str, ModuleNames]:
    """Return texts and names of each module, by its dotted name. Syntax trees of tests are not cached."""
    by_module = dict[str, ModuleNames]()
    for folder in (*documents.FOLDERS, "tests"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            where, text = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
            tree = documents.source().get(where) or ast.parse(text)
            by_module[where.removesuffix(".py").removesuffix("/__init__").replace("/", ".")] = _names_of(where, text, tree)
    return MappingProxyType(by_module)


def _names_of(where: str, text: str, tree: ast.Module) -> ModuleNames:
    module_names = ModuleNames(texts=[], prose=[], names=set(), top=set())
    for node in documents.nodes_of(tree):
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str):
                module_names.texts.append((f"{where}:{node.lineno}", " ".join(node.value.split())))
        elif isinstance(node, ast.Expr):
            if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
                module_names.prose.append((f"{where}:{node.lineno}", " ".join(node.value.value.split())))
        else:
            module_names.names.update(_names(node))
    for node in tree.body:
        module_names.top.update(_names(node))
        for target in node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]:
            module_names.top.update(part.id for part in ast.walk(target) if isinstance(part, ast.Name)) if target else None
    for number, line in enumerate(text.splitlines(), 1):
        if "#" in line:
            module_names.texts.append((f"{where}:{number}", line.partition("#")[2]))
            if comment := COMMENT.search(line):
                module_names.prose.append((f"{where}:{number}", comment[1]))
    return module_names


def _names(node: ast.AST) -> Iterator[str]:
    """Yield the names of one node, without its children."""
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.Import | ast.ImportFrom):
        for alias in node.names:
            yield alias.asname or alias.name
            yield from alias.name.split(".")


@cache
def python_texts() -> tuple[tuple[str, str], ...]:
    """Return the place and the text of every docstring, string and comment of ours and of the tests."""
    return tuple(text for each in modules().values() for text in each.texts)


def python_prose() -> Iterator[tuple[str, str]]:
    """Yield place and text of every docstring and comment, of tests as well."""
    return (text for each in modules().values() for text in each.prose if not text[0].startswith("tests/test_documents.py"))


@pytest.mark.parametrize("document", documents.DRAWN)
def test_drawn_parts_are_as_the_code_is(document: str) -> None:
    """Generated parts agree with the code and the pages of decisions: `.venv/bin/python -m tests.documents`."""
    text = DOCUMENTS[document]
    assert {part["name"] for part in documents.PART.finditer(text)} == documents.DRAWN[document].keys()
    assert documents.drawn(document, text) == text


def test_architecture_names_every_package_and_every_table() -> None:
    """ARCHITECTURE.md names every package and every table."""
    words = set(named("ARCHITECTURE.md"))
    assert set(MAY_IMPORT) - words == set()
    assert documents.tables().keys() - words == set()


def test_each_invariant_names_its_tests() -> None:
    """Each row of the invariants names tests, and each of them is a test of that file."""
    rows = DOCUMENTS["ARCHITECTURE.md"].partition("## Invariants\n")[2].partition("\n## ")[0].splitlines()
    invariants = [row for row in rows if re.match(r"\| \d", row)]
    assert len(invariants) == 10
    for row in invariants:
        tests = [name.partition("::") for name in CODE.findall(row.rpartition(" | ")[2])]
        assert tests, row
        for file, _, test in tests:
            text = (ROOT / file).read_text(encoding="utf-8")
            assert re.search(rf"^(?:(?:async )?def {test}\(|{test} = \w+\.TestCase$)", text, re.MULTILINE), (
                f"{file}::{test}"
            )


def test_architecture_names_what_uses_threads() -> None:
    """Each module of the bridge that uses a thread is named in the architecture's part on threads."""
    bullet = DOCUMENTS["ARCHITECTURE.md"].partition("**One process, one event loop.**")[2].partition("\n- ")[0]
    calls = {"asyncio.to_thread", "ThreadPoolExecutor", "threading.Thread"}
    modules = {
        file
        for file, tree in documents.source().items()
        if file.startswith("bridge/")
        for call in documents.nodes_of(tree)
        if isinstance(call, ast.Call) and ast.unparse(call.func) in calls
    }
    assert modules == {name for name in CODE.findall(bullet) if name.endswith(".py")}


def test_sequences_are_short() -> None:
    """Each of the three journeys has fewer than fifteen steps, and each step names a module or package where it happens."""
    text = DOCUMENTS["ARCHITECTURE.md"]
    for title in ("A text comes in", "An answer goes out", "A conversation ends"):
        steps = re.split(r"^\d+\. ", text.partition(f"## {title}\n")[2].partition("\n## ")[0], flags=re.MULTILINE)[1:]
        assert 5 <= len(steps) < 15, title
        for step in steps:
            assert any(name in documents.source() or (ROOT / name).is_dir() for name in CODE.findall(step)), step


@pytest.mark.parametrize("document", DOCUMENTS)
def test_paths_exist(document: str) -> None:
    """Each path between backticks that begins with a folder of ours exists, and so does the target of each link."""
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
    """Each name that a document calls a table is one."""
    known = documents.tables().keys()
    for before, after in TABLE_NAMED.findall(prose(DOCUMENTS[document])):
        name = before or after
        assert name in known | SYNAPSE_TABLES, f"{document}: {name}"


def test_what_the_code_cites_is_here() -> None:
    """Each document that code or a test cites is in the repository and has the section; nothing else is cited."""
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
    """Each module, package or file that a docstring, a string or a comment of the product names exists."""
    wrong = []
    for where, text in python_texts():
        for path in () if where.startswith("tests/") else PATH.findall(text):
            name = path.rstrip(".")
            if not ((ROOT / name).exists() or (ROOT / f"{name}.py").exists()):
                wrong.append(f"{where}: {name}")
    assert wrong == []


@cache
def code_names() -> frozenset[str]:
    """Return every name in the code, and the test that a new contributor writes."""
    taught = re.findall(r"\bdef (test_\w+)", DOCUMENTS["deploy/docs/contributing-command.md"])
    return frozenset(dir(builtins)).union(taught, *(each.names for each in modules().values()))


def is_there(dotted: str) -> bool:
    """Whether a dotted name is a package or module of ours, or a name at a module's top (for a method its class)."""
    parts = dotted.split(".")
    for count in range(len(parts), 0, -1):
        module, rest = ".".join(parts[:count]), parts[count:]
        if module in modules() or (not rest and (ROOT / module.replace(".", "/")).is_dir()):
            return not rest or rest[0] in modules()[module].top
    return False


@cache
def packages() -> frozenset[str]:
    """Return the last name of every package."""
    return frozenset(part for module in modules() for part in module.split(".")[:-1])


@cache
def path_ends() -> frozenset[str]:
    """Return every trailing part of every path of ours, with and without its suffix."""
    ends = set[str]()
    for folder in (*documents.FOLDERS, "tests"):
        for path in (ROOT / folder).rglob("*"):
            parts = path.relative_to(ROOT).parts
            for begin in range(len(parts)):
                end = "/".join(parts[begin:])
                ends |= {end, end.removesuffix(path.suffix)}
    return frozenset(ends)


def stale(text: str) -> Iterator[str]:
    """Yield each name of code that a text cites and that does not exist."""
    for name in ROLE.findall(text):
        if not (is_there(name) if DOTTED.fullmatch(name) else name.rpartition(".")[2] in code_names()):
            yield name
    yield from (name for name in DOTTED.findall(text) if name not in NO_MODULES and not is_there(name))
    yield from (
        name for name in TEST.findall(text) if not any(name in known for known in (code_names(), path_ends(), OF_OTHERS))
    )
    for path in SHORT_PATH.findall(text):
        if path.partition("/")[0] in packages() and path not in path_ends() and path not in OF_OTHERS:
            yield path
    for module, name in IN_A_MODULE.findall(text):
        tops = [each.top for other, each in modules().items() if other.rpartition(".")[2] == module]
        if f"{module}.{name}" not in OF_OTHERS and not any(name in top for top in tops):
            yield f"{module}.{name}"


def test_names_of_code_in_prose_exist() -> None:
    """Classes, modules and tests that a docstring, a comment or a page names exist under that name."""
    wrong = [f"{where}: {name}" for where, text in python_prose() for name in stale(text)]
    wrong += [f"{document}: {name}" for document, text in DOCUMENTS.items() for name in stale(text)]
    assert wrong == []


def test_classes_in_docstrings_exist() -> None:
    """A word between backticks that is written like a class is a name of our code, or listed as another project's."""
    known = code_names() | OF_OTHERS
    wrong = [f"{where}: {name}" for where, text in python_prose() for name in CLASS.findall(text) if name not in known]
    assert wrong == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_a_page_cites_is_here(document: str) -> None:
    """Each page that a page names exists, with the section if it names one; and so does each path, fenced or not."""
    by_name = {path.rpartition("/")[2]: text for path, text in DOCUMENTS.items()} | {HISTORY: ""}
    text = " ".join(DOCUMENTS[document].split())
    for name, section in CITATION.findall(text):
        if section:
            assert section in HEADING.findall(by_name.get(name, "")), f"{document}: {name} has no section {section!r}"
    for name in MARKDOWN.findall(text):
        assert name in by_name.keys() | WRITTEN_FOR_A_LINE, f"{document}: {name}"
    for path in PATH.findall(text):
        assert path.rstrip(".") in path_ends(), f"{document}: {path}"


def test_a_stale_name_is_found() -> None:
    """For each kind, a name that was removed or renamed is found, and an existing one is not."""
    stale_texts = (
        ":class:`~bridge.vault.CannotOpen`",
        ":class:`Wire`",
        "bridge.matrix.members.UnknownRoom",
        "as `test_sweep` shows",
        "`carriers/asking`",
        "`erasure_room.RoomSteps`",
    )
    assert [bool(list(stale(text))) for text in stale_texts] == [True] * len(stale_texts)
    here = (
        ":class:`~bridge.storage.vault.CannotOpen`",
        ":class:`HomeserverClient`",
        "bridge.matrix.rooms.room_state.UnknownRoom",
        "as `test_expiry` shows",
        "`carriers/http_request`",
        "`room_steps.RoomSteps`",
    )
    assert [list(stale(text)) for text in here] == [[]] * len(here)
    assert CLASS.findall("what `Wire` raises") == ["Wire"]


def test_a_missing_section_would_be_seen() -> None:
    """The pattern finds a citation and its section, also across a line break."""
    assert CITATION.findall('as the plan says (design.md, "No such section").') == [("design.md", "No such section")]
    assert NOT_HERE.search("DESIGN section 4")
    assert NOT_HERE.search("facts-matrix, section 3")
