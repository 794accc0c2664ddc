"""What is Telnyx's own, beyond the table: its SDK's verification as oracle, and what it documents."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict
from pydantic import ValidationError

from bridge.carriers.adapter import (
    Accepted,
    AdapterContext,
    DeliveryReport,
    Ignored,
    InboundText,
    Malformed,
    Media,
    Rejected,
    Status,
    TryLater,
    UnknownOutcome,
    WebhookRequest,
)
from bridge.carriers.vendors import telnyx
from bridge.runtime.phone_number import Phone
from tests.bridge.carriers.harness import Fault
from tests.bridge.carriers.receiver import http_response, scripted_server
from tests.bridge.carriers.steps import HANDSET, PATHS, PROXIES, QUICK, parse_text, receive_text
from tests.bridge.carriers.telnyx_harness import NUMBER, REPORT, TEXT, TelnyxHarness, event, telnyx_harness
from tests.every_row import every_row
from tests.fakes import telnyx as fake
from tests.fakes.fake_carrier import send_words
from tests.fakes.telnyx import SENDER_CARRIER


@pytest.fixture
async def harness() -> AsyncIterator[TelnyxHarness]:
    async with telnyx_harness() as vendor_harness:
        yield vendor_harness


async def test_like_the_official_verification(harness: TelnyxHarness) -> None:
    """What Telnyx's own code accepts we accept, and what it rejects we reject, over whatever path and proxy it comes.

    Over blank and repeated fields, strange letters, times and signatures that are changed or missing.
    """
    from telnyx.lib import webhook_verification as official  # 1.8 s of CPU, in this process alone

    verdicts = set()

    @QUICK
    @given(
        words=st.text(max_size=30) | st.sampled_from(("", '{"data":{"id":"","id":"a"},"data":{}}')),
        path=st.sampled_from(PATHS),
        proxy=st.sampled_from(PROXIES),
        age=st.sampled_from([0, 0, 250, -250, 320, -320]),
        change=st.sampled_from(["nothing", "body", "time", "signature", "short", "no signature", "no time", "another key"]),
    )
    def attempt(words: str, path: str, proxy: dict[str, str], age: int, change: str) -> None:
        body = words.encode("utf-8", "replace")
        now = str(int(time.time()) - age)
        headers = harness.vendor.signed(body, now)
        match change:
            case "body":
                body += b" "
            case "time":
                headers["telnyx-timestamp"] = str(int(now) + 1)
            case "signature":
                headers["telnyx-signature-ed25519"] = "A" + headers["telnyx-signature-ed25519"][1:-3] + "A=="
            case "short":
                headers["telnyx-signature-ed25519"] = headers["telnyx-signature-ed25519"][:40]
            case "no signature":
                del headers["telnyx-signature-ed25519"]
            case "no time":
                headers["telnyx-timestamp"] = ""
            case "another key":
                headers["telnyx-signature-ed25519"] = "A" * 86 + "=="
        try:
            official.verify_webhook_signature(body, headers, harness.vendor.public_key)
        except official.WebhookVerificationError:
            right = False
        else:
            right = True
        request = WebhookRequest(raw_path=path, headers=CIMultiDict(headers | proxy), body=body)
        assert harness.carrier.verify(request) is right
        verdicts.add(right)

    attempt()
    assert verdicts == {True, False}


async def test_reads(harness: TelnyxHarness) -> None:
    """A text and a report are read field by field, as the SDK's types describe them."""
    item = harness.carrier.parse(harness.sign(event("message.received", TEXT | {"text": "hello"})))
    assert item == (
        InboundText(
            message_id=TEXT["id"],
            sender=Phone("+15555550101"),
            text="hello",
            to=NUMBER,
            media=(Media(url=TEXT["media"][0]["url"], content_type="image/png"),),
            at=datetime(2026, 1, 1, tzinfo=UTC),
        ),
    )
    report = harness.carrier.parse(harness.sign(event("message.finalized", REPORT)))
    assert report == (DeliveryReport(message_id=REPORT["id"], status="failed", code="40008"),)


