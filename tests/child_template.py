"""Modules imported once, and forked for each start: `python -P -m tests.child_template LISTENER ROOM MODULE…`.

Rules of this module: it imports nothing of the product by itself; what runs in a fork is what `python -P -m WORDS…` runs,
from its beginning. A fork has what a supervisor gives a child, and of this process nothing but what importing the modules
leaves and the seed of string hashes: no thread, no open file, no random state. The modules are imported with the first
order. Only `tests/forked_children.py` asks for a fork.

LISTENER is the descriptor of a socket of whole messages. On a connection comes one order, in JSON, with the file for
what is printed; then numbers of signals for the child. Back go its process id and, when it has ended, its exit code as
`subprocess` tells it. With the end of a connection its child is killed, with the end of standard input all are. Who asks
and is stopped holds nobody up. The first MODULE is the one that a start runs as `__main__`.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import random
import runpy
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any, Final, TypedDict

ORDER_BYTES: Final = 1 << 16
REACTOR: Final = "twisted.internet.reactor"
PR_SET_PDEATHSIG: Final = 1


class Order(TypedDict):
    """What a supervisor gives a child. `words`: after `-m`; None is the process id of the parent, which this process is."""

    words: list[str | None]
    environment: dict[str, str]
    directory: str
    umask: int


def preload(modules: list[str]) -> None:
    """Import, and see that importing leaves nothing that forks could share by mistake."""
    gc.set_threshold(20_000)  # before anything is imported, as the product does
    for name in modules:
        __import__(name)
    del sys.modules[modules[0]]
    if (reactor := _reactor()) is not None:  # it has no open file until it is made again
        reactor.waker.connectionLost(None)
        reactor._poller.close()
    # `random` does so with its own generator; a package that makes one when it is imported does not.
    for generator in [made for made in gc.get_objects() if type(made) is random.Random]:
        os.register_at_fork(after_in_child=generator.seed)
    gc.collect()
    gc.freeze()  # what was imported is there to the end


def _reactor() -> Any:
    """Return Twisted's, where a module that was imported has it."""
    return sys.modules.get(REACTOR)


def fork_at_orders(listener: socket.socket, modules: list[str]) -> list[str]:
    """Return in a child, and there alone, with the words that it is to run. This process ends with its input."""
    parent, loaded = os.getpid(), False
    asking: set[socket.socket] = set()
    running: dict[socket.socket, tuple[int, int]] = {}
    while True:
        looked_at: list[Any] = [0, listener, *asking, *running, *(ended for _, ended in running.values())]
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
        for connection in asking.intersection(ready):
            asking.remove(connection)
            told, files, _, _ = socket.recv_fds(connection, ORDER_BYTES, 1)
            if not told:  # who asked is gone
                connection.close()
                continue
            if not loaded:
                preload(modules)
                loaded = True
            assert len(list(Path("/proc/self/task").iterdir())) == 1, "a thread's locks would be held for ever"
            if (pid := os.fork()) == 0:
                _close(connection, listener, *asking, *running, *(ended for _, ended in running.values()))
                return _become(json.loads(told), files[0], parent)
            _close(*files)
            running[connection] = pid, os.pidfd_open(pid)
            _tell(connection, pid)
        if listener in ready:
            asking.add(listener.accept()[0])


def _become(order: Order, output: int, parent: int) -> list[str]:
    """Take on what the order gives; return its words."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the kernel was asked
        os.kill(os.getpid(), signal.SIGKILL)
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
    time.tzset()
    words = [str(parent) if word is None else word for word in order["words"]]
    _show_title([sys.executable, "-P", "-m", *words])
    return words


def _show_title(words: list[str]) -> None:
    """Have the kernel show these words for this process, in the room that its own have (proc(5), `arg_start`)."""
    fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    begin, end = int(fields[45]), int(fields[46])
    title = "\0".join([*words, ""]).encode()
    assert len(title) <= end - begin, "a longer ROOM is needed"
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
            connection.shutdown(socket.SHUT_RD)  # so nothing comes any more, and the end of what came is not waited for
            while connection.recv(8):
                pass


def _close(*files: socket.socket | int) -> None:
    for file in files:
        if isinstance(file, int):
            os.close(file)
        else:
            file.close()


def main(listener: int, modules: list[str]) -> None:
    """Fork, and run in each fork what its order says."""
    sys.argv = fork_at_orders(socket.socket(fileno=listener), modules)
    if (reactor := _reactor()) is not None:
        type(reactor).__init__(reactor)
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[3:])
