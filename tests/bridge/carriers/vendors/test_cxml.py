"""What is Twilio's and SignalWire's own, beyond the table: what the vendors document."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from multidict import CIMultiDict
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from bridge.carriers.adapter import (
    Deleted,
    DeleteLater,
    DeliveryReport,
    Ignored,
    InboundText,
    Malformed,
    Rejected,
    TryLater,
    WebhookRequest,
)
from bridge.carriers.vendors import twilio
from bridge.runtime.phone_number import Phone
from tests.bridge.carriers.cxml_harnesses import ACCOUNT, KEY, NUMBER, CxmlHarness, signalwire_harness, twilio_harness
from tests.bridge.carriers.receiver import http_response, scripted_server
from tests.bridge.carriers.steps import HANDSET, parse_text, receive_text, send_text
from tests.bridge.carriers.vendor_harness import CLIENT_TIMEOUT
from tests.every_row import every_row
from tests.fakes.cxml import SENDER_PLACE
from tests.fakes.fake_carrier import send_words


@pytest.fixture
async def harness() -> AsyncIterator[CxmlHarness]:
    async with twilio_harness() as vendor_harness:
        yield vendor_harness


@pytest.fixture(params=[twilio_harness, signalwire_harness])
async def either(request: pytest.FixtureRequest) -> AsyncIterator[CxmlHarness]:
    async with request.param() as vendor_harness:
        yield vendor_harness


async def test_where_she_is_is_not_read(either: CxmlHarness) -> None:
    """The places that the vendor guesses for the sender stand nowhere in what is read."""
    request = await receive_text(either, "hello")
    assert SENDER_PLACE.encode()[:6] in request.body
    item = parse_text(either, request)
    assert SENDER_PLACE not in repr((item.message_id, item.sender.reveal(), item.text, item.to, item.media, item.at))


async def test_by_get(either: CxmlHarness) -> None:
    """A webhook by GET carries its fields in the query, and the signature is over the URL alone."""
    path = "/carriers/demo/inbound?" + urlencode({"MessageSid": "SM1", "From": HANDSET, "To": NUMBER, "Body": "a b"})
    signature = RequestValidator(KEY).compute_signature(either.receiver.url + path, {})
    headers = CIMultiDict({either.signature_headers[0]: signature})
    request = WebhookRequest(raw_path=path, headers=headers, body=b"")
    assert either.carrier.verify(request)
    expected = InboundText(message_id="SM1", sender=Phone(HANDSET), text="a b", to=NUMBER)
    assert either.carrier.parse(request) == (expected,)


@pytest.mark.parametrize("others", [{"OtherRecipients0": "+15555550109"}, {"OtherRecipients": "+15555550109"}])
async def test_a_group_is_no_texter(either: CxmlHarness, others: dict[str, str]) -> None:
    """A group MMS, which also others read, is no conversation with its sender; an empty field is no member."""
    fields = {"MessageSid": "MM1", "From": HANDSET, "To": NUMBER, "Body": "hi all", "NumMedia": "0"}
    (item,) = either.carrier.parse(either.sign(urlencode(fields | others).encode()))
    assert (item, isinstance(item, Ignored) and item.message_id) == (Ignored("group"), "MM1")
    (item,) = either.carrier.parse(either.sign(urlencode(fields | dict.fromkeys(others, "")).encode()))
    assert isinstance(item, InboundText)


async def test_a_picture_without_words(either: CxmlHarness) -> None:
    """A picture may come without the field for words: it is a text all the same. Without both it is malformed."""
    fields = {"MessageSid": "SM1", "From": HANDSET, "To": NUMBER, "NumMedia": "1", "MediaUrl0": "https://m.example/1"}
    (item,) = either.carrier.parse(either.sign(urlencode(fields).encode()))
    assert isinstance(item, InboundText)
    assert (item.text, len(item.media)) == ("", 1)
    layout = fields | {"Body": "hello", "MediaContentType0": "application/smil; charset=utf-8"}
    (item,) = either.carrier.parse(either.sign(urlencode(layout).encode()))
    assert isinstance(item, InboundText)
    assert (item.text, item.media) == ("hello", ())
    with pytest.raises(Malformed, match=r"^Body: "):
        either.carrier.parse(either.sign(urlencode(fields | {"NumMedia": "0"}).encode()))


@every_row(
    ("status", "code", "expected"),
    [
        ("accepted", None, Ignored("event")),
        ("queued", None, Ignored("event")),
        ("initiated", None, Ignored("event")),
        ("sending", None, Ignored("event")),
        ("sent", None, DeliveryReport(message_id="SM1", status="sent")),
        ("delivered", None, DeliveryReport(message_id="SM1", status="delivered")),
        ("read", None, DeliveryReport(message_id="SM1", status="delivered")),
        ("undelivered", "30006", DeliveryReport(message_id="SM1", status="failed", code="30006")),
        ("failed", "30007", DeliveryReport(message_id="SM1", status="failed", code="30007")),
        ("canceled", "", DeliveryReport(message_id="SM1", status="failed")),
        ("something new", None, Ignored("event")),
    ],
)
async def test_status(either: CxmlHarness, status: str, code: str | None, expected: Any) -> None:
    """Each status is ours or of no concern, in whatever order they come; a status never becomes a text."""
    fields = {"MessageSid": "SM1", "MessageStatus": status, "Body": "words", "From": NUMBER, "To": HANDSET}
    if code is not None:
        fields["ErrorCode"] = code
    assert either.carrier.parse(either.sign(urlencode(fields).encode())) == (expected,)


@every_row(
    ("status", "body", "expected"),
    [
        (400, {"code": 21610}, Rejected("21610", opted_out=True)),
        (400, {"code": 21211}, Rejected("21211")),
        (400, {"code": 21614}, Rejected("21614")),
        (400, {"code": 21635}, Rejected("21635")),
        (400, {"code": 30029}, Rejected("30029")),
        (400, {"code": 21611}, TryLater(60.0)),
        (429, {"code": 20429}, TryLater(1.0)),
        (401, {"code": 20003}, Rejected("20003")),
        (400, {"code": "words, and a number +15555550101"}, Rejected("http-400")),
        (404, {}, Rejected("http-404")),
    ],
)
async def test_codes(either: CxmlHarness, status: int, body: dict[str, Any], expected: Any) -> None:
    """Each error code is permanent, for now, or says that the texter opted out at the vendor."""
    async with scripted_server(http_response(status, json.dumps(body).encode())) as line:
        carrier = either.elsewhere(line.url)
        assert await send_words(carrier, HANDSET, "word", number=NUMBER) == expected
        await carrier.close()


async def test_what_is_sent(either: CxmlHarness) -> None:
    """A send names the number that was texted, a validity period and where its status is told, and nothing more."""
    await send_words(either.carrier, HANDSET, "word", number="+15555550111")
    (form,) = either.vendor.forms
    address, _, reference = form.pop("StatusCallback").partition("?ref=")
    assert address == f"{either.receiver.url}/carriers/demo/status"
    assert re.fullmatch(r"[0-9a-f]{32}", reference)
    assert form == {"To": HANDSET, "From": "+15555550111", "Body": "word", "ValidityPeriod": "900"}


async def test_discard_content(harness: CxmlHarness) -> None:
    """Where the account allows it, Twilio is told not to keep the words; the validity stays within its bounds."""
    settings = twilio.Settings(
        kind="twilio",
        api_base="http://127.0.0.1:9",
        account_sid=ACCOUNT,
        auth_token_file=harness.secrets / "key",
        discard_content=True,
    )
    for validity, expected in ((900, "900"), (0, "1"), (10**6, "36000")):
        carrier = twilio.TwilioCarrier(settings, replace(harness.context(), validity=validity), timeout=CLIENT_TIMEOUT)
        assert carrier._common_fields["ContentRetention"] == "discard"
        assert carrier._common_fields["ValidityPeriod"] == expected
        await carrier.close()


async def test_too_early_to_delete(either: CxmlHarness) -> None:
    """A message that is not final yet (20009) is not reported deleted; later it is."""
    message_id = await send_text(either)
    either.vendor.not_final = True
    assert isinstance(await either.carrier.delete_copy(message_id), DeleteLater)
    assert message_id in await either.copies()
    either.vendor.not_final = False
    assert await either.carrier.delete_copy(message_id) == Deleted()


async def test_media_goes_first() -> None:
    """SignalWire's media does not go with its message: it is deleted before; if that fails the message stays for later."""
    async with signalwire_harness() as harness:
        await harness.text_from_handset(
            HANDSET, "look", media=(("image/jpeg", "https://m.example/1"), ("image/png", "https://m.example/2"))
        )
        item = parse_text(harness, (await harness.receiver.come(1))[0])
        record = harness.vendor.records[item.message_id]
        assert await harness.carrier.delete_copy(item.message_id) == Deleted()
        assert record.media == []
        async with scripted_server(http_response(200, b'{"media_list": [{}]}')) as line:
            carrier = harness.elsewhere(line.url)
            assert isinstance(await carrier.delete_copy("SM1"), DeleteLater)
            assert line.requests == 1
            await carrier.close()


async def test_login(either: CxmlHarness) -> None:
    """A wrong password is a refusal with the vendor's own code."""
    await send_text(either)
    either.vendor._login = "Basic other"
    assert await send_words(either.carrier, HANDSET, "word", number=NUMBER) == Rejected("20003")
