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

_FIRST: Final = 20_000
_RANGE: Final = 1_500
"""The number of ports of a test process; eight ranges end below 32,768, where Linux's range for clients begins."""
_TRIALS: Final = 500
_lately_given: Final[deque[range]] = deque(maxlen=100)


def free_ports(count: int = 3) -> int:
    """Return the first of `count` ports in a row that are free on loopback.

    Ports that were returned recently are not returned again: their server may not listen yet.
    """
    own = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8
    first = _FIRST + _RANGE * own
    for _ in range(_TRIALS):
        base = random.randrange(first, first + _RANGE - count)  # noqa: S311 - a port, not a secret
        row = range(base, base + count)
        if any(row.start < other.stop and other.start < row.stop for other in _lately_given):
            continue
        with contextlib.ExitStack() as sockets, contextlib.suppress(OSError):
            for port in row:
                sockets.enter_context(contextlib.closing(socket.create_server(("127.0.0.1", port))))
            _lately_given.append(row)
            return base
    raise AssertionError(f"no {count} free ports in a row")
