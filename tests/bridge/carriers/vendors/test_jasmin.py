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
    Accepted,
    DeliveryReport,
    Ignored,
    Inbound,
    InboundText,
    Malformed,
    Rejected,
    TryLater,
    UnknownOutcome,
    WebhookRequest,
)
from bridge.carriers.vendors.jasmin import JasminCarrier
from bridge.carriers.vendors.smpp_gateway import decode_gsm7
from bridge.runtime.phone_number import Phone
from tests.bridge.carriers.receiver import http_response, scripted_server
from tests.bridge.carriers.self_hosted_harnesses import DLR, MO, JasminHarness
from tests.bridge.carriers.steps import HANDSET, ODD_TEXTS, QUICK, parse_text, receive_text, send_text
from tests.bridge.carriers.vendor_harness import CLIENT_TIMEOUT, PATH, PATH_SECRET, running_harness
from tests.fakes.fake_carrier import send_words


@pytest.fixture
async def harness() -> AsyncIterator[JasminHarness]:
    async with running_harness(JasminHarness) as vendor_harness:
        yield vendor_harness


def read(harness: JasminHarness, fields: dict[str, Any], query: str = "") -> Inbound:
    request = harness.sign(urlencode(fields).encode())
    (item,) = harness.carrier.parse(replace(request, raw_path=request.raw_path + query))
    return item


async def test_acknowledged_by_its_words(harness: JasminHarness) -> None:
    """Jasmin takes nothing for an acknowledgement but these words."""
    assert harness.carrier.webhook_response == ("text/plain", b"ACK/Jasmin")


async def test_a_text_without_its_time_is_said_to_be_one(harness: JasminHarness) -> None:
    """Nobody can tell how long the gateway held a text: whoever reads what it keeps is told, and what to leave as it is."""
    text = parse_text(harness, await receive_text(harness, "held"))
    assert text.at is None
    (warning,) = [sentence for sentence in harness.carrier.exposure.keeps if "just arrived" in sentence]
    assert "`max_retries = 3`" in warning


async def test_retried_until_acknowledged(harness: JasminHarness) -> None:
    """A 200 without the words is no acknowledgement: the text comes again, under the same id."""
    harness.receiver.answers = [500, 503]
    request = await receive_text(harness, "once")
    again = (await harness.receiver.come(3))[1:]
    assert {parse_text(harness, r).message_id for r in (request, *again)} == {parse_text(harness, request).message_id}


@pytest.mark.parametrize("by_get", [False, True])
async def test_both_ways(harness: JasminHarness, *, by_get: bool) -> None:
    """A text arrives as it was written by POST and by GET, with both numbers; so do reports."""
    harness.vendor.by_get = by_get
    for text in ODD_TEXTS:
        item = parse_text(harness, await receive_text(harness, text))
        assert (item.text, item.sender, item.to) == (text, Phone(HANDSET), harness.number)
    before = len(harness.receiver.requests)
    message_id = await send_text(harness)
    harness.vendor.call(harness.vendor.throw(harness.vendor.status_url, {"id": message_id} | DLR))
    reports = [harness.carrier.parse(request)[0] for request in (await harness.receiver.come(before + 3))[before:]]
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
async def test_codings(harness: JasminHarness, octets: bytes, coding: int | None, text: str) -> None:
    """Words in any coding are shown as well as can be and never thrown away."""
    request = harness.vendor.text("15555550101", octets, coding)()
    (item,) = harness.carrier.parse(harness.sign(request.body))
    assert isinstance(item, InboundText)
    assert item.text == text


async def test_a_text_bears_no_validity(harness: JasminHarness) -> None:
    """Of those that do, Jasmin throws one in ten away after it was accepted: the fake takes none."""
    await send_text(harness)
    assert await harness.texts_at_handset(HANDSET)


@pytest.mark.parametrize(("alphabet", "text"), [("gsm0338", "cafΓ"), ("iso-8859-1", "caf\x13"), ("utf-8", "caf\x13")])
async def test_default_alphabet_is_configured(harness: JasminHarness, alphabet: str, text: str) -> None:
    """What `coding` 0 means is the SMPP provider's to say."""
    carrier = JasminCarrier(harness.settings(default_alphabet=alphabet), harness.context(), timeout=CLIENT_TIMEOUT)
    (item,) = carrier.parse(harness.sign(urlencode(MO | {"binary": b"caf\x13".hex()}).encode()))
    assert isinstance(item, InboundText)
    assert item.text == text
    await carrier.close()


@QUICK
@given(st.text(st.sampled_from(sorted(set(smsutil.codecs.GSM_CHARSET) - {"\x1b"})), max_size=60))
def test_alphabet_like_smsutil(text: str) -> None:
    """The default alphabet and its extension are decoded as smsutil encodes them."""
    assert decode_gsm7(text.encode("gsm0338")) == text


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("ESME_ROK", DeliveryReport(message_id="00ff", status="sent")),
        ("ESME_RINVDSTADR", DeliveryReport(message_id="00ff", status="failed", code="ESME_RINVDSTADR")),
        ("DELIVRD", DeliveryReport(message_id="00ff", status="delivered")),
        ("ACCEPTD", DeliveryReport(message_id="00ff", status="sent")),
        ("UNKNOWN", DeliveryReport(message_id="00ff", status="sent")),
        ("EXPIRED", DeliveryReport(message_id="00ff", status="failed", code="EXPIRED")),
        ("UNDELIV", DeliveryReport(message_id="00ff", status="failed", code="UNDELIV")),
        ("REJECTD", DeliveryReport(message_id="00ff", status="failed", code="REJECTD")),
        ("something new", Ignored("event")),
    ],
)
async def test_reports(harness: JasminHarness, status: str, expected: object) -> None:
    """Each status has its meaning; what does not say what became of the text is no failure."""
    assert read(harness, {"id": "00ff", "message_status": status}, "?parts=1") == expected


