"""A flood of new texters beside conversations: the times of desk and conversations, and the machine's load.

Rules of this module: what people do at the desk is timed in a person's client; events are counted at the homeserver; the
line has the base pack's limits, which the rehearsal pack lifts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import yaml
from aiohttp import web

from tests.bench.bench_line import BenchLine
from tests.bench.desk import TimedSupervisor, supervisor_at_desk
from tests.bench.figures import Figure, quantile, spread
from tests.bench.load_generator import Sender
from tests.e2e.polling import wait_until
from tests.packs import shipped

RATE: Final = 50
"""New texters a second."""
SECONDS: Final = 20
"""The default seconds of the flood; the aim is for ten minutes."""
CONVERSATIONS: Final = 10
WITHIN: Final = 600.0
"""Seconds of waiting for a command's answer: an overloaded desk is a figure, not a failure."""
LIMITS: Final = ("new_threads_per_number_per_hour", "new_threads_per_minute", "flood_begins", "flood_ends")
STOPPED: Final = "the phone may be in other hands"


@dataclass(slots=True)
class Seen:
    """The measurements of one part of the run, in seconds, and the number of events caused by commands."""

    texts: list[float] = field(default_factory=list)
    helps: list[float] = field(default_factory=list)
    claims: list[float] = field(default_factory=list)
    stops: list[float] = field(default_factory=list)
    answers: int = 0

    @property
    def commands(self) -> list[float]:
        """Return the times of all commands at the desk."""
        return [*self.helps, *self.claims, *self.stops]


class Conversations:
    """Ten threads of the supervisor, each with its room, its designation and its handset's number."""

    def __init__(self, line: BenchLine, sol: TimedSupervisor, ids: dict[str, str]) -> None:
        self._line, self._sol, self._ids = line, sol, ids
        self.of: list[tuple[str, str, int]] = []
        self._next = self._next_stop = 0

    async def open(self) -> None:
        """Open the threads one after another, so that each handset's room is known."""
        for _ in range(CONVERSATIONS):
            number = self._line.handsets
            await self._line.open_threads(number + 1)
            database = self._line.layout.bridge / "main.db"
            name = self._line.ask(database, "SELECT designation FROM thread ORDER BY rowid DESC LIMIT 1")
            room = self._line.ask(database, "SELECT room_id FROM thread ORDER BY rowid DESC LIMIT 1")
            await self._sol.ask(self._ids["desk_room"], f"!claim {name}")
            await self._sol.join(room)
            self.of.append((name, room, number))

    async def text(self) -> float:
        """Text from the next handset; return the seconds from the webhook until the homeserver has the event."""
        _, room, number = self.of[self._next % len(self.of)]
        self._next += 1
        path = f"/rooms/{quote(room, safe='')}/send/m.room.encrypted/"
        sender = Sender(self._line.texts(count=1, in_flight=1, first=number, handsets=1), self._line.http)
        answer = self._line.forwarder.answered(lambda request: path in request and "line-main" in request)
        started_at = time.perf_counter()
        await sender.text(self._next)
        return await asyncio.wait_for(answer, WITHIN) - started_at

    async def stop(self) -> float:
        """Say `!unsafe` in the next room; return the seconds until the desk shows it. Then `!safe`."""
        name, room, _ = self.of[self._next_stop % len(self.of)]
        self._next_stop += 1
        started_at = time.perf_counter()
        await self._sol.say_quickly(room, "!unsafe")
        seconds = await self._sol.shown(f"{name}: {STOPPED}", started_at, within=WITHIN) - started_at
        await self._sol.say_quickly(room, "!safe")
        return seconds


