"""What is Jasmin's own, beyond the table that all adapters share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
import smsutil
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from bridge.carriers.adapter import (
    DeliveryReport,
    Inbound,
    InboundText,
    Malformed,
    Rejected,
    TryLater,
    UnknownOutcome,
    Unwanted,
    WebhookRequest,
)
from bridge.carriers.vendors.jasmin import JasminCarrier
from bridge.carriers.vendors.smpp_gateway import default_alphabet
from bridge.runtime.phone_number import Phone
from tests.bridge.carriers.fake_stand import HASTE, PATH, PATH_SECRET, standing
from tests.bridge.carriers.own_stands import DLR, MO, JasminStand
from tests.bridge.carriers.receiver import http, wire
from tests.bridge.carriers.steps import HANDSET, ODD_TEXTS, QUICK, one_text, read_text, sent
from tests.fakes import jasmin


@pytest.fixture
async def stand() -> AsyncIterator[JasminStand]:
    async with standing(JasminStand) as made:
        yield made


def read(stand: JasminStand, fields: dict[str, Any], query: str = "") -> Inbound:
    request = stand.sign(urlencode(fields).encode())
    (item,) = stand.carrier.parse(replace(request, raw_path=request.raw_path + query))
    return item


async def test_acknowledged_by_its_words(stand: JasminStand) -> None:
    """Jasmin takes nothing for an acknowledgement but these words."""
    assert stand.carrier.answer == ("text/plain", b"ACK/Jasmin")


async def test_a_text_without_its_time_is_said_to_be_one(stand: JasminStand) -> None:
    """Nobody can tell how long the gateway held a text: whoever reads what it keeps is told, and what to leave as it is."""
    text = read_text(stand, await one_text(stand, "held"))
    assert text.at is None
    (held,) = [sentence for sentence in stand.carrier.exposure.keeps if "just arrived" in sentence]
    assert "`max_retries = 3`" in held


async def test_secret_segment(stand: JasminStand) -> None:
    """Only the right last segment of the path is right."""
    request = stand.sign(b"")
    assert stand.carrier.verify(request)
    for path in ("", f"{PATH}/inbound", f"{PATH}/inbound/?{PATH_SECRET}", f"{PATH}/inbound/{PATH_SECRET}2"):
        assert not stand.carrier.verify(replace(request, raw_path=path))


async def test_retried_until_acknowledged(stand: JasminStand) -> None:
    """A 200 without the words is no acknowledgement: the text comes again, under the same id."""
    stand.receiver.answers = [500, 503]
    request = await one_text(stand, "once")
    again = (await stand.receiver.come(3))[1:]
    assert {read_text(stand, r).message_id for r in (request, *again)} == {read_text(stand, request).message_id}


@pytest.mark.parametrize("by_get", [False, True])
async def test_both_ways(stand: JasminStand, *, by_get: bool) -> None:
    """A text arrives as it was written by POST and by GET, with both numbers; so do reports."""
    stand.vendor.by_get = by_get
    for text in ODD_TEXTS:
        item = read_text(stand, await one_text(stand, text))
        assert (item.text, item.sender, item.to) == (text, Phone(HANDSET), stand.number)
    before = len(stand.receiver.requests)
    message_id = await sent(stand)
    stand.vendor.call(stand.vendor.throw(stand.vendor.status_url, {"id": message_id} | DLR))
    reports = [stand.carrier.parse(request)[0] for request in (await stand.receiver.come(before + 3))[before:]]
    assert DeliveryReport(message_id=message_id, status="sent") in reports


@pytest.mark.parametrize(
    ("octets", "coding", "text"),
    [
        (b"caf\x05 \x1b\x65\x00", 0, "café €@"),
        (b"caf\x05", None, "café"),
        (b"caf\x05", 240, "café"),
        (b"caf\xe9", 3, "café"),
        (b"cafe", 1, "cafe"),
        ("né 🫂".encode("utf-16-be"), 8, "né 🫂"),
        ("né".encode("utf-16-be") + b"\x00", 8, "né\ufffd"),
        ("привет".encode("iso-8859-5"), 6, "привет"),
        ("שלום".encode("iso-8859-8"), 7, "שלום"),
        ("né".encode(), 14, "né"),
        (b"\xff\xfe", 4, "\ufffd\ufffd"),
        (b"", 0, ""),
    ],
)
async def test_codings(stand: JasminStand, octets: bytes, coding: int | None, text: str) -> None:
    """Words in any coding are shown as well as can be and never thrown away."""
    request = stand.vendor.text("15555550101", octets, coding)()
    (item,) = stand.carrier.parse(stand.sign(request.body))
    assert isinstance(item, InboundText)
    assert item.text == text


@pytest.mark.parametrize(("alphabet", "text"), [("gsm0338", "cafΓ"), ("iso-8859-1", "caf\x13"), ("utf-8", "caf\x13")])
async def test_default_alphabet_is_configured(stand: JasminStand, alphabet: str, text: str) -> None:
    """What `coding` 0 means is the SMPP provider's to say."""
    carrier = JasminCarrier(
        api_base=stand.vendor.base,
        login=jasmin.LOGIN,
        status_url="",
        path_secret=PATH_SECRET,
        plain_numbers="international",
        region="US",
        validity=300,
        default_alphabet=alphabet,
        timeout=HASTE,
    )
    (item,) = carrier.parse(stand.sign(urlencode(MO | {"binary": b"caf\x13".hex()}).encode()))
    assert isinstance(item, InboundText)
    assert item.text == text
    await carrier.close()


