"""`./quietline bench [NAME…] [--json FILE] [--threads N] [--full] [--own-core]`: measure, and print figures as JSON.

Rule of this module: it reports figures without a verdict; when it ends, everything that it started has ended.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from deploy.data_dir.atomic_files import write_atomically
from tests.bench import desk, flood, measures
from tests.bench.bench_line import BenchLine
from tests.bench.figures import Figure, machine

NAMES = (
    "latency",
    "first_text",
    "acknowledgement",
    "throughput",
    "desk",
    "memory",
    "start",
    "flood",
)
"""The order of the benchmarks: the last leaves a flood, in which most threads have no room."""


def main() -> int:
    """Run the named benchmarks, or all without a name."""
    parser = argparse.ArgumentParser(prog="quietline bench", description="Measure speed and memory of a line, as JSON.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there instead of printing them")
    parser.add_argument("--full", action="store_true", help="more repetitions, 1,000 threads: about twenty minutes")
    parser.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="threads for latency (50 at most), memory and start (200; 1,000 with --full)",
    )
    parser.add_argument(
        "--flood-seconds", type=int, default=flood.SECONDS, metavar="N", help=f"length of the flood ({flood.SECONDS})"
    )
    parser.add_argument("--own-core", action="store_true", help="with `homeserver.own_core`")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.names if name not in NAMES]:
        parser.error(f"no such figure: {', '.join(unknown)}; there are {', '.join(NAMES)}")
    threads = arguments.threads or (1000 if arguments.full else 200)
    if threads < 1:
        parser.error("--threads: at least 1")
    measured = asyncio.run(
        _measure(
            arguments.names or NAMES,
            full=arguments.full,
            threads=threads,
            flood_seconds=arguments.flood_seconds,
            own_core=arguments.own_core,
        )
    )
    report = json.dumps(measured, indent=2) + "\n"
    if arguments.json:
        write_atomically(arguments.json, report)
    else:
        sys.stdout.write(report)
    return 0


async def _measure(names: Sequence[str], *, full: bool, threads: int, flood_seconds: int, own_core: bool) -> dict[str, Any]:
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="quietline-bench-") as directory:
        path = Path(directory)
        report: dict[str, Any] = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "before": machine(path)}
        async with BenchLine.running(path, own_core=own_core) as line:
            for name in (name for name in NAMES if name in names):
                sys.stderr.write(f"quietline bench: {name}\n")
                measure = {
                    "latency": partial(measures.latency, full=full, threads=threads),
                    "memory": partial(measures.memory, threads=threads),
                    "desk": partial(desk.desk, full=full),
                    "flood": partial(flood.flood, full=full, seconds=flood_seconds),
                }.get(name) or partial(getattr(measures, name), full=full)
                results = await measure(line)
                figures += results
                for one in results:
                    sys.stderr.write(f"{one.name}: {one.value:.3f} {one.unit} ({one.ceiling:.3f}: {one.ceiling_is})\n")
        report["after"] = machine(path)
    return {**report, "figures": [figure.as_json() for figure in figures]}


if __name__ == "__main__":
    sys.exit(main())
