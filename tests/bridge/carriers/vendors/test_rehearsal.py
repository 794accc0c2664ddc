"""What is the rehearsal adapter's own, beyond the table that all adapters share."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from bridge.carriers.adapter import Accepted, DeliveryReport, InboundText, Malformed
from bridge.runtime.phone_number import Phone
from tests.bridge.carriers.receiver import http_response, scripted_server
from tests.bridge.carriers.rehearsal_harness import NUMBER, RehearsalHarness, rehearsal_harness
from tests.bridge.carriers.steps import listing
from tests.every_row import every_row
from tests.fakes.fake_carrier import send_words

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


@every_row(
    ("right", "field", "values"),
    [
        (TEXT, "type", [None, "", "message", "Text"]),
        (TEXT, "id", [None, 7, "", "a b", "a/b", "x" * 65, "\ud800"]),
        (TEXT, "from", [None, 7, [""]]),
        (TEXT, "text", [None, 7, ["x"]]),
        (TEXT, "media", [None, {}, "x", [1], ["s3cret"]]),
        (
            TEXT,
            "at",
            [None, 7, "", "soon", "2026-05-01T10:00:00", "0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"],
        ),
        (REPORT, "id", [None, "", "a b"]),
        (REPORT, "status", [None, "queued", "read", ["sent"]]),
        (REPORT, "code", [None, 7, "s3cret words", "x" * 41]),
    ],
)
async def test_malformed(harness: RehearsalHarness, right: dict[str, Any], field: str, values: list[Any]) -> None:
    """Each field that is not as documented is named, and its value is not told."""
    for value in values:
        with pytest.raises(Malformed, match=f"^{field}: ") as caught:
            harness.carrier.parse(harness.sign(json.dumps(right | {field: value}).encode()))
        assert "s3cret" not in str(caught.value)
        assert caught.value.__context__ is None


async def test_malformed_media(harness: RehearsalHarness) -> None:
    """An attachment without address or type is malformed as well."""
    for item, field in (({}, "url"), ({"url": 7, "type": "s3cret"}, "url"), ({"url": "s3cret"}, "type")):
        with pytest.raises(Malformed, match=f"^{field}: not a string$"):
            harness.carrier.parse(harness.sign(json.dumps(TEXT | {"media": [item]}).encode()))


async def test_listing_passes_over(harness: RehearsalHarness) -> None:
    """What cannot be read in a listing takes no other text with it, and the listing says that it is not whole."""
    page = {"messages": [TEXT, {}, 7, TEXT | {"from": "whatsapp:+1"}, TEXT | {"id": "cd"}], "next": None}
    async with scripted_server(http_response(200, json.dumps(page).encode())) as line:
        carrier = harness.elsewhere(line.url)
        items, whole = await listing(carrier, datetime.now(UTC))
        assert ([item.message_id for item in items], whole) == (["ab", "cd"], False)
        await carrier.close()


async def test_listing_ends(harness: RehearsalHarness) -> None:
    """A cursor that stands still is not followed for ever, nor taken for the end."""
    async with scripted_server(http_response(200, json.dumps({"messages": [], "next": "7"}).encode())) as line:
        carrier = harness.elsewhere(line.url)
        with pytest.raises(ConnectionError):
            _ = [item async for item in carrier.list_since(datetime.now(UTC))]
        assert line.requests == 2
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


async def test_carrier_started_again(harness: RehearsalHarness) -> None:
    """A send that finds its carrier started again is not taken in by the connection that the old one left behind."""
    async with scripted_server(http_response(201, b'{"id": "ab"}')) as line:
        carrier = harness.elsewhere(line.url)
        # Each connection of this server carries one request only, unannounced.
        for _ in range(3):
            assert await send_words(carrier, "+15555550101", "again", number=NUMBER) == Accepted("ab")
        await carrier.close()
