"""A homeserver without our module: the log and the desk hear of it, once a day while it lasts."""

from __future__ import annotations

import logging
from typing import cast

import pytest

from bot.model.actions import DESK
from bridge.app.module_check import LOOK_SECONDS, ROW, TELL_SECONDS, ModuleCheck
from bridge.matrix.api.module_api import HomeserverUnreachable, ModuleClient, ModuleNotLoaded
from tests.fakes.bridge_harness import BridgeHarness

NOT_LOADED = ModuleNotLoaded(404, "M_UNRECOGNIZED")


class FakeModule:
    """`fails`: what it answers instead of its health."""

    def __init__(self) -> None:
        self.fails: Exception | None = None

    async def health(self) -> None:
        if self.fails is not None:
            raise self.fails


async def test_a_missing_module_is_told_once_a_day_while_it_lasts(
    harness: BridgeHarness, caplog: pytest.LogCaptureFixture
) -> None:
    """At the first look, not at each; a day later once more; not of a homeserver that is away; at once when lost again."""
    module, told = FakeModule(), []
    check = ModuleCheck(harness.services, module_client=cast("ModuleClient", module))

    async def look(fails: Exception | None) -> None:
        module.fails = fails
        assert await check.run_once() == LOOK_SECONDS
        told.append(await harness.count("inbox"))

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
    assert told == [0, 1, 1, 2, 2, 3]


async def test_the_desk_is_told_where_to_look_and_somebody_is_called(harness: BridgeHarness) -> None:
    """By the way of every alarm: the message names the doctor's row, and the person on call is called."""
    module = FakeModule()
    module.fails = NOT_LOADED
    await harness.run()
    await ModuleCheck(harness.services, module_client=cast("ModuleClient", module)).run_once()
    await harness.wait_until_drained(standing=1)  # the call: there is no pager here
    assert [body for body in harness.messages_shown(DESK, notices=True) if ROW in str(body)]