TEMPORARY_ERRORS = ["ESME_RSYSERR", "ESME_RTHROTTLED", "ESME_RMSGQFUL", "ESME_RINVSCHED"]
"""The keys of `submit_error_retrial` in managers/configs.py, by default."""


@pytest.mark.parametrize("status", TEMPORARY_ERRORS)
async def test_an_error_after_which_jasmin_tries_again_is_no_failure(harness: JasminHarness, status: str) -> None:
    """The text may leave minutes later, without another report: whoever is asked to send it again would send it twice.

    It is a failure where the gateway's configuration says that it does not try again.
    """
    fields = {"id": "00ff", "message_status": status, "level": "1", "connector": "smpp"}
    assert read(harness, fields, "?parts=1&ref=abc") == DeliveryReport(message_id="00ff", status="sent")
    carrier = JasminCarrier(harness.settings(retries=False), harness.context(), timeout=CLIENT_TIMEOUT)
    assert carrier.parse(harness.sign(urlencode(fields).encode())) == (
        DeliveryReport(message_id="00ff", status="failed", code=status),
    )
    await carrier.close()


async def test_what_leaves_late_is_told(harness: JasminHarness) -> None:
    """Whoever reads what it keeps learns which settings of the gateway let a text leave minutes late."""
    keeps = " ".join(harness.carrier.exposure.keeps)
    assert "`submit_error_retrial = {}`" in keeps
    assert "`submit_max_age_smppc_not_ready`" in keeps


@pytest.mark.parametrize("query", ["?parts=2", "?parts=", ""])
async def test_the_last_part_is_not_the_text(harness: JasminHarness, query: str) -> None:
    """That the last part of several arrived, or of an unknown number, is no more than that the text was sent."""
    fields = {"id": "00ff", "message_status": "DELIVRD"}
    assert read(harness, fields, query) == DeliveryReport(message_id="00ff", status="sent")
    assert read(harness, DLR, query) == DeliveryReport(message_id="00ff", status="failed", code="001")


@pytest.mark.parametrize(
    ("field", "value"), [("id", ""), ("id", "a b"), ("from", None), ("binary", None), ("binary", "6"), ("binary", "s3cret")]
)
async def test_malformed(harness: JasminHarness, field: str, value: str | None) -> None:
    """Each field that is not as documented is named, and its value is not told."""
    fields = {k: v for k, v in (MO | {field: value}).items() if v is not None}
    with pytest.raises(Malformed, match=f"^{field}: ") as caught:
        read(harness, fields)
    assert caught.value.__context__ is None


async def test_answers(harness: JasminHarness) -> None:
    """What it answers is sorted: never, later, or nobody knows."""
    table = (
        (http_response(403, b'Error "User throughput exceeded"'), TryLater(1.0)),
        (http_response(403, b'Error "Authentication failure for username:x"'), Rejected("http-403")),
        (http_response(412, b'Error "No route found"'), Rejected("http-412")),
        (http_response(400, b'Error "Argument to has an invalid value: s3cret"'), Rejected("http-400")),
        (http_response(500, b'Error "Cannot send submit_sm"'), UnknownOutcome()),
        (http_response(200, b'Error "what?"'), UnknownOutcome()),
        (http_response(200, b'Success ""'), UnknownOutcome()),
        (http_response(200, b'Success "a b"'), UnknownOutcome()),
    )
    for answer, expected in table:
        async with scripted_server(answer) as line:
            carrier = harness.elsewhere(line.url)
            assert await send_words(carrier, HANDSET, "word", number=harness.number) == expected
            await carrier.close()


async def test_words_of_a_report_stay_out(harness: JasminHarness) -> None:
    """A report bears the first words of the text: they are not read."""
    request = WebhookRequest(raw_path=f"{PATH}/status/{PATH_SECRET}", headers=CIMultiDict(), body=urlencode(DLR).encode())
    assert "c4n4ry" not in repr(harness.carrier.parse(request))


@pytest.mark.parametrize(
    ("text", "coding", "code"),
    [
        ("x" * 152 + "€" + "y" * 40, "8", ""),
        ("x" * 151 + "€" + "y" * 40, "0", ""),
        ("x" * 66 + "🙂" + "y" * 40, "", "emoji-at-a-border"),
        ("x" * 65 + "🙂" + "y" * 40, "8", ""),
        ("x" * 153 * 5, "0", ""),
        ("x" * (153 * 5 + 1), "", "too-many-parts"),
        ("x" * 152 + "€" + "y" * 200, "", "too-many-parts"),
    ],
)
async def test_what_jasmin_would_spoil(harness: JasminHarness, text: str, coding: str, code: str) -> None:
    """It cuts within a letter, and drops what goes beyond its five parts: such a text goes otherwise or not at all."""
    outcome = await send_words(harness.carrier, HANDSET, text, number=harness.number)
    if code:
        assert outcome == Rejected(code)
        assert harness.vendor.requests == 0
    else:
        assert isinstance(outcome, Accepted)
        assert harness.vendor.codings == [coding]
        assert await harness.texts_at_handset(HANDSET) == [text]
