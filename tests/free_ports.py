"""Ports for the servers of a test.

Rule of this module: below the range from which the kernel gives clients theirs, so that no connection of another test takes
a port between this look and the moment its server listens; each test process (pytest-xdist) looks in a range of its own.
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
"""Ports of a test process; eight of them end below 32,768, where Linux begins with those of clients."""
_TRIALS: Final = 500
_lately_given: Final[deque[range]] = deque(maxlen=100)


def free_ports(count: int = 3) -> int:
    """Return the first of `count` ports in a row that are free on loopback.

    What was given lately is not given again: its first holder may not listen there yet.
    """
    own = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8
    first = _FIRST + _RANGE * own
    for _ in range(_TRIALS):
        base = random.randrange(first, first + _RANGE - count)  # noqa: S311 - a port, not a secret
        row = range(base, base + count)
        if any(row.start < given.stop and given.start < row.stop for given in _lately_given):
            continue
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            for port in row:
                held.enter_context(contextlib.closing(socket.create_server(("127.0.0.1", port))))
            _lately_given.append(row)
            return base
    raise AssertionError(f"no {count} free ports in a row")
