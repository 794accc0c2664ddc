"""What systemd hears: fixed words, at its own socket, and nothing at all where there is none."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from bridge.runtime.service_notifier import DEFAULT_INTERVAL_SECONDS, ServiceNotifier, ServiceState


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_words_arrive_at_the_socket(tmp_path: Path, kind: str) -> None:
    """Both kinds of address that systemd may give are understood."""
    name = str(tmp_path / "notify") if kind == "path" else f"@quietline-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(name if kind == "path" else f"\0{name[1:]}")
        systemd.settimeout(10)
        notifier = ServiceNotifier.of({"NOTIFY_SOCKET": name})
        assert notifier.listens
        for state in ServiceState:
            notifier.tell(state)
            assert systemd.recv(1000) == state.encode()


def test_nobody_has_to_listen(tmp_path: Path) -> None:
    """Without a socket, with one of another kind, or with one that is gone, nothing happens and nothing fails."""
    for environment in ({}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1234"}):
        notifier = ServiceNotifier.of(environment)
        assert not notifier.listens
        notifier.tell(ServiceState.READY)
    ServiceNotifier.of({"NOTIFY_SOCKET": str(tmp_path / "gone")}).tell(ServiceState.READY)


def test_pings_come_thrice_within_the_limit() -> None:
    """The limit is systemd's; a watchdog of another process, or none, leaves the usual interval."""
    there = {"NOTIFY_SOCKET": "/run/notify"}
    assert ServiceNotifier.of({**there, "WATCHDOG_USEC": "90000000"}).interval == 30
    assert ServiceNotifier.of({**there, "WATCHDOG_USEC": "90000000", "WATCHDOG_PID": str(os.getpid())}).interval == 30
    for other in ({}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "90000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "x"}):
        assert ServiceNotifier.of({**there, **other}).interval == DEFAULT_INTERVAL_SECONDS
