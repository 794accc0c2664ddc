"""A burst of texts, and the cost of a carrier's adapter per text.

Rule of this module: as in `measures`, each figure is reported with what the same machine does without us, in the same run.
"""

from __future__ import annotations

import json
import time
from typing import Final

from tests.bench.bench_line import ROOMS, BenchLine, load_process
from tests.bench.figures import Figure, quantile, spread
from tests.e2e.polling import wait_until

RATE, SECONDS, FEW_SECONDS = 200, 10, 5
STRICTEST: Final = 2.0
"""The shortest time-out of a vendor for an answer, in seconds."""


async def burst(line: BenchLine, *, full: bool) -> list[Figure]:
    """Measure 200 webhooks a second for ten seconds while the engine works, then the time until nothing waits."""
    await line.start_bridge()
    await line.open_threads(ROOMS)
    await line.wait_until_idle()
    paced = {**line.texts(count=0, in_flight=0), "kind": "paced", "rate": RATE, "seconds": SECONDS}
    async with load_process({"kind": "echo"}) as process:
        assert process.stdout is not None
        port = json.loads(await process.stdout.readline())["port"]
        alone = await line.load({**paced, "url": f"http://127.0.0.1:{port}/carriers/main/inbound"})
    answers = await line.load(paced)
    ended_at = time.monotonic()
    await line.wait_until_idle()
    drained = time.monotonic() - ended_at
    return [
        Figure(
            name="burst_p99",
            unit="ms",
            value=quantile(answers["seconds"], 0.99) * 1000,
            ceiling=quantile(alone["seconds"], 0.99) * 1000,
            ceiling_is="bare aiohttp echo in a process of its own, the same generator, nothing else at work",
            aim="refused = 0",
            definition=(
                f"Signed webhooks at {RATE}/s for {SECONDS} s into existing threads, engine and homeserver at work: from "
                "the moment each was due to its 2xx read. drained_s: from the last answer until nothing waits any more."
            ),
            more={
                "refused": answers["refused"],
                "drained_s": round(drained, 1),
                "webhook_ms": spread(answers["seconds"]),
                "echo_ms": spread(alone["seconds"]),
            },
        )
    ]


async def newcomers(line: BenchLine, *, full: bool) -> list[Figure]:
    """Measure 200 first texts a second, each of another handset, acknowledged before the look-ups. It leaves a flood."""
    await line.start_bridge()
    await line.open_threads(ROOMS)
    await line.wait_until_idle()
    count = RATE * FEW_SECONDS
    first, line.handsets = line.handsets, line.handsets + count
    paced = {**line.texts(count=0, in_flight=0, first=first, handsets=count), "kind": "paced", "rate": RATE}
    job = {**paced, "seconds": FEW_SECONDS}
    async with load_process({"kind": "echo"}) as process:
        assert process.stdout is not None
        port = json.loads(await process.stdout.readline())["port"]
        alone = await line.load({**job, "url": f"http://127.0.0.1:{port}/carriers/main/inbound"})
    answers = await line.load(job)
    ended_at = time.monotonic()
    await wait_until("everybody is looked up and queued", line.looked_up, within=300, every=0.2)
    return [
        Figure(
            name="newcomers_p99",
            unit="ms",
            value=quantile(answers["seconds"], 0.99) * 1000,
            ceiling=quantile(alone["seconds"], 0.99) * 1000,
            ceiling_is="bare aiohttp echo in a process of its own, the same generator, nothing else at work",
            aim="over_2s = 0, refused = 0",
            definition=(
                f"Signed webhooks at {RATE}/s for {FEW_SECONDS} s, each the first text of a handset: from the moment each "
                "was due to its 2xx read. drained_s: from the last answer until all are looked up and on the desk's queue."
            ),
            more={
                "refused": answers["refused"],
                "over_2s": sum(seconds > STRICTEST for seconds in answers["seconds"]),
                "drained_s": round(time.monotonic() - ended_at, 1),
                "webhook_ms": spread(answers["seconds"]),
                "echo_ms": spread(alone["seconds"]),
            },
        )
    ]
