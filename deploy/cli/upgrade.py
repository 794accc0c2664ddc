"""The verbs that replace a line's program or move its databases: upgrade, migrate, and handover to a second bridge.

Rules of this module: as in `deploy.cli.main`; a passphrase is given as a file and never as an argument.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal

import click

from deploy.cli.options import line_options
from deploy.cli.outcome import EXIT_PROBLEMS, exit_on_errors, exit_with_report, print_problems

if TYPE_CHECKING:
    from deploy.data_dir.layout import Layout


@click.command()
@line_options
@click.option("--without-backup", is_flag=True, help="Make none: there is one that you know to be good.")
def upgrade(layout: Layout, without_backup: bool) -> None:
    """Bring a stopped line's databases to this version, after a backup where `backup` says; then start it again.

    What ends it (a kill, a full disk) loses nothing: run it again.
    """
    import asyncio

    from bridge.config.load import load
    from deploy.backup.upgrade import upgrade as bring

    with exit_on_errors():
        file = asyncio.run(bring(layout, load(layout.config), with_backup=not without_backup))
    if file is not None:
        click.echo(f"{file}: the backup of before. Keep it until the new version has proved itself.")
    click.echo(f"The databases are of this version. Start the line, then look at it: quietline doctor {layout.option}")


@click.command()
@line_options
@click.option("--to", required=True, type=click.Choice(["postgresql", "sqlite"]), help="Where the databases shall be.")
def migrate(layout: Layout, to: Literal["postgresql", "sqlite"]) -> None:
    """Move a stopped line's databases to PostgreSQL or back; `keys.db` stays where it is.

    The configuration has `database.url_file` in both cases: it names the PostgreSQL database, which is the line's alone.
    Every row is compared before anything is removed; broken off, the same command goes on. After `--to sqlite` take
    `database` out of the configuration.
    """
    import asyncio

    from bridge.config.load import load
    from deploy.backup.migrate import CannotMigrate
    from deploy.backup.migrate import migrate as move
    from deploy.data_dir.secret_files import SetupError

    with exit_on_errors():
        if (config := load(layout.config)).database is None:
            do = (
                "write it, with the `url_file` of a PostgreSQL database, as deploy/docs/operator.md says; nothing was moved"
            )
            raise SetupError([f"{layout.config}: database: is not there; {do}"])
        try:
            rows = asyncio.run(move(config, to))
        except CannotMigrate as reason:
            print_problems([str(reason)])
            sys.exit(EXIT_PROBLEMS)
    click.echo(f"The line is on {to}, with {rows} rows; all that were moved were compared. Start it.")
    if to == "sqlite":
        click.echo("Before that, take `database` out of the configuration.")


@click.command()
@line_options
@click.option("--here", is_flag=True, help="Only where the bridge of this machine leads: before it is stopped.")
@click.option("--wait", type=click.FloatRange(0, 3600), default=0.0, help="Seconds in which a second bridge may come.")
def handover(layout: Layout, here: bool, wait: float) -> None:
    """Have the bridge that leads let the one that waits lead, for an update for instance, and wait until it does.

    The first one finishes what it has begun, and waits then. Exit code 0 when another leads, 1 when not: none waits, or it
    took too long; then nothing is changed. With --here it is 0, too, where another machine's bridge leads.
    """
    import asyncio

    from bridge.config.load import load
    from deploy.inspect.handover import hand_over

    with exit_on_errors():
        report = asyncio.run(hand_over(load(layout.config), here=here, wait=wait))
    exit_with_report(report, as_json=False)
