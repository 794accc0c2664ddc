"""Makes round trips for ever, and reports each: to the line, to the person on call, and in a file.

Rules of this module: a failed trip is reported at once. The line tells the desk and calls the person on call; when the line
does not accept the report, this module calls, once until a trip succeeds. `run/canary.json` has the result in any case:
`{"ok", "step", "seconds", "at"}`, mode 0600. After a failure the next trip comes sooner, so that a recovery is reported
soon. A failure within the first minutes after the start, before any success, is not reported: the line may still be
starting.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import time
from typing import TYPE_CHECKING, Final

import aiohttp

from bot.model.line_incidents import CanaryStep
from bridge.config.sections import CANARY_ERASURE_SECONDS
from bridge.outbound import pager
from bridge.runtime import log
from bridge.runtime.canary_keys import CanaryKeys
from bridge.runtime.settings import read_secret
from deploy.canary.account import signed_in
from deploy.canary.handsets import CanaryRouteClient, RehearsalHandset, Unreachable, wait_until
from deploy.canary.round_trip import Trip, make_trip
from deploy.data_dir.atomic_files import make_private_directory, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.config.sections import Canary, Config
    from deploy.canary.account import CanaryClient

AFTER_FAILURE: Final = 30.0
"""The most seconds until the next trip after a failed one."""
AT_START: Final = 180.0
START_RETRY: Final = 5.0
SESSION_SECONDS: Final = 86_400.0
"""Seconds after which it signs in as another device."""
JITTER: Final = 0.2
"""The random variation of an interval, as a fraction of it."""


class Runner:
    """The canary of one line. `run` until cancelled."""

    def __init__(
        self, config: Config, canary: Canary, *, state: Path, http: aiohttp.ClientSession, bridge: str | None = None
    ) -> None:
        """Make it. `state`: the file with the last trip's result. `bridge`: the bridge's URL, if not its listener's."""
        self._config, self._canary, self._state, self._http = config, canary, state, http
        self._keys = CanaryKeys.derive(read_secret(canary.secret_file))
        listen = config.listen
        host = f"[{listen.host}]" if ":" in listen.host else listen.host
        self._route = CanaryRouteClient(
            http, url=bridge or f"http://{host}:{listen.port}", slug=config.line.slug, token=self._keys.route
        )
        carrier = config.line.carrier
        self._handset = (
            RehearsalHandset(http, url=carrier.api_base, number=config.line.number) if canary.handset else self._route
        )
        self._random, self._started = random.SystemRandom(), time.monotonic()
        self._was_well, self._paged = False, False
        self._unaccepted_calls, self._next_call = 0, 0.0

    async def run(self) -> None:
        """Sign in and make trips, repeatedly."""
        while True:
            try:
                async with (
                    asyncio.timeout(self._canary.limit) as signing_in,
                    signed_in(self._config, self._keys) as account,
                ):
                    signing_in.reschedule(None)
                    await self._make_trips(account)
            except (Unreachable, TimeoutError):
                await self._report(Trip(step=CanaryStep.ACCOUNT, seconds=0.0))
                await self._pause(well=False)

    async def _make_trips(self, account: CanaryClient) -> None:
        """Make trips with one device, until one fails or the device is a day old."""
        end = time.monotonic() + SESSION_SECONDS
        well = True
        while well and time.monotonic() < end:
            trip = await make_trip(self._handset, account, slow=self._canary.slow, limit=self._canary.limit)
            if trip.step is not None:
                await self._report(trip)
            if trip.step in {None, CanaryStep.SLOW}:
                erased = await self._wait_for_erasure(account, trip.room)
                if trip.step is None:
                    trip = trip if erased else Trip(step=CanaryStep.ERASURE, seconds=trip.seconds)
                    await self._report(trip)
            well = trip.step is None
            await self._pause(well=well)

    async def _wait_for_erasure(self, account: CanaryClient, room: str) -> bool:
        """Wait until all of a trip is erased; return False when it takes too long.

        The bridge or the homeserver may be started again meanwhile: that is asked once more, and nobody is called for it.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CANARY_ERASURE_SECONDS):
                for pause in (AFTER_FAILURE, 0.0):
                    try:
                        await account.wait_until_outside(room)
                        await wait_until(self._is_erased)
                    except Unreachable:
                        await asyncio.sleep(pause)
                    else:
                        return True
        return False

    async def _is_erased(self) -> bool:
        return not await self._route.count_erasures()

    async def _report(self, trip: Trip) -> None:
        """Report a trip."""
        if trip.step is not None and self._is_starting:
            log.event("canary.line_starting", kind=trip.step.value)
            return
        self._was_well = self._was_well or trip.step is None
        log.event("canary.trip", kind="ok" if trip.step is None else trip.step.value, seconds=round(trip.seconds, 1))
        self._write(trip)
        try:
            await self._route.report(trip.step, trip.seconds)
        except Unreachable:
            # Also after a success: then the line was stopped meanwhile.
            if not self._paged and time.monotonic() >= self._next_call:
                self._paged = await pager.call(self._config.line.on_call, self._http)
                self._unaccepted_calls = 0 if self._paged else self._unaccepted_calls + 1
                self._next_call = time.monotonic() + pager.retry_interval(self._unaccepted_calls)
        else:
            self._paged, self._unaccepted_calls, self._next_call = False, 0, 0.0

    @property
    def _is_starting(self) -> bool:
        return not self._was_well and time.monotonic() - self._started < AT_START

    def _write(self, trip: Trip) -> None:
        content = {
            "ok": trip.step is None,
            "step": "" if trip.step is None else trip.step.value,
            "seconds": round(trip.seconds, 1),
            "at": int(time.time()),
        }
        try:
            make_private_directory(self._state.parent)
            write_atomically(self._state, json.dumps(content) + "\n")
        except OSError as error:
            log.failure("canary.file_not_written", error)

    async def _pause(self, *, well: bool) -> None:
        every = self._canary.every * self._random.uniform(1 - JITTER, 1 + JITTER)
        sooner = START_RETRY if self._is_starting else AFTER_FAILURE
        await asyncio.sleep(every if well else min(every, sooner))


async def run(config: Config, canary: Canary, *, state: Path, bridge: str | None = None) -> None:
    """Run the canary until SIGTERM or SIGINT."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with aiohttp.ClientSession() as http:
        travelling = asyncio.ensure_future(Runner(config, canary, state=state, http=http, bridge=bridge).run())
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait((travelling, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not travelling.done():
            travelling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await travelling
        else:
            travelling.result()


def main(config: Config, canary: Canary, *, state: Path, bridge: str | None = None) -> None:
    """Run the canary in this process until a signal; an error is logged by its type and raised."""
    log.configure(config.log_level)
    asyncio.run(run(config, canary, state=state, bridge=bridge))


def password(canary: Canary) -> str:
    """Return the password of its account, for a homeserver on which the bridge does not make the account."""
    return CanaryKeys.derive(read_secret(canary.secret_file)).password
