"""The adapter for Bandwidth (Messaging API v2).

Rules of this module: Bandwidth signs nothing, so a webhook must bear our Basic credentials *and* the secret segment of the
path; an error of its class 9 says that it does not know what became of a text, and is never told as a failure.

Interface: `POST /users/ACCOUNT/messages` → 202 with `id`; webhooks are arrays of events, at least once each, in any order,
again for 24 hours until they are answered 2xx within 10 seconds. Long texts arrive whole. Sources: dev.bandwidth.com/docs,
messaging/{createMessage,webhooks,errors,getMessage,rateLimits} and account/applications; Bandwidth/python-sdk@ba8d157. Not
tried against a live account.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal, Self

import aiohttp

from bridge.carriers.adapter import (
    CannotDelete,
    DeleteOutcome,
    DeliveryReport,
    Inbound,
    InboundText,
    Malformed,
    Media,
    Rejected,
    SendOutcome,
    Status,
    Unwanted,
    WebhookRequest,
)
from bridge.carriers.asking import PATIENCE, Answer, ask, segment, session
from bridge.carriers.exposure import Exposure
from bridge.carriers.numbers import sender
from bridge.carriers.ordinary import Ordinary
from bridge.carriers.pace import Rate
from bridge.carriers.reading import (
    code,
    identifier,
    json_value,
    mapping,
    own_number,
    same,
    secret_path,
    string,
    time_of,
)
from bridge.carriers.sorting import Sorting, Verdict
from bridge.carriers.strength import PathSecretFile
from bridge.phone import Phone
from bridge.settings import Base, CarrierSection, secret

SORTING: Final = Sorting(
    taken=frozenset({202}),
    message_id=lambda answer: answer.json.get("id"),
    error=lambda answer: answer.json.get("type"),
    # An answer bears words; numbers come with the events.
    codes={
        # destination-rejected-due-to-user-opt-out
        "4775": Verdict.OPTED_OUT,
        # Its wait for a delivery receipt ran out; the carrier's code is unknown to it.
        "9902": Verdict.UNKNOWN,
        "9999": Verdict.UNKNOWN,
    },
)

RATE: Final = Rate(per_second=1.0)
"""Segments: an account's queue empties at 60 a minute unless it was raised (docs/messaging/rateLimits)."""

_STATUS: Final[dict[str, Status]] = {
    "SENT": "sent",
    "ACCEPTED": "sent",
    "DELIVERED": "delivered",
    "FAILED": "failed",
    "UNDELIVERED": "failed",
}
_REPORTS: Final[dict[str, Status]] = {"message-sent": "sent", "message-delivered": "delivered", "message-read": "delivered"}
_ERROR_CODE = re.compile(r"[0-9]{4}")

EXPOSURE = Exposure(
    carrier="Bandwidth",
    keeps=(
        "Words: not stored; after the request they are in no callback and in no answer.",
        "Who texted whom and when, status, number of segments: in its message records, searchable for 14 days.",
        "Pictures that a texter sent: up to 48 hours, or until deleted.",
    ),
    we_delete=(),
    remains=("Its message records, as above: there is no deletion.", "What the telephone companies on the way keep."),
    bill_shows="One record for each segment, with both numbers and the time.",
    opt_outs=(
        "Long codes and short codes: none, STOP comes through and is obeyed here. "
        "Toll-free numbers: STOP, UNSTOP and START are obeyed by the network, before anything reaches us."
    ),
    speaks="From a toll-free number the network itself confirms STOP and UNSTOP. From other numbers nothing.",
    signed=(
        "No signature: Basic credentials and a secret segment of the path, both over TLS. "
        "Whoever learns both can forge a text."
    ),
    sources=(
        "dev.bandwidth.com/docs/messaging/createMessage",
        "dev.bandwidth.com/docs/messaging/getMessage",
        "dev.bandwidth.com/docs/messaging/webhooks",
        "dev.bandwidth.com/docs/messaging/errors",
        "dev.bandwidth.com/docs/account/applications",
        "support.bandwidth.com: 360010785613 (opt-out and opt-in words)",
        "github.com/Bandwidth/python-sdk@ba8d157",
    ),
    unconfirmed=(
        "How long message records are kept beyond the 14 days of one search.",
        "What exactly a line of the bill shows.",
        "Whether every account may log in with Basic credentials, as this adapter does: OAuth 2 is offered as well.",
        "That toll-free networks confirm STOP and UNSTOP by a text (read of Twilio's, not of Bandwidth's).",
    ),
)


class Settings(CarrierSection):
    """Bandwidth. The application's inbound and outbound callbacks both get the callback credentials and the secret path."""

    kind: Literal["bandwidth"]
    api_base: Base = "https://messaging.bandwidth.com/api/v2"
    account_id: str
    application_id: str
    username: str
    password_file: Path
    callback_username: str
    callback_password_file: Path
    path_secret_file: PathSecretFile


