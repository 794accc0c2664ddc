"""The verb about where the databases are: migrate.

Rule of this module: as in `cli`.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Literal

import click

from deploy.cli.options import line_options
from deploy.cli.records import exit_on_errors

if TYPE_CHECKING:
    from deploy.data_dir.layout import Layout

EXIT_PROBLEMS, EXIT_USAGE = 1, 2


@click.command()
@line_options
@click.option("--to", required=True, type=click.Choice(["postgresql", "sqlite"]), help="Where the databases shall be.")
def migrate(layout: Layout, to: Literal["postgresql", "sqlite"]) -> None:
    """Move a stopped line's databases to PostgreSQL or back; `keys.db` stays where it is.

    The configuration has `database.url_file` in both cases: it names the PostgreSQL database, which is the line's alone.
    Every row is compared before anything is removed; broken off, the same command goes on. After `--to sqlite` take
    `database` out of the configuration.
    """
    from bridge.config import load  # noqa: PLC0415 - only this verb needs it
    from deploy.backup.migrate import CannotMigrate  # noqa: PLC0415 - only this verb needs it
    from deploy.backup.migrate import migrate as move  # noqa: PLC0415 - only this verb needs it
    from deploy.data_dir.accept_facts import LineRuns  # noqa: PLC0415 - only this verb needs it

    with exit_on_errors():
        try:
            rows = asyncio.run(move(load(layout.config), to))
        except LineRuns:
            click.echo("quietline: the line runs; stop it first", err=True)
            sys.exit(EXIT_USAGE)
        except CannotMigrate as reason:
            click.echo(f"quietline: {reason}", err=True)
            sys.exit(EXIT_PROBLEMS)
    click.echo(f"The line is on {to}, with {rows} rows; all that were moved were compared. Start it.")
    if to == "sqlite":
        click.echo("Before that, take `database` out of the configuration.")
