"""Counts new threads, and says when there are too many at once.

Rules of this module: it counts and refuses nothing. A texter beyond the limit gets a thread without a room, and no answer,
until the desk shows the card (practices.md, "Defaults"). The counts are in memory only: that a number texted an hour ago
must not outlive its thread on the disk.
"""

from __future__ import annotations

from collections import deque
from typing import Final

HOUR: Final = 3600.0
MINUTE: Final = 60.0
MAX_PHONES: Final = 10_000
"""Numbers after which those of more than an hour ago are looked for and forgotten."""


class NewThreadRateLimit:
    """Counts new threads, by number and overall; both limits come from the pack."""

    def __init__(self, *, per_number_per_hour: int, per_minute: int) -> None:
        self._per_number = per_number_per_hour
        self._times: deque[float] = deque(maxlen=per_minute)
        self._times_by_phone: dict[bytes, tuple[float, ...]] = {}

    def record_and_check(self, phone_hash: bytes, now: float) -> bool:
        """Count a new thread of this phone and say whether it is one too many. `now` in seconds."""
        if len(self._times_by_phone) >= MAX_PHONES:
            self._times_by_phone = {phone: times for phone, times in self._times_by_phone.items() if now - times[-1] < HOUR}
        own = deque(self._times_by_phone.get(phone_hash, ()), maxlen=self._per_number)
        full = _record_and_check(own, now, HOUR) | _record_and_check(self._times, now, MINUTE)
        self._times_by_phone[phone_hash] = tuple(own)  # a tenth of what a deque takes
        return bool(full)


def _record_and_check(times: deque[float], now: float, span: float) -> bool:
    """Note a time; say whether as many as there is room for lie within the span before it."""
    full = len(times) == times.maxlen and now - times[0] < span
    times.append(now)
    return full
