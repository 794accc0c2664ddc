"""What is Bandwidth's own, beyond the table that all adapters share."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from multidict import CIMultiDict

from bridge.carriers.adapter import (
    CannotDelete,
    DeliveryReport,
    Ignored,
    InboundText,
    Media,
    Rejected,
    Status,
    TryLater,
    UnknownOutcome,
)
from bridge.runtime.phone_number import Phone
from tests.bridge.carriers.cloud_harnesses import EVENT, FAILED, MESSAGE, BandwidthHarness
from tests.bridge.carriers.receiver import http_response, scripted_server
from tests.bridge.carriers.steps import HANDSET, receive_text, send_text
from tests.bridge.carriers.vendor_harness import PATH, PATH_SECRET, running_harness
from tests.every_row import every_row
from tests.fakes import bandwidth
from tests.fakes.fake_carrier import send_words


@pytest.fixture
async def harness() -> AsyncIterator[BandwidthHarness]:
    async with running_harness(BandwidthHarness) as vendor_harness:
        yield vendor_harness


def read(harness: BandwidthHarness, *events: Any) -> Any:
    return harness.carrier.parse(harness.sign(json.dumps(events).encode()))


async def test_needs_both_secrets(harness: BandwidthHarness) -> None:
    """Neither the right path with wrong credentials nor the right credentials on another path are enough."""
    request = harness.sign(b"[]")
    assert harness.carrier.verify(request)
    for path in (
        "",
        "/",
        f"{PATH}/inbound",
        f"{PATH}/inbound/",
        f"{PATH}/inbound/{PATH_SECRET}x",
        f"{PATH}/{PATH_SECRET}/x",
    ):
        assert not harness.carrier.verify(replace(request, raw_path=path))
    for login in (("callback", ""), ("", "påss"), ("callbac", "kpåss"), bandwidth.LOGIN):
        headers = CIMultiDict({"Authorization": bandwidth.basic(*login)})
        assert not harness.carrier.verify(replace(request, headers=headers))


async def test_reads(harness: BandwidthHarness) -> None:
    """A text is read field by field; its time is the message's."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    text = InboundText(message_id="00ff", sender=Phone(HANDSET), text="x", to=harness.number, at=at)
    assert read(harness, EVENT | {"message": MESSAGE | {"text": "x"}}) == (text,)


async def test_several_events(harness: BandwidthHarness) -> None:
    """An array may hold several events, and all of them count, in their order."""
    delivered = {"type": "message-delivered", "message": {"id": "a"}}
    assert [type(item) for item in read(harness, EVENT, delivered, EVENT)] == [InboundText, DeliveryReport, InboundText]


async def test_picture_without_words(harness: BandwidthHarness) -> None:
    """A picture comes with its address and without words, and is not fetched."""
    url = f"{harness.receiver.url}/media/1"
    message = {k: v for k, v in MESSAGE.items() if k != "text"} | {"media": [url], "channel": "MMS"}
    (item,) = read(harness, EVENT | {"message": message})
    assert (item.text, item.media) == ("", (Media(url=url, content_type=""),))
    assert harness.receiver.requests == []


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (MESSAGE | {"channel": "RBM"}, "channel"),
        (MESSAGE | {"to": ["+15555550100", "+15555550102"]}, "group"),
        (MESSAGE | {"from": "+15555550101,+15555550102"}, "group"),
    ],
)
async def test_no_texts_to_us(harness: BandwidthHarness, message: dict[str, Any], why: str) -> None:
    """A group or another channel is understood and not taken."""
    assert read(harness, EVENT | {"message": message}) == (Ignored(why),)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("names", "text", "shown"),
    [
        (["0.smil"], "hello", 0),
        (["a.xml?x=1", "1.jpg"], None, 1),
        (["LAYOUT.XML"], "hello", 0),
        (["a.xml"], "", 1),
        (["note.txt", "1.vcf"], "hello", 2),
    ],
)
async def test_a_layout_is_no_picture(harness: BandwidthHarness, names: list[str], text: str | None, shown: int) -> None:
    """A long text may come as an MMS with a file for its layout: nobody sent a picture, and none is answered.

    Where nothing else came, something is shown.
    """
    media = [f"https://media.example/{name}" for name in names]
    (item,) = read(harness, EVENT | {"message": MESSAGE | {"channel": "MMS", "media": media, "text": text}})
    assert isinstance(item, InboundText)
    assert (item.text, len(item.media)) == (text or "", shown)