@every_row(
    ("status", "expected"),
    [
        ("queued", None),
        ("sending", None),
        ("sent", "sent"),
        ("delivered", "delivered"),
        ("read", "delivered"),
        ("sending_failed", "failed"),
        ("delivery_failed", "failed"),
        ("expired", "failed"),
        ("delivery_unconfirmed", None),
    ],
)
async def test_status(harness: TelnyxHarness, status: str, expected: Status | None) -> None:
    """Each status of the SDK's list is ours or of no concern; an unconfirmed delivery is told neither done nor failed."""
    payload = REPORT | {"to": [{"status": status}], "errors": []}
    report = DeliveryReport(message_id=REPORT["id"], status=expected) if expected else Ignored("event")
    assert harness.carrier.parse(harness.sign(event("message.finalized", payload))) == (report,)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"type": "RCS"}, Ignored("channel")),
        ({"type": "WhatsApp"}, Ignored("channel")),
        ({"cc": [{"phone_number": "+15555550109"}]}, Ignored("group")),
        ({"to": [{"phone_number": NUMBER}, {"phone_number": "+15555550109"}]}, Ignored("group")),
    ],
)
async def test_not_taken(harness: TelnyxHarness, change: dict[str, Any], expected: Ignored) -> None:
    """Other channels and groups are understood and not taken, so that nobody answers into a group."""
    assert harness.carrier.parse(harness.sign(event("message.received", TEXT | change))) == (expected,)


async def test_picture_without_words(harness: TelnyxHarness) -> None:
    """A picture may come without a word; a text without words and pictures is malformed."""
    (item,) = harness.carrier.parse(harness.sign(event("message.received", TEXT | {"text": None})))
    assert isinstance(item, InboundText)
    assert item.text == ""
    with pytest.raises(Malformed, match=r"^text: "):
        harness.carrier.parse(harness.sign(event("message.received", TEXT | {"text": None, "media": []})))


@every_row(
    ("subject", "text", "expected"),
    [
        ("he took my phone", "call ana", "he took my phone\ncall ana"),
        ("STOP", None, "STOP"),
        ("STOP", " ", "STOP"),
        ("call ana", "call ana", "call ana"),
        ("NoSubject", "STOP", "STOP"),
        ("<no subject>", "STOP", "STOP"),
        ("no subject in court", "hi", "no subject in court\nhi"),
        ("", " a ", " a "),
        (None, "a", "a"),
        (7, "a", "a"),
    ],
)
async def test_the_subject_of_a_picture_is_words(harness: TelnyxHarness, subject: Any, text: Any, expected: str) -> None:
    """What a person wrote as the subject of an MMS is shown above the rest; what a phone wrote there is not."""
    words = TEXT | {"media": [], "subject": subject, "text": text}
    (item,) = harness.carrier.parse(harness.sign(event("message.received", words)))
    assert isinstance(item, InboundText)
    assert item.text == expected


async def test_her_carrier_is_not_read(harness: TelnyxHarness) -> None:
    """The carrier that the vendor looked up for the sender stands nowhere in what is read."""
    request = await receive_text(harness, "hello")
    assert SENDER_CARRIER.encode()[:6] in request.body
    item = parse_text(harness, request)
    assert SENDER_CARRIER not in repr((item.message_id, item.sender.reveal(), item.text, item.to, item.media, item.at))


@every_row(
    ("status", "code", "expected"),
    [
        (400, "40300", Rejected("40300", opted_out=True)),
        (422, "40300", Rejected("40300", opted_out=True)),
        (400, "40001", Rejected("40001")),
        (400, "40003", Rejected("40003")),
        (400, "40008", Rejected("40008")),
        (400, "40009", Rejected("40009")),
        (400, "40318", TryLater(60.0)),
        (400, "40011", TryLater(60.0)),
        (429, "10011", TryLater(1.0)),
        (401, "10009", Rejected("10009")),
        (400, "10007", UnknownOutcome()),
        (422, "10008", UnknownOutcome()),
        (400, "some words", Rejected("http-400")),
    ],
)
async def test_codes(harness: TelnyxHarness, status: int, code: str, expected: Any) -> None:
    """Each error code is permanent, for now, or says that the texter opted out at the vendor."""
    async with scripted_server(http_response(status, json.dumps({"errors": [{"code": code}]}).encode())) as line:
        carrier = harness.elsewhere(line.url)
        assert await send_words(carrier, HANDSET, "word", number=NUMBER) == expected
        await carrier.close()


