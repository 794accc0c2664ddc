"""The verb `quietline alarm`.

Rule of this module: as in `deploy.cli.main`, what a verb needs is imported when it is used.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import click

from deploy.cli.options import line_options
from deploy.cli.records import exit_on_errors

if TYPE_CHECKING:
    from deploy.data_dir.layout import Layout

EXIT_OK, EXIT_PROBLEMS = 0, 1


@click.group()
def alarm() -> None:
    """Try the alarms of a line."""


@alarm.command(name="test")
@line_options
@click.option("--json", "as_json", is_flag=True, help="For a program.")
def alarm_test(layout: Layout, as_json: bool) -> None:
    """Ring at the desk and call the person on call, marked as a test, and tell what got through.

    The running line does it, by the way of every alarm; where none runs, only the person on call is tried, from here. Exit
    code 0 when all of it got through, 1 when not, 2 for a line that cannot be read.
    """
    from deploy.inspect.alarm_test import run  # noqa: PLC0415 - only this verb needs it

    with exit_on_errors():
        report = asyncio.run(run(layout))
    for line in [report.as_json()] if as_json else report.as_text():
        click.echo(line)
    sys.exit(EXIT_OK if report.ok else EXIT_PROBLEMS)


@alarm.command(name="failed")
@click.argument("unit", envvar="MONITOR_UNIT", metavar="[UNIT]")
@line_options
def alarm_failed(unit: str, layout: Layout) -> None:
    """Tell the desk that UNIT of the service manager failed, and call the person on call.

    For `OnFailure=`: systemd names the unit in MONITOR_UNIT. Where the line does not run the person on call is called from
    here, once an hour. Exit code 0 it was told, 1 no way took the call, 2 for a configuration that cannot be used.
    """
    from bridge.config import load  # noqa: PLC0415 - only this verb needs it
    from deploy.doctor.alarm import raise_for_unit  # noqa: PLC0415 - the same

    with exit_on_errors():
        told = asyncio.run(raise_for_unit(load(layout.config), unit))
    sys.exit(EXIT_OK if told else EXIT_PROBLEMS)
