"""Synapse, imported once and forked for each start: `python -P -m tests.synapse_template LISTENER`.

Rules of this module: what runs in a fork is the product's own wrapper (`deploy.stack.child`), which runs Synapse's command
from its beginning. A fork has what a supervisor gives a child, and of this process nothing but what importing leaves and
the seed of string hashes: no thread, no open file, no random state. Only `tests/forked_synapse.py` asks for one.

LISTENER is the descriptor of a socket of whole messages. On a connection comes one order, in JSON, with the file for
what is printed; then numbers of signals for the child. Back go its process id and, when it has ended, its exit code as
`subprocess` tells it. With the end of a connection its child is killed, with the end of standard input all are.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Any, Final, NoReturn, TypedDict

from deploy.stack import child
from deploy.stack.synapse_config import MODULE

ORDER_BYTES: Final = 1 << 16
PRELOADED: Final = (MODULE, "quietline_synapse.resource", "deploy.stack.synapse_log")
"""Nearly all that a start imports; the rest takes it a hundredth of a second."""


class Order(TypedDict):
    """What a supervisor gives a child. `words`: the wrapper's after the parent, which this process is."""

    words: list[str]
    environment: dict[str, str]
    directory: str
    umask: int


def preload() -> Any:
    """Import, and return the reactor, which has no open file until it is made again."""
    gc.set_threshold(20_000)  # before anything is imported, as the wrapper does
    for name in PRELOADED:
        __import__(name)
    from twisted.internet import reactor

    made: Any = reactor
    made.waker.connectionLost(None)
    made._poller.close()
    del sys.modules[MODULE]  # a start runs it as `__main__`
    gc.collect()
    gc.freeze()  # what was imported is there to the end
    return made


def fork_at_orders(listener: socket.socket) -> list[str]:
    """Return in a child, and there alone, with the words for its wrapper. This process ends with its input."""
    parent = os.getpid()
    running: dict[socket.socket, tuple[int, int]] = {}
    while True:
        looked_at: list[Any] = [0, listener, *running, *(ended for _, ended in running.values())]
        ready = select.select(looked_at, [], [])[0]
        if 0 in ready:
            for pid, ended in running.values():
                signal.pidfd_send_signal(ended, signal.SIGKILL)
                os.waitpid(pid, 0)
            place = Path(listener.getsockname())
            place.unlink()
            place.parent.rmdir()
            sys.exit()
        for connection, (pid, ended) in list(running.items()):
            if ended in ready:
                _tell(connection, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), last=True)
                _close(connection, ended)
                del running[connection]
            elif connection in ready:
                signal.pidfd_send_signal(ended, int(_hear(connection) or signal.SIGKILL))
        if listener in ready:
            connection, _ = listener.accept()
            told, files, _, _ = socket.recv_fds(connection, ORDER_BYTES, 1)
            if not told:  # who asked is gone
                connection.close()
                continue
            assert len(list(Path("/proc/self/task").iterdir())) == 1, "a thread's locks would be held for ever"
            if (pid := os.fork()) == 0:
                _close(connection, listener, *running, *(ended for _, ended in running.values()))
                order: Order = json.loads(told)
                _become(order, files[0])
                words = [str(parent), *order["words"]]
                _show_title([sys.executable, "-P", "-m", child.__name__, *words])
                return words
            _close(*files)
            running[connection] = pid, os.pidfd_open(pid)
            _tell(connection, pid)


def _become(order: Order, output: int) -> None:
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, standard in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, standard)
    _close(nothing, output)
    files = sorted(path.name for path in Path("/proc/self/fd").iterdir())  # the listing is a fourth
    assert files == ["0", "1", "2", "3"], "a file is open, and would be shared"
    os.chdir(order["directory"])
    os.umask(order["umask"])
    os.environ.clear()
    os.environ.update(order["environment"])


def _show_title(words: list[str]) -> None:
    """Have the kernel show these words for this process, in the room that its own have (proc(5), `arg_start`)."""
    fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    begin, end = int(fields[45]), int(fields[46])
    title = "\0".join([*words, ""]).encode()
    assert len(title) <= end - begin, "a longer last argument is needed"
    ctypes.memset(begin, 0, end - begin)
    ctypes.memmove(begin, title, len(title))


def _hear(connection: socket.socket) -> bytes:
    with contextlib.suppress(OSError):
        return connection.recv(8)
    return b""  # who asked is gone, and left unread what it was told


def _tell(connection: socket.socket, number: int, *, last: bool = False) -> None:
    with contextlib.suppress(OSError):  # who asked is gone
        connection.send(str(number).encode())
        if last:  # what lies unread when a socket is closed takes along what was sent
            connection.shutdown(socket.SHUT_RD)
            while connection.recv(8):
                pass


def _close(*files: socket.socket | int) -> None:
    for file in files:
        if isinstance(file, int):
            os.close(file)
        else:
            file.close()


def main(listener: int) -> NoReturn:
    """Import, and run in each fork what its order says."""
    reactor = preload()
    words = fork_at_orders(socket.socket(fileno=listener))
    type(reactor).__init__(reactor)
    child.main(words)
    sys.exit()


if __name__ == "__main__":
    main(int(sys.argv[1]))
