"""Tests of `tests/free_ports.py`."""

from __future__ import annotations

from itertools import pairwise

from deploy.cli.main import PROCESSES
from tests.free_ports import range_of

CLIENT_PORTS_BEGIN = 32_768
"""Linux: `net.ipv4.ip_local_port_range`."""


def test_each_test_process_has_a_range_of_its_own() -> None:
    """No two processes of `./quietline test` share a port, and no range reaches into the kernel's ports for clients."""
    ranges = [range_of(f"gw{number}") for number in range(PROCESSES)]
    assert all(earlier.stop <= later.start for earlier, later in pairwise(ranges))
    assert ranges[-1].stop <= CLIENT_PORTS_BEGIN
