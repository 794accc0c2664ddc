"""A process that imports modules once and forks for each start: `python -P -m tests.child_template LISTENER ROOM MODULE…`.

Rules of this module: it imports nothing of the product by itself; a fork runs what `python -P -m WORDS…` runs, from its
beginning. A fork has what a supervisor gives a child, and from this process only the imported modules and the seed of
string hashes: no thread, no open file, no random state. The modules are imported at the first order. Only
`tests/forked_children.py` requests forks.

LISTENER is the descriptor of a listening socket for whole messages. A connection receives one order, in JSON, with the file
for the output; then numbers of signals for the child. It sends the child's process id and, at its end, its exit code in the
form of `subprocess`. The end of a connection kills its child, the end of standard input kills all. A stopped client delays
no other. The first MODULE is the one that a start runs as `__main__`.
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
    """What a supervisor gives a child. `words`: after `-m`; None stands for the process id of the parent, this process."""

    words: list[str | None]
    environment: dict[str, str]
    directory: str
    umask: int


def preload(modules: list[str]) -> None:
    """Import the modules, and check that the import leaves nothing that forks could share by mistake."""
    gc.set_threshold(20_000)  # before any import, as in the product
    for name in modules:
        __import__(name)
    del sys.modules[modules[0]]
    if (reactor := _reactor()) is not None:  # its files are closed until `main` makes it again
        reactor.waker.connectionLost(None)
        reactor._poller.close()
    # `random` reseeds its own generator after a fork; a package that makes one at import does not.
    for generator in [each for each in gc.get_objects() if type(each) is random.Random]:
        os.register_at_fork(after_in_child=generator.seed)
    gc.collect()
    gc.freeze()  # imported objects live until the end


def _reactor() -> Any:
    """Return Twisted's reactor, if an imported module has made it."""
    return sys.modules.get(REACTOR)


def fork_at_orders(listener: socket.socket, modules: list[str]) -> list[str]:
    """Return only in a child, with the words that it must run. This process ends with its input."""
    parent, loaded = os.getpid(), False
    asking: set[socket.socket] = set()
    running: dict[socket.socket, tuple[int, int]] = {}
    while True:
        looked_at: list[Any] = [0, listener, *asking, *running, *(pidfd for _, pidfd in running.values())]
        ready = select.select(looked_at, [], [])[0]
        if 0 in ready:
            for pid, pidfd in running.values():
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                os.waitpid(pid, 0)
            place = Path(listener.getsockname())
            place.unlink()
            place.parent.rmdir()
            sys.exit()
        for connection, (pid, pidfd) in list(running.items()):
            if pidfd in ready:
                _, status = os.waitpid(pid, 0)
                _tell(connection, os.waitstatus_to_exitcode(status), last=True)
                _close(connection, pidfd)
                del running[connection]
            elif connection in ready:
                signal.pidfd_send_signal(pidfd, int(_hear(connection) or signal.SIGKILL))
        for connection in asking.intersection(ready):
            asking.remove(connection)
            order, files, _, _ = socket.recv_fds(connection, ORDER_BYTES, 1)
            if not order:  # the client is gone
                connection.close()
                continue
            if not loaded:
                preload(modules)
                loaded = True
            assert len(list(Path("/proc/self/task").iterdir())) == 1, "a thread's locks would be held for ever"
            requested: Order = json.loads(order)
            if (pid := os.fork()) == 0:
                _close(connection, listener, *asking, *running, *(pidfd for _, pidfd in running.values()))
                return _become(requested, files[0], parent)
            _close(*files)
            running[connection] = pid, os.pidfd_open(pid)
            _tell(connection, pid)
        if listener in ready:
            asking.add(listener.accept()[0])


def _become(order: Order, output: int, parent: int) -> list[str]:
    """Apply the order to this process; return its words."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the request to the kernel
        os.kill(os.getpid(), signal.SIGKILL)
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, standard in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, standard)
    _close(nothing, output)
    files = sorted(path.name for path in Path("/proc/self/fd").iterdir())  # the listing opens a fourth
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
    """Make the kernel show these words for this process, in the memory of its own ones (proc(5), `arg_start`)."""
    fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    begin, end = int(fields[45]), int(fields[46])
    title = "\0".join([*words, ""]).encode()
    assert len(title) <= end - begin, "a longer ROOM is needed"
    ctypes.memset(begin, 0, end - begin)
    ctypes.memmove(begin, title, len(title))


def _hear(connection: socket.socket) -> bytes:
    with contextlib.suppress(OSError):
        return connection.recv(8)
    return b""  # the client is gone, and has not read everything


def _tell(connection: socket.socket, number: int, *, last: bool = False) -> None:
    with contextlib.suppress(OSError):  # the client is gone
        connection.send(str(number).encode())
        if last:  # unread data at a close would also discard the data that was sent
            connection.shutdown(socket.SHUT_RD)  # so no more data arrives, and reading need not wait for the end
            while connection.recv(8):
                pass


def _close(*files: socket.socket | int) -> None:
    for file in files:
        if isinstance(file, int):
            os.close(file)
        else:
            file.close()


def main(listener: int, modules: list[str]) -> None:
    """Fork at each order, and run it in the fork."""
    sys.argv = fork_at_orders(socket.socket(fileno=listener), modules)
    if (reactor := _reactor()) is not None:
        type(reactor).__init__(reactor)
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[3:])
