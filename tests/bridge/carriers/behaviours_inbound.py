# ruff: noqa: D401 - a promise is told in the indicative
"""What comes in: signatures, words, senders, and whatever is malformed.

Rule of this module: a behaviour speaks the adapter's contract and the words of `Harness` only.
"""

from __future__ import annotations

import traceback
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from bridge.carriers.adapter import Ignored, InboundText, Malformed, Media, WebhookRequest
from bridge.runtime.phone_number import Phone
from tests.bridge.carriers.harness import CANARY, Harness
from tests.bridge.carriers.steps import HANDSET, ODD_TEXTS, QUICK, parse_text, receive_text, send_text


async def right_signature(harness: Harness) -> None:
    """What the vendor signed verifies: texts and reports, however odd the words."""
    for text in ODD_TEXTS:
        assert harness.carrier.verify(await receive_text(harness, text))
    before = len(harness.receiver.requests)
    await send_text(harness)
    for request in (await harness.receiver.come(before + 2))[before:]:
        assert harness.carrier.verify(request)


async def wrong_signature(harness: Harness) -> None:
    """A signature that is missing, empty, shortened, of another case or not even ASCII does not verify."""
    request = await receive_text(harness)
    assert harness.signature_headers
    for name in harness.signature_headers:
        headers = CIMultiDict(request.headers)
        value = headers.pop(name)
        assert not harness.carrier.verify(replace(request, headers=headers))
        for wrong in ("", value[:-1], value + "0", value[:-1] + chr(ord(value[-1]) ^ 1), "\udcff", "é" * len(value)):
            assert not harness.carrier.verify(replace(request, headers=CIMultiDict(headers, **{name: wrong})))


async def secret_path(harness: Harness) -> None:
    """Only the whole secret as the last segment of the path lets a webhook in; in the query it counts for nothing."""
    request = await receive_text(harness)
    path, _, query = request.raw_path.partition("?")
    way, _, secret = path.rpartition("/")
    assert len(secret) >= 32
    assert harness.carrier.verify(request)
    assert harness.carrier.verify(replace(request, raw_path=f"{path}?a=b"))
    for wrong in ("", secret[:-1], secret + "x", secret[1:], secret.swapcase(), f"%{ord(secret[0]):02x}{secret[1:]}", "é"):
        assert not harness.carrier.verify(replace(request, raw_path=f"{way}/{wrong}?{query}"))
    for elsewhere in (
        way,
        f"{way}/?{secret}",
        f"{path}/",
        f"{way}/x?/{secret}",
        f"{path}/x",
        f"/{secret}/x",
        f"{way};{secret}",
    ):
        assert not harness.carrier.verify(replace(request, raw_path=elsewhere))


async def verify_is_total(harness: Harness) -> None:
    """No header, path or body makes `verify` raise or say yes."""
    anything = st.text(st.characters(exclude_categories=()), max_size=80)

    @QUICK
    @given(path=anything, values=st.lists(anything, min_size=4, max_size=4), body=st.binary(max_size=80))
    def attempt(path: str, values: list[str], body: bytes) -> None:
        headers = CIMultiDict(zip(harness.signature_headers, values, strict=False))
        assert harness.carrier.verify(WebhookRequest(raw_path=path, headers=headers, body=body)) is False

    attempt()


async def altered_body(harness: Harness) -> None:
    """A body changed by one byte, cut short or made longer does not verify."""
    request = await receive_text(harness)
    for body in (request.body[:-1], request.body + b" ", b"", bytes([request.body[0] ^ 1]) + request.body[1:]):
        assert not harness.carrier.verify(replace(request, body=body))


async def altered_url(harness: Harness) -> None:
    """A request replayed to another path, or with a query added, does not verify."""
    request = await receive_text(harness)
    for path in (request.raw_path + "?a=b", request.raw_path + "/", request.raw_path.replace("demo", "other"), ""):
        assert not harness.carrier.verify(replace(request, raw_path=path))


async def old_or_future(harness: Harness) -> None:
    """Five minutes is as far as a webhook's time may be from ours, either way."""
    request = await receive_text(harness)
    for ahead, expected in ((290, True), (-290, True), (310, False), (-310, False), (10**9, False)):
        harness.clock.ahead = ahead
        assert harness.carrier.verify(request) is expected


