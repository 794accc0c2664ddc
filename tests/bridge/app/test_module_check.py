"""A homeserver without our module: the log and the desk hear of it, once a day while it lasts."""

from __future__ import annotations

import logging
from typing import cast

import pytest

from bridge.app.module_check import AGAIN_SECONDS, LOOK_SECONDS, TELL_SECONDS, ModuleCheck
from bridge.matrix.api.module_api import ENFORCED, HomeserverUnreachable, ModuleClient, ModuleHealth, ModuleNotLoaded
from bridge.tables import line_state
from tests.fakes.bridge_harness import BridgeHarness

NOT_LOADED = ModuleNotLoaded(404, "M_UNRECOGNIZED")


class FakeModule:
    """`fails`: what it answers instead of its health. `problems`, `enforces`: what it says of itself."""

    def __init__(self) -> None:
        self.fails: Exception | None = None
        self.problems: tuple[str, ...] = ()
        self.enforces = ENFORCED

    async def health(self) -> ModuleHealth:
        if self.fails is not None:
            raise self.fails
        return ModuleHealth(version="1", enforces=self.enforces, problems=self.problems)


async def test_a_missing_module_is_told_once_a_day_while_it_lasts(
    harness: BridgeHarness, caplog: pytest.LogCaptureFixture
) -> None:
    """At the first look, not at each; a day later once more; not of a homeserver that is away; at once when lost again."""
    module, counts = FakeModule(), []
    check = ModuleCheck(harness.services, module_client=cast("ModuleClient", module))

    async def look(fails: Exception | None) -> None:
        module.fails = fails
        assert await check.run_once() == LOOK_SECONDS
        counts.append(await harness.count("inbox"))

    with caplog.at_level(logging.INFO, logger="quietline"):
        await look(None)
        assert "module.not_loaded" not in caplog.text
        module.fails = HomeserverUnreachable(502, "")
        with pytest.raises(HomeserverUnreachable):
            await check.run_once()
        for _ in range(2):
            await look(NOT_LOADED)
        assert caplog.text.count("module.not_loaded") == 2
    harness.clock.at += TELL_SECONDS + 1
    for fails in (NOT_LOADED, None, NOT_LOADED):
        await look(fails)
    assert counts == [0, 1, 1, 2, 2, 3]


SETTING = "redaction_retention_period: it must not be null, which keeps redacted words for ever"
TABLE = "database: the module does not know room_memories: a purge may leave a room's id there"


async def test_what_the_module_cannot_vouch_for_is_told_once(
    harness: BridgeHarness, caplog: pytest.LogCaptureFixture
) -> None:
    """The desk hears of what is new and lasts a minute, the log has each look; what is put right is over."""
    module, counts = FakeModule(), []
    check = ModuleCheck(harness.services, module_client=cast("ModuleClient", module))

    async def look(*problems: str, again: bool = False) -> None:
        module.problems = problems
        assert await check.run_once() == (AGAIN_SECONDS if again else LOOK_SECONDS)
        counts.append(await harness.count("inbox"))

    with caplog.at_level(logging.INFO, logger="quietline"):
        await look(SETTING, again=True)
        for _ in range(2):
            await look(SETTING)
        assert caplog.text.count("module.problems_found count=1") == 3
    assert SETTING not in caplog.text
    await look(SETTING, TABLE, again=True)
    await look(SETTING, TABLE)
    for problems in ((SETTING,), (SETTING,), ()):
        await look(*problems)
    assert await line_state.get(harness.database, line_state.MODULE_PROBLEMS) is None
    module.enforces = ENFORCED - {"no-outsiders"}
    await look(again=True)
    await look()
    assert counts == [0, 1, 1, 1, 2, 2, 2, 2, 2, 3]
