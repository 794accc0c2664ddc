"""What is Vonage's own, beyond the table that all adapters share."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.carriers.adapter import (
    Deleted,
    DeliveryReport,
    InboundText,
    Keeps,
    Malformed,
    Media,
    NotConfirmed,
    NotYet,
    Rejected,
    TryLater,
    UnknownOutcome,
    Unwanted,
)
from bridge.carriers.jwt import private_key
from bridge.runtime.phone_number import Phone
from tests.bridge.carriers.cloud_stands import INBOUND, STATUS, VonageStand
from tests.bridge.carriers.fake_stand import standing
from tests.bridge.carriers.receiver import http, wire
from tests.bridge.carriers.steps import HANDSET, one_text, read_text, sent
from tests.fakes import vonage


@pytest.fixture
async def stand() -> AsyncIterator[VonageStand]:
    async with standing(VonageStand) as made:
        yield made


def read(stand: VonageStand, body: dict[str, Any]) -> Any:
    return stand.carrier.parse(stand.sign(json.dumps(body).encode()))


async def test_reads(stand: VonageStand) -> None:
    """A text is read field by field; numbers get the `+` that Vonage leaves out."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    text = InboundText(message_id="00ff", sender=Phone(HANDSET), text="x", to=stand.number, at=at)
    assert read(stand, INBOUND | {"text": "x"}) == (text,)


@pytest.mark.parametrize(
    ("sender", "expected", "answerable"),
    [
        ("447700900001", "+447700900001", True),
        ("22395", "22395", False),
        ("12345678", "12345678", False),
        ("AcmeInc",) * 2 + (False,),
    ],
)
async def test_senders(stand: VonageStand, sender: str, expected: str, answerable: bool) -> None:
    """Only what is a whole number becomes one."""
    (item,) = read(stand, INBOUND | {"from": sender})
    assert (item.sender, item.sender.answerable) == (Phone(expected), answerable)


async def test_picture(stand: VonageStand) -> None:
    """A picture comes with its caption, its address and its kind, and is not fetched."""
    url = f"{stand.receiver.url}/media/1"
    stand.vendor.text_in(HANDSET, "look", (("image/jpeg", url),))
    item = read_text(stand, (await stand.receiver.come(1))[0])
    assert (item.text, item.media) == ("look", (Media(url=url, content_type="image"),))
    bare = {k: v for k, v in INBOUND.items() if k != "text"} | {"message_type": "image", "image": {"url": url}}
    assert read(stand, bare)[0].text == ""
    assert len(stand.receiver.requests) == 1


@pytest.mark.parametrize("shared", [{"caption": None}, {"caption": "", "url": None}, {}, {"url": 7}])
async def test_what_comes_without_words_or_address(stand: VonageStand, shared: dict[str, Any]) -> None:
    """Something shared without words, or without an address, is still a sign of life: it is shown as such, and not lost."""
    told = {k: v for k, v in INBOUND.items() if k != "text"} | {"channel": "mms", "message_type": "vcard", "vcard": shared}
    (item,) = read(stand, told)
    assert (item.text, item.media) == ("", (Media(url="", content_type="vcard"),))


@pytest.mark.parametrize(
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
        ({"status": "something new"}, Unwanted("event")),
        ({"status": ["delivered"]}, Unwanted("event")),
        ({"channel": "whatsapp"}, Unwanted("channel")),
    ],
)
async def test_statuses(stand: VonageStand, status: dict[str, Any], expected: object) -> None:
    """Each status has its meaning, with the code of the error; what is new to us is no reason to be called again."""
    assert read(stand, STATUS | status) == (expected,)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("channel", None),
        ("message_uuid", None),
        ("message_uuid", "a b"),
        ("from", 15555550101),
        ("text", None),
        ("text", ["x"]),
    ],
)
async def test_malformed(stand: VonageStand, field: str, value: Any) -> None:
    """Each field that is not as documented is named."""
    with pytest.raises(Malformed, match=f"^{field}: ") as caught:
        read(stand, INBOUND | {field: value})
    assert caught.value.__context__ is None


async def test_answers(stand: VonageStand) -> None:
    """What the API answers is sorted: never, later, or nobody knows."""

    def problem(kind: str) -> bytes:
        return json.dumps({"type": kind}).encode()

    table = (
        (http(422, problem(f"{vonage.ERRORS}#1050")), Rejected("1050")),
        (http(402, problem("https://developer.vonage.com/api-errors#low-balance")), Rejected("low-balance")),
        (http(401, problem("s3cret words")), Rejected("http-401")),
        (http(422, problem(f"{vonage.ERRORS}#1000")), TryLater(1.0)),
        (http(429, problem(f"{vonage.ERRORS}#1000"), headers="Retry-After: 9\r\n"), TryLater(9.0)),
        (http(500, problem(f"{vonage.ERRORS}#1000")), UnknownOutcome()),
        (http(202, b'{"message_uuid": ""}'), UnknownOutcome()),
    )
    for answer, expected in table:
        async with wire(answer) as line:
            carrier = stand.elsewhere(line.url)
            assert await carrier.send(Phone(HANDSET), "word", number=stand.number) == expected
            await carrier.close()


async def test_too_early(stand: VonageStand) -> None:
    """A text cannot be redacted within the hour: it is asked for again, and then it is done."""
    message_id = read_text(stand, await one_text(stand)).message_id
    stand.vendor.premature = 3600.0
    assert await stand.carrier.delete_copy(message_id) == NotYet(3600.0)
    stand.vendor.premature = 0.0
    assert await stand.carrier.delete_copy(message_id) == NotConfirmed()
    assert message_id not in stand.vendor.records
    assert await stand.carrier.delete_copy(message_id) == Deleted()


async def test_not_provisioned(stand: VonageStand) -> None:
    """Without provisioning nothing is deleted, and that is said at once and not tried for ever."""
    message_id = await sent(stand)
    stand.vendor.provisioned = False
    outcome = await stand.carrier.delete_copy(message_id)
    assert isinstance(outcome, Keeps)
    assert "13 months" in outcome.until
    assert outcome.days == 395


@pytest.mark.parametrize(
    ("status", "kind"), [(400, ""), (401, "unauthorized"), (402, "low-balance"), (403, ""), (403, "forbidden"), (422, "")]
)
async def test_what_somebody_may_put_right_is_not_for_good(stand: VonageStand, status: int, kind: str) -> None:
    """A refused login, an empty account or an answer that says nothing: asked again later, and not called kept."""
    told = json.dumps({"type": f"https://developer.vonage.com/api-errors#{kind}"}).encode()
    async with wire(http(status, told)) as line:
        carrier = stand.elsewhere(line.url)
        assert await carrier.delete_copy("ab") == NotYet(3600.0)
        await carrier.close()


async def test_redaction_too_fast(stand: VonageStand) -> None:
    """When it asks for patience it gets it."""
    async with wire(http(429, headers="Retry-After: 7\r\n")) as line:
        carrier = stand.elsewhere(line.url)
        assert await carrier.delete_copy("ab") == NotYet(7.0)
        await carrier.close()


@pytest.mark.parametrize("pem", ["", "s3cret", vonage.PRIVATE_KEY.replace("A", "B")])
def test_no_key(pem: str) -> None:
    """What is no key stops the start, and is not shown."""
    with pytest.raises(ValueError, match=r"^not an RSA key") as caught:
        private_key(pem)
    assert caught.value.__context__ is None
