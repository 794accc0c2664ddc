"""The verbs that look at a line and its alarms: check, doctor, alarm.

Rules of this module: as in `deploy.cli.main`; exit codes are 0 well, 1 not well, 2 no line can be started with this
configuration, its secrets or its packs. With `--alarm` and no change, `doctor` prints nothing and ends with 0.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click

from deploy.cli.options import all_option, json_option, line_options
from deploy.cli.outcome import (
    EXIT_OK,
    EXIT_PROBLEMS,
    EXIT_USAGE,
    exit_on_errors,
    exit_with_problems,
    exit_with_report,
    print_lines,
    print_problems,
)

if TYPE_CHECKING:
    from bridge.config.sections import OnCall
    from deploy.data_dir.layout import Layout


UNNAMED: Final = "systemctl --failed"
"""What is told in place of a unit that the service manager does not name."""
NO_WAY: Final = "see what begins with `pager` above, and put lines.0.on_call right: address, password file, certificate"
_ALARM: Final = click.option(
    "--alarm",
    "raises_alarm",
    is_flag=True,
    help="For a timer: only what changed since the last time, without the rows' texts, which may name people, because a "
    "service's output goes to a journal; what is newly not well is told at the desk and calls the person on call.",
)


@click.command()
@line_options
@json_option
@all_option
@_ALARM
def doctor(layout: Layout, as_json: bool, all_rows: bool, raises_alarm: bool) -> None:
    """Check a running line and say what needs attention. Exit code 0 when all is well, 1 when not, 2 when it cannot start.

    All parts are asked at once. Nothing is changed and no text is sent. The line may be stopped; a part that does not
    answer in time is reported. With --all also what is well.
    """
    import asyncio

    from bridge.config.load import ConfigError, parse
    from deploy.doctor.changes import raise_alarm, raise_alarm_by_call, without_texts
    from deploy.doctor.doctor import run_checks

    report, usable = asyncio.run(run_checks(layout))
    ok = report.ok
    if raises_alarm:
        try:
            config = parse(layout.config)[0]
        except ConfigError:
            report = asyncio.run(raise_alarm_by_call(_on_call(layout), layout.doctor_alarm, report))
        else:  # also with a problem in it, such as a secret that cannot be read
            report = asyncio.run(raise_alarm(config, layout.doctor_alarm, report))
        if not report.checks:
            sys.exit(EXIT_OK)
        report = without_texts(report)
    brief = not (all_rows or raises_alarm)
    print_lines([report.as_json(ok=ok)] if as_json else report.as_text(brief=brief))
    if not usable and not raises_alarm:
        print_problems(row.what for row in report.checks if row.name in {"configuration", "packs"} and not row.ok)
    sys.exit(EXIT_OK if ok else EXIT_PROBLEMS if usable else EXIT_USAGE)


def _on_call(layout: Layout) -> OnCall | None:
    """Return who is called, of a configuration that cannot be used; None where it does not say so."""
    from bridge.config.load import ConfigError, read_call_settings

    try:
        on_call = read_call_settings(layout.config).on_call
    except ConfigError:
        return None
    return on_call if on_call is not None and on_call.is_configured else None


@click.command()
@line_options
@json_option
@all_option
def check(layout: Layout, as_json: bool, all_rows: bool) -> None:
    """Check everything that a line needs before it starts and before its first text.

    That is configuration, packs, secrets, ports, disk, clock, homeserver, database, carrier, and the public address as seen
    from here. Nothing is changed and no text is sent. Exit code 0 when all is well, 1 when not, 2 when the configuration or
    its packs cannot be used. What can only be checked on a running line is listed as to do. With --all also what is well.
    """
    import asyncio

    from deploy.preflight import preflight

    report, usable = asyncio.run(preflight.run_checks(layout))
    print_lines([report.as_json()] if as_json else preflight.as_text(report, brief=not all_rows))
    if not usable:
        exit_with_problems(row.what for row in report.checks if row.name == "configuration")
    sys.exit(EXIT_OK if report.ok else EXIT_PROBLEMS)


@click.command()
@click.argument("action", type=click.Choice(["test", "failed"]))
@click.argument("unit", envvar="MONITOR_UNIT", metavar="[UNIT]", default=UNNAMED)
@line_options
@json_option
def alarm(action: str, unit: str, layout: Layout, as_json: bool) -> None:
    """Try the alarms of a line, or raise one for a unit that failed.

    test: ring at the desk and call the person on call, marked as a test, and tell what got through. The running line does
    it, by the way of every alarm; where none runs, only the person on call is tried, from here. Exit code 0 when all of it
    got through, 1 when not, 2 for a line that cannot be read.

    failed [UNIT], for `OnFailure=`: tell the desk that UNIT of the service manager failed, and call the person on call.
    systemd names the unit in MONITOR_UNIT, but not where several units have the same handler, as those of `init` do: then
    the desk reads what lists it. Where the line does not run the person on call is called from here, once an hour, also
    with a configuration that cannot be used as a whole. Exit code 0 it was told, 1 no way took the call, 2 where that
    configuration does not say whom to call.
    """
    import asyncio

    from deploy.inspect.alarm_test import run

    if action == "failed":
        _raise_for_unit(unit, layout)
        return
    with exit_on_errors():
        report = asyncio.run(run(layout))
    exit_with_report(report, as_json=as_json)


def _raise_for_unit(unit: str, layout: Layout) -> None:
    import asyncio

    from bridge.config.load import UNCALLED, ConfigError, parse, read_call_settings
    from deploy.doctor.changes import call_in_place_of_line, raise_for_unit

    with exit_on_errors():
        try:
            config, problems = parse(layout.config)
        except ConfigError as error:
            # The line does not start, or runs on with what it read before: this may be the only word of it.
            problems = error.problems
            settings = read_call_settings(layout.config)
            if settings.on_call is None or not settings.on_call.is_configured:
                exit_with_problems([*problems, f"{layout.config}: {UNCALLED}"])
            is_told = asyncio.run(call_in_place_of_line(settings))
        else:  # also with a problem in it, such as a secret that cannot be read
            is_told = asyncio.run(raise_for_unit(config, unit))
    if not is_told:
        print_problems([*problems, f"no way took the call: {NO_WAY}"])
    sys.exit(EXIT_OK if is_told else EXIT_PROBLEMS)
