"""The canaries of a fleet's lines in one process: each line's own, as it would run by itself.

Rules of this module: when one line's canary fails, it is restarted and the others continue. A line whose homeserver `up`
runs has its canary there and gets no second one.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import aiohttp

from bridge.config.load import ConfigError, load
from bridge.runtime import log
from deploy.canary import runner

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from bridge.config.sections import Canary, Config
    from deploy.data_dir.fleet import FleetLine

RETRY_SECONDS: Final = 30.0
"""Seconds after which a failed canary restarts, as the unit of one line does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineCanary:
    """One line's canary. `state`: the file with the result of its last trip."""

    name: str
    config: Config
    canary: Canary
    state: Path

    async def keep_running(self, http: aiohttp.ClientSession) -> None:
        """Run it until cancelled."""
        while True:
            try:
                await runner.Runner(self.config, self.canary, state=self.state, http=http).run()
            except Exception as error:  # noqa: BLE001 - after any error the other lines continue, and this one restarts
                log.failure("canary.ended", error)
            await asyncio.sleep(RETRY_SECONDS)


def canaries_of(lines: Iterable[FleetLine]) -> tuple[list[LineCanary], dict[str, str]]:
    """Return the canaries to run, and for each other line, by name, why it gets none here."""
    canaries, without = [], {}
    for line in lines:
        try:
            config = load(line.layout.config)
        except ConfigError:
            without[line.name] = "cannot be used with its configuration; `quietline check` says why"
            continue
        if config.canary is None:
            without[line.name] = "has no `canary` section"
        elif not config.homeserver.joined:
            without[line.name] = "has its canary from `quietline up`"
        else:
            state = line.layout.canary_file
            canaries.append(LineCanary(name=line.name, config=config, canary=config.canary, state=state))
    return canaries, without


async def run(canaries: Sequence[LineCanary]) -> None:
    """Run them until SIGTERM or SIGINT."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with aiohttp.ClientSession() as http:
        running = [asyncio.create_task(each.keep_running(http)) for each in canaries]
        await stop.wait()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    for each in canaries:
        with contextlib.suppress(OSError):
            each.state.unlink(missing_ok=True)


def main(canaries: Sequence[LineCanary]) -> None:
    """Run them in this process until a signal."""
    log.configure(canaries[0].config.log_level)
    asyncio.run(run(canaries))
