"""The verb `quietline handover`.

Rule of this module: as in `deploy.cli.main`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from deploy.cli.options import json_option, line_options
from deploy.cli.outcome import exit_on_errors, exit_with_report

if TYPE_CHECKING:
    from deploy.data_dir.layout import Layout


@click.command()
@line_options
@click.option("--here", is_flag=True, help="Only where the bridge of this machine leads: before it is stopped.")
@click.option("--wait", type=click.FloatRange(0, 3600), default=0.0, help="Seconds in which a second bridge may come.")
@json_option
def handover(layout: Layout, here: bool, wait: float, as_json: bool) -> None:
    """Have the bridge that leads let the one that waits lead, for an update for instance, and wait until it does.

    The first one finishes what it has begun, and waits then. Exit code 0 when another leads, 1 when not: none waits, or it
    took too long; then nothing is changed. With --here it is 0, too, where another machine's bridge leads.
    """
    import asyncio

    from bridge.config.load import load
    from deploy.inspect.handover import hand_over

    with exit_on_errors():
        report = asyncio.run(hand_over(load(layout.config), here=here, wait=wait))
    exit_with_report(report, as_json=as_json)
