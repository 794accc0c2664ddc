"""The verb `quietline trust`.

Rule of this module: as in `deploy.cli.main`; exit codes are 0 confirmed or listed, 1 a wrong fingerprint, 2 usage or
configuration.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from deploy.cli.options import json_option, line_options
from deploy.cli.outcome import EXIT_PROBLEMS, exit_on_errors, print_lines, print_problems

if TYPE_CHECKING:
    from deploy.data_dir.layout import Layout


@click.command()
@click.argument("mxid", required=False)
@click.argument("fingerprint", nargs=-1)
@line_options
@json_option
def trust(mxid: str | None, fingerprint: tuple[str, ...], layout: Layout, as_json: bool) -> None:
    """List whose identity was seen and whether it is confirmed; with MXID and FINGERPRINT confirm one.

    FINGERPRINT is what the person's client shows, of their identity or of a device that it signed; spaces do not count.
    Until a first supervisor is confirmed here nobody at the desk is heard; then that supervisor confirms the others, with
    !trust. It works beside a running line, which acts on it within five seconds, and while the line is stopped. Exit code 0
    confirmed, 1 not that fingerprint.
    """
    import asyncio

    from bridge.config.load import load
    from deploy.inspect import trust as trusted

    if mxid is not None and (not mxid.startswith("@") or ":" not in mxid or not "".join(fingerprint).strip()):
        raise click.UsageError("to confirm somebody give a whole Matrix id and the fingerprint.")
    with exit_on_errors():
        loaded = load(layout.config)
        if mxid is None:
            people = trusted.read_people(loaded)
            print_lines([trusted.as_json(people)] if as_json else trusted.as_text(people))
            return
        confirmed = asyncio.run(trusted.confirm_identity(loaded, mxid, "".join(fingerprint)))
        if as_json:
            click.echo(json.dumps({"mxid": mxid, "confirmed": confirmed}))
        if not confirmed:
            problem = "that is NOT the fingerprint of anybody of that name. Nothing is confirmed."
            print_problems([problem, "`quietline trust` lists who was seen, with whole Matrix ids."])
            sys.exit(EXIT_PROBLEMS)
    if not as_json:
        click.echo(f"{mxid}: confirmed. A running line acts on it within five seconds.")
