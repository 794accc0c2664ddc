"""The verbs by which an agency accounts for itself: `quietline report` and `quietline practices`.

Rules of this module: as in `deploy.cli.main`; both only read, beside a running line or without one.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, NoReturn

import click

from bridge.storage.errors import DatabaseError
from deploy.cli.options import line_options

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.config import Config
    from deploy.data_dir.layout import Layout

EXIT_OK, EXIT_PROBLEMS, EXIT_USAGE = 0, 1, 2

_JSON_OPTION: Final = click.option("--json", "as_json", is_flag=True, help="For a program.")


@click.command()
@line_options
@click.option("--month", help="Only this month, as 2027-01.")
@_JSON_OPTION
def report(layout: Layout, month: str | None, as_json: bool) -> None:
    """Tell what was counted, by month, language and kind.

    No conversation can be found in it, and counts below five are not shown.
    """
    from deploy.inspect import monthly_report  # noqa: PLC0415 - only this verb needs it

    if month is not None and not monthly_report.MONTH.fullmatch(month):
        raise click.UsageError("--month is a year and a month: 2027-01.")
    config = _load_config(layout.config) if layout.config_file else None
    data, server = (layout.bridge, None) if config is None else (config.data_dir, config.database_url)
    try:
        months = monthly_report.read_months(data, server, month)
    except (OSError, DatabaseError):
        place = data / "main.db" if server is None else "database.url_file"
        _exit_usage([f"{place}: cannot be read as the database of a line"])
    for line in [monthly_report.as_json(months)] if as_json else monthly_report.as_text(months):
        click.echo(line)


@click.command()
@line_options
@_JSON_OPTION
def practices(layout: Layout, as_json: bool) -> None:
    """Tell, for each of the 41 practices, whether this configuration meets it, who does, and which tests show it.

    Without a configuration it is about the packs that a line begins with, and says so. Exit code 1 when any is not met
    beyond the one that no text message can meet.
    """
    from deploy.inspect import practices as kept  # noqa: PLC0415 - only this verb needs it
    from policies.load import PackError  # noqa: PLC0415 - only this verb needs it
    from policies.load import load as load_pack  # noqa: PLC0415 - only this verb needs it

    # A file that was named has to be there; the line's own is not, before its first start.
    loaded = _load_config(layout.config) if layout.config_file or layout.config.exists() else None
    try:
        pack = load_pack(loaded.line.packs if loaded else kept.DEFAULT_PACKS, near=layout.config.parent)
    except PackError as error:
        _exit_usage(error.problems)
    results = kept.evaluate(loaded, pack)
    if loaded is None:
        click.echo(kept.WITHOUT_CONFIGURATION, err=as_json)
    for line in [kept.as_json(results)] if as_json else kept.as_text(results):
        click.echo(line)
    sys.exit(EXIT_OK if kept.all_met(results) else EXIT_PROBLEMS)


def _load_config(path: Path) -> Config:
    from bridge.config import ConfigError, load  # noqa: PLC0415 - heavy, and not every verb needs it

    try:
        return load(path)
    except ConfigError as error:
        _exit_usage(error.problems)


def _exit_usage(problems: list[str]) -> NoReturn:
    for problem in problems:
        click.echo(f"quietline: {problem}", err=True)
    sys.exit(EXIT_USAGE)
