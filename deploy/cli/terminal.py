"""How `up` speaks to whoever started it.

Rule of this module: nobody has to listen. A pipe or a terminal that is gone costs what would have been said there, and
neither the line nor its orderly stop.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.status import Status

from deploy.stack.up import Told

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO


def say(text: str, *, err: bool = False) -> None:
    """Write a line on standard output or standard error, if anybody reads there."""
    with _unheard(sys.stderr if err else sys.stdout):
        click.echo(text, err=err)


@contextlib.contextmanager
def speaking() -> Iterator[Told]:
    """Speak while `up` runs: on a terminal by a moving line while something is awaited, else by plain lines."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield Told(progress=lambda text: say(f"quietline: {text}", err=True), said=say)
        return
    moving = Status("", console=console)

    def progress(text: str) -> None:
        with _unheard(sys.stderr):
            moving.update(f"{text}…")
            moving.start()

    def still() -> None:
        with _unheard(sys.stderr):
            moving.stop()

    def said(text: str) -> None:
        still()
        say(text)

    try:
        yield Told(progress=progress, said=said)
    finally:
        still()


@contextlib.contextmanager
def _unheard(stream: TextIO) -> Iterator[None]:
    """Pass over that what is written to this stream cannot be, and let it write to nowhere from then on.

    Python would try again when it ends, and make the exit code 120 (documentation of `signal`, note on SIGPIPE).
    """
    try:
        yield
    except (OSError, SystemExit):  # `rich` ends the process when a pipe is broken
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            try:
                os.dup2(nowhere, stream.fileno())
            finally:
                os.close(nowhere)
