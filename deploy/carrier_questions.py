"""What a carrier can be asked without sending a text, and how its webhooks are signed, as two tables by kind.

Rules of this module: a question changes nothing at the vendor; a request that we sign as the vendor would says nothing that
the bridge could take for a text. What a vendor offers no harmless question for, or signs with a key that only it has, is
not in the table, and is told as such.
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
from urllib.parse import quote

from bridge.carriers.bandwidth import Settings as Bandwidth
from bridge.carriers.cxml_fields import signature, urls
from bridge.carriers.jasmin import Settings as Jasmin
from bridge.carriers.kannel import Settings as Kannel
from bridge.carriers.reading import form
from bridge.carriers.rehearsal import Settings as Rehearsal
from bridge.carriers.signalwire import API as SIGNALWIRE_API
from bridge.carriers.signalwire import Settings as SignalWire
from bridge.carriers.smsgate import Settings as SmsGate
from bridge.carriers.telnyx import Settings as Telnyx
from bridge.carriers.tokens import private_key, rs256
from bridge.carriers.twilio import API as TWILIO_API
from bridge.carriers.twilio import Settings as Twilio
from bridge.carriers.vonage import Settings as Vonage
from bridge.settings import secret

FORM: Final = b"quietline=check"
JSON: Final = b'{"quietline": "check"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A GET that needs the login and changes nothing. 401 or 403 is a no, every other answer a yes."""

    url: str
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A request to our own webhook as the vendor would make it. `rest` stands behind `/carriers/LINE/status`."""

    body: bytes
    headers: Mapping[str, str] = field(repr=False)
    rest: str = field(default="", repr=False)


def _basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def _rehearsal(settings: Rehearsal) -> Question:
    headers = {"Authorization": f"Bearer {secret(settings.token_file)}"}
    return Question(
        url=f"{settings.api_base}/v1/messages?direction=inbound&since=2100-01-01T00%3A00%3A00Z", headers=headers
    )


def _twilio(settings: Twilio) -> Question:
    password = settings.auth_token_file if settings.password_file is None else settings.password_file
    return Question(
        url=f"{settings.api_base}{TWILIO_API}/Accounts/{quote(settings.account_sid, safe='')}/Messages.json?PageSize=1",
        headers=_basic(settings.user or settings.account_sid, secret(password)),
    )


def _signalwire(settings: SignalWire) -> Question:
    return Question(
        url=f"{settings.api_base}{SIGNALWIRE_API}/Accounts/{quote(settings.project, safe='')}/Messages.json?PageSize=1",
        headers=_basic(settings.project, secret(settings.token_file)),
    )


def _telnyx(settings: Telnyx) -> Question:
    headers = {"Authorization": f"Bearer {secret(settings.api_key_file)}"}
    return Question(url=f"{settings.api_base}/messaging_profiles", headers=headers)


def _bandwidth(settings: Bandwidth) -> Question:
    return Question(
        url=f"{settings.api_base}/users/{quote(settings.account_id, safe='')}/messages?messageId=quietline-check",
        headers=_basic(settings.username, secret(settings.password_file)),
    )


def _vonage(settings: Vonage) -> Question:
    now = int(time.time())
    claims = {"application_id": settings.application_id, "iat": now, "exp": now + 60, "jti": f"quietline-check-{now}"}
    token = rs256(private_key(secret(settings.private_key_file)), claims)
    return Question(url=f"{settings.api_base}/v1/messages/quietline-check", headers={"Authorization": f"Bearer {token}"})


def _smsgate(settings: SmsGate) -> Question:
    headers = _basic(settings.username, secret(settings.password_file))
    return Question(url=f"{settings.api_base}/messages/quietline-check", headers=headers)


QUESTIONS: Final[Mapping[str, Callable[[Any], Question]]] = MappingProxyType(
    {
        "rehearsal": _rehearsal,
        "twilio": _twilio,
        "signalwire": _signalwire,
        "telnyx": _telnyx,
        "bandwidth": _bandwidth,
        "vonage": _vonage,
        "smsgate": _smsgate,
    }
)
"""Kannel and Jasmin are not here: they look at a login only when a text is sent."""


def _signed_rehearsal(settings: Rehearsal, url: str) -> Signed:
    timestamp = str(int(time.time()))
    message = b"\n".join((timestamp.encode(), url.encode(), JSON))
    digest = hmac.new(secret(settings.signing_key_file).encode(), message, hashlib.sha256).hexdigest()
    return Signed(body=JSON, headers={"X-Rehearsal-Timestamp": timestamp, "X-Rehearsal-Signature": digest})


def _signed_cxml(header: str, key: str, url: str) -> Signed:
    told = signature(key.encode(), urls(url, "")[0], form(FORM)).decode()
    return Signed(body=FORM, headers={"Content-Type": "application/x-www-form-urlencoded", header: told})


def _signed_twilio(settings: Twilio, url: str) -> Signed:
    return _signed_cxml("X-Twilio-Signature", secret(settings.auth_token_file), url)


def _signed_signalwire(settings: SignalWire, url: str) -> Signed:
    return _signed_cxml("X-SignalWire-Signature", secret(settings.signing_key_file), url)


def _signed_bandwidth(settings: Bandwidth, _url: str) -> Signed:
    headers = _basic(settings.callback_username, secret(settings.callback_password_file))
    return Signed(body=JSON, headers=headers, rest=f"/{secret(settings.path_secret_file)}")


def _signed_vonage(settings: Vonage, _url: str) -> Signed:
    claims = {
        "iss": "Vonage",
        "iat": int(time.time()),
        "api_key": settings.api_key,
        "payload_hash": hashlib.sha256(JSON).hexdigest(),
    }
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    signed = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
    digest = hmac.new(secret(settings.signature_secret_file).encode(), signed.encode(), hashlib.sha256).digest()
    token = f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
    return Signed(body=JSON, headers={"Authorization": f"Bearer {token}"})


def _signed_smsgate(settings: SmsGate, _url: str) -> Signed:
    timestamp = str(int(time.time()))
    digest = hmac.new(secret(settings.signing_key_file).encode(), JSON + timestamp.encode(), hashlib.sha256).hexdigest()
    return Signed(body=JSON, headers={"X-Timestamp": timestamp, "X-Signature": digest})


def _signed_gateway(settings: Kannel | Jasmin, _url: str) -> Signed:
    return Signed(body=FORM, headers={}, rest=f"/{secret(settings.path_secret_file)}")


SIGNERS: Final[Mapping[str, Callable[[Any, str], Signed]]] = MappingProxyType(
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
"""Telnyx is not here: it signs with a key that only Telnyx has."""
