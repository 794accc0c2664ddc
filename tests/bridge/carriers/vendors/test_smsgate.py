"""What is SMSGate's own, beyond the table that all adapters share."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from multidict import CIMultiDict
from pydantic import ValidationError

from bridge.carriers.adapter import (
    Accepted,
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
from bridge.carriers.multipart_reports import REMEMBERED, Parts
from bridge.carriers.vendors.smsgate import Settings
from bridge.runtime.phone_number import Phone
from policies.segments import segments
from tests.bridge.carriers.fake_stand import standing
from tests.bridge.carriers.own_stands import ENVELOPE, PAYLOAD, PICTURE, SmsGateStand
from tests.bridge.carriers.receiver import http, wire
from tests.bridge.carriers.stand import Fault
from tests.bridge.carriers.steps import HANDSET, in_doubt, one_text, read_text, sent
from tests.fakes import smsgate

LONG = "a long text, " * 40
PARTS = segments(LONG).count


@pytest.fixture
async def stand() -> AsyncIterator[SmsGateStand]:
    async with standing(SmsGateStand) as made:
        yield made


def read(stand: SmsGateStand, event: str, payload: dict[str, Any], envelope: str = "e1") -> Any:
    body = {"id": envelope, "event": event, "payload": payload}
    return stand.carrier.parse(stand.sign(json.dumps(body).encode()))


async def test_reads(stand: SmsGateStand) -> None:
    """A text is told by its envelope; its number is read by the region; its time has its zone."""
    at = datetime.fromisoformat(PAYLOAD["receivedAt"])
    text = InboundText(message_id="e1", sender=Phone("+16505551212"), text="x", to=stand.number, at=at)
    assert read(stand, "sms:received", PAYLOAD | {"message": "x"}) == (text,)
    assert at.utcoffset() is not None


async def test_same_words_twice(stand: SmsGateStand) -> None:
    """Two texts of the same words are two texts, though the app gives both the same `messageId`."""
    first = read_text(stand, await one_text(stand, "yes"))
    second = read_text(stand, await one_text(stand, "yes"))
    assert first.text == second.text
    assert first.message_id != second.message_id
    assert b'"messageId": "' in stand.receiver.requests[0].body


@pytest.mark.parametrize(
    ("sender", "expected"),
    [("(650) 555-1212", "+16505551212"), ("+447700900001", "+447700900001"), ("22395", "22395"), ("Verizon", "Verizon")],
)
async def test_national(stand: SmsGateStand, sender: str, expected: str) -> None:
    """Numbers come as the handset's network writes them."""
    (item,) = read(stand, "sms:received", PAYLOAD | {"sender": sender})
    assert item.sender == Phone(expected)


async def test_picture(stand: SmsGateStand) -> None:
    """A picture's words come through, with or without them; the picture itself is not kept."""
    (item,) = read(stand, "mms:downloaded", PICTURE | {"body": "look"})
    assert (item.text, item.media) == (PAYLOAD["message"], (Media(url="", content_type="image/jpeg"),))
    bare = {k: v for k, v in PICTURE.items() if k != "message"}
    assert read(stand, "mms:downloaded", bare | {"body": "look"})[0].text == "look"
    assert read(stand, "mms:downloaded", bare | {"body": None})[0].text == ""


async def test_other_events(stand: SmsGateStand) -> None:
    """What is no text is understood and not taken, whatever it holds."""
    for event in ("mms:received", "sms:data-received", "system:ping", "app:started", "something:new"):
        assert read(stand, event, {}) == (Unwanted("event"),)


async def test_short_key_refused(tmp_path: Path) -> None:
    """The app's default key of eight letters is no key; the error names the file's fault and not its content."""
    password, key = tmp_path / "password", tmp_path / "key"
    password.write_text("a password")
    told: dict[str, Any] = {
        "kind": "smsgate",
        "username": "sms",
        "password_file": str(password),
        "device_id": smsgate.DEVICE,
        "signing_key_file": str(key),
        "region": "US",
    }
    for short in ("s3cret12", "x" * 31):
        key.write_text(short + "\n")
        with pytest.raises(ValidationError, match=r"32 characters") as caught:
            Settings.model_validate(told)
        assert short not in str(caught.value)
    key.write_text("x" * 32)
    assert Settings.model_validate(told).api_base == "https://api.sms-gate.app/3rdparty/v1"


