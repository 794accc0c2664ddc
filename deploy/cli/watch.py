"""`quietline status --watch`: a live view of a line's status.

Rules of this module: on a terminal one screen is overwritten in place, so that it does not flicker or scroll; otherwise
changes are written as plain lines. It ends with Ctrl-C, or when the terminal is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from deploy.inspect.check_report import CheckReport, CheckResult, mark_of

if TYPE_CHECKING:
    from rich.console import RenderableType

INTERVAL: Final = 2.0
"""Seconds between two checks."""
COLOURS: Final = {"NOT": "bold red", "!  ": "yellow", "?  ": "cyan", "ok ": "green"}

ASK_INTERVAL: Final = 60.0
"""Seconds between two requests to a carrier, which counts logins."""

Look: TypeAlias = Callable[[], Awaitable[CheckReport]]
Ask: TypeAlias = Callable[[], Awaitable[list[CheckResult]]]


def watch_line(look: Look, *, console: Console | None = None, interval: float = INTERVAL) -> bool:
    """Show the report of `look` until Ctrl-C; return whether the last report was well, None without a report."""
    last: list[CheckReport] = []

    async def run_and_note() -> CheckReport:
        last[:] = [await look()]
        return last[0]

    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        asyncio.run(watch(run_and_note, console=console or Console(highlight=False), interval=interval))
    return bool(last) and last[0].ok


def cached_probe(ask: Ask) -> Ask:
    """Return a probe that is run at most once a minute and otherwise returns its last answer."""
    asked_at, answer = -math.inf, list[CheckResult]()

    async def again() -> list[CheckResult]:
        nonlocal asked_at, answer
        if time.monotonic() - asked_at >= ASK_INTERVAL:
            asked_at, answer = time.monotonic(), await ask()
        return answer

    return again


async def watch(look: Look, *, console: Console, interval: float = INTERVAL) -> None:
    """Show the report of `look` until cancelled. Raises what `look` raises."""
    if console.is_terminal:
        await _draw(look, console, interval)
    else:
        await _write(look, console, interval)


async def _draw(look: Look, console: Console, interval: float) -> None:
    with Live(Text("looking…"), console=console, auto_refresh=False, screen=True, vertical_overflow="crop") as live:
        while True:
            report = await look()
            live.update(screen_of(report), refresh=True)
            await asyncio.sleep(interval)


def screen_of(report: CheckReport) -> RenderableType:
    """Return the screen: a row for each check, and below it what to do."""
    table = Table.grid(padding=(0, 1))
    for check in report.checks:
        mark = mark_of(check)
        table.add_row(Text(mark, style=COLOURS[mark]), Text(check.name, style="bold"), Text(check.what))
        if check.do:
            table.add_row("", "", Text(check.do, style="italic"))
    well = Text("all is well", style="green") if report.ok else Text("NOT well", style="bold red")
    return Group(Text.assemble(time.strftime("%H:%M:%S"), "  ", well), "", table, "", Text("Ctrl-C ends.", style="dim"))


async def _write(look: Look, console: Console, interval: float) -> None:
    """Write the whole first report, and then each check that changed."""
    before: dict[str, CheckResult] = {}
    while True:
        report = await look()
        changed = tuple(check for check in report.checks if before.get(check.name) != check)
        for line in CheckReport(checks=changed).as_text():
            console.out(f"{time.strftime('%H:%M:%S')} {line}", highlight=False)
        before = {check.name: check for check in report.checks}
        await asyncio.sleep(interval)
