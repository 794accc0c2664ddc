"""The `quietline` command.

Rules of this module: a verb's help is its function's docstring; exit codes are 0 well, 1 not well, 2 usage or
configuration with all errors at once; a verb's own code is imported when the verb is used, so that each starts fast.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from bridge.runtime.program import ROOT, own_version
from deploy.cli.backups import backup, drill, handover, migrate, restore, upgrade
from deploy.cli.canary import canary
from deploy.cli.doctor import alarm, check, doctor
from deploy.cli.init import init
from deploy.cli.options import all_option, default_layout, json_option, line_options, optional_line_options
from deploy.cli.outcome import (
    EXIT_OK,
    EXIT_PROBLEMS,
    EXIT_USAGE,
    exit_on_errors,
    exit_with_report,
    print_lines,
    print_problems,
)
from deploy.cli.policy import policy
from deploy.cli.records import audit, erasure, exposure, lookup, practices, report
from deploy.cli.staff import staff, trust
from deploy.data_dir.layout import DEFAULT_PORT_BASE, EVERYWHERE, HOST, Ports

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from deploy.data_dir.layout import Layout
    from deploy.inspect.check_report import CheckResult
    from deploy.stack.up import StatusOutput

_GIGABYTES: Final = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 30
PROCESSES: Final = min(8, max(2, _GIGABYTES - 2))
"""Processes of tests that run a line: they wait more than they compute. Each takes almost a gigabyte."""
LINE_TESTS: Final = (
    "tests/e2e",
    "tests/bridge/crash",
    "tests/deploy/rehearsal",
    "tests/deploy/stack",
    "tests/deploy/synapse_module",
)
"""Tests that start the processes of a line, and wait for them."""
_BY_FILE: Final = ("--dist", "loadfile", "--no-loadscope-reorder")
STAGES: Final = (
    ("-n", str(os.cpu_count() or 1), *_BY_FILE, *(f"--ignore={place}" for place in LINE_TESTS)),
    ("-n", str(PROCESSES), *_BY_FILE, *LINE_TESTS),
)
"""pytest's options for the whole suite: first what computes, one process a core, then what waits for a line."""

_TAKE_OVER = click.option(
    "--take-over",
    is_flag=True,
    help="In a new data directory: sign out the devices that another bridge of this line has at the homeserver. Of a "
    "homeserver on PostgreSQL: end the connections that one of another machine left there. Use a keys.db that is a "
    "copy of before. It counts for one start: a bridge that `up` restarts once the line was ready has it no more.",
)
_PORT_BASE = click.option(
    "--port-base",
    default=DEFAULT_PORT_BASE,
    show_default=True,
    type=click.IntRange(1, 65533),
    help="Homeserver here, bridge and carrier on the two ports above, all on 127.0.0.1.",
)
_PASS_THROUGH = {"ignore_unknown_options": True, "help_option_names": []}


def _print_version(context: click.Context, _option: click.Parameter, is_asked: bool) -> None:
    import importlib.metadata
    import platform

    if not is_asked:
        return
    parts = [f"Python {platform.python_version()}"]
    parts += [f"{name} {importlib.metadata.version(name)}" for name in ("matrix-synapse", "vodozemac")]
    click.echo(f"quietline {own_version()} ({', '.join(parts)})")
    context.exit()


@click.group(name="quietline", context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Tell which version this is, and of what it is made.",
)
def cli() -> None:
    """Run a text line that forgets: text messages into end-to-end encrypted rooms on your own server."""
    # Imported modules stay in memory; searching them for garbage repeatedly costs a tenth of a start.
    gc.set_threshold(20_000)


@cli.command()
@line_options
@_PORT_BASE
@_TAKE_OVER
def up(layout: Layout, port_base: int, take_over: bool) -> None:
    """Run a line on this machine until Ctrl-C: homeserver, bridge, and, for a rehearsal, handsets in a browser.

    The first run makes everything under the directory, a rehearsal where there is no config.yaml; when the line is ready,
    DIRECTORY/run/ready.json says how to reach it and, of a rehearsal, holds the passwords of the first accounts.
    """
    from deploy.stack.up import up as run

    _run_here(functools.partial(run, layout, Ports(port_base), take_over=take_over), config=layout.config)


