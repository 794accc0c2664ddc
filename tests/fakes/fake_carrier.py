"""A fake carrier: it records the texts to send, and answers as a test says."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator
from datetime import datetime

from bridge.carriers.adapter import (
    Accepted,
    Carrier,
    Deleted,
    DeleteOutcome,
    DeliveryReport,
    Inbound,
    Listed,
    SendOutcome,
    WebhookRequest,
)
from bridge.carriers.base import BaseCarrier
from bridge.carriers.rate_limit import Rate
from bridge.carriers.vendors.registry import CARRIER_KINDS
from bridge.runtime.phone_number import Phone


async def send_words(carrier: Carrier, to: str, words: str, *, number: str) -> SendOutcome:
    """Send a text with a reference of its own, as the sender of texts does."""
    return await carrier.send(Phone(to), words, number=number, reference=secrets.token_hex(16))


class FakeCarrier(BaseCarrier):
    """A carrier that records the texts to send. It answers with `outcomes` first, then accepts everything."""

    kind = "paper"
    exposure = CARRIER_KINDS["rehearsal"].exposure
    can_list = True
    rate = Rate(per_second=1000.0, burst=1000.0)

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.references: list[str] = []
        """Those of all texts that were tried."""
        self.outcomes: deque[SendOutcome | Exception] = deque()
        self.listed: list[Listed] = []
        self.list_requests: list[datetime] = []
        self.reports: dict[str, DeliveryReport] = {}
        self.status_requests: list[str] = []
        self.send_gate: asyncio.Event | None = None
        self.sending = asyncio.Event()

    def verify(self, request: WebhookRequest) -> bool:
        """Refuse: this carrier has no valid signatures."""
        return False

    def parse(self, request: WebhookRequest) -> tuple[Inbound, ...]:
        """Return nothing."""
        return ()

    async def send(self, to: Phone, text: str, *, number: str, reference: str) -> SendOutcome:
        """Record the text and return the next outcome."""
        self.references.append(reference)
        self.sending.set()
        if self.send_gate is not None:
            await self.send_gate.wait()
        outcome = self.outcomes.popleft() if self.outcomes else Accepted(f"id{len(self.sent)}")
        if isinstance(outcome, Exception):
            raise outcome
        if isinstance(outcome, Accepted):
            self.sent.append((to.reveal(), text))
        return outcome

    async def status(self, message_id: str) -> DeliveryReport | None:
        """Return the report that the test set."""
        self.status_requests.append(message_id)
        return self.reports.get(message_id)

    async def delete_copy(self, message_id: str) -> DeleteOutcome:
        """Answer that there is no copy."""
        return Deleted()

    async def list_since(self, since: datetime) -> AsyncIterator[Listed]:
        """Yield the texts that the test set."""
        self.list_requests.append(since)
        for text in self.listed:
            yield text

    async def close(self) -> None:
        """Do nothing."""
