"""`./quietline test --long [PART…]`: run the long tests, print one line a figure, exit with 1 after a failure.

Rule of this module: all parts together end within an hour, because each has its share of it (`BUDGET`), in which it starts,
makes its load and counts. A part reports how much of its load it made, and less than 95 % of the texts or requests is a
failure: a line that took one text of 10,000 has shown nothing. A part that has not ended after its share fails, too.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final, TypeAlias

from tests.bench import flood
from tests.bench.bench_line import BenchLine
from tests.e2e.kill_scenario import Result
from tests.fakes.takeovers import NOT_TAKEN, Takeovers
from tests.long import fuzz, kills, marked, postgresql, soak, synapse, takeovers
from tests.planted import PLANTED
from tests.synapse_versions import VERSIONS

Figures: TypeAlias = list[tuple[str, object, bool]]
"""Name, value, and whether it is right."""
TAKEOVER_SECONDS: Final = 15.0
"""The longest promised takeover in seconds, of every kind, with a homeserver or without one."""

ENOUGH: Final = 0.95
"""The least share of the requested texts or requests with which a run passes."""


def _is_enough(done: int, goal: int) -> bool:
    return done > 0 and done >= ENOUGH * goal


async def _kills(options: argparse.Namespace) -> Figures:
    story, result = await kills.run(kills.load_for(options.texts, _minutes(options, "kills")))
    return [
        ("kill -9", ", ".join(f"{who} {times}" for who, times in sorted(story.kills.items())) + ", up 1", True),
        ("texts", f"{result.texts:,} of {options.texts:,}", _is_enough(result.texts, options.texts)),
        *_story(result),
    ]


def _planted(hits: int) -> Figures:
    """Return the figures of the search of all logs for what people texted, said and are called."""
    return [
        ("texts, words of staff, numbers and ids looked for in all logs", f"{len(PLANTED):,}", True),
        ("of them in a log", hits, not hits),
    ]


def _story(result: Result) -> Figures:
    """Return the figures of texts and answers."""
    return [
        ("texts lost", result.lost, not result.lost),
        ("texts doubled", result.doubled, not result.doubled),
        ("conversations out of order", result.out_of_order, not result.out_of_order),
        ("answers", ", ".join(f"{word} {times}" for word, times in sorted(result.answers.items())), True),
        ("answers doubled on a phone", result.answers_doubled, not result.answers_doubled),
        ("phones with answers out of order", result.answers_out_of_order, not result.answers_out_of_order),
        ("answers held or not sent", result.answers_refused, not result.answers_refused),
        ("texts on a phone that nobody said, or marked delivered and not there", result.answers_strange, result.is_good),
        *_planted(result.planted_in_logs),
    ]


async def _fuzz(options: argparse.Namespace) -> Figures:
    count = await fuzz.run(options.requests, seconds=60 * _minutes(options, "fuzz"))
    return [
        ("requests", f"{count.requests:,} of {options.requests:,}", _is_enough(count.requests, options.requests)),
        ("refused without their signature", count.refused, True),
        ("authentic ones answered 200 or 400", count.taken, True),
        ("taken without a signature, 5xx, no answer", count.errors, not count.errors),
        ("log records with a request's content", count.logged, not count.logged),
        *(("wrong", what, False) for what in count.wrong),
    ]


async def _soak(options: argparse.Namespace) -> Figures:
    result = await soak.run(_minutes(options, "soak"))
    return [
        ("conversations begun and ended", result.conversations, result.rounds > 0),
        ("MiB of memory, round by round", " ".join(map(str, result.memory)), True),
        ("open files, round by round", " ".join(map(str, result.files)), True),
        ("MiB of main database, round by round", " ".join(map(str, result.database)), True),
    ]


async def _postgresql(options: argparse.Namespace) -> Figures:
    counts = await asyncio.to_thread(postgresql.run, _minutes(options, "postgresql"))
    if counts is None:
        return [("left out", "PostgreSQL is not on this machine", True)]
    wrong = counts["failed"] + counts["error"]
    return [
        ("tests of the bridge on PostgreSQL", counts["passed"], counts["passed"] > 0),
        ("that failed", wrong, not wrong),
        ("left out, for SQLite alone", counts["sqlite_only"], True),
        ("left out, for want of something on this machine", counts["known"], True),
        ("left out for another reason", counts["unknown"], not counts["unknown"]),
    ]


async def _takeovers(options: argparse.Namespace) -> Figures:
    outcome = await takeovers.run(options.texts, number=options.takeovers)
    if outcome is None:
        return [("left out", "PostgreSQL is not on this machine", True)]
    count, record = outcome
    return [
        *_seconds(record),
        ("texts", f"{count.texts:,}", count.texts >= options.texts),
        ("texts lost", count.lost, not count.lost),
        ("texts doubled", count.doubled, not count.doubled),
        ("answers", f"{count.answers:,}", count.answers > 0),
        ("answers doubled on a phone", count.answers_doubled, not count.answers_doubled),
        ("texters without an answer", f"{count.unanswered}, said to be unknown {count.unknown}", count.is_good),
        *_planted(count.planted_in_logs),
    ]


async def _answers(options: argparse.Namespace) -> Figures:
    outcome = await takeovers.run_answers(options.texts, _minutes(options, "answers"), number=options.takeovers)
    if outcome is None:
        return [("left out", "PostgreSQL is not on this machine", True)]
    _, result, record = outcome
    lost, unknown = record.under_way[NOT_TAKEN], result.answers["unknown"]
    return [
        *_seconds(record),
        (
            "requests under way at a takeover",
            f"{record.under_way.total()}, of them lost {lost}",
            record.under_way.total() > 0 and unknown >= lost,
        ),
        ("texts", f"{result.texts:,} of {options.texts:,}", _is_enough(result.texts, options.texts)),
        *_story(result),
    ]


def _seconds(record: Takeovers) -> Figures:
    """Return the figures of takeover times; one above the promised limit is wrong."""
    return [
        (
            f"seconds until the other leads, {how}",
            " ".join(f"{each:.1f}" for each in seconds),
            max(seconds, default=0) <= TAKEOVER_SECONDS,
        )
        for how, seconds in record.seconds.items()
    ]


async def _marked(options: argparse.Namespace) -> Figures:
    counts = await asyncio.to_thread(marked.run, _minutes(options, "marked"))
    wrong = counts["failed"] + counts["error"]
    return [
        ("tests that are marked long", counts["passed"], counts["passed"] > 0),
        ("that failed", wrong, not wrong),
    ]


async def _flood(options: argparse.Namespace) -> Figures:
    with tempfile.TemporaryDirectory(prefix="quietline-flood-") as directory:
        async with BenchLine.running(Path(directory)) as line:
            figures = await flood.flood(line, full=False, seconds=round(60 * _minutes(options, "flood")))
    most = {"flood_posts_per_minute": 30.0}
    return [(each.name, f"{each.value:.2f} {each.unit}", each.value <= most.get(each.name, math.inf)) for each in figures]


async def _synapse(options: argparse.Namespace) -> Figures:
    results = await asyncio.to_thread(synapse.run, _minutes(options, "synapse"))
    wrong = [version for version, is_well in results.items() if not is_well]
    return [
        ("versions of Synapse", f"{len(results)} of {len(VERSIONS)}: {', '.join(results)}", len(results) == len(VERSIONS)),
        ("with which the module's tests fail", ", ".join(wrong) or "none", not wrong),
    ]


PARTS: Final[dict[str, Callable[[argparse.Namespace], Coroutine[Any, Any, Figures]]]] = {
    "kills": _kills,
    "fuzz": _fuzz,
    "soak": _soak,
    "postgresql": _postgresql,
    "takeovers": _takeovers,
    "answers": _answers,
    "marked": _marked,
    "synapse": _synapse,
    "flood": _flood,
}
ONLY_NAMED: Final = frozenset({"postgresql", "takeovers", "answers", "marked", "synapse", "flood"})


LOAD: Final[dict[str, float]] = {
    "kills": 12.0,
    "fuzz": 20.0,
    "soak": 7.0,
    "postgresql": 45.0,
    "takeovers": 15.0,
    "answers": 20.0,
    "marked": 40.0,
    "flood": 10.0,
    "synapse": 45.0,
}
"""Minutes for which each part makes its load."""
BUDGET: Final[dict[str, float]] = {
    "kills": 27.0,
    "fuzz": 22.0,
    "soak": 11.0,
    "postgresql": 50.0,
    "takeovers": 25.0,
    "answers": 40.0,
    "marked": 50.0,
    "flood": 35.0,
    "synapse": 60.0,
}
"""Minutes after which each part is ended. The default parts take an hour together."""


def _minutes(options: argparse.Namespace, part: str) -> float:
    return float(options.minutes or LOAD[part])


async def _within_budget(name: str, options: argparse.Namespace) -> Figures:
    """Run a part; if it does not end, or ends with an error, return a figure that says so, so that the next one runs."""
    budget = BUDGET[name] + max(0.0, _minutes(options, name) - LOAD[name])
    try:
        async with asyncio.timeout(60 * budget):
            return await PARTS[name](options)
    except TimeoutError:
        return [("ended", f"not done after {budget:g} minutes", False)]
    except Exception as failure:  # noqa: BLE001 - whatever it is, it is a figure, and the other parts run
        traceback.print_exc()
        return [("ended", f"{type(failure).__name__}: {failure}", False)]


def main() -> int:
    """Run the named parts; without names, those that together take an hour."""
    parser = argparse.ArgumentParser(prog="quietline test --long", description="Run what takes long, within an hour.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    defaults = ", ".join(f"{name} {minutes:g}" for name, minutes in LOAD.items())
    parser.add_argument("--texts", type=int, default=10_000, help="texts of `kills`, `takeovers` and `answers` (10,000)")
    parser.add_argument("--takeovers", type=int, default=10, help="of `takeovers` and `answers` (10)")
    parser.add_argument("--requests", type=int, default=1_000_000, help="requests of `fuzz` (1,000,000)")
    parser.add_argument("--minutes", type=float, help=f"how long each makes its load ({defaults})")
    options = parser.parse_args()
    if unknown := [name for name in options.parts if name not in PARTS]:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    well = True
    for name in options.parts or [name for name in PARTS if name not in ONLY_NAMED]:
        started_at = time.monotonic()
        figures = asyncio.run(_within_budget(name, options))
        figures.append(("minutes", round((time.monotonic() - started_at) / 60, 1), True))
        for figure, value, good in figures:
            sys.stdout.write(f"{name}: {figure}: {value}{'' if good else '   <-- wrong'}\n")
            well = well and good
        sys.stdout.flush()
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
