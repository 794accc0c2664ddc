"""How strangers are refused at the real door, and how much of a webhook is taken there."""

from __future__ import annotations

import base64
import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDict

from bot.model.events import TextArrived
from bot.model.line_incidents import GapKind, TextsMissing
from bridge.carriers.base import MAX_WEBHOOK_BYTES
from bridge.carriers.vendors.bandwidth import BandwidthCarrier
from bridge.carriers.vendors.cxml import MAX_WEBHOOK_BYTES as LARGEST_FORM
from bridge.carriers.vendors.smsgate import MAX_WEBHOOK_BYTES as LARGEST_WITH_PICTURES
from bridge.inbound.carrier_check_calls import REFUSAL_BODY
from bridge.inbound.hourly_alerts import ANSWER_SECONDS, REFUSALS_TO_ALERT
from tests.bridge.carriers.carrier_line import carrier_line
from tests.bridge.carriers.cloud_harnesses import EVENT, BandwidthHarness, VonageHarness
from tests.bridge.carriers.harness import AdapterRow, Trait
from tests.bridge.carriers.receiver import http_response, scripted_server, until
from tests.bridge.carriers.rows import ROWS
from tests.bridge.carriers.self_hosted_harnesses import ENVELOPE, PICTURE, SmsGateHarness
from tests.bridge.carriers.steps import HANDSET, receive_text
from tests.bridge.carriers.vendor_harness import running_harness

YEAR = 365 * 86_400.0
"""Those whose signatures end with time."""
SPECIAL = {"smsgate": LARGEST_WITH_PICTURES, "twilio": LARGEST_FORM, "signalwire": LARGEST_FORM}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_refused_as_the_vendor_needs_it(row: AdapterRow, tmp_path: Path) -> None:
    """Without its signature a text leaves no row and gets the adapter's own refusal.

    That is a 5xx for Vonage, a challenge for Bandwidth, 403 for the others.
    """
    async with row.harness() as harness, carrier_line(tmp_path, harness.carrier, clock=harness.clock) as opened:
        unsigned = replace(harness.sign(b"{}"), headers=CIMultiDict(), raw_path="/carriers/demo/inbound")
        status, _, said = await opened.call(unsigned)
        assert (status, said) == ({"vonage": 503, "bandwidth": 401}.get(row.name, 403), REFUSAL_BODY)
        assert status == harness.carrier.refusal_status
        assert await opened.events() == []


