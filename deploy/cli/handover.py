"""The verb `quietline handover`.

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


@click.command()
@line_options
@click.option("--here", is_flag=True, help="Only where the bridge of this machine leads: before it is stopped.")
@click.option("--wait", type=click.FloatRange(0, 3600), default=0.0, help="Seconds in which a second bridge may come.")
@click.option("--json", "as_json", is_flag=True, help="For a program.")
def handover(layout: Layout, here: bool, wait: float, as_json: bool) -> None:
    """Have the bridge that leads let the one that waits lead, for an update for instance, and wait until it does.

    The first one finishes what it has begun, and waits then. Exit code 0 when another leads, 1 when not: none waits, or it
    took too long; then nothing is changed. With --here it is 0, too, where another machine's bridge leads.
    """
    from bridge.config import load  # noqa: PLC0415 - only this verb needs it
    from deploy.inspect.handover import hand_over  # noqa: PLC0415 - the same

    with exit_on_errors():
        report = asyncio.run(hand_over(load(layout.config), here=here, wait=wait))
    for line in [report.as_json()] if as_json else report.as_text():
        click.echo(line)
    sys.exit(EXIT_OK if report.ok else EXIT_PROBLEMS)
