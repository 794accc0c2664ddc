"""How fast the line erases, and how much that slows down conversations.

Rules of this module: conversations, ceiling and erasure are measured in the same minutes. If a day would have to pass, the
bridge is stopped and only the time is changed in its database.
"""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bridge.engine.timers import Timers
from bridge.services import WakeUps
from bridge.storage.sqlite_connection import SqliteConnection
from tests.bench.bench_line import ROOMS, BenchLine
from tests.bench.desk import TimedSupervisor, supervisor_at_desk
from tests.bench.figures import Figure, quantile, spread
from tests.bench.measures import IN_FLIGHT, text_from_webhook
from tests.e2e.polling import wait_until
from tests.fakes.bridge_harness import BridgeHarness

ROWS: Final = 1_000_000
AT_ONCE: Final = 10_000
EVENTS: Final = 500
FAR: Final = 4_000_000_000.0
"""A due time far in the future (seconds since the epoch)."""


async def sweep(line: BenchLine, *, full: bool) -> list[Figure]:
    """Expire everything in the threads' rooms at once: measure its speed alone, and beside conversations."""
    await line.start_bridge(forwarded=True)
    await line.open_threads(ROOMS)
    count = 1500 if full else 600
    await line.load(line.texts(count=count, in_flight=8))
    await line.wait_until_idle()
    since = line.stream_position()
    started_at = (await line.load(line.sends(count=count, in_flight=IN_FLIGHT)))["begun"]
    raw = count / (line.plain_sent(since)[1] - started_at)
    alone = await _swept(line)
    await line.load(line.texts(count=count, in_flight=8))
    await line.wait_until_idle()
    times = 100 if full else 40
    idle = [await text_from_webhook(line, number) for number in range(times)]
    await line.wait_until_idle()
    await line.stop_bridge()
    _expire(line)
    since = line.stream_position()
    await line.start_bridge(forwarded=True)
    concurrent: list[float] = []
    while len(concurrent) < times and _left(line) > 0:
        concurrent.append(await text_from_webhook(line, len(concurrent)))
    swept, rest = line.redacted(since)[0], _left(line)
    assert len(concurrent) >= times // 4, f"the sweep was over after {len(concurrent)} texts"
    await wait_until("the sweep is done", lambda: _all_swept(line), within=300, every=0.2)
    return [
        Figure(
            name="sweep",
            unit="events/s",
            value=alone,
            ceiling=raw,
            ceiling_is=f"raw PUT send, {IN_FLIGHT} in flight, {ROOMS} rooms",
            aim="ratio >= 0.6",
            definition=(
                f"Every text in {ROOMS} threads expires at once, nobody talks: redactions divided by the time from the"
                " first one's received_ts at the homeserver to the last one's."
            ),
            more={"events": count},
        ),
        Figure(
            name="conversation_beside_sweep_p95",
            unit="ms",
            value=quantile(concurrent, 0.95) * 1000,
            ceiling=quantile(idle, 0.95) * 1000,
            ceiling_is="the same with nothing to sweep, p95",
            aim="ratio <= 1.5",
            definition=(
                "From the begin of a signed webhook to the homeserver's 200 to the event, one at a time, while events are"
                " being swept."
            ),
            more={
                "beside_ms": spread(concurrent),
                "idle_ms": spread(idle),
                "swept_meanwhile": swept,
                "left_at_the_end": rest,
            },
        ),
    ]


async def timers(line: BenchLine, *, full: bool) -> list[Figure]:
    """Measure one look at a million timers that are not due, and ten thousand due at once beside a conversation."""
    del full
    return [await _tick(), *await _drain(line)]


async def ending(line: BenchLine, *, full: bool) -> list[Figure]:
    """End a thread with many events by a supervisor's command, and wait for the signed certificate."""
    await line.start_bridge()
    durations, raw = [], []
    async with supervisor_at_desk(line) as (sol, ids):
        for _ in range(3 if full else 1):
            since = line.stream_position()
            started_at = (await line.load(line.sends(count=EVENTS, in_flight=IN_FLIGHT)))["begun"]
            raw.append(line.plain_sent(since)[1] - started_at)
            durations.append(await _ended(line, sol, ids))
    return [
        Figure(
            name="ending",
            unit="s",
            value=statistics.median(durations),
            ceiling=statistics.median(raw),
            ceiling_is=f"{EVENTS} raw PUT sends, {IN_FLIGHT} in flight",
            aim="value <= 30",
            definition=(
                f"From before a supervisor says !close now in a thread of {EVENTS} texts until its room is purged,"
                " everything was looked for, and the signed receipt stands; the ten seconds in which clients hear of it"
                " included, vacuum aside."
            ),
            more={"values": [round(x, 1) for x in durations]},
        )
    ]


async def _swept(line: BenchLine) -> float:
    """Expire all events of threads; return how many were redacted a second."""
    await line.stop_bridge()
    _expire(line)
    since = line.stream_position()
    await line.start_bridge(forwarded=True)
    await wait_until("the sweep is done", lambda: _all_swept(line), within=300, every=0.2)
    count, first, last = line.redacted(since)
    return count / (last - first)


def _expire(line: BenchLine) -> int:
    """Mark all events of threads as expired in the stopped bridge's database; return their number."""
    with _writing(line.layout.bridge) as connection:
        changed = connection.fetch(
            """UPDATE event SET expires = 1 WHERE NOT state AND ref LIKE 'in:%' AND room_id IN (SELECT room_id FROM thread)
               RETURNING n"""
        )
    return len(changed)


