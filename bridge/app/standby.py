"""A bridge that waits: it answers, opens no key, and leads when the lease of the line is free.

Rules of this module: a webhook gets 503, so that its carrier tries it again; `/live` and `/running` 200, `/ready` 503 with
the role, `/accepting` 503; nothing is asked of the homeserver or the carrier, no identity is made, and no file is written.
When no bridge leads because its `keys.db` is too old, it reports that, and calls the person on call until a way
has accepted the call. When it takes over, its port stays open until the leading bridge takes it, so that connections are
refused only briefly.
"""

from __future__ import annotations

import asyncio
import math
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, NoReturn

import aiohttp
from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from bridge.app import line_files
from bridge.app.port import listen_patiently, try_to_listen
from bridge.config.sections import Config
from bridge.inbound.listener import make_runner
from bridge.lease.key_file_age import KeyFileUnreadable
from bridge.lease.lead import End, Lead
from bridge.lease.waiting import REFUSED_SECONDS, Waiting
from bridge.outbound import pager
from bridge.runtime import log
from bridge.runtime.clock import seconds_since_boot
from bridge.runtime.postgres_url import database_url_problem
from bridge.runtime.service_notifier import ServiceNotifier, ServiceState
from bridge.storage.errors import UnsuitableServer
from bridge.storage.postgres_connection import PostgresPlace

LARGEST: Final = 8 * 1024 * 1024
"""Largest request, in bytes, that is answered with 503; the body is not read."""
YIELD_SECONDS: Final = 5.0
"""Seconds for which a bridge that handed over does not try for the lease."""
STALE_SECONDS: Final = 60.0
"""The person on call is called when for so many seconds no bridge leads because of this bridge's `keys.db`."""
METRICS: Final = b"""\
# HELP quietline_leader 1 while this bridge leads its line, 0 while it waits to.
# TYPE quietline_leader gauge
quietline_leader 0
"""
ANOTHER_PORT: Final = "Give this bridge another one with --listen HOST:PORT, where two of them are on one machine"
"""What the operator can do when the port cannot be opened."""


class UnusableKeysAlert:
    """Called at each try at which only `keys.db` prevents the lead: reports that, and calls the person on call.

    The first call waits: the bridge that has the newer file may be restarting, or the file or its volume may still arrive.
    A call that no way accepted is repeated (`pager.retry_interval`). After an accepted one there is another only when
    another bridge has led in between, and not within an hour. `problem`: a sentence.
    """

    def __init__(self, config: Config, problem: str) -> None:
        self._config, self._problem = config, problem
        self._since = self._last = self._next_call = -math.inf
        self._is_reported, self._is_accepted, self._unaccepted_calls = False, False, 0
        self._call_task: asyncio.Task[None] | None = None

    def __call__(self) -> None:
        """Report the problem the first time; call when it has lasted for `STALE_SECONDS`."""
        now = seconds_since_boot()
        if now - self._last > STALE_SECONDS / 4:
            self._since, self._is_reported, self._is_accepted = now, False, False
        self._last = now
        if not self._is_reported:
            self._is_reported = True
            sys.stderr.write(f"{self._problem}\n")
            sys.stderr.flush()
        is_due = not self._is_accepted and now >= max(self._since + STALE_SECONDS, self._next_call)
        if is_due and (self._call_task is None or self._call_task.done()):
            self._call_task = asyncio.create_task(self._call())

    async def close(self) -> None:
        """Cancel the call."""
        if self._call_task is not None:
            self._call_task.cancel()
            await asyncio.gather(self._call_task, return_exceptions=True)

    async def _call(self) -> None:
        # Counted before the call, so that an error in it delays the next one in the same way.
        self._unaccepted_calls += 1
        self._next_call = seconds_since_boot() + pager.retry_interval(self._unaccepted_calls)
        async with aiohttp.ClientSession() as http:
            self._is_accepted = await pager.call(self._config.line.on_call, http)
        if self._is_accepted:
            self._unaccepted_calls, self._next_call = 0, seconds_since_boot() + pager.CALL_INTERVAL_SECONDS


