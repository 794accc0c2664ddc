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

from bridge.carriers import client_credentials
from bridge.carriers.adapter import (
    CannotDelete,
    DeliveryReport,
    InboundText,
    Malformed,
    Media,
    Rejected,
    Status,
    TryLater,
    UnknownOutcome,
    Unwanted,
)
from bridge.runtime.phone_number import Phone
from tests.bridge.carriers.cloud_stands import EVENT, FAILED, MESSAGE, BandwidthStand
from tests.bridge.carriers.fake_stand import PATH, PATH_SECRET, standing
from tests.bridge.carriers.receiver import http, wire
from tests.bridge.carriers.steps import HANDSET, one_text, sent
from tests.fakes import bandwidth


@pytest.fixture
async def stand() -> AsyncIterator[BandwidthStand]:
    async with standing(BandwidthStand) as made:
        yield made


def read(stand: BandwidthStand, *events: Any) -> Any:
    return stand.carrier.parse(stand.sign(json.dumps(events).encode()))


async def test_needs_both_secrets(stand: BandwidthStand) -> None:
    """Neither the right path with wrong credentials nor the right credentials on another path are enough."""
    request = stand.sign(b"[]")
    assert stand.carrier.verify(request)
    for path in (
        "",
        "/",
        f"{PATH}/inbound",
        f"{PATH}/inbound/",
        f"{PATH}/inbound/{PATH_SECRET}x",
        f"{PATH}/{PATH_SECRET}/x",
    ):
        assert not stand.carrier.verify(replace(request, raw_path=path))
    for login in (("callback", ""), ("", "påss"), ("callbac", "kpåss"), bandwidth.LOGIN):
        headers = CIMultiDict({"Authorization": bandwidth.basic(*login)})
        assert not stand.carrier.verify(replace(request, headers=headers))


