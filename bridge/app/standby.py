"""A bridge that waits: it answers, opens no key, and leads when the lease of the line is free.

Rules of this module: a webhook gets 503, which every carrier repeats; `/live` 200, `/ready` 503 with the role; nothing is
asked of the homeserver or the carrier, no identity is made, and no file is written. The port stays open until the bridge
that leads now takes it, so that the start in between refuses no connection for long.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from bridge.app import line_files
from bridge.app.line_files import CannotStart
from bridge.config import Config
from bridge.inbound.webhook import make_runner
from bridge.lease.lead import End, Lead
from bridge.lease.waiting import Waiting
from bridge.runtime import log
from bridge.runtime.service_notifier import ServiceNotifier, ServiceState
from bridge.storage.postgres_connection import PostgresPlace

LARGEST: Final = 8 * 1024 * 1024
"""Bytes of the largest request that is answered with 503; none is read."""
YIELD_SECONDS: Final = 5.0
"""Seconds in which a bridge that handed over leaves the lease to another."""
METRICS: Final = b"""\
# HELP quietline_leader 1 while this bridge leads its line, 0 while it waits to.
# TYPE quietline_leader gauge
quietline_leader 0
"""
IN_USE: Final = (
    "in use by another program. Give this bridge another port with --listen HOST:PORT, where two of them are on one machine"
)


@dataclass(slots=True)
class Front:
    """What is answered while this bridge waits, and while it starts to lead."""

    config: Config
    role: str = "standby"
    _runners: list[web.AppRunner] = field(default_factory=list)

    async def open(self) -> None:
        """Listen. Raises `CannotStart` when the port is taken; metrics are left out where theirs is."""
        routes = [
            web.get("/live", self._answer_live),
            web.get("/ready", self._answer_ready),
            web.route("*", "/{path:carriers/.*}", self._refuse),
        ]
        where = self.config.listen
        if not await self._listen(make_runner(routes, largest=LARGEST), where.host, where.port):
            raise CannotStart([f"port {where.port}: {IN_USE}."])
        if self.config.metrics is not None:
            metrics = make_runner([web.get("/metrics", self._answer_metrics)], largest=1024)
            if not await self._listen(metrics, *self.config.metrics.address):
                log.event("metrics.port_taken", port=self.config.metrics.address[1])
        log.event("bridge.waiting", port=where.port)

    async def close(self) -> None:
        """Let go of the ports. A second time does nothing."""
        runners, self._runners = self._runners, []
        for runner in runners:
            await runner.cleanup()

    async def _listen(self, runner: web.AppRunner, host: str, port: int) -> bool:
        await runner.setup()
        self._runners.append(runner)
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError:
            return False
        return True

    async def _answer_live(self, _request: web.Request) -> web.Response:
        return web.Response()

    async def _answer_ready(self, _request: web.Request) -> web.Response:
        return web.json_response({"role": self.role}, status=503)

    async def _answer_metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=METRICS, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    async def _refuse(self, _request: web.Request) -> web.Response:
        return web.Response(status=503, headers={"Retry-After": "2"})


async def wait_for_lead(
    config: Config, server: str, *, stack: AsyncExitStack, end: End, handed_over: bool = False, any_keys: bool = False
) -> tuple[Lead, Front]:
    """Wait until this bridge leads; the stack lets go of it, last of all. `server`: the URL of the database.

    `handed_over`: it led just now, and is to leave the lease to another. `any_keys`: a person says that this `keys.db` is
    to be used, also where the last leader had a newer one.

    Raises `CannotStart` and `ServerAway`; once it waits, a server that is away is waited for.
    """
    main = config.data_dir / line_files.MAIN
    place, keys = PostgresPlace(server, main.stem), config.data_dir / line_files.KEYS
    waiting, front = Waiting(place, keys, end=end, any_keys=any_keys), Front(config)
    stack.push_async_callback(waiting.close)
    stack.push_async_callback(front.close)
    with line_files.opening(main, server=server):
        lead = None if handed_over else await waiting.try_once()
        if lead is None:
            await front.open()
            alive = asyncio.create_task(_say_alive())
            try:
                if handed_over:
                    await waiting.leave_to_others(YIELD_SECONDS)
                lead = await waiting.run()
            finally:
                alive.cancel()
    front.role = "starting"
    lead.start()
    stack.push_async_callback(lead.close)
    return lead, front


async def _say_alive() -> None:
    """Tell systemd that this is what it was started for: one that waits is of use."""
    notifier = ServiceNotifier.of()
    notifier.tell(ServiceState.READY)
    while notifier.listens:
        notifier.tell(ServiceState.ALIVE)
        await asyncio.sleep(notifier.interval)
