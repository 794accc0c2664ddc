"""The verbs `quietline doctor` and `quietline targets`, and what verbs report about a fleet.

Rules of this module: as in `deploy.cli.main`; exit codes are 0 well, 1 not well, 2 no line can be started with this
configuration, its secrets or its packs. With `--changes` and no change, it prints nothing and ends with 0.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from deploy.cli.options import json_option, line_or_fleet_options
from deploy.cli.outcome import EXIT_OK, EXIT_PROBLEMS, EXIT_USAGE, exit_on_errors, print_lines, print_problems

if TYPE_CHECKING:
    from typing import NoReturn

    from deploy.data_dir.layout import Layout
    from deploy.inspect.check_report import CheckReport
    from deploy.inspect.fleet_report import Look

_CHANGES: Final = click.option(
    "--changes",
    "only_changes",
    is_flag=True,
    help="Only what changed since the last time with this option: for a timer that mails what is printed.",
)
_ALARM: Final = click.option(
    "--alarm",
    "raises_alarm",
    is_flag=True,
    help="As --changes, and what is newly not well is told at the desk and calls the person on call: for a timer.",
)


@click.command()
@line_or_fleet_options
@json_option
@_CHANGES
@_ALARM
def doctor(layout: Layout | None, fleet: Path | None, as_json: bool, only_changes: bool, raises_alarm: bool) -> None:
    """Look whether the line is as safe as it should be. Exit code 0 when all is well, 1 when not, 2 when it cannot start.

    It asks every part at once, beside a running line or a stopped one, changes nothing and sends no text; a part that does
    not answer in time is a row that says so.
    """
    import asyncio

    from bridge.config.load import parse
    from deploy.doctor import changes
    from deploy.doctor.alarm import raise_alarm
    from deploy.doctor.doctor import run_checks

    async def look(each: Layout) -> tuple[CheckReport, int]:
        report, usable = await run_checks(each)
        return report, EXIT_OK if report.ok else EXIT_PROBLEMS if usable else EXIT_USAGE

    if layout is None:
        if only_changes or raises_alarm:
            raise click.UsageError("--changes and --alarm are for one line; each has its own last time.")
        say_fleet(fleet, look, "doctor", as_json=as_json)
    report, usable = asyncio.run(run_checks(layout))
    ok = report.ok
    if raises_alarm and usable:
        report = asyncio.run(raise_alarm(parse(layout.config)[0], layout.doctor_alarm, report))
    elif only_changes or raises_alarm:
        report = changes.since_last_time(layout.doctor_alarm if raises_alarm else layout.doctor, report)
    if (only_changes or raises_alarm) and not report.checks:
        sys.exit(EXIT_OK)
    print_lines([report.as_json(ok=ok)] if as_json else report.as_text())
    if not usable:
        print_problems(row.what for row in report.checks if row.name in {"configuration", "packs"} and not row.ok)
    sys.exit(EXIT_OK if ok else EXIT_PROBLEMS if usable else EXIT_USAGE)


@click.command()
@click.option("--fleet", required=True, type=click.Path(dir_okay=False, path_type=Path), help="A file with the lines.")
def targets(fleet: Path) -> None:
    """Print where Prometheus finds the metrics of a fleet's lines, each with the label `line`: a file for file_sd_configs.

    Exit code 0 when every line has metrics, 1 when one has not, which is said; 2 for a file that cannot be used.
    """
    from deploy.data_dir.fleet import read_fleet
    from deploy.inspect.fleet_report import scrape_targets

    with exit_on_errors():
        text, without = scrape_targets(read_fleet(fleet))
    click.echo(text)
    print_problems(f"{name}: has no `metrics` section that can be read" for name in without)
    sys.exit(EXIT_PROBLEMS if without else EXIT_OK)


def say_fleet(fleet: Path | None, look: Look, verb: str, *, as_json: bool) -> NoReturn:
    """Check every line of a fleet, print a report of each, and exit with the worst exit code."""
    import asyncio

    from deploy.data_dir.fleet import read_fleet
    from deploy.inspect.fleet_report import check_lines

    with exit_on_errors():
        lines = read_fleet(Path(str(fleet)))
    report = asyncio.run(check_lines(lines, look))
    print_lines([report.as_json()] if as_json else report.as_text(verb))
    sys.exit(report.code)
