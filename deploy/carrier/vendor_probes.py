"""What a carrier can be asked without sending a text, as a table by kind.

Rules of this module: a request changes nothing at the vendor. An answer proves a login only when this vendor gives it only
to an authenticated client, because any web server answers 200, 404 or 405. A request that leaves a secret in a vendor's log
is made only when a person asks for it (`carrier check`, `check`), never periodically (`status`, `doctor`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote

from cryptography.hazmat.primitives.serialization import load_pem_public_key

from bridge.carriers.client_credentials import GRANT_FORM, access_token, basic_auth
from bridge.carriers.http_request import HttpResponse
from bridge.carriers.jwt import private_key
from bridge.carriers.vendors.bandwidth import Settings as Bandwidth
from bridge.carriers.vendors.jasmin import Settings as Jasmin
from bridge.carriers.vendors.kannel import KannelCarrier
from bridge.carriers.vendors.kannel import Settings as Kannel
from bridge.carriers.vendors.rehearsal import Settings as Rehearsal
from bridge.carriers.vendors.signalwire import API as SIGNALWIRE_API
from bridge.carriers.vendors.signalwire import Settings as SignalWire
from bridge.carriers.vendors.smsgate import Settings as SmsGate
from bridge.carriers.vendors.telnyx import Settings as Telnyx
from bridge.carriers.vendors.twilio import API as TWILIO_API
from bridge.carriers.vendors.twilio import Settings as Twilio
from bridge.carriers.vendors.vonage import Settings as Vonage
from bridge.runtime.settings import read_secret

KANNEL_STARTS: Final = 2.0
"""Seconds that a Kannel needs, after it has opened its port, to read its list of users."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginProbe:
    """A request that needs a login and changes nothing: a GET, or a POST of `form`.

    `right`: whether an answer is the vendor's to an authenticated client. `after`: the probe that replaces this one, by its
    answer; None when this answer decides. `name`: the check's. `proves`: what a right answer shows, when that is less than
    the login. `refuses_for`: seconds after its start in which the vendor refuses everybody, so that a refused request is
    sent once more after them. `leaves`: what the request leaves at the vendor, as a sentence; if set, periodic checks use
    `unattended` instead.
    """

    url: str
    headers: Mapping[str, str] = field(repr=False)
    right: Callable[[HttpResponse], bool]
    name: str = "login"
    proves: str = ""
    query: Mapping[str, str] | None = field(default=None, repr=False)
    form: bytes | None = field(default=None, repr=False)
    refuses_for: float = 0.0
    after: Callable[[HttpResponse], LoginProbe | None] = field(default=lambda _: None, repr=False)
    leaves: str = ""
    unattended: LoginProbe | None = None


def _has_list(name: str) -> Callable[[HttpResponse], bool]:
    """Return a test for a JSON object that has a list of that name."""
    return lambda answer: answer.status == 200 and isinstance(answer.json.get(name), list)


def bearer(token: str) -> dict[str, str]:
    """Return the header for a token."""
    return {"Authorization": f"Bearer {token}"}


def _rehearsal(settings: Rehearsal) -> tuple[LoginProbe, ...]:
    url = f"{settings.api_base}/v1/messages?direction=inbound&since=2100-01-01T00%3A00%3A00Z"
    return (LoginProbe(url=url, headers=bearer(read_secret(settings.token_file)), right=_has_list("messages")),)


def _twilio(settings: Twilio) -> tuple[LoginProbe, ...]:
    url = f"{settings.api_base}{TWILIO_API}/Accounts/{quote(settings.account_sid, safe='')}/Messages.json?PageSize=1"
    own = {"Authorization": basic_auth(settings.account_sid, read_secret(settings.auth_token_file))}
    token = LoginProbe(url=url, headers=own, right=_has_list("messages"))
    if settings.password_file is None:
        return (token,)
    key = {"Authorization": basic_auth(settings.user or settings.account_sid, read_secret(settings.password_file))}
    # One secret is for sending texts, the other for verifying webhooks.
    return (
        LoginProbe(url=url, headers=key, right=_has_list("messages")),
        LoginProbe(url=url, headers=own, right=_has_list("messages"), name="auth_token"),
    )


def _signalwire(settings: SignalWire) -> tuple[LoginProbe, ...]:
    url = f"{settings.api_base}{SIGNALWIRE_API}/Accounts/{quote(settings.project, safe='')}/Messages.json?PageSize=1"
    headers = {"Authorization": basic_auth(settings.project, read_secret(settings.token_file))}
    return (LoginProbe(url=url, headers=headers, right=_has_list("messages")),)


def _telnyx(settings: Telnyx) -> tuple[LoginProbe, ...]:
    url = f"{settings.api_base}/messaging_profiles?page%5Bsize%5D=1"
    return (LoginProbe(url=url, headers=bearer(read_secret(settings.api_key_file)), right=_has_list("data")),)


