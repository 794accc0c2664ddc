"""The verbs about what a line keeps, has erased and reports: exposure, audit, lookup, erasure, report, practices.

Rules of this module: as in `deploy.cli.main`; a number is prompted for and never an argument.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from deploy.cli.options import default_layout, json_option, line_options, optional_line_options
from deploy.cli.outcome import (
    EXIT_OK,
    EXIT_PROBLEMS,
    exit_on_errors,
    exit_with_problems,
    exit_with_report,
    print_lines,
)

if TYPE_CHECKING:
    from deploy.data_dir.layout import Layout

_FILE: Final = click.Path(dir_okay=False, path_type=Path)


@click.command()
@line_options
@click.option("--month", help="Only this month, as 2027-01.")
@click.option(
    "--json", "json_file", is_flag=False, flag_value="-", metavar="[FILE]", help="For a program, printed or to FILE."
)
@click.option("--html", "html_file", type=_FILE, help="Write one page with plots and tables, for a browser.")
@click.option("--language", type=click.Choice(["en", "es"]), default="en", help="Of the page.  [default: en]")
def report(layout: Layout, month: str | None, json_file: str | None, html_file: Path | None, language: str) -> None:
    """Tell what was counted, by month, language and kind.

    No conversation can be found in it, and counts below five are not shown, in plots no more than in tables.
    """
    from bridge.config.load import load
    from deploy.inspect import monthly_report
    from deploy.report.plots import plots_json

    if month is not None and not monthly_report.MONTH.fullmatch(month):
        raise click.UsageError("--month is a year and a month: 2027-01.")
    with exit_on_errors():
        # The configuration has the database's place; without one it is where `up` makes it.
        config = load(layout.config) if layout.config_file or layout.has_config else None
        if config is None and not layout.bridge.is_dir():
            exit_with_problems([f"{layout.data}: there is no line; --data or --config says where it is"])
        data, server = (layout.bridge, None) if config is None else (config.data_dir, config.database_url)
        months = monthly_report.read_months(data, server, month)
    if html_file:
        from deploy.report.page import report_page

        _write_file(html_file, report_page(months, language).encode())
    if json_file and json_file != "-":
        _write_file(Path(json_file), (plots_json(months) + "\n").encode())
    elif json_file:
        click.echo(plots_json(months))
    elif not html_file:
        print_lines(monthly_report.as_text(months))


def _write_file(path: Path, data: bytes) -> None:
    from deploy.data_dir.atomic_files import write_bytes_atomically

    try:
        write_bytes_atomically(path, data)
    except OSError as error:
        exit_with_problems([f"{path}: cannot be written ({error.strerror})"])
    click.echo(f"{path}: written", err=True)


@click.command()
@line_options
@json_option
def practices(layout: Layout, as_json: bool) -> None:
    """Tell, for each of the 41 practices, whether this configuration meets it, and who does.

    Without a configuration it is about the packs that a line begins with, and says so. Exit code 1 when any is not met
    beyond the one that no text message can meet.
    """
    from bridge.config.load import load
    from deploy.inspect import practices as practice_table
    from policies.load import load as load_pack

    # A file that was given must exist; the line's own does not exist before its first start.
    with exit_on_errors():
        loaded = load(layout.config) if layout.config_file or layout.has_config else None
        pack = load_pack(loaded.line.packs if loaded else practice_table.DEFAULT_PACKS, near=layout.config.parent)
    results = practice_table.evaluate(loaded, pack)
    if loaded is None:
        click.echo(practice_table.WITHOUT_CONFIGURATION, err=as_json)
    print_lines([practice_table.as_json(results)] if as_json else practice_table.as_text(results))
    sys.exit(EXIT_OK if practice_table.all_met(results) else EXIT_PROBLEMS)


@click.command()
@line_options
def audit(layout: Layout) -> None:
    """Tell what was done on the line, by the hour, without content; 1 when a person changed what is written there."""
    from bridge.config.load import load
    from deploy.inspect.audit_report import read_audit
    from policies.load import load as load_pack

    with exit_on_errors():
        config = load(layout.config)
        report = read_audit(config, load_pack(config.line.packs, near=layout.config.parent))
    print_lines(report.as_text())
    sys.exit(EXIT_PROBLEMS if report.problems else EXIT_OK)


@click.command()
@line_options
@click.option("--hold/--unhold", "hold", default=None, help="First put it on hold: nothing of it is erased; or lift that.")
def lookup(layout: Layout, hold: bool | None) -> None:
    """Tell counsel whether there is anything of a number: open, held or nothing. Noted in the audit.

    The number is asked for without echo, or read from standard input; never give it as an argument.
    """
    import asyncio

    from bot.model.audit_kinds import AuditKind
    from bridge.config.load import load
    from deploy.inspect.lookup import look_up_number as look
    from deploy.inspect.lookup import parse_number

    with exit_on_errors():
        config = load(layout.config)
        terminal = sys.stdin.isatty()
        entered = click.prompt("Number, as +15555550100", hide_input=True, err=True) if terminal else sys.stdin.readline()
        phone = parse_number(entered)
        if phone is None:
            exit_with_problems(["that is no number in international form, such as +15555550100"])
        answer = asyncio.run(
            look(config, phone, then=AuditKind.LOOKUP if hold is None else AuditKind.HOLD if hold else AuditKind.UNHOLD)
        )
    click.echo(answer.value)


@click.command()
@click.argument("kinds", nargs=-1, metavar="[KIND]...")
@optional_line_options
@click.option("--page", type=click.Choice(["en", "es"]), help="Write the page about privacy that the agency can publish.")
@json_option
def exposure(kinds: tuple[str, ...], layout: Layout | None, page: str | None, as_json: bool) -> None:
    """Tell what each carrier keeps, for how long, what we delete there, and what nobody could confirm.

    With --data or --config: what that line itself keeps, where, for how long, readable by whom, and what its carrier keeps.

    With --page, as Markdown from the line's own settings: what is kept for how long, by us, by the carrier and by phone
    companies, and what nobody can read. Counsel reads it first. In Spanish the carrier's own sentences stay English. Exit
    code 2 for a rehearsal, which has no public.
    """
    if page:
        _print_privacy_page(layout or default_layout(), page)
        return
    if layout:
        if kinds:
            raise click.UsageError("say either kinds or a line.")
        _print_line_exposure(layout, as_json=as_json)
        return
    from bridge.carriers.vendors.registry import CARRIER_KINDS
    from deploy.carrier.carrier_exposure import exposure_json, exposure_text

    if unknown := [kind for kind in kinds if kind not in CARRIER_KINDS]:
        raise click.UsageError(f"no such carrier: {', '.join(unknown)}. There are: {', '.join(CARRIER_KINDS)}.")
    chosen = kinds or tuple(CARRIER_KINDS)
    print_lines([exposure_json(chosen)] if as_json else exposure_text(chosen))


def _print_line_exposure(layout: Layout, *, as_json: bool) -> None:
    from bridge.config.load import load
    from deploy.carrier import exposure_sheet
    from policies.load import load as load_pack

    with exit_on_errors():
        config = load(layout.config)
        pack = load_pack(config.line.packs, near=layout.config.parent)
    print_lines([exposure_sheet.as_json(config, pack)] if as_json else exposure_sheet.as_text(config, pack))


def _print_privacy_page(layout: Layout, language: str) -> None:
    from bridge.config.load import load
    from deploy.carrier.privacy_page import RehearsalOnly, privacy_page
    from policies.load import load as load_pack

    with exit_on_errors():
        config = load(layout.config)
        pack = load_pack(config.line.packs, near=layout.config.parent)
    try:
        click.echo(privacy_page(config, pack, language), nl=False)
    except RehearsalOnly:
        exit_with_problems([f"{layout.data}: a rehearsal has no public; ask with the directory of the line"])


@click.command()
@click.argument("action", type=click.Choice(["verify", "lost-keys", "old-rooms"]))
@line_options
@json_option
def erasure(action: str, layout: Layout, as_json: bool) -> None:
    """Look at what was erased, or say what may be.

    verify: check the signed certificates of what was erased, and whether anything that should be gone is not. Reads beside
    a running line and changes nothing. Exit code 0 when all is well, 1 when not.

    With the line stopped, lost-keys: say that the keys which keys.db lacks are lost for good; the next start ends the
    conversations that have none, and their phones can text the line again. old-rooms: say that no legal hold concerns the
    rooms from before a restore; the next start erases them, once the homeserver has told of them.
    """
    import asyncio

    from bridge.config.load import load
    from deploy.data_dir.offline import accept_lost_keys, accept_old_rooms
    from deploy.inspect.erasure_certificates import verify_certificates

    with exit_on_errors():
        config = load(layout.config)
        if action == "verify":
            exit_with_report(verify_certificates(config), as_json=as_json)
        asyncio.run((accept_lost_keys if action == "lost-keys" else accept_old_rooms)(config))
    if action == "lost-keys":
        click.echo("The next start ends the conversations that have no key; their phones can text the line again.")
    else:
        click.echo("The next start erases the rooms from before the restore, once the homeserver has told of them.")
