"""Reports the state of this process to systemd, and pings its watchdog.

Rules of this module: it sends fixed words only, and nothing without a socket; a message that cannot be sent has no other
effect. Source: sd_notify(3) and sd_watchdog_enabled(3): a datagram of `NAME=value` lines to the socket that `NOTIFY_SOCKET`
names.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

PINGS_PER_LIMIT: Final = 3
"""Pings within the time after which systemd takes us for dead."""
DEFAULT_INTERVAL_SECONDS: Final = 10.0
MICROSECONDS: Final = 1_000_000


class ServiceState(StrEnum):
    """The states that can be reported."""

    READY = "READY=1"
    ALIVE = "WATCHDOG=1"
    STOPPING = "STOPPING=1"
    STARTING = f"EXTEND_TIMEOUT_USEC={60 * MICROSECONDS}"
    """Not ready yet and alive: the start may take a minute more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceNotifier:
    """The service manager that started us. `address`: its socket, None without one. `interval`: seconds between pings."""

    address: str | None
    interval: float = DEFAULT_INTERVAL_SECONDS

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read it from the environment; a watchdog that is another process's is none of ours."""
        address = environment.get("NOTIFY_SOCKET", "")
        if not address.startswith(("/", "@")):
            return cls(address=None)
        limit, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
        if not limit.isdigit() or int(limit) == 0 or (pid and pid != str(os.getpid())):
            return cls(address=address)
        return cls(address=address, interval=int(limit) / MICROSECONDS / PINGS_PER_LIMIT)

    @property
    def listens(self) -> bool:
        """Whether there is a socket."""
        return self.address is not None

    def tell(self, state: ServiceState) -> None:
        """Say it. Never waits."""
        if self.address is None:
            return
        # A leading `@` means the null byte of an abstract socket.
        where = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(state.encode(), where)