def _left(line: BenchLine) -> int:
    return int(line.ask(line.layout.bridge / "main.db", "SELECT COUNT(*) FROM event WHERE expires = 1"))


async def _all_swept(line: BenchLine) -> bool:
    return _left(line) == 0


async def _tick() -> Figure:
    with tempfile.TemporaryDirectory(prefix="quietline-bench-") as directory:
        harness = BridgeHarness(Path(directory))
        await harness.open()
        try:
            rows = ((f"t{n // 100}", f"k{n}", FAR + n, n % 2) for n in range(ROWS))
            with _writing(Path(directory)) as connection:
                for row in rows:
                    connection.execute("INSERT INTO timer (owner, key, due, destroys) VALUES ($1, $2, $3, $4)", *row)
            services = harness.services_with(WakeUps())
            correction = harness.clock_correction(services)
            timers = Timers(services, wait_until_idle=harness.wait_until_idle, correction=correction, late_after=300)
            ticks, bare = [], []
            for _ in range(200):
                started_at = time.perf_counter()
                assert await timers.fire_due() > 0
                ticks.append(time.perf_counter() - started_at)
                started_at = time.perf_counter()
                await harness.database.fetchval("SELECT MIN(due) FROM timer WHERE destroys = $1", False)
                bare.append(time.perf_counter() - started_at)
        finally:
            await harness.close()
    return Figure(
        name="timer_tick_p95",
        unit="ms",
        value=quantile(ticks, 0.95) * 1000,
        ceiling=quantile(bare, 0.95) * 1000,
        ceiling_is="one indexed read of the same table, p95",
        aim="value <= 5",
        definition=f"One look of the timers at {ROWS:,} rows of which none is due.",
        more={"tick_ms": spread(ticks)},
    )


async def _drain(line: BenchLine) -> list[Figure]:
    await line.start_bridge(forwarded=True)
    await line.open_threads(ROOMS)
    await line.wait_until_idle()
    idle = [await text_from_webhook(line, number) for number in range(40)]
    await line.wait_until_idle()
    await line.stop_bridge()
    with _writing(line.layout.bridge) as connection:
        owners = [row["id"] for row in connection.fetch("SELECT id FROM thread LIMIT $1", ROOMS)]
        for n in range(AT_ONCE):
            query = "INSERT INTO timer (owner, key, due) VALUES ($1, $2, 1)"
            connection.execute(query, owners[n % len(owners)], f"fade:thread|answer:{n}")
    concurrent: list[float] = []
    started_at = await line.start_bridge(forwarded=True)
    while not await _drained(line):
        concurrent.append(await text_from_webhook(line, len(concurrent)))
    seconds = time.perf_counter() - started_at
    await line.wait_until_idle()
    return [
        Figure(
            name="conversation_beside_timers_p95",
            unit="ms",
            value=quantile(concurrent, 0.95) * 1000,
            ceiling=quantile(idle, 0.95) * 1000,
            ceiling_is="the same with no timer due, p95",
            aim="no conversation starves",
            definition=(
                f"From the begin of a signed webhook to the homeserver's 200 to the event, one at a time, while {AT_ONCE:,}"
                f" timers of {ROOMS} threads, all due at once, are fired and decided."
            ),
            more={"beside_ms": spread(concurrent), "idle_ms": spread(idle), "drained_s": round(seconds, 1)},
        )
    ]


async def _drained(line: BenchLine) -> bool:
    main = line.layout.bridge / "main.db"
    return not line.ask(
        main, "SELECT (SELECT COUNT(*) FROM timer WHERE due = 1) + (SELECT COUNT(*) FROM inbox WHERE kind = 'TimerDue')"
    )


async def _ended(line: BenchLine, sol: TimedSupervisor, ids: dict[str, str]) -> float:
    number, line.handsets = line.handsets, line.handsets + 1
    before = set(await sol.invites()) | set(await sol.joined())
    await line.load(line.texts(count=EVENTS, in_flight=4, first=number, handsets=1))
    await line.wait_until_idle()
    main = line.layout.bridge / "main.db"
    name = line.ask(main, "SELECT designation FROM thread ORDER BY rowid DESC LIMIT 1")
    await sol.say(ids["desk_room"], f"!claim {name}")

    async def invited() -> str | None:
        return next((room for room in await sol.invites() if room not in before), None)

    room = await wait_until("the invite", invited, within=30)
    await sol.join(room)
    await line.wait_until_idle()
    receipts = line.ask(main, "SELECT COUNT(*) FROM erasure_certificate")
    started_at = time.perf_counter()
    await sol.say(room, "!close now")

    async def signed() -> bool:
        # One for the conversation, one for the person.
        return bool(line.ask(main, "SELECT COUNT(*) FROM erasure_certificate") >= receipts + 2)

    await wait_until("everything is gone and signed for", signed, within=180, every=0.1)
    return time.perf_counter() - started_at


@contextlib.contextmanager
def _writing(directory: Path) -> Iterator[SqliteConnection]:
    """Open the stopped bridge's database to change times in it, in one commit."""
    with contextlib.closing(SqliteConnection(directory / "main.db")) as connection:
        connection.execute("BEGIN")
        yield connection
        connection.execute("COMMIT")
