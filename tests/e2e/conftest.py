"""One running line for all of these tests, and the people at its desk.

Rules of these fixtures: tests run one after another in one event loop; each uses handsets of its own and leaves the
queue empty and everything running; nobody takes more than the five threads that the line's cap allows; a strict client
logs in once per account, because its identity lives and ends with it.
"""

from __future__ import annotations

import platform
import warnings
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.conftest import STOOD_IN
from tests.e2e import own_line
from tests.e2e.crossnio import CrossNio
from tests.e2e.scene import Scene
from tests.e2e.seat import Account, Seat
from tests.e2e.stack import Stack

STRICT_GLIBC = (2, 38)
TIMEOUT = 400
"""Seconds: the last resort, also for a first start in a test's fixtures; every step has a shorter limit of its own."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here is e2e, in one loop with the session's fixtures, and the canary looks last."""
    here = Path(__file__).parent
    places = [place for place, item in enumerate(items) if item.path.is_relative_to(here)]
    ours = sorted((items[place] for place in places), key=lambda item: item.path == here / "test_canary.py")
    for place, item in zip(places, ours, strict=True):
        items[place] = item
        item.add_marker(pytest.mark.e2e)
        item.add_marker(pytest.mark.timeout(TIMEOUT))
        item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def open_strict(pytestconfig: pytest.Config) -> OpenStrict:
    return OpenStrict(stood_in=pytestconfig.stash[STOOD_IN])


class OpenStrict:
    """Logs a person in at the strict client; where there is no wheel of it, at nio, counted."""

    def __init__(self, *, stood_in: list[str]) -> None:
        self._stood_in = stood_in

    async def seat(self, homeserver: str, account: Account) -> Seat:
        """Return a started client."""
        libc, version = platform.libc_ver()
        seat: Seat
        if libc == "glibc" and tuple(int(part) for part in version.split(".")[:2]) < STRICT_GLIBC:
            self._stood_in.append(account.role)
            warnings.warn("the strict client stepped aside for nio", stacklevel=2)
            seat = CrossNio(homeserver, account)
        else:
            from tests.e2e.strict import StrictClient

            seat = StrictClient(homeserver, account)
        await seat.start()
        return seat


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Run the line that most tests share, logging at DEBUG throughout so that the canary sees everything."""
    async with own_line.running(tmp_path_factory.mktemp("line"), log_level="DEBUG") as scene:
        yield scene.stack


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def scene(stack: Stack) -> Scene:
    return Scene(stack=stack, ready=stack.ready)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def ada(scene: Scene, open_strict: OpenStrict) -> AsyncIterator[Seat]:
    """Seat an advocate on the strict client."""
    seat = await open_strict.seat(scene.ready.homeserver, scene.ready.account("advocate", 0))
    try:
        yield await scene.seated(seat)
    finally:
        await seat.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def bea(scene: Scene, open_strict: OpenStrict) -> AsyncIterator[Seat]:
    """Seat another advocate on the strict client."""
    seat = await open_strict.seat(scene.ready.homeserver, scene.ready.account("advocate", 1))
    try:
        yield await scene.seated(seat)
    finally:
        await seat.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sol(scene: Scene) -> AsyncIterator[Seat]:
    """Seat the supervisor, on the second, independent client."""
    seat = CrossNio(scene.ready.homeserver, scene.ready.account("supervisor"))
    await seat.start()
    try:
        yield await scene.seated(seat)
    finally:
        await seat.stop()
