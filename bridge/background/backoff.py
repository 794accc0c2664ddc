"""The back-off of everything that is tried again: which errors pass by themselves, and for how long to wait.

Rules of this module: a full disk, a busy database and a homeserver that fails or is away pass by themselves; a refused
request does not, but a loop's next turn may ask for something else; a refused token ends the process. The wait doubles with
each failure in a row, up to a bound, and is never shorter than the homeserver asks for (`Retry-After`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias, TypeVar

from bridge.matrix.api.http_client import HomeserverError, Transient
from bridge.matrix.api.module_api import HomeserverUnreachable, ModuleRequestRejected
from bridge.runtime import log
from bridge.storage.errors import Unavailable

T = TypeVar("T")

PASSING: Final = (Transient, HomeserverUnreachable, Unavailable, OSError)
"""What passes by itself."""
RETRIED: Final = (*PASSING, HomeserverError, ModuleRequestRejected)
"""What a loop tries again: also a refused request, since the next turn may ask for something else. `TokenRefused` is a
`HomeserverError` and is not tried again: catch it first."""
Waits: TypeAlias = tuple[float, float]
"""The first wait after a failure, and the largest, in seconds."""
DEFAULT_WAITS: Final[Waits] = (0.25, 5.0)


class Backoff:
    """Counts failures in a row. `name`: the log event's, without its end."""

    def __init__(self, name: str, *, homeserver: Waits = DEFAULT_WAITS, storage: Waits = DEFAULT_WAITS) -> None:
        self._name, self._homeserver, self._storage = name, homeserver, storage
        self.failures = 0

    def record(self, error: BaseException) -> float:
        """Log the failure, without its text; return the seconds to wait."""
        of_homeserver = isinstance(error, (HomeserverError, HomeserverUnreachable, ModuleRequestRejected))
        first, largest = self._homeserver if of_homeserver else self._storage
        wait = min(first * 2.0 ** min(self.failures, 16), largest)
        self.failures += 1
        if isinstance(error, (HomeserverError, HomeserverUnreachable, ModuleRequestRejected)):
            log.event(f"{self._name}.homeserver_retry", status=error.status, attempt=self.failures)
        else:
            log.failure(f"{self._name}.database_retry", error, attempt=self.failures)
        return max(wait, error.retry_after) if isinstance(error, Transient) else wait

    def reset(self) -> None:
        """Note that it works again."""
        self.failures = 0


async def retry_until_done(name: str, attempt: Callable[[], Awaitable[T]], *, waits: Waits = DEFAULT_WAITS) -> T:
    """Return what `attempt` returns, tried again while it fails with what passes by itself. Raises everything else."""
    backoff = Backoff(name, homeserver=waits, storage=waits)
    while True:
        try:
            return await attempt()
        except PASSING as error:
            await asyncio.sleep(backoff.record(error))
