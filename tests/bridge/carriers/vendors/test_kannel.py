"""What is Kannel's own, beyond the table that all adapters share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from multidict import CIMultiDict

from bridge.carriers.adapter import (
    Accepted,
    AdapterContext,
    DeliveryReport,
    InboundText,
    Malformed,
    Rejected,
    SendOutcome,
    TryLater,
    UnknownOutcome,
    WebhookRequest,
)
from bridge.carriers.vendors.kannel import KannelCarrier, Settings
from bridge.runtime.phone_number import Phone
from tests.bridge.carriers.harness import Fault
from tests.bridge.carriers.receiver import http_response, scripted_server
from tests.bridge.carriers.self_hosted_harnesses import KannelHarness
from tests.bridge.carriers.steps import HANDSET, ODD_TEXTS, parse_text, receive_text
from tests.bridge.carriers.vendor_harness import PATH, PATH_SECRET, running_harness
from tests.fakes.fake_carrier import send_words


@pytest.fixture
async def harness() -> AsyncIterator[KannelHarness]:
    async with running_harness(KannelHarness) as vendor_harness:
        yield vendor_harness


def get(query: str, way: str = "inbound") -> WebhookRequest:
    return WebhookRequest(raw_path=f"{PATH}/{way}/{PATH_SECRET}?{query}", headers=CIMultiDict(), body=b"")


def post(body: bytes, **headers: str) -> WebhookRequest:
    all_headers = {"X-Kannel-From": HANDSET} | {name.replace("_", "-"): value for name, value in headers.items()}
    return WebhookRequest(raw_path=f"{PATH}/inbound/{PATH_SECRET}?id=ab", headers=CIMultiDict(all_headers), body=body)


async def test_secret_segment(harness: KannelHarness) -> None:
    """Only the right last segment of the path is right, whatever stands in the query."""
    assert harness.carrier.verify(get("a=b"))
    assert harness.carrier.verify(get(""))
    for path in ("", "/", PATH, f"{PATH}/inbound", f"{PATH}/inbound/", f"{PATH}/inbound/x{PATH_SECRET}"):
        for query in ("", f"?/{PATH_SECRET}", f"/?{PATH_SECRET}"):
            assert not harness.carrier.verify(replace(get(""), raw_path=path + query))
    assert not harness.carrier.verify(replace(get(""), raw_path=f"{PATH}/inbound/{PATH_SECRET}/"))
    assert not harness.carrier.verify(replace(get(""), raw_path=f"{PATH}/inbound/{PATH_SECRET[:-1]}"))


@pytest.mark.parametrize("by_get", [False, True])
async def test_both_ways(harness: KannelHarness, *, by_get: bool) -> None:
    """A text arrives as it was written by `post-url` and by `get-url`, with its number, our number and its time."""
    harness.vendor.by_get = by_get
    for text in (*ODD_TEXTS, "a\x00b\ud83dc"):
        item = parse_text(harness, await receive_text(harness, text))
        assert item.text == text.replace("\x00", "\ufffd").replace("\ud83d", "\ufffd")
        assert (item.sender, item.to) == (Phone(HANDSET), harness.number)
        assert item.at is not None
        assert abs((datetime.now(UTC) - item.at).total_seconds()) < 60


async def test_words_never_in_a_url(harness: KannelHarness) -> None:
    """By `post-url` neither words nor number stand in the path, which ends in logs."""
    request = await receive_text(harness, "s3cret")
    assert "s3cret" not in request.raw_path
    assert HANDSET.removeprefix("+") not in request.raw_path


@pytest.mark.parametrize(
    ("octets", "charset", "text"),
    [
        (b"caf\xe9", "ISO-8859-1", "café"),
        (b"\x80", "WINDOWS-1252", "€"),
        ("né 🫂".encode("utf-16-be"), '"UTF-16BE"', "né 🫂"),
        (b"\x00a\x00", "UTF-16BE", "a\ufffd"),
        (b"caf\xe9", "UTF-8", "caf\ufffd"),
        (b"caf\xe9", "", "caf\ufffd"),
        (b"cafe", "x-unheard-of", "cafe"),
        (b"STOP\x00", "UTF-8", "STOP"),
        ("STOP\0\0".encode("utf-16-be"), "UTF-16BE", "STOP"),
        (b"a\x00b", "UTF-8", "a\ufffdb"),
        (b"cafe", "utf-8; boundary=x", "cafe"),
    ],
)
async def test_charsets(harness: KannelHarness, octets: bytes, charset: str, text: str) -> None:
    """Words in any charset are shown as well as can be and never thrown away."""
    (item,) = harness.carrier.parse(post(octets, Content_Type=f"text/plain; charset={charset}"))
    assert isinstance(item, InboundText)
    assert item.text == text
    query = f"id=ab&from=22395&charset={quote_from_bytes(charset.strip(chr(34)).encode())}&text={quote_from_bytes(octets)}"
    (item,) = harness.carrier.parse(get(query))
    assert isinstance(item, InboundText)
    assert item.text == text


@pytest.mark.parametrize(
    ("plain", "value", "expected"),
    [
        ("international", "16505551212", "+16505551212"),
        ("international", "447700900001", "+447700900001"),
        ("international", "00447700900001", "+447700900001"),
        ("international", "+16505551212", "+16505551212"),
        ("international", "22395", "22395"),
        ("international", "BANK", "BANK"),
        ("national", "6505551212", "+16505551212"),
        ("national", "00447700900001", "+447700900001"),
        ("national", "447700900001", "447700900001"),
        ("national", "22395", "22395"),
    ],
)
async def test_plain_numbers(harness: KannelHarness, plain: Any, value: str, expected: str) -> None:
    """Digits without `+` are read as the configuration says; what does not fit is shown and not answered."""
    carrier = KannelCarrier(harness.settings(plain_numbers=plain), harness.context())
    (item,) = carrier.parse(post(b"x", X_Kannel_From=value))
    assert isinstance(item, InboundText)
    assert item.sender == Phone(expected)
    await carrier.close()


@pytest.mark.parametrize(
    ("dlr", "expected"),
    [
        ("1", DeliveryReport(message_id="ab", status="delivered")),
        ("2", DeliveryReport(message_id="ab", status="failed", code="00B")),
        ("4", DeliveryReport(message_id="ab", status="sent")),
        ("8", DeliveryReport(message_id="ab", status="sent")),
        ("16", DeliveryReport(message_id="ab", status="failed", code="00B")),
    ],
)
async def test_reports(harness: KannelHarness, dlr: str, expected: DeliveryReport) -> None:
    """Each bit has its meaning; a failure carries the SMS centre's error."""
    assert harness.carrier.parse(get(f"id=ab&parts=1&dlr={dlr}&err=00B", "status")) == (expected,)


