"""The verb `quietline privacy`.

Rule of this module: as in `deploy.cli.main`; it reads configuration and packs, and prints.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from deploy.cli.options import line_options
from deploy.cli.records import EXIT_USAGE, exit_on_errors

if TYPE_CHECKING:
    from deploy.data_dir.layout import Layout


@click.command()
@line_options
@click.option("--language", type=click.Choice(["en", "es"]), default="en", help="Of the page.  [default: en]")
def privacy(layout: Layout, language: str) -> None:
    """Write the page about privacy that the agency can publish, as Markdown, from the line's own settings.

    It says what is kept for how long, by us, by the carrier and by phone companies, and what nobody can read. Counsel reads
    it first. In Spanish the carrier's own sentences stay English. Exit code 2 for a rehearsal, which has no public.
    """
    from bridge.config import load  # noqa: PLC0415 - only this verb needs it
    from deploy.carrier.privacy_page import RehearsalOnly, privacy_page  # noqa: PLC0415 - only this verb needs it
    from policies.load import load as load_pack  # noqa: PLC0415 - only this verb needs it

    with exit_on_errors():
        config = load(layout.config)
        pack = load_pack(config.line.packs, near=layout.config.parent)
    try:
        click.echo(privacy_page(config, pack, language), nl=False)
    except RehearsalOnly:
        click.echo(f"quietline: {layout.data}: a rehearsal has no public; ask with the directory of the line", err=True)
        sys.exit(EXIT_USAGE)
