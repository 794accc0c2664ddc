"""What background destroyers do when they meet a damaged page of the database.

Rule of this module: it ends no loop, because texts must go on. It is logged without content, reported at the desk once and
then at growing counts, and the loop that met it waits. A full disk or a busy file is no damage; each loop waits for those.
What one damaged page keeps is one part of a turn: the other parts are done all the same (`run_each`).

Source: sqlite.org/rescode.html#corrupt (SQLITE_CORRUPT and SQLITE_NOTADB: `Corrupt`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from bridge.runtime import log
from bridge.runtime.clock import Clock
from bridge.storage.errors import DatabaseError

RETRY_SECONDS: Final = 300.0
"""Seconds until it is tried again: a damaged page does not mend itself, but a technician may have mended it."""
ALERT_AT_COUNTS: Final = (1, 12, 288)
"""Times in one run at which the desk hears of it: at once, after an hour, after a day."""
ALERT_SUBJECT: Final = "due database_damaged"


AlertCallback: TypeAlias = Callable[[str, float], Awaitable[None]]
"""Tells the desk what is not gone, and since when (seconds since the epoch). What: the name of a notice `remains.*`, and
after a blank that of why."""


class CorruptionPolicy:
    """What one loop met. `alert`: says what is not gone, and since when; None where the log has to do."""

    def __init__(self, *, clock: Clock, alert: AlertCallback | None) -> None:
        self._clock, self._alert = clock, alert
        self._count, self._since = 0, clock.now()

    async def record(self, name: str, error: DatabaseError) -> float:
        """Log it under that fixed name, and tell; return for how many seconds to wait. Raises nothing of the database."""
        log.failure(name, error)
        self._since = self._since if self._count else self._clock.now()
        self._count += 1
        if self._alert is not None and self._count in ALERT_AT_COUNTS:
            try:
                await self._alert(ALERT_SUBJECT, self._since)
            except (DatabaseError, OSError) as silent:
                log.failure(name, silent)
        return RETRY_SECONDS


async def run_each(*parts: Callable[[], Awaitable[None]]) -> None:
    """Do each part in order, also after one that failed. Raises the first error, once all were tried."""
    first: Exception | None = None
    for part in parts:
        try:
            await part()
        except Exception as error:  # noqa: BLE001 - whatever one part raises, data of the others must be deleted in time
            first = first or error
    if first is not None:
        raise first
