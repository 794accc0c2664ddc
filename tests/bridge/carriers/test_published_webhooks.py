"""Webhooks as each vendor publishes them: let in when they are signed, and read as what they say."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

import pytest
from multidict import CIMultiDict

from bridge.carriers.adapter import DeliveryReport, Ignored, Inbound, InboundText, Media, WebhookRequest
from bridge.carriers.vendors import signalwire
from bridge.runtime.phone_number import Phone
from tests.bridge.carriers.cxml_harnesses import CxmlHarness, signalwire_harness
from tests.bridge.carriers.harness import AdapterRow
from tests.bridge.carriers.published_documents import published
from tests.bridge.carriers.rows import ROWS
from tests.bridge.carriers.vendor_harness import CLIENT_TIMEOUT
from tests.every_row import every_row

EXAMPLES = [(row, example) for row in ROWS for example in published(row.name)["webhooks"]]
SID, MMS, UUID, AAAA = (
    "SM0123456789abcdef0123456789abcdef",
    "MM0123456789abcdef0123456789abcdef",
    "b3877c40-da60-4998-90ad-b792e9847201",
    "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab",
)
TEXTED: Final[dict[str, Any]] = {"sender": Phone("+12065550101"), "text": "Hello?", "to": "+15555550100"}
VONAGE: Final[dict[str, Any]] = {
    "message_id": AAAA,
    "sender": Phone("+447700900001"),
    "to": "+447700900000",
    "at": datetime(2020, 1, 1, 14, tzinfo=UTC),
}
TELNYX: Final[dict[str, Any]] = {
    "message_id": UUID,
    "sender": Phone("+12065550101"),
    "to": "+15555550100",
    "at": datetime(2026, 1, 1, tzinfo=UTC),
}
JASMIN: Final = "bf11220d-eca5-41db-914e-4d5d2eb661aa"


def _media_at_twilio(number: int, kind: str) -> Media:
    account = "ACfedcba9876543210fedcba9876543210"
    path = f"2010-04-01/Accounts/{account}/Messages/{MMS}/Media/ME{str(number) * 32}"
    return Media(url=f"https://api.twilio.com/{path}", content_type=kind)


READ: dict[str, dict[str, list[Inbound]]] = {
    "bandwidth": {
        "smsMessageReceivedCallbackExample": [
            InboundText(
                message_id="14762070468292kw2fuqty55yp2b2",
                sender=Phone("+12345678901"),
                text="Hey, check out this SMS!",
                to="+12345678902",
                at=datetime(2025, 1, 6, 15, 43, 34, tzinfo=UTC),
            )
        ],
        # To two numbers: somebody writes to a group.
        "mmsMessageReceivedCallbackExample": [Ignored("group")],
        "messageSendingCallbackExample": [Ignored("event")],
        "messageSentCallbackExample": [DeliveryReport(message_id="1593110555875xo7watq5px6rbe5d", status="sent")],
        "smsMessageDeliveredCallbackExample": [
            DeliveryReport(message_id="14762070468292kw2fuqty55yp2b2", status="delivered")
        ],
        "groupMmsMessageDeliveredCallbackExample": [
            DeliveryReport(message_id="14762070468292kw2fuqty55yp2b2", status="delivered")
        ],
        "messageFailedCallbackExample": [
            DeliveryReport(message_id="14762070468292kw2fuqty55yp2b2", status="failed", code="4432")
        ],
    },
    "smsgate": {
        "sms:data-received": [Ignored("event")],
        "mms:received": [Ignored("event")],
        "sms:sent": [DeliveryReport(message_id="msg-456", status="sent")],
        # Of a text that the adapter does not know it is never claimed that all parts arrived.
        "sms:delivered": [DeliveryReport(message_id="msg-789", status="sent")],
        "sms:failed": [DeliveryReport(message_id="msg-000", status="failed", code="phone")],
        "sms:cancelled": [DeliveryReport(message_id="msg-456", status="failed", code="cancelled")],
    },
    "twilio": {
        "sms": [InboundText(message_id=SID, **TEXTED)],
        "sms of a messaging service": [InboundText(message_id=SID, **TEXTED | {"text": "a+b & c=d%20é 🙂"})],
        "mms without words": [
            InboundText(
                message_id=MMS,
                **TEXTED | {"text": ""},
                media=(_media_at_twilio(0, "image/jpeg"), _media_at_twilio(1, "text/vcard")),
            )
        ],
        "opt-out": [InboundText(message_id=SID, **TEXTED | {"text": "STOP"})],
        "group": [Ignored("group")],
        "rcs": [Ignored("channel")],
        "whatsapp": [Ignored("channel")],
        "status queued": [Ignored("event")],
        "status sent": [DeliveryReport(message_id=SID, status="sent")],
        "status delivered": [DeliveryReport(message_id=SID, status="delivered")],
        "status undelivered": [DeliveryReport(message_id=SID, status="failed", code="30003")],
        "status failed": [DeliveryReport(message_id=SID, status="opted_out", code="21610")],
    },
    "signalwire": {
        "sms": [InboundText(message_id=UUID, **TEXTED)],
        "mms": [
            InboundText(
                message_id=UUID,
                **TEXTED | {"text": ""},
                media=(Media(url="https://files.signalwire.com/0123abcd/0", content_type="image/jpeg"),),
            )
        ],
        "status queued": [Ignored("event")],
        "status sending": [Ignored("event")],
        "status sent": [DeliveryReport(message_id=UUID, status="sent")],
        "status delivered": [DeliveryReport(message_id=UUID, status="delivered")],
        "status undelivered": [DeliveryReport(message_id=UUID, status="failed", code="30003")],
        "status failed": [DeliveryReport(message_id=UUID, status="failed", code="30003")],
    },
    "vonage": {
        "sms": [InboundText(**VONAGE, text="Hello?")],
        "sms with its kind": [InboundText(**VONAGE, text="Hello?")],
        "mms image": [
            InboundText(**VONAGE, text="", media=(Media(url="https://example.com/image.jpg", content_type="image"),))
        ],
        "mms vcard": [
            InboundText(**VONAGE, text="", media=(Media(url="https://example.com/contact.vcf", content_type="vcard"),))
        ],
        "mms of several": [
            InboundText(
                **VONAGE,
                text="Hello?",
                media=(
                    Media(url="https://example.com/image.jpg", content_type="image"),
                    Media(url="https://example.com/file.pdf", content_type="file"),
                ),
            )
        ],
        "whatsapp": [Ignored("channel")],
        "rcs": [Ignored("channel")],
        "status submitted": [DeliveryReport(message_id=AAAA, status="sent")],
        "status delivered": [DeliveryReport(message_id=AAAA, status="delivered")],
        "status rejected": [DeliveryReport(message_id=AAAA, status="failed", code="1000")],
        "status rejected, number as a number": [DeliveryReport(message_id=AAAA, status="failed", code="1000")],
        "status undeliverable": [DeliveryReport(message_id=AAAA, status="failed")],
        "status read elsewhere": [Ignored("channel")],
    },
    "telnyx": {
        "sms": [InboundText(**TELNYX, text="Hello?")],
        "mms": [InboundText(**TELNYX, text="", media=(Media(url="https://example.org/0123", content_type="image/jpeg"),))],
        "opt-out": [InboundText(**TELNYX, text="STOP")],
        "group": [Ignored("group")],
        "rcs": [Ignored("channel")],
        "whatsapp": [Ignored("channel")],
        "sent": [DeliveryReport(message_id=UUID, status="sent")],
        "delivered": [DeliveryReport(message_id=UUID, status="delivered")],
        "read": [DeliveryReport(message_id=UUID, status="delivered")],
        "failed": [DeliveryReport(message_id=UUID, status="failed", code="40008")],
        "refused as opted out": [DeliveryReport(message_id=UUID, status="opted_out", code="40300")],
        "expired": [DeliveryReport(message_id=UUID, status="failed")],
        # It knows no more than that the text has left.
        "unconfirmed": [Ignored("event")],
    },
    "jasmin": {
        "report level 1": [DeliveryReport(message_id=JASMIN, status="sent")],
        "report level 2": [DeliveryReport(message_id=JASMIN, status="delivered")],
        "text of the default alphabet": [InboundText(message_id=JASMIN, **TEXTED | {"text": "café €"})],
        "text in UCS-2": [InboundText(message_id=JASMIN, **TEXTED | {"text": "🙂"})],
    },
}
"""What each example is read as, where it is told whole; the others are told by their words below."""


def with_query(request: WebhookRequest, query: str) -> WebhookRequest:
    """Return it as it comes to an address of ours that has a query."""
    joint = "&" if "?" in request.raw_path else "?"
    return replace(request, raw_path=f"{request.raw_path}{joint}{query}")


@every_row(("row", "example"), EXAMPLES)
async def test_webhooks_as_published(row: AdapterRow, example: dict[str, Any]) -> None:
    """Each example is let in, by every way in which the vendor may call, and read as what it says."""
    body = urlencode(example["form"]).encode() if "form" in example else json.dumps(example["body"]).encode()
    async with row.harness() as harness:
        calls = harness.signings(body, way=example.get("way", "inbound"))
        if query := example.get("query"):
            calls = [(method, with_query(request, query)) for method, request in calls]
        assert all(harness.carrier.verify(request) for _, request in calls)
        (items, *others) = [list(harness.carrier.parse(request)) for _, request in calls]
    assert all(other == items for other in others)
    if (expected := READ[row.name].get(example["name"])) is not None:
        assert items == expected
        for item in items:  # a STOP in it counts, as its sender's
            assert not isinstance(item, Ignored) or item.reason != "group" or (item.text is not None and item.text.text)
        return
    (item,) = items
    payload = example["body"]["payload"]
    assert isinstance(item, InboundText)
    assert re.fullmatch("[0-9a-f]{64}", item.message_id), "of the text, and not of the envelope"
    assert item.text == "\n".join(filter(None, (payload.get("subject"), payload.get("message", payload.get("body")))))
    assert (item.sender, len(item.media)) == (Phone("+16505551212"), len(payload.get("attachments", ())))
    assert item.at == datetime.fromisoformat(payload["receivedAt"])


@pytest.fixture
async def of_signalwire() -> AsyncIterator[CxmlHarness]:
    async with signalwire_harness() as harness:
        yield harness


@pytest.mark.parametrize("vector", published("signalwire")["signed"], ids=lambda vector: vector["url"].partition(":")[0])
async def test_what_signalwire_signed(of_signalwire: CxmlHarness, vector: dict[str, Any]) -> None:
    """Requests that SignalWire itself signed, as its SDK's tests have them: let in, and with any other key or field not."""
    base, path = vector["url"][: vector["url"].rindex("/")], vector["url"][vector["url"].rindex("/") :]

    def carrier(key: str) -> signalwire.SignalWireCarrier:
        (of_signalwire.secrets / "key").write_text(key)
        settings = signalwire.Settings(
            kind="signalwire",
            api_base="http://127.0.0.1:9",
            project="project",
            token_file=of_signalwire.secrets / "token",
            signing_key_file=of_signalwire.secrets / "key",
        )
        return signalwire.SignalWireCarrier(
            settings, replace(of_signalwire.context(), public_base_url=base), timeout=CLIENT_TIMEOUT
        )

    def called(fields: dict[str, str]) -> WebhookRequest:
        headers = CIMultiDict({"X-SignalWire-Signature": vector["signature"]})
        return WebhookRequest(raw_path=path, headers=headers, body=urlencode(fields).encode())

    right, wrong = carrier(vector["key"]), carrier(vector["key"][::-1])
    assert right.verify(called(vector["form"]))
    assert not wrong.verify(called(vector["form"]))
    assert not right.verify(called(vector["form"] | {"CallStatus": "completed"}))
    await right.close()
    await wrong.close()
