# ruff: noqa: D401 - a promise is told in the indicative
"""What comes in: signatures, words, senders, and whatever is malformed.

Rule of this module: a behaviour speaks the adapter's contract and the words of `Stand` only.
"""

from __future__ import annotations

import traceback
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from bridge.carriers.adapter import InboundText, Malformed, Media, Unwanted, WebhookRequest
from bridge.runtime.phone_number import Phone
from tests.bridge.carriers.stand import CANARY, Stand
from tests.bridge.carriers.steps import HANDSET, ODD_TEXTS, QUICK, one_text, read_text, sent


async def right_signature(stand: Stand) -> None:
    """What the vendor signed verifies: texts and reports, however odd the words."""
    for text in ODD_TEXTS:
        assert stand.carrier.verify(await one_text(stand, text))
    before = len(stand.receiver.requests)
    await sent(stand)
    for request in (await stand.receiver.come(before + 2))[before:]:
        assert stand.carrier.verify(request)


async def wrong_signature(stand: Stand) -> None:
    """A signature that is missing, empty, shortened, of another case or not even ASCII does not verify."""
    request = await one_text(stand)
    assert stand.signature_headers
    for name in stand.signature_headers:
        kept = CIMultiDict(request.headers)
        value = kept.pop(name)
        assert not stand.carrier.verify(replace(request, headers=kept))
        for wrong in ("", value[:-1], value + "0", value[:-1] + chr(ord(value[-1]) ^ 1), "\udcff", "é" * len(value)):
            assert not stand.carrier.verify(replace(request, headers=CIMultiDict(kept, **{name: wrong})))


async def secret_path(stand: Stand) -> None:
    """Only the whole secret as the last segment of the path lets a webhook in; in the query it counts for nothing."""
    request = await one_text(stand)
    path, _, query = request.raw_path.partition("?")
    way, _, secret = path.rpartition("/")
    assert len(secret) >= 32
    assert stand.carrier.verify(request)
    assert stand.carrier.verify(replace(request, raw_path=f"{path}?a=b"))
    for wrong in ("", secret[:-1], secret + "x", secret[1:], secret.swapcase(), f"%{ord(secret[0]):02x}{secret[1:]}", "é"):
        assert not stand.carrier.verify(replace(request, raw_path=f"{way}/{wrong}?{query}"))
    for elsewhere in (
        way,
        f"{way}/?{secret}",
        f"{path}/",
        f"{way}/x?/{secret}",
        f"{path}/x",
        f"/{secret}/x",
        f"{way};{secret}",
    ):
        assert not stand.carrier.verify(replace(request, raw_path=elsewhere))


async def verify_is_total(stand: Stand) -> None:
    """No header, path or body makes `verify` raise or say yes."""
    anything = st.text(st.characters(exclude_categories=()), max_size=80)

    @QUICK
    @given(path=anything, values=st.lists(anything, min_size=4, max_size=4), body=st.binary(max_size=80))
    def attempt(path: str, values: list[str], body: bytes) -> None:
        headers = CIMultiDict(zip(stand.signature_headers, values, strict=False))
        assert stand.carrier.verify(WebhookRequest(raw_path=path, headers=headers, body=body)) is False

    attempt()


async def altered_body(stand: Stand) -> None:
    """A body changed by one byte, cut short or made longer does not verify."""
    request = await one_text(stand)
    for body in (request.body[:-1], request.body + b" ", b"", bytes([request.body[0] ^ 1]) + request.body[1:]):
        assert not stand.carrier.verify(replace(request, body=body))


async def altered_url(stand: Stand) -> None:
    """A request replayed to another path, or with a query added, does not verify."""
    request = await one_text(stand)
    for path in (request.raw_path + "?a=b", request.raw_path + "/", request.raw_path.replace("demo", "other"), ""):
        assert not stand.carrier.verify(replace(request, raw_path=path))


async def old_or_future(stand: Stand) -> None:
    """Five minutes is as far as a webhook's time may be from ours, either way."""
    request = await one_text(stand)
    for ahead, expected in ((290, True), (-290, True), (310, False), (-310, False), (10**9, False)):
        stand.clock.ahead = ahead
        assert stand.carrier.verify(request) is expected


