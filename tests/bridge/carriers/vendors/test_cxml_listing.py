"""How Twilio and SignalWire list what came while nobody listened."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.carriers.adapter import Carrier, Ignored, InboundText
from bridge.carriers.vendors import signalwire, twilio
from tests.bridge.carriers.cxml_harnesses import ACCOUNT, NUMBER, CxmlHarness, signalwire_harness, twilio_harness
from tests.bridge.carriers.receiver import http_response, scripted_server
from tests.bridge.carriers.steps import HANDSET, list_all, listed_texts, listing, other_adapter
from tests.bridge.carriers.vendor_harness import CLIENT_TIMEOUT
from tests.every_row import every_row


@pytest.fixture(params=[twilio_harness, signalwire_harness])
async def either(request: pytest.FixtureRequest) -> AsyncIterator[CxmlHarness]:
    async with request.param() as vendor_harness:
        yield vendor_harness


async def test_lists_every_number(either: CxmlHarness) -> None:
    """Texts to each of the line's numbers are listed, each with the number it was sent to and how many pictures it had."""
    start = datetime.now(UTC) - timedelta(seconds=1)
    await either.text_from_handset(HANDSET, "to the main one", media=(("image/jpeg", "https://m.example/1"),))
    either.vendor._number = "+15555550111"
    await either.text_from_handset(HANDSET, "to the other")
    either.vendor._number = "+15555550122"
    await either.text_from_handset(HANDSET, "to somebody else's")
    adapter: Any = type(either.carrier)
    settings = (
        twilio.Settings(kind="twilio", api_base=either.base, account_sid=ACCOUNT, auth_token_file=either.secrets / "key")
        if either.carrier.kind == "twilio"
        else signalwire.Settings(
            kind="signalwire",
            api_base=either.base,
            project=ACCOUNT,
            token_file=either.secrets / "token",
            signing_key_file=either.secrets / "key",
        )
    )
    carrier = adapter(settings, replace(either.context(), numbers=(NUMBER, "+15555550111")), timeout=CLIENT_TIMEOUT)
    assert [(item.text, item.to, len(item.media)) for item in await listed_texts(carrier, start)] == [
        ("to the main one", NUMBER, 1),
        ("to the other", "+15555550111", 0),
    ]
    await carrier.close()


def told(sid: str, **fields: Any) -> dict[str, Any]:
    """Make an item of a listing."""
    item = {"sid": sid, "direction": "inbound", "from": HANDSET, "to": NUMBER, "body": sid, "num_media": "0"}
    return item | {"date_sent": None, "date_created": None} | fields


async def listed(harness: CxmlHarness, items: list[Any], since: datetime) -> tuple[list[InboundText], bool]:
    """List what a vendor shows, newest first; True beside it when the listing came to its end."""
    async with shown(harness, items) as carrier:
        return await listing(carrier, since)


@asynccontextmanager
async def shown(harness: CxmlHarness, items: list[Any]) -> AsyncIterator[Carrier]:
    """Have a vendor that shows one page with these items, newest first."""
    page = json.dumps({"messages": items, "next_page_uri": None}).encode()
    async with scripted_server(http_response(200, page)) as line, other_adapter(harness, line.url) as carrier:
        yield carrier


SINCE = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)


@every_row(
    ("value", "minute"),
    [
        ("Wed, 25 Nov 2026 10:05:00 +0000", 5),
        ("Wed, 25 Nov 2026 10:05:00 -0000", 5),
        ("Wed, 25 Nov 2026 10:05:00 GMT", 5),
        ("2026-11-25T10:05:00Z", 5),
        (None, 2),
        ("soon", 2),
        (7, 2),
    ],
)
async def test_a_listed_time_of_another_form(either: CxmlHarness, value: Any, minute: int) -> None:
    """A text whose time is of another form, or none, is listed all the same, in its place and never as just arrived."""
    items = [
        told("SM3", date_sent=value),
        told("SM2", date_created="Wed, 25 Nov 2026 10:02:00 +0000"),
        told("SM1", date_sent="Wed, 25 Nov 2026 09:59:59 +0000"),
        told("SM0", date_sent=value if minute == 2 else None),
    ]
    texts, whole = await listed(either, items, SINCE)
    assert whole
    assert [(text.message_id, text.at) for text in texts] == [
        ("SM2", SINCE.replace(minute=2)),
        ("SM3", SINCE.replace(minute=minute)),
    ]


@every_row("item", [told("SM2", **{"from": None}), told("a b"), told("SM2", direction=None), 7, None, {}])
async def test_a_listed_text_that_cannot_be_read(either: CxmlHarness, item: Any) -> None:
    """What cannot be read takes no other text with it, and the listing says that it is not whole: it is asked for again."""
    texts, whole = await listed(either, [told("SM3"), item, told("SM1")], SINCE)
    assert not whole
    assert [text.message_id for text in texts] == ["SM1", "SM3"]


@every_row("following", ["https://elsewhere.example/next", 7, "next", ["/x"]])
async def test_listing_stays_with_the_vendor(either: CxmlHarness, following: Any) -> None:
    """A next page at another place is not asked for, and the listing says that it is not whole."""
    async with scripted_server(
        http_response(200, json.dumps({"messages": [], "next_page_uri": following}).encode())
    ) as line:
        carrier = either.elsewhere(line.url)
        with pytest.raises(ConnectionError):
            _ = [item async for item in carrier.list_since(datetime.now(UTC))]
        assert line.requests == 1
        await carrier.close()


async def test_a_listing_without_end(either: CxmlHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vendor that always names one more page is not followed for ever."""
    monkeypatch.setattr("bridge.carriers.vendors.cxml.MAX_PAGES", 5)
    async with scripted_server(http_response(200, b'{"messages": [], "next_page_uri": "/again"}')) as line:
        carrier = either.elsewhere(line.url)
        with pytest.raises(ConnectionError):
            _ = [item async for item in carrier.list_since(datetime.now(UTC))]
        assert line.requests == 6
        await carrier.close()


RCS = "rcs:agent_0123abcd"


@asynccontextmanager
async def with_rcs_sender(harness: CxmlHarness) -> AsyncIterator[Carrier]:
    """Return Twilio's adapter of a line that has an RCS sender as well."""
    settings = twilio.Settings(
        kind="twilio",
        api_base=harness.base,
        account_sid=ACCOUNT,
        auth_token_file=harness.secrets / "key",
        rcs_senders=(RCS,),
    )
    carrier = twilio.TwilioCarrier(settings, harness.context(), timeout=CLIENT_TIMEOUT)
    yield carrier
    await carrier.close()


async def test_what_an_rcs_sender_missed_is_told() -> None:
    """It stands under the sender and under no number: it is asked for, told as of another channel, and is no text."""
    async with twilio_harness() as harness:
        start = datetime.now(UTC) - timedelta(seconds=1)
        await harness.text_from_handset(HANDSET, "by text")
        harness.vendor._number = RCS
        await harness.text_from_handset(f"rcs:{HANDSET}", "by RCS")
        without, _ = await list_all(harness.carrier, start)
        assert [type(item) for item in without] == [InboundText], "under the number there is the text alone"
        async with with_rcs_sender(harness) as carrier:
            (text, other), whole = await list_all(carrier, start)
        assert whole
        assert isinstance(text, InboundText)
        assert isinstance(other, Ignored)
        assert other.reason == "channel"
