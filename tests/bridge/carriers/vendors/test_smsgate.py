"""What is SMSGate's own, beyond the table that all adapters share."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from multidict import CIMultiDict
from pydantic import ValidationError

from bridge.carriers.adapter import (
    Accepted,
    AdapterContext,
    CannotDelete,
    DeliveryReport,
    InboundText,
    Malformed,
    Media,
    Rejected,
    TryLater,
    UnknownOutcome,
)
from bridge.carriers.vendors.smsgate import MAX_TEXTS, PartCounts, Settings, SmsGateCarrier
from bridge.runtime.phone_number import Phone
from policies.segments import segments
from tests.bridge.carriers.harness import Fault
from tests.bridge.carriers.receiver import http_response, scripted_server
from tests.bridge.carriers.self_hosted_harnesses import ENVELOPE, PAYLOAD, PICTURE, SmsGateHarness
from tests.bridge.carriers.steps import HANDSET, listing, parse_text, send_text
from tests.bridge.carriers.vendor_harness import running_harness
from tests.fakes import smsgate
from tests.fakes.fake_carrier import send_words

LONG = "a long text, " * 40
PARTS = segments(LONG).count


@pytest.fixture
async def harness() -> AsyncIterator[SmsGateHarness]:
    async with running_harness(SmsGateHarness) as vendor_harness:
        yield vendor_harness


def read(harness: SmsGateHarness, event: str, payload: dict[str, Any], envelope: str = "e1") -> Any:
    body = {"id": envelope, "event": event, "payload": payload}
    return harness.carrier.parse(harness.sign(json.dumps(body).encode()))


async def test_reads(harness: SmsGateHarness) -> None:
    """A number is read by the region; a time has its zone; the id shows neither the sender nor the words."""
    at = datetime.fromisoformat(PAYLOAD["receivedAt"])
    (item,) = read(harness, "sms:received", PAYLOAD | {"message": "x"})
    text = InboundText(message_id=item.message_id, sender=Phone("+16505551212"), text="x", to=harness.number, at=at)
    assert item == text
    assert at.utcoffset() is not None
    assert re.fullmatch("[0-9a-f]{64}", item.message_id)


async def test_one_text_in_two_envelopes(harness: SmsGateHarness) -> None:
    """A text that the app sends twice has one id, in whatever form the time is; another sender's or time's has another."""
    at = "2026-01-01T00:00:05"
    (first,) = read(harness, "sms:received", PAYLOAD | {"receivedAt": f"{at}.000+07:00"}, "e1")
    (second,) = read(harness, "sms:received", PAYLOAD | {"receivedAt": f"{at}+07:00", "simNumber": None}, "e2")
    assert first.message_id == second.message_id
    for other in ({"sender": "6505551213"}, {"receivedAt": "2026-01-01T00:00:06+07:00"}, {"messageId": "00fe"}):
        (item,) = read(harness, "sms:received", PAYLOAD | {"receivedAt": f"{at}+07:00"} | other, "e3")
        assert item.message_id != first.message_id


@pytest.mark.parametrize("lacks", ["receivedAt", "messageId"])
async def test_a_text_that_says_too_little_is_its_envelope(harness: SmsGateHarness, lacks: str) -> None:
    """Without a time or a content hash two texts could be taken for one: then the envelope identifies the text."""
    payload = {name: value for name, value in PAYLOAD.items() if name != lacks}
    assert [read(harness, "sms:received", payload, envelope)[0].message_id for envelope in ("e1", "e2")] == ["e1", "e2"]


async def test_an_older_app_calls_the_sender_by_another_name(harness: SmsGateHarness) -> None:
    """A text that bears `phoneNumber` only is a text; where both stand, `sender` counts."""
    older = {key: value for key, value in PAYLOAD.items() if key != "sender"} | {"phoneNumber": "+447700900001"}
    for payload, expected in ((older, "+447700900001"), (older | {"sender": "22395"}, "22395")):
        (item,) = read(harness, "sms:received", payload)
        assert item.sender == Phone(expected)


async def test_picture(harness: SmsGateHarness) -> None:
    """A picture's words come through, with or without them; the picture itself is not kept."""
    (item,) = read(harness, "mms:downloaded", PICTURE | {"body": "look"})
    assert (item.text, item.media) == (PAYLOAD["message"], (Media(url="", content_type="image/jpeg"),))
    bare = {k: v for k, v in PICTURE.items() if k != "message"}
    assert read(harness, "mms:downloaded", bare | {"body": "look"})[0].text == "look"
    assert read(harness, "mms:downloaded", bare | {"body": None})[0].text == ""
    assert read(harness, "mms:downloaded", bare | {"body": "look", "subject": "help me"})[0].text == "help me\nlook"
    assert read(harness, "mms:downloaded", bare | {"body": None, "subject": "help me"})[0].text == "help me"


