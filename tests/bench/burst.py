"""A burst of texts, and the cost of a carrier's adapter per text.

Rule of this module: as in `measures`, each figure is reported with what the same machine does without us, in the same run.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from multidict import CIMultiDict

from bridge.carriers.adapter import AdapterContext, WebhookRequest
from bridge.carriers.vendors import registry, telnyx
from bridge.config.load import load
from deploy.carrier.webhook_signatures import JSON, SIGNERS, SignedRequest
from policies.segments import segments
from tests.bench.bench_line import ROOMS, BenchLine, load_process
from tests.bench.figures import Figure, quantile, spread
from tests.deploy.carrier.sample_lines import SECRET, sample
from tests.e2e.polling import wait_until

RATE, SECONDS, FEW_SECONDS = 200, 10, 5
STRICTEST: Final = 2.0
"""The shortest time-out of a vendor for an answer, in seconds."""
TIMES: Final = 2000
TEXT: Final = "Others may see texts on your phone, watch, tablet, cloud or bill. Would another way be safer? ñ {ok} " * 3


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


async def per_text(line: BenchLine, *, full: bool) -> list[Figure]:
    """Measure the CPU time for one signature and for splitting one text."""
    with tempfile.TemporaryDirectory(prefix="quietline-bench-") as directory:
        every = sorted(registry.CARRIER_KINDS.keys() - {"rehearsal"})
        costs = {kind: await _signature(Path(directory), kind) for kind in every}
    message = TEXT.encode()
    bare = _each(lambda: hmac.new(SECRET.encode(), message, hashlib.sha256).digest())
    dearest = max(costs, key=lambda kind: costs[kind])
    return [
        Figure(
            name="signature_per_text",
            unit="µs",
            value=costs[dearest],
            ceiling=bare,
            ceiling_is="one HMAC-SHA256 over 300 bytes",
            aim="none",
            definition=(
                f"Verifying one short webhook, mean of {TIMES}: the dearest adapter ({dearest}), others in by_kind. "
                "Telnyx's (Ed25519) is made with a key of the benchmark's, for only the vendor has its own."
            ),
            more={"by_kind": {kind: round(cost, 1) for kind, cost in costs.items()}},
        ),
        Figure(
            name="segmentation_per_text",
            unit="µs",
            value=_each(lambda: segments(TEXT)),
            ceiling=_each(lambda: TEXT.encode("utf-16-le")),
            ceiling_is="encoding the same text as UTF-16",
            aim="none",
            definition=f"Cutting one text of {len(TEXT)} letters, mean of {TIMES}.",
        ),
    ]


async def _signature(directory: Path, kind: str) -> float:
    """Return the microseconds of one verification. Raises AssertionError if the signature is refused."""
    config = load(sample(directory, kind))
    base = config.listen.public_base_url
    path = f"/carriers/{config.line.slug}/status"
    settings, sign = config.line.carrier, SIGNERS.get(kind)
    if isinstance(settings, telnyx.Settings):
        settings, signed = _telnyx(settings)
    else:
        assert sign is not None, f"nobody signs for {kind}"
        signed = sign(settings, base + path)
    carrier = registry.make_carrier(
        settings,
        AdapterContext(
            public_base_url=base, slug=config.line.slug, numbers=config.line.all_numbers, validity=900, clock=time.time
        ),
    )
    request = WebhookRequest(raw_path=path + signed.rest, headers=CIMultiDict(signed.headers), body=signed.body)
    try:
        assert carrier.verify(request)
        return _each(lambda: carrier.verify(request))
    finally:
        await carrier.close()


def _telnyx(settings: telnyx.Settings) -> tuple[telnyx.Settings, SignedRequest]:
    """Sign as Telnyx does, with a key made here that the returned settings trust."""
    key, timestamp = Ed25519PrivateKey.generate(), str(int(time.time()))
    signature = base64.b64encode(key.sign(f"{timestamp}|".encode() + JSON)).decode()
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    headers = {"telnyx-timestamp": timestamp, "telnyx-signature-ed25519": signature}
    return settings.model_copy(update={"public_key": public}), SignedRequest(body=JSON, headers=headers)


def _each(what: Callable[[], object]) -> float:
    started_at = time.perf_counter()
    for _ in range(TIMES):
        what()
    return (time.perf_counter() - started_at) / TIMES * 1e6
