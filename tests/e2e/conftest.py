"""One running line for most of these tests, and the people at its desk.

Rules of these fixtures: tests run one after another in one event loop; each uses its own handsets and leaves the queue
empty and everything running; nobody takes more than the five threads that the line's cap allows; a strict client logs in
once per account, because its identity exists only in that client.
"""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.bootstrap import OLDEST_GLIBC, old_glibc
from tests.conftest import STRICT_FALLBACKS
from tests.e2e import separate_line
from tests.e2e.carrier_api import handset
from tests.e2e.element_client import ElementClient
from tests.e2e.nio_client import NioClient
from tests.e2e.stack import Stack, run
from tests.e2e.staff_client import Account, StaffClient
from tests.e2e.staffed_line import StaffedLine
from tests.e2e.visibility import assert_no_leak
from tests.planted import PLANTED, Kind

REPORTS = (("status", "--json"), ("doctor", "--json"), ("audit",), ("report", "--json"))
"""Commands whose output an operator may pass on, as with a question to somebody else."""
TIMEOUT = 1800
"""Seconds: the last limit, also for a first start in a test's fixtures. Every step has its own shorter limit, up to four
times as long on a busy machine, and says what it waited for."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here as e2e, in one loop with the session's fixtures; the leak test runs last."""
    here = Path(__file__).parent
    places = [place for place, item in enumerate(items) if item.path.is_relative_to(here)]
    ours = sorted((items[place] for place in places), key=lambda item: item.path == here / "test_canary.py")
    for place, item in zip(places, ours, strict=True):
        items[place] = item
        item.add_marker(pytest.mark.e2e)
        item.add_marker(pytest.mark.timeout(TIMEOUT))
        item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def strict_client_factory(pytestconfig: pytest.Config) -> StrictClientFactory:
    return StrictClientFactory(fallbacks=pytestconfig.stash[STRICT_FALLBACKS])


class StrictClientFactory:
    """Logs a person in at the strict client; at nio, counted, if there is no wheel of it."""

    def __init__(self, *, fallbacks: list[str]) -> None:
        self._stood_in = fallbacks

    async def log_in(self, homeserver: str, account: Account) -> StaffClient:
        """Return a started client."""
        log_in: StaffClient
        if old_glibc(OLDEST_GLIBC["strict"]):
            self._stood_in.append("strict client")
            warnings.warn("the strict client stepped aside for nio", stacklevel=2)
            log_in = NioClient(homeserver, account)
        else:
            from tests.e2e.strict_client import StrictClient

            log_in = StrictClient(homeserver, account)
        await log_in.start()
        return log_in


@pytest.fixture(scope="session")
def element_client_factory(pytestconfig: pytest.Config) -> ElementClientFactory:
    return ElementClientFactory(fallbacks=pytestconfig.stash[STRICT_FALLBACKS])


class ElementClientFactory:
    """Logs a person in at Element's engine; at nio, counted, if there is no Node for it."""

    def __init__(self, *, fallbacks: list[str]) -> None:
        self._stood_in = fallbacks

    async def log_in(self, homeserver: str, account: Account) -> StaffClient:
        """Return a started client."""
        log_in: StaffClient
        if old_glibc(OLDEST_GLIBC["element"]):
            self._stood_in.append("Element's engine")
            warnings.warn("Element's engine stepped aside for nio", stacklevel=2)
            log_in = NioClient(homeserver, account)
        else:
            log_in = ElementClient(homeserver, account)
        await log_in.start()
        return log_in


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Run the line that most tests share, with its metrics so that the leak test sees everything.

    Each process that runs some of these tests has one, and searches it for leaks after them.
    """
    directory = tmp_path_factory.mktemp("line")
    settings = {**separate_line.HURRIED, "close_undo": "5 s"}
    async with separate_line.run_line(directory, settings=settings, metrics=True) as staffed_line:
        yield staffed_line.stack
        if not staffed_line.carrier.planted:  # its tests sent no text, as when one file runs alone
            await staffed_line.carrier.text(handset(), "a text for the files to be looked through")
        await assert_no_leak(staffed_line)
        await _assert_not_reported(staffed_line.stack)


async def _assert_not_reported(stack: Stack) -> None:
    """Check that no words or numbers of texters, and no words of staff, are in what an operator's commands print."""
    reports = {words[0]: await run(stack.command(*words, "--data", str(stack.data))) for words in REPORTS}
    assert [(verb, code, output) for verb, (code, output) in reports.items() if code not in {0, 1} or not output] == []
    hits = PLANTED.find({verb: output for verb, (_, output) in reports.items()})
    # Accounts of staff are named to the operator, who makes them and signs them out.
    assert [hit for hit in hits if hit[1] is not Kind.USER] == []


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def staffed_line(stack: Stack) -> StaffedLine:
    return StaffedLine(stack=stack, ready=stack.ready)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def ada(staffed_line: StaffedLine, strict_client_factory: StrictClientFactory) -> AsyncIterator[StaffClient]:
    """Bring an advocate to the desk, on the strict client."""
    client = await strict_client_factory.log_in(staffed_line.ready.homeserver, staffed_line.ready.account("advocate", 0))
    try:
        yield await staffed_line.bring_to_desk(client)
    finally:
        await client.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def bea(staffed_line: StaffedLine, strict_client_factory: StrictClientFactory) -> AsyncIterator[StaffClient]:
    """Bring another advocate to the desk, on the strict client."""
    client = await strict_client_factory.log_in(staffed_line.ready.homeserver, staffed_line.ready.account("advocate", 1))
    try:
        yield await staffed_line.bring_to_desk(client)
    finally:
        await client.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sol(staffed_line: StaffedLine) -> AsyncIterator[StaffClient]:
    """Bring the supervisor to the desk, on the second, independent client."""
    client = NioClient(staffed_line.ready.homeserver, staffed_line.ready.account("supervisor"))
    await client.start()
    try:
        yield await staffed_line.bring_to_desk(client)
    finally:
        await client.stop()
