"""The verb `quietline trust`.

Rule of this module: as in `deploy.cli.main`, what a verb needs is imported when it is used; exit codes are 0 confirmed or
told, 1 not that fingerprint, 2 usage or configuration.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Final

import click

from deploy.cli.options import line_options
from deploy.cli.records import exit_on_errors

if TYPE_CHECKING:
    from deploy.data_dir.layout import Layout

EXIT_PROBLEMS: Final = 1


@click.command()
@click.argument("mxid", required=False)
@click.argument("fingerprint", nargs=-1)
@line_options
@click.option("--json", "as_json", is_flag=True, help="For a program.")
def trust(mxid: str | None, fingerprint: tuple[str, ...], layout: Layout, as_json: bool) -> None:
    """List whose identity was seen and whether it is confirmed; with MXID and FINGERPRINT confirm one.

    FINGERPRINT is what the person's client shows, of their identity or of a device that it signed; spaces do not count.
    Until a first supervisor is confirmed here nobody at the desk is heard; then that supervisor confirms the others, with
    !trust. It works beside a running line, which acts on it within five seconds, and while the line is stopped. Exit code 0
    confirmed, 1 not that fingerprint.
    """
    from bridge.config import load  # noqa: PLC0415 - only this verb needs it
    from deploy.inspect import trust as trusted  # noqa: PLC0415 - only this verb needs it

    if mxid is not None and (not mxid.startswith("@") or ":" not in mxid or not "".join(fingerprint).strip()):
        raise click.UsageError("to confirm somebody give a whole Matrix id and the fingerprint.")
    with exit_on_errors():
        loaded = load(layout.config)
        if mxid is None:
            found = trusted.read_seen(loaded)
            for line in [trusted.as_json(found)] if as_json else trusted.as_text(found):
                click.echo(line)
            return
        confirmed = asyncio.run(trusted.confirm_identity(loaded, mxid, "".join(fingerprint)))
        if as_json:
            click.echo(json.dumps({"mxid": mxid, "confirmed": confirmed}))
        if not confirmed:
            click.echo("quietline: that is NOT the fingerprint of anybody of that name. Nothing is confirmed.", err=True)
            click.echo("quietline: `quietline trust` lists who was seen, with whole Matrix ids.", err=True)
            sys.exit(EXIT_PROBLEMS)
    if not as_json:
        click.echo(f"{mxid}: confirmed. A running line acts on it within five seconds.")