async def test_short_key_refused(tmp_path: Path) -> None:
    """The app's default key of eight letters is no key; the error names the file's fault and not its content."""
    password, key = tmp_path / "password", tmp_path / "key"
    password.write_text("a password")
    section: dict[str, Any] = {
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
            Settings.model_validate(section)
        assert short not in str(caught.value)
    key.write_text("x" * 32)
    assert Settings.model_validate(section).api_base == "https://api.sms-gate.app/3rdparty/v1"


async def test_lost_answer_is_settled(harness: SmsGateHarness) -> None:
    """A send whose answer was lost is asked again with the same id: the text leaves once, and that is known."""
    for fault in (Fault.SILENT_SENT, Fault.SILENT, Fault.BROKEN):
        harness.vendor.asked.clear()
        harness.vendor.texts_at_handset.clear()
        harness.vendor.faults.append(fault)
        outcome = await send_words(harness.carrier, HANDSET, "once", number=harness.number)
        first, second = harness.vendor.asked
        assert outcome == Accepted(first)
        assert first == second
        assert await harness.texts_at_handset(HANDSET) == ["once"]


async def test_refusal_settles_nothing(harness: SmsGateHarness) -> None:
    """When the second request is refused, or asked to wait, the first may still have been taken: nobody knows."""
    for second in (Fault.REFUSED, Fault.BUSY, Fault.SILENT):
        harness.vendor.faults.extend((Fault.SILENT_SENT, second))
        assert isinstance(
            await send_words(harness.carrier, HANDSET, "once", number=harness.number),
            UnknownOutcome,
        )
        assert not harness.vendor.faults
    assert await harness.texts_at_handset(HANDSET) == ["once"] * 3


async def test_answers(harness: SmsGateHarness) -> None:
    """What phone or server answers is sorted: never, later, or nobody knows."""
    table = (
        (http_response(503, b'{"message": "queue limits exceeded: too many pending messages: 5 / 5"}'), TryLater(30.0)),
        (http_response(503, b'{"message": "failed to enqueue message: queue limits exceeded"}'), TryLater(30.0)),
        (http_response(503, b'{"message": "upstream"}'), UnknownOutcome()),
        (http_response(400, b'{"message": "not mobile phone number"}'), Rejected("http-400")),
        (http_response(200, b"{}"), UnknownOutcome()),
    )
    for answer, expected in table:
        async with scripted_server(answer) as line:
            carrier = harness.elsewhere(line.url)
            outcome = await send_words(carrier, HANDSET, "word", number=harness.number)
            assert outcome == expected
            await carrier.close()


async def test_delivered_when_every_part_is(harness: SmsGateHarness) -> None:
    """The phone reports each part by itself; a text is delivered with the last of them, and not twice by a repetition."""
    harness.vendor.part_by_part = True
    message_id = await send_text(harness, LONG)
    requests = await harness.receiver.come(1 + PARTS)
    reports = [harness.carrier.parse(request)[0] for request in requests]
    assert [r.status for r in reports if isinstance(r, DeliveryReport)] == ["sent"] * PARTS + ["delivered"]
    assert {r.message_id for r in reports if isinstance(r, DeliveryReport)} == {message_id}


async def test_forgotten_parts(harness: SmsGateHarness) -> None:
    """Of a text that left before a restart it is never claimed that all of it arrived."""
    for envelope in ("a", "b", "c"):
        assert read(harness, "sms:delivered", {"messageId": "m"}, envelope)[0].status == "sent"


def test_parts_are_bounded() -> None:
    """However many texts and parts are told of, the memory is bounded; nonsense for a count changes nothing."""
    parts = PartCounts()
    parts.set_estimate("first", 1)
    for n in range(MAX_TEXTS):
        parts.set_estimate(str(n), 1)
    assert not parts.is_single_part("first")
    assert parts.is_single_part("0")
    for nonsense in (None, True, -1, 0, 10**9, "2", 1.0):
        parts.set_count("0", nonsense)
    assert parts.is_single_part("0")


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
async def test_failures(harness: SmsGateHarness, reason: Any, code: str) -> None:
    """A failure is told with the platform's own word and nothing else of its sentence."""
    report = DeliveryReport(message_id="m", status="failed", code=code)
    assert read(harness, "sms:failed", {"messageId": "m", "reason": reason}) == (report,)
    cancelled = DeliveryReport(message_id="m", status="failed", code="cancelled")
    assert read(harness, "sms:cancelled", {"messageId": "m"}) == (cancelled,)


async def test_status_of_long_text(harness: SmsGateHarness) -> None:
    """The phone calls a text delivered when any part is; of a long one no more is said than "sent"."""
    assert (report := await harness.carrier.status(await send_text(harness, LONG))) is not None
    assert report.status == "sent"
    harness.vendor.state = "Failed"
    assert (report := await harness.carrier.status(await send_text(harness))) is not None
    assert report.status == "failed"
    harness.vendor.state = "Pending"
    assert await harness.carrier.status(await send_text(harness)) is None


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
async def test_malformed(harness: SmsGateHarness, payload: dict[str, Any], field: str) -> None:
    """Each field that is not as documented is named."""
    with pytest.raises(Malformed, match=f"^{field}: ") as caught:
        read(harness, "sms:received", payload)
    assert caught.value.__context__ is None


async def test_signature_is_as_the_app_makes_it(harness: SmsGateHarness) -> None:
    """A signature over body and time (`PayloadSingingPlugin.kt`), reckoned here by hand, is right; upper case is not."""
    body = json.dumps(ENVELOPE).encode()
    headers = smsgate.signed(body)
    request = replace(harness.sign(body), headers=CIMultiDict(headers))
    assert harness.carrier.verify(request)
    upper = CIMultiDict(headers | {"X-Signature": headers["X-Signature"].upper()})
    assert not harness.carrier.verify(replace(request, headers=upper))


async def test_says_what_it_keeps(harness: SmsGateHarness) -> None:
    """Nothing is deleted, and nothing is cancelled by the way: the phone keeps its texts, and that is said."""
    outcome = await harness.carrier.delete_copy(await send_text(harness))
    assert isinstance(outcome, CannotDelete)
    assert "phone keeps" in outcome.reason


def made(harness: SmsGateHarness, directory: Path, **fields: Any) -> SmsGateCarrier:
    """Make an adapter from settings, beside the harness's phone."""
    secrets = {
        "password_file": smsgate.LOGIN[1],
        "signing_key_file": smsgate.SIGNING_KEY,
        "passphrase_file": smsgate.PASSPHRASE,
    }
    for name, secret in secrets.items():
        (directory / name).write_text(secret)
    fields = {name: str(directory / name) for name in secrets} | fields
    settings = Settings(
        kind="smsgate", api_base=harness.base, username=smsgate.LOGIN[0], device_id=smsgate.DEVICE, region="US", **fields
    )
    return SmsGateCarrier(
        settings,
        AdapterContext(public_base_url="x", slug="main", numbers=(harness.number,), validity=300, clock=harness.clock),
    )


async def test_encrypted_on_the_way(harness: SmsGateHarness, tmp_path: Path) -> None:
    """With a passphrase words and number reach the phone and stand in no request; a repetition is the same request."""
    carrier = made(harness, tmp_path)
    harness.vendor.faults.append(Fault.SILENT_SENT)
    assert isinstance(await send_words(carrier, HANDSET, "café 🙂", number=harness.number), Accepted)
    first, second = harness.vendor.bodies
    assert first == second
    assert first["isEncrypted"] is True
    assert not any(word in json.dumps(first, ensure_ascii=False) for word in ("café", "🙂", HANDSET, HANDSET[1:]))
    assert await harness.texts_at_handset(HANDSET) == ["café 🙂"]
    await carrier.close()
    open_ = made(harness, tmp_path, passphrase_file=None)
    assert isinstance(await send_words(open_, HANDSET, "café", number=harness.number), Accepted)
    assert "isEncrypted" not in harness.vendor.bodies[-1]
    await open_.close()


async def test_asks_for_what_the_app_missed(harness: SmsGateHarness, tmp_path: Path) -> None:
    """What lies in the phone's inbox comes by webhook when it is asked for; an app that has no such call is told apart."""
    carrier = made(harness, tmp_path, refresh_inbox=True)
    assert (carrier.can_list, carrier.can_refresh) == (False, True)
    harness.vendor.missed = [(HANDSET, "while it slept")]
    since = datetime(2026, 1, 1, 12, 0, 0, 5000, tzinfo=UTC)
    assert await listing(carrier, since) == ([], True)
    request = harness.vendor.bodies[-1]
    assert (request["since"], request["deviceId"]) == ("2026-01-01T12:00:00.005Z", smsgate.DEVICE)
    assert parse_text(harness, (await harness.receiver.come(1))[0]).text == "while it slept"
    assert await listing(carrier, datetime.now(UTC) + timedelta(days=1)) == ([], True)
    harness.vendor.refreshes = False
    assert await listing(carrier, since) == ([], False)
    await carrier.close()
    quiet = made(harness, tmp_path)
    assert not quiet.can_refresh
    await quiet.close()
