"""The listener of the metrics: `GET /metrics`, Prometheus text, and nothing else.

Rules of this module: figures are read on each request. Metrics never stop a line: a port that is in use is tried again, and
when the database fails the answer is 503, which Prometheus shows as `up == 0`. No request is logged.

Two figures are measured between requests. Whether the carrier answers, for a line that sends nothing for hours: the front
page of its address is requested, without a login and without data about this line, and any HTTP answer counts; a refused
login shows in the line's own requests, and in `quietline carrier check`. How long the oldest event has been in the inbox,
which has no times: its sequence numbers are read every few seconds, and an age counts from the first read that found the
event or a later one. Events that were there at the start count from the start.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web
from prometheus_client import ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from bot.model.desk import Desk
from bridge.background.loop import BackgroundLoop
from bridge.config.sections import Config, MetricsSettings
from bridge.metrics import figures
from bridge.runtime import log
from bridge.services import Services
from bridge.storage.errors import DatabaseError
from bridge.tables import inbox

LISTEN_RETRY_SECONDS: Final = 10.0
CANARY_FILE: Final = "canary.json"
ASK_INTERVAL: Final = 30.0
"""Seconds between two questions."""
TIMEOUT: Final = aiohttp.ClientTimeout(total=5)
LOOK_INTERVAL: Final = 5.0
"""Seconds between two looks: as many may be missing from an age."""


class MetricsServer:
    """Serves the metrics of one bridge. `run` until cancelled."""

    def __init__(
        self,
        services: Services,
        *,
        config: Config,
        settings: MetricsSettings,
        http: aiohttp.ClientSession,
        desk: Callable[[], Desk],
        is_ready: Callable[[], bool],
        run_directory: Path | None,
    ) -> None:
        """Make it. `desk`: as it was last decided; `run_directory`: where a canary beside us leaves its file."""
        self._services, self._settings, self._data = services, settings, config.data_dir
        self._desk, self._is_ready = desk, is_ready
        self._has_canary = config.canary is not None
        self._canary = run_directory / CANARY_FILE if self._has_canary and run_directory is not None else None
        self._probe = CarrierProbe(url=config.line.carrier.api_base, http=http)
        self._inbox_age = InboxAge(services)
        ProcessCollector(registry=services.measurements.registry)

    async def run(self) -> None:
        """Listen until cancelled."""
        application = web.Application(client_max_size=1024)
        application.add_routes([web.get("/metrics", self._answer)])
        runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._probe.loop.run())
                group.create_task(self._inbox_age.loop.run())
                await self._listen(runner)
        finally:
            await runner.cleanup()

    async def _listen(self, runner: web.AppRunner) -> None:
        host, port = self._settings.address
        while True:
            site = web.TCPSite(runner, host, port)
            try:
                await site.start()
            except OSError as error:
                log.failure("metrics.not_listening", error, port=port)
                await site.stop()
                await asyncio.sleep(LISTEN_RETRY_SECONDS)
            else:
                log.event("metrics.listening", port=port)
                return

    async def _answer(self, _request: web.Request) -> web.Response:
        try:
            body = await self.text()
        except (DatabaseError, OSError) as error:
            log.failure("metrics.not_read", error)
            return web.Response(status=503)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    async def text(self) -> bytes:
        """Read everything, and write it as Prometheus text. Raises `DatabaseError`."""
        desk, measured = self._desk(), self._services.measurements
        line = figures.LineState(
            ready=self._is_ready(),
            people_on_duty=sum(member.on_duty for member in desk.roster),
            waiting_since=(
                *(entry.since for entry in desk.waiting),
                *(entry.since for entry in desk.flood.crowd.values()),
            ),
            carrier_up=self._carrier_up(),
            has_canary=self._has_canary,
        )
        snapshot = await figures.read(
            self._services, line, inbox_oldest=await self._inbox_age.seconds(), data=self._data, canary=self._canary
        )
        return generate_latest(figures.FigureCollector(snapshot)) + generate_latest(measured.registry)

    def _carrier_up(self) -> bool | None:
        answers, probe_answers = self._services.measurements.carrier_answers(), self._probe.answers
        return False if answers is False or probe_answers is False else True if answers or probe_answers else None


class CarrierProbe:
    """Asks while its `loop` runs. `answers` is None before the first question is over."""

    def __init__(self, *, url: str, http: aiohttp.ClientSession) -> None:
        self._url, self._http = url, http
        self.answers: bool | None = None
        self.loop = BackgroundLoop("metrics.carrier_probe", self.run_once, max_sleep=ASK_INTERVAL)

    async def run_once(self) -> float:
        """Ask once; return the seconds until the next question."""
        try:
            async with self._http.get(self._url, timeout=TIMEOUT, allow_redirects=False):
                self.answers = True
        except (aiohttp.ClientError, TimeoutError, OSError):
            self.answers = False
        return ASK_INTERVAL


class InboxAge:
    """Looks while its `loop` runs."""

    def __init__(self, services: Services, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database, self._monotonic = services.database, monotonic
        self._looks: deque[tuple[int, float]] = deque()
        self.loop = BackgroundLoop("metrics.inbox_age", self.run_once, max_sleep=LOOK_INTERVAL)

    async def run_once(self) -> float:
        """Look once; return the seconds until the next look. A database that fails is for the line's loops to settle."""
        with contextlib.suppress(DatabaseError):
            await self.seconds()
        return LOOK_INTERVAL

    async def seconds(self) -> float:
        """Read the inbox, and return for how long the oldest event has been there; 0 when it is empty."""
        oldest, newest = await inbox.oldest_seq(self._database), await inbox.newest_seq(self._database)
        if oldest is None or newest is None:
            self._looks.clear()
            return 0.0
        now = self._monotonic()
        if not self._looks or newest > self._looks[-1][0]:
            self._looks.append((newest, now))
        while self._looks[0][0] < oldest:
            self._looks.popleft()
        return now - self._looks[0][1]
