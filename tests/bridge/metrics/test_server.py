"""The listener of the metrics: what Prometheus gets, and what nobody gets."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from bot.model.actions import SendMessage
from bridge.metrics import server
from bridge.metrics.server import TRANSPORTS, MetricsServer
from bridge.storage.errors import Unavailable
from tests.bridge.metrics.samples import samples, value
from tests.bridge.metrics.table import MONITORING
from tests.e2e.polling import wait_until
from tests.fakes.bridge_harness import HANDSET, NUMBER, BridgeHarness
from tests.free_ports import free_ports
from tests.outside_programs import OutsidePrograms

WORDS = "please call nobody at home"
LABELS = {
    "brought": re.compile("inbound|report"),
    "status": re.compile("[1-5][0-9][0-9]"),
    "to": re.compile("|".join(TRANSPORTS)),
    "outcome": re.compile("accepted|rejected|try_later|unknown"),
    "le": re.compile(r"[0-9.]+|\+Inf"),
}
"""Every label that may be there, and what may stand in it."""
BINDING = (
    "quietline_inbox_oldest_seconds",
    "quietline_outbox_oldest_seconds",
    "quietline_texts_not_kept_total",
    "quietline_texts_unknown",
    "quietline_carrier_up",
    "quietline_last_text_seconds",
    "quietline_people_on_duty",
    "quietline_sync_age_seconds",
    "quietline_backup_age_seconds",
    "quietline_canary_ok",
)
"""Names that are kept from one version to the next."""


@asynccontextmanager
async def listening(metrics: MetricsServer) -> AsyncIterator[str]:
    """Serve the metrics for the length of the block; yields the base URL."""
    running = asyncio.create_task(metrics.run())
    host, port = metrics._settings.address
    url = f"http://{host}:{port}"

    async def answers() -> bool | None:
        with suppress(aiohttp.ClientError):
            async with metrics._probe._http.get(f"{url}/nothing") as answer:
                return answer.status == 404 or None
        return None

    try:
        await wait_until("the metrics listen", answers, every=0.02)
        yield url
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_a_scrape_is_prometheus_text_with_every_binding_name(metrics: MetricsServer) -> None:
    """Each name of the contract is there from the first scrape on, with one value and no label; so is the process."""
    async with listening(metrics) as url, aiohttp.ClientSession() as http, http.get(f"{url}/metrics") as answer:
        text = await answer.read()
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    for name in BINDING:
        value(text, name)
    assert value(text, "process_resident_memory_bytes") > 0


async def test_prometheus_itself_takes_them(
    metrics: MetricsServer, tmp_path: Path, outside_programs: OutsidePrograms
) -> None:
    """The real program with the files that come with Quietline scrapes the line, has its figures and finds no alarm."""
    if (program := outside_programs.find("prometheus")) is None:
        return
    host, port = metrics._settings.address
    written = (MONITORING / "prometheus.yaml").read_text(encoding="utf-8")
    for old, new in (("127.0.0.1:9464", f"{host}:{port}"), ("15s", "10s"), ("127.0.0.1:9093", "127.0.0.1:1")):
        assert old in written
        written = written.replace(old, new)
    (tmp_path / "prometheus.yaml").write_text(written)
    (tmp_path / "rules.yaml").write_bytes((MONITORING / "rules.yaml").read_bytes())
    own = f"127.0.0.1:{free_ports()}"
    words = (f"--config.file={tmp_path / 'prometheus.yaml'}", f"--storage.tsdb.path={tmp_path / 'series'}")
    async with listening(metrics), aiohttp.ClientSession() as http:
        with (tmp_path / "output").open("wb") as output:
            running = await asyncio.create_subprocess_exec(
                program, *words, f"--web.listen-address={own}", stdout=output, stderr=output
            )
        try:

            async def asked(query: str) -> list[float] | None:
                assert running.returncode is None, (tmp_path / "output").read_text()
                with suppress(aiohttp.ClientError):
                    async with http.get(f"http://{own}/api/v1/query", params={"query": query}) as answer:
                        values = [float(each["value"][1]) for each in (await answer.json())["data"]["result"]]
                        return values or None
                return None

            await wait_until("Prometheus has scraped", lambda: asked('up{job="quietline"} == 1'), every=0.2)
            assert await asked("quietline_texts_unknown") == [0]
            assert await asked('count(ALERTS{alertstate="firing"}) or vector(0)') == [0]
        finally:
            running.terminate()
            await running.wait()


async def test_nothing_else_is_served(metrics: MetricsServer) -> None:
    """Neither webhooks nor readiness: a proxy that shows this listener by mistake shows nothing but numbers."""
    async with listening(metrics) as url, aiohttp.ClientSession() as http:
        for path in ("/", "/ready", "/live", "/carriers/main/inbound"):
            async with http.get(url + path) as answer:
                assert answer.status == 404
        async with http.post(f"{url}/metrics") as answer:
            assert answer.status == 405


async def test_no_metric_names_anybody(harness: BridgeHarness, metrics: MetricsServer) -> None:
    """After a conversation no number, word, thread, room or account is there, and every label has a word of its list."""
    await harness.run()
    owner = await harness.receive_text(WORDS, message_id="carrier-id-1")
    await harness.wait_until_drained()
    await harness.note_room("!room:quietline.localhost", owner)
    text = await metrics.text()
    thread = await harness.thread(owner)
    planted = (HANDSET[1:], NUMBER[1:], WORDS, owner, thread.designation, "carrier-id-1", "!room", "@", "quietline.local")
    assert value(text, "quietline_last_text_seconds") >= 0
    assert [word for word in planted if word.encode() in text] == []
    for sample in samples(text):
        assert sample.name.startswith(("quietline_", "process_"))
        for label, word in sample.labels.items():
            assert LABELS[label].fullmatch(word), (sample.name, label)


async def test_a_texts_way_is_counted_and_timed(harness: BridgeHarness, metrics: MetricsServer) -> None:
    """From its arrival to its message in the room, once, however many pieces and messages there are."""
    await harness.run()
    owner = await harness.receive_text("words " * 2000, message_id="one")
    await harness.wait_until_drained()
    measured = harness.services.measurements
    refs = [a.ref for o, a in harness.shown if o == owner and isinstance(a, SendMessage)]
    assert len([ref for ref in refs if ref.startswith("in:")]) > 1
    for ref in refs:
        measured.record_text_shown(ref)  # what the sender of rooms does with each
    assert value(await metrics.text(), "quietline_text_to_room_seconds_count") == 1


async def test_a_database_that_fails_is_a_503(
    harness: BridgeHarness, metrics: MetricsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prometheus sees `up == 0`; the listener and the bridge go on."""

    async def fails(*_arguments: object, **_more: object) -> None:
        raise Unavailable("disk")

    async with listening(metrics) as url, aiohttp.ClientSession() as http:
        with monkeypatch.context() as patched:
            patched.setattr(server, "read_figures", fails)
            async with http.get(f"{url}/metrics") as answer:
                assert answer.status == 503
        async with http.get(f"{url}/metrics") as answer:
            assert answer.status == 200
