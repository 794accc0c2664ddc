"""Tells the desk that something still exists which should be erased."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from bot.model.actions import DESK
from bot.model.line_incidents import ErasureFailed
from bridge.runtime import log
from bridge.services import Services
from bridge.tables import inbox

AlertCallback: TypeAlias = Callable[[str, float], Awaitable[None]]
"""Tells the desk what is not gone, and since when (seconds since the epoch). What: the name of a notice `remains.*`, and
after a blank that of why."""


class ErasureAlert:
    """Tells the desk that something still exists which should be erased."""

    def __init__(self, services: Services) -> None:
        self._database, self._vault = services.database, services.vault
        self._clock, self._wake = services.clock, services.wake

    async def __call__(self, what: str, since: float) -> None:
        """Report `what` still exists, and since when it should have been erased (seconds since the epoch)."""
        hours = max(0, int((self._clock.now() - since) // 3600))
        inbox_row = await inbox.seal(self._vault, DESK, ErasureFailed(what=what, hours=hours))
        await self._database.commit(lambda transaction: inbox.append(transaction, inbox_row))
        log.event("erasure.failed")
        self._wake.engine(DESK)
