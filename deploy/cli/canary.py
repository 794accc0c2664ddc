"""The verb `quietline canary`.

Rule of this module: as in `deploy.cli.main`; exit codes are 0 stopped, 1 an error, 2 usage or configuration.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.cli.options import line_or_fleet_options
from deploy.cli.outcome import EXIT_OK, EXIT_USAGE, exit_on_errors, exit_with_problems, print_problems

if TYPE_CHECKING:
    from typing import NoReturn

    from deploy.data_dir.layout import Layout


@click.command()
@line_or_fleet_options
@click.option("--show-account", is_flag=True, help="Print the name and password of its account, and end.")
@click.option("--bridge", metavar="URL", help="Where the bridge is, when that is not where listen.host says.")
def canary(layout: Layout | None, fleet: Path | None, show_account: bool, bridge: str | None) -> None:
    """Text the line again and again and answer in its room, in front, beside a running line. `up` does it by itself.

    The configuration's `canary` section switches it on. It ends with SIGTERM. With --fleet it does so for every line that
    has the section. Exit code 0 stopped, 1 something broke, 2 the configuration cannot be used.
    """
    from bridge.config.load import load
    from deploy.canary import runner
    from deploy.stack.child import disable_core_dumps

    if layout is None:
        if bridge is not None:
            raise click.UsageError("--bridge is for one line.")
        _of_fleet(fleet, show_account=show_account)
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


def _of_fleet(fleet: Path | None, *, show_account: bool) -> NoReturn:
    """Run the canary of every line that has one, and report the lines without one; or print their accounts."""
    from deploy.canary import fleet_runner, runner
    from deploy.data_dir.fleet import read_fleet
    from deploy.stack.child import disable_core_dumps

    with exit_on_errors():
        canaries, without = fleet_runner.canaries_of(read_fleet(Path(str(fleet))))
    print_problems(f"{name}: {why}" for name, why in without.items())
    if not canaries:
        sys.exit(EXIT_USAGE)
    if show_account:
        for each in canaries:
            click.echo(f"{each.name} {each.config.canary_mxid} {runner.password(each.canary)}")
        sys.exit(EXIT_OK)
    disable_core_dumps()
    fleet_runner.main(canaries)
    sys.exit(EXIT_OK)
