"""What is Vonage's own, beyond the table that all adapters share."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.carriers.adapter import (
    Accepted,
    Deleted,
    DeleteLater,
    DeletionUnconfirmed,
    DeliveryReport,
    Ignored,
    InboundText,
    Media,
    Rejected,
    RetainedByCarrier,
    TryLater,
    UnknownOutcome,
)
from bridge.carriers.jwt import private_key
from bridge.runtime.phone_number import Phone
from tests.bridge.carriers.cloud_harnesses import INBOUND, STATUS, VonageHarness
from tests.bridge.carriers.receiver import http_response, scripted_server
from tests.bridge.carriers.steps import HANDSET, parse_text, receive_text, send_text
from tests.bridge.carriers.vendor_harness import running_harness
from tests.every_row import every_row
from tests.fakes import vonage
from tests.fakes.fake_carrier import send_words


@pytest.fixture
async def harness() -> AsyncIterator[VonageHarness]:
    async with running_harness(VonageHarness) as vendor_harness:
        yield vendor_harness


def read(harness: VonageHarness, body: dict[str, Any]) -> Any:
    return harness.carrier.parse(harness.sign(json.dumps(body).encode()))


async def test_reads(harness: VonageHarness) -> None:
    """A text is read field by field; numbers get the `+` that Vonage leaves out."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    text = InboundText(message_id="00ff", sender=Phone(HANDSET), text="x", to=harness.number, at=at)
    assert read(harness, INBOUND | {"text": "x"}) == (text,)


async def test_picture(harness: VonageHarness) -> None:
    """A picture comes with its caption, its address and its kind, and is not fetched."""
    url = f"{harness.receiver.url}/media/1"
    harness.vendor.text_from_handset(HANDSET, "look", (("image/jpeg", url),))
    item = parse_text(harness, (await harness.receiver.come(1))[0])
    assert (item.text, item.media) == ("look", (Media(url=url, content_type="image"),))
    bare = {k: v for k, v in INBOUND.items() if k != "text"} | {"message_type": "image", "image": {"url": url}}
    assert read(harness, bare)[0].text == ""
    assert len(harness.receiver.requests) == 1


@pytest.mark.parametrize(("participants", "is_group"), [(["447700900002"], True), ([], False), (None, False)])
async def test_a_group_is_no_texter(harness: VonageHarness, participants: Any, is_group: bool) -> None:
    """A group MMS, which also others read, is no conversation with its sender."""
    (item,) = read(harness, INBOUND | {"channel": "mms", "mms": {"participants": participants}})
    assert (item == Ignored("group")) is is_group


@every_row(
    ("status", "expected"),
    [
        ({"status": "submitted", "error": None}, DeliveryReport(message_id="00ff", status="sent")),
        ({"status": "delivered", "error": None}, DeliveryReport(message_id="00ff", status="delivered")),
        ({"status": "rejected"}, DeliveryReport(message_id="00ff", status="failed", code="1320")),
        (
            {"status": "undeliverable", "error": {"title": 1000}},
            DeliveryReport(message_id="00ff", status="failed", code="1000"),
        ),
        ({"status": "rejected", "error": {"type": 7}}, DeliveryReport(message_id="00ff", status="failed")),
        (
            {"status": "rejected", "error": {"type": f"{vonage.ERRORS}#1240", "title": 1240}},
            DeliveryReport(message_id="00ff", status="opted_out", code="1240"),
        ),
        (
            {"status": "rejected", "error": {"type": f"{vonage.ERRORS}#rejected", "title": "1240"}},
            DeliveryReport(message_id="00ff", status="opted_out", code="1240"),
        ),
        (
            {"status": "undeliverable", "error": {"error": {"type": f"{vonage.ERRORS}#1260"}}},
            DeliveryReport(message_id="00ff", status="failed", code="1260"),
        ),
        ({"status": "something new"}, Ignored("event")),
        ({"status": ["delivered"]}, Ignored("event")),
        ({"channel": "whatsapp"}, Ignored("channel")),
    ],
)
async def test_statuses(harness: VonageHarness, status: dict[str, Any], expected: object) -> None:
    """Each status has its meaning, with the code of the error; what is new to us is no reason to be called again."""
    assert read(harness, STATUS | status) == (expected,)