@cli.command()
@line_options
@_PORT_BASE
@_TAKE_OVER
@click.option(
    "--listen",
    type=click.Choice([HOST, EVERYWHERE]),
    default=HOST,
    show_default=True,
    help="At which address. All are for a container whose network is the line's alone; config.yaml follows.",
)
def homeserver(layout: Layout, port_base: int, take_over: bool, listen: str) -> None:
    """Run the line's own homeserver alone, until Ctrl-C: for a container or a unit beside that of `quietline bridge`.

    `up` does both. The first run makes the accounts of the hand-outs. Exit code 0 stopped, 1 its PostgreSQL does not answer
    yet, 2 it cannot be run.
    """
    from deploy.stack.homeserver_alone import run_homeserver_alone as run

    _run_here(functools.partial(run, layout, Ports(port_base), take_over=take_over, listen=listen))


def _run_here(start: Callable[[StatusOutput], Coroutine[Any, Any, int]], *, config: Path | None = None) -> NoReturn:
    """Run something in the foreground with a private umask, exit with its exit code, and report every problem.

    `config`: what runs a bridge by this file; if it cannot be used, the person on call is called, as by the bridge itself.
    """
    import asyncio

    from deploy.cli.terminal import status_output, write_line
    from deploy.data_dir.secret_files import ConfigurationRefused, SetupError

    os.umask(0o077)
    problems: list[str] = []
    refused: Path | None = None
    with status_output() as output:
        try:
            code = asyncio.run(start(output))
        except SetupError as error:
            problems, code = error.problems, EXIT_PROBLEMS if error.may_pass else EXIT_USAGE
            refused = config if isinstance(error, ConfigurationRefused) else None
    if refused is not None:
        from bridge.app.main import call_about_configuration

        problems = list(dict.fromkeys([*problems, *call_about_configuration(refused)]))
    for problem in problems:
        write_line(f"quietline: {problem}", err=True)
    sys.exit(code)


@cli.command()
@line_options
@json_option
@all_option
def status(layout: Layout, as_json: bool, all_rows: bool) -> None:
    """Say how a line is doing. Exit code 0 when all is well, 1 when not, 2 when there is no line there.

    That is its parts, crashes within a day, disk, texts that wait, people at the desk and the backup. A real line's carrier
    is asked whether it accepts our login; no text is sent. With --all also what is well.
    """
    import asyncio

    from deploy.doctor.line_facts import status_rows
    from deploy.inspect.status import check_status as look
    from deploy.inspect.status import has_line

    async def of_real_line(each: Layout) -> list[CheckResult]:
        from bridge.config.load import load
        from deploy.carrier.carrier_check import login_status
        from deploy.inspect.trust import first_supervisor_rows

        config = load(each.config)
        return [await login_status(config), *first_supervisor_rows(config)]

    usable = has_line(layout)
    with exit_on_errors():
        report = asyncio.run(
            look(layout, of_real_line=functools.partial(of_real_line, layout), facts=functools.partial(status_rows, layout))
        )
    print_lines([report.as_json()] if as_json else report.as_text(brief=not all_rows))
    if not usable:
        print_problems([f"{report.checks[0].what}. {report.checks[0].do}"])
    sys.exit(EXIT_OK if report.ok else EXIT_PROBLEMS if usable else EXIT_USAGE)


@cli.command()
@click.argument("action", type=click.Choice(["check", "kit"]))
@optional_line_options
def carrier(action: str, layout: Layout | None) -> None:
    """Look after the line's carrier.

    check: login, public address, webhook and redaction, beside a running bridge. No text is sent and nothing is changed.
    Exit code 0 when all is well, 1 when not.

    kit: what 10DLC and toll-free registration ask for, as Markdown, from the line's packs and configuration; with neither
    --data nor --config, from the base pack.
    """
    import asyncio

    from bridge.config.load import load
    from deploy.carrier.carrier_check import check_carrier
    from deploy.carrier.registration_kit import render_kit
    from policies.load import load as load_pack

    if action == "check":
        path = (layout or default_layout()).config
        with exit_on_errors():
            loaded = load(path)
        exit_with_report(asyncio.run(check_carrier(loaded)), as_json=False)
    with exit_on_errors():
        config = load(layout.config) if layout else None
        packs = config.line.packs if config else ["base"]
        kit = render_kit(load_pack(packs, near=layout.config.parent if layout else None), config)
    print_lines([kit.rstrip("\n")])


