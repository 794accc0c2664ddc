"""Shared by all tests: which may run beside which.

Rules of this module: the tests of a file stay together and in their order, because they may share what is dear to start;
all that use the running line of `tests/e2e` are two groups; what takes longest begins first. No test fails because a
machine is slow: nothing here has a deadline but against hanging.
"""

from __future__ import annotations

import fcntl
import gc
import logging
import os
import platform
import re
import signal
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, settings

# Before anything imports mautrix.crypto: our adapter has to stand where it looks for `olm`.
import bridge.matrix  # noqa: F401
from tests import forked_children
from tests.outside_programs import OutsidePrograms
from tests.run_directory import keep_files_in_memory, share

if TYPE_CHECKING:
    from tests.fakes.postgres_server import PostgresServer

HERE: Final = Path(__file__).parent
LONGEST_FIRST: Final = (
    "test_types.py",
    "the line 2",
    *(f"e2e/test_{name}.py" for name in ("homeserver_put_back", "erasure", "backup", "canary_trip", "history", "trust")),
    *(
        "bridge/crash/",
        "the line",
        "e2e/",
        "deploy/synapse_module/",
        "deploy/",
        "bridge/matrix/",
        "policies/",
        "bot/",
        "bridge/",
    ),
)
"""Groups by the beginning of their names, as CONTRIBUTING.md, "What takes how long", has them: none long is the last."""
SHARED_LINE: Final = "the line"
"""How the names of the groups begin whose tests share one."""
OWN_LINE: Final = re.compile(r"\bStack\(|\brun_line\(|\brun_canary_line\(|\brun_with_workers\(")
SECOND_LINE: Final = re.compile(r"^SECOND_LINE = True$", re.MULTILINE)
"""What a test file says whose tests use the shared line beside those of the others: in a process of their own, if there are
several, with a line of that process."""
STRICT_FALLBACKS: Final = pytest.StashKey[list[str]]()
"""The clients that could not be the ones who looked: each time one stepped aside, its name."""
FIGURES: Final = pytest.StashKey[list[str]]()
"""What a test measured and a person may want to read, a sentence each. Nothing fails by it."""
MISSING_PROGRAMS: Final = pytest.StashKey[list[str]]()
"""Programs of others that check our files and could not be had, once for each check that was left out."""

LAST_COMPILED: Final = "__pycache__/test_types.*-pytest-*.pyc"
"""What there is once a process has collected all tests and may write beside them; from this folder."""
CPU_PROPERTY: Final = "cpu_seconds"
"""A test's property in the results of `--junitxml`: CPU seconds of its process and of the children that it waited for."""
CPU_BEFORE: Final = pytest.StashKey[float]()

SLOW: Final = (HealthCheck.too_slow,)
"""What Hypothesis says of a busy machine, and not of a test."""
settings.register_profile("day", deadline=None, derandomize=True, suppress_health_check=SLOW)
settings.register_profile("night", deadline=None, print_blob=True, suppress_health_check=SLOW)
settings.load_profile("night" if os.environ.get("QUIETLINE_EXPLORE") == "1" else "day")
keep_files_in_memory()
# An `assert` in what the tests share tells its values too; this stands before any of it is imported.
pytest.register_assert_rewrite("tests.bot", "tests.bridge", "tests.deploy", "tests.e2e", "tests.fakes")


if sys.version_info < (3, 13):

    def _int_to_enum(value: Any, enum_class: Any) -> Any:
        """Name a number, and leave a function as it is, as `signal` does from Python 3.13 on.

        Before, it asked for the enum's refusal, which writes the function out: that of asyncio's runner with its task and
        all that the test returned, twice a test. It was a twentieth of the CPU of the bridge's tests.
        """
        try:
            return enum_class(value) if isinstance(value, int) else value
        except ValueError:
            return value

    vars(signal)["_int_to_enum"] = _int_to_enum


def pytest_configure(config: pytest.Config) -> None:
    # Where others run the tests, they inherit what this process ignores, and stop ignoring it themselves.
    if config.getoption("dist", "no") == "no":
        stop_ignoring_signals()
    config.stash[STRICT_FALLBACKS] = []
    config.stash[MISSING_PROGRAMS] = []
    config.stash[FIGURES] = []
    forked_children.use()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without looking for garbage, and never look through what was collected: it is there to the end."""
    gc.disable()
    try:
        if "PYTEST_XDIST_WORKER" not in os.environ or sys.dont_write_bytecode or any(HERE.glob(LAST_COMPILED)):
            return (yield)
        with one_before_the_others(Path(__file__)):
            return (yield)
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def one_before_the_others(file: Path) -> Iterator[None]:
    """Let the first process in; the others once it is out, all together.

    Where no test module is compiled yet, each process would compile them all at the same time: ten seconds of CPU. The
    first to come writes down for the others what it compiled. `file`: the one whose lock they wait for.
    """
    with file.open(encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(lock, fcntl.LOCK_SH)
        yield


@pytest.fixture
def outside_programs(pytestconfig: pytest.Config) -> OutsidePrograms:
    return OutsidePrograms(missing=pytestconfig.stash[MISSING_PROGRAMS])


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> Iterator[PostgresServer]:
    """Start a PostgreSQL server for all tests of this process that ask for one."""
    from tests.fakes.postgres_server import bridge_server, running_postgres

    with running_postgres(OutsidePrograms(missing=pytestconfig.stash[MISSING_PROGRAMS])) as server:
        yield bridge_server(server)


@pytest.fixture(scope="session", autouse=True)
def shared_directory(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Share the directory in which each process of this run has its own."""
    own = tmp_path_factory.getbasetemp()
    share(own.parent if hasattr(pytestconfig, "workerinput") else own)


