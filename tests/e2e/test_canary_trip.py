"""The canary of a real line: healthy trips leave nothing, and each thing that dies is noticed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bridge.runtime.canary_keys import CANARY_NUMBER
from tests.e2e import separate_line
from tests.e2e.canary_line import CanaryLine, run_canary_line
from tests.e2e.staff_client import StaffClient
from tests.e2e.staffed_line import StaffedLine

DEAD = "texts itself"
WELL = "come through again"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def line(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[CanaryLine]:
    async with run_canary_line(tmp_path_factory.mktemp("canary")) as canary_line:
        yield canary_line


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sol(line: CanaryLine) -> AsyncIterator[StaffClient]:
    """Seat the supervisor at the desk."""
    ready = line.stack.ready
    staffed_line = StaffedLine(stack=line.stack, ready=ready)
    opening = [separate_line.log_in_nio(ready.homeserver, ready.account("supervisor"))]
    async with separate_line.bring_people(staffed_line, opening) as (client,):
        yield client


async def test_a_trip_is_well_and_leaves_nothing(line: CanaryLine, sol: StaffClient) -> None:
    """Trip after trip is well, nobody is called, the desk sees nothing, and no row, room or certificate of it is kept."""
    result = await line.wait_for(ok=True, after=line.told()["at"])
    await line.wait_for(ok=True, after=result["at"])
    desk = line.stack.ready.desk_room
    before = [item.event_id for item in await sol.whole(desk)]
    async with line.canary_stopped_after_a_trip():
        assert await line.left_behind() == []
        assert [item.event_id for item in await sol.whole(desk)] == before
    assert line.calls == 0
    assert await line.stack.carrier.texts(CANARY_NUMBER) == []


async def test_keys_that_are_not_shared_are_noticed(line: CanaryLine, sol: StaffClient) -> None:
    """A room that its client cannot read: desk and person on call are told, and the desk once more when it is well."""
    calls = line.calls
    line.execute("UPDATE matrix_confirmed SET user_id = '#' || user_id WHERE user_id LIKE '@canary:%'")
    result = await line.wait_for(ok=False, step="keys")
    await sol.find(line.stack.ready.desk_room, "the desk is told", lambda item: DEAD in item.body)
    await line.wait_for_call(calls)
    assert line.metric() == "0"
    # Put back as it was: rows that are missing at a start are taken for an attack, and nobody gets keys then.
    line.execute("UPDATE matrix_confirmed SET user_id = substr(user_id, 2) WHERE user_id LIKE '#@canary:%'")
    await line.stack.kill("bridge")
    await line.wait_for(ok=True, after=result["at"])
    await sol.find(line.stack.ready.desk_room, "the desk is told", lambda item: WELL in item.body)
    assert line.metric() == "1"


@pytest.mark.long
async def test_a_frozen_bridge_is_noticed(line: CanaryLine) -> None:
    """A bridge that answers nothing: the canary itself calls the person on call."""
    calls = line.calls
    async with line.frozen("bridge"):
        result = await line.wait_for(ok=False, step="text", after=line.told()["at"])
        await line.wait_for_call(calls)
    await line.wait_for(ok=True, after=result["at"])
