"""Every name that a running line stores on its disk or in its rooms, from the present code.

Rules of this module: a name is read from its definition in the code, never repeated here; `stored_names.txt` is the list as
released. `python -m tests.stored_names` adds new names to it and removes none: a person removes one by hand, in the commit
of its migration. A field that a class gets later has a default, because rows of before lack it.
"""

from __future__ import annotations

import ast
import asyncio
import dataclasses
import enum
import importlib
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from bot.lifecycle import tally
from bot.model.actions import Lane
from bot.model.audit_kinds import AuditKind
from bot.model.transactional_actions import SuppressionReason
from bridge.app.run_history import RunHistory
from bridge.engine.transactional_actions import TRANSACTIONAL_ACTIONS
from bridge.inbound.arrivals import ArrivalHistory
from bridge.matrix.schema import MAIN_MIGRATIONS, PUPPET_MIGRATIONS
from bridge.shift_calendar.kept_copy import CalendarState
from bridge.storage import serialization
from bridge.storage.key_file import KeyFile
from bridge.storage.migrations import Migrations
from bridge.storage.sqlite_connection import snapshot
from bridge.storage.sqlite_database import SqliteDatabase
from bridge.tables import line_state, schema
from tests.documents import draw_erasure, nodes_of, source

LISTED: Final = Path(__file__).with_name("stored_names.txt")
REQUIRED: Final = "required "
"""What the names of fields without a default begin with in the list."""
STATEMENTS: Final = frozenset({"GET", "PUT"})
"""Strings of `line_state` that are SQL, not names."""
ROOM_STATE: Final = re.compile(r"(?:m\.room|quietline)\.[a-z_.]+")
ERASURE_KIND: Final = re.compile(r"(\w+) \(")
ERASURE_STEP: Final = re.compile(r"  (\w+) +→")


def names(directory: Path) -> set[str]:
    """Return every stored name, preceded by its kind. `directory`: an empty one, for databases."""
    return {
        *(f"column of {column}" for column in asyncio.run(_columns(directory))),
        *(f"sealed {name}" for name in serialization.names() | serialization.FORMER_NAMES),
        *(f"value of {each}" for each in _values((AuditKind, Lane, SuppressionReason))),
        *(f"counter {name}" for name in _counters()),
        *(f"erasure {name}" for name in _erasure_steps()),
        *(f"line {value}" for name, value in vars(line_state).items() if name.isupper() and name not in STATEMENTS),
        *(f"line {key}" for key in _value_keys()),
        *(f"timer {key}" for key in _timer_keys()),
        *(f"room {name}" for name in _room_names()),
    }


def required() -> set[str]:
    """Return each sealed class, and `Class.field` of each of its fields without which it cannot be read."""
    return {
        name
        for kind in serialization.classes() - set(TRANSACTIONAL_ACTIONS)  # they are done at once, and have no row
        if dataclasses.is_dataclass(kind)
        for name in (
            kind.__name__,
            *(f"{kind.__name__}.{field.name}" for field in dataclasses.fields(kind) if _is_needed(field)),
        )
    }


def _is_needed(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def listed() -> set[str]:
    """Return the names of the list."""
    return {line for line in _lines() if not line.startswith(REQUIRED)}


def listed_required() -> set[str]:
    """Return what the list has of that."""
    return {line.removeprefix(REQUIRED) for line in _lines() if line.startswith(REQUIRED)}


def lack_default() -> set[str]:
    """Return the required fields that values of before lack: their class was listed without them."""
    before = listed_required()
    return {name for name in required() - before if "." in name and name.partition(".")[0] in before}


def _lines() -> list[str]:
    return LISTED.read_text(encoding="utf-8").splitlines()


async def _columns(directory: Path) -> set[str]:
    """Return `file table.column` of every table that migrations make in an empty directory."""
    files: dict[str, tuple[Migrations, ...]] = {
        "main.db": (schema.MIGRATIONS, *MAIN_MIGRATIONS),
        "puppet.db": PUPPET_MIGRATIONS,
    }
    for name, migrations in files.items():
        database = SqliteDatabase(directory / name, migrations=migrations)
        await database.open()
        await database.close()
    keys = KeyFile(path=directory / "keys.db", epoch=1)
    await keys.open()
    await keys.close()
    columns = set()
    for name in (*files, "keys.db"):
        with snapshot(directory / name) as connection:
            query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            for table in connection.fetch(query):
                info = connection.fetch(f"PRAGMA table_info('{table['name']}')")
                columns |= {f"{name}: {table['name']}.{column['name']}" for column in info}
    return columns


def _values(kinds: tuple[type[enum.Enum], ...]) -> set[str]:
    return {f"{kind.__name__}: {member.value!r}" for kind in kinds for member in kind}


def _value_keys() -> Iterator[str]:
    """Yield `name.key` of each key of the JSON that is the value of a line's fact."""
    values = {
        line_state.ARRIVALS: ArrivalHistory(last=0, gaps={}).text(),
        line_state.CALENDAR_STATE: CalendarState().text(),
        line_state.RUNS: RunHistory(first=0.0).text(),
    }
    for name, text in values.items():
        yield from (f"{name}.{key}" for key in json.loads(text))


def _counters() -> set[str]:
    waits = {name for _, name in tally.WAIT_STEPS}
    return {*tally.KINDS, *waits, tally.LONGEST_WAIT, tally.GONE_WHEN_ANSWERED, tally.UNMET_LANGUAGE}


def _erasure_steps() -> set[str]:
    steps, kind = set[str](), ""
    for line in draw_erasure().splitlines():
        if match := ERASURE_KIND.match(line):
            kind = match[1]
        elif match := ERASURE_STEP.match(line):
            steps.add(f"{kind}: {match[1]}")
    return steps


def _timer_keys() -> set[str]:
    """Return the constants that are a key of `SetTimer`, or the beginning of one."""
    keys = set[str]()
    for file, tree in source().items():
        if not file.startswith("bot/"):
            continue
        calls = [node for node in nodes_of(tree) if isinstance(node, ast.Call) and _called(node) == "SetTimer"]
        module = importlib.import_module(file.removesuffix(".py").replace("/", ".")) if calls else None
        for keyword in (keyword for call in calls for keyword in call.keywords if keyword.arg == "key"):
            keys |= set(_constants(keyword.value, vars(module)))
    return keys


def _called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _constants(expression: ast.expr, defined: dict[str, Any]) -> Iterator[str]:
    for node in ast.walk(expression):
        if isinstance(node, ast.Name) and isinstance(value := defined.get(node.id), str):
            yield value
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            value = getattr(defined.get(node.value.id), node.attr, None)
            if isinstance(value, str):
                yield value


def _room_names() -> set[str]:
    """Return types of room events, and our key of their content, which stay in rooms until the purge."""
    return {
        node.value
        for file, tree in source().items()
        if file.startswith(("bridge/", "deploy/synapse_module/"))
        for node in nodes_of(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and ROOM_STATE.fullmatch(node.value)
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as empty:
        needed = {f"{REQUIRED}{name}" for name in required() - lack_default()}
        LISTED.write_text("\n".join(sorted(listed() | names(Path(empty)) | needed)) + "\n", encoding="utf-8")
