"""A homeserver with workers, compared with one process: the times of a text and a command with two hundred clients.

Rules of this module: both have PostgreSQL and the same router in front, on one disk, each its own line, one after the other
in one run; the clients are another process, on loopback, for a bounded time. One process is the ceiling.

Run alone: `python -P -m tests.bench.workers [--clients 200] [--workers 3] [--seconds 60] [--rate 2] [--write]`.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import aiohttp

from bridge.matrix.api.http_client import HomeserverClient
from bridge.matrix.api.module_api import ModuleClient
from deploy.stack import provision
from deploy.stack.readiness import ReadinessProbe
from deploy.stack.supervisor import Supervisor
from deploy.stack.up import children
from tests.bench.bench_line import BenchLine, encrypted, load_process, mxid
from tests.bench.capacity import put
from tests.bench.desk import TimedSupervisor, supervisor_at_desk
from tests.bench.engines import SETTINGS
from tests.bench.figures import Figure, machine, quantile, spread
from tests.bench.load_generator import COMING_SECONDS, Sender
from tests.e2e.polling import wait_until
from tests.fakes.postgres_server import PostgresServer, running_postgres
from tests.fakes.worker_homeserver import WorkerHomeserver, provision_on, worker_homeserver
from tests.outside_programs import OutsidePrograms

IN_A_ROOM: Final = 10
AT_ONCE: Final = 8
PAUSE: Final = 0.2
QUICK_PASSWORDS: Final = {"bcrypt_rounds": 4}
"""Synapse's setting for the clients' accounts, which are made and logged in before the measurement."""
WORDS: Final = ("!help", "!board", "!on")


@dataclass(slots=True, kw_only=True)
class Taken:
    """The times of one homeserver, in seconds. `cpu`: of all its processes, for each second of the clients' time."""

    texts: list[float] = field(default_factory=list)
    commands: list[float] = field(default_factory=list)
    sends: list[float] = field(default_factory=list)
    syncs: int = 0
    refused: int = 0
    cpu: float = 0.0
    memory: float = 0.0


async def workers(
    directory: Path, programs: OutsidePrograms, *, clients: int, count: int, seconds: float, rate: float
) -> list[Figure]:
    """Measure one process, then `count` workers; return no figure if a program is missing."""
    runs: list[Taken] = []
    with running_postgres(programs) as server:
        if server is None:
            return []
        server.stop()
        server.start(*SETTINGS, "max_connections=200")
        for each in (0, count):
            (place := directory / f"of-{each}").mkdir()
            run = await measure(place, server, programs, each, clients, seconds, rate)
            if run is None:
                return []
            runs.append(run)
    return _figures(runs, clients=clients, count=count, seconds=seconds, rate=rate)


async def measure(
    directory: Path,
    server: PostgresServer,
    programs: OutsidePrograms,
    count: int,
    clients: int,
    seconds: float,
    rate: float,
) -> Taken | None:
    """Measure a new line on a homeserver with that many workers (0: one process); None if a program is missing."""
    async with AsyncExitStack() as stack:
        line = BenchLine(directory)
        running = await run_with_workers(stack, line, server, programs, count)
        if running is None:
            return None
        sol, ids = await stack.enter_async_context(supervisor_at_desk(line))
        await join_thread(line, sol, ids)
        job = await _logged_in(line, clients) | {"rate": rate, "seconds": seconds}
        run = Taken()
        async with load_process(job) as process:
            assert process.stdout is not None
            assert json.loads(await asyncio.wait_for(process.stdout.readline(), COMING_SECONDS + 60))["here"] == clients
            talking = asyncio.create_task(process.communicate())
            before, started_at = _cpu(running), time.monotonic()
            while time.monotonic() - started_at < seconds and not talking.done():
                run.texts.append(await _text(line, sol, len(run.texts)))
                await asyncio.sleep(PAUSE)
                run.commands.append(await sol.ask(ids["desk_room"], WORDS[len(run.commands) % len(WORDS)]))
                await asyncio.sleep(PAUSE)
            run.cpu = (_cpu(running) - before) / (time.monotonic() - started_at)
            run.memory = sum(_resident(process.pid) for process in running.processes.values()) / 1024
            out, _ = await asyncio.wait_for(talking, seconds + 120)
        said = json.loads(out)
        run.sends, run.syncs, run.refused = said["seconds"], said["syncs"], said["refused"]
        return run


