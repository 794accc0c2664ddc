"""The verb `quietline check`.

Rule of this module: as in `deploy.cli.main`, what a verb needs is imported when it is used; exit codes are 0 well, 1 not
well, 2 no line could be started.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Final

import click

from deploy.cli.options import line_options

if TYPE_CHECKING:
    from deploy.data_dir.layout import Layout

EXIT_OK, EXIT_PROBLEMS, EXIT_USAGE = 0, 1, 2
_JSON: Final = click.option("--json", "as_json", is_flag=True, help="For a program.")


@click.command()
@line_options
@_JSON
def check(layout: Layout, as_json: bool) -> None:
    """Look at everything that stops a start or a first text, at once, before the line runs or beside it.

    Configuration, packs, secrets, ports, disk, clock, versions, homeserver, database, carrier, and the public address as it
    is seen from here. Nothing is changed, no text is sent. Exit code 0 when all is well, 1 when not, 2 when the
    configuration or its packs cannot be used. What needs a running line is listed as to do, and is not held against it.
    """
    from deploy.preflight import preflight  # noqa: PLC0415 - only this verb needs it

    report, usable = asyncio.run(preflight.run_checks(layout))
    for line in [report.as_json()] if as_json else preflight.as_text(report):
        click.echo(line)
    if not usable:
        for row in report.checks:
            if row.name == "configuration":
                click.echo(f"quietline: {row.what}", err=True)
        sys.exit(EXIT_USAGE)
    sys.exit(EXIT_OK if report.ok else EXIT_PROBLEMS)
