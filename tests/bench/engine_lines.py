"""A whole line on PostgreSQL, compared with one on SQLite and with itself beside a standby.

Rules of this module: each line has its own homeserver, of the same kind, and the three take turns, round by round, so that
the machine's load affects all equally; the line on SQLite is the ceiling. PostgreSQL is reached by loopback. The same line
is measured with and without a standby: the homeserver's work that a crowd of texts leaves behind slows down the second of
the two measurements. So each is first in turns, and before both a second bridge is started; for the measurement without one
it is stopped again.

Run alone: `python -P -m tests.bench.engine_lines [ROUNDS]`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from deploy.data_dir.layout import HOST
from deploy.stack import provision
from deploy.stack.supervisor import Child, Supervisor
from tests.bench.bench_line import ROOMS, BenchLine
from tests.bench.engines import synced_postgres
from tests.bench.figures import Figure, machine, quantile, spread
from tests.bench.measures import IN_FLIGHT, text_from_webhook
from tests.e2e.polling import wait_until
from tests.fakes.database_engine import make_line_database
from tests.fakes.postgres_server import SUPERUSER
from tests.free_ports import free_ports

ROUNDS: Final = 6
ONE_BY_ONE, MANY = 40, 400
"""Texts of a round: one at a time, and all at once."""
SETTLE_SECONDS: Final = 4.0
"""Seconds to wait after the start or the end of a second bridge, whose costs are not part of the measurement."""
ALONE, WITH_STANDBY, SQLITE = "PostgreSQL", "PostgreSQL with a standby", "SQLite"


@dataclass
class Times:
    """The results of one line: seconds of each single text, and texts a second of each round."""

    alone: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)


@asynccontextmanager
async def standby(line: BenchLine) -> AsyncIterator[None]:
    """Run a second bridge of the line as a standby during the block."""
    supervisor = Supervisor(paths=provision.child_paths(line.layout), on_child_start=lambda _name, _pid: None)
    port = free_ports()
    command = ("deploy", "bridge", "--config", str(line.layout.config), "--listen", f"{HOST}:{port}")
    supervisor.start([Child(name="standby", command=command, stop_seconds=14.0, refusal=2)])
    try:
        await wait_until("the second bridge waits", lambda: _waits(line, port), within=60)
        yield
    finally:
        await supervisor.stop(["standby"])


async def _waits(line: BenchLine, port: int) -> bool:
    try:
        async with line.http.get(f"http://{HOST}:{port}/ready") as answer:
            return str((await answer.json()).get("role")) == "standby"
    except OSError:
        return False


async def _has_all(line: BenchLine, since: int) -> bool:
    """Whether the homeserver has a round's texts, by its SQLite file: a login to PostgreSQL costs as much as a text."""
    return line.puppet_sent(since)[0] >= MANY


async def _measure(line: BenchLine, times: Times, *, counts: bool) -> None:
    """Measure a round of a line whose bridge runs. `counts`: false for the first one, which warms caches."""
    await line.wait_until_idle()
    alone = [await text_from_webhook(line, number) for number in range(ONE_BY_ONE)]
    await line.wait_until_idle()
    since = line.stream_position()
    started_at = (await line.load(line.texts(count=MANY, in_flight=IN_FLIGHT)))["begun"]
    await wait_until("the homeserver has the texts", lambda: _has_all(line, since), within=120, every=0.2)
    await line.wait_until_idle()
    accepted, last = line.puppet_sent(since)
    assert accepted == MANY, f"{accepted} events of {MANY} texts"
    if counts:
        times.alone += alone
        times.rates.append(MANY / (last - started_at))


async def engine_lines(directory: Path, rounds: int = ROUNDS) -> list[Figure]:
    """Measure all three; return no figure if there is no PostgreSQL."""
    async with synced_postgres() as server:
        if server is None:
            return []
        url = await make_line_database("bench_line", server.url(SUPERUSER))
        async with BenchLine.running(directory / "a") as sqlite, BenchLine.running(directory / "b", url) as postgres:
            for line in (sqlite, postgres):
                await line.start_bridge(forwarded=True)
                await line.open_threads(ROOMS)
            times = {SQLITE: Times(), ALONE: Times(), WITH_STANDBY: Times()}
            for number in range(rounds + 1):
                sys.stderr.write(f"engine_lines: round {number} of {rounds}\n")
                await _measure(sqlite, times[SQLITE], counts=number > 0)
                for has_standby in (False, True) if number % 2 else (True, False):
                    async with AsyncExitStack() as stack:
                        await stack.enter_async_context(standby(postgres))
                        if not has_standby:
                            await stack.aclose()
                        await asyncio.sleep(SETTLE_SECONDS)
                        await _measure(postgres, times[WITH_STANDBY if has_standby else ALONE], counts=number > 0)
    return [
        figure
        for name, value, ceiling in (("engine_line", ALONE, SQLITE), ("standby_line", WITH_STANDBY, ALONE))
        for figure in _figures(name, value, times[value], ceiling, times[ceiling])
    ]


def _figures(name: str, value: str, times: Times, ceiling: str, beside: Times) -> list[Figure]:
    return [
        Figure(
            name=f"{name}_latency_p50",
            unit="ms",
            value=quantile(times.alone, 0.5) * 1000,
            ceiling=quantile(beside.alone, 0.5) * 1000,
            ceiling_is=f"{ceiling}, in turns with it",
            aim="<= 1.25 x" if ceiling == SQLITE else "<= 1 x",
            definition=f"{value}: from a signed webhook to the homeserver's answer to the text's event, one at a time.",
            more={"value_ms": spread(times.alone), "ceiling_ms": spread(beside.alone)},
        ),
        Figure(
            name=f"{name}_throughput",
            unit="1/s",
            value=quantile(times.rates, 0.5),
            ceiling=quantile(beside.rates, 0.5),
            ceiling_is=f"{ceiling}, in turns with it",
            aim=">= 0.9 x" if ceiling == SQLITE else ">= 1 x",
            definition=f"{value}: {MANY} texts into {ROOMS} threads, {IN_FLIGHT} webhooks in flight; the median round.",
            more={"rounds": [round(x, 1) for x in times.rates], "ceiling_rounds": [round(x, 1) for x in beside.rates]},
        ),
    ]


def main() -> None:
    """Measure, and print as JSON."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory(prefix="quietline-engine-lines-") as directory:
        path = Path(directory)
        report = {"before": machine(path), "figures": [each.as_json() for each in asyncio.run(engine_lines(path, rounds))]}
        sys.stdout.write(json.dumps({**report, "after": machine(path)}, indent=2) + "\n")


if __name__ == "__main__":
    main()