@pytest.mark.parametrize("parts", ["parts=2&", "parts=10&", "parts=&", ""])
async def test_the_first_part_is_not_the_text(harness: KannelHarness, parts: str) -> None:
    """That the first part of several arrived, or of an unknown number, is no more than that the text was sent."""
    (report,) = harness.carrier.parse(get(f"id=ab&{parts}dlr=1", "status"))
    assert report == DeliveryReport(message_id="ab", status="sent")
    (report,) = harness.carrier.parse(get(f"id=ab&{parts}dlr=16&err=00B", "status"))
    assert report == DeliveryReport(message_id="ab", status="failed", code="00B")


async def test_empty_text_is_no_report(harness: KannelHarness) -> None:
    """An empty text is a text; a call of the status path without a report is malformed, and no text."""
    (item,) = harness.carrier.parse(post(b""))
    assert isinstance(item, InboundText)
    assert item.text == ""
    with pytest.raises(Malformed, match=r"^dlr: "):
        harness.carrier.parse(get("id=ab&from=22395&text=x", "status"))


@pytest.mark.parametrize(
    ("query", "field"),
    [("from=22395&text=x", "id"), ("id=a+b&from=22395&text=x", "id"), ("id=ab&text=x", "from"), ("dlr=1", "id")],
)
async def test_malformed(harness: KannelHarness, query: str, field: str) -> None:
    """Each field that is missing is named."""
    with pytest.raises(Malformed, match=f"^{field}: ") as caught:
        harness.carrier.parse(get(query))
    assert caught.value.__context__ is None


async def test_answers(harness: KannelHarness) -> None:
    """What it answers is sorted: never, later, or nobody knows. Of a text cut in two a part may have been taken."""
    busy = http_response(503, b"Temporal failure, try again later.")
    starting = http_response(403, b"Authorization failed for sendsms")
    table = (
        (busy, "word", TryLater(1.0)),
        (starting, "word", TryLater(1.0)),
        (starting, "word " * 40, TryLater(1.0)),
        (busy, "word " * 40, UnknownOutcome()),
        (http_response(503, b"<html>proxy</html>"), "word", UnknownOutcome()),
        (http_response(403, b"Not routable. Do not try again."), "word", Rejected("http-403")),
        (http_response(400, b"Empty receiver number not allowed, rejected"), "word", Rejected("http-400")),
        (http_response(200, b"Sent."), "word", UnknownOutcome()),
    )
    for answer, text, expected in table:
        async with scripted_server(answer) as line:
            carrier = harness.elsewhere(line.url)
            outcome = await send_words(carrier, HANDSET, text, number=harness.number)
            assert outcome == expected
            await carrier.close()


