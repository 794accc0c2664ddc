"""The verb `quietline doctor`.

Rules of this module: as in `deploy.cli.main`; exit codes are 0 well, 1 not well, 2 no line could be started with this
configuration, its secrets or its packs. With `--changes` nothing new is 0 and no word.
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
_CHANGES: Final = click.option(
    "--changes",
    "only_changes",
    is_flag=True,
    help="Only what changed since the last time with this option: for a timer that mails what is printed.",
)


@click.command()
@line_options
@_JSON
@_CHANGES
def doctor(layout: Layout, as_json: bool, only_changes: bool) -> None:
    """Look whether the line is as safe as it should be. Exit code 0 when all is well, 1 when not, 2 when it cannot start.

    It asks every part at once, beside a running line or a stopped one, changes nothing and sends no text; a part that does
    not answer in time is a row that says so.
    """
    from deploy.doctor import changes  # noqa: PLC0415 - only this verb needs it
    from deploy.doctor.doctor import run_checks  # noqa: PLC0415 - only this verb needs it

    report, usable = asyncio.run(run_checks(layout))
    ok = report.ok
    if only_changes:
        report = changes.since_last_time(layout.doctor, report)
        if not report.checks:
            sys.exit(EXIT_OK)
    for line in [report.as_json(ok=ok)] if as_json else report.as_text():
        click.echo(line)
    if not usable:
        for row in report.checks:
            if row.name in {"configuration", "packs"} and not row.ok:
                click.echo(f"quietline: {row.what}", err=True)
    sys.exit(EXIT_OK if ok else EXIT_PROBLEMS if usable else EXIT_USAGE)
