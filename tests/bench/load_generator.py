"""The load generator, a process of its own: `python -P -m tests.bench.load_generator`, one job as JSON on its input.

Rule of this module: the load is the same for the bridge and for the ceiling, with the same client and as many requests in
flight. The process ends when the job is done; as an echo server, when its input ends.

Jobs: `{"kind": "texts" | "sends", "count", "in_flight", …}` as fast as it goes, with a `"reader"` (`{"user", "filter"}`)
while that user syncs without a pause; `{"kind": "paced", "rate", "seconds", …}` at fixed moments, whatever the answers do,
each timed from the moment it was due; `{"kind": "echo"}` prints its port.
What is printed: `{"begun", "ended"}` in seconds since 1970, `"seconds"` per request, `"refused"`.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias
from urllib.parse import quote

import aiohttp
from aiohttp import web
from yarl import URL

Job: TypeAlias = dict[str, Any]
POLL_MILLISECONDS: Final = 30_000
"""The number of clients that make their first sync at the same time, as people who log in over an evening."""
"""Seconds within which all clients must have made their first sync."""


class Sender:
    """Makes requests of one kind, and counts and times them."""

    def __init__(self, job: Job, http: aiohttp.ClientSession) -> None:
        self._job, self._http = job, http
        self.seconds: list[float] = []
        self.refused = 0
        self.send = self.put if job["kind"] == "sends" else self.text

    async def text(self, number: int, since: float | None = None) -> None:
        """Post a signed webhook with one text, as the rehearsal carrier does."""
        job = self._job
        handsets = job["handsets"]
        payload = {
            "type": "text",
            "id": secrets.token_hex(12),
            "from": handsets[number % len(handsets)],
            "to": job["line"],
            "text": f"{job['text']} {number}",
            "media": [],
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        body = json.dumps(payload, ensure_ascii=False).encode()
        timestamp = str(int(time.time()))
        message = b"\n".join((timestamp.encode(), job["url"].encode(), body))
        headers = {
            "Content-Type": "application/json",
            "X-Rehearsal-Timestamp": timestamp,
            "X-Rehearsal-Signature": hmac.new(job["key"].encode(), message, hashlib.sha256).hexdigest(),
        }
        started_at = since or time.perf_counter()
        async with self._http.post(URL(job["url"], encoded=True), data=body, headers=headers) as answer:
            await answer.read()
        self._note(started_at, answer.status)

    async def put(self, number: int, since: float | None = None) -> None:
        """Send an event into a room: `PUT /rooms/{roomId}/send/m.room.encrypted/{txnId}`."""
        job = self._job
        url = send_url(job["url"], job["rooms"][number % len(job["rooms"])], job["user"], job["device"])
        headers = {"Authorization": f"Bearer {job['token']}"}
        started_at = since or time.perf_counter()
        async with self._http.put(url, json=job["content"], headers=headers) as answer:
            await answer.read()
        self._note(started_at, answer.status)

    def _note(self, started_at: float, status: int) -> None:
        self.seconds.append(time.perf_counter() - started_at)
        self.refused += status != 200


def send_url(base: str, room: str, user: str, device: str) -> URL:
    """Return the URL by which an application service's user sends an event, with a new transaction id.

    `device`: the sending device, as for a client; then the homeserver knows the transaction id also after a restart
    (facts-matrix.md, "Application service and mautrix"). Empty: without a device, which costs the homeserver less.
    """
    path = f"/_matrix/client/v3/rooms/{quote(room, safe='')}/send/m.room.encrypted/{secrets.token_hex(12)}"
    query = f"user_id={quote(user, safe='')}"
    if device:
        query += f"&device_id={device}&org.matrix.msc3202.device_id={device}"
    return URL(f"{base}{path}?{query}", encoded=True)


async def as_fast_as_it_goes(job: Job, sender: Sender) -> None:
    """Keep `in_flight` requests in flight until `count` were answered."""
    numbers = iter(range(job["count"]))

    async def work(queue: Iterator[int]) -> None:
        for number in queue:
            await sender.send(number)

    await asyncio.gather(*(work(numbers) for _ in range(job["in_flight"])))


async def at_fixed_moments(job: Job, sender: Sender) -> None:
    """Start a request whenever one is due."""
    started_at = time.perf_counter()
    waiting = []
    for number in range(int(job["rate"] * job["seconds"])):
        due = started_at + number / job["rate"]
        await asyncio.sleep(max(due - time.perf_counter(), 0))
        waiting.append(asyncio.create_task(sender.send(number, due)))
    await asyncio.gather(*waiting)


async def sync(http: aiohttp.ClientSession, base: str, token: str, since: str, options: str = "") -> str | None:
    """Sync once, as a long poll from a position; return the next position, or None without an answer.

    `options`: further parts of the query, each behind an ampersand.
    """
    query = f"timeout={POLL_MILLISECONDS if since else 0}{f'&since={since}' if since else ''}&set_presence=offline{options}"
    url = URL(f"{base}/_matrix/client/v3/sync?{query}", encoded=True)
    try:
        async with http.get(url, headers={"Authorization": f"Bearer {token}"}) as answer:
            return quote(str((await answer.json())["next_batch"]), safe="") if answer.status == 200 else None
    except (TimeoutError, aiohttp.ClientError):
        return None


@asynccontextmanager
async def reading(job: Job, http: aiohttp.ClientSession) -> AsyncIterator[None]:
    """During the block, let the job's reader sync again and again, from a first sync before the block on.

    Raises RuntimeError when a sync has no answer, because the figures would be of fewer syncs.
    """

    async def read_once(since: str) -> str:
        reader = job["reader"]
        options = f"&user_id={quote(reader['user'], safe='')}&filter={quote(json.dumps(reader['filter']), safe='')}"
        if (position := await sync(http, job["url"], job["token"], since, options)) is None:
            raise RuntimeError("a sync of the reader has no answer")
        return position

    async def read_on(since: str) -> None:
        while True:
            since = await read_once(since)

    if "reader" not in job:
        yield
        return
    reader = asyncio.create_task(read_on(await read_once("")))
    try:
        yield
        if reader.done():
            reader.result()
    finally:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)


async def generate(job: Job) -> Job:
    """Run a job and return its figures."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as http:
        sender = Sender(job, http)
        async with reading(job, http):
            started_at = time.time()
            await (at_fixed_moments if job["kind"] == "paced" else as_fast_as_it_goes)(job, sender)
        return {"begun": started_at, "ended": time.time(), "seconds": sender.seconds, "refused": sender.refused}


async def echo(say: Callable[[str], None]) -> None:
    """Run the simplest server that can answer a webhook: aiohttp, which reads the request and answers 200."""

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.Response()

    application = web.Application()
    application.add_routes([web.post("/{any:.*}", answer)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    say(json.dumps({"port": runner.addresses[0][1]}))
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


def main() -> None:
    """Read a job from one line of the input, and run it."""
    job: Job = json.loads(sys.stdin.readline())

    def say(line: str) -> None:
        print(line, flush=True)  # noqa: T201 - this is what the process is for

    if job["kind"] == "echo":
        asyncio.run(echo(say))
    else:
        say(json.dumps(asyncio.run(generate(job))))


if __name__ == "__main__":
    main()
