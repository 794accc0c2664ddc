"""Ports that tests give to their servers."""

from __future__ import annotations

import socket
from itertools import pairwise

from tests.free_ports import free_ports


def test_rows_of_ports_do_not_overlap_and_are_no_clients() -> None:
    """The kernel gives clients ports above these ranges, so no connection takes a port that was just returned."""
    rows = sorted((first := free_ports(count), first + count) for count in (1, 3, 8) for _ in range(10))
    assert all(end <= next_first for (_, end), (next_first, _) in pairwise(rows))
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert rows[-1][1] <= client.getsockname()[1]
