"""The verb `quietline canary`.

Rule of this module: as in `deploy.cli.main`; exit codes are 0 stopped, 1 an error, 2 usage or configuration.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from deploy.cli.options import line_options
from deploy.cli.outcome import exit_on_errors, exit_with_problems

if TYPE_CHECKING:
    from deploy.data_dir.layout import Layout


@click.command()
@line_options
@click.option("--show-account", is_flag=True, help="Print the name and password of its account, and end.")
@click.option("--bridge", metavar="URL", help="Where the bridge is, when that is not where listen.host says.")
def canary(layout: Layout, show_account: bool, bridge: str | None) -> None:
    """Text the line again and again and answer in its room, in front, beside a running line. `up` does it by itself.

    The configuration's `canary` section switches it on. It ends with SIGTERM.

    Exit code 0 stopped, 1 something broke, 2 the configuration cannot be used.
    """
    from bridge.config.load import load
    from deploy.canary import runner
    from deploy.stack.child import disable_core_dumps

    with exit_on_errors():
        config = load(layout.config)
    if config.canary is None:
        exit_with_problems([f"{layout.config}: has no `canary` section"])
    if show_account:
        click.echo(f"{config.canary_mxid} {runner.password(config.canary)}")
        return
    disable_core_dumps()
    try:
        runner.main(config, config.canary, state=layout.canary_file, bridge=bridge)
    finally:
        layout.canary_file.unlink(missing_ok=True)
