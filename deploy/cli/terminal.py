"""What `up` prints for the operator who started it.

Rule of this module: output is optional. When the pipe or terminal is gone, the messages are lost; the line and its orderly
stop are not affected.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.status import Status

from deploy.stack.up import StatusOutput

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO


def write_line(text: str, *, err: bool = False) -> None:
    """Write a line to standard output or standard error; a closed stream is ignored."""
    with _ignore_broken_stream(sys.stderr if err else sys.stdout):
        click.echo(text, err=err)


@contextlib.contextmanager
def status_output() -> Iterator[StatusOutput]:
    """Yield the output of `up`: on a terminal an animated line while it waits, otherwise plain lines."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield StatusOutput(progress=lambda text: write_line(f"quietline: {text}", err=True), message=write_line)
        return
    status = Status("", console=console)

    def progress(text: str) -> None:
        with _ignore_broken_stream(sys.stderr):
            status.update(f"{text}…")
            status.start()

    def stop_status() -> None:
        with _ignore_broken_stream(sys.stderr):
            status.stop()

    def message(text: str) -> None:
        stop_status()
        write_line(text)

    try:
        yield StatusOutput(progress=progress, message=message)
    finally:
        stop_status()


@contextlib.contextmanager
def _ignore_broken_stream(stream: TextIO) -> Iterator[None]:
    """Ignore an error when this stream is written to; redirect it to /dev/null from then on.

    Otherwise Python would try again at its exit, with exit code 120 (documentation of `signal`, note on SIGPIPE).
    """
    try:
        yield
    except (OSError, SystemExit):  # `rich` exits when a pipe is broken
        with contextlib.suppress(OSError, ValueError):
            devnull = os.open(os.devnull, os.O_WRONLY)
            try:
                os.dup2(devnull, stream.fileno())
            finally:
                os.close(devnull)
