"""The verb `quietline check`.

Rule of this module: as in `deploy.cli.main`; exit codes are 0 well, 1 not well, 2 no line could be started.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from deploy.cli.options import json_option, line_options
from deploy.cli.outcome import EXIT_OK, EXIT_PROBLEMS, exit_with_problems, print_lines

if TYPE_CHECKING:
    from deploy.data_dir.layout import Layout


@click.command()
@line_options
@json_option
def check(layout: Layout, as_json: bool) -> None:
    """Look at everything that stops a start or a first text, at once, before the line runs or beside it.

    Configuration, packs, secrets, ports, disk, clock, versions, homeserver, database, carrier, and the public address as it
    is seen from here. Nothing is changed, no text is sent. Exit code 0 when all is well, 1 when not, 2 when the
    configuration or its packs cannot be used. What needs a running line is listed as to do, and is not held against it.
    """
    import asyncio

    from deploy.preflight import preflight

    report, usable = asyncio.run(preflight.run_checks(layout))
    print_lines([report.as_json()] if as_json else preflight.as_text(report))
    if not usable:
        exit_with_problems(row.what for row in report.checks if row.name == "configuration")
    sys.exit(EXIT_OK if report.ok else EXIT_PROBLEMS)
