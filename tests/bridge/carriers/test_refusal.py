"""How strangers are refused at the real door, and how much of a webhook is taken there."""

from __future__ import annotations

import base64
import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from multidict import CIMultiDict

from bot.model.events import TextArrived
from bridge.carriers.base import LARGEST
from bridge.carriers.vendors.cxml import LARGEST as LARGEST_FORM
from bridge.carriers.vendors.smsgate import LARGEST as LARGEST_WITH_PICTURES
from bridge.inbound.webhook import REFUSED
from tests.bridge.carriers.cloud_stands import VonageStand
from tests.bridge.carriers.door import door
from tests.bridge.carriers.fake_stand import standing
from tests.bridge.carriers.own_stands import ENVELOPE, PICTURE, SmsGateStand
from tests.bridge.carriers.receiver import until
from tests.bridge.carriers.rows import ROWS
from tests.bridge.carriers.stand import Row, Trait
from tests.bridge.carriers.steps import one_text

SPECIAL = {"smsgate": LARGEST_WITH_PICTURES, "twilio": LARGEST_FORM, "signalwire": LARGEST_FORM}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_refused_as_the_vendor_needs_it(row: Row, tmp_path: Path) -> None:
    """Without its signature a text leaves no row and gets the adapter's own refusal: 5xx for Vonage, 403 for the others."""
    async with row.stand() as stand, door(tmp_path, stand.carrier, clock=stand.clock) as opened:
        unsigned = replace(stand.sign(b"{}"), headers=CIMultiDict(), raw_path="/carriers/demo/inbound")
        status, _, said = await opened.call(unsigned)
        assert (status, said) == (503 if row.name == "vonage" else 403, REFUSED)
        assert status == stand.carrier.refusal
        assert await opened.events() == []


async def test_a_wrong_key_loses_no_text(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Vonage calls again only after 5xx: a text that came while our key was wrong arrives when it is right, once."""
    caplog.set_level(logging.INFO)
    async with standing(VonageStand) as stand, door(tmp_path, stand.carrier, clock=stand.clock) as opened:
        carrier: Any = stand.carrier
        right, carrier._signature_secret = carrier._signature_secret, b"another secret of thirty-two characters"
        stand.vendor.inbound_url, stand.vendor.pause = f"{opened.url}/carriers/demo/inbound", 0.3
        stand.vendor.text_in("+15555550101", "do not lose me")
        await until(lambda: "webhook.unsigned" in caplog.text)
        assert await opened.bodies() == []
        carrier._signature_secret = right
        await until(lambda: "webhook.unsigned" in caplog.text and stand.vendor.taken == 1)
        assert await opened.bodies() == ["do not lose me"]


def picture(data: bytes) -> bytes:
    attachment = {"partId": 1, "contentType": "image/jpeg", "data": base64.b64encode(data).decode()}
    payload = {k: v for k, v in PICTURE.items() if k != "message"} | {"body": "look", "attachments": [attachment]}
    return json.dumps(ENVELOPE | {"event": "mms:downloaded", "payload": payload}).encode()


async def test_a_picture_inside_of_the_webhook(tmp_path: Path) -> None:
    """A phone's picture, larger than any text, is taken as a text with a picture; none of its bytes is in any file."""
    async with standing(SmsGateStand) as stand, door(tmp_path, stand.carrier, clock=stand.clock) as opened:
        body = picture(b"c4n4ry-picture-" * 300_000)
        assert len(body) > LARGEST
        assert (await opened.call(stand.sign(body)))[0] == 200
        (event,) = await opened.events()
        assert isinstance(event, TextArrived)
        assert (event.body, event.media) == ("look", 1)
        written = b"".join((tmp_path / name).read_bytes() for name in ("main.db", "main.db-wal", "keys.db"))
        assert base64.b64encode(b"c4n4ry-picture-")[:16] not in written
        assert len(written) < LARGEST


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_either_when_it_was_texted_or_how_long_that_is_unsure(row: Row, tmp_path: Path) -> None:
    """A text comes with the carrier's own time; where it tells none, with the seconds that a retry takes."""
    async with row.stand() as stand, door(tmp_path, stand.carrier, clock=stand.clock) as opened:
        assert (await opened.call(await one_text(stand, "hello")))[0] == 200
        (event,) = await opened.events()
        assert isinstance(event, TextArrived)
        assert (event.sent is not None, event.loose) == (Trait.TELLS_TIME in row.traits, stand.carrier.loose)
        assert (event.loose == 0) is (event.sent is not None)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_too_large(row: Row, tmp_path: Path) -> None:
    """What is larger than the kind of carrier ever sends is answered 413 and leaves nothing; the next is served."""
    async with row.stand() as stand, door(tmp_path, stand.carrier, clock=stand.clock) as opened:
        largest = SPECIAL.get(row.name, LARGEST)
        assert stand.carrier.largest == largest
        signed = replace(stand.sign(b""), body=b"x" * (largest + 1))
        assert (await opened.call(signed))[0] == 413
        assert (await opened.call(stand.sign(b"")))[0] in (200, 400)
        assert await opened.bodies() == []
