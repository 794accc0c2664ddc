"""Configuration of all tests: which may run at the same time.

Rules of this module: the tests of a file stay together and in order, because they may share something that is expensive to
start; all tests on the shared line of `tests/e2e` are in one group; the longest groups begin early. No test fails because
a machine is slow: deadlines only end what hangs.
"""

from __future__ import annotations

import gc
import logging
import os
import platform
import re
import signal
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

from tests import forked_children
from tests.outside_programs import OutsidePrograms
from tests.run_directory import keep_files_in_memory, share

if TYPE_CHECKING:
    from tests.fakes.postgres_server import PostgresServer

HERE: Final = Path(__file__).parent
FIRST: Final = ("test_types.py", "the line", "e2e/", "bridge/crash/")
"""The groups that begin first, because they take longest, by the beginning of their names."""
SHARED_LINE: Final = "the line"
"""The name of the group whose tests share a line."""
OWN_LINE: Final = re.compile(r"\bStack\(|\brun_line\(|\brun_canary_line\(")
STRICT_FALLBACKS: Final = pytest.StashKey[list[str]]()
"""The names of clients that were missing, one entry for each use of a replacement."""
FIGURES: Final = pytest.StashKey[list[str]]()
"""Measurements of tests for a person to read, a sentence each. No test fails because of one."""
MISSING_PROGRAMS: Final = pytest.StashKey[list[str]]()
"""Missing outside programs that check our files, one entry for each check that was skipped."""


SLOW: Final = (HealthCheck.too_slow,)
"""The health checks of Hypothesis that report a busy machine, not a faulty test."""
settings.register_profile("day", deadline=None, derandomize=True, suppress_health_check=SLOW)
settings.register_profile("night", deadline=None, print_blob=True, suppress_health_check=SLOW)
settings.load_profile("night" if os.environ.get("QUIETLINE_EXPLORE") == "1" else "day")
keep_files_in_memory()
# Assertions in the tests' shared modules report their values too; this must precede their import.
pytest.register_assert_rewrite("tests.bot", "tests.bridge", "tests.deploy", "tests.e2e", "tests.fakes")


if sys.version_info < (3, 13):

    def _int_to_enum(value: Any, enum_class: Any) -> Any:
        """Convert a number to the enum, and return a function unchanged, as `signal` does from Python 3.13 on.

        Older versions let the enum refuse the function, and its error formats the function: that of asyncio's runner with
        its task and all that the test returned, twice a test. That took a twentieth of the CPU of the bridge's tests.
        """
        try:
            return enum_class(value) if isinstance(value, int) else value
        except ValueError:
            return value

    vars(signal)["_int_to_enum"] = _int_to_enum


def pytest_configure(config: pytest.Config) -> None:
    stop_ignoring_signals()
    config.stash[STRICT_FALLBACKS] = []
    config.stash[MISSING_PROGRAMS] = []
    config.stash[FIGURES] = []
    forked_children.use()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect the tests without garbage collection, and exclude them from it: they live until the end.

    Later it begins as seldom as in the product, which saves 4 % of the CPU of tests that start no process.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        fix_local_constants()
        gc.freeze()
        gc.set_threshold(20_000)
        gc.enable()


def fix_local_constants() -> None:
    """Have Hypothesis take no constants from our modules that are imported from now on.

    It draws some examples from the constants of the modules that a process has imported. What is imported by a test
    depends on the order of the tests, so the same hundred examples were others in another order.
    """
    providers._get_local_constants()
    vars(providers)["is_local_module_file"] = lambda _path: False


@pytest.fixture
def outside_programs(pytestconfig: pytest.Config) -> OutsidePrograms:
    return OutsidePrograms(missing=pytestconfig.stash[MISSING_PROGRAMS])


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> Iterator[PostgresServer]:
    """Start a PostgreSQL server for all tests of this process that need one."""
    from tests.fakes.postgres_server import bridge_server, running_postgres

    with running_postgres(OutsidePrograms(missing=pytestconfig.stash[MISSING_PROGRAMS])) as server:
        yield bridge_server(server)


@pytest.fixture(scope="session", autouse=True)
def shared_directory(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Share the parent directory of the directories of this run's processes."""
    own = tmp_path_factory.getbasetemp()
    share(own.parent if hasattr(pytestconfig, "workerinput") else own)


@pytest.fixture(autouse=True)
def drop_closed_log_handlers() -> Iterator[None]:
    """Remove log handlers of a command that ran in this process: a closed stream prints a traceback for every line."""
    yield
    for logger in (logging.getLogger(), logging.getLogger("quietline")):
        for handler in list(logger.handlers):
            if isinstance(handler, logging.StreamHandler) and getattr(handler.stream, "closed", False):
                logger.removeHandler(handler)


def stop_ignoring_signals() -> None:
    """Let child processes of tests receive SIGHUP, SIGINT and SIGTERM, also if `nohup` or a CI ignores them.

    A child inherits an ignored signal, but a handled one starts with its default action: a handler that does nothing keeps
    the tests alive as before.
    """
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda _number, _frame: None)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> object:
    """End the shared line after the last of its tests: otherwise its clients and processes would run until this one ends.

    It is done as pytest does it after the last test of all, without a next item: other session fixtures end too, such as
    the session's event loop, and begin again for the next test that needs them.
    """
    if nextitem is None or not _shares_line(item) or _shares_line(nextitem):
        return None
    runner: Any = item.config.pluginmanager.get_plugin("runner")
    return runner.pytest_runtest_protocol(item, None)


def pytest_unconfigure() -> None:
    forked_children.TEMPLATES.end()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the counts to the process that prints, if there are several. Without the module of waits nothing has waited."""
    if (polling := sys.modules.get("tests.e2e.polling")) is not None:
        session.config.stash[FIGURES] += polling.late
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["stood_in"] = session.config.stash[STRICT_FALLBACKS]
        output["missing_programs"] = session.config.stash[MISSING_PROGRAMS]
        output["figures"] = session.config.stash[FIGURES]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Let all processes of a run have the same templates: loading their modules takes 2 s of CPU."""
    forked_children.share()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add the counts of another process."""
    node.config.stash[STRICT_FALLBACKS] += getattr(node, "workeroutput", {}).get("stood_in", [])
    node.config.stash[MISSING_PROGRAMS] += getattr(node, "workeroutput", {}).get("missing_programs", [])
    node.config.stash[FIGURES] += getattr(node, "workeroutput", {}).get("figures", [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Report prominently, with a count, each client that was missing."""
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
    """Distribute whole groups, for `pytest -n` with `--dist loadfile`."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):  # type: ignore[misc]  # it ships without annotations
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid.partition("::")[0])

    return Groups(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest groups first; the tests of a group stay together."""
    names = dict.fromkeys(group(item.nodeid.partition("::")[0]) for item in items)
    order = {name: place for place, name in enumerate(sorted(names, key=_rank))}
    items.sort(key=lambda item: order[group(item.nodeid.partition("::")[0])])


def _rank(name: str) -> int:
    return next((rank for rank, beginning in enumerate(FIRST) if name.startswith(beginning)), len(FIRST))


@cache
def group(file: str) -> str:
    """Return the group of a test file (path from the project's root): files that share a line are one group."""
    name = Path(file).relative_to("tests").as_posix()
    text = (HERE / name).read_text(encoding="utf-8")
    shared = name.startswith("e2e/") and not OWN_LINE.search(text)
    return SHARED_LINE if shared else name


def _shares_line(item: pytest.Item) -> bool:
    return group(item.nodeid.partition("::")[0]) == SHARED_LINE
