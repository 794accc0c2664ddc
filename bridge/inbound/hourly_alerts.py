"""Alerts at the desk that strangers, or many requests, can cause: one per hour and kind at most, of some kinds one a day.

Rules of this module: the commit that sends an alert also stores that it was sent, so a restart repeats nothing; memory only
saves commits. A sender of requests from outside can cause one line an hour at the desk, and no more.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Final

from bot.model.actions import DESK
from bot.model.line_incidents import StrayKind, StrayTextArrived, TextsMissing
from bridge.services import Services
from bridge.storage.database import Transaction
from bridge.tables import inbox, line_state

MIN_INTERVAL: Final = 3600.0
"""Seconds between two alerts of one kind."""
DAY: Final = 86_400.0
DAILY: Final = frozenset({StrayKind.OTHER_NUMBER})
"""Kinds of which the desk is told once a day at most: each text causes one, until a technician changes a setting."""
REFUSALS_TO_ALERT: Final = 3
"""Refused requests within a day that cause an alert: a single one is not reported."""
ANSWER_SECONDS: Final = 60.0
"""Seconds after which a carrier would have answered a challenge. Several texts at once are several challenges at once."""


class HourlyAlerts:
    """Tells the desk, at most once an hour or a day."""

    def __init__(self, services: Services) -> None:
        self._database, self._vault, self._clock = services.database, services.vault, services.clock
        self._wake = services.wake
        # A copy of the database's times, so that a flood does not cause a commit for each event.
        self._last_alerts: dict[Enum, float] = {}

    async def alert(self, event: StrayTextArrived | TextsMissing) -> None:
        """Tell the desk, unless it was told of this kind lately. Raises what the database raises."""
        interval = DAY if event.kind in DAILY else MIN_INTERVAL
        now, name = self._clock.now(), f"{line_state.STRAY_ALERT}{event.kind.value}"
        if 0 <= now - self._last_alerts.get(event.kind, -interval) < interval:
            return
        inbox_row = await inbox.seal(self._vault, DESK, event)

        async def commit(transaction: Transaction) -> float:
            last_alert = await line_state.get_time(transaction, name)
            if 0 <= now - last_alert < interval:
                return last_alert
            await line_state.put(transaction, name, str(now))
            await inbox.append(transaction, inbox_row)
            return now

        self._last_alerts[event.kind] = await self._database.commit(commit)
        self._wake.engine(DESK)


class RefusalCounter:
    """Counts requests that were refused."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=REFUSALS_TO_ALERT)

    def is_repeated(self, now: float) -> bool:
        """Count one; return whether the last `REFUSALS_TO_ALERT` came within a day. `now` in seconds."""
        self._times.append(now)
        return len(self._times) == REFUSALS_TO_ALERT and now - self._times[0] < DAY


class ChallengeCounter:
    """Counts requests that were answered by a challenge, since the carrier was last accepted with its credentials."""

    def __init__(self) -> None:
        self._first: float | None = None
        self._count = 0

    def is_unanswered(self, now: float) -> bool:
        """Count one; return whether `REFUSALS_TO_ALERT` came within a day and none was answered for `ANSWER_SECONDS`."""
        if self._first is None or not 0 <= now - self._first < DAY:
            self._first, self._count = now, 0
        self._count += 1
        return self._count >= REFUSALS_TO_ALERT and now - self._first >= ANSWER_SECONDS

    def answer(self) -> None:
        """Forget what was counted: the carrier has the right credentials."""
        self._first = None
