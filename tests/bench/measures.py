"""The benchmarks. Each takes a running line and returns its figures.

Rule of this module: a figure and its ceiling are measured in turns in the same minutes, by the same clock and the same
instrument, so that a busy machine slows down both.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final
from urllib.parse import quote

from bridge.runtime.program import ROOT
from deploy.stack.readiness import BridgeReady
from deploy.stack.supervisor import child_environment
from tests.bench.bench_line import DEVICE, PLAIN, ROOMS, TEXT, BenchLine, encrypted, handset, load_process, mxid
from tests.bench.figures import Figure, quantile, spread, sync_times
from tests.bench.load_generator import Sender, send_url
from tests.planted import PLANTED, Kind

PAUSE: Final = 0.08
"""Seconds between two timed acts, so that the work left by the first does not affect the second."""
IN_FLIGHT: Final = 32


async def latency(line: BenchLine, *, full: bool, threads: int = ROOMS) -> list[Figure]:
    """Time one text after another into existing threads, in turns with raw sends, until the answer passes the forwarder."""
    rooms = min(ROOMS, threads)
    await line.start_bridge(forwarded=True)
    await line.open_threads(rooms)
    await line.wait_until_idle()
    texts: list[float] = []
    webhooks: list[float] = []
    raw: list[float] = []
    syncs: list[float] = []
    for number in range(-5, 200 if full else 60):
        each = [
            await _raw(line, number),
            await _text(line, number, rooms=rooms),
            await text_from_webhook(line, number, rooms=rooms),
        ]
        if number >= 0:
            for times, one in zip((raw, texts, webhooks), each, strict=True):
                times.append(one)
            syncs += sync_times(line.layout.data, times=1)
    concurrent = {
        "text_ms": spread(texts),
        "raw_ms": spread(raw),
        "fdatasync_ms": spread(syncs),
        "from_webhook_ms": spread(webhooks),
        "threads": line.handsets,
    }
    definition = (
        "From the begin of POST /api/texts at the rehearsal carrier to the first byte of the homeserver's 200 to the "
        "texter puppet's PUT send; one at a time, existing threads, a pause between. Ceiling: a PUT send of an event of "
        "the same size by one client, in turns with it; bridge and ceiling through one byte forwarder. from_webhook_ms: "
        "the same from the begin of the signed webhook."
    )
    return [
        Figure(
            name=f"latency_p{int(part * 100)}",
            unit="ms",
            value=quantile(texts, part) * 1000,
            ceiling=quantile(raw, part) * 1000,
            ceiling_is=f"raw PUT send, p{int(part * 100)}",
            aim=aim,
            definition=definition,
            more=concurrent if part == 0.5 else {},
        )
        for part, aim in ((0.5, "ratio <= 1.2"), (0.95, "ratio <= 2"))
    ]


async def throughput(line: BenchLine, *, full: bool) -> list[Figure]:
    """Measure texts a second at full speed, in turns with raw sends, from the same load generator."""
    await line.start_bridge()
    await line.open_threads(ROOMS)
    count, rounds = (1000, 3) if full else (400, 3)
    texts: list[float] = []
    raw: list[float] = []
    bare: list[float] = []
    with_reader: list[float] = []
    cpu: list[float] = []
    for _ in range(rounds):
        for rates, device, reader in ((bare, "", False), (with_reader, DEVICE, True), (raw, DEVICE, False)):
            await line.wait_until_idle()
            since = line.stream_position()
            job = line.sends(count=count, in_flight=IN_FLIGHT, device=device, reader=reader)
            started_at = (await line.load(job))["begun"]
            rates.append(count / (line.plain_sent(since)[1] - started_at))
        since, cpu_before = line.stream_position(), line.cpu()
        started_at = (await line.load(line.texts(count=count, in_flight=IN_FLIGHT)))["begun"]
        await line.wait_until_idle()
        cpu.append((line.cpu() - cpu_before) / count)
        accepted, last = line.puppet_sent(since)
        assert accepted == count, f"{accepted} events of {count} texts"
        texts.append(count / (last - started_at))
    return [
        Figure(
            name="throughput",
            unit="events/s",
            value=statistics.median(texts),
            ceiling=statistics.median(raw),
            ceiling_is="raw PUT send, 32 in flight, 50 rooms",
            aim="ratio >= 0.85",
            definition=(
                f"{count} signed webhooks of {ROOMS} handsets, {IN_FLIGHT} in flight, from a load generator of its own: "
                "texts divided by the time from the first webhook to the last event's received_ts at the homeserver. "
                f"Ceiling: {count} raw sends by the same generator and instrument, each as a device like ours, so that the "
                "homeserver knows it again after a restart; rounds_without_device: as none. ratio_with_reader: by "
                "raw sends while a member of all the rooms syncs without a pause; aim 0.92 at least. Copies at the carrier "
                "are deleted when the texts are through. Median of rounds in turns."
            ),
            more={
                "ratio_with_reader": round(statistics.median(texts) / statistics.median(with_reader), 3),
                "rounds_with_reader": [round(x, 1) for x in with_reader],
                "rounds": [round(x, 1) for x in texts],
                "rounds_raw": [round(x, 1) for x in raw],
                "rounds_without_device": [round(x, 1) for x in bare],
            },
        ),
        Figure(
            name="bridge_cpu_per_text",
            unit="ms",
            value=statistics.median(cpu) * 1000,
            ceiling=0.0,
            ceiling_is="nothing",
            aim="value <= 2",
            definition=(
                "CPU of the bridge's process, all its threads, over the same rounds of texts until it has nothing to do, "
                "divided by the texts. It says the same on a machine with other work."
            ),
            more={"rounds": [round(x * 1000, 2) for x in cpu]},
        ),
    ]


async def acknowledgement(line: BenchLine, *, full: bool) -> list[Figure]:
    """Time webhooks at 50 a second while the engine works, compared with an echo server before and at the same time."""
    await line.start_bridge()
    await line.open_threads(ROOMS)
    await line.wait_until_idle()
    paced = {**line.texts(count=0, in_flight=0), "kind": "paced", "rate": 50, "seconds": 20}
    async with load_process({"kind": "echo"}) as process:
        assert process.stdout is not None
        port = json.loads(await process.stdout.readline())["port"]
        url = f"http://127.0.0.1:{port}/carriers/main/inbound"
        alone = await line.load({**paced, "url": url})
        answers, concurrent = await asyncio.gather(line.load(paced), line.load({**paced, "url": url, "rate": 10}))
    await line.wait_until_idle()
    return [
        Figure(
            name="acknowledgement_p99",
            unit="ms",
            value=quantile(answers["seconds"], 0.99) * 1000,
            ceiling=quantile(alone["seconds"], 0.99) * 1000,
            ceiling_is="bare aiohttp echo in a process of its own, the same generator, nothing else at work",
            aim="value <= 8",
            definition=(
                "Signed webhooks at 50/s for 20 s into existing threads, engine, outbox and homeserver at work: from the "
                "moment each was due to its 2xx read. echo_beside_ms: the bare echo at 10/s during the same 20 s."
            ),
            more={
                "webhook_ms": spread(answers["seconds"]),
                "echo_ms": spread(alone["seconds"]),
                "echo_beside_ms": spread(concurrent["seconds"]),
            },
        )
    ]


async def first_text(line: BenchLine, *, full: bool) -> list[Figure]:
    """Time from a new handset's first text to its card at the desk."""
    ready = await line.start_bridge(forwarded=True)
    assert ready
    bridge_ready = BridgeReady.read(line.layout.bridge_file)
    assert bridge_ready is not None
    desk = f"/rooms/{quote(bridge_ready.desk_room, safe='')}/send/m.room.encrypted/"
    await line.open_threads(1)
    seconds, raw = [], []
    for _ in range(40 if full else 15):
        await line.wait_until_idle()
        await asyncio.sleep(0.3)
        number, line.handsets = line.handsets, line.handsets + 1
        seconds.append(await _timed(line, lambda request: desk in request, partial(_to_carrier, line, number)))
        await line.wait_until_idle()
        await asyncio.sleep(0.3)
        raw.append(await _raw(line, number))
    return [
        Figure(
            name="first_text_p50",
            unit="ms",
            value=quantile(seconds, 0.5) * 1000,
            ceiling=quantile(raw, 0.5) * 1000,
            ceiling_is="raw PUT send, p50",
            aim="value <= 60",
            definition=(
                "From the begin of a new handset's POST /api/texts to the first byte of the homeserver's 200 to the PUT "
                "send of its card into the desk room; a warm room is there; one at a time."
            ),
            more={"first_ms": spread(seconds), "raw_ms": spread(raw)},
        )
    ]


