"""Bridge, homeserver and `up` itself are killed at random under load, and then everything is counted."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.conftest import StrictClientFactory
from tests.e2e.kill_scenario import Load, count, play
from tests.e2e.polling import wait_until
from tests.e2e.stack import Stack
from tests.e2e.staff_client import StaffClient
from tests.e2e.staffed_line import StaffedLine

LOAD = Load(conversations=6, texts=10, answers=2, kills=4, seconds=15.0, seed=20260101)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Run a line of this module's own: it is killed."""
    line = Stack(tmp_path_factory.mktemp("killed"), forks=False)
    try:
        await line.prepare()
        await line.start()
        yield line
    finally:
        await line.end()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def staff(own: Stack, strict_client_factory: StrictClientFactory) -> AsyncIterator[list[StaffClient]]:
    clients = [await strict_client_factory.log_in(own.ready.homeserver, own.ready.account("advocate", n)) for n in range(2)]
    try:
        yield clients
    finally:
        for client in clients:
            await client.stop()


async def test_nothing_is_lost_or_doubled_when_anything_is_killed(own: Stack, staff: list[StaffClient]) -> None:
    """Every text is in its room exactly once and in order, every answer at most once on its phone with one receipt.

    Counted after bridge and homeserver were killed at random under load, and again after `up` was killed and started
    again; in between no process is left behind.
    """
    staffed_line = StaffedLine(stack=own, ready=own.ready)
    for client in staff:
        await staffed_line.bring_to_desk(client)
    story = await play(staffed_line, staff, LOAD)
    result = await count(staffed_line, story, LOAD)
    assert result.is_good, result
    assert result.texts == sum(len(texts) for texts in story.texts.values()) > LOAD.conversations

    await own.kill_up()
    await wait_until("nothing of a killed `up` runs any more", lambda: _nobody(own))
    await own.start()
    for number, conversation in enumerate(story.conversations):
        await staffed_line.carrier.text(conversation.handset, f"after the last start {number}")
        story.texts[conversation.room].append(f"after the last start {number}")
    after = await count(staffed_line, story, LOAD)
    assert after.is_good, after
    assert after.texts == result.texts + LOAD.conversations


async def test_sigterm_ends_everything_in_time(own: Stack) -> None:
    """SIGTERM ends `up` with exit code 0, removes ready.json and leaves no process behind.

    That the bounds of all children are within the 30 s of design.md, "Contracts with the outside" is shown in
    `tests/deploy/stack/test_up.py`.
    """
    assert await own.stop() == 0
    assert not own.ready_file.exists()
    assert own.processes() == {}


async def _nobody(own: Stack) -> bool | None:
    return not own.processes() or None