async def same_id_on_retry(stand: Stand) -> None:
    """A text whose webhook was not acknowledged comes again under the same id; another text has another id."""
    stand.receiver.answers = [503, 500]
    await stand.text_in(HANDSET, "once")
    first, second, third = (read_text(stand, r) for r in await stand.receiver.come(3))
    assert first == second == third
    assert read_text(stand, await one_text(stand, "once")).message_id != first.message_id


async def words_stay(stand: Stand) -> None:
    """A text arrives as it was written: white space, direction marks, emoji, an empty one, a very long one."""
    for text in (*ODD_TEXTS, "🫂 " * 3000):
        request = await one_text(stand, text)
        assert len(request.body) <= stand.carrier.largest
        item = read_text(stand, request)
        assert (item.text, item.sender, item.media) == (text, Phone(HANDSET), ())


async def what_cannot_be_encoded(stand: Stand) -> None:
    """NUL and lone surrogates become U+FFFD, so that every store and every JSON after us can hold the text."""
    item = read_text(stand, await one_text(stand, "a\x00b\ud83dc\udc4dd\\\ud800"))
    assert item.text == "a\ufffdb\ufffdc\ufffdd\\\ufffd"
    item.text.encode()


async def senders(stand: Stand) -> None:
    """Short codes and names come through as senders that cannot be answered."""
    for sender, answerable in ((HANDSET, True), ("22395", False), ("BANK", False)):
        item = read_text(stand, await one_text(stand, sender=sender))
        assert item.sender == Phone(sender)
        assert item.sender.answerable is answerable


async def other_channels(stand: Stand) -> None:
    """Somebody on another channel is no texter of this line: understood, so that the vendor rests, and not taken."""
    request = await one_text(stand, sender="whatsapp:+15555550101")
    assert stand.carrier.verify(request)
    assert stand.carrier.parse(request) == (Unwanted("channel"),)


async def number_texted(stand: Stand) -> None:
    """The text says which number of ours it was sent to, so that it is answered from there."""
    assert read_text(stand, await one_text(stand)).to == stand.number


async def answer_says_nothing(stand: Stand) -> None:
    """What a webhook is answered with is fixed and holds no words that a vendor might send to the phone."""
    content_type, body = stand.carrier.answer
    assert content_type.startswith("text/") or content_type == "application/json"
    assert len(body) < 40


async def media_not_fetched(stand: Stand) -> None:
    """Media is told by address and type, and nobody asked that address for it."""
    url = f"{stand.receiver.url}/media/1"
    await stand.text_in(HANDSET, "look", media=(("image/jpeg", url),))
    item = read_text(stand, (await stand.receiver.come(1))[0])
    assert item.media == (Media(url=url, content_type="image/jpeg"),)
    assert not [request for request in stand.receiver.requests if request.raw_path.startswith("/media")]


async def time_of_the_carrier(stand: Stand) -> None:
    """The text says when the carrier had it, with a zone, and that is about now."""
    at = read_text(stand, await one_text(stand)).at
    assert at is not None
    assert abs(at - datetime.now(UTC)) < timedelta(minutes=1)


async def malformed(stand: Stand) -> None:
    """Whatever is signed: `parse` raises `Malformed` or nothing, tells no content, and yields what can be stored."""

    @QUICK
    @given(body=stand.bodies() | st.binary(max_size=60))
    def attempt(body: bytes) -> None:
        request = stand.sign(body)
        assert stand.carrier.verify(request)
        try:
            items = stand.carrier.parse(request)
        except Malformed as error:
            told = "".join(traceback.format_exception(error)) + repr(error) + repr(error.__context__)
            assert CANARY not in told
            return
        for item in items:
            assert CANARY not in repr(item)
            if isinstance(item, Unwanted):
                continue
            item.message_id.encode()
            if isinstance(item, InboundText):
                item.text.encode()
                item.sender.reveal().encode()

    attempt()
    for body in (b"[" * 100_000, b"", b"null", b'{"type":' + b"9" * 5000 + b"}"):
        try:
            stand.carrier.parse(stand.sign(body))
        except Malformed:
            continue
        raise AssertionError("read what cannot be read")