async def test_lost_answer_is_settled(stand: SmsGateStand) -> None:
    """A send whose answer was lost is asked again with the same id: the text leaves once, and that is known."""
    for fault in (Fault.SILENT_SENT, Fault.SILENT, Fault.BROKEN):
        stand.vendor.asked.clear()
        stand.vendor.arrived.clear()
        stand.vendor.faults.append(fault)
        outcome = await stand.carrier.send(Phone(HANDSET), "once", number=stand.number)
        first, second = stand.vendor.asked
        assert outcome == Accepted(first)
        assert first == second
        assert await stand.arrived(HANDSET) == ["once"]


async def test_refusal_settles_nothing(stand: SmsGateStand) -> None:
    """When the second request is refused, or asked to wait, the first may still have been taken: nobody knows."""
    for second in (Fault.REFUSED, Fault.BUSY, Fault.SILENT):
        stand.vendor.faults.extend((Fault.SILENT_SENT, second))
        assert isinstance(await stand.carrier.send(Phone(HANDSET), "once", number=stand.number), UnknownOutcome)
        assert not stand.vendor.faults
    assert await stand.arrived(HANDSET) == ["once"] * 3


async def test_ids_differ(stand: SmsGateStand) -> None:
    """Each text has an id of its own, so that the same words can be sent twice."""
    assert await sent(stand, "yes") != await sent(stand, "yes")
    assert await stand.arrived(HANDSET) == ["yes", "yes"]


async def test_answers(stand: SmsGateStand) -> None:
    """What phone or server answers is sorted: never, later, or nobody knows."""
    table = (
        (http(503, b'{"message": "queue limits exceeded: too many pending messages: 5 / 5"}'), TryLater(30.0)),
        (http(503, b'{"message": "upstream"}'), UnknownOutcome()),
        (http(400, b'{"message": "not mobile phone number"}'), Rejected("http-400")),
        (http(200, b"{}"), UnknownOutcome()),
    )
    for answer, expected in table:
        async with wire(answer) as line:
            carrier = stand.elsewhere(line.url)
            outcome = await carrier.send(Phone(HANDSET), "word", number=stand.number)
            assert in_doubt(stand, outcome) if isinstance(expected, UnknownOutcome) else outcome == expected
            await carrier.close()


async def test_conflict_at_once(stand: SmsGateStand) -> None:
    """A conflict in answer to the first request is about something else: it is no yes, and asking again makes it none."""
    async with wire(http(409)) as line:
        carrier = stand.elsewhere(line.url)
        assert in_doubt(stand, await carrier.send(Phone(HANDSET), "word", number=stand.number))
        assert line.requests == 1
        await carrier.close()


async def test_delivered_when_every_part_is(stand: SmsGateStand) -> None:
    """The phone reports each part by itself; a text is delivered with the last of them, and not twice by a repetition."""
    stand.vendor.part_by_part = True
    message_id = await sent(stand, LONG)
    requests = await stand.receiver.come(1 + PARTS)
    reports = [stand.carrier.parse(request)[0] for request in requests]
    assert [r.status for r in reports if isinstance(r, DeliveryReport)] == ["sent"] * PARTS + ["delivered"]
    assert {r.message_id for r in reports if isinstance(r, DeliveryReport)} == {message_id}


async def test_repeated_part_counts_once(stand: SmsGateStand) -> None:
    """A report that comes again under its envelope is not the next part."""
    read(stand, "sms:sent", {"messageId": "m", "partsCount": 2})
    told: tuple[tuple[str, Status], ...] = (("a", "sent"), ("a", "sent"), ("b", "delivered"), ("a", "delivered"))
    for envelope, status in told:
        (report,) = read(stand, "sms:delivered", {"messageId": "m"}, envelope)
        assert report == DeliveryReport(message_id="m", status=status)


