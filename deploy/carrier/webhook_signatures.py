"""How each carrier's webhooks are signed, as a table by kind: what `quietline carrier check` calls our own door with.

Rules of this module: a request that we sign as the vendor would cannot be taken for a text. It is signed with our copy of
the vendor's secret, so a valid signature does not show that the vendor has the same secret. Signatures by a key that only
the vendor has are not in the table, and are reported as untestable.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from bridge.carriers.client_credentials import basic_auth
from bridge.carriers.parsing import form_fields
from bridge.carriers.vendors.bandwidth import Settings as Bandwidth
from bridge.carriers.vendors.cxml import signature, signed_urls
from bridge.carriers.vendors.jasmin import Settings as Jasmin
from bridge.carriers.vendors.kannel import Settings as Kannel
from bridge.carriers.vendors.rehearsal import Settings as Rehearsal
from bridge.carriers.vendors.signalwire import Settings as SignalWire
from bridge.carriers.vendors.smsgate import Settings as SmsGate
from bridge.carriers.vendors.twilio import Settings as Twilio
from bridge.carriers.vendors.vonage import Settings as Vonage
from bridge.inbound.carrier_check_calls import PROBE_BODIES
from bridge.runtime.settings import read_secret

_, FORM, JSON = PROBE_BODIES


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRequest:
    """A request to our own webhook as the vendor would make it. `rest`: the path after `/carriers/LINE/status`."""

    body: bytes
    headers: Mapping[str, str] = field(repr=False)
    rest: str = field(default="", repr=False)


def _signed_rehearsal(settings: Rehearsal, url: str) -> SignedRequest:
    timestamp = str(int(time.time()))
    message = b"\n".join((timestamp.encode(), url.encode(), JSON))
    digest = hmac.new(read_secret(settings.signing_key_file).encode(), message, hashlib.sha256).hexdigest()
    return SignedRequest(body=JSON, headers={"X-Rehearsal-Timestamp": timestamp, "X-Rehearsal-Signature": digest})


def _signed_cxml(header: str, key: str, url: str) -> SignedRequest:
    header_value = signature(key.encode(), signed_urls(url, "")[0], form_fields(FORM)).decode()
    return SignedRequest(body=FORM, headers={"Content-Type": "application/x-www-form-urlencoded", header: header_value})


def _signed_twilio(settings: Twilio, url: str) -> SignedRequest:
    return _signed_cxml("X-Twilio-Signature", read_secret(settings.auth_token_file), url)


def _signed_signalwire(settings: SignalWire, url: str) -> SignedRequest:
    return _signed_cxml("X-SignalWire-Signature", read_secret(settings.signing_key_file), url)


def _signed_bandwidth(settings: Bandwidth, _url: str) -> SignedRequest:
    headers = {"Authorization": basic_auth(settings.callback_username, read_secret(settings.callback_password_file))}
    return SignedRequest(body=JSON, headers=headers, rest=f"/{read_secret(settings.path_secret_file)}")


def _signed_vonage(settings: Vonage, _url: str) -> SignedRequest:
    claims = {
        "iss": "Vonage",
        "iat": int(time.time()),
        "api_key": settings.api_key,
        "payload_hash": hashlib.sha256(JSON).hexdigest(),
    }
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    signed = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
    digest = hmac.new(read_secret(settings.signature_secret_file).encode(), signed.encode(), hashlib.sha256).digest()
    token = f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
    return SignedRequest(body=JSON, headers={"Authorization": f"Bearer {token}"})


def _signed_smsgate(settings: SmsGate, _url: str) -> SignedRequest:
    timestamp = str(int(time.time()))
    digest = hmac.new(
        read_secret(settings.signing_key_file).encode(), JSON + timestamp.encode(), hashlib.sha256
    ).hexdigest()
    return SignedRequest(body=JSON, headers={"X-Timestamp": timestamp, "X-Signature": digest})


def _signed_gateway(settings: Kannel | Jasmin, _url: str) -> SignedRequest:
    return SignedRequest(body=FORM, headers={}, rest=f"/{read_secret(settings.path_secret_file)}")


SIGNERS: Final[Mapping[str, Callable[[Any, str], SignedRequest]]] = MappingProxyType(
    {
        "rehearsal": _signed_rehearsal,
        "twilio": _signed_twilio,
        "signalwire": _signed_signalwire,
        "bandwidth": _signed_bandwidth,
        "vonage": _signed_vonage,
        "smsgate": _signed_smsgate,
        "kannel": _signed_gateway,
        "jasmin": _signed_gateway,
    }
)
"""Telnyx is missing: it signs with a key that only Telnyx has."""
