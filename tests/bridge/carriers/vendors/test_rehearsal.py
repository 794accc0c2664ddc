"""What is the rehearsal adapter's own, beyond the table that all adapters share."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from bridge.carriers.adapter import DeliveryReport, InboundText
from bridge.runtime.phone_number import Phone
from tests.bridge.carriers.receiver import http_response, scripted_server
from tests.bridge.carriers.rehearsal_harness import NUMBER, RehearsalHarness, rehearsal_harness
from tests.bridge.carriers.steps import listing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TEXT: dict[str, Any] = {
    "type": "text",
    "id": "ab",
    "from": "+15555550101",
    "to": NUMBER,
    "text": "x",
    "at": "2026-05-01T10:00:00Z",
}
REPORT: dict[str, Any] = {"type": "report", "id": "ab", "status": "failed", "code": "30005"}


@pytest.fixture
async def harness() -> AsyncIterator[RehearsalHarness]:
    async with rehearsal_harness() as vendor_harness:
        yield vendor_harness


async def test_reads(harness: RehearsalHarness) -> None:
    """A text and a report are read field by field."""
    (text,) = harness.carrier.parse(harness.sign(json.dumps(TEXT).encode()))
    at = datetime(2026, 5, 1, 10, tzinfo=UTC)
    assert text == InboundText(message_id="ab", sender=Phone("+15555550101"), text="x", to=NUMBER, at=at)
    (report,) = harness.carrier.parse(harness.sign(json.dumps(REPORT).encode()))
    assert report == DeliveryReport(message_id="ab", status="failed", code="30005")


async def test_listing_passes_over(harness: RehearsalHarness) -> None:
    """What cannot be read in a listing takes no other text with it, and the listing says that it is not whole."""
    page = {"messages": [TEXT, {}, 7, TEXT | {"from": "whatsapp:+1"}, TEXT | {"id": "cd"}], "next": None}
    async with scripted_server(http_response(200, json.dumps(page).encode())) as line:
        carrier = harness.elsewhere(line.url)
        items, whole = await listing(carrier, datetime.now(UTC))
        assert ([item.message_id for item in items], whole) == (["ab", "cd"], False)
        await carrier.close()


async def test_listing_breaks_off(harness: RehearsalHarness) -> None:
    """When the carrier goes away in the middle, what was read is given and the listing says that it is not whole."""
    for n in range(150):
        await harness.text_from_handset("+15555550101", str(n))
    got: list[str] = []

    async def take() -> None:
        async for item in harness.carrier.list_since(datetime.now(UTC) - timedelta(minutes=1)):
            if not got:
                await harness.vendor_goes_away()
            assert isinstance(item, InboundText)
            got.append(item.text)

    with pytest.raises(ConnectionError):
        await take()
    assert got == [str(n) for n in range(100)]