async def run_with_workers(
    stack: AsyncExitStack,
    line: BenchLine,
    server: PostgresServer,
    programs: OutsidePrograms,
    count: int,
    *,
    router: str = "caddy",
    uploads: Path | None = None,
) -> WorkerHomeserver | None:
    """Run a line, with its bridge, on such a homeserver until the exit stack closes; None if a program is missing."""
    await provision_on(line.layout, line.ports, server)
    running = await stack.enter_async_context(
        worker_homeserver(
            line.layout, line.ports, programs, count, router=router, settings=QUICK_PASSWORDS, uploads=uploads
        )
    )
    if running is None:
        return None
    line.http = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
    line.probe = await stack.enter_async_context(ReadinessProbe())
    await stack.enter_async_context(_carrier(line))
    stack.push_async_callback(line.stop_bridge)
    await line.start_bridge()
    return running


@asynccontextmanager
async def _carrier(line: BenchLine) -> AsyncIterator[None]:
    supervisor = Supervisor(paths=provision.child_paths(line.layout), on_child_start=lambda _name, _pid: None)
    supervisor.start(child for child in children(line.layout) if child.name == "carrier")
    try:
        yield
    finally:
        await supervisor.stop(["carrier"])


async def join_thread(line: BenchLine, sol: TimedSupervisor, ids: dict[str, str]) -> str:
    """Open one thread, with the supervisor as its advocate in its room; return the room."""
    await line.open_threads(1)
    await sol.ask(ids["desk_room"], "!claim")
    room = str(line.ask(line.layout.bridge / "main.db", "SELECT room_id FROM thread"))

    async def invited() -> bool | None:
        return room in await sol.invites() or None

    await wait_until("the invite", invited, within=60, every=0.05)
    await sol.join(room)
    return room


async def _text(line: BenchLine, sol: TimedSupervisor, number: int) -> float:
    """Text from the handset of the thread; return the seconds until the advocate's client has decrypted it."""
    sender = Sender(line.texts(count=1, in_flight=1, first=0, handsets=1), line.http)
    started_at = time.perf_counter()
    await sender.text(number)
    return await sol.shown(f" {number}", started_at, within=60) - started_at