@pytest.mark.parametrize(("words", "encoding"), [("word", None), ("it\u2019s 5 \u2014 come in", "ucs2"), ("{}€", None)])
async def test_no_letter_is_replaced(harness: TelnyxHarness, words: str, encoding: str | None) -> None:
    """What GSM-7 lacks is sent as UCS-2, so that no profile replaces a letter; others are left to it."""
    await send_words(harness.carrier, HANDSET, words, number=NUMBER)
    assert harness.vendor.encodings == [encoding]


@pytest.mark.parametrize("key", ["", "words", "AAAA", "A" * 44 + "===="])
def test_public_key(key: str, tmp_path: Any) -> None:
    """A public key that is none is told at the start, not by the first text."""
    with pytest.raises(ValidationError, match="not a public key"):
        telnyx.Settings(kind="telnyx", public_key=key, api_key_file=tmp_path / "key")


@pytest.mark.parametrize(
    ("numbers", "more", "expected"),
    [
        (("+15555550100",), {}, 1.0),
        (("+447700900001",), {}, 0.1),
        (("+15555550100", "+447700900001"), {}, 0.1),
        (("+447700900001",), {"texts_per_second": 1.0}, 1.0),
    ],
)
async def test_slower_abroad(
    harness: TelnyxHarness, numbers: tuple[str, ...], more: dict[str, float], expected: float
) -> None:
    """Outside the US a number sends a text every ten seconds, unless a person says that theirs sends more."""
    section = {"kind": "telnyx", "public_key": harness.vendor.public_key, "api_key_file": harness.secrets / "api_key"}
    carrier = telnyx.TelnyxCarrier(
        telnyx.Settings.model_validate(section | more),
        AdapterContext(
            public_base_url="https://text.example.org", slug="demo", numbers=numbers, validity=900, clock=harness.clock
        ),
    )
    assert carrier.rate.per_second == expected
    assert not carrier.rate.by_segment
    await carrier.close()


async def test_no_answer_is_asked_for_once_more(harness: TelnyxHarness) -> None:
    """A send to which no answer came is repeated with its key: the text leaves once, and that is known."""
    for fault in (fake.TelnyxFault(status=None, sent=True), fake.TelnyxFault(status=None)):
        harness.vendor.keys.clear()
        harness.vendor.texts_at_handset.clear()
        harness.vendor.faults.append(fault)
        assert isinstance(await send_words(harness.carrier, HANDSET, "once", number=NUMBER), Accepted)
        first, second = harness.vendor.keys
        assert first == second
        assert await harness.texts_at_handset(HANDSET) == ["once"]
    assert isinstance(await send_words(harness.carrier, HANDSET, "once", number=NUMBER), Accepted)
    assert harness.vendor.keys[-1] not in harness.vendor.keys[:-1]
    assert await harness.texts_at_handset(HANDSET) == ["once", "once"]


async def test_what_may_still_be_under_way_is_not_repeated(harness: TelnyxHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a time-out the first request may still run, and nobody says what the key does then."""
    methods: list[str] = []

    async def timed_out(_http: object, method: str, *_target: object, **_more: object) -> UnknownOutcome:
        methods.append(method)
        return UnknownOutcome(timed_out=True)

    monkeypatch.setattr(telnyx, "send_request", timed_out)
    assert isinstance(await send_words(harness.carrier, HANDSET, "once", number=NUMBER), UnknownOutcome)
    assert methods == ["POST"]


async def test_after_an_answer_nothing_is_repeated(harness: TelnyxHarness) -> None:
    """A 5xx is an answer, and Telnyx keeps none of those: a repetition could send the text a second time."""
    await harness.fault(Fault.BROKEN)
    assert isinstance(await send_words(harness.carrier, HANDSET, "once", number=NUMBER), UnknownOutcome)
    assert len(harness.vendor.keys) == 1