@pytest.fixture(autouse=True)
def drop_closed_log_handlers() -> Iterator[None]:
    """Take out what a command that ran in this process logged to: a closed stream prints a traceback for every line."""
    yield
    for logger in (logging.getLogger(), logging.getLogger("quietline")):
        for handler in list(logger.handlers):
            if isinstance(handler, logging.StreamHandler) and getattr(handler.stream, "closed", False):
                logger.removeHandler(handler)


def stop_ignoring_signals() -> None:
    """Let processes that tests start hear SIGHUP, SIGINT and SIGTERM, also where `nohup` or a CI ignores them.

    A child inherits an ignored signal, and a handled one begins with its default action: a handler that does nothing keeps
    the tests alive as before.
    """
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda _number, _frame: None)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[CPU_BEFORE] = cpu_seconds()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Note what a test took (`tests/suite_times.py`). Fixtures that end later belong to the next test."""
    item.user_properties.append((CPU_PROPERTY, round(cpu_seconds() - item.stash[CPU_BEFORE], 3)))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> object:
    """End the shared line with the last of its tests: its clients and processes would work until this process ends.

    It is done as pytest does it after the last test of all, where nothing is next: what else lasted for the session ends
    too, the session's event loop for one, and begins again for the next test that asks for it.
    """
    if nextitem is None or not _shares_line(item) or _shares_line(nextitem):
        return None
    runner: Any = item.config.pluginmanager.get_plugin("runner")
    return runner.pytest_runtest_protocol(item, None)


def cpu_seconds() -> float:
    """Return the CPU seconds of this process, and of its children that have ended, those of its template among them."""
    used = os.times()
    own = used.user + used.system + used.children_user + used.children_system
    return own + forked_children.TEMPLATES.cpu_seconds()


def pytest_unconfigure() -> None:
    forked_children.TEMPLATES.end()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that prints, when this is one of several. Without the module of the waits nothing has waited."""
    if (polling := sys.modules.get("tests.e2e.polling")) is not None:
        session.config.stash[FIGURES] += polling.late
    if (told := getattr(session.config, "workeroutput", None)) is not None:
        told["stood_in"] = session.config.stash[STRICT_FALLBACKS]
        told["missing_programs"] = session.config.stash[MISSING_PROGRAMS]
        told["figures"] = session.config.stash[FIGURES]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take in what another process told."""
    node.config.stash[STRICT_FALLBACKS] += getattr(node, "workeroutput", {}).get("stood_in", [])
    node.config.stash[MISSING_PROGRAMS] += getattr(node, "workeroutput", {}).get("missing_programs", [])
    node.config.stash[FIGURES] += getattr(node, "workeroutput", {}).get("figures", [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say loudly, and with a count, where a client could not be the one who looked."""
    stood_in = config.stash[STRICT_FALLBACKS]
    for client, count in Counter(stood_in).items():
        text = f"{client.upper()} STEPPED ASIDE FOR NIO {count} TIME(S): its wheels need a newer {platform.libc_ver()}"
        terminalreporter.write_line(text, red=True, bold=True)
    if missing := config.stash[MISSING_PROGRAMS]:
        text = f"{len(missing)} CHECK(S) LEFT OUT, WITHOUT THESE PROGRAMS: {', '.join(sorted(set(missing)))}"
        terminalreporter.write_line(text, red=True, bold=True)
    for figure in config.stash[FIGURES]:
        terminalreporter.write_line(figure)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand out whole groups, for `pytest -n` with `--dist loadfile`."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):  # type: ignore[misc]  # it ships without annotations
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid.partition("::")[0])

    return Groups(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let what takes longest begin first."""
    items.sort(key=lambda item: _group_rank(group(item.nodeid.partition("::")[0])))


@cache
def group(file: str) -> str:
    """Say which tests stay together with those of this file (from the project's root): those that share a line do."""
    name = Path(file).relative_to("tests").as_posix()
    text = (HERE / name).read_text(encoding="utf-8")
    shared = name.startswith("e2e/") and not OWN_LINE.search(text)
    return f"{SHARED_LINE} {'2' if SECOND_LINE.search(text) else '1'}" if shared else name


def _shares_line(item: pytest.Item) -> bool:
    return group(item.nodeid.partition("::")[0]).startswith(SHARED_LINE)


def _group_rank(name: str) -> int:
    return next((rank for rank, first in enumerate(LONGEST_FIRST) if name.startswith(first)), len(LONGEST_FIRST))
