"""What is Vonage's own, beyond the table that all adapters share."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
import vonage_jwt
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict
from vonage_jwt.verify_jwt import VonageVerifyJwtError

from bridge.carriers.adapter import (
    Deleted,
    DeliveryReport,
    InboundText,
    Keeps,
    Malformed,
    Media,
    NotConfirmed,
    NotYet,
    Rejected,
    TryLater,
    UnknownOutcome,
    Unwanted,
)
from bridge.carriers.tokens import private_key
from bridge.phone import Phone
from tests.bridge.carriers.cloud_stands import INBOUND, STATUS, VonageStand
from tests.bridge.carriers.fake_stand import standing
from tests.bridge.carriers.receiver import http, wire
from tests.bridge.carriers.steps import HANDSET, QUICK, one_text, read_text, sent
from tests.fakes import vonage


@pytest.fixture
async def stand() -> AsyncIterator[VonageStand]:
    async with standing(VonageStand) as made:
        yield made


def read(stand: VonageStand, body: dict[str, Any]) -> Any:
    return stand.carrier.parse(stand.sign(json.dumps(body).encode()))


def oracle(token: str) -> bool:
    """Ask Vonage's own package."""
    try:
        return vonage_jwt.verify_signature(token, vonage.SIGNATURE_SECRET) is True
    except VonageVerifyJwtError:
        return False


async def test_like_vonages_own(stand: VonageStand) -> None:
    """What Vonage's package accepts as signed we accept, and what it rejects we reject, whatever one byte is changed to."""
    body = b'{"text": "hello"}'
    right = vonage.token(body)

    @QUICK
    @given(at=st.integers(0, len(right) - 1), byte=st.sampled_from("AZaz09-_.=+/ "))
    def attempt(at: int, byte: str) -> None:
        token = right[:at] + byte + right[at + 1 :]
        headers = CIMultiDict({"Authorization": f"Bearer {token}"})
        ours = stand.carrier.verify(replace(stand.sign(body), headers=headers))
        # Theirs ignores the bits that base64 leaves over in the last letter; ours compares the letters.
        assert ours is (oracle(token) and token == right)

    attempt()
    assert oracle(right)


async def test_body_is_compared(stand: VonageStand) -> None:
    """A token that Vonage's package finds good is not good for another body, nor without a hash of one."""
    request = stand.sign(b'{"text": "hello"}')
    token = request.headers["Authorization"].removeprefix("Bearer ")
    assert oracle(token)
    assert stand.carrier.verify(request)
    assert not stand.carrier.verify(replace(request, body=b'{"text": "other"}'))
    assert not stand.carrier.verify(stand.sign(b"{}", payload_hash=None))
    assert not stand.carrier.verify(stand.sign(b"{}", payload_hash=""))
    assert not stand.carrier.verify(stand.sign(b"{}", payload_hash=7))
    assert stand.carrier.verify(stand.sign(b"{}", payload_hash=hashlib.sha256(b"{}").hexdigest().upper()))


async def test_other_accounts(stand: VonageStand) -> None:
    """A token of another account, or signed with another secret, is a stranger's."""
    assert not stand.carrier.verify(stand.sign(b"{}", api_key="other"))
    assert not stand.carrier.verify(stand.sign(b"{}", api_key=None))
    assert not stand.carrier.verify(stand.sign(b"{}", secret="another secret of thirty-two characters"))


async def test_age(stand: VonageStand) -> None:
    """A retry may bear the first token for a day; an older one, one of the future and one without a time are refused."""
    now = stand.clock()
    for offset, expected in ((0, True), (290, True), (310, False), (-25 * 3600, True), (-27 * 3600, False)):
        assert stand.carrier.verify(stand.sign(b"{}", iat=int(now) + offset)) is expected
    for issued in (None, "now", True, 1e400, -1, 10**400, [1]):
        assert not stand.carrier.verify(stand.sign(b"{}", iat=issued))


@pytest.mark.parametrize("algorithm", ["none", "HS512", "RS256"])
async def test_algorithms(stand: VonageStand, algorithm: str) -> None:
    """No other algorithm is taken, whatever the token says of itself, not even over a right signature."""
    claims = jwt.decode(vonage.token(b"{}"), options={"verify_signature": False})
    head, body = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in ({"alg": algorithm}, claims))
    signed = head + b"." + body
    digest = hmac.new(vonage.SIGNATURE_SECRET.encode(), signed, "sha256").digest()
    for signature in (b"", base64.urlsafe_b64encode(digest).rstrip(b"=")):
        headers = CIMultiDict({"Authorization": f"Bearer {(signed + b'.' + signature).decode()}"})
        assert not stand.carrier.verify(replace(stand.sign(b"{}"), headers=headers))


