"""The verbs about what a line keeps: exposure, audit, lookup.

Rules of this module: as in `cli`; a number is asked for and never an argument.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING, Final

import click

from bridge.storage.errors import (
    Busy,
    Corrupt,
    DatabaseError,
    InUse,
    LeadLost,
    OutdatedSchema,
    Unavailable,
    UnsuitableServer,
    UnsupportedSchema,
)
from deploy.cli.options import line_options, optional_line_options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from deploy.data_dir.layout import Layout

EXIT_OK, EXIT_PROBLEMS, EXIT_USAGE = 0, 1, 2

_JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="For a program.")


DATABASE_REMEDIES: Final[Mapping[type[DatabaseError], str]] = {
    Busy: "another program writes there just now; try again, and `quietline doctor` names it (`database lock`)",
    Corrupt: "it is damaged; stop the line, and restore a backup (`quietline restore`)",
    UnsupportedSchema: "a newer version wrote it; install that version, for a database never goes back",
    OutdatedSchema: "an older version wrote it; bring it to this one first (`quietline upgrade`)",
    UnsuitableServer: "its server is not as it must be; `quietline doctor` says how (`database server`)",
    InUse: "a bridge runs on it; stop the line first",
    LeadLost: "a bridge runs on it; stop the line first",
    Unavailable: "it does not answer just now; `quietline doctor` says more",
}
"""What to do about a database, by the kind of its error; the first that fits."""


@click.command()
@line_options
@_JSON_OPTION
def audit(layout: Layout, as_json: bool) -> None:
    """Tell what was done on the line, by the hour, without content; 1 when a person changed what is written there."""
    from bridge.config import load  # noqa: PLC0415 - only this verb needs it
    from deploy.inspect.audit_report import read_audit  # noqa: PLC0415 - only this verb needs it
    from policies.load import load as load_pack  # noqa: PLC0415 - only this verb needs it

    with exit_on_errors():
        config = load(layout.config)
        found = read_audit(config, load_pack(config.line.packs, near=layout.config.parent))
    for line in [found.as_json()] if as_json else found.as_text():
        click.echo(line)
    sys.exit(EXIT_PROBLEMS if found.problems else EXIT_OK)


@click.command(name="accept-facts")
@line_options
@click.argument("facts", type=click.Choice(["suppression", "locks", "confirmed", "aggregates", "keys"]))
def accept_facts(layout: Layout, facts: str) -> None:
    """Take facts of the database as they stand, after an old database was put back. The line must be stopped.

    FACTS is what the desk was told: suppression (who said STOP), locks (which phones are locked), confirmed (whose
    identity is: those are forgotten, and confirmed once more) or aggregates (roster and conversations). Only when you know
    who put the old database back: else a person may have written there, and `quietline restore` from a backup is right.

    keys: those that keys.db lacks are lost for good. The next start ends the conversations that have none.
    """
    from bridge.config import load  # noqa: PLC0415 - only this verb needs it
    from bridge.storage.marked_sets import SetName  # noqa: PLC0415 - only this verb needs it
    from deploy.data_dir.accept_facts import LineRuns, accept_lost_keys  # noqa: PLC0415 - only this verb needs it
    from deploy.data_dir.accept_facts import accept_facts as accept  # noqa: PLC0415 - only this verb needs it

    with exit_on_errors():
        try:
            config = load(layout.config)
            asyncio.run(accept_lost_keys(config) if facts == "keys" else accept(config, SetName(facts)))
        except LineRuns:
            click.echo(f"quietline: {layout.data}: the line runs; stop it first", err=True)
            sys.exit(EXIT_USAGE)
    ends = "ends the conversations that have none; their phones can text the line again"
    click.echo(f"{facts}: the next start {ends if facts == 'keys' else 'takes it as it stands'}.")


@click.command()
@line_options
@click.option("--hold", "then", flag_value="hold", help="Put it on hold first: nothing of it is erased.")
@click.option("--unhold", "then", flag_value="unhold", help="Lift a hold first.")
def lookup(layout: Layout, then: str | None) -> None:
    """Tell counsel whether there is anything of a number: open, held or nothing. Noted in the audit.

    The number is asked for without echo, or read from standard input; never give it as an argument.
    """
    from bot.model.audit_kinds import AuditKind  # noqa: PLC0415 - only this verb needs it
    from bridge.config import load  # noqa: PLC0415 - only this verb needs it
    from deploy.inspect.lookup import look_up_number as look  # noqa: PLC0415 - only this verb needs it
    from deploy.inspect.lookup import parse_number  # noqa: PLC0415 - only this verb needs it

    with exit_on_errors():
        config = load(layout.config)
        terminal = sys.stdin.isatty()
        entered = click.prompt("Number, as +15555550100", hide_input=True, err=True) if terminal else sys.stdin.readline()
        phone = parse_number(entered)
        if phone is None:
            click.echo("quietline: that is no number in international form, such as +15555550100", err=True)
            sys.exit(EXIT_USAGE)
        answer = asyncio.run(look(config, phone, then=AuditKind(then) if then else AuditKind.LOOKUP))
    click.echo(answer.value)


@click.command()
@click.argument("kinds", nargs=-1, metavar="[KIND]...")
@optional_line_options
@click.option("--json", "as_json", is_flag=True, help="For a program.")
def exposure(kinds: tuple[str, ...], layout: Layout | None, as_json: bool) -> None:
    """Tell what each carrier keeps, for how long, what we delete there, and what nobody could confirm.

    With --data or --config: what that line itself keeps, where, for how long, readable by whom, and what its carrier keeps.
    """
    if layout:
        if kinds:
            raise click.UsageError("say either kinds or a line.")
        _print_line_exposure(layout, as_json=as_json)
        return
    from bridge.carriers.vendors.registry import CARRIER_KINDS  # noqa: PLC0415 - only this verb needs it
    from deploy.carrier.carrier_check import exposure_json, exposure_text  # noqa: PLC0415 - only this verb needs it

    if unknown := [kind for kind in kinds if kind not in CARRIER_KINDS]:
        raise click.UsageError(f"no such carrier: {', '.join(unknown)}. There are: {', '.join(CARRIER_KINDS)}.")
    chosen = kinds or tuple(CARRIER_KINDS)
    for line in [exposure_json(chosen)] if as_json else exposure_text(chosen):
        click.echo(line)


def _print_line_exposure(layout: Layout, *, as_json: bool) -> None:
    from bridge.config import load  # noqa: PLC0415 - only this verb needs it
    from deploy.carrier import exposure_sheet  # noqa: PLC0415 - only this verb needs it
    from policies.load import load as load_pack  # noqa: PLC0415 - only this verb needs it

    with exit_on_errors():
        config = load(layout.config)
        pack = load_pack(config.line.packs, near=layout.config.parent)
    for line in [exposure_sheet.as_json(config, pack)] if as_json else exposure_sheet.as_text(config, pack):
        click.echo(line)


@contextlib.contextmanager
def exit_on_errors() -> Iterator[None]:
    """Tell what makes a directory, a configuration or a file unusable, all of it, and end with 2."""
    from bridge.config import ConfigError  # noqa: PLC0415 - only these verbs need it
    from deploy.data_dir.atomic_files import file_problem  # noqa: PLC0415 - only these verbs need it
    from deploy.data_dir.secret_files import SetupError  # noqa: PLC0415 - only these verbs need it
    from policies.load import PackError  # noqa: PLC0415 - only these verbs need it

    try:
        yield
    except (ConfigError, PackError, SetupError) as error:
        problems = error.problems
    except DatabaseError as error:
        problems = [database_problem(error)]
    except OSError as error:
        problems = [file_problem(error)]
    else:
        return
    for problem in problems:
        click.echo(f"quietline: {problem}", err=True)
    sys.exit(EXIT_USAGE)


def database_problem(error: DatabaseError) -> str:
    """Say why the line's database cannot be used, and what to do. Another class or code than these is named."""
    if error.is_full:
        return "the disk is full: make room on it; the line's database was not changed"
    if error.code.startswith("SQLITE_CANTOPEN"):
        return "the line has no database that can be opened: start it once (its first start makes it), or put it back"
    told = next(
        (words for kind, words in DATABASE_REMEDIES.items() if isinstance(error, kind)), "`quietline doctor` says more"
    )
    return f"the line's database cannot be used ({type(error).__name__}): {told}"


VERBS: Final = (exposure, accept_facts, audit, lookup)
"""What `cli` adds to the command."""