async def same_id_on_retry(harness: Harness) -> None:
    """A text whose webhook was not acknowledged comes again under the same id; another text has another id."""
    harness.receiver.answers = [503, 500]
    await harness.text_from_handset(HANDSET, "once")
    first, second, third = (parse_text(harness, r) for r in await harness.receiver.come(3))
    assert first == second == third
    assert parse_text(harness, await receive_text(harness, "once")).message_id != first.message_id


async def words_stay(harness: Harness) -> None:
    """A text arrives as it was written: white space, direction marks, emoji, an empty one, a very long one."""
    for text in (*ODD_TEXTS, "🫂 " * 3000):
        request = await receive_text(harness, text)
        assert len(request.body) <= harness.carrier.max_webhook_bytes
        item = parse_text(harness, request)
        assert (item.text, item.sender, item.media) == (text, Phone(HANDSET), ())


async def what_cannot_be_encoded(harness: Harness) -> None:
    """NUL and lone surrogates become U+FFFD, so that every store and every JSON after us can hold the text."""
    item = parse_text(harness, await receive_text(harness, "a\x00b\ud83dc\udc4dd\\\ud800"))
    assert item.text == "a\ufffdb\ufffdc\ufffdd\\\ufffd"
    item.text.encode()


async def senders(harness: Harness) -> None:
    """Short codes and names come through as senders that cannot be answered."""
    for sender, answerable in ((HANDSET, True), ("22395", False), ("BANK", False)):
        item = parse_text(harness, await receive_text(harness, sender=sender))
        assert item.sender == Phone(sender)
        assert item.sender.answerable is answerable


async def other_channels(harness: Harness) -> None:
    """A person on another channel is no texter of this line: understood, so that the vendor rests, and not taken."""
    request = await receive_text(harness, sender="whatsapp:+15555550101")
    assert harness.carrier.verify(request)
    assert harness.carrier.parse(request) == (Ignored("channel"),)


async def number_texted(harness: Harness) -> None:
    """The text says which number of ours it was sent to, so that it is answered from there."""
    assert parse_text(harness, await receive_text(harness)).to == harness.number


async def answer_says_nothing(harness: Harness) -> None:
    """What a webhook is answered with is fixed and holds no words that a vendor might send to the phone."""
    content_type, body = harness.carrier.webhook_response
    assert content_type.startswith("text/") or content_type == "application/json"
    assert len(body) < 40


async def media_not_fetched(harness: Harness) -> None:
    """Media is told by address and type, and nobody asked that address for it."""
    url = f"{harness.receiver.url}/media/1"
    await harness.text_from_handset(HANDSET, "look", media=(("image/jpeg", url),))
    item = parse_text(harness, (await harness.receiver.come(1))[0])
    assert item.media == (Media(url=url, content_type="image/jpeg"),)
    assert not [request for request in harness.receiver.requests if request.raw_path.startswith("/media")]


async def time_of_the_carrier(harness: Harness) -> None:
    """The text says when the carrier had it, with a zone, and that is about now."""
    at = parse_text(harness, await receive_text(harness)).at
    assert at is not None
    assert abs(at - datetime.now(UTC)) < timedelta(minutes=1)


async def malformed(harness: Harness) -> None:
    """Whatever is signed: `parse` raises `Malformed` or nothing, tells no content, and yields what can be stored."""

    @QUICK
    @given(body=harness.bodies() | st.binary(max_size=60))
    def attempt(body: bytes) -> None:
        request = harness.sign(body)
        assert harness.carrier.verify(request)
        try:
            items = harness.carrier.parse(request)
        except Malformed as error:
            message = "".join(traceback.format_exception(error)) + repr(error) + repr(error.__context__)
            assert CANARY not in message
            return
        for item in items:
            assert CANARY not in repr(item)
            if isinstance(item, Ignored):
                continue
            item.message_id.encode()
            if isinstance(item, InboundText):
                item.text.encode()
                item.sender.reveal().encode()

    attempt()
    for body in (b"[" * 100_000, b"", b"null", b'{"type":' + b"9" * 5000 + b"}"):
        try:
            harness.carrier.parse(harness.sign(body))
        except Malformed:
            continue
        raise AssertionError("read what cannot be read")
