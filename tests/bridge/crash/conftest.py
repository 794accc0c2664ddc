"""One line that is killed for the tests of a module, and one person at its desk: the first with the module's `ROLE`."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.bridge.crash.agency import Agency
from tests.conftest import STRICT_FALLBACKS
from tests.e2e.conftest import StrictClientFactory
from tests.e2e.staffed_line import StaffedLine
from tests.fakes.crashing_stack import CrashingStack


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def agency(
    request: pytest.FixtureRequest, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Agency]:
    line = CrashingStack(tmp_path_factory.mktemp("mortal"))
    log_ins = StrictClientFactory(fallbacks=pytestconfig.stash[STRICT_FALLBACKS])
    async with line.running():
        scene = StaffedLine(stack=line, ready=line.ready)
        person = await log_ins.log_in(line.ready.homeserver, line.ready.account(request.module.ROLE))
        try:
            yield Agency(line=line, scene=scene, person=await scene.bring_to_desk(person))
        finally:
            await person.stop()