async def test_a_wrong_key_loses_no_text(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Vonage calls again only after 5xx: a text that came while our key was wrong arrives when it is right, once."""
    caplog.set_level(logging.INFO)
    async with (
        running_harness(VonageHarness) as harness,
        carrier_line(tmp_path, harness.carrier, clock=harness.clock) as opened,
    ):
        carrier: Any = harness.carrier
        right, carrier._signature_secret = carrier._signature_secret, b"another secret of thirty-two characters"
        harness.vendor.inbound_url, harness.vendor.pause = f"{opened.url}/carriers/demo/inbound", 0.3
        harness.vendor.text_from_handset("+15555550101", "do not lose me")
        await until(lambda: "webhook.unsigned" in caplog.text)
        assert await opened.bodies() == []
        carrier._signature_secret = right
        await until(lambda: "webhook.unsigned" in caplog.text and harness.vendor.acknowledged_count == 1)
        assert await opened.bodies() == ["do not lose me"]


@pytest.mark.parametrize("body", [b"", b"[]"], ids=["no body", "body"])
async def test_a_vendor_that_waits_for_a_challenge(tmp_path: Path, body: bytes) -> None:
    """Bandwidth calls first without credentials: it is challenged, and the text of its second request is stored.

    The desk is not told of such requests while others bring texts, however many come at once.
    """
    async with (
        running_harness(BandwidthHarness) as harness,
        carrier_line(tmp_path, harness.carrier, clock=harness.clock) as opened,
        aiohttp.ClientSession() as http,
    ):
        signed = harness.sign(json.dumps([EVENT]).encode())
        for _ in range(2):
            for _ in range(REFUSALS_TO_ALERT * 2):
                async with http.post(f"{opened.url}{signed.raw_path}", data=body) as answer:
                    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, BandwidthCarrier.challenge)
            assert (await opened.call(signed))[0] == 200
            harness.clock.ahead += ANSWER_SECONDS
        assert len(await opened.events()) == len(await opened.bodies()) == 1


@pytest.mark.parametrize(("way", "gap"), [("inbound", GapKind.REFUSED), ("status", GapKind.REPORTS)])
async def test_a_vendor_without_our_credentials(tmp_path: Path, way: str, gap: GapKind) -> None:
    """Requests that stay without credentials are told to the desk, though they have no body; the other way counts apart."""
    async with (
        running_harness(BandwidthHarness) as harness,
        carrier_line(tmp_path, harness.carrier, clock=harness.clock) as opened,
    ):
        first = replace(harness.sign(b"", way=way), headers=CIMultiDict())
        for _ in range(REFUSALS_TO_ALERT - 1):
            assert (await opened.call(first))[0] == 401
        harness.clock.ahead += ANSWER_SECONDS
        other = harness.sign(b"[]", way="status" if way == "inbound" else "inbound")
        assert (await opened.call(other))[0] == 400
        before = await opened.events()
        assert (await opened.call(first))[0] == 401
        assert [event for event in await opened.events() if event not in before] == [TextsMissing(kind=gap)]


def picture(data: bytes) -> bytes:
    attachment = {"partId": 1, "contentType": "image/jpeg", "data": base64.b64encode(data).decode()}
    payload = {k: v for k, v in PICTURE.items() if k != "message"} | {"body": "look", "attachments": [attachment]}
    return json.dumps(ENVELOPE | {"event": "mms:downloaded", "payload": payload}).encode()


@pytest.mark.sqlite_only
async def test_a_picture_inside_of_the_webhook(tmp_path: Path) -> None:
    """A phone's picture, larger than any text, is taken as a text with a picture; none of its bytes is in any file."""
    async with (
        running_harness(SmsGateHarness) as harness,
        carrier_line(tmp_path, harness.carrier, clock=harness.clock) as opened,
    ):
        body = picture(b"c4n4ry-picture-" * 300_000)
        assert len(body) > MAX_WEBHOOK_BYTES
        assert (await opened.call(harness.sign(body)))[0] == 200
        (event,) = await opened.events()
        assert isinstance(event, TextArrived)
        assert (event.body, event.media) == ("look", 1)
        written = b"".join((tmp_path / name).read_bytes() for name in ("main.db", "main.db-wal", "keys.db"))
        assert base64.b64encode(b"c4n4ry-picture-")[:16] not in written
        assert len(written) < MAX_WEBHOOK_BYTES


@pytest.mark.sqlite_only
@pytest.mark.practice(20)
@pytest.mark.parametrize("row", [row for row in ROWS if Trait.MEDIA in row.traits], ids=lambda row: row.name)
async def test_a_pictures_address_is_neither_asked_nor_kept(row: AdapterRow, tmp_path: Path) -> None:
    """A picture that a vendor tells by its address is counted: nobody fetches it, and its address is in no file."""
    async with (
        row.harness() as harness,
        scripted_server(http_response(200, b"a picture")) as elsewhere,
        carrier_line(tmp_path, harness.carrier, clock=harness.clock) as opened,
    ):
        picture = ("image/jpeg", f"{elsewhere.url}/pl4nted-picture.jpg")
        await harness.text_from_handset(HANDSET, "look", media=(picture,))
        assert (await opened.call((await harness.receiver.come(1))[0]))[0] == 200
        (event,) = await opened.events()
        assert isinstance(event, TextArrived)
        assert (event.body, event.media) == ("look", 1)
        written = b"".join((tmp_path / name).read_bytes() for name in ("main.db", "main.db-wal", "keys.db"))
        assert b"pl4nted-picture" not in written
        assert "pl4nted-picture" not in repr(event)
        assert elsewhere.requests == 0


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_either_when_it_was_texted_or_how_long_that_is_unsure(row: AdapterRow, tmp_path: Path) -> None:
    """A text comes with the carrier's own time; where it tells none, with the seconds that a retry takes."""
    async with row.harness() as harness, carrier_line(tmp_path, harness.carrier, clock=harness.clock) as opened:
        assert (await opened.call(await receive_text(harness, "hello")))[0] == 200
        (event,) = await opened.events()
        assert isinstance(event, TextArrived)
        assert (event.sent_at is not None, event.unordered_within) == (
            Trait.TELLS_TIME in row.traits,
            harness.carrier.unordered_within,
        )
        assert (event.unordered_within == 0) is (event.sent_at is not None)
