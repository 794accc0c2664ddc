"""What a carrier can be asked without sending a text, as a table by kind.

Rules of this module: a question changes nothing at the vendor; an answer is a yes only when it is what this vendor says to
somebody whom it knows, for any web server answers 200, 404 or 405 to anybody. What a vendor offers no harmless question
for is not in the table, and is told as such.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote

from cryptography.hazmat.primitives.serialization import load_pem_public_key

from bridge.carriers.client_credentials import FORM, basic, granted
from bridge.carriers.http_request import Answer
from bridge.carriers.jwt import private_key
from bridge.carriers.vendors.bandwidth import Settings as Bandwidth
from bridge.carriers.vendors.rehearsal import Settings as Rehearsal
from bridge.carriers.vendors.signalwire import API as SIGNALWIRE_API
from bridge.carriers.vendors.signalwire import Settings as SignalWire
from bridge.carriers.vendors.smsgate import Settings as SmsGate
from bridge.carriers.vendors.telnyx import Settings as Telnyx
from bridge.carriers.vendors.twilio import API as TWILIO_API
from bridge.carriers.vendors.twilio import Settings as Twilio
from bridge.carriers.vendors.vonage import Settings as Vonage
from bridge.runtime.settings import secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A request that needs a login and changes nothing: a GET, or a POST of `form`.

    `right`: whether an answer is what the vendor says to somebody whom it knows. `after`: what is asked next in its place,
    given its answer; None when that answer decides. `name`: the check's.
    """

    url: str
    headers: Mapping[str, str] = field(repr=False)
    right: Callable[[Answer], bool]
    name: str = "login"
    form: bytes | None = field(default=None, repr=False)
    after: Callable[[Answer], Question | None] = field(default=lambda _: None, repr=False)


def _lists(name: str) -> Callable[[Answer], bool]:
    """Make the test for an object that has a list under that name."""
    return lambda answer: answer.status == 200 and isinstance(answer.json.get(name), list)


def bearer(token: str) -> dict[str, str]:
    """Write the header of a token."""
    return {"Authorization": f"Bearer {token}"}


def _rehearsal(settings: Rehearsal) -> tuple[Question, ...]:
    url = f"{settings.api_base}/v1/messages?direction=inbound&since=2100-01-01T00%3A00%3A00Z"
    return (Question(url=url, headers=bearer(secret(settings.token_file)), right=_lists("messages")),)


def _twilio(settings: Twilio) -> tuple[Question, ...]:
    url = f"{settings.api_base}{TWILIO_API}/Accounts/{quote(settings.account_sid, safe='')}/Messages.json?PageSize=1"
    own = {"Authorization": basic(settings.account_sid, secret(settings.auth_token_file))}
    token = Question(url=url, headers=own, right=_lists("messages"))
    if settings.password_file is None:
        return (token,)
    key = {"Authorization": basic(settings.user or settings.account_sid, secret(settings.password_file))}
    # Texts leave with the one, and are verified with the other.
    return (
        Question(url=url, headers=key, right=_lists("messages")),
        Question(url=url, headers=own, right=_lists("messages"), name="auth_token"),
    )


def _signalwire(settings: SignalWire) -> tuple[Question, ...]:
    url = f"{settings.api_base}{SIGNALWIRE_API}/Accounts/{quote(settings.project, safe='')}/Messages.json?PageSize=1"
    headers = {"Authorization": basic(settings.project, secret(settings.token_file))}
    return (Question(url=url, headers=headers, right=_lists("messages")),)


def _telnyx(settings: Telnyx) -> tuple[Question, ...]:
    url = f"{settings.api_base}/messaging_profiles?page%5Bsize%5D=1"
    return (Question(url=url, headers=bearer(secret(settings.api_key_file)), right=_lists("data")),)


def _bandwidth(settings: Bandwidth) -> tuple[Question, ...]:
    url = f"{settings.api_base}/users/{quote(settings.account_id, safe='')}/messages?messageId=quietline-check"

    def with_token(answer: Answer) -> Question | None:
        token = granted(answer)
        return None if token is None else Question(url=url, headers=bearer(token), right=_lists("messages"))

    headers = {"Authorization": basic(settings.client_id, secret(settings.client_secret_file))}
    login = Question(
        url=settings.token_url,
        form=FORM,
        headers=headers,
        right=lambda answer: granted(answer) is not None,
        after=with_token,
    )
    return (login,)


def _vonage(settings: Vonage) -> tuple[Question, ...]:
    """Ask for the application, by key and secret: it tells the public key that our private one must belong to."""
    url = f"{settings.api_base}/v2/applications/{quote(settings.application_id, safe='')}"
    headers = {"Authorization": basic(settings.api_key, secret(settings.api_secret_file))}
    ours = private_key(secret(settings.private_key_file)).public_key().public_numbers()

    def known(answer: Answer) -> bool:
        return answer.status == 200 and answer.json.get("id") == settings.application_id

    def same_key(answer: Answer) -> bool:
        keys = answer.json.get("keys")
        told = keys.get("public_key") if isinstance(keys, dict) else None
        try:
            theirs: Any = load_pem_public_key(told.encode()) if isinstance(told, str) else None
        except ValueError:
            theirs = None
        return known(answer) and theirs is not None and theirs.public_numbers() == ours

    return (
        Question(url=url, headers=headers, right=known),
        Question(url=url, headers=headers, right=same_key, name="private_key"),
    )


def _smsgate(settings: SmsGate) -> tuple[Question, ...]:
    """Ask for the devices: a server calls it `/devices`, a phone's own server `/device`."""
    headers = {"Authorization": basic(settings.username, secret(settings.password_file))}

    def ours(answer: Answer) -> bool:
        found = answer.value if answer.status == 200 and isinstance(answer.value, list) else []
        return any(isinstance(device, dict) and device.get("id") == settings.device_id for device in found)

    phone = Question(url=f"{settings.api_base}/device", headers=headers, right=ours)
    server = Question(
        url=f"{settings.api_base}/devices",
        headers=headers,
        right=ours,
        after=lambda answer: phone if answer.status == 404 else None,
    )
    return (server,)


QUESTIONS: Final[Mapping[str, Callable[[Any], tuple[Question, ...]]]] = MappingProxyType(
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