async def memory(line: BenchLine, *, threads: int) -> list[Figure]:
    """Measure the resident size with that many threads, and the size for each."""
    await line.start_bridge()
    bare = _resident("import bridge.app.main")
    await line.wait_until_idle()
    empty, before = line.memory(), line.handsets
    await line.open_threads(threads // 2)
    some = line.handsets
    await asyncio.sleep(5)
    half = line.memory()
    await line.open_threads(threads)
    await asyncio.sleep(5)
    whole = line.memory()
    peak = line.memory("VmHWM")
    await line.start_bridge()
    await asyncio.sleep(5)
    again = line.memory()
    more = {
        "threads": line.handsets,
        "at_first_mib": round(empty / 1024, 1),
        "at_first_threads": before,
        "peak_mib": round(peak / 1024, 1),
        "after_a_restart_mib": round(again / 1024, 1),
    }
    definition = "VmRSS of the bridge's process, the one that opened all the threads, five seconds after the last."
    return [
        Figure(
            name="memory",
            unit="MiB",
            value=whole / 1024,
            ceiling=bare / 1024,
            ceiling_is="a Python process that has imported the bridge and does nothing",
            aim="value <= 120 with 1,000 threads",
            definition=definition,
            more=more,
        ),
        Figure(
            name="memory_per_thread",
            unit="KiB",
            value=(whole - half) / max(line.handsets - some, 1),
            ceiling=0.0,
            ceiling_is="nothing",
            aim="value <= 10",
            definition=f"{definition} Slope between half of the threads and all of them.",
        ),
    ]


async def start(line: BenchLine, *, full: bool) -> list[Figure]:
    """Time from the start of the process to the first answered sync and to `/ready`."""
    if not line.handsets:
        await line.start_bridge()
        await line.open_threads(ROOMS)
    seconds, imports, interpreters = [], [], []
    for _ in range(7 if full else 3):
        await line.stop_bridge()
        imports.append(_run_python("import bridge.app.main"))
        interpreters.append(_run_python("pass"))
        synced = line.forwarder.answered(lambda request: "/v3/sync?" in request and "since=" in request)
        ready = await line.start_bridge(forwarded=True)
        seconds.append(max(ready, await asyncio.wait_for(synced, 60)) - line.spawned_at)
        await line.wait_until_idle()
    return [
        Figure(
            name="start",
            unit="s",
            value=statistics.median(seconds),
            ceiling=statistics.median(imports),
            ceiling_is="a Python process that imports the bridge and ends",
            aim="value <= 2 with 1,000 threads",
            definition=(
                "From the spawn of the bridge's process to both: GET /ready answers 200 (asked every 20 ms), and the "
                "first /sync of an identity from its cursor is answered. Median."
            ),
            more={
                "threads": line.handsets,
                "values": [round(x, 2) for x in seconds],
                "interpreter_s": round(statistics.median(interpreters), 3),
            },
        )
    ]


async def _text(line: BenchLine, number: int, *, rooms: int) -> float:
    return await _timed(line, _is_of_puppet, lambda: _to_carrier(line, number % rooms))


async def text_from_webhook(line: BenchLine, number: int, *, rooms: int = ROOMS) -> float:
    """Text by a signed webhook; return the seconds until the homeserver's answer to the event passes the forwarder."""
    sender = Sender(line.texts(count=1, in_flight=1, first=number % rooms, handsets=1), line.http)
    return await _timed(line, _is_of_puppet, lambda: sender.text(number))


async def _raw(line: BenchLine, number: int) -> float:
    url = send_url(line.forwarder.url, line.rooms[number % ROOMS], mxid(PLAIN), DEVICE)
    headers = {"Authorization": f"Bearer {line.token}"}
    content = encrypted()

    async def put() -> None:
        async with line.http.put(url, json=content, headers=headers) as answer:
            await answer.read()
            assert answer.status == 200, f"the homeserver answered {answer.status} to a raw send"

    return await _timed(line, lambda request: url.raw_path in request, put)


def _is_of_puppet(request: str) -> bool:
    return "/send/m.room.encrypted/" in request and "line-main" in request


async def _to_carrier(line: BenchLine, number: int) -> None:
    body = {"from": handset(number), "to": line.texts(count=0, in_flight=0)["line"], "text": f"{TEXT} {number}"}
    PLANTED.add(Kind.NUMBER, body["from"])
    PLANTED.add(Kind.TEXT, body["text"])
    async with line.http.post(f"{line.ports.url('carrier')}/api/texts", json=body) as answer:
        await answer.read()
        assert answer.status == 202, f"the carrier answered {answer.status} to a text"


async def _timed(line: BenchLine, is_it: Callable[[str], bool], act: Callable[[], Awaitable[None]]) -> float:
    """Return the seconds from the beginning of an act to the answer that it causes."""
    await asyncio.sleep(PAUSE)
    answer = line.forwarder.answered(is_it)
    started_at = time.perf_counter()
    await act()
    return await asyncio.wait_for(answer, 30) - started_at


def _resident(code: str) -> float:
    """Return the resident size, in KiB, of a Python process that has run this code."""
    report = "; print(next(l.split()[1] for l in open('/proc/self/status') if l.startswith('VmRSS')))"
    return float(_python(code + report))


def _run_python(code: str) -> float:
    """Return the seconds that a Python process takes to run this code."""
    started_at = time.perf_counter()
    _python(code)
    return time.perf_counter() - started_at


def _python(code: str) -> str:
    return subprocess.run(
        (sys.executable, "-P", "-c", code), env=child_environment(), cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
