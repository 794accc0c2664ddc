"""Holds back texts from before a restart until everything that was written and texted meanwhile is known.

Rules of this module: redactions, an `!unsafe` or a STOP from the downtime are received, read *and decided* before any timer
fires, and before anything leaves for a phone that had a text waiting. A message that cannot be read yet may be an `!unsafe`
or an edit. A homeserver or a carrier that does not answer delays this by `MAX_HOLD` at most, as does a message that stays
unread (decisions/carriers.md, "Order and transports"). A phone that had nothing waiting is not held.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from bridge.background.loop import retry_until_done
from bridge.matrix.room_keys import inbound_table
from bridge.outbound.dispatcher import OutboxTask, Perform, RetryLater
from bridge.runtime import log
from bridge.services import Services
from bridge.tables import inbox, outbox

MAX_HOLD: Final = 10.0
"""Longest hold, in seconds: an answer that waits for a homeserver that is down is worse than one that its author may have
taken back."""
POLL_INTERVAL: Final = 0.02
PLACES: Final = 2
"""How many aggregates decide one after another: a `!take` is first the thread's, and then the desk's to decide."""


class StartupHold:
    """Holds back rows from before the start. `load` before events are accepted, then `run`; `released` stays set."""

    def __init__(self, services: Services, *, max_hold: float = MAX_HOLD) -> None:
        self._database, self._wake, self._max_hold = services.database, services.wake, max_hold
        self._held_owners: frozenset[str] = frozenset()
        self.released = asyncio.Event()

    async def load(self) -> None:
        """Note the owners with a waiting row: a text on its way, or an event that may become one."""
        self._held_owners = frozenset(await outbox.owners_with_texts_pending(self._database))

    async def run(self, *caught_up: asyncio.Event) -> None:
        """Wait until the events of the first sync and of the listing are decided; then release everything."""
        try:
            async with asyncio.timeout(self._max_hold):
                for each in caught_up:
                    await each.wait()
                await retry_until_done("startup_hold", self._wait_until_decided)
        except TimeoutError:
            log.event("startup_hold.timed_out", count=len(self._held_owners))
        owners, self._held_owners = self._held_owners, frozenset()
        self.released.set()
        for owner in owners:
            self._wake.waiting_outbox(owner)

    def wrap(self, perform: Perform) -> Perform:
        """Return a performer that postpones the rows of those owners until the release."""

        async def perform_unless_held(task: OutboxTask) -> None:
            if task.owner in self._held_owners:
                raise RetryLater(None)
            await perform(task)

        return perform_unless_held

    async def _wait_until_decided(self) -> None:
        """Wait until every message is read, and until the rows of the inbox and what followed from them are decided.

        A message may wait for its key, or for its sender's devices: all devices are queried at a start. `sms_sender` waits
        for the events that the desk then sends a thread.
        """
        await _wait_until(self._is_read)
        for _ in range(PLACES):
            await _wait_until(partial(self._is_decided, await inbox.newest_seq(self._database) or 0))

    async def _is_read(self) -> bool:
        return not await inbound_table.has_waiting(self._database)

    async def _is_decided(self, last: int) -> bool:
        first = await inbox.oldest_seq(self._database)
        return first is None or first > last


async def _wait_until(holds: Callable[[], Awaitable[bool]]) -> None:
    while True:
        if await holds():
            return
        await asyncio.sleep(POLL_INTERVAL)
