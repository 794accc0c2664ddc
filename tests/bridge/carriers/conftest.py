"""What the conformance suite gave is collected here, and compared with the table in the documentation when the run ends."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any, Final

import pytest

from tests.bridge.carriers import conformance_table

OUTCOMES: Final = pytest.StashKey[dict[conformance_table.Cell, str]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if getattr(item, "originalname", None) == "test_adapter":
        parameters: dict[str, Any] = dict(item.callspec.params)
        cell = (parameters["row"].name, parameters["behaviour"].promise.__name__)
        outcomes = item.config.stash.setdefault(OUTCOMES, {})
        # What went wrong before or after the test itself counts as well.
        if outcomes.get(cell, "passed") == "passed":
            outcomes[cell] = report.outcome
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    outcomes = session.config.stash.get(OUTCOMES, {})
    if not conformance_table.whole(outcomes):
        return
    table = conformance_table.drawn(outcomes)
    if os.environ.get(conformance_table.REWRITE) == "1":
        conformance_table.FILE.write_text(table, encoding="utf-8")
    elif not conformance_table.FILE.is_file() or table != conformance_table.FILE.read_text(encoding="utf-8"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            name = conformance_table.FILE.relative_to(conformance_table.ROOT)
            reporter.write_line(f"\n{name} is not what this run gave: python -m tests.bridge.carriers.conformance_table")
