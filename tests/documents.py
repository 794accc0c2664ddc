"""The generated parts of `ARCHITECTURE.md` and `DECISIONS.md`: `.venv/bin/python -m tests.documents` writes them.

Rules of this module: it reads source and pages, and runs no code of them; a part is between two comments,
`<!-- from the code: NAME -->` (or `pages`) and `<!-- end -->`; text that a person writes is outside of them.
`tests/test_documents.py` compares the parts with the code.
"""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from bot.command_functions import THREAD_COMMANDS
from bot.decide import MESSAGES, TABLE
from bot.model.desk import Desk, Thread
from bot.model.events import MessageSent
from bot.model.thread import ThreadState
from bridge.tables.erasure_jobs import FLUSH
from tests.package_map import MAY_IMPORT

ROOT: Final = Path(__file__).resolve().parents[1]
FOLDERS: Final = ("policies", "bot", "bridge", "deploy")
DECISIONS: Final = (
    "phone-rules",
    "codeword",
    "forgetting",
    "matrix-and-keys",
    "desk",
    "storage",
    "carriers",
    "operations",
    "tests",
)
"""The pages of `deploy/docs/decisions`, in the order of their index."""
HEADING: Final = re.compile(r"^(#{1,2}) (.+?)\s*$", re.MULTILINE)
PART: Final = re.compile(r"(?P<begin><!-- from the (?:code|pages): (?P<name>\w+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)
CREATE: Final = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?(?!IF\b)(\w+)")
RENAME: Final = re.compile(r"ALTER TABLE (\w+) RENAME TO (\w+)")
WRITE: Final = re.compile(r"(?:INSERT (?:OR \w+ )?INTO|UPDATE|DELETE FROM)\s+(\w+)")


@cache
def source() -> Mapping[str, ast.Module]:
    """Return the syntax tree of every module of ours by its path; each is parsed once in a process."""
    return MappingProxyType(
        {
            path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
            for folder in FOLDERS
            for path in sorted((ROOT / folder).rglob("*.py"))
        }
    )


def nodes_of(tree: ast.AST) -> Iterable[ast.AST]:
    """Return the nodes of `ast.walk`; the tree of a module of ours is walked once in a process."""
    return _nodes_of_source().get(id(tree)) or ast.walk(tree)


@cache
def _nodes_of_source() -> Mapping[int, tuple[ast.AST, ...]]:
    # By the trees' ids: `source` keeps the trees until the end.
    return {id(tree): tuple(ast.walk(tree)) for tree in source().values()}


def strings(tree: ast.AST) -> Iterator[str]:
    """Yield every string of a module, with `?` for each value of an f-string."""
    for node in nodes_of(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "?" for part in node.values)


@cache
def tables() -> Mapping[str, set[str]]:
    """Return the modules that write each table, by the table's name; schema modules, which only migrate, do not count."""
    texts = {file: list(strings(tree)) for file, tree in source().items()}
    today = dict(pair for file in texts for text in texts[file] for pair in RENAME.findall(text))
    table_names = {name for file in texts for text in texts[file] for name in CREATE.findall(text)}
    writers: dict[str, set[str]] = {today.get(name, name): set() for name in table_names}
    for file, parts in texts.items():
        for text in parts:
            for name in WRITE.findall(text):
                if name in writers and not file.endswith("/schema.py"):
                    writers[name].add(file)
    return MappingProxyType(writers)


def draw_packages() -> str:
    """Return a line for each package, highest first: its name, its purpose, and its imports within its folder."""
    lines = ["| package | what it is | imports within its folder |", "| --- | --- | --- |"]
    for package in reversed(MAY_IMPORT):
        folder = package.partition("/")[0]
        tree = source().get(f"{package}/__init__.py") or source()[f"{package}.py"]
        opening = (ast.get_docstring(tree) or "").split("\n\n")[0]
        below = [name for name in MAY_IMPORT[package].split() if name.startswith(f"{folder}/")]
        imports = " ".join(f"`{name.removeprefix(f'{folder}/')}`" for name in below)
        lines.append(f"| `{package}` | {' '.join(opening.split())} | {imports} |".replace("|  |", "| |"))
    return "\n".join(lines)


def draw_states() -> str:
    """Return where each state of a thread is set, and on which events: in a feature of `decide`, or a function it calls."""
    places: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    callers = _callers()
    for file, tree in source().items():
        if file.startswith("bot/") and file != "bot/canary.py":  # the canary's threads have no states
            module = file.removesuffix(".py").replace("/", ".")
            for name, state in _states_set(tree):
                places[state, f"{file} {name}"] |= _events_of(f"{module}.{name}", callers)
    lines = []
    for state in (*(state.name for state in ThreadState), "ended"):
        lines.append(state.lower())
        lines.extend(f"  ← {place}: {', '.join(sorted(events))}" for (of, place), events in places.items() if of == state)
    return "```text\n" + "\n".join(lines) + "\n```"


def _callers() -> dict[str, set[str]]:
    """Return, by the full name of a function of `bot`, the full names of the functions that mention it."""
    callers: defaultdict[str, set[str]] = defaultdict(set)
    for file, tree in source().items():
        if not file.startswith("bot/"):
            continue
        module = file.removesuffix(".py").replace("/", ".")
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
        names = {node.name: f"{module}.{node.name}" for node in functions}
        for node in nodes_of(tree):
            if isinstance(node, ast.ImportFrom):
                names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        for function in functions:
            for node in ast.walk(function):
                if isinstance(node, ast.Name) and node.id in names:
                    callers[names[node.id]].add(names[function.name])
                elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in names:
                    callers[f"{names[node.value.id]}.{node.attr}"].add(names[function.name])
    return callers


def _events_of(function: str, callers: dict[str, set[str]]) -> set[str]:
    """Return the names of the events whose features call a function, directly or not."""
    features: defaultdict[str, set[str]] = defaultdict(set)
    for (aggregate, event), listed in TABLE.items():
        for feature in listed:
            features[f"{feature.__module__}.{feature.__name__}"] |= {event.__name__} if aggregate is Thread else set()
    for command in THREAD_COMMANDS.values():
        features[f"{command.__module__}.{command.__name__}"].add(MessageSent.__name__)
    visited, todo, events = set[str](), [function], set[str]()
    while todo:
        name = todo.pop()
        if name not in visited:
            visited.add(name)
            events |= features.get(name, set())
            todo.extend(callers.get(name, ()))
    return events


def _states_set(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield (function, state) for each place that sets a state; `EraseTexter` ends a thread."""
    for function in (node for node in nodes_of(tree) if isinstance(node, ast.FunctionDef)):
        for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
            called = ast.unparse(call.func)
            states = [
                ast.unparse(keyword.value).removeprefix("ThreadState.")
                for keyword in call.keywords
                if keyword.arg == "state" and ast.unparse(keyword.value).startswith("ThreadState.")
            ]
            yield from ((function.name, state) for state in states)
            if called == "Lifecycle" and not states:
                yield function.name, ThreadState.WAITING.name
            if called == "EraseTexter":
                yield function.name, "ended"


def draw_erasure() -> str:
    """Return the steps of both kinds of erasure jobs, each with the steps that may follow it."""
    lines: list[str] = []
    for kind, file, name in (
        ("room", "bridge/erasure/room_steps.py", "RoomSteps"),
        ("person", "bridge/erasure/person_steps.py", "PersonSteps"),
    ):
        tree = source()[file]
        steps = dict(_steps(next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)))
        width = max(len(step) for step in steps)
        lines.append(f"{kind} ({file})")
        for step, following in steps.items():
            again = "  (again until nothing is left)" if step in following else ""
            onward = [other or FLUSH for other in following if other != step]
            lines.append(f"  {step:{width}}  → {', '.join(onward)}{again}")
        lines.append(f"  {FLUSH:{width}}  → the job is closed")
    return "```text\n" + "\n".join(lines) + "\n```"


def _steps(steps_class: ast.ClassDef) -> Iterator[tuple[str, list[str]]]:
    methods = {node.name: node for node in steps_class.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    listed = next(node for node in ast.walk(methods["steps"]) if isinstance(node, ast.Dict))
    for key, value in zip(listed.keys, listed.values, strict=True):
        if isinstance(key, ast.Constant) and isinstance(value, ast.Attribute):
            yield str(key.value), list(dict.fromkeys(_returned(methods[value.attr])))


def _returned(method: ast.AST) -> Iterator[str]:
    """Yield the names that a method itself returns, without its inner functions."""
    for node in ast.iter_child_nodes(method):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.Return) and node.value is not None:
            values = [node.value.body, node.value.orelse] if isinstance(node.value, ast.IfExp) else [node.value]
            yield from (str(value.value) for value in values if isinstance(value, ast.Constant))
        yield from _returned(node)


def draw_tables() -> str:
    """Return a line for each table with the module that writes it."""
    rows = [f"| `{name}` | {', '.join(f'`{file}`' for file in sorted(by))} |" for name, by in sorted(tables().items())]
    return "\n".join(["| table | written by |", "| --- | --- |", *rows])


def draw_figures() -> str:
    """Return a line for each figure of the source: earlier and present value. Figures that change often are rounded."""
    trees = source()
    nodes = [node for tree in trees.values() for node in nodes_of(tree)]
    lengths = sorted(
        (node.end_lineno or node.lineno) - node.lineno + 1
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    folders = Counter(file.rpartition("/")[0] for file in trees if not file.endswith("/__init__.py"))
    classes = Counter(node.name for node in nodes if isinstance(node, ast.ClassDef) and not node.name.startswith("_"))
    loops = sum(
        isinstance(node, ast.While) and isinstance(node.test, ast.Constant)
        for file, tree in trees.items()
        if file.startswith("bridge/")
        for node in nodes_of(tree)
    )
    lines = sum(len((ROOT / file).read_text(encoding="utf-8").splitlines()) for file in trees)
    rows = (
        ("modules in the widest folder", max(folders.values())),
        ("features that look at a message of a room", len(MESSAGES[Thread])),
        ("features that look at a message of the desk", len(MESSAGES[Desk])),
        ("`while True` in `bridge`", loops),
        ("names that two public classes share", sum(count > 1 for count in classes.values())),
        ("lines of a function, median", lengths[len(lengths) // 2]),
        ("lines of a function, 95th of a hundred", lengths[len(lengths) * 95 // 100]),
        ("modules", f"about {round(len(trees), -2):,}"),
        ("public classes", f"about {round(classes.total() / 50) * 50:,}"),
        ("lines of source", f"about {round(lines, -4):,}"),
    )
    before = (69, 40, 18, 22, 28, 6, 25, "262", "417", "35,700")
    table = [f"| {name} | {then} | {now} |" for (name, now), then in zip(rows, before, strict=True)]
    return "\n".join(["| figure | before packages | now |", "| --- | --- | --- |", *table])


def draw_decisions() -> str:
    """Return a line for each page of decisions: title and sections."""
    folder = ROOT / "deploy/docs/decisions"
    assert {page.stem for page in folder.glob("*.md")} == set(DECISIONS)
    rows = []
    for name in DECISIONS:
        headings = HEADING.findall((folder / f"{name}.md").read_text(encoding="utf-8"))
        title = next(text for level, text in headings if level == "#")
        sections = " · ".join(text for level, text in headings if level == "##")
        rows.append(f"| [{title}](deploy/docs/decisions/{name}.md) | {sections} |")
    return "\n".join(["| topic | sections |", "| --- | --- |", *rows])


DRAWN: Final = {
    "ARCHITECTURE.md": {
        "packages": draw_packages,
        "figures": draw_figures,
        "states": draw_states,
        "erasure": draw_erasure,
        "tables": draw_tables,
    },
    "DECISIONS.md": {"decisions": draw_decisions},
}
"""The generated parts of each document."""


def drawn(document: str, text: str) -> str:
    """Return the document with its newly generated parts."""
    return PART.sub(lambda part: f"{part['begin']}{DRAWN[document][part['name']]()}\n{part['end']}", text)


if __name__ == "__main__":
    for name in DRAWN:
        page = ROOT / name
        page.write_text(drawn(name, page.read_text(encoding="utf-8")), encoding="utf-8")
