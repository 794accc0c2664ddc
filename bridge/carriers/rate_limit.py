"""Limits how fast texts leave: a bucket of tokens for each of our numbers, or one for all of them, first come first served.

Rules of this module: nothing sleeps here. A caller whose turn has not come is told how long to wait and asks again, so that
the guard judges a waiting text each time, and a text that waits too long becomes late. A ticket whose caller stops asking
blocks no other.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

MAX_WAIT: Final = 20.0
"""Seconds after which a waiting ticket asks again at the latest."""
ABANDONED_AFTER: Final = 10.0
"""Seconds that a ticket may be overdue before it counts as gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A vendor's limit for one number: `per_second`, and at most `burst` at once after a pause.

    `by_segment`: the vendor counts segments, not texts. `shared`: the limit is for all of our numbers together.
    """

    per_second: float
    burst: float = 1.0
    by_segment: bool = True
    shared: bool = False


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled: float
    paused_until: float = 0.0


class RateLimiter:
    """The buckets of one carrier's numbers. `clock` is monotonic, in seconds."""

    def __init__(self, rate: Rate, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate, self._clock = rate, clock
        self._buckets: dict[str, _Bucket] = {}
        self._waiting: defaultdict[str, dict[int, tuple[float, float]]] = defaultdict(dict)

    def acquire(self, number: str, ticket: int, *, cost: float = 1.0) -> float:
        """Return 0.0 when it is this ticket's turn, and end the ticket.

        Else return the seconds after which to call again.
        """
        now, bucket, waiting = self._clock(), self._bucket(number), self._waiting[self._name(number)]
        for other in [other for other, (_, due) in waiting.items() if due + ABANDONED_AFTER < now]:
            del waiting[other]
        # One text may need more than the bucket holds: it leaves when the bucket is full, and the next text waits longer.
        needed = min(cost, self.rate.burst) + self._ahead(waiting, ticket)
        wait = max(bucket.paused_until - now, (needed - bucket.tokens) / self.rate.per_second, 0.0)
        # Nanoseconds lost by rounding must not cause another wait.
        if wait < 1e-6:
            bucket.tokens -= cost
            waiting.pop(ticket, None)
            return 0.0
        wait = min(wait, MAX_WAIT)
        # A ticket that asks again keeps its place.
        waiting[ticket] = (cost, now + wait)
        return wait

    def cancel(self, number: str, ticket: int) -> None:
        """Give up a place in the queue."""
        self._waiting[self._name(number)].pop(ticket, None)

    def pause(self, number: str, seconds: float) -> None:
        """Let nothing leave for so many seconds, because the carrier requires it (`Retry-After`)."""
        bucket = self._bucket(number)
        bucket.paused_until = max(bucket.paused_until, self._clock() + seconds)

    def _name(self, number: str) -> str:
        return "" if self.rate.shared else number

    def _bucket(self, number: str) -> _Bucket:
        now = self._clock()
        bucket = self._buckets.setdefault(self._name(number), _Bucket(tokens=self.rate.burst, filled=now))
        bucket.tokens = min(self.rate.burst, bucket.tokens + (now - bucket.filled) * self.rate.per_second)
        bucket.filled = now
        return bucket

    @staticmethod
    def _ahead(waiting: dict[int, tuple[float, float]], ticket: int) -> float:
        ahead = 0.0
        for other, (cost, _) in waiting.items():
            if other == ticket:
                break
            ahead += cost
        return ahead