async def _logged_in(line: BenchLine, count: int) -> dict[str, Any]:
    """Make that many people, log them in, and put ten in each room; return the job for the load generator."""
    base, free = line.ports.url("homeserver"), asyncio.Semaphore(AT_ONCE)
    secrets = provision.open_secrets(line.layout)
    wire = HomeserverClient(session=line.http, url=base, token=secrets.read(secrets.as_token), user_id=mxid("@policy"))
    module = ModuleClient(client=wire)

    async def ask(method: str, path: str, token: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with line.http.request(method, f"{base}/_matrix/client/v3/{path}", json=body, headers=headers) as answer:
            content: dict[str, Any] = await answer.json()
            assert answer.status == 200, f"{answer.status} to {path.partition('/')[0]}"
            return content

    async def log_in(number: int) -> str:
        async with free:
            name = f"client{number}"
            await module.make_account(mxid(f"@{name}"), "a password of twelve")
            who = {"type": "m.id.user", "user": name}
            body = {"type": "m.login.password", "identifier": who, "password": "a password of twelve"}
            return str((await ask("POST", "login", "", body))["access_token"])

    async def room_of(first: int, tokens: Sequence[str]) -> list[list[Any]]:
        async with free:
            those = range(first, min(first + IN_A_ROOM, len(tokens)))
            invited = [mxid(f"@client{n}") for n in those[1:]]
            room = (await ask("POST", "createRoom", tokens[first], {"invite": invited}))["room_id"]
            for number in those[1:]:
                await ask("POST", f"join/{quote(room, safe='')}", tokens[number], {})
            return [[room, number] for number in those]

    tokens = await asyncio.gather(*(log_in(number) for number in range(count)))
    rooms = await asyncio.gather(*(room_of(first, tokens) for first in range(0, count, IN_A_ROOM)))
    speakers = [each for of_room in itertools.zip_longest(*rooms) for each in of_room if each is not None]
    return {"kind": "clients", "url": base, "tokens": tokens, "rooms": speakers, "content": encrypted()}


def _cpu(running: WorkerHomeserver) -> float:
    """Return the seconds of CPU of Synapse's processes, Redis and the router."""
    total = 0
    for process in running.processes.values():
        fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def _resident(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return float(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


def _figures(runs: Sequence[Taken], *, clients: int, count: int, seconds: float, rate: float) -> list[Figure]:
    one, many = runs
    setup = (
        f"{clients} clients logged in, each with a long poll open, ten in a room, {rate:g} events a second among them, for"
        f" {seconds:g} s; PostgreSQL, Caddy before it. {count} workers and the main process beside one process, in one run."
    )
    both = {
        "clients": clients,
        "workers": count,
        "syncs": [one.syncs, many.syncs],
        "refused": [one.refused, many.refused],
        "cpu_cores": [round(one.cpu, 2), round(many.cpu, 2)],
        "memory_mib": [round(one.memory), round(many.memory)],
        "send_ms": [spread(one.sends), spread(many.sends)],
    }
    return [
        Figure(
            name=f"workers_{name}_p95",
            unit="ms",
            value=quantile(of_many, 0.95) * 1000,
            ceiling=quantile(of_one, 0.95) * 1000,
            ceiling_is="one process",
            aim="none",
            definition=f"{what} {setup}",
            more={"one_ms": spread(of_one), "workers_ms": spread(of_many), **(both if name == "text" else {})},
        )
        for name, of_one, of_many, what in (
            ("text", one.texts, many.texts, "From the signed webhook until the advocate's client has decrypted the text."),
            (
                "command",
                one.commands,
                many.commands,
                "From before the client encrypts a command at the desk until it has decrypted the answer.",
            ),
        )
    ]


def table(figures: Sequence[Figure]) -> str:
    """Return the table of the page on capacity."""
    text, command = figures
    both = text.more
    lines = ["| | one process | workers |", "| --- | --- | --- |"]
    for name, figure in (("a text", text), ("a command", command)):
        one, many = (figure.more[key] for key in ("one_ms", "workers_ms"))
        lines.append(f"| {name} until it is read, ms, p50 | {one['p50']:.0f} | {many['p50']:.0f} |")
        lines.append(f"| the same, p95 | {one['p95']:.0f} | {many['p95']:.0f} |")
    for name, key in (
        ("syncs answered", "syncs"),
        ("requests refused or without an answer", "refused"),
        ("cores that the homeserver took", "cpu_cores"),
        ("MiB of all its processes", "memory_mib"),
    ):
        lines.append(f"| {name} | {both[key][0]:,} | {both[key][1]:,} |")
    lines.append(f"| a client's send, ms, p95 | {both['send_ms'][0]['p95']:.0f} | {both['send_ms'][1]['p95']:.0f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, and print as JSON."""
    parser = argparse.ArgumentParser(prog="python -P -m tests.bench.workers")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=2)
    parser.add_argument("--write", action="store_true", help="write the table into the page on capacity")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="quietline-workers-") as directory:
        path, programs = Path(directory), OutsidePrograms(missing=[])
        before = machine(path)
        measuring = workers(
            path,
            programs,
            clients=arguments.clients,
            count=arguments.workers,
            seconds=arguments.seconds,
            rate=arguments.rate,
        )
        figures = asyncio.run(measuring)
        if arguments.write and figures:
            put("workers", table(figures))
        report = {"before": before, "figures": [figure.as_json() for figure in figures]}
        sys.stdout.write(json.dumps({**report, "after": machine(path)}, indent=2) + "\n")


if __name__ == "__main__":
    main()