class BandwidthCarrier(Ordinary):
    """One line's connection to Bandwidth. Made inside the running event loop."""

    kind = "bandwidth"
    exposure = EXPOSURE

    def __init__(
        self,
        *,
        api_base: str,
        account_id: str,
        application_id: str,
        login: tuple[str, str],
        callback_login: tuple[str, str],
        path_secret: str,
        validity: int,
        clock: Callable[[], float],
        rate: Rate = RATE,
        timeout: aiohttp.ClientTimeout = PATIENCE,
    ) -> None:
        self.rate = rate
        self._messages = f"{api_base}/users/{segment(account_id)}/messages"
        self._application_id, self._path_secret, self._validity, self._clock = application_id, path_secret, validity, clock
        self._right = _basic(*callback_login)
        self._http = session(timeout=timeout, headers={"Authorization": _basic(*login)})

    @classmethod
    def make(
        cls,
        settings: Settings,
        *,
        public_base_url: str,  # noqa: ARG003 - nothing of it is signed
        slug: str,  # noqa: ARG003 - the callbacks are set at the application
        numbers: tuple[str, ...],  # noqa: ARG003 - each text says its own
        validity: int,
        clock: Callable[[], float],
    ) -> Self:
        """Make it from its settings."""
        return cls(
            api_base=settings.api_base,
            account_id=settings.account_id,
            application_id=settings.application_id,
            login=(settings.username, secret(settings.password_file)),
            callback_login=(settings.callback_username, secret(settings.callback_password_file)),
            path_secret=secret(settings.path_secret_file),
            validity=validity,
            rate=Rate(per_second=settings.texts_per_second),
            clock=clock,
        )

    def verify(self, request: WebhookRequest) -> bool:
        """Check the credentials and the path. Source: docs/account/applications, `InboundCallbackCreds`."""
        path = secret_path(request.raw_path, self._path_secret)
        return same(self._right, request.headers.get("Authorization", "")) and path

    def parse(self, request: WebhookRequest) -> tuple[Inbound, ...]:
        """Read an array of events. Source: docs/messaging/webhooks."""
        events = json_value(request.body)
        if not isinstance(events, list) or not events:
            raise Malformed("body: not an array of events")
        return tuple(_event(mapping(event, "event")) for event in events)

    async def send(self, to: Phone, text: str, *, number: str) -> SendOutcome:
        """`POST /users/ACCOUNT/messages` → 202 `{"id"}`; 4xx `{"type"}`; 429 when the account's queue is full."""
        if not to.answerable:
            return Rejected("not-answerable")
        expires = datetime.fromtimestamp(self._clock(), UTC).replace(microsecond=0) + timedelta(seconds=self._validity)
        body = {
            "applicationId": self._application_id,
            "to": [to.reveal()],
            "from": number,
            "text": text,
            "expiration": expires.isoformat().replace("+00:00", "Z"),
        }
        return SORTING.sent(await ask(self._http, "POST", self._messages, json=body))

    async def status(self, message_id: str) -> DeliveryReport | None:
        """`GET /users/ACCOUNT/messages?messageId=` → 200 with `messages[0].messageStatus`."""
        got = await ask(self._http, "GET", f"{self._messages}?messageId={segment(message_id)}")
        found = got.json.get("messages") if isinstance(got, Answer) and got.status == 200 else None
        for item in found if isinstance(found, list) else ():
            if isinstance(item, dict) and item.get("messageId") == message_id:
                status = _STATUS.get(str(item.get("messageStatus")))
                return _told(message_id, status, item.get("errorCode")) if status else None
        return None

    async def delete_copy(self, message_id: str) -> DeleteOutcome:  # noqa: ARG002 - whatever it is
        """Say what is so: there is nothing to ask for. Source: docs/messaging/getMessage."""
        return CannotDelete(
            "does not store the words; keeps both numbers and the time in its message records, and pictures for 48 hours"
        )


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _event(event: dict[str, Any]) -> Inbound:
    kind, message = event.get("type"), mapping(event.get("message"), "message")
    if kind == "message-received":
        return _inbound(message)
    if kind == "message-failed":
        return _told(identifier(message, "id"), "failed", event.get("errorCode"))
    if isinstance(kind, str) and kind in _REPORTS:
        return DeliveryReport(message_id=identifier(message, "id"), status=_REPORTS[kind])
    return Unwanted("event")


def _inbound(message: dict[str, Any]) -> Inbound:
    to = message.get("to")
    if message.get("channel") not in (None, "SMS", "MMS"):
        return Unwanted("channel")
    phone = sender(string(message, "from"))
    if phone is None or (isinstance(to, list) and len(to) > 1):
        return Unwanted("group")
    media = [] if message.get("media") is None else message["media"]
    if not isinstance(media, list) or not all(isinstance(url, str) for url in media):
        raise Malformed("media: not a list of URLs")
    return InboundText(
        message_id=identifier(message, "id"),
        sender=phone,
        # A picture without words has none.
        text=string(message, "text") if media == [] or message.get("text") is not None else "",
        to=own_number(message.get("owner")),
        # The type is told only when one is fetched.
        media=tuple(Media(url=string({"url": url}, "url"), content_type="") for url in media),
        at=time_of(message.get("time")),
    )


def _told(message_id: str, status: Status, error: Any) -> DeliveryReport:
    told = code(error)
    return SORTING.reported(message_id, status, told if _ERROR_CODE.fullmatch(told) else "")
