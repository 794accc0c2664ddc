"""The conditions for starting a part of a line here, and how a start is stopped.

Rule of this module: one process for each directory, on free ports; all obstacles are reported at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
from typing import TYPE_CHECKING, Any

from bridge.config.load import ConfigError, load
from deploy.data_dir.atomic_files import file_problem, make_private_directory
from deploy.data_dir.layout import HOST
from deploy.data_dir.secret_files import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from deploy.data_dir.layout import Layout, Ports


async def run_unless_stopped(stop: asyncio.Event, work: Any) -> bool:
    """Run the work to its end; when `stop` is set first, cancel it and return False."""
    stopped = asyncio.ensure_future(stop.wait())
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait((stopped, task), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            return False
        task.result()
        return True
    finally:
        stopped.cancel()
        task.cancel()
        await asyncio.gather(stopped, task, return_exceptions=True)


@contextlib.contextmanager
def exclusive_lock(layout: Layout) -> Iterator[None]:
    """Hold the directory's lock. The kernel releases it when this process ends, however it ends."""
    try:
        make_private_directory(layout.data)
        make_private_directory(layout.run)
        descriptor = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SetupError([file_problem(error, layout.data)]) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SetupError([f"{layout.data}: another `quietline up` runs on this directory; stop it first"]) from None
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def stop_signals() -> Iterator[asyncio.Event]:
    """Yield an event that SIGTERM, SIGINT and SIGHUP set."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    signals = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
        signals.append(signal.SIGHUP)
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def require_own_homeserver(layout: Layout) -> None:
    """Raise :class:`SetupError` for a line on the agency's own homeserver, before any of its files is touched."""
    with contextlib.suppress(ConfigError):  # a later step reports all its problems
        if layout.has_config and load(layout.config).homeserver.joined:
            problem = f"the homeserver is the agency's own; `quietline bridge {layout.option}` runs this line"
            raise SetupError([f"{layout.config}: homeserver.joined: {problem}"])


def require_free_ports(ports: Ports, names: Sequence[str]) -> None:
    """Raise :class:`SetupError` with every port of these children on which another program listens."""
    problems = [
        f"port {ports.of(name)} ({name}) is in use or not allowed; choose others with --port-base N"
        for name in names
        if not is_port_free(HOST, ports.of(name))
    ]
    if problems:
        raise SetupError(problems)


def is_port_free(host: str, port: int) -> bool:
    """Whether a server of ours could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as trial:
        # As servers do: connections in TIME_WAIT do not occupy the port.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
            trial.listen(1)
        except OSError:
            return False
    return True
