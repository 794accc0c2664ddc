"""Ports for the servers of a test.

Rule of this module: ports are below the kernel's range for clients, so that no connection of another test takes a port
before its server listens; each test process (pytest-xdist) has its own range.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
from collections import deque
from typing import Final

_FIRST: Final = 17_000
_RANGE: Final = 1_500
"""The number of ports of a test process."""
_RANGES: Final = 10  # at least the processes of `./quietline test`
"""All ranges end below 32,768, where Linux's range for clients begins."""
_TRIALS: Final = 500
_lately_given: Final[deque[range]] = deque(maxlen=100)


def range_of(process: str) -> range:
    """Return the ports of a test process, which pytest-xdist calls `gw0`, `gw1` and so on."""
    first = _FIRST + _RANGE * (int(process.removeprefix("gw")) % _RANGES)
    return range(first, first + _RANGE)


def free_ports(count: int = 3) -> int:
    """Return the first of `count` ports in a row that are free on loopback.

    Ports that were returned recently are not returned again: their server may not listen yet.
    """
    own = range_of(os.environ.get("PYTEST_XDIST_WORKER", "gw0"))
    for _ in range(_TRIALS):
        base = random.randrange(own.start, own.stop - count)  # noqa: S311 - a port, not a secret
        row = range(base, base + count)
        if any(row.start < other.stop and other.start < row.stop for other in _lately_given):
            continue
        with contextlib.ExitStack() as sockets, contextlib.suppress(OSError):
            for port in row:
                sockets.enter_context(contextlib.closing(socket.create_server(("127.0.0.1", port))))
            _lately_given.append(row)
            return base
    raise AssertionError(f"no {count} free ports in a row")
