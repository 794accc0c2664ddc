"""The verbs about backups and databases: backup, restore, drill, upgrade, migrate, handover.

Rules of this module: as in `deploy.cli.main`; a passphrase is given as a file and never as an argument.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import click

from deploy.cli.options import line_options, optional_line_options
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
    from deploy.backup.rotation import upgrade as bring

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


_PHRASE_HELP: Final = "A file of mode 0600 with a passphrase of at least 16 characters."
_FILE: Final = click.Path(dir_okay=False, path_type=Path)


@click.command()
@line_options
@click.option("--passphrase-file", type=_FILE, help=f"{_PHRASE_HELP}  [default: backup.passphrase_file]")
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    help="A new file; or a directory, in which it is named after the time.  [default: backup.to]",
)
def backup(layout: Layout, passphrase_file: Path | None, to: Path | None) -> None:
    """Write the line without its conversations into an encrypted file, beside a running line.

    Without options it does what `backup` in the configuration says, as a timer wants it.
    It holds configuration, tokens, first accounts, roster, STOP entries and counters. It holds no conversation, no key of
    one, and not the vault's keys. With backup.keep an older file is deleted only when the new one was read back and opened,
    and then only one of this line that the same passphrase opens.
    """
    import asyncio

    from bridge.config.load import load
    from deploy.backup import backup as backup_file
    from deploy.backup.rotation import RotatedBackup, backup_into, plan_of
    from deploy.data_dir.secret_files import SetupError

    with exit_on_errors():
        section = load(layout.config).backup
        place = to or (section.to if section else None)
        phrase = passphrase_file or (section.passphrase_file if section else None)
        if place is None or phrase is None:
            problem = "backup: is not there; say --to and --passphrase-file, or write it"
            raise SetupError([f"{layout.config}: {problem}"])
        passphrase = backup_file.read_passphrase(phrase)
        if to is None or to.is_dir():
            keep = section.keep if section is not None and to is None else None
            plan = plan_of(keep) if keep is not None else None
            result = asyncio.run(backup_into(layout, place, passphrase, keep=plan))
        else:
            result = RotatedBackup(file=to, backup=asyncio.run(backup_file.backup(layout, to, passphrase)))
    line_backup = result.backup
    click.echo(f"{result.file}: {len(line_backup.files)} files, {len(line_backup.roster)} people, no conversation.")
    if result.removed:
        click.echo(f"{len(result.removed)} older files were deleted.")
    if result.foreign:
        click.echo(f"{len(result.foreign)} files were left: another line's, another passphrase's, or damaged.")
    if line_backup.unfinished:
        click.echo(
            f"{line_backup.unfinished} texts were on their way or unknown; a restored line says so and sends none of them."
        )


@click.command()
@line_options
@click.option("--passphrase-file", required=True, type=_FILE, help=_PHRASE_HELP)
@click.argument("file", type=_FILE)
def restore(layout: Layout, passphrase_file: Path, file: Path) -> None:
    """Make a line from its backup, in a directory that is not there or empty; then `quietline up` starts it.

    Its vault keys and devices are new, and so is a homeserver of its own. No conversation comes back, no text is sent
    again. Staff sign in again and their identities are confirmed again, the first supervisor's with `quietline trust`.
    Of a line on PostgreSQL the rows go into the database of database.url_file, when that is empty; else it says what to do.
    `quietline drill FILE` tries it first.
    """
    import asyncio

    from bridge.config.load import load
    from deploy.backup import backup as backup_file
    from deploy.backup.migrate import move_restored
    from deploy.backup.restore import restore as fill

    with exit_on_errors():
        line_backup = backup_file.read_backup(file, backup_file.read_passphrase(passphrase_file))
        asyncio.run(fill(line_backup, layout))
        config = load(layout.config)
    click.echo(f"{layout.data}: the line as it was at its backup, {len(line_backup.roster)} people, without conversations.")
    click.echo("Whoever left after that backup is in it again: `quietline staff remove NAME`, before you confirm anybody.")
    click.echo("STOPs and blocks of after that backup are not in it: nobody is to be texted first who may have said STOP.")
    click.echo("The old directory, if there is one, can still open its own conversations: destroy it.")
    if config.database is not None:
        with exit_on_errors():
            click.echo(asyncio.run(move_restored(config, layout.data)))
    if config.homeserver.joined:
        start = f"quietline bridge --data {layout.data} --take-over"
        click.echo(f"The homeserver still has the devices of before. End the old bridge for good; then start once: {start}")


@click.command()
@optional_line_options
@click.option("--passphrase-file", type=_FILE, help=f"{_PHRASE_HELP}  [default: backup.passphrase_file]")
@click.argument("file", type=_FILE, required=False)
def drill(layout: Layout | None, passphrase_file: Path | None, file: Path | None) -> None:
    """Restore a backup for a trial, into a throwaway directory: whether it would bring the line back, and how fast.

    FILE, or the newest of the line in the directory of backup.to. Nothing is connected to and no bridge is started, so the
    line that runs is not touched; when all is well, the time of the drill is noted in it, which `doctor` looks at. Without
    --data and --config, on another machine, FILE and --passphrase-file are needed and nothing is noted. 1: not well.
    """
    import asyncio

    from bridge.config.load import load
    from deploy.backup import backup as backup_file
    from deploy.backup.restore_drill import Drill, find_newest, run_drill
    from deploy.data_dir.secret_files import SetupError

    if layout is None and (file is None or passphrase_file is None):
        raise click.UsageError("say --config or --data, or else FILE and --passphrase-file.")
    with exit_on_errors():
        config = load(layout.config) if layout else None
        phrase = passphrase_file or (config.backup.passphrase_file if config and config.backup else None)
        if phrase is None:
            raise SetupError(["backup: is not in the configuration; say FILE and --passphrase-file"])
        passphrase = backup_file.read_passphrase(phrase)
        if file is None:
            assert config is not None  # noqa: S101 - checked above: a line or a file
            file = find_newest(config, passphrase)
        report = asyncio.run(run_drill(Drill(file=file, passphrase=passphrase, config=config)))
    exit_with_report(report, as_json=False)