async def flood(line: BenchLine, *, full: bool, seconds: int = SECONDS) -> list[Figure]:
    """Send texts of new texters at a fixed rate beside ten conversations, and give commands at the desk meanwhile."""
    async with _limited(line) as pages:
        await line.start_bridge(forwarded=True)
        async with supervisor_at_desk(line) as (sol, ids):
            conversations = Conversations(line, sol, ids)
            await conversations.open()
            await line.wait_until_idle()
            before = Seen()
            for _ in range(9):
                await _commands(conversations, sol, ids, before)
                before.texts.append(await conversations.text())
            await line.wait_until_idle()
            memory = line.memory()
            count = RATE * seconds
            first, line.handsets = line.handsets, line.handsets + count
            job = {**line.texts(count=0, in_flight=0, first=first, handsets=count), "kind": "paced", "rate": RATE}
            position, began, during = line.stream_position(), time.time(), Seen()
            most: dict[str, int] = {"inbox": 0, "outbox": 0}

            async def come() -> tuple[dict[str, Any], float]:
                """Send the texts of all of them, and wait until they are looked up and in the queue."""
                answers = await line.load({**job, "seconds": seconds}, within=seconds + 600)
                ended_at = time.monotonic()
                await wait_until("everybody is looked up", line.looked_up, within=WITHIN, every=0.5)
                return answers, time.monotonic() - ended_at

            async def text() -> None:
                during.texts.append(await conversations.text())
                for table, so_far in most.items():
                    query = f"SELECT COUNT(*) FROM {table} WHERE owner = 'desk'"  # noqa: S608 - a name of ours
                    most[table] = max(so_far, line.ask(line.layout.bridge / "main.db", query))

            flooding = asyncio.create_task(come())
            asking = asyncio.create_task(_until(flooding, lambda: _commands(conversations, sol, ids, during), 1.0))
            await _until(flooding, text, 0.5)
            answers, drained = await flooding
            await asking
            posts = _posts(line, ids, position, began)
            minutes = max(1.0, (time.time() - began) / 60)
            after = Seen()
            await _commands(conversations, sol, ids, after)
            grown, peak = line.memory() - memory, line.memory("VmHWM")
    by_people = during.answers
    return [
        Figure(
            name="flood_command_p95",
            unit="s",
            value=quantile(during.commands, 0.95),
            ceiling=quantile(before.commands, 0.95),
            ceiling_is="the same before the flood",
            aim="value <= 1",
            definition=(
                f"{RATE} new texters a second for {seconds} s: from before a client encrypts !help, !claim or !unsafe"
                " until it has decrypted what is said to it there."
            ),
            more={
                "help_ms": spread(during.helps),
                "claim_ms": spread(during.claims),
                "stop_ms": spread(during.stops),
                "after_ms": spread(after.commands),
            },
        ),
        Figure(
            name="flood_text_p95",
            unit="ms",
            value=quantile(during.texts, 0.95) * 1000,
            ceiling=quantile(before.texts, 0.95) * 1000,
            ceiling_is="the same before the flood",
            aim="ratio near 1",
            definition="From a signed webhook of a conversation until the homeserver has taken its event.",
            more={"before_ms": spread(before.texts), "during_ms": spread(during.texts)},
        ),
        Figure(
            name="flood_posts_per_minute",
            unit="posts",
            value=max(0.0, sum(posts.values()) - by_people) / minutes,
            ceiling=0.0,
            ceiling_is="nothing",
            aim="value <= 10",
            definition=(
                "Encrypted events of the policy bot at the desk while texters came, edits too, without those that a"
                " command of the measurement asked for (!help 1, !claim 2, !unsafe and !safe 1 each)."
            ),
            more={"posts": sum(posts.values()), "asked_for": by_people, "most_waiting": most},
        ),
        Figure(
            name="flood_pages",
            unit="pages",
            value=float(len(pages)),
            ceiling=0.0,
            ceiling_is="nothing",
            aim="value <= 1 for each quarter of an hour",
            definition="Calls of the webhook of whoever is on call, from the start of the bridge to the end.",
        ),
        Figure(
            name="flood_memory",
            unit="MiB",
            value=grown / 1024,
            ceiling=memory / 1024,
            ceiling_is="VmRSS before the flood",
            aim="bounded",
            definition=f"What VmRSS of the bridge has grown by when all {count} texters are looked up and queued.",
            more={
                "peak_mib": round(peak / 1024, 1),
                "kib_per_texter": round(grown / count, 2),
                "drained_s": round(drained, 1),
                "refused": answers["refused"],
                "webhook_ms": spread(answers["seconds"]),
            },
        ),
    ]


async def _commands(conversations: Conversations, sol: TimedSupervisor, ids: dict[str, str], samples: Seen) -> None:
    """Do the next of three acts in turns, and record how long it took."""
    match (len(samples.helps) + len(samples.claims) + len(samples.stops)) % 3:
        case 0:
            samples.helps.append(await sol.ask(ids["desk_room"], "!help", within=WITHIN))
            samples.answers += 1
        case 1:
            samples.claims.append(await sol.ask(ids["desk_room"], "!claim", within=WITHIN))
            samples.answers += 2
        case _:
            samples.stops.append(await conversations.stop())
            samples.answers += 2


async def _until(done: asyncio.Task[Any], act: Callable[[], Awaitable[None]], pause: float) -> None:
    while not done.done():
        await act()
        await asyncio.sleep(pause)


def _posts(line: BenchLine, ids: dict[str, str], since: int, began: float) -> dict[int, int]:
    """Count the policy bot's encrypted events at the desk by the minute of the flood."""
    rows = line.rows_of_homeserver(
        "SELECT received_ts FROM events WHERE stream_ordering > ? AND room_id = ? AND sender = ?"
        " AND type = 'm.room.encrypted'",
        since,
        ids["desk_room"],
        ids["bot"],
    )
    counted: dict[int, int] = {}
    for (received,) in rows:
        minute = int((received / 1000 - began) // 60)
        counted[minute] = counted.get(minute, 0) + 1
    return counted


@asynccontextmanager
async def _limited(line: BenchLine) -> AsyncIterator[list[float]]:
    """Give the line the base pack's limits and a person on call; yield the times of the calls."""
    pages: list[float] = []

    async def called(_request: web.Request) -> web.Response:
        pages.append(time.time())
        return web.Response()

    application = web.Application()
    application.add_routes([web.post("/", called)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base, folder = shipped("base").settings, line.layout.data
    limits = {name: getattr(base, name) for name in LIMITS if hasattr(base, name)}
    pack, webhook = folder / "flood-pack.yaml", folder / "flood-webhook"
    pack.write_text(yaml.safe_dump({"name": "flood", "settings": limits}), encoding="utf-8")
    webhook.write_text(f"http://127.0.0.1:{runner.addresses[0][1]}/", encoding="utf-8")
    webhook.chmod(0o600)
    try:
        with line.other_config(packs=["base", "rehearsal", str(pack)], on_call={"webhook_file": str(webhook)}):
            yield pages
    finally:
        await line.stop_bridge()
        await runner.cleanup()