def _bandwidth(settings: Bandwidth) -> tuple[LoginProbe, ...]:
    url = f"{settings.api_base}/users/{quote(settings.account_id, safe='')}/messages?messageId=quietline-check"

    def with_token(answer: HttpResponse) -> LoginProbe | None:
        token = access_token(answer)
        return None if token is None else LoginProbe(url=url, headers=bearer(token), right=_has_list("messages"))

    headers = {"Authorization": basic_auth(settings.client_id, read_secret(settings.client_secret_file))}
    login = LoginProbe(
        url=settings.token_url,
        form=GRANT_FORM,
        headers=headers,
        right=lambda answer: access_token(answer) is not None,
        after=with_token,
    )
    return (login,)


def _vonage(settings: Vonage) -> tuple[LoginProbe, ...]:
    """Read the application, by key and secret: it contains the public key that must match our private one."""
    url = f"{settings.api_base}/v2/applications/{quote(settings.application_id, safe='')}"
    headers = {"Authorization": basic_auth(settings.api_key, read_secret(settings.api_secret_file))}
    ours = private_key(read_secret(settings.private_key_file)).public_key().public_numbers()

    def is_known_answer(answer: HttpResponse) -> bool:
        return answer.status == 200 and answer.json.get("id") == settings.application_id

    def same_key(answer: HttpResponse) -> bool:
        keys = answer.json.get("keys")
        pem = keys.get("public_key") if isinstance(keys, dict) else None
        try:
            theirs: Any = load_pem_public_key(pem.encode()) if isinstance(pem, str) else None
        except ValueError:
            theirs = None
        return is_known_answer(answer) and theirs is not None and theirs.public_numbers() == ours

    return (
        LoginProbe(url=url, headers=headers, right=is_known_answer),
        LoginProbe(url=url, headers=headers, right=same_key, name="private_key"),
    )


def _smsgate(settings: SmsGate) -> tuple[LoginProbe, ...]:
    """Read the devices: a server has the path `/devices`, a phone's own server `/device`."""
    headers = {"Authorization": basic_auth(settings.username, read_secret(settings.password_file))}

    def ours(answer: HttpResponse) -> bool:
        devices = answer.value if answer.status == 200 and isinstance(answer.value, list) else []
        return any(isinstance(device, dict) and device.get("id") == settings.device_id for device in devices)

    phone = LoginProbe(url=f"{settings.api_base}/device", headers=headers, right=ours)
    server = LoginProbe(
        url=f"{settings.api_base}/devices",
        headers=headers,
        right=ours,
        after=lambda answer: phone if answer.status == 404 else None,
    )
    return (server,)


def _kannel(settings: Kannel) -> tuple[LoginProbe, ...]:
    """Send without a receiver: only a known user is told that it is missing (gw/smsbox.c, `smsbox_sendsms_post`)."""
    headers = {
        "X-Kannel-Username": settings.username,
        "X-Kannel-Password": read_secret(settings.password_file),
        "Content-Type": "text/plain",
    }

    def right(answer: HttpResponse) -> bool:
        return answer.status == 400 and answer.body.strip() == b"Missing receiver(s) number(s), rejected"

    url = f"{settings.api_base}{KannelCarrier.send_path}"
    return (LoginProbe(url=url, form=b"", headers=headers, right=right, refuses_for=KANNEL_STARTS),)


def _jasmin(settings: Jasmin) -> tuple[LoginProbe, ...]:
    """Read the balance, which it shows only to its own user; name and password can only be in the query.

    Jasmin writes a query to its `access_log`, so periodic checks use `/ping`. Sources: jookies/jasmin@0aac58e
    (protocols/http/endpoints/balance.py, ping.py; protocols/http/validation.py; bin/jasmind.py); the answers were observed.
    """

    def is_known_answer(answer: HttpResponse) -> bool:
        if answer.status == 400:  # a known user, without the permission to read it
            return isinstance(answer.value, str) and answer.value.endswith("(Cannot check balance).")
        return answer.status == 200 and answer.json.keys() == {"balance", "sms_count"}

    ping = LoginProbe(
        url=f"{settings.api_base}/ping",
        headers={},
        right=lambda answer: answer.status == 200 and answer.body.strip() == b"Jasmin/PONG",
        proves="answers; whether it takes the login only `quietline carrier check` asks",
    )
    balance = LoginProbe(
        url=f"{settings.api_base}/balance",
        query={"username": settings.username, "password": read_secret(settings.password_file)},
        headers={},
        right=is_known_answer,
        leaves=(
            "Jasmin writes this question, name and password in it, into the file `access_log` of its `http-api`: have "
            "nobody else read that file."
        ),
        unattended=ping,
    )
    return (balance,)


GATEWAYS: Final = ("kannel", "jasmin")
"""Carriers that are the agency's own programs."""
LOGIN_PROBES: Final[Mapping[str, Callable[[Any], tuple[LoginProbe, ...]]]] = MappingProxyType(
    {
        "rehearsal": _rehearsal,
        "twilio": _twilio,
        "signalwire": _signalwire,
        "telnyx": _telnyx,
        "bandwidth": _bandwidth,
        "vonage": _vonage,
        "smsgate": _smsgate,
        "kannel": _kannel,
        "jasmin": _jasmin,
    }
)
