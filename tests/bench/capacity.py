"""The cost of a line with few and many conversations, by number of cores: the figures of `deploy/docs/capacity.md`.

`python -P -m tests.bench.capacity [seeded] [disk] [rooms] [cores] [--rooms 1,100,1000] [--seeded 10000,100000] [--write]`

Rules of this module: seeded threads have no rooms at a homeserver (`seeding`); each size is measured in its own process,
without a homeserver, by CPU, which a busy machine changes least. `--write` writes the measured tables into the page. The
page computes the rest by its own formulas.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bridge.matrix.rooms.room_state import delete_unassigned_rooms
from bridge.runtime.program import ROOT
from bridge.tables import threads
from deploy.stack.supervisor import child_environment
from tests.bench import seeding
from tests.bench.bench_line import BenchLine
from tests.bench.figures import machine
from tests.fakes.bridge_harness import LINE, BridgeHarness
from tests.fakes.provisioner_harness import ProvisionerHarness

PAGE: Final = ROOT / "deploy" / "docs" / "capacity.md"
PARTS: Final = ("seeded", "disk", "rooms", "cores")
OURS: Final = ("@policy:x", "@line-main:x")
EACH_HAS: Final = 20
"""The number of open conversations of one advocate."""
TEXTS, LOOKS = 30, 20
MORE, MANY, PAGE_KIB = 20, 400, 4


def main() -> int:
    """Run the named measurements, and print them as JSON."""
    parser = argparse.ArgumentParser(prog="python -P -m tests.bench.capacity")
    parser.add_argument("parts", nargs="*", help=", ".join(PARTS))
    parser.add_argument("--seeded", default="0,10000,100000", help="conversations that are over and whose texters are kept")
    parser.add_argument("--open", default="1,100,1000,10000", help="open ones, with rooms on paper")
    parser.add_argument("--rooms", default="1,100,1000", help="open ones, with rooms at a homeserver")
    parser.add_argument("--write", action="store_true", help=f"write the tables into {PAGE.name}")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        directory, kind, count = arguments.one.split(",")
        sys.stdout.write(json.dumps(asyncio.run(_one(Path(directory), kind, int(count)))) + "\n")
        return 0
    report: dict[str, Any] = {"at": datetime.now(UTC).isoformat(timespec="seconds")}
    with tempfile.TemporaryDirectory(prefix="quietline-capacity-") as directory:
        path = Path(directory)
        report["before"] = machine(path)
        for part in arguments.parts or PARTS:
            match part:
                case "seeded":
                    sizes = [("parked", n) for n in _numbers(arguments.seeded)] + [
                        ("open", n) for n in _numbers(arguments.open)
                    ]
                    report[part] = [_seeded(path / f"{kind}-{count}", kind, count) for kind, count in sizes]
                case "disk":
                    (path / part).mkdir()
                    report[part] = asyncio.run(_disk(path / part))
                case "rooms":
                    report[part] = [_with_rooms(count) for count in _numbers(arguments.rooms)]
                case "cores":
                    report[part] = [_on_cores(1), _on_cores(2), _on_cores(2, own_core=True)]
                case _:
                    parser.error(f"no such part: {part}; there are {', '.join(PARTS)}")
            sys.stderr.write(f"{json.dumps(report[part])}\n")
        report["after"] = machine(path)
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    if arguments.write:
        write(report)
    return 0


def write(report: dict[str, Any], page: Path = PAGE) -> None:
    """Write the measured tables into the page; others stay unchanged."""
    for part, table in (
        ("seeded", seeded_table),
        ("disk", disk_table),
        ("rooms", rooms_table),
        ("cores", cores_table),
    ):
        if part in report:
            put(part, table(report[part]), page)


def put(part: str, table: str, page: Path = PAGE) -> None:
    """Write a table into the page, between the marks of its part."""
    begin, end = f"<!-- from a run: {part} -->\n", "<!-- end -->"
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    page.write_text(f"{before}{begin}{table}\n{end}{rest.partition(end)[2]}", encoding="utf-8")


def seeded_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the table of seeded conversations."""
    lines = [
        "| kept | open | MiB | start s | a text | of one who is known | a first text | a look at rooms |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        parked_count, opened = (f"{row['count']:,}", "0") if row["kind"] == "parked" else ("0", f"{row['count']:,}")
        measured = (row[name] for name in ("open_ms", "known_ms", "first_ms", "look_ms"))
        times = " | ".join(f"{each:.2f}" if each else "—" for each in measured)
        lines.append(f"| {parked_count} | {opened} | {row['mib']:.0f} | {row['start_s']:.2f} | {times} |")
    return "\n".join(lines)


def rooms_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the table of conversations with rooms at a homeserver."""
    lines = ["| open | MiB | ready s | a text ms | raw send ms |", "| --- | --- | --- | --- | --- |"]
    for row in rows:
        times = f"{row['text_ms']:.0f} | {row['raw_ms']:.0f}"
        lines.append(f"| {row['count']:,} | {row['mib']:.0f} | {row['start_s']:.1f} | {times} |")
    return "\n".join(lines)


def cores_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the table of cores."""
    lines = ["| cores | texts a second | raw sends a second | bridge's CPU for a text, ms |", "| --- | --- | --- | --- |"]
    for row in rows:
        cores = f"{row['cores']}{', own core' if row['own_core'] else ''}"
        lines.append(f"| {cores} | {row['texts']:.0f} | {row['raw']:.0f} | {row['cpu_ms']:.1f} |")
    return "\n".join(lines)


def disk_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the table of disk usage."""
    lines = ["| one more | bridge KiB | homeserver KiB |", "| --- | --- | --- |"]
    lines += [f"| {row['what']} | {row['bridge_kib']:.1f} | {row['homeserver_kib']:.1f} |" for row in rows]
    return "\n".join(lines)


def _numbers(text: str) -> list[int]:
    return [int(each) for each in text.split(",") if each]


def _seeded(directory: Path, kind: str, count: int) -> dict[str, Any]:
    """Seed in this process, and measure in another one."""
    directory.mkdir()
    asyncio.run(_seed(directory, kind, count))
    command = (sys.executable, "-P", "-m", "tests.bench.capacity", "--one", f"{directory},{kind},{count}")
    result = subprocess.run(command, env=child_environment(), cwd=ROOT, check=True, capture_output=True, text=True)
    figures: dict[str, Any] = json.loads(result.stdout)
    return figures


async def _seed(directory: Path, kind: str, count: int) -> None:
    harness = BridgeHarness(directory)
    await harness.open()
    try:
        await harness.engine.load()
        if kind == "parked":
            await seeding.seed_parked(harness.services, LINE, count)
        else:
            people = [f"@advocate{n}:x" for n in range(max(1, count // EACH_HAS))]
            await seeding.seed_open(harness.services, LINE, count, advocates=people, members=OURS)
    finally:
        await harness.close()


async def _one(directory: Path, kind: str, count: int) -> dict[str, Any]:
    """Start on the seeded data; return seconds of the start, MiB, and milliseconds of CPU for each kind of work."""
    harness = BridgeHarness(directory)
    started_at = time.process_time()
    await harness.open()
    await harness.database.commit(delete_unassigned_rooms)
    await harness.vault.owners()
    await threads.key_owners(harness.database)
    await harness.run()
    start = time.process_time() - started_at
    try:
        gc.collect()
        gc.freeze()  # as the bridge does when it is ready
        first = await _cpu(TEXTS, lambda n: _text(harness, f"f{n}", f"+1206555{n:04}"))
        known = 0.0
        if kind == "parked" and count >= TEXTS:
            known = await _cpu(TEXTS, lambda n: _text(harness, f"k{n}", f"+1312{2_000_000 + n}"))
        now = await _cpu(
            TEXTS,
            lambda n: _text(
                harness, f"o{n}", f"+1206555{n:04}" if kind == "parked" else seeding.open_phone(n % count).reveal()
            ),
        )
        keeper = ProvisionerHarness(harness)
        keeper.desk = harness.engine.desk
        keeper.run()
        await keeper.furnished()
        await keeper.look()
        looks = await _cpu(LOOKS, lambda _n: keeper.look())
        await keeper.stop()
    finally:
        await harness.close()
    status = Path("/proc/self/status").read_text(encoding="utf-8")  # noqa: ASYNC240 - nothing else runs any more
    resident = float(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))
    return {
        "kind": kind,
        "count": count,
        "start_s": start,
        "mib": resident / 1024,
        "first_ms": first,
        "known_ms": known,
        "open_ms": now,
        "look_ms": looks / 2,  # waiting for a look takes two
    }


async def _text(harness: BridgeHarness, message_id: str, sender: str) -> None:
    await harness.receive_text("a text of ordinary length, as people put it", message_id=message_id, sender=sender)
    await harness.wait_until_drained()


async def _cpu(times: int, act: Callable[[int], Awaitable[None]]) -> float:
    started_at = time.process_time()
    for number in range(times):
        await act(number)
    return (time.process_time() - started_at) / times * 1000


async def _disk(directory: Path) -> list[dict[str, Any]]:
    """Return what a conversation and a text add to the databases, in KiB of SQLite's used pages."""
    rows: list[dict[str, Any]] = []
    async with BenchLine.running(directory) as line:
        files = line.layout.bridge / "main.db", line.layout.homeserver / "homeserver.db"

        def used() -> list[float]:
            pages = "SELECT page_count - freelist_count FROM pragma_page_count(), pragma_freelist_count()"
            return [float(line.ask(file, pages)) * PAGE_KIB for file in files]

        async def add(what: str, count: int, act: Callable[[], Awaitable[object]]) -> None:
            before = used()
            await act()
            await line.wait_until_idle()
            each = [(now - then) / count for then, now in zip(before, used(), strict=True)]
            rows.append({"what": what, "bridge_kib": each[0], "homeserver_kib": each[1]})

        await line.start_bridge()
        await line.open_threads(MORE)
        await line.wait_until_idle()
        await add("conversation, with its room and first text", MORE, lambda: line.open_threads(2 * MORE))
        await add("text", MANY, lambda: line.load(line.texts(count=MANY, in_flight=8, handsets=MORE)))
    return rows


def _with_rooms(count: int) -> dict[str, Any]:
    """Run the benchmark of a whole line with that many threads."""
    figures = _bench("latency", "memory", "start", "--threads", str(count))
    latency = figures["latency_p50"]
    return {
        "count": figures["memory"]["threads"],
        "mib": figures["memory"]["after_a_restart_mib"],
        "start_s": figures["start"]["value"],
        "text_ms": latency["value"],
        "raw_ms": latency["ceiling"],
    }


def _on_cores(cores: int, *, own_core: bool = False) -> dict[str, Any]:
    """Run the benchmark of throughput with all processes of the line on that many cores (`sched_setaffinity`).

    `own_core`: with `homeserver.own_core`.
    """
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[:cores])
    try:
        figures = _bench("throughput", *(["--own-core"] if own_core else []))
    finally:
        os.sched_setaffinity(0, allowed)
    return {
        "cores": cores,
        "own_core": own_core,
        "texts": figures["throughput"]["value"],
        "raw": figures["throughput"]["ceiling"],
        "cpu_ms": figures["bridge_cpu_per_text"]["value"],
    }


def _bench(*words: str) -> dict[str, Any]:
    command = (sys.executable, "-P", "-m", "tests.bench", *words)
    result = subprocess.run(command, env=child_environment(), cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return {each["name"]: each for each in json.loads(result.stdout)["figures"]}


if __name__ == "__main__":
    sys.exit(main())