async def test_a_login_that_stays_refused_is_refused_for_good(harness: KannelHarness) -> None:
    """A Kannel that starts refuses everybody for a moment; after twenty seconds of nothing else people are told.

    Any other answer, none at all, and a pause as long begin it anew: it may have been started again meanwhile.
    """
    refused, accepted = (
        http_response(403, b"Authorization failed for sendsms"),
        http_response(202, b"0: Accepted for delivery"),
    )
    busy = http_response(503, b"Temporal failure, try again later.")
    later, never, clock = TryLater(1.0), Rejected("login-refused"), [0.0]
    scripts: tuple[tuple[tuple[float, bytes, SendOutcome | type[Accepted]], ...], ...] = (
        ((0, refused, later), (19, refused, later), (20, refused, never), (39, refused, never), (60, refused, later)),
        ((0, refused, later), (10, accepted, Accepted), (12, refused, later), (25, refused, later), (33, refused, never)),
        ((0, refused, later), (10, busy, later), (12, refused, later), (25, refused, later)),
    )
    for script in scripts:
        carrier = harness.elsewhere("http://127.0.0.1:1")
        assert isinstance(carrier, KannelCarrier)
        carrier._clock = lambda: clock[0]
        for at, answer, expected in script:
            clock[0] = at
            async with scripted_server(answer) as line:
                carrier._send_url = f"{line.url}{KannelCarrier.send_path}"
                outcome = await send_words(carrier, HANDSET, "word", number=harness.number)
            assert isinstance(outcome, Accepted) if expected is Accepted else outcome == expected, (at, outcome)
        await carrier.close()


SPLIT = "x" * 66 + "🙂" + "y" * 80
"""Kannel would cut the emoji in two."""


@pytest.mark.parametrize(
    ("faults", "expected", "shown"),
    [
        ((), Accepted, [SPLIT]),
        ((Fault.BUSY,), TryLater, []),
        ((Fault.REFUSED,), Rejected, []),
        ((None, Fault.BUSY), UnknownOutcome, []),
        ((None, Fault.REFUSED), UnknownOutcome, []),
        ((None, None, Fault.SILENT_SENT), UnknownOutcome, [SPLIT]),
    ],
)
async def test_a_text_that_kannel_would_spoil_goes_in_parts(
    harness: KannelHarness, faults: tuple[Fault | None, ...], expected: type[SendOutcome], shown: list[str]
) -> None:
    """Each part is cut between letters; a refusal of the first is one of the text, a later one leaves it in doubt."""
    harness.vendor.faults.extend(faults)
    outcome = await send_words(harness.carrier, HANDSET, SPLIT, number=harness.number)
    assert isinstance(outcome, expected)
    assert await harness.texts_at_handset(HANDSET) == shown


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("x" * 153 * 10, True),
        ("x" * (153 * 10 + 1), False),
        ("ш" * 67 * 10, True),
        ("ш" * (67 * 10 + 1), False),
        ("x" * 66 + "🙂" + "y" * 67 * 300, False),
    ],
)
async def test_a_text_that_kannel_would_shorten(harness: KannelHarness, text: str, *, left: bool) -> None:
    """It drops the parts beyond its `max-messages`, and says that it accepted the text: such a text does not leave."""
    outcome = await send_words(harness.carrier, HANDSET, text, number=harness.number)
    assert isinstance(outcome, Accepted) if left else outcome == Rejected("too-many-parts")
    assert await harness.texts_at_handset(HANDSET) == ([text] if left else [])


async def test_status_url(harness: KannelHarness, tmp_path: Path) -> None:
    """Made from its settings, it asks for reports to the line's own status path with the secret segment."""
    file = tmp_path / "secret"
    file.write_text("x" * 32)
    settings = Settings(
        kind="kannel",
        username="u",
        password_file=file,
        path_secret_file=file,
        plain_numbers="international",
        region="US",
    )
    carrier = KannelCarrier(
        settings,
        AdapterContext(public_base_url="https://line.example", slug="demo", numbers=(), validity=30, clock=harness.clock),
    )
    assert carrier._status_url == f"https://line.example/carriers/demo/status/{'x' * 32}"
    assert carrier._minutes == 1
    await carrier.close()
