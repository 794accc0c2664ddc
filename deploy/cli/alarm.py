"""The verb `quietline alarm`.

Rule of this module: as in `deploy.cli.main`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click

from deploy.cli.options import json_option, line_options
from deploy.cli.outcome import EXIT_OK, EXIT_PROBLEMS, exit_on_errors, exit_with_report

if TYPE_CHECKING:
    from deploy.data_dir.layout import Layout

UNNAMED: Final = "systemctl --failed"
"""What is told in place of a unit that the service manager does not name."""


@click.group()
def alarm() -> None:
    """Try the alarms of a line."""


@alarm.command(name="test")
@line_options
@json_option
def alarm_test(layout: Layout, as_json: bool) -> None:
    """Ring at the desk and call the person on call, marked as a test, and tell what got through.

    The running line does it, by the way of every alarm; where none runs, only the person on call is tried, from here. Exit
    code 0 when all of it got through, 1 when not, 2 for a line that cannot be read.
    """
    import asyncio

    from deploy.inspect.alarm_test import run

    with exit_on_errors():
        report = asyncio.run(run(layout))
    exit_with_report(report, as_json=as_json)


@alarm.command(name="failed")
@click.argument("unit", envvar="MONITOR_UNIT", metavar="[UNIT]", default=UNNAMED)
@line_options
def alarm_failed(unit: str, layout: Layout) -> None:
    """Tell the desk that UNIT of the service manager failed, and call the person on call.

    For `OnFailure=`: systemd names the unit in MONITOR_UNIT, but not where several units have the same handler, as those of
    `init` do: then the desk reads what lists it. Where the line does not run the person on call is called from
    here, once an hour. Exit code 0 it was told, 1 no way took the call, 2 for a configuration that cannot be used.
    """
    import asyncio

    from bridge.config.load import load
    from deploy.doctor.alarm import raise_for_unit

    with exit_on_errors():
        is_told = asyncio.run(raise_for_unit(load(layout.config), unit))
    sys.exit(EXIT_OK if is_told else EXIT_PROBLEMS)