async def test_reads(stand: VonageStand) -> None:
    """A text is read field by field; numbers get the `+` that Vonage leaves out."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    text = InboundText(message_id="00ff", sender=Phone(HANDSET), text="x", to=stand.number, at=at)
    assert read(stand, INBOUND | {"text": "x"}) == (text,)


@pytest.mark.parametrize(
    ("sender", "expected", "answerable"),
    [
        ("447700900001", "+447700900001", True),
        ("22395", "22395", False),
        ("12345678", "12345678", False),
        ("AcmeInc",) * 2 + (False,),
    ],
)
async def test_senders(stand: VonageStand, sender: str, expected: str, answerable: bool) -> None:
    """Only what is a whole number becomes one."""
    (item,) = read(stand, INBOUND | {"from": sender})
    assert (item.sender, item.sender.answerable) == (Phone(expected), answerable)


async def test_picture(stand: VonageStand) -> None:
    """A picture comes with its caption, its address and its kind, and is not fetched."""
    url = f"{stand.receiver.url}/media/1"
    stand.vendor.text_in(HANDSET, "look", (("image/jpeg", url),))
    item = read_text(stand, (await stand.receiver.come(1))[0])
    assert (item.text, item.media) == ("look", (Media(url=url, content_type="image"),))
    bare = {k: v for k, v in INBOUND.items() if k != "text"} | {"message_type": "image", "image": {"url": url}}
    assert read(stand, bare)[0].text == ""
    assert len(stand.receiver.requests) == 1


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"status": "submitted", "error": None}, DeliveryReport(message_id="00ff", status="sent")),
        ({"status": "delivered", "error": None}, DeliveryReport(message_id="00ff", status="delivered")),
        ({"status": "rejected"}, DeliveryReport(message_id="00ff", status="failed", code="1320")),
        (
            {"status": "undeliverable", "error": {"title": 1000}},
            DeliveryReport(message_id="00ff", status="failed", code="1000"),
        ),
        ({"status": "rejected", "error": {"type": 7}}, DeliveryReport(message_id="00ff", status="failed")),
        (
            {"status": "rejected", "error": {"type": f"{vonage.ERRORS}#1240", "title": 1240}},
            DeliveryReport(message_id="00ff", status="opted_out", code="1240"),
        ),
        (
            {"status": "rejected", "error": {"type": f"{vonage.ERRORS}#rejected", "title": "1240"}},
            DeliveryReport(message_id="00ff", status="opted_out", code="1240"),
        ),
        (
            {"status": "undeliverable", "error": {"error": {"type": f"{vonage.ERRORS}#1260"}}},
            DeliveryReport(message_id="00ff", status="failed", code="1260"),
        ),
        ({"status": "something new"}, Unwanted("event")),
        ({"status": ["delivered"]}, Unwanted("event")),
        ({"channel": "whatsapp"}, Unwanted("channel")),
    ],
)
async def test_statuses(stand: VonageStand, status: dict[str, Any], expected: object) -> None:
    """Each status has its meaning, with the code of the error; what is new to us is no reason to be called again."""
    assert read(stand, STATUS | status) == (expected,)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("channel", None),
        ("message_uuid", None),
        ("message_uuid", "a b"),
        ("from", 15555550101),
        ("text", None),
        ("text", ["x"]),
    ],
)
async def test_malformed(stand: VonageStand, field: str, value: Any) -> None:
    """Each field that is not as documented is named."""
    with pytest.raises(Malformed, match=f"^{field}: ") as caught:
        read(stand, INBOUND | {field: value})
    assert caught.value.__context__ is None


async def test_answers(stand: VonageStand) -> None:
    """What the API answers is sorted: never, later, or nobody knows."""

    def problem(kind: str) -> bytes:
        return json.dumps({"type": kind}).encode()

    table = (
        (http(422, problem(f"{vonage.ERRORS}#1050")), Rejected("1050")),
        (http(402, problem("https://developer.vonage.com/api-errors#low-balance")), Rejected("low-balance")),
        (http(401, problem("s3cret words")), Rejected("http-401")),
        (http(422, problem(f"{vonage.ERRORS}#1000")), TryLater(1.0)),
        (http(429, problem(f"{vonage.ERRORS}#1000"), headers="Retry-After: 9\r\n"), TryLater(9.0)),
        (http(500, problem(f"{vonage.ERRORS}#1000")), UnknownOutcome()),
        (http(202, b'{"message_uuid": ""}'), UnknownOutcome()),
    )
    for answer, expected in table:
        async with wire(answer) as line:
            carrier = stand.elsewhere(line.url)
            assert await carrier.send(Phone(HANDSET), "word", number=stand.number) == expected
            await carrier.close()


async def test_too_early(stand: VonageStand) -> None:
    """A text cannot be redacted within the hour: it is asked for again, and then it is done."""
    message_id = read_text(stand, await one_text(stand)).message_id
    stand.vendor.premature = 3600.0
    assert await stand.carrier.delete_copy(message_id) == NotYet(3600.0)
    stand.vendor.premature = 0.0
    assert await stand.carrier.delete_copy(message_id) == NotConfirmed()
    assert message_id not in stand.vendor.records
    assert await stand.carrier.delete_copy(message_id) == Deleted()


async def test_not_provisioned(stand: VonageStand) -> None:
    """Without provisioning nothing is deleted, and that is said at once and not tried for ever."""
    message_id = await sent(stand)
    stand.vendor.provisioned = False
    outcome = await stand.carrier.delete_copy(message_id)
    assert isinstance(outcome, Keeps)
    assert "13 months" in outcome.until
    assert outcome.days == 395


async def test_redaction_too_fast(stand: VonageStand) -> None:
    """When it asks for patience it gets it."""
    async with wire(http(429, headers="Retry-After: 7\r\n")) as line:
        carrier = stand.elsewhere(line.url)
        assert await carrier.delete_copy("ab") == NotYet(7.0)
        await carrier.close()


@pytest.mark.parametrize("pem", ["", "s3cret", vonage.PRIVATE_KEY.replace("A", "B")])
def test_no_key(pem: str) -> None:
    """What is no key stops the start, and is not shown."""
    with pytest.raises(ValueError, match=r"^not an RSA key") as caught:
        private_key(pem)
    assert caught.value.__context__ is None
