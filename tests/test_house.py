"""The house rules of ARCHITECTURE.md, "Packages", checked by reading the source."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, get_args

import pytest

from bot.decide import MESSAGES, TABLE
from bot.model import events, line_incidents, thread_desk_events
from bot.model.actions import Action
from bot.model.desk import Aggregate, Desk, Thread
from bot.model.events import Event, MessageSent
from bridge.storage import serialization
from tests import package_map
from tests.documents import nodes_of, source, strings, tables

ROOT: Final = Path(__file__).parents[1]
MAY_IMPORT: Final = {
    "policies": {"policies"},
    "bot": {"bot", "policies"},
    "bridge": {"bridge", "bot", "policies"},
    "deploy": {"deploy", "bridge", "bot", "policies"},
}
NO_JUDGEMENT_NEEDS: Final = {
    "time": "a clock: `Facts.now` is the time",
    "random": "chance: the same events must have the same answer",
    "secrets": "chance",
    "uuid": "chance",
    "os": "the machine",
    "sys": "the machine",
    "io": "I/O",
    "pathlib": "I/O",
    "socket": "I/O",
    "subprocess": "I/O",
    "asyncio": "waiting",
    "threading": "waiting",
    "logging": "I/O",
    "sqlite3": "I/O",
}
SEES_PHONES: Final = (
    "bridge/storage/vault.py",
    "bridge/tables/suppression.py",
    "bridge/tables/threads.py",
    "bridge/outbound/number_reveal.py",
    "bridge/carriers/",
)
CATCHES_ALL: Final = {
    "bridge/background/corruption.py": "an error costs one part of a turn and not the others, and is raised after them",
    "bridge/engine/engine.py": "a bug costs one row and not the line",
    "bridge/erasure/job_runner.py": "a bug, or a damaged row, costs one job and not the others",
    "bridge/shift_calendar/follower.py": "a bug that a file of others brings out costs a look and not the line",
    "bridge/shift_calendar/bounded_thread.py": "an error of a call is handed to its caller",
    "bridge/inbound/screening.py": "a bug costs one texter and not the others",
    "bridge/outbound/dispatcher.py": "a bug costs one row and not the lane",
    "bridge/storage/database.py": "a part of a commit costs itself and not the rest",
    "bridge/storage/marked_sets.py": "a mark that is not settled is settled by the next change, or the next start",
    "bridge/storage/sqlite_database.py": "an error belongs to whoever asked for the commit, and is handed to them",
    "bridge/app/main.py": "the last place: the text of an error must not reach the log",
    "deploy/canary/fleet_runner.py": "a bug costs the canary of one line, which begins again, and not the others",
    "deploy/doctor/probes.py": "a bug costs one row of the report and not the others, and an error of a thread its asker",
}
LOOPS: Final = {
    "bridge/background/loop.py": "the one background loop",
    "bridge/background/owner_queue.py": "the one queue of owners",
    "bridge/background/backoff.py": "one call, tried again until it is done",
    "bridge/outbound/dispatcher.py": "a worker of a transport: it takes rows in the order of their lanes",
    "bridge/engine/engine.py": "one row, decided again when its thread was changed meanwhile",
    "bridge/app/bridge.py": "writes a file again; nothing can be due",
    "bridge/app/standby.py": "tells systemd that it lives, while no database is open",
    "bridge/lease/waiting.py": "waits for the lease, while no database is open",
    "bridge/metrics/server.py": "tries an address again that is taken",
    "bridge/outbound/startup_hold.py": "polls until the rows of before the start are decided",
    "bridge/storage/sqlite_connection.py": "tries to begin a commit again while another process writes",
    "bridge/matrix/room_keys/outbound_sessions.py": "encrypts again when a session was retired meanwhile",
    "bridge/matrix/rooms/erasure_probe.py": "reads pages to the last one",
    "bridge/carriers/vendors/rehearsal.py": "reads pages to the last one",
}
"""Modules of the bridge with an endless loop that is no `BackgroundLoop`, and the reason."""
SYNAPSES_OWN: Final = (
    "tests/deploy/module_homeserver.py",
    "tests/deploy/stack/test_provision.py",
    "tests/deploy/synapse_module/",
    "tests/e2e/test_erasure.py",
    "tests/e2e/test_homeserver_put_back.py",
    "tests/e2e/test_homeserver_put_back_erased.py",
)
"""Tests that look into Synapse's own database, from outside its process."""
MOST_FEATURES: Final = 11
"""Features that look at each message: a new command adds none."""
SQL: Final = re.compile(
    r"\A\s*(?:SELECT|INSERT|REPLACE INTO|WITH \w+ AS|CREATE|ALTER|DROP|PRAGMA|VACUUM|ATTACH)\b"
    r"|\bSELECT\s.+\sFROM\s|\bINSERT INTO\s|\bUPDATE\s+\S+\s+SET\s|\bDELETE\s+FROM\s",
    re.DOTALL,
)
SQL_PACKAGES: Final = ("bridge/tables/", "bridge/storage/", "bridge/matrix/", "deploy/synapse_module/")
"""The packages with statements: on our tables, on the Matrix stores, and on Synapse's tables."""
OWN_TABLES: Final = ("bridge/tables/", "bridge/matrix/")
"""The packages in which a statement is in the module that writes the table, or makes it, or reads many tables."""

