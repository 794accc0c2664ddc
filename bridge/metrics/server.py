"""The listener of the metrics: `GET /metrics`, Prometheus text, and nothing else.

Rules of this module: figures are read on each request. Metrics never stop a line: a port that is in use is tried again, and
when the database fails the answer is 503, which Prometheus shows as `up == 0`. No request is logged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web
from prometheus_client import ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from bot.model.desk import Desk
from bridge.config.sections import Config, MetricsSettings
from bridge.metrics import figures
from bridge.metrics.carrier_probe import CarrierProbe
from bridge.metrics.inbox_age import InboxAge
from bridge.runtime import log
from bridge.services import Services
from bridge.storage.errors import DatabaseError

LISTEN_RETRY_SECONDS: Final = 10.0
CANARY_FILE: Final = "canary.json"


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