async def test_reads(stand: BandwidthStand) -> None:
    """A text is read field by field; its time is the message's."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    text = InboundText(message_id="00ff", sender=Phone(HANDSET), text="x", to=stand.number, at=at)
    assert read(stand, EVENT | {"message": MESSAGE | {"text": "x"}}) == (text,)


async def test_several_events(stand: BandwidthStand) -> None:
    """An array may hold several events, and all of them count, in their order."""
    delivered = {"type": "message-delivered", "message": {"id": "a"}}
    assert [type(item) for item in read(stand, EVENT, delivered, EVENT)] == [InboundText, DeliveryReport, InboundText]


async def test_picture_without_words(stand: BandwidthStand) -> None:
    """A picture comes with its address and without words, and is not fetched."""
    url = f"{stand.receiver.url}/media/1"
    message = {k: v for k, v in MESSAGE.items() if k != "text"} | {"media": [url], "channel": "MMS"}
    (item,) = read(stand, EVENT | {"message": message})
    assert (item.text, item.media) == ("", (Media(url=url, content_type=""),))
    assert stand.receiver.requests == []


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (MESSAGE | {"channel": "RBM"}, "channel"),
        (MESSAGE | {"to": ["+15555550100", "+15555550102"]}, "group"),
        (MESSAGE | {"from": "+15555550101,+15555550102"}, "group"),
    ],
)
async def test_no_texts_to_us(stand: BandwidthStand, message: dict[str, Any], why: str) -> None:
    """A group or another channel is understood and not taken."""
    assert read(stand, EVENT | {"message": message}) == (Unwanted(why),)  # type: ignore[arg-type]


async def test_other_events(stand: BandwidthStand) -> None:
    """An event that is new to us is no reason to be called again for a day."""
    assert read(stand, {"type": "message-sending", "message": {}}) == (Unwanted("event"),)
    assert read(stand, {"type": "something-new", "message": {}}) == (Unwanted("event"),)


@pytest.mark.parametrize(
    ("code", "status", "told"),
    [
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
async def test_failures(stand: BandwidthStand, code: Any, status: Status, told: str) -> None:
    """A failure is told with its code; one that says nothing of what became of the text is no failure."""
    report = DeliveryReport(message_id="00ff", status=status, code=told)
    assert read(stand, FAILED | {"errorCode": code}) == (report,)


@pytest.mark.parametrize(
    ("field", "value"),
    [("id", None), ("id", "a b"), ("from", None), ("from", 7), ("text", 7), ("media", {}), ("media", [7])],
)
async def test_malformed(stand: BandwidthStand, field: str, value: Any) -> None:
    """One event that is not as documented is told as that, and the others of its array are read all the same."""
    wrong = EVENT | {"message": MESSAGE | {field: value}}
    first, second, third = read(stand, EVENT, wrong, EVENT)
    assert second == Unwanted("malformed")
    assert isinstance(first, InboundText)
    assert first == third


@pytest.mark.parametrize("event", [7, None, [], {"type": "message-received"}, {"type": "message-sent", "message": {}}])
async def test_an_event_that_is_none(stand: BandwidthStand, event: Any) -> None:
    """An event without its message is no reason to be called again for a day."""
    assert read(stand, event) == (Unwanted("malformed"),)


async def test_events_missing(stand: BandwidthStand) -> None:
    """Nothing at all, or an object, is malformed."""
    for body in (b"[]", b"{}", b"7", b"words"):
        with pytest.raises(Malformed):
            stand.carrier.parse(stand.sign(body))


async def test_expires(stand: BandwidthStand) -> None:
    """Each text carries the time after which it must not be sent any more (the fake looks at it)."""
    await sent(stand)
    stand.clock.ahead = -86_400
    assert await stand.carrier.send(Phone(HANDSET), "x", number=stand.number) == UnknownOutcome()


async def test_answers(stand: BandwidthStand) -> None:
    """What the API answers is sorted: never, later, or nobody knows."""
    table = (
        (http(400, b'{"type": "request-validation"}'), Rejected("request-validation")),
        (http(400, b'{"type": "s3cret words of the text"}'), Rejected("http-400")),
        (http(415, b"[]"), Rejected("http-415")),
        (http(429, b"{}", headers="Retry-After: 9\r\n"), TryLater(9.0)),
        (http(202, b'{"id": "a b"}'), UnknownOutcome()),
        (http(200, b'{"id": "ab"}'), UnknownOutcome()),
    )
    for answer, expected in table:
        async with wire(answer) as line:
            carrier = stand.elsewhere(line.url)
            assert await carrier.send(Phone(HANDSET), "word", number=stand.number) == expected
            await carrier.close()


@pytest.mark.parametrize(
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
async def test_status(stand: BandwidthStand, record: dict[str, Any], expected: DeliveryReport | None) -> None:
    """What its records say of a text is what a report would have said; another text's record says nothing."""
    body = json.dumps({"messages": [7, {"messageId": "ab"} | record]}).encode()
    async with wire(http(200, body)) as line:
        carrier = stand.elsewhere(line.url)
        got = await carrier.status("ab")
        assert (got and replace(got, code=got.code or "0")) == expected
        await carrier.close()


async def test_any_order(stand: BandwidthStand) -> None:
    """Reports that come in the wrong order are read all the same; what is final is not this module's to judge."""
    stand.vendor.reports = ({"type": "message-delivered"}, {"type": "message-sent"})
    message_id = await sent(stand)
    reports = [stand.carrier.parse(request) for request in await stand.receiver.come(2)]
    assert reports == [
        (DeliveryReport(message_id=message_id, status="delivered"),),
        (DeliveryReport(message_id=message_id, status="sent"),),
    ]


async def test_says_what_it_keeps(stand: BandwidthStand) -> None:
    """It holds no words to delete; numbers it keeps, and says so."""
    outcome = await stand.carrier.delete_copy((await one_text(stand)).raw_path)
    assert isinstance(outcome, CannotDelete)
    assert "numbers" in outcome.why


async def test_one_token_for_many(stand: BandwidthStand) -> None:
    """A token is asked for once, kept while it is good, and renewed before its end."""
    await asyncio.gather(*(sent(stand, str(n)) for n in range(5)))
    assert await stand.carrier.status("never-was") is None
    assert stand.vendor.given == 1
    stand.clock.ahead = 3530
    assert await stand.carrier.status("never-was") is None
    assert stand.vendor.given == 1
    stand.clock.ahead = 3550
    assert await stand.carrier.status("never-was") is None
    assert stand.vendor.given == 2