@pytest.mark.parametrize("kind", ["suggestion-response", "requested-location-response"])
async def test_an_answer_over_rcs_is_told(harness: BandwidthHarness, kind: str) -> None:
    """Who answers over RCS is on another channel, of which the desk hears."""
    assert read(harness, {"type": kind, "message": MESSAGE | {"channel": "RBM"}}) == (Ignored("channel"),)


@every_row(
    ("code", "status", "reason"),
    [
        (4475, "opted_out", "4475"),
        (4775, "opted_out", "4775"),
        (4720, "failed", "4720"),
        (4781, "failed", "4781"),
        (5600, "failed", "5600"),
        (9902, "sent", "9902"),
        (9999, "sent", "9999"),
        ("words", "failed", ""),
        (None, "failed", ""),
    ],
)
async def test_failures(harness: BandwidthHarness, code: Any, status: Status, reason: str) -> None:
    """A failure is told with its code; one that says nothing of what became of the text is no failure."""
    report = DeliveryReport(message_id="00ff", status=status, code=reason)
    assert read(harness, FAILED | {"errorCode": code}) == (report,)


@every_row(
    ("field", "value"),
    [("id", None), ("id", "a b"), ("from", None), ("from", 7), ("text", 7), ("media", {}), ("media", [7])],
)
async def test_malformed(harness: BandwidthHarness, field: str, value: Any) -> None:
    """One event that is not as documented is told as that, and the others of its array are read all the same."""
    wrong = EVENT | {"message": MESSAGE | {field: value}}
    first, second, third = read(harness, EVENT, wrong, EVENT)
    assert second == Ignored("malformed")
    assert isinstance(first, InboundText)
    assert first == third


async def test_expires(harness: BandwidthHarness) -> None:
    """Each text carries the time after which it must not be sent any more (the fake looks at it)."""
    await send_text(harness)
    harness.clock.ahead = -86_400
    assert await send_words(harness.carrier, HANDSET, "x", number=harness.number) == UnknownOutcome()


async def test_answers(harness: BandwidthHarness) -> None:
    """What the API answers is sorted: never, later, or nobody knows."""
    table = (
        (http_response(400, b'{"type": "request-validation"}'), Rejected("request-validation")),
        (http_response(400, b'{"type": "s3cret words of the text"}'), Rejected("http-400")),
        (http_response(415, b"[]"), Rejected("http-415")),
        (http_response(429, b"{}", headers="Retry-After: 9\r\n"), TryLater(9.0)),
        (http_response(202, b'{"id": "a b"}'), UnknownOutcome()),
        (http_response(200, b'{"id": "ab"}'), UnknownOutcome()),
    )
    for answer, expected in table:
        async with scripted_server(answer) as line:
            carrier = harness.elsewhere(line.url)
            assert await send_words(carrier, HANDSET, "word", number=harness.number) == expected
            await carrier.close()


@every_row(
    ("record", "expected"),
    [
        ({"messageStatus": "SENT"}, DeliveryReport(message_id="ab", status="sent", code="0")),
        ({"messageStatus": "FAILED", "errorCode": 4720}, DeliveryReport(message_id="ab", status="failed", code="4720")),
        ({"messageStatus": "FAILED", "errorCode": 9902}, DeliveryReport(message_id="ab", status="sent", code="9902")),
        ({"messageStatus": "QUEUED"}, None),
        ({"messageStatus": ["SENT"]}, None),
        ({"messageId": "other", "messageStatus": "SENT"}, None),
    ],
)
async def test_status(harness: BandwidthHarness, record: dict[str, Any], expected: DeliveryReport | None) -> None:
    """What its records say of a text is what a report would have said; another text's record says nothing."""
    body = json.dumps({"messages": [7, {"messageId": "ab"} | record]}).encode()
    async with scripted_server(http_response(200, body)) as line:
        carrier = harness.elsewhere(line.url)
        got = await carrier.status("ab")
        assert (got and replace(got, code=got.code or "0")) == expected
        await carrier.close()