WRITES_ANY_TABLE: Final = {
    "bridge/storage/copying.py": "it moves whole databases from one engine to the other",
    "bridge/storage/migrations.py": "each schema names the table that holds its version",
}
"""Modules whose statements write a table that the caller names, and the reason."""
WRITES_UNNAMED: Final = re.compile(r"\b(?:INSERT (?:OR \w+ )?INTO|UPDATE|DELETE FROM)\s+\?")

PASSED_OVER: Final = {
    (Thread, events.PowerLevelsChanged): "the desk's levels are the roster; threads get it as a fact",
    (Thread, events.MemberNamed): "the roster has the names; threads get it as a fact",
    (Thread, events.DevicesReturned): "the desk is told; who receives keys is the bridge's to hold back",
    (Thread, events.IdentityChanged): "the desk is told; who receives keys is the bridge's to hold back",
    (Thread, events.IdentityConfirmed): "the desk is told; who receives keys is the bridge's to hold back",
    (Thread, thread_desk_events.ThreadQueued): "said by threads to the desk",
    (Desk, thread_desk_events.UnreadClosed): "said by the desk to threads",
    (Thread, thread_desk_events.AlarmRaised): "said by threads to the desk",
    (Thread, thread_desk_events.ClaimRequested): "said by threads to the desk",
    (Thread, thread_desk_events.OfferChanged): "said by threads to the desk",
    (Thread, thread_desk_events.OffDutyRequested): "said by threads to the desk",
    (Thread, thread_desk_events.ReadingLanguageChosen): "said by threads to the desk",
    (Thread, thread_desk_events.AssigneeSpoke): "said by threads to the desk",
    (Thread, thread_desk_events.DuressFlagChanged): "said by threads to the desk",
    (Thread, thread_desk_events.OtherHandsChanged): "said by threads to the desk",
    (Thread, thread_desk_events.ThreadActivity): "said by threads to the desk",
    (Thread, thread_desk_events.ThreadMarked): "said by threads to the desk",
    (Thread, thread_desk_events.OutreachStarted): "said by threads to the desk",
    (Thread, thread_desk_events.DrillReported): "said by threads to the desk",
    (Thread, thread_desk_events.SituationMet): "said by threads to the desk",
    (Thread, thread_desk_events.QuietChosen): "said by threads to the desk",
    (Desk, thread_desk_events.DrillEnded): "said by the desk to threads",
    (Thread, line_incidents.RoomLost): "the desk is told, which can call somebody",
    (Thread, thread_desk_events.EnrolmentRequested): "said by threads to the desk",
    (Thread, line_incidents.DeadLetterRecorded): "told to the desk, which has people",
    (Thread, line_incidents.PageFailed): "told to the desk, which has people",
    (Thread, line_incidents.CanaryFailed): "told to the desk, which has people",
    (Thread, line_incidents.CanaryRecovered): "told to the desk, which has people",
    (Thread, line_incidents.AlarmTestRequested): "told to the desk, which has people",
    (Thread, line_incidents.LineChecked): "told to the desk, which has people",
    (Thread, line_incidents.InviteFailed): "told to the desk, which has people",
    (Thread, line_incidents.CalendarRead): "told to the desk, which follows the calendar",
    (Thread, line_incidents.CalendarUnread): "told to the desk, which has people",
    (Thread, line_incidents.StaffAdded): "told to the desk, whose roster it is about",
    (Thread, line_incidents.StaffRemoved): "told to the desk, which tells its threads when they have left",
    (Thread, line_incidents.SyncStalled): "told to the desk, which has people",
    (Thread, line_incidents.HomeserverIncident): "told to the desk, which has people",
    (Thread, line_incidents.ClockJumped): "told to the desk; timers that destroy wait by themselves",
    (Thread, line_incidents.StrayTextArrived): "told to the desk; it belongs to no thread",
    (Thread, line_incidents.TextsMissing): "told to the desk, which has people",
    (Thread, line_incidents.ErasureFailed): "told to the desk, which has people",
    (Thread, thread_desk_events.ThreadParked): "said by threads to the desk",
    (Desk, events.MessageRead): "what is said at the desk has its time from the start",
    (Desk, events.TextArrived): "texts belong to a thread",
    (Desk, events.TextOutcome): "texts belong to a thread",
    (Desk, thread_desk_events.Assigned): "said by the desk to threads",
    (Desk, thread_desk_events.AssignmentRefused): "said by the desk to threads",
    (Desk, thread_desk_events.ListenRequested): "said by the desk to threads",
    (Desk, thread_desk_events.PhoneMuted): "said in the room that a thread had",
    (Desk, thread_desk_events.EnrolmentFinished): "said by the desk to threads",
    (Desk, thread_desk_events.MemberRemoved): "said by the desk to threads",
    (Desk, thread_desk_events.AuthorSignedOut): "said by the desk to threads",
    (Thread, thread_desk_events.TextDropped): "said to the desk, which counts",
    (Desk, thread_desk_events.ThreadCreated): "said by the bridge to a thread that it has just made",
    (Desk, thread_desk_events.RevealConfirmed): "said by the desk to threads",
    (Thread, line_incidents.LineRestored): "told to the desk; no thread was restored",
    (Thread, line_incidents.FactsBehind): "told to the desk, which has people",
    (Thread, line_incidents.KeysMissing): "told to the desk, which has people",
    (Thread, thread_desk_events.RevealRequested): "said by threads to the desk",
    (Thread, thread_desk_events.LegalHoldChanged): "said by threads to the desk",
}
"""Every event that an aggregate ignores on purpose, and the reason."""


