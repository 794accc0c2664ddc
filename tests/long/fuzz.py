"""A million webhook requests over all adapters: none accepted without its secret, no 500, nothing in a log.

Rules of this module: half of the requests are a vendor's with the signature removed, damaged or invented, or with another
secret at the end of the path; two fifths are random bytes and paths; none of these may leave a row. A tenth are authentic
with random content. Each answer is compared with the expected one of its adapter.

Run alone: `python -P -m tests.long fuzz [--requests N]`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import re
import secrets
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

import aiohttp
from hypothesis import HealthCheck, Phase, given, settings
from multidict import CIMultiDict
from yarl import URL

from bridge.carriers.adapter import WebhookRequest
from tests.bridge.carriers.carrier_line import CarrierLine, carrier_line
from tests.bridge.carriers.harness import CANARY, AdapterRow, Harness
from tests.bridge.carriers.rows import ROWS

AT_ONCE: Final = 16
"""The number of requests under way: vendors deliver concurrently, too."""
STRANGERS: Final = 5 / 9
"""Among unauthentic requests, the share of a vendor's without the secret; the others are random."""
TRIES: Final = 5
"""Attempts of a request: the server closes a connection whose body it does not read, also during the next request."""
CORPUS: Final = 200
METHODS: Final = ("POST", "POST", "POST", "GET", "PUT")
ENCODINGS: Final = ("", "", "", "", "gzip", "deflate", "br", "identity")
PATH_LETTERS: Final = "abcXYZ019-_.~/"


@dataclass
class Count:
    """The counted answers. `wrong`: a few descriptions of faults, without content."""

    requests: int = 0
    refused: int = 0
    taken: int = 0
    errors: int = 0
    logged: int = 0
    wrong: list[str] = field(default_factory=list)

    def add(self, other: Count) -> None:
        """Add another count."""
        for name in ("requests", "refused", "taken", "errors", "logged"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.wrong += other.wrong

    def fault(self, what: str) -> None:
        """Count a fault."""
        self.errors += 1
        if len(self.wrong) < 20:
            self.wrong.append(what)


class LogWatch(logging.Handler):
    """Counts log records that contain words from a request."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.found = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Check the formatted record."""
        self.found += CANARY in self.format(record)


class RowFuzzer:
    """Fuzzes the webhook of one adapter with its own seed, so that a failure can be repeated."""

    def __init__(self, row: AdapterRow, harness: Harness, line: CarrierLine, *, seed: int) -> None:
        self._row, self._harness, self._line = row, harness, line
        self._chance = random.Random(f"{row.name} {seed}")  # noqa: S311 - chosen once, so that a failure can be repeated
        self._bodies = corpus(harness)
        self.count = Count()

    def _body(self) -> bytes:
        chance = self._chance
        body = chance.choice(self._bodies)
        match chance.randrange(6):
            case 0:
                return chance.randbytes(chance.randrange(200))
            case 1 if body:
                at = chance.randrange(len(body))
                return body[:at] + chance.randbytes(1) + body[at + 1 :]
            case 2:
                return body[: chance.randrange(len(body) + 1)]
            case 3:
                return body * chance.randrange(1, 4)
        return body

    def _stranger(self) -> tuple[str, WebhookRequest]:
        chance, harness = self._chance, self._harness
        way = chance.choice(("inbound", "status"))
        method, request = chance.choice(harness.signings(self._body(), way=way))
        headers, path = CIMultiDict(request.headers), request.raw_path
        bare, _, query = path.partition("?")
        if harness.signature_headers:
            name = chance.choice(harness.signature_headers)
            value = headers.popall(name, [""])[0]
            match chance.randrange(4):
                case 0:
                    headers[name] = f"{chance.getrandbits(256):064x}"
                case 1:
                    headers[name] = value[: len(value) // 2]
                case 2:
                    headers[name] = value[::-1] if value != value[::-1] else "x"
        else:
            bare = bare.rpartition("/")[0] + "/" + f"{chance.getrandbits(chance.choice((8, 128))):x}"
        if chance.random() < 0.2:
            headers["Content-Encoding"] = chance.choice(ENCODINGS) or "identity"
        return method, replace(request, raw_path=f"{bare}?{query}" if query else bare, headers=headers)

    def _noise(self) -> tuple[str, WebhookRequest]:
        chance = self._chance
        end = "".join(chance.choices(PATH_LETTERS, k=chance.randrange(30)))
        path = f"/carriers/{chance.choice(('demo', 'demo', 'other'))}/{chance.choice(('inbound', 'status', end))}/{end}"
        headers = CIMultiDict({"Content-Type": chance.choice(("application/json", "text/xml", "x"))})
        for name in self._harness.signature_headers:
            headers[name] = "".join(chr(chance.randrange(33, 127)) for _ in range(chance.randrange(60)))
        if encoding := chance.choice(ENCODINGS):
            headers["Content-Encoding"] = encoding
        return chance.choice(METHODS), WebhookRequest(raw_path=path, headers=headers, body=self._body())

    async def run(self, requests: int, *, seconds: float) -> None:
        """Make that many requests, or as many as `seconds` allow, and check which rows they left."""
        end = asyncio.get_running_loop().time() + seconds
        watch = LogWatch()
        root = logging.getLogger()
        before = root.level
        root.addHandler(watch)
        root.setLevel(logging.DEBUG)
        try:
            connector = aiohttp.TCPConnector(limit=AT_ONCE)
            async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as http:
                authentic = requests // 10
                strangers = partial(self._stranger_or_noise, http)
                await _at_once(strangers, requests - authentic, end=end - seconds / 10)
                if rows := await self._line.count_rows():
                    self.count.fault(f"{self._row.name}: strangers left {rows} rows")
                await _at_once(partial(self._authentic, http), authentic, end=end)
        finally:
            root.removeHandler(watch)
            root.setLevel(before)
        self.count.logged += watch.found

    async def _stranger_or_noise(self, http: aiohttp.ClientSession) -> None:
        await self._refused(http, *(self._stranger() if self._chance.random() < STRANGERS else self._noise()))

    async def _ask(self, http: aiohttp.ClientSession, method: str, request: WebhookRequest) -> int | None:
        self.count.requests += 1
        for _ in range(TRIES):
            try:
                status, said = await self._request(http, method, request)
            except aiohttp.ClientConnectionError:
                continue
            if status >= 500 and status != self._harness.carrier.refusal_status:
                self.count.fault(f"{self._row.name}: {status} to {method}")
            if CANARY.encode() in said:
                self.count.fault(f"{self._row.name}: an answer holds what was asked")
            return status
        self.count.fault(f"{self._row.name}: no answer to {method}")
        return None

    async def _request(self, http: aiohttp.ClientSession, method: str, request: WebhookRequest) -> tuple[int, bytes]:
        url = URL(self._line.url + request.raw_path, encoded=True)
        body = request.body if method != "GET" else b""
        async with http.request(method, url, data=body or None, headers=request.headers) as answer:
            return answer.status, await answer.read()

    async def _refused(self, http: aiohttp.ClientSession, method: str, request: WebhookRequest) -> None:
        status = await self._ask(http, method, request)
        encoded = "Content-Encoding" in request.headers
        if status in (self._harness.carrier.refusal_status, 404, 405, *((400,) if encoded else ())):
            self.count.refused += 1
        elif status is not None and status < 500:
            self.count.fault(f"{self._row.name}: {status} to a stranger's {method}")

    async def _authentic(self, http: aiohttp.ClientSession) -> None:
        way, body = self._chance.choice(("inbound", "status")), self._body()
        method, request = self._chance.choice(self._harness.signings(body, way=way))
        status = await self._ask(http, method, request)
        # A form that no vendor writes can be parsed, and so signed, in two ways.
        refusal = () if _is_form(body) else (self._harness.carrier.refusal_status,)
        if status in (200, 400, *refusal):
            self.count.taken += 1
        elif status is not None and status < 500:
            self.count.fault(f"{self._row.name}: {status} to its vendor's {method}")
        if self.count.taken % 2000 == 0:
            await self._line.decide()


def _is_form(body: bytes) -> bool:
    """Whether a body is ASCII whose percent-encoding is valid and contains UTF-8."""
    if not body.isascii() or re.search(rb"%(?![0-9A-Fa-f]{2})", body):
        return False
    try:
        unquote_to_bytes(body).decode()
    except UnicodeDecodeError:
        return False
    return True


async def _at_once(attempt: Callable[[], Awaitable[None]], count: int, *, end: float) -> None:
    """Make `count` attempts, `AT_ONCE` at a time; none begins after `end`, by the loop's clock."""
    numbers, now = iter(range(count)), asyncio.get_running_loop().time

    async def work() -> None:
        for _ in numbers:
            if now() > end:
                return
            await attempt()

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))