@QUICK
@given(st.text(st.sampled_from(sorted(set(smsutil.codecs.GSM_CHARSET) - {"\x1b"})), max_size=60))
def test_alphabet_like_smsutil(text: str) -> None:
    """The default alphabet and its extension are decoded as smsutil encodes them."""
    assert default_alphabet(text.encode("gsm0338")) == text


@QUICK
@given(st.binary(max_size=60))
def test_alphabet_is_total(coded: bytes) -> None:
    """Any bytes are words of some kind, and no more of them than bytes."""
    assert len(default_alphabet(coded)) <= len(coded)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("ESME_ROK", DeliveryReport(message_id="00ff", status="sent")),
        ("ESME_RINVDSTADR", DeliveryReport(message_id="00ff", status="failed", code="ESME_RINVDSTADR")),
        ("DELIVRD", DeliveryReport(message_id="00ff", status="delivered")),
        ("ACCEPTD", DeliveryReport(message_id="00ff", status="sent")),
        ("UNKNOWN", DeliveryReport(message_id="00ff", status="sent")),
        ("EXPIRED", DeliveryReport(message_id="00ff", status="failed", code="EXPIRED")),
        ("UNDELIV", DeliveryReport(message_id="00ff", status="failed", code="UNDELIV")),
        ("REJECTD", DeliveryReport(message_id="00ff", status="failed", code="REJECTD")),
        ("something new", Unwanted("event")),
    ],
)
async def test_reports(stand: JasminStand, told: str, expected: object) -> None:
    """Each status has its meaning; what does not say what became of the text is no failure."""
    assert read(stand, {"id": "00ff", "message_status": told}, "?parts=1") == expected


@pytest.mark.parametrize("query", ["?parts=2", "?parts=", ""])
async def test_the_last_part_is_not_the_text(stand: JasminStand, query: str) -> None:
    """That the last part of several arrived, or of an unknown number, is no more than that the text was sent."""
    told = {"id": "00ff", "message_status": "DELIVRD"}
    assert read(stand, told, query) == DeliveryReport(message_id="00ff", status="sent")
    assert read(stand, DLR, query) == DeliveryReport(message_id="00ff", status="failed", code="001")


async def test_error_of_the_network(stand: JasminStand) -> None:
    """A failure carries the network's error where there is one."""
    assert read(stand, DLR) == DeliveryReport(message_id="00ff", status="failed", code="001")


@pytest.mark.parametrize(
    ("field", "value"), [("id", ""), ("id", "a b"), ("from", None), ("binary", None), ("binary", "6"), ("binary", "s3cret")]
)
async def test_malformed(stand: JasminStand, field: str, value: str | None) -> None:
    """Each field that is not as documented is named, and its value is not told."""
    fields = {k: v for k, v in (MO | {field: value}).items() if v is not None}
    with pytest.raises(Malformed, match=f"^{field}: ") as caught:
        read(stand, fields)
    assert caught.value.__context__ is None


async def test_group(stand: JasminStand) -> None:
    """Several senders are none."""
    assert read(stand, MO | {"from": "15555550101,15555550102"}) == Unwanted("group")


async def test_answers(stand: JasminStand) -> None:
    """What it answers is sorted: never, later, or nobody knows."""
    table = (
        (http(403, b'Error "User throughput exceeded"'), TryLater(1.0)),
        (http(403, b'Error "Authentication failure for username:x"'), Rejected("http-403")),
        (http(412, b'Error "No route found"'), Rejected("http-412")),
        (http(400, b'Error "Argument to has an invalid value: s3cret"'), Rejected("http-400")),
        (http(500, b'Error "Cannot send submit_sm"'), UnknownOutcome()),
        (http(200, b'Error "what?"'), UnknownOutcome()),
        (http(200, b'Success ""'), UnknownOutcome()),
        (http(200, b'Success "a b"'), UnknownOutcome()),
    )
    for answer, expected in table:
        async with wire(answer) as line:
            carrier = stand.elsewhere(line.url)
            assert await carrier.send(Phone(HANDSET), "word", number=stand.number) == expected
            await carrier.close()


async def test_words_of_a_report_stay_out(stand: JasminStand) -> None:
    """A report bears the first words of the text: they are not read."""
    request = WebhookRequest(raw_path=f"{PATH}/status/{PATH_SECRET}", headers=CIMultiDict(), body=urlencode(DLR).encode())
    assert "c4n4ry" not in repr(stand.carrier.parse(request))