@cli.command(context_settings=_PASS_THROUGH)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def test(arguments: tuple[str, ...]) -> None:
    """Check style and types, then run the tests. Arguments are passed to pytest; paths are from the project's root.

    Without arguments everything runs, in two stages: what needs no running line, then what does.
    With --long [PART…] what takes long runs instead, within an hour: kills, fuzz, soak; one line a figure.
    `--long postgresql` runs the tests of the bridge on PostgreSQL, those that kill it among them.
    """
    if arguments[:1] == ("--long",):
        sys.exit(_run(sys.executable, "-P", "-m", "tests.long", *arguments[1:]))
    python = (sys.executable, "-P", "-m")
    # In the whole suite a test checks the types (tests/test_types.py), beside the others: it takes half a minute.
    checks = (("ruff", "check"), ("ruff", "format", "--check"), *((("mypy",),) if arguments else ()))
    failed = [" ".join(words) for words in checks if _run(*python, *words) != 0]
    if failed:
        print_problems([f"not well: {', '.join(failed)} (see above). The tests follow."])
    # Last, so that pytest's summary is the last line.
    codes = [_run(*python, "pytest", *words) for words in ((arguments,) if arguments else STAGES)]
    sys.exit(EXIT_PROBLEMS if failed or any(codes) else EXIT_OK)


@cli.command(context_settings=_PASS_THROUGH)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(arguments: tuple[str, ...]) -> None:
    """Measure speed and memory beside what the machine itself can do, as JSON."""
    sys.exit(_run(sys.executable, "-P", "-m", "tests.bench", *arguments))


@cli.command()
@optional_line_options
@_TAKE_OVER
@click.option("--listen", metavar="HOST:PORT", help="Webhooks arrive here, whatever the configuration says.")
@click.option("--metrics-listen", metavar="HOST:PORT", help="Metrics are here, where the configuration has any.")
def bridge(layout: Layout | None, take_over: bool, listen: str | None, metrics_listen: str | None) -> None:
    """Run the bridge alone, in front, beside a homeserver that runs already. `up` does both.

    With the same PostgreSQL database and the same directory of keys a second one waits, and leads when the first does not.
    It ends with SIGTERM. Exit code 0 stopped, 1 something broke, 2 the configuration cannot be used.
    """
    from bridge.app.main import main as run
    from bridge.config.load import ConfigError, load
    from deploy.data_dir.atomic_files import exclude_from_backups, make_private_directory
    from deploy.stack.child import disable_core_dumps

    if layout is None:
        raise click.UsageError("say --config or --data.")
    disable_core_dumps()
    with contextlib.suppress(ConfigError, OSError):  # the bridge reports the problem itself
        config = load(layout.config)
        exclude_from_backups(make_private_directory(config.data_dir))
    sys.exit(run(layout.config, take_over=take_over, listen={"listen": listen, "metrics": metrics_listen}))


@cli.command(context_settings=_PASS_THROUGH | {"allow_interspersed_args": False, "help_option_names": ["-h", "--help"]})
@click.option("--answer", metavar="HOST:PORT", help="Answer here meanwhile: 200 at /running, 503 at all else.")
@click.argument("verb", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def stay(context: click.Context, answer: str | None, verb: tuple[str, ...]) -> None:
    """Run VERB in a container: where it ends with exit code 2, stay until SIGTERM in place of being started for ever."""
    from deploy.stack.stay import run_or_stay

    with exit_on_errors():
        run_or_stay(lambda: context.find_root().command.main(list(verb), prog_name="quietline"), answer)


for _verb in (
    canary,
    alarm,
    backup,
    restore,
    migrate,
    handover,
    drill,
    upgrade,
    init,
    check,
    doctor,
    practices,
    report,
    staff,
    trust,
    exposure,
    audit,
    lookup,
    erasure,
    policy,
):
    cli.add_command(_verb)


def _run(*command: str) -> int:
    """Run a command in the project's root, with our input and output, to its end; return its exit code."""
    import subprocess

    sys.stdout.flush()
    # Tests start hundreds of processes: without compiled files on disk each would compile all modules again.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode  # noqa: S603 - the command is ours


def main() -> None:
    """Run the command."""
    cli(prog_name="quietline")