async def test_parts_before_sent(stand: SmsGateStand) -> None:
    """Parts that are reported before the text's own report count as well, by our own estimate."""
    stand.vendor.part_by_part = True
    message_id = await sent(stand, LONG)
    statuses = [read(stand, "sms:delivered", {"messageId": message_id}, f"e{n}")[0].status for n in range(PARTS)]
    assert statuses == ["sent"] * (PARTS - 1) + ["delivered"]


async def test_forgotten_parts(stand: SmsGateStand) -> None:
    """Of a text that left before a restart it is never claimed that all of it arrived."""
    for envelope in ("a", "b", "c"):
        assert read(stand, "sms:delivered", {"messageId": "m"}, envelope)[0].status == "sent"


def test_parts_are_bounded() -> None:
    """However many texts and parts are told of, the memory is bounded; nonsense for a count changes nothing."""
    parts = Parts()
    parts.expected("first", 1)
    for n in range(REMEMBERED):
        parts.expected(str(n), 1)
    assert not parts.single("first")
    assert parts.single("0")
    for nonsense in (None, True, -1, 0, 10**9, "2", 1.0):
        parts.told("0", nonsense)
    assert parts.single("0")


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("Send result: RESULT_ERROR_NO_SERVICE (Failed because service is unavailable)", "RESULT_ERROR_NO_SERVICE"),
        ("TTL expired", "ttl-expired"),
        ("sendSMS: cannot text +15555550101", "phone"),
        ("", "phone"),
        (None, "phone"),
    ],
)
async def test_failures(stand: SmsGateStand, reason: Any, code: str) -> None:
    """A failure is told with the platform's own word and nothing else of its sentence."""
    report = DeliveryReport(message_id="m", status="failed", code=code)
    assert read(stand, "sms:failed", {"messageId": "m", "reason": reason}) == (report,)
    cancelled = DeliveryReport(message_id="m", status="failed", code="cancelled")
    assert read(stand, "sms:cancelled", {"messageId": "m"}) == (cancelled,)


async def test_status_of_long_text(stand: SmsGateStand) -> None:
    """The phone calls a text delivered when any part is; of a long one no more is said than "sent"."""
    assert (report := await stand.carrier.status(await sent(stand, LONG))) is not None
    assert report.status == "sent"
    stand.vendor.state = "Failed"
    assert (report := await stand.carrier.status(await sent(stand))) is not None
    assert report.status == "failed"
    stand.vendor.state = "Pending"
    assert await stand.carrier.status(await sent(stand)) is None


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (PAYLOAD | {"sender": None}, "sender"),
        (PAYLOAD | {"message": 7}, "message"),
        ({"sender": "22395"}, "message"),
        (PICTURE | {"attachments": "x"}, "attachments"),
        (PICTURE | {"attachments": [7]}, "attachments"),
    ],
)
async def test_malformed(stand: SmsGateStand, payload: dict[str, Any], field: str) -> None:
    """Each field that is not as documented is named."""
    with pytest.raises(Malformed, match=f"^{field}: ") as caught:
        read(stand, "sms:received", payload)
    assert caught.value.__context__ is None


async def test_signature_is_as_the_app_makes_it(stand: SmsGateStand) -> None:
    """A signature over body and time (`PayloadSingingPlugin.kt`), reckoned here by hand, is right; upper case is not."""
    body = json.dumps(ENVELOPE).encode()
    headers = smsgate.signed(body)
    request = replace(stand.sign(body), headers=CIMultiDict(headers))
    assert stand.carrier.verify(request)
    upper = CIMultiDict(headers | {"X-Signature": headers["X-Signature"].upper()})
    assert not stand.carrier.verify(replace(request, headers=upper))


async def test_says_what_it_keeps(stand: SmsGateStand) -> None:
    """Nothing is deleted, and nothing is cancelled by the way: the phone keeps its texts, and that is said."""
    outcome = await stand.carrier.delete_copy(await sent(stand))
    assert isinstance(outcome, CannotDelete)
    assert "phone keeps" in outcome.why