async def test_says_what_it_keeps(harness: BandwidthHarness) -> None:
    """It holds no words to delete; numbers it keeps, and says so."""
    outcome = await harness.carrier.delete_copy((await receive_text(harness)).raw_path)
    assert isinstance(outcome, CannotDelete)
    assert "numbers" in outcome.reason


async def test_one_token_for_many(harness: BandwidthHarness) -> None:
    """A token is asked for once, kept while it is good, and renewed before its end."""
    await asyncio.gather(*(send_text(harness, str(n)) for n in range(5)))
    assert await harness.carrier.status("never-was") is None
    assert harness.vendor.given == 1
    harness.clock.ahead = 3530
    assert await harness.carrier.status("never-was") is None
    assert harness.vendor.given == 1
    harness.clock.ahead = 3550
    assert await harness.carrier.status("never-was") is None
    assert harness.vendor.given == 2


async def test_a_token_that_ended_early(harness: BandwidthHarness) -> None:
    """A token that the vendor takes no more costs one refusal: a new one is fetched, and the text leaves once."""
    await send_text(harness, "one")
    harness.vendor.tokens.clear()
    await send_text(harness, "two")
    assert harness.vendor.given == 2
    assert await harness.texts_at_handset(HANDSET) == ["one", "two"]


async def test_a_refused_client(harness: BandwidthHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that gets no token sends nothing, and waiting does not help."""
    monkeypatch.setattr(bandwidth, "LOGIN", ("another", "client"))
    assert await send_words(harness.carrier, HANDSET, "word", number=harness.number) == Rejected("http-401")
    assert await harness.texts_at_handset(HANDSET) == []


@every_row(
    ("answer", "expected"),
    [
        (http_response(500), TryLater(5.0)),
        (http_response(429, headers="Retry-After: 9\r\n"), TryLater(9.0)),
        (http_response(302, headers="Location: /\r\n"), TryLater(5.0)),
        (http_response(200, b"<html>welcome to the hotel</html>"), TryLater(5.0)),
        (http_response(200, b'{"access_token": "two\\r\\nlines"}'), TryLater(5.0)),
        (http_response(200, b'{"access_token": 7}'), TryLater(5.0)),
        (b"", TryLater(5.0)),
        (http_response(400, b'{"error": "invalid_client"}'), Rejected("http-400")),
    ],
)
async def test_no_token_no_text(harness: BandwidthHarness, answer: bytes, expected: Any) -> None:
    """Without a token nothing was sent, which is certain whatever the vendor's tokens suffer from."""
    async with scripted_server(answer) as line:
        carrier: Any = harness.carrier
        carrier._api._url = line.url
        assert await send_words(harness.carrier, HANDSET, "word", number=harness.number) == expected
        assert line.requests == 1
    assert await harness.texts_at_handset(HANDSET) == []


async def test_those_who_wait_for_a_token_share_a_failure(harness: BandwidthHarness) -> None:
    """Texts that wait behind a token that never comes are given up with it, and none leaves by a try of its own, late."""
    requests = 0

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await reader.readuntil(b"\r\n\r\n")
        requests += 1
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        carrier: Any = harness.carrier
        right, carrier._api._url = carrier._api._url, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        sending = (send_words(harness.carrier, HANDSET, "word", number=harness.number) for _ in range(5))
        assert await asyncio.gather(*sending) == [TryLater(5.0)] * 5
        assert requests == 1
    carrier._api._url = right
    await send_text(harness, "afterwards")
    assert await harness.texts_at_handset(HANDSET) == ["afterwards"]
