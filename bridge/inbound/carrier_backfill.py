"""Asks the carrier for texts that came while the bridge did not listen.

Rules of this module: listed texts go through the same functions as webhooks, so a known text changes nothing, and a message
of another channel is reported at the desk in the same way. The watermark moves to the last listed text, after everything
before it is kept, because a listing may end early without notice. A text that cannot be kept stops the watermark, but no
other text. The listing asks for nothing older than the ids that `seen` remembers. When a carrier has no listing, or the
listing fails for long, the desk gets an alarm, so that people look for themselves. Some carriers only redeliver missed
texts by webhook: they are asked in the same way, and people are told all the same, because the carrier's answer does not
say what will come.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

from bot.model.line_incidents import GapKind, TextsMissing
from bridge.background.loop import BackgroundLoop
from bridge.carriers.adapter import Carrier, Ignored
from bridge.inbound.hourly_alerts import HourlyAlerts
from bridge.inbound.webhook import NotStored, Webhook
from bridge.runtime import log
from bridge.services import Services
from bridge.storage.database import Transaction
from bridge.storage.errors import ConstraintViolation
from bridge.tables import line_state
from bridge.tables.sent_texts import ID_RETENTION

INTERVAL: Final = 3600.0
OVERLAP: Final = timedelta(minutes=10)
"""A listing begins so long before the watermark, because carriers' clocks differ from ours, and a listing may lag."""
MAX_ABSENCE: Final = 600.0
"""Seconds for which the line may be down before people are told to look for texts: carriers retry for some minutes."""
LISTING_GRACE: Final = 300.0
"""Seconds for which a listing may fail before people are told."""
REFRESHED: Final = timedelta(days=1)
"""How far back a carrier that only redelivers is asked: its telephone may not have forwarded some texts yet."""
MAX_AGE: Final = ID_RETENTION - 86_400.0
"""Greatest age, in seconds, of listed texts: their ids must still be in `seen`, or an old text would arrive again."""


class CarrierBackfill:
    """Asks at the start and every hour; `run` until cancelled."""

    def __init__(self, services: Services, *, carrier: Carrier, webhook: Webhook, hourly_alerts: HourlyAlerts) -> None:
        self._database, self._clock, self._measurements = services.database, services.clock, services.measurements
        self._carrier, self._webhook, self._hourly_alerts = carrier, webhook, hourly_alerts
        self._failing_since, self._missing = 0.0, 0
        self.caught_up = asyncio.Event()
        """Set once what the carrier listed after the start is taken in; at once for a carrier that lists nothing."""
        self.loop = BackgroundLoop(
            "carrier_backfill",
            self.reconcile_and_note,
            max_sleep=INTERVAL,
            retry=(30.0, 30.0),
        )

    async def report_absence(self) -> None:
        """At the start: if the carrier cannot list texts and the line was down for long, tell the desk."""
        last = await line_state.get(self._database, line_state.CLOCK_SAMPLE)
        if self._carrier.can_list or last is None:
            return
        seen_at = float(last.split(" ")[0])
        away = self._clock.now() - seen_at
        if away > MAX_ABSENCE:
            await self._hourly_alerts.alert(TextsMissing(kind=GapKind.AWAY, minutes=int(away / 60)))

    async def run(self) -> None:
        """Backfill until cancelled; nothing to do for a carrier without a listing."""
        if not (self._carrier.can_list or self._carrier.can_refresh):
            self.caught_up.set()
            return
        await self.loop.run()

    async def reconcile_and_note(self) -> float:
        """Backfill, and note that the listing was processed; return the seconds until the next one."""
        await self.run_and_alert()
        self.caught_up.set()
        return INTERVAL

    async def run_and_alert(self) -> None:
        """Backfill, and alert the desk when that has failed for a while. Raises what `run_once` raises."""
        try:
            await self.run_once()
        except ConnectionError:
            self._measurements.record_carrier_request(answered=False)
            now = self._clock.now()
            self._failing_since = self._failing_since or now
            if now - self._failing_since >= LISTING_GRACE:
                minutes = int((now - self._failing_since) / 60)
                await self._hourly_alerts.alert(TextsMissing(kind=GapKind.UNLISTED, minutes=minutes))
            raise
        self._failing_since = 0.0

    async def run_once(self) -> None:
        """Process the texts listed since the watermark, then move it. The first time there is nothing to list."""
        began = self._clock.system_time()
        mark = await line_state.get_time(self._database, line_state.CARRIER_WATERMARK)
        # A watermark from a clock that was ahead would skip all texts until that time.
        mark = min(mark, began)
        if mark:
            text_count, missing, since = 0, 0, max(mark - OVERLAP.total_seconds(), began - MAX_AGE)
            async for listed in self._carrier.list_since(datetime.fromtimestamp(since, UTC)):
                try:
                    if isinstance(listed, Ignored):
                        await self._webhook.report_ignored(listed)
                        continue
                    await self._webhook.accept_text(listed)
                except (NotStored, ConstraintViolation):
                    # The thread lacks its key. Other texts are stored all the same, and this one is listed again.
                    missing += 1
                    self._measurements.record_text_not_kept()
                    continue
                text_count += 1
                if listed.at is not None and not missing:
                    mark = max(mark, min(listed.at.timestamp(), began))
            if not self._carrier.can_list and not missing:
                # It lists nothing that could move the watermark; one day is left for texts that are still on their way.
                mark = max(mark, began - REFRESHED.total_seconds())
            log.event("carrier_backfill.listed", count=text_count)
            self._measurements.record_carrier_request(answered=True)
            if missing and not self._missing:
                await self._hourly_alerts.alert(TextsMissing(kind=GapKind.UNREADABLE))
            self._missing = missing

        async def commit(transaction: Transaction) -> None:
            await line_state.put(transaction, line_state.CARRIER_WATERMARK, str(mark or began))

        await self._database.commit(commit)
