"""What the canary tells, whom, and how often."""

from __future__ import annotations

import json
import stat
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest

from bot.model.line_incidents import CanaryStep
from bridge.config.sections import Canary, Config
from bridge.outbound import pager
from deploy.canary import runner
from deploy.canary.account import CanaryClient
from deploy.canary.handsets import CanaryRouteClient, Unreachable
from deploy.canary.round_trip import Trip
from deploy.canary.runner import AT_START, Runner

WELL = Trip(step=None, seconds=1.2)
DEAD = Trip(step=CanaryStep.ROOM, seconds=60.0)


class Rig:
    """A runner, what the line heard, and how often the person on call was called."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reports: list[CanaryStep | None] = []
        self.calls, self.line_answers, self.somebody_answers, self.now = 0, True, True, 0.0
        secret = directory / "secret"
        secret.write_text("ab" * 32)
        self.state = directory / "run" / "canary.json"
        config = SimpleNamespace(
            listen=SimpleNamespace(host="::1", port=9),
            line=SimpleNamespace(slug="main", carrier=SimpleNamespace(api_base=""), on_call=None, number="+15555550100"),
        )
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(pager, "call", self._call)
        monkeypatch.setattr(CanaryRouteClient, "report", self._report)
        self._runner = Runner(
            cast("Config", config),
            Canary(secret_file=secret),
            state=self.state,
            http=cast("aiohttp.ClientSession", None),
        )

    async def _call(self, *_arguments: Any) -> bool:
        self.calls += 1
        return self.somebody_answers

    async def _report(self, step: CanaryStep | None, _seconds: float) -> None:
        if not self.line_answers:
            raise Unreachable
        self.reports.append(step)

    async def is_erased(self, account: CanaryClient) -> bool:
        """Wait until a trip is erased; return whether it is."""
        return await self._runner._wait_for_erasure(account, "!room")

    async def tell(self, *trips: Trip) -> None:
        """Have these trips told."""
        for trip in trips:
            await self._runner._report(trip)


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    return Rig(tmp_path, monkeypatch)


async def test_the_line_hears_of_each_trip(rig: Rig) -> None:
    """Each trip is reported; where the line takes that, nobody is called from here, for it calls them."""
    await rig.tell(WELL, DEAD, WELL)
    assert rig.reports == [None, CanaryStep.ROOM, None]
    assert rig.calls == 0


async def test_the_file_says_how_the_last_trip_went(rig: Rig) -> None:
    """`run/canary.json`, of its owner alone."""
    await rig.tell(WELL)
    said = json.loads(rig.state.read_text())
    assert (said["ok"], said["step"], said["seconds"]) == (True, "", 1.2)
    assert stat.S_IMODE(rig.state.stat().st_mode) == 0o600
    await rig.tell(DEAD)
    said = json.loads(rig.state.read_text())
    assert (said["ok"], said["step"]) == (False, "room")
    assert said.keys() == {"ok", "step", "seconds", "at"}


async def test_a_line_that_hears_nothing_is_called_for_once(rig: Rig) -> None:
    """Where the line takes no report the person on call is called from here, once until it takes one again."""
    await rig.tell(WELL)
    rig.line_answers = False
    await rig.tell(DEAD, DEAD, DEAD)
    assert rig.calls == 1
    rig.line_answers = True
    await rig.tell(WELL)
    rig.line_answers = False
    await rig.tell(DEAD)
    assert rig.calls == 2


async def test_a_line_that_is_being_started_is_no_news(rig: Rig) -> None:
    """Before any trip was well, failures of the first minutes are told nobody; later ones are."""
    await rig.tell(DEAD)
    assert (rig.reports, rig.calls, rig.state.exists()) == ([], 0, False)
    rig.now = AT_START
    await rig.tell(DEAD)
    assert rig.reports == [CanaryStep.ROOM]


@pytest.mark.parametrize(("refusals", "erased"), [(0, True), (1, True), (2, False)])
async def test_a_bridge_that_is_started_again_while_a_trip_is_erased_is_no_failure(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, *, refusals: int, erased: bool
) -> None:
    """The text came through: a moment without an answer says nothing of what is left, and calls nobody at night."""
    monkeypatch.setattr(runner, "AFTER_FAILURE", 0.0)
    answers = [Unreachable() for _ in range(refusals)]

    async def count_erasures(_route: CanaryRouteClient) -> int:
        if answers:
            raise answers.pop()
        return 0

    async def wait_until_outside(_room: str) -> None:
        """Be out."""

    monkeypatch.setattr(CanaryRouteClient, "count_erasures", count_erasures)
    account = cast("CanaryClient", SimpleNamespace(wait_until_outside=wait_until_outside))
    assert await rig.is_erased(account) is erased