@dataclass(slots=True)
class StartupListener:
    """The HTTP listener of this bridge while it waits, and while it starts to lead."""

    config: Config
    role: str = "standby"
    _runners: list[web.AppRunner] = field(default_factory=list)

    async def open(self) -> None:
        """Listen on the leader's addresses. Raises `CannotStart`; without metrics if only their port is taken."""
        routes = [
            web.get("/live", self._answer_live),
            web.get("/running", self._answer_live),
            web.get("/ready", self._answer_ready),
            web.get("/accepting", self._refuse),
            web.route("*", "/{path:carriers/.*}", self._refuse),
        ]
        where = self.config.listen
        webhooks = await self._set_up(make_runner(routes, largest=LARGEST))
        await listen_patiently(webhooks, where.host, where.port, remedy=ANOTHER_PORT)
        if self.config.metrics is not None:
            metrics = await self._set_up(make_runner([web.get("/metrics", self._answer_metrics)], largest=1024))
            if await try_to_listen(metrics, *self.config.metrics.address) is not None:
                log.event("metrics.port_taken", port=self.config.metrics.address[1])
        log.event("bridge.waiting", port=where.port)

    async def close(self) -> None:
        """Close the ports. A second call does nothing."""
        runners, self._runners = self._runners, []
        for runner in runners:
            await runner.cleanup()

    async def _set_up(self, runner: web.AppRunner) -> web.AppRunner:
        await runner.setup()
        self._runners.append(runner)
        return runner

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
) -> tuple[Lead, StartupListener]:
    """Wait until this bridge leads; the stack gives the lease up last. `server`: the URL of the database.

    `handed_over`: this bridge has just led, and another should lead now. `any_keys`: a person says that this `keys.db` is
    to be used, even if the last leader had a newer one.

    Raises `CannotStart` and `CannotStartYet`; once it waits, it also waits for a server that does not answer.
    """
    main = config.data_dir / line_files.MAIN
    place, keys = PostgresPlace(server, main.stem), config.data_dir / line_files.KEYS
    front = StartupListener(config)
    missing, stale = (UnusableKeysAlert(config, say(keys)) for say in (line_files.missing_keys, line_files.stale_keys))
    waiting = Waiting(
        place,
        keys,
        end=end,
        any_keys=any_keys,
        on_missing=missing,
        on_stale=stale,
        find_again=partial(_current_place, config),
    )
    for each in (missing, stale, waiting, front):
        stack.push_async_callback(each.close)
    try:
        with line_files.startup_errors(main, server=server):
            lead = None if handed_over else await _try_first(waiting)
            if lead is None:
                lead = await _wait(waiting, front, handed_over=handed_over)
    except KeyFileUnreadable as error:
        with line_files.startup_errors(keys, may_wait=True):
            raise error.why from None
        raise
    front.role = "starting"
    lead.start()
    stack.push_async_callback(lead.close)
    return lead, front


def _current_place(config: Config, before: PostgresPlace) -> PostgresPlace:
    """Return the database's place from the file with its URL: the password there may have changed."""
    try:
        url = config.database_url
    except (OSError, ValueError):
        return before
    return before if url is None or database_url_problem(url) else replace(before, url=url)


async def _try_first(waiting: Waiting) -> Lead | None:
    """Try once. When the server refuses us, say so on stderr; it is tried again for a minute."""
    try:
        return await waiting.try_once()
    except UnsuitableServer as error:
        if not waiting.may_succeed_later(error):
            raise
        sys.stderr.write(f"{line_files.unsuitable_server(error)}. It is asked again for {REFUSED_SECONDS:.0f} seconds.\n")
        sys.stderr.flush()
        return None


async def _wait(waiting: Waiting, front: StartupListener, *, handed_over: bool) -> Lead:
    """Listen and wait for the lead at the same time: a taken port must not keep the bridge from leading."""
    leading = asyncio.create_task(_run_after_another(waiting) if handed_over else waiting.run())
    answering = asyncio.create_task(_answer(front))
    try:
        await asyncio.wait((leading, answering), return_when=asyncio.FIRST_COMPLETED)
        if not leading.done():
            answering.result()
        return leading.result()
    finally:
        for task in (leading, answering):
            task.cancel()
        await asyncio.gather(leading, answering, return_exceptions=True)


async def _run_after_another(waiting: Waiting) -> Lead:
    await waiting.wait_for_new_leader(YIELD_SECONDS)
    return await waiting.run()


async def _answer(front: StartupListener) -> NoReturn:
    """Listen, and then report to systemd that the service is ready: a standby is of use."""
    await front.open()
    notifier = ServiceNotifier.of()
    notifier.tell(ServiceState.READY)
    while True:
        if notifier.listens:
            notifier.tell(ServiceState.ALIVE)
        await asyncio.sleep(notifier.interval)
