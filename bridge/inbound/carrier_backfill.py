"""Asking the carrier what came while nobody listened.

Rules of this module: what a carrier lists goes through the same door as a webhook, so that what is known changes nothing;
the watermark moves to the last text that was listed, after everything before it is kept, because a listing may end early
without saying so; a text that cannot be kept holds up the watermark, and no other text; nothing is asked for that is older
than what we remember to have seen. Where nothing can be listed, or the listing fails for long, people are told to look for
themselves.
"""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Final

from bot.model.line_incidents import Gap, TextsMissing
from bridge.carriers.adapter import Carrier
from bridge.inbound.hourly_alerts import Hourly
from bridge.inbound.webhook import NotKept, Webhook
from bridge.outbound.sms_sender import HORIZON
from bridge.runtime import log
from bridge.runtime.clock import Clock
from bridge.storage.database import Connection, Store
from bridge.tables import clock_trust

EVERY: Final = 3600.0
SLACK: Final = timedelta(minutes=10)
"""Carriers' clocks and ours differ, and a listing may lag."""
AWAY: Final = 600.0
"""Seconds that the line may be away before people are told to look for texts: carriers call again for some minutes."""
PATIENCE: Final = 300.0
"""Seconds for which a listing may fail before people are told."""
OLDEST: Final = HORIZON - 86_400.0
"""Seconds. What is asked for must still be in `seen`, or an old text would arrive again."""


class Reconcile:
    """Asks at the start and every hour; `run` until cancelled."""

    def __init__(self, *, store: Store, clock: Clock, carrier: Carrier, webhook: Webhook, hourly: Hourly) -> None:
        self._store, self._clock, self._carrier, self._webhook, self._hourly = store, clock, carrier, webhook, hourly
        self._failed, self._missing = 0.0, 0
        self.listed = asyncio.Event()
        """Set once what the carrier listed after the start is taken in; at once for a carrier that lists nothing."""

    async def back(self) -> None:
        """At the start: after a long time away, of a carrier that cannot be asked, say so."""
        last = await self._store.fetchval("SELECT value FROM line WHERE name = $1", clock_trust.LAST)
        if self._carrier.lists or last is None:
            return
        away = self._clock.wall() - float(last.split(" ")[0])
        if away > AWAY:
            await self._hourly.tell(TextsMissing(kind=Gap.AWAY, minutes=int(away / 60)))

    async def run(self) -> None:
        """Reconcile until cancelled."""
        while self._carrier.lists:
            wait = EVERY
            try:
                await self.watched()
            except (sqlite3.OperationalError, OSError) as error:
                log.failure("reconcile.waits", error)
                wait = 30.0
            else:
                self.listed.set()
            await asyncio.sleep(wait)
        self.listed.set()

    async def watched(self) -> None:
        """Reconcile, and say so when the carrier could not be asked for a while. Raises what `once` raises."""
        try:
            await self.once()
        except ConnectionError:
            now = self._clock.wall()
            self._failed = self._failed or now
            if now - self._failed >= PATIENCE:
                await self._hourly.tell(TextsMissing(kind=Gap.UNLISTED))
            raise
        self._failed = 0.0

    async def once(self) -> None:
        """Take in what was listed since the watermark, then move it. The first time there is nothing to ask for."""
        began = self._clock.machine()
        mark = float(await self._store.fetchval("SELECT value FROM line WHERE name = 'carrier_watermark'") or 0)
        # One that was made while the machine's clock was ahead would pass over everything until then.
        mark = min(mark, began)
        if mark:
            taken, missing, since = 0, 0, max(mark - SLACK.total_seconds(), began - OLDEST)
            async for text in self._carrier.list_since(datetime.fromtimestamp(since, UTC)):
                try:
                    await self._webhook.take(text)
                except NotKept:
                    # One thread without its key, and everybody else's texts behind it. It stays asked for.
                    missing += 1
                    continue
                taken += 1
                if text.at is not None and not missing:
                    mark = max(mark, min(text.at.timestamp(), began))
            log.event("reconcile.listed", count=taken)
            if missing and not self._missing:
                await self._hourly.tell(TextsMissing(kind=Gap.UNREADABLE))
            self._missing = missing

        async def commit(conn: Connection) -> None:
            await conn.execute(
                """INSERT INTO line (name, value) VALUES ('carrier_watermark', $1)
                   ON CONFLICT (name) DO UPDATE SET value = excluded.value""",
                str(mark or began),
            )

        await self._store.commit(commit)
