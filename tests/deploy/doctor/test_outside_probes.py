"""What others see of a line: the time, and the address where nobody is."""

from __future__ import annotations

import time
from email.utils import formatdate
from pathlib import Path

import aiohttp
import pytest

from bridge.config.load import load
from deploy.carrier import carrier_check
from deploy.carrier.carrier_check import check_public_address
from deploy.doctor import outside_probes
from deploy.doctor.outside_probes import ask_public_address, judge_skew, skew_of
from deploy.inspect.check_report import CheckResult
from tests.bridge.carriers.carrier_line import carrier_line
from tests.deploy.carrier.sample_lines import adapter_of, sample
from tests.free_ports import free_ports


@pytest.mark.parametrize(("offset", "ok"), [(0, True), (50, True), (-50, True), (400, False), (-400, False)])
def test_minutes_beside_the_carriers_clock_are_told(offset: int, ok: bool) -> None:
    """Signatures end after five minutes: more than one is not well, in either direction, and says in which."""
    now = time.time()
    skew = skew_of(formatdate(now - offset, usegmt=True), now)
    assert skew is not None
    row = judge_skew(skew)
    assert (row.name, row.ok, bool(row.do)) == ("clock", ok, not ok)
    assert ok or ("ahead of" if offset > 0 else "behind") in row.what


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


async def test_plain_http_in_a_network_of_ours_stays_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `carrier check` warns of is said by `doctor` too, beside what came of calling the address; a fault stays one."""

    async def runs(*_words: object) -> bool:
        return True

    monkeypatch.setattr(outside_probes, "is_live", runs)
    # This machine's address stands for one of a network of ours.
    monkeypatch.setattr(carrier_check, "is_loopback_host", lambda _host: False)
    port = free_ports(1)
    config = load(sample(tmp_path, "kannel", base=f"http://127.0.0.1:{port}", api_base="http://10.0.0.5:13013"))
    warned = check_public_address(config)
    assert (warned.ok, warned.warning) == (True, True)
    config = config.model_copy(update={"lines": (config.line.model_copy(update={"slug": "demo"}),)})
    carrier = adapter_of(config)
    (tmp_path / "line").mkdir()
    async with aiohttp.ClientSession() as http:
        async with carrier_line(tmp_path / "line", carrier, port=port):
            (row,) = await ask_public_address(config, http)
        rows = await ask_public_address(config, http)
    await carrier.close()
    assert (row.ok, row.warning, row.do) == (True, True, warned.do)
    assert row.what.startswith(f"{warned.what}; refuses strangers")
    assert [(row.name, row.ok, row.warning) for row in rows] == [
        ("public address", False, False),
        ("silence", False, False),
    ]