async def test_a_token_that_ended_early(stand: BandwidthStand) -> None:
    """A token that the vendor takes no more costs one refusal: a new one is fetched, and the text leaves once."""
    await sent(stand, "one")
    stand.vendor.tokens.clear()
    await sent(stand, "two")
    assert stand.vendor.given == 2
    assert await stand.arrived(HANDSET) == ["one", "two"]


async def test_a_refused_client(stand: BandwidthStand, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that gets no token sends nothing, and waiting does not help."""
    monkeypatch.setattr(bandwidth, "LOGIN", ("another", "client"))
    assert await stand.carrier.send(Phone(HANDSET), "word", number=stand.number) == Rejected("http-401")
    assert await stand.arrived(HANDSET) == []


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (http(500), TryLater(5.0)),
        (http(429, headers="Retry-After: 9\r\n"), TryLater(9.0)),
        (http(302, headers="Location: /\r\n"), TryLater(5.0)),
        (http(200, b"<html>welcome to the hotel</html>"), TryLater(5.0)),
        (http(200, b'{"access_token": "two\\r\\nlines"}'), TryLater(5.0)),
        (http(200, b'{"access_token": 7}'), TryLater(5.0)),
        (b"", TryLater(5.0)),
        (http(400, b'{"error": "invalid_client"}'), Rejected("http-400")),
    ],
)
async def test_no_token_no_text(stand: BandwidthStand, answer: bytes, expected: Any) -> None:
    """Without a token nothing was sent, which is certain whatever the vendor's tokens suffer from."""
    async with wire(answer) as line:
        carrier: Any = stand.carrier
        carrier._api._url = line.url
        assert await stand.carrier.send(Phone(HANDSET), "word", number=stand.number) == expected
        assert line.requests == 1
    assert await stand.arrived(HANDSET) == []


async def test_those_who_wait_for_a_token_share_a_failure(stand: BandwidthStand) -> None:
    """Texts that wait behind a token that never comes are given up with it, and none leaves by a try of its own, late."""
    asked, over = 0, asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await reader.readuntil(b"\r\n\r\n")
        asked += 1
        await over.wait()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        carrier: Any = stand.carrier
        right, carrier._api._url = carrier._api._url, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        sending = (stand.carrier.send(Phone(HANDSET), "word", number=stand.number) for _ in range(5))
        assert await asyncio.gather(*sending) == [TryLater(5.0)] * 5
        assert asked == 1
        over.set()
    carrier._api._url = right
    await sent(stand, "afterwards")
    assert await stand.arrived(HANDSET) == ["afterwards"]


async def test_no_token_is_waited_for_for_long(stand: BandwidthStand, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be begun soon after it was asked for is given up, though there would be a token by and by."""
    monkeypatch.setattr(client_credentials, "WITHIN", 0.1)
    carrier: Any = stand.carrier
    async with carrier._api._turn:
        assert await stand.carrier.send(Phone(HANDSET), "word", number=stand.number) == TryLater(5.0)
    monkeypatch.undo()
    await sent(stand, "in time")
    monkeypatch.setattr(client_credentials, "WITHIN", 0.0)
    assert await stand.carrier.send(Phone(HANDSET), "late", number=stand.number) == TryLater(5.0)
    assert await stand.arrived(HANDSET) == ["in time"]


async def test_a_token_of_any_length(stand: BandwidthStand) -> None:
    """A token that is said to be good for ages is asked for again after a day."""
    async with wire(http(200, b'{"access_token": "abc", "expires_in": 1' + b"0" * 400 + b"}")) as line:
        carrier: Any = stand.carrier
        carrier._api._url = line.url
        stand.vendor.tokens.add("abc")
        for ahead, asked in ((0, 1), (86_000, 1), (86_400, 2)):
            stand.clock.ahead = ahead
            assert await stand.carrier.status("never-was") is None
            assert line.requests == asked


async def test_a_token_of_unknown_length(stand: BandwidthStand) -> None:
    """A token whose end is not told is kept for minutes, not for ever."""
    async with wire(http(200, b'{"access_token": "abc", "expires_in": "soon"}')) as line:
        carrier: Any = stand.carrier
        carrier._api._url = line.url
        stand.vendor.tokens.add("abc")
        for ahead, asked in ((0, 1), (200, 1), (300, 2)):
            stand.clock.ahead = ahead
            assert await stand.carrier.status("never-was") is None
            assert line.requests == asked
