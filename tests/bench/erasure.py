"""How fast the line erases, and how much that slows down conversations.

Rules of this module: conversations, ceiling and erasure are measured in the same minutes. If a day would have to pass, the
bridge is stopped and only the time is changed in its database.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from bridge.storage.sqlite_connection import SqliteConnection
from tests.bench.bench_line import ROOMS, BenchLine
from tests.bench.figures import Figure, quantile, spread
from tests.bench.measures import IN_FLIGHT, text_from_webhook
from tests.e2e.polling import wait_until


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


@contextlib.contextmanager
def _writing(directory: Path) -> Iterator[SqliteConnection]:
    """Open the stopped bridge's database to change times in it, in one commit."""
    with contextlib.closing(SqliteConnection(directory / "main.db")) as connection:
        connection.execute("BEGIN")
        yield connection
        connection.execute("COMMIT")
