"""What others see of a line: the time, and the address where nobody is."""

from __future__ import annotations

import time
from email.utils import formatdate
from pathlib import Path

import aiohttp
import pytest

from bridge.config import load
from deploy.doctor import outside_probes
from deploy.doctor.outside_probes import ask_public_address, ask_time, judge_skew, skew_of
from deploy.doctor.probes import NoAnswer
from deploy.inspect.status import CheckResult
from deploy.preflight import clock_sync
from tests.deploy.carrier.test_carrier_check import sample


@pytest.mark.parametrize(("offset", "ok"), [(0, True), (50, True), (-50, True), (400, False), (-400, False)])
def test_minutes_beside_the_carriers_clock_are_told(offset: int, ok: bool) -> None:
    """Signatures end after five minutes: more than one is not well, in either direction, and says in which."""
    now = time.time()
    skew = skew_of(formatdate(now - offset, usegmt=True), now)
    assert skew is not None
    found = judge_skew(skew)
    assert (found.name, found.ok, bool(found.do)) == ("clock", ok, not ok)
    assert ok or ("ahead of" if offset > 0 else "behind") in found.what


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_no_date_says_nothing(date: str | None) -> None:
    """A carrier that tells no time, or none that can be read, is not compared with."""
    assert skew_of(date, time.time()) is None


@pytest.mark.parametrize("kept", [True, False])
async def test_a_gateway_on_this_machine_has_the_same_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    """It is not asked: the answer would say nothing. A clock that nobody synchronises is a warning all the same."""
    monkeypatch.setattr(clock_sync, "is_synchronised", lambda: kept)
    config = load(sample(tmp_path, "kannel", api_base="http://127.0.0.1:1"))
    (row,) = await ask_time(config)
    assert (row.name, row.ok, row.warning) == ("clock", True, not kept)


async def test_an_address_that_is_none_is_told_without_asking(tmp_path: Path) -> None:
    """A carrier elsewhere that is given this machine's own address calls itself, whether the bridge runs or not."""
    config = load(sample(tmp_path, "twilio", base="http://127.0.0.1:9"))
    async with aiohttp.ClientSession() as http:
        (row,) = await ask_public_address(config, http)
    assert (row.name, row.ok) == ("public address", False)


async def test_nothing_is_tried_where_no_bridge_runs(tmp_path: Path) -> None:
    """There is nobody to be called, which is the bridge's row to tell."""
    config = load(sample(tmp_path, "twilio"))
    async with aiohttp.ClientSession() as http:
        with pytest.raises(NoAnswer):
            await ask_public_address(config, http)


async def test_a_name_that_nobody_here_knows_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The carrier's resolver may know more: it is told as not asked, with how to ask."""

    async def unknown(_config: object) -> CheckResult:
        return CheckResult(name="DNS", ok=True, asked=False, what="nobody here knows the name", do="Ask elsewhere.")

    async def runs(*_words: object) -> bool:
        return True

    monkeypatch.setattr(outside_probes, "check_dns", unknown)
    monkeypatch.setattr(outside_probes, "is_live", runs)
    config = load(sample(tmp_path, "twilio"))
    async with aiohttp.ClientSession() as http:
        (row,) = await ask_public_address(config, http)
    assert (row.name, row.ok, row.asked, row.do) == ("public address", True, False, "Ask elsewhere.")
