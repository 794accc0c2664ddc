"""Shared by all tests: which may run beside which.

Rules of this module: the tests of a file stay together and in their order, because they may share what is dear to start;
all that use the one running line of `tests/e2e` are one group; what takes longest begins first. No test fails because a
machine is slow: nothing here has a deadline but against hanging.
"""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import settings

# Before anything imports mautrix.crypto: our adapter has to stand where it looks for `olm`.
import bridge.matrix  # noqa: F401

HERE: Final = Path(__file__).parent
LONGEST_FIRST: Final = ("the line", "e2e/", "bridge/test_crash", "deploy/", "bridge/matrix/", "bot/", "bridge/")
STOOD_IN: Final = pytest.StashKey[list[str]]()
"""Where the strict client could not be the one who looked."""

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[STOOD_IN] = []


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that prints, when this is one of several."""
    if (told := getattr(session.config, "workeroutput", None)) is not None:
        told["stood_in"] = session.config.stash[STOOD_IN]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take in what another process told."""
    node.config.stash[STOOD_IN] += getattr(node, "workeroutput", {}).get("stood_in", [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say loudly, and with a count, where the strict client could not be the one who looked."""
    if stood_in := config.stash[STOOD_IN]:
        text = f"{len(stood_in)} STRICT CLIENT(S) STEPPED ASIDE FOR NIO: {platform.libc_ver()} is older than 2.38"
        terminalreporter.write_line(text, red=True, bold=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test its group, for `pytest -n` with `--dist loadgroup`; without `-n` this is their order alone.

    Not as the last of these hooks: that is the one of pytest-xdist that reads the groups.
    """
    groups = {item: _group(item) for item in items}
    items.sort(key=lambda item: _rank(groups[item]))
    for item, group in groups.items():
        item.add_marker(pytest.mark.xdist_group(group))


def _group(item: pytest.Item) -> str:
    if "stack" in getattr(item, "fixturenames", ()):
        return "the line"
    return item.path.relative_to(HERE).as_posix()


def _rank(group: str) -> int:
    return next((rank for rank, name in enumerate(LONGEST_FIRST) if group.startswith(name)), len(LONGEST_FIRST))
