"""Webhooks from the carrier to the line.

Rule of this module: the texts of one handset are sent in order, each only after the one before it was acknowledged with a
2xx or given up; so are the reports of one text. Every attempt has a new signature.

A webhook is a POST of UTF-8 JSON.
To `webhook_base` + `/inbound`: `{"type": "text", "id", "from", "to", "text", "media": [{"type", "url"}], "at"}`.
To `webhook_base` + `/status`: `{"type": "report", "id", "status": "sent" | "delivered", "code"}`.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
from yarl import URL

from deploy.rehearsal.exchange import ALL_REPORTS

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from deploy.rehearsal.exchange import Faults, SmsRecord
    from deploy.rehearsal.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class _QueuedText:
    text: SmsRecord
    copies: int
    overtaken: bool


@dataclass(slots=True)
class _Queue:
    """One handset's undelivered texts. It exists only while there are any."""

    items: deque[_QueuedText] = field(default_factory=deque)
    partner_wanted: bool = False
    partner_came: asyncio.Event = field(default_factory=asyncio.Event)


class WebhookSender:
    """Delivers webhooks. Made inside the running event loop; `clock` is the wall clock in seconds since 1970."""

    def __init__(
        self,
        *,
        settings: Settings,
        faults: Faults,
        clock: Callable[[], float],
        note: Callable[[SmsRecord], None],
    ) -> None:
        """Make it. `note`: stores a text's new state."""
        self._settings, self._note = settings, note
        self._faults = faults
        self._clock = clock
        self._queues: dict[str, _Queue] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, limit_per_host=64),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=settings.timing.answer),
        )

    def inbound(self, text: SmsRecord) -> None:
        """Put a text behind the earlier ones of its handset."""
        queue = self._queue_of(text.sender)
        copies = 2 if self._faults.use_up("duplicate") else 1
        if queue.partner_wanted:
            overtaken, queue.partner_wanted = False, False
            queue.partner_came.set()
        else:
            overtaken = queue.partner_wanted = self._faults.use_up("reorder")
        queue.items.append(_QueuedText(text=text, copies=copies, overtaken=overtaken))

    def report(self, text: SmsRecord) -> None:
        """Report a text that reached its handset: sent, and after a moment delivered."""
        delivered = asyncio.Event()
        self._start_task(self._mark_delivered(text, delivered))
        self._start_task(self._report(text, delivered))

    def resume(self, owed: Iterable[SmsRecord]) -> None:
        """Continue with the texts owed at the carrier's end, oldest first; each webhook has its full time again."""
        for text in owed:
            if text.direction == "in":
                queue = self._queue_of(text.sender)
                queue.items.append(_QueuedText(text=text, copies=1, overtaken=False))
            else:
                self.report(text)

    async def close(self) -> None:
        """Stop everything; webhooks that were not delivered are owed, and continue at the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()

    def _queue_of(self, handset: str) -> _Queue:
        queue = self._queues.get(handset)
        if queue is None:
            queue = self._queues[handset] = _Queue()
            self._start_task(self._deliver_queue(handset, queue))
        return queue

    def _start_task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver_queue(self, handset: str, queue: _Queue) -> None:
        while queue.items:
            item = queue.items.popleft()
            if item.overtaken and (partner := await self._partner(queue)) is not None:
                await self._deliver_text(partner)
            await self._deliver_text(item)
        del self._queues[handset]

    async def _partner(self, queue: _Queue) -> _QueuedText | None:
        if not queue.items:
            queue.partner_came.clear()
            try:
                await asyncio.wait_for(queue.partner_came.wait(), self._settings.timing.partner)
            except TimeoutError:
                queue.partner_wanted = False
                return None
        return queue.items.popleft()

    async def _deliver_text(self, item: _QueuedText) -> None:
        text = item.text
        payload = {
            "type": "text",
            "id": text.id,
            "from": text.sender,
            "to": text.recipient,
            "text": text.text,
            "media": [{"type": m.type, "url": m.url} for m in text.media],
            "at": text.time,
        } | ({"drill": text.drill} if text.drill else {})
        # Duplicates are sent concurrently: that is the harder case for the receiver, which must detect them.
        done = await asyncio.gather(*(self._deliver("/inbound", payload) for _ in range(item.copies)))
        text.status = "delivered" if all(done) else "failed"
        self._note(text)

    async def _mark_delivered(self, text: SmsRecord, delivered: asyncio.Event) -> None:
        await asyncio.sleep(self._settings.timing.delivery)
        text.status = "delivered"
        self._note(text)
        delivered.set()

    async def _report(self, text: SmsRecord, delivered: asyncio.Event) -> None:
        """Send the reports that are missing; a report without a 2xx in its time is given up."""
        if text.reports == 0:
            await self._deliver("/status", {"type": "report", "id": text.id, "status": "sent", "code": ""})
            text.reports = 1
            self._note(text)
        await delivered.wait()
        await self._deliver("/status", {"type": "report", "id": text.id, "status": "delivered", "code": ""})
        text.reports = ALL_REPORTS
        self._note(text)

    async def _deliver(self, path: str, payload: dict[str, Any]) -> bool:
        """Try until a 2xx; return False when none came in time."""
        url = self._settings.webhook_base + path
        # `backslashreplace` writes a lone surrogate as \udXXX, which is its valid form inside a JSON string.
        body = json.dumps(payload, ensure_ascii=False).encode("utf-8", "backslashreplace")
        timing = self._settings.timing
        now = asyncio.get_running_loop().time
        end, delay = now() + timing.give_up, timing.first_retry
        while not await self._attempt(url, body):
            if now() + delay > end:
                return False
            await asyncio.sleep(delay)
            delay = min(delay * 2, timing.longest_retry)
        return True

    async def _attempt(self, url: str, body: bytes) -> bool:
        timestamp = str(int(self._clock()))
        message = b"\n".join((timestamp.encode(), url.encode(), body))
        headers = {
            "Content-Type": "application/json",
            "X-Rehearsal-Timestamp": timestamp,
            "X-Rehearsal-Signature": hmac.new(self._settings.signing_key.encode(), message, hashlib.sha256).hexdigest(),
        }
        try:
            async with self._session.post(
                URL(url, encoded=True), data=body, headers=headers, allow_redirects=False
            ) as answer:
                return 200 <= answer.status < 300
        except (aiohttp.ClientError, TimeoutError):
            return False