def corpus(harness: Harness) -> list[bytes]:
    """Return bodies similar to the documented ones, always the same."""
    bodies: list[bytes] = []

    @settings(
        max_examples=CORPUS,
        database=None,
        derandomize=True,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(harness.bodies())
    def collect(body: bytes) -> None:
        bodies.append(body)

    collect()
    return bodies


async def fuzz_row(row: AdapterRow, requests: int, *, seconds: float, seed: int) -> Count:
    """Fuzz one adapter."""
    with tempfile.TemporaryDirectory(prefix="quietline-fuzz-") as directory:
        async with row.harness() as harness, carrier_line(Path(directory), harness.carrier, clock=harness.clock) as line:
            fuzzer = RowFuzzer(row, harness, line, seed=seed)
            await fuzzer.run(requests, seconds=seconds)
            return fuzzer.count


async def run(requests: int, *, seconds: float) -> Count:
    """Fuzz every adapter, each in its own process, as many at once as there are processors."""
    at_once = os.cpu_count() or 1
    share, turns, total = -(-requests // len(ROWS)), asyncio.Semaphore(at_once), Count()
    for_each = seconds * min(at_once, len(ROWS)) / len(ROWS)

    async def one(row: AdapterRow) -> None:
        async with turns:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "tests.long.fuzz", row.name, str(share), str(for_each)),
                stdout=asyncio.subprocess.PIPE,
            )
            try:
                out, _ = await process.communicate()
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
            if process.returncode == 0:
                total.add(Count(**json.loads(out)))
            else:
                total.fault(f"{row.name}: ended with {process.returncode}")

    await asyncio.gather(*(one(row) for row in ROWS))
    return total


def main(name: str, requests: str, seconds: str) -> None:
    """Fuzz one adapter and print the counts as JSON. The seed is printed, so that a failure can be repeated."""
    row, seed = next(row for row in ROWS if row.name == name), secrets.randbits(32)
    count = asyncio.run(fuzz_row(row, int(requests), seconds=float(seconds), seed=seed))
    if count.wrong:
        count.wrong.append(f"{name}: the seed was {seed}")
    sys.stdout.write(json.dumps(asdict(count)))


if __name__ == "__main__":
    main(*sys.argv[1:])
