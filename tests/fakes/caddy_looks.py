"""The times of Caddy's health checks of two bridges, read from its own log.

Rule of this module: at level INFO Caddy logs each health check that failed, so each second one of the standby; a successful
check is not logged. Both bridges are checked together: a second without a line had no check.

Source: caddyserver/caddy at v2.6.2, modules/caddyhttp/reverseproxy/healthchecks.go.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

LOGGER: Final = "http.handlers.reverse_proxy.health_checker.active"
LOOK_SECONDS: Final = 1.0
"""Caddy's `health_interval` in our file."""
FIT: Final = "host is up"
LOG_OF_INIT: Final = """\
		level ERROR
		exclude http.log.error http.handlers.reverse_proxy
"""
LOG_OF_LOOKS: Final = f"""\
		level INFO
		include {LOGGER}
		format json
"""


@dataclass(frozen=True, slots=True)
class Looks:
    """Failed health checks: time in seconds since 1970, and the bridge as `HOST:PORT`."""

    found: tuple[tuple[float, str], ...]

    @classmethod
    def read(cls, log: str) -> Looks:
        """Read the failed checks from a log."""
        lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
        unfit = (line for line in lines if line.get("logger") == LOGGER and line["msg"] != FIT)
        return cls(tuple((line["ts"], line["host"]) for line in unfit))

    def missed(self, leader: str, began: float, seconds: float) -> bool:
        """Whether Caddy made no check in the last second of a handover's drain, and so learned of the handover too late.

        `began`: when the leader began to announce that it stops, `seconds` before it refused webhooks.
        """
        end = began + seconds
        knew = any(began <= when <= end for when, which in self.found if which == leader)
        last = max((when for when, _ in self.found if when <= end), default=end)
        looked_later = any(when > end for when, _ in self.found)
        return not knew and last < end - LOOK_SECONDS and looked_later
