"""The verb `quietline init`.

Rule of this module: as in `deploy.cli.main`, what a verb needs is imported when it is used; exit codes are 0 everything is
written, 2 nothing is.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

EXIT_USAGE = 2


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--answers",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="A YAML file of mode 0600: deploy/examples/init/ has one.",
)
@click.option("--dry-run", is_flag=True, help="Print the legal wordings for counsel; write nothing.")
def init(directory: Path, answers: Path, dry_run: bool) -> None:
    """Make the directory of a line from answers: configuration, pack, secrets, hand-outs, proxy, units and a checklist.

    DIR must not exist. Exit code 0 everything is written, 2 nothing is, and every problem is told at once. Then
    `quietline up --data DIR` runs the line.
    """
    from deploy.data_dir.secret_files import SetupError  # noqa: PLC0415 - only this verb needs it
    from deploy.init.agency_pack import legal_wordings  # noqa: PLC0415 - the same
    from deploy.init.answers import read_answers  # noqa: PLC0415 - the same
    from deploy.init.line_directory import init as make  # noqa: PLC0415 - the same

    os.umask(0o077)
    try:
        written = make(directory, read_answers(answers), dry_run=dry_run)
    except SetupError as error:
        for problem in error.problems:
            click.echo(f"quietline: {problem}", err=True)
        sys.exit(EXIT_USAGE)
    if dry_run:
        for line in legal_wordings(written.pack):
            click.echo(line)
    else:
        click.echo(f"{directory}: written. {directory / 'CHECKLIST.md'} says what is left to do.")