def imported(tree: ast.Module) -> Iterator[str]:
    """Yield the dotted names that a module imports, anywhere in it; a relative import has no such name and fails."""
    for node in nodes_of(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written in full"
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(folder: str) -> Iterator[tuple[str, ast.Module]]:
    """Yield path and tree of each module of a folder."""
    yield from ((name, tree) for name, tree in source().items() if name.startswith(f"{folder}/"))


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_imports_run_one_way(folder: str) -> None:
    """`deploy` imports `bridge` imports `bot` imports `policies`, never the other way; nothing of ours imports tests."""
    ours = set(MAY_IMPORT) | {"tests"}
    wrong = [
        f"{file}: {name}"
        for file, tree in within(folder)
        for name in imported(tree)
        if (top := name.partition(".")[0]) in ours and top not in MAY_IMPORT[folder]
    ]
    assert wrong == []


def package_of(file: str) -> str:
    """Return the package of a module's path; `decide`, `guard` and `services` at a folder's root are their own."""
    folder = file.rpartition("/")[0]
    return file.removesuffix(".py") if folder in {"bot", "bridge"} and not file.endswith("__init__.py") else folder


def edges_between_packages() -> set[tuple[str, str]]:
    """Return (module, imported module), as paths, for every import from another package of ours."""
    modules = {file.removesuffix(".py").removesuffix("/__init__").replace("/", "."): file for file in source()}
    edges = set()
    for file, tree in source().items():
        for name in imported(tree):
            while name and name not in modules:
                name = name.rpartition(".")[0]  # noqa: PLW2901 - from `a.b.c` to the module that holds `c`
            if name and package_of(modules[name]) != package_of(file):
                edges.add((file, modules[name]))
    return edges


def test_packages_import_only_what_is_below_them() -> None:
    """Each import between packages is on the map; a package imports only packages that are listed before it."""
    order = list(package_map.MAY_IMPORT)
    assert {package_of(file) for file in source()} - {"bot", "bridge"} <= set(order), "a package is not on the map"
    for package, below in package_map.MAY_IMPORT.items():
        for name in below.split():
            assert order.index(name) < order.index(package), f"{package} may not import {name}: it stands after it"
    used: set[tuple[str, str]] = set()
    wrong = []
    for file, other in sorted(edges_between_packages()):
        pair = (package_of(file), package_of(other))
        if pair[1] in package_map.MAY_IMPORT[pair[0]].split():
            used.add(pair)
        else:
            wrong.append(f"{file}: {other}")
    assert wrong == []
    allowed = {(package, name) for package, below in package_map.MAY_IMPORT.items() for name in below.split()}
    assert allowed - used == set(), "no longer used: remove it from the map"


def test_packages_stay_small() -> None:
    """No folder has more than twenty modules, so that a reader has one short list."""
    folders = [file.rpartition("/")[0] for file in source() if not file.endswith("__init__.py")]
    assert {folder for folder in folders if folders.count(folder) > 20} == set()


def test_tests_mirror_packages() -> None:
    """`test_name.py` tests `name.py` of its package, or a part of it (`test_name_part.py`); exceptions have a reason."""
    unlike = set()
    for folder in MAY_IMPORT:
        for test in (ROOT / "tests" / folder).rglob("test_*.py"):
            where = test.parent.relative_to(ROOT)
            if where.as_posix() in package_map.NO_PACKAGE_OF_ITS_NAME:
                continue
            mirrored = ROOT / where.relative_to("tests")
            names = {path.stem for path in mirrored.iterdir()} if mirrored.is_dir() else set()
            name = test.stem.removeprefix("test_")
            if not any(name == module or name.startswith(f"{module}_") for module in names):
                unlike.add(test.relative_to(ROOT).as_posix())
    assert unlike == package_map.NO_MODULE_OF_ITS_NAME.keys()


def test_the_policy_imports_only_what_is_pure() -> None:
    """`bot` imports only itself, `policies`, and modules of the standard library without clock, random numbers and I/O."""
    for file, tree in within("bot"):
        for name in imported(tree):
            top = name.partition(".")[0]
            assert top in {"bot", "policies"} or top in sys.stdlib_module_names, f"{file}: {name}"
            assert top not in NO_JUDGEMENT_NEEDS, f"{file}: {name} is {NO_JUDGEMENT_NEEDS.get(top)}"
            readers = ("policies.load", "policies.schema", "policies.yaml_file", "urllib.request")
            assert not name.startswith(readers), f"{file}: {name} reads files"


@pytest.mark.parametrize("folder", ["bot", "policies"])
def test_the_policy_asks_no_clock_and_touches_no_file(folder: str) -> None:
    """Neither `bot` nor `policies` calls `now()`, `today()`, `print` or `open`; one function reads all files."""
    for file, tree in within(folder):
        for call in (node for node in nodes_of(tree) if isinstance(node, ast.Call)):
            called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            assert called not in {"now", "utcnow", "today", "print", "input", "exec", "eval"}, f"{file}: {called}"
            assert called != "open" or file == "policies/__init__.py", f"{file}: {called}"
            assert called not in {"read_text", "read_bytes"} or file == "policies/yaml_file.py", f"{file}: {called}"


def test_every_module_opens_with_its_rule() -> None:
    """Every module of ours has a docstring."""
    assert [file for file, tree in source().items() if not ast.get_docstring(tree)] == []


def test_files_stay_small() -> None:
    """No file is longer than 400 lines; from 300 on its author checks whether it is still one concept."""
    assert [file for file in source() if len((ROOT / file).read_text(encoding="utf-8").splitlines()) > 400] == []


def test_a_phone_is_seen_in_the_clear_where_it_must_be() -> None:
    """`Phone.reveal` is used only to hash and to seal a phone, by `!reveal`, and by carriers."""
    uses = {
        file
        for file, tree in source().items()
        for node in nodes_of(tree)
        if isinstance(node, ast.Attribute) and node.attr in {"reveal", "_value"}
        if node.attr == "reveal"
        or (file != "bridge/runtime/phone_number.py" and isinstance(node.value, ast.Name) and node.value.id == "phone")
    }
    assert [file for file in uses if not file.startswith(SEES_PHONES)] == []
    assert uses, "nothing uses it: this test looks for the wrong name"


def test_one_sqlite_opens_our_files() -> None:
    """Only the program's own SQLite: two in one process lose each other's locks, and the system's may lose a commit.

    No module of ours imports Python's `sqlite3`, or a package that uses it, except tests that read Synapse's database.
    """
    tests = {
        path.relative_to(ROOT).as_posix(): ast.parse(text)
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if "sqlite" in (text := path.read_text(encoding="utf-8"))
    }
    wrong = [
        f"{file}: {name}"
        for file, tree in (*source().items(), *tests.items())
        for name in imported(tree)
        if name.partition(".")[0] in {"sqlite3", "aiosqlite"} and not file.startswith(SYNAPSES_OWN)
    ]
    wrong += [f"{file}: {name}" for file, tree in source().items() for name in imported(tree) if "async_db" in name]
    assert wrong == []
    assert [own for own in SYNAPSES_OWN if not any(file.startswith(own) for file in tests)] == []
    uses = {file for file, tree in source().items() if "apsw" in imported(tree)}
    assert uses == {"bridge/storage/sqlite_connection.py"}


def test_errors_of_asyncpg_stay_where_it_is_opened() -> None:
    """The rest of the program uses only our errors, so that both engines fail in the same way; nothing waits for NOTIFY.

    With a lost NOTIFY a text would wait: so each loop polls its rows, and a standby the lease.
    """
    uses = {file for file, tree in source().items() if any(name.partition(".")[0] == "asyncpg" for name in imported(tree))}
    assert uses == {"bridge/storage/postgres_connection.py", "bridge/storage/postgres_probe.py"}
    listens = re.compile(r"^\s*(LISTEN|NOTIFY)\s|\bpg_notify\s*\(")
    assert [file for file, tree in source().items() if any(listens.search(text) for text in strings(tree))] == []


def statements(tree: ast.Module) -> list[str]:
    """Return a module's strings that contain a statement of SQL, without docstrings; `?` for each value of an f-string."""
    nodes = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {ast.get_docstring(node, clean=False) for node in nodes_of(tree) if isinstance(node, nodes)}
    return [text for text in strings(tree) if SQL.search(text) and text not in docstrings]


def quoted_kinds(tree: ast.Module) -> list[str]:
    """Return the classes of events and actions that a string of a module names in single quotes, as SQL does."""
    kinds = {serialization.kind_name(kind) for kind in (*get_args(Event), *get_args(Action))}
    return [name for text in strings(tree) for name in re.findall(r"'(\w+)'", text) if name in kinds]


def test_sql_stands_with_its_tables() -> None:
    """A statement is in the package of its tables; all other code calls a function with a name and types."""
    files = {file for file, tree in source().items() if not file.startswith(SQL_PACKAGES) and statements(tree)}
    assert files == set(), "move the statement to bridge/tables"


def test_one_module_writes_each_table() -> None:
    """Code that changes a row calls a function of the table's only writer; schema modules make and migrate tables."""
    assert {name: sorted(by) for name, by in tables().items() if len(by) != 1} == {}, "move the statement to its owner"
    unnamed = {file for file, tree in within("bridge") if any(map(WRITES_UNNAMED.search, strings(tree)))}
    assert unnamed == WRITES_ANY_TABLE.keys(), "name the table in the statement: this test looks for it there"


def test_sql_names_no_class() -> None:
    """SQL selects rows of a kind by `serialization.kind_name`: no literal names a class, which may be renamed."""
    files = {file for file, tree in source().items() if quoted_kinds(tree)}
    assert files == set(), "pass `kind_name` of the class as a value"


@pytest.mark.parametrize(
    ("source", "sql", "kinds"),
    [
        ("""query = "SELECT 1 FROM outbox WHERE kind = 'SendSms'" """, True, ["SendSms"]),
        ("""run(f"UPDATE {table} SET owner = $1")""", True, []),
        ("""HELD = "NOT EXISTS (SELECT 1 FROM thread t WHERE t.legal_hold)" """, True, []),
        ("""ONLY = f"{column} = 'TextArrived'" """, False, ["TextArrived"]),
        ("""def read():\n    'SELECT id FROM inbox: how it is asked.'""", False, []),
        ("""words = "Select what is from the desk, and update it." """, False, []),
    ],
)
def test_sql_is_found(source: str, *, sql: bool, kinds: list[str]) -> None:
    """The check finds a statement in a constant, in an f-string and within a longer string; a sentence is none."""
    assert bool(statements(ast.parse(source))) is sql
    assert list(dict.fromkeys(quoted_kinds(ast.parse(source)))) == kinds


def test_a_line_says_neither_that_it_reads_nor_that_it_types() -> None:
    """The source has no such request: colleagues see it of each other in their own clients, and a phone sees nothing."""
    said = re.compile(r"/(?:typing|receipt|read_markers)\b")
    bridge = {file: tree for file, tree in source().items() if file.startswith("bridge/")}
    assert [file for file, tree in bridge.items() if any(map(said.search, strings(tree)))] == []


def test_few_places_catch_everything() -> None:
    """`except Exception` and wider clauses are only in listed places with a reason; elsewhere an error is named."""
    caught = [
        f"{file}:{node.lineno}"
        for file, tree in source().items()
        for node in nodes_of(tree)
        if isinstance(node, ast.ExceptHandler) and file not in CATCHES_ALL
        if node.type is None or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"})
        if not any(isinstance(inner, ast.Raise) and inner.exc is None for inner in ast.walk(node))
    ]
    assert caught == []


def test_loops_are_background_loops() -> None:
    """Only the background loop of the bridge is endless, except in places that are listed with a reason."""
    loops = {
        file
        for file, tree in within("bridge")
        for node in nodes_of(tree)
        if isinstance(node, ast.While) and isinstance(node.test, ast.Constant)
    }
    assert loops == LOOPS.keys()


def test_each_feature_of_a_message_says_why_it_stands_there() -> None:
    """The order of features decides what a message does: a comment above each feature gives the reason for its place."""
    lines = (ROOT / "bot/decide.py").read_text(encoding="utf-8").splitlines()
    table = next(
        node.value
        for node in source()["bot/decide.py"].body
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "MESSAGES"
    )
    assert isinstance(table, ast.Dict)
    features = [feature for row in table.values if isinstance(row, ast.Tuple) for feature in row.elts]
    assert len(features) == sum(len(row) for row in MESSAGES.values())
    assert max(len(row) for row in MESSAGES.values()) <= MOST_FEATURES, "what a command does is in its own function"
    assert [ast.unparse(feature) for feature in features if not lines[feature.lineno - 2].strip().startswith("#")] == []


def test_the_table_of_decisions_is_complete() -> None:
    """Each pair of aggregate and event has features, or is passed over for a reason that is written down; never both."""
    pairs = {(aggregate, event) for aggregate in get_args(Aggregate) for event in get_args(Event)}
    table = TABLE | {(aggregate, MessageSent): features for aggregate, features in MESSAGES.items()}
    looked_at = {pair for pair, features in table.items() if features}
    assert table.keys() <= pairs
    assert len(table) == len(TABLE) + len(MESSAGES), "a message has one row for each aggregate"
    assert looked_at | PASSED_OVER.keys() == pairs
    assert looked_at & PASSED_OVER.keys() == set()
