"""Vonage's tokens beside Vonage's own package."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import jwt
import pytest
import vonage_jwt
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict
from vonage_jwt.verify_jwt import VonageVerifyJwtError

from bridge.carriers.adapter import WebhookRequest
from bridge.carriers.jwt import verified_hs256_claims
from tests.bridge.carriers.cloud_harnesses import VonageHarness
from tests.bridge.carriers.steps import PATHS, PROXIES, QUICK
from tests.bridge.carriers.vendor_harness import running_harness
from tests.fakes import vonage


@pytest.fixture
async def harness() -> AsyncIterator[VonageHarness]:
    async with running_harness(VonageHarness) as vendor_harness:
        yield vendor_harness


def read(harness: VonageHarness, body: dict[str, Any]) -> Any:
    return harness.carrier.parse(harness.sign(json.dumps(body).encode()))


def oracle(token: str) -> bool:
    """Ask Vonage's own package."""
    try:
        return vonage_jwt.verify_signature(token, vonage.SIGNATURE_SECRET) is True
    except VonageVerifyJwtError:
        return False


async def test_generated_like_vonages_own(harness: VonageHarness) -> None:
    """Over tokens of any head, claims, secret and body we accept what Vonage's package accepts, and reject what it rejects.

    But for what it does not look at and Vonage documents: a token is of our account, of this very body and of the last day.
    Over whatever path and proxy it comes, with blank and repeated fields and strange letters.
    """
    heads = st.sampled_from(
        ({}, {"typ": None}, {"kid": "x"}, {"alg": "HS512"}, {"alg": "none"}, {"alg": "hs256"}, {"alg": 7})
    )
    secrets = st.sampled_from((vonage.SIGNATURE_SECRET,) * 4 + ("", "another secret", vonage.SIGNATURE_SECRET + " "))
    claims = st.fixed_dictionaries(
        {},
        optional={
            "api_key": st.sampled_from((vonage.API_KEY, "other", 7, None)),
            "payload_hash": st.sampled_from(("", 7, hashlib.sha256(b"other").hexdigest())),
            "age": st.sampled_from((0, 3600, 25 * 3600, 27 * 3600)),
            "exp": st.sampled_from((10**11, 1, "never")),
            "nbf": st.sampled_from((1, 10**11)),
            "application_id": st.text(max_size=4),
            "words": st.text(max_size=4) | st.integers(),
        },
    )
    verdicts = set()

    @QUICK
    @given(
        head=heads,
        secret=secrets,
        changed=claims,
        body=st.binary(max_size=20) | st.sampled_from((b"", b'{"text":"","text":"\\u00e4","text":"\xf0\x9f\xab\x82"}')),
        path=st.sampled_from(PATHS),
        proxy=st.sampled_from(PROXIES),
        scheme=st.sampled_from(("Bearer", "bearer")),
    )
    def attempt(
        head: dict[str, Any],
        secret: str,
        changed: dict[str, Any],
        body: bytes,
        path: str,
        proxy: dict[str, str],
        scheme: str,
    ) -> None:
        payload: dict[str, Any] = {
            "api_key": vonage.API_KEY,
            "payload_hash": hashlib.sha256(body).hexdigest(),
            "age": 0,
        } | changed
        age: int = payload.pop("age")
        payload["iat"] = int(harness.clock()) - age
        parts = ({"alg": "HS256", "typ": "JWT"} | head, payload)
        signed = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
        digest = hmac.new(secret.encode(), signed, "sha256").digest()
        token = (signed + b"." + base64.urlsafe_b64encode(digest).rstrip(b"=")).decode()
        headers = CIMultiDict({"Authorization": f"{scheme} {token}"} | proxy)
        request = WebhookRequest(raw_path=path, headers=headers, body=body)
        ours, theirs = harness.carrier.verify(request), oracle(token)
        documented = (
            payload["api_key"] == vonage.API_KEY
            and payload["payload_hash"] == hashlib.sha256(body).hexdigest()
            and age < 26 * 3600
        )
        assert ours is (theirs and documented)
        verdicts.add((ours, theirs))

    attempt()
    assert {(True, True), (False, True), (False, False)} <= verdicts


async def test_age(harness: VonageHarness) -> None:
    """A retry may bear the first token for a day; an older one, one of the future and one without a time are refused."""
    now = harness.clock()
    for offset, expected in ((0, True), (290, True), (310, False), (-25 * 3600, True), (-27 * 3600, False)):
        assert harness.carrier.verify(harness.sign(b"{}", iat=int(now) + offset)) is expected
    for issued in (None, "now", True, 1e400, -1, 10**400, [1]):
        assert not harness.carrier.verify(harness.sign(b"{}", iat=issued))


async def test_a_token_that_is_over_or_to_come(harness: VonageHarness) -> None:
    """A token that says when it ends or begins is taken in between, five minutes more either way; nonsense is not taken."""
    now = int(harness.clock())
    for claims, expected in (
        ({"exp": now + 10}, True),
        ({"exp": now - 290}, True),
        ({"exp": now - 310}, False),
        ({"nbf": now + 290}, True),
        ({"nbf": now + 310}, False),
        ({"exp": 10**400}, True),
        ({"nbf": -(10**400)}, True),
        ({"nbf": 10**400}, False),
        ({"exp": -1e400}, False),
        ({"exp": float("nan")}, False),
        ({"exp": "never"}, False),
        ({"exp": True}, False),
        ({"nbf": [1]}, False),
    ):
        assert harness.carrier.verify(harness.sign(b"{}", **claims)) is expected, claims


@pytest.mark.parametrize("algorithm", ["none", "HS512", "RS256"])
async def test_algorithms(harness: VonageHarness, algorithm: str) -> None:
    """No other algorithm is taken, whatever the token says of itself, not even over a right signature."""
    claims = jwt.decode(vonage.token(b"{}"), options={"verify_signature": False})
    head, body = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in ({"alg": algorithm}, claims))
    signed = head + b"." + body
    digest = hmac.new(vonage.SIGNATURE_SECRET.encode(), signed, "sha256").digest()
    for signature in (b"", base64.urlsafe_b64encode(digest).rstrip(b"=")):
        headers = CIMultiDict({"Authorization": f"Bearer {(signed + b'.' + signature).decode()}"})
        assert not harness.carrier.verify(replace(harness.sign(b"{}"), headers=headers))


def test_the_token_of_vonages_own_test() -> None:
    """The token that the test of Vonage's Python SDK takes is taken with its secret alone.

    Source: Vonage/vonage-python-sdk@445cab8, jwt/tests/test_verify_jwt.py.
    """
    head, claims = (
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9",
        ("eyJpc3MiOiJPbmxpbmUgSldUIEJ1aWxkZXIiLCJpYXQiOjE2OTc2MzQ2ODAsImV4cCI6MzMyNTQ1NDA4MjgsImF1ZCI6IiIsInN1YiI6IiJ9"),
    )
    token = f"{head}.{claims}.88vJc3I2HhuqEDixHXVhc9R30tA6U_HQHZTC29y6CGM"
    payload = verified_hs256_claims(f"Bearer {token}", b"qwertyuiopasdfghjklzxcvbnm123456")
    assert payload == {"iss": "Online JWT Builder", "iat": 1697634680, "exp": 33254540828, "aud": "", "sub": ""}
    assert verified_hs256_claims(f"Bearer {token}", b"asdf") is None
    assert verified_hs256_claims(f"Bearer {token[:-1]}A", b"qwertyuiopasdfghjklzxcvbnm123456") is None