async def test_answers(harness: VonageHarness) -> None:
    """What the API answers is sorted: never, later, or nobody knows."""

    def problem(kind: str) -> bytes:
        return json.dumps({"type": kind}).encode()

    table = (
        (http_response(422, problem(f"{vonage.ERRORS}#1050")), Rejected("1050")),
        (http_response(402, problem("https://developer.vonage.com/api-errors#low-balance")), Rejected("low-balance")),
        (http_response(401, problem("s3cret words")), Rejected("http-401")),
        (http_response(422, problem(f"{vonage.ERRORS}#1000")), TryLater(1.0)),
        (http_response(429, problem(f"{vonage.ERRORS}#1000"), headers="Retry-After: 9\r\n"), TryLater(9.0)),
        (http_response(500, problem(f"{vonage.ERRORS}#1000")), UnknownOutcome()),
        (http_response(202, b'{"message_uuid": ""}'), UnknownOutcome()),
    )
    for answer, expected in table:
        async with scripted_server(answer) as line:
            carrier = harness.elsewhere(line.url)
            assert await send_words(carrier, HANDSET, "word", number=harness.number) == expected
            await carrier.close()


@pytest.mark.parametrize(("validity", "expected"), [(1, 20), (20, 20), (900, 900), (10**7, 604_800)])
async def test_a_validity_that_vonage_refuses(harness: VonageHarness, validity: int, expected: int) -> None:
    """A pack may set less or more than the API takes: then the text has the nearest that it takes, and is sent."""
    carrier = harness.elsewhere(harness.base)
    carrier._validity = validity
    assert isinstance(await send_words(carrier, HANDSET, "word", number=harness.number), Accepted)
    assert harness.validities() == [expected]
    await carrier.close()


async def test_too_early(harness: VonageHarness) -> None:
    """A text cannot be redacted within the hour: it is asked for again, and then it is done."""
    message_id = parse_text(harness, await receive_text(harness)).message_id
    harness.vendor.premature = 3600.0
    assert await harness.carrier.delete_copy(message_id) == DeleteLater(3600.0)
    harness.vendor.premature = 0.0
    assert await harness.carrier.delete_copy(message_id) == DeletionUnconfirmed()
    assert message_id not in harness.vendor.records
    assert await harness.carrier.delete_copy(message_id) == Deleted()


async def test_not_provisioned(harness: VonageHarness) -> None:
    """Without provisioning nothing is deleted, and that is said at once and not tried for ever."""
    message_id = await send_text(harness)
    harness.vendor.provisioned = False
    outcome = await harness.carrier.delete_copy(message_id)
    assert isinstance(outcome, RetainedByCarrier)
    assert "13 months" in outcome.until
    assert outcome.days == 395


@every_row(
    ("status", "kind"), [(400, ""), (401, "unauthorized"), (402, "low-balance"), (403, ""), (403, "forbidden"), (422, "")]
)
async def test_what_somebody_may_put_right_is_not_for_good(harness: VonageHarness, status: int, kind: str) -> None:
    """A refused login, an empty account or an answer that says nothing: asked again later, and not called kept."""
    problem = json.dumps({"type": f"https://developer.vonage.com/api-errors#{kind}"}).encode()
    async with scripted_server(http_response(status, problem)) as line:
        carrier = harness.elsewhere(line.url)
        assert await carrier.delete_copy("ab") == DeleteLater(3600.0)
        await carrier.close()


@pytest.mark.parametrize("pem", ["", "s3cret", vonage.PRIVATE_KEY.replace("A", "B")])
def test_no_key(pem: str) -> None:
    """What is no key stops the start, and is not shown."""
    with pytest.raises(ValueError, match=r"^not an RSA key") as caught:
        private_key(pem)
    assert caught.value.__context__ is None
