"""The verbs with which an agency reports on itself: `quietline report` and `quietline practices`.

Rules of this module: as in `deploy.cli.main`; both only read, with a running line or without one.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from deploy.cli.options import json_option, line_options
from deploy.cli.outcome import EXIT_OK, EXIT_PROBLEMS, exit_on_errors, exit_with_problems, print_lines

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
