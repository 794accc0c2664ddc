"""What the bridge measures of itself while it runs: durations, counts, and when something last happened.

Rules of this module: nothing here names a person. A label has one of the fixed words below, never a value from outside. All
values are in memory and start again with the process, as Prometheus expects of counters; values that must survive are in
tables and are read on a scrape (`bridge/metrics`). Durations are of the monotonic clock.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Histogram

INBOUND, REPORT = "inbound", "report"
"""The content of a webhook: texts, or delivery reports of ours."""
ACKNOWLEDGE_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds. A carrier that gets no answer within 5 to 15 seconds calls again (facts-sms.md)."""
SHOWN_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
MAX_ARRIVALS: Final = 1000
"""Texts on their way to a room whose arrival is remembered; the oldest is forgotten first."""
CARRIER_FAILURE_SECONDS: Final = 300.0
"""For how long a request that the carrier answered badly or not at all counts, unless a later one succeeded."""


class Measurements:
    """Made once for a process. `registry` has what Prometheus reads."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        # When a series began is no use to anybody here, and doubles their number.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # it ships without annotations
        self.registry = CollectorRegistry()
        self._monotonic, self._started = monotonic, monotonic()
        self._acknowledged = Histogram(
            "quietline_webhook_acknowledge_seconds",
            "Seconds from a signed webhook to its 2xx, by what it brought.",
            ("brought",),
            buckets=ACKNOWLEDGE_BUCKETS,
            registry=self.registry,
        )
        self._show_seconds = Histogram(
            "quietline_text_to_room_seconds",
            "Seconds from the arrival of a text to the moment when the homeserver has its message.",
            buckets=SHOWN_BUCKETS,
            registry=self.registry,
        )
        self._not_kept = Counter(
            "quietline_texts_not_kept",
            "Times that the carrier brought something signed that was not kept: storage failed, or it cannot be read.",
            registry=self.registry,
        )
        for brought in (INBOUND, REPORT):
            self._acknowledged.labels(brought)
        self._arrivals: OrderedDict[str, float] = OrderedDict()
        self._synced_at = self._started
        self._text_at: float | None = None
        self._carrier: tuple[bool, float] | None = None

    def record_webhook_answer(self, brought: str, *, status: int, seconds: float) -> None:
        """Note the answer to a webhook. `brought`: `INBOUND` or `REPORT`."""
        if status == 200:
            self._acknowledged.labels(brought).observe(seconds)

    def record_text_not_kept(self) -> None:
        """Note that a text of the carrier was not kept."""
        self._not_kept.inc()

    def record_arrival(self, event_id: str) -> None:
        """Note that a text was kept. `event_id`: of its `TextArrived`."""
        now = self._text_at = self._monotonic()
        self._arrivals[event_id] = now
        if len(self._arrivals) > MAX_ARRIVALS:
            self._arrivals.popitem(last=False)

    def record_text_shown(self, ref: str) -> None:
        """Note that the homeserver has a message of a texter. `ref`: of the message, `in:ID:PIECE`."""
        began = self._arrivals.pop(ref.split(":")[1], None) if ref.startswith("in:") else None
        if began is not None:
            self._show_seconds.observe(self._monotonic() - began)

    def record_carrier_request(self, *, answered: bool) -> None:
        """Note whether the carrier answered a request of ours."""
        self._carrier = (answered, self._monotonic())

    def record_sync(self) -> None:
        """Note that a sync response of the homeserver was committed."""
        self._synced_at = self._monotonic()

    def seconds_since_sync(self) -> float:
        """Return the seconds since the last sync response; since the start while there was none."""
        return self._monotonic() - self._synced_at

    def seconds_since_text(self) -> float | None:
        """Return the seconds since the last text of this run; None while there was none."""
        return None if self._text_at is None else self._monotonic() - self._text_at

    def carrier_answers(self) -> bool | None:
        """Return whether the carrier answered the last request; None without one, or if the failure is too long ago."""
        if self._carrier is None:
            return None
        has_answered, at = self._carrier
        return True if has_answered else None if self._monotonic() - at > CARRIER_FAILURE_SECONDS else False
