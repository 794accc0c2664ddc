"""Requests that no carrier of ours would send, straight at the bridge."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.e2e.carrier_api import handset
from tests.e2e.staff_client import StaffClient
from tests.e2e.staffed_line import StaffedLine

STRANGE = (
    "NUL \x00 inside",
    "right to left \u202egnirts\u202c and \u200f marks",
    "a lone \ud83d surrogate and another \udc00",
    "x" * 69 + "😀",
    "x" * 152 + "😀" + "y" * 152 + "👩‍👩‍👧‍👦" + "é" * 67 + "😀",
    "\ufeff bom, \u2028 line separator, \t tab",
)
REPLACED = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class Webhook:
    """The bridge's inbound webhook, and the key to sign for it."""

    url: str
    key: bytes

    async def post(self, body: bytes, *, age: float = 0, key: bytes | None = None, signed: bool = True) -> int:
        """POST a body, signed as the rehearsal carrier does; returns the status."""
        timestamp = str(int(time.time() - age))
        message = b"\n".join((timestamp.encode(), self.url.encode(), body))
        signature = hmac.new(key or self.key, message, hashlib.sha256).hexdigest()
        headers = {"X-Rehearsal-Timestamp": timestamp, "X-Rehearsal-Signature": signature} if signed else {}
        async with aiohttp.ClientSession() as http, http.post(self.url, data=body, headers=headers) as answer:
            await answer.read()
        return answer.status


def text(sender: str, words: str, **more: Any) -> bytes:
    """Write a text as the rehearsal carrier does."""
    at = datetime.now(UTC).isoformat(timespec="microseconds")
    payload = {"type": "text", "id": secrets.token_hex(12), "from": sender, "to": "", "text": words, "media": [], "at": at}
    return json.dumps({**payload, **more}, ensure_ascii=False).encode("utf-8", "backslashreplace")


@pytest.fixture
def webhook(staffed_line: StaffedLine) -> Webhook:
    url = f"{staffed_line.ready.bridge}/carriers/{staffed_line.ready.slug}/inbound"
    return Webhook(url=url, key=staffed_line.stack.secret("carrier_signing_key").encode())


async def test_without_a_valid_signature_nothing_gets_in(
    staffed_line: StaffedLine, webhook: Webhook, ada: StaffClient
) -> None:
    """Bad signatures are answered 403, broken bodies 400, other channels 200, and no card comes of any of them."""
    before = {card.event_id for card in await staffed_line.queue_cards(ada)}
    body = text(handset(), "this must never be seen by anybody")
    whole = text(handset(), "this neither, it is cut short")
    large = text(handset(), "z" * (1 << 20))
    assert await webhook.post(body, signed=False) == 403
    assert await webhook.post(body, key=b"another key") == 403
    assert await webhook.post(body, age=3600) == 403
    assert await webhook.post(body, age=-3600) == 403
    assert await webhook.post(large, signed=False) == 403
    assert await webhook.post(whole[: len(whole) // 2]) == 400
    assert await webhook.post(b"") == 400
    assert await webhook.post(b"\xff\xfe\x00[") == 400
    assert await webhook.post(b"[" * 100_000) == 400
    assert await webhook.post(text("whatsapp:+15555550101", "from another channel")) == 200
    assert await webhook.post(text(handset(), "no time", at="yesterday")) == 400
    assert await webhook.post(text(handset(), "strange id", id="../../etc")) == 400
    assert await webhook.post(b"x" * (6 << 20)) == 413
    await _hang_up_in_the_middle(webhook)
    for method, status in (("GET", 403), ("PUT", 405), ("DELETE", 405)):
        async with aiohttp.ClientSession() as http, http.request(method, webhook.url) as answer:
            assert answer.status == status

    # A card of a text that is in order comes after all that came before it.
    card = await staffed_line.wait_for_card(ada, handset(), "this one is in order")
    assert {c.event_id for c in await staffed_line.queue_cards(ada)} - before == {card.event_id}
    await staffed_line.claim(ada, "", card)


async def test_strange_texts_arrive_once_and_whole(staffed_line: StaffedLine, webhook: Webhook, sol: StaffClient) -> None:
    """Strange letters, an empty body and a megabyte are each answered 200 and in the room once, replayed or not."""
    number, large = handset(), "0123456789abcde " * (1 << 16)
    conversation = await staffed_line.start_conversation(sol, number, "strange texts follow")
    for words in STRANGE:
        body = text(number, words)
        assert await webhook.post(body) == 200
        assert await webhook.post(body) == 200
    assert await webhook.post(text(number, "")) == 200
    assert await webhook.post(text(number, large)) == 200
    await staffed_line.carrier.fault(inbound="duplicate", times=1)
    await staffed_line.carrier.text(number, "delivered twice by the carrier, side by side")
    await staffed_line.carrier.wait_for_acknowledgements(number, 2)
    assert await webhook.post(text(number, "no strange texts any more")) == 200
    await conversation.wait_for_text("no strange texts any more")
    arrived = await conversation.texts_in_room(whole=True)
    readable = [words.translate({0: REPLACED, 0xD83D: REPLACED, 0xDC00: REPLACED}) for words in STRANGE]
    assert arrived[: len(STRANGE) + 1] == ["strange texts follow", *readable]
    assert "".join(arrived[len(STRANGE) + 1 : -2]) == large
    assert arrived[-2:] == ["delivered twice by the carrier, side by side", "no strange texts any more"]


@pytest.mark.parametrize("sender", ["88022", "PHARMACY"])
async def test_a_sender_that_is_no_phone_is_shown_and_never_answered(
    staffed_line: StaffedLine, webhook: Webhook, sol: StaffClient, sender: str
) -> None:
    """A short code or a name gets a room but no greeting, and an answer to it is refused with a reason."""
    before = {card.event_id for card in await staffed_line.queue_cards(sol)}
    assert await webhook.post(text(sender, f"Your code from {sender}")) == 200
    card = await sol.find(
        staffed_line.ready.desk_room,
        "a card for it",
        lambda i: i.sender == staffed_line.ready.bot and "waiting" in i.body and i.event_id not in before,
    )
    conversation = await staffed_line.claim(sol, sender, card)
    await conversation.wait_for_text(f"Your code from {sender}")
    said = await sol.say(conversation.room, "this cannot be answered")
    await conversation.wait_for_receipt(said, "not sent")
    assert await staffed_line.carrier.texts_delivered(sender) == []


async def _hang_up_in_the_middle(webhook: Webhook) -> None:
    """Promise 500 bytes, send a few, and hang up."""
    parts = urlsplit(webhook.url)
    _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: 500\r\n\r\n{{".encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()
