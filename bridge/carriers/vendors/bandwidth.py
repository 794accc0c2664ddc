"""The adapter for Bandwidth (Messaging API v2).

Rules of this module: Bandwidth signs nothing, so a webhook must have our Basic credentials *and* the secret segment of the
path. It sends the credentials only in answer to a 401 with a challenge: its first request has none, and may have no body
(docs/numbers/webhooks, Authentication). Our requests have a token for client credentials, because users with a password end
on 2 December 2026. An unreadable event is reported as such and does not affect the others of its array. An error of class 9
says that Bandwidth does not know the outcome of a text, and is never reported as a failure.

Interface: `POST /users/ACCOUNT/messages` → 202 with `id`; webhooks are arrays of events, at least once each, in any order,
repeated for 24 hours until the answer is 2xx within 10 seconds. Long texts arrive whole. Sources: dev.bandwidth.com/docs,
messaging/{createMessage,webhooks,errors,getMessage,rateLimits}, account/applications and account/credentials/{management,
migration}; Bandwidth/python-sdk@ba8d157. Not tried against a live account.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

from bridge.carriers.adapter import (
    AdapterContext,
    CannotDelete,
    DeleteOutcome,
    DeliveryReport,
    Exposure,
    Ignored,
    Inbound,
    InboundText,
    Malformed,
    Media,
    Rejected,
    SendOutcome,
    Status,
    WebhookRequest,
)
from bridge.carriers.base import BaseCarrier
from bridge.carriers.client_credentials import TokenClient, basic_auth
from bridge.carriers.error_codes import ErrorCodes, Verdict
from bridge.carriers.http_request import TIMEOUT, CarrierHttp, HttpResponse, Timeout, path_segment
from bridge.carriers.parsing import (
    as_object,
    constant_time_equal,
    e164_or_empty,
    error_code,
    group_message,
    has_path_secret,
    id_field,
    json_value,
    parse_iso_time,
    reference_in,
    replace_unencodable,
    string_field,
    without_layout,
)
from bridge.carriers.rate_limit import Rate
from bridge.carriers.secret_strength import PathSecretFile
from bridge.carriers.sender_id import parse_sender
from bridge.runtime.phone_number import Phone
from bridge.runtime.settings import BaseUrl, CarrierSettings, NonEmpty, read_secret

RATE: Final = Rate(per_second=1.0, shared=True)
"""Segments: an account sends 60 a minute unless its limit was raised (docs/messaging/rateLimits)."""

ERROR_CODES: Final = ErrorCodes(
    accepted_statuses=frozenset({202}),
    message_id=lambda answer: answer.json.get("id"),
    error=lambda answer: answer.json.get("type"),
    # An answer has words; numeric codes come with the events.
    codes={
        # destination-rejected-due-to-user-opt-out: by Bandwidth, by the network.
        "4475": Verdict.OPTED_OUT,
        "4775": Verdict.OPTED_OUT,
        # It got no delivery receipt in time; it does not know the carrier's code.
        "9902": Verdict.UNKNOWN,
        "9999": Verdict.UNKNOWN,
    },
)

_STATUSES: Final[dict[str, Status]] = {
    "SENT": "sent",
    "ACCEPTED": "sent",
    "DELIVERED": "delivered",
    "FAILED": "failed",
    "UNDELIVERED": "failed",
}
_REPORTS: Final[dict[str, Status]] = {"message-sent": "sent", "message-delivered": "delivered", "message-read": "delivered"}
_RCS_RESPONSES: Final = ("requested-location-response", "suggestion-response")
"""Events by which a person answers over RCS (`inboundCallbackTypeEnum` in python-sdk's bandwidth.yml)."""
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
        "dev.bandwidth.com/docs/numbers/webhooks (credentials of webhooks)",
        "dev.bandwidth.com/docs/messaging/errors",
        "dev.bandwidth.com/docs/account/applications",
        "dev.bandwidth.com/docs/account/credentials/management and …/migration (client credentials)",
        "support.bandwidth.com: 360010785613 (opt-out and opt-in words)",
        "github.com/Bandwidth/python-sdk@ba8d157",
    ),
    unconfirmed=(
        "How long message records are kept beyond the 14 days of one search.",
        "What exactly a line of the bill shows.",
        "How long a token is good, and whether it can be had too often (one is kept for as long as its answer says).",
        "That toll-free networks confirm STOP and UNSTOP by a text (read of Twilio's, not of Bandwidth's).",
    ),
)


class Settings(CarrierSettings):
    """Bandwidth. The application's inbound and outbound callbacks both get the callback credentials and the secret path.

    `client_id` and the client secret are an *API credential* of the account, with the role Messaging.
    """

    kind: Literal["bandwidth"]
    api_base: BaseUrl = "https://messaging.bandwidth.com/api/v2"
    account_id: NonEmpty
    application_id: NonEmpty
    client_id: NonEmpty
    client_secret_file: Path
    token_url: BaseUrl = "https://api.bandwidth.com/api/v1/oauth2/token"  # noqa: S105 - an address
    callback_username: NonEmpty
    callback_password_file: Path
    path_secret_file: PathSecretFile


class BandwidthCarrier(BaseCarrier):
    """One line's connection to Bandwidth. Made inside the running event loop."""

    kind = "bandwidth"
    settings = Settings
    exposure = EXPOSURE
    refusal_status = 401
    challenge = 'Basic realm="quietline", charset="UTF-8"'

    def __init__(self, settings: Settings, line: AdapterContext, *, timeout: Timeout = TIMEOUT) -> None:
        self.rate = replace(RATE, per_second=settings.texts_per_second)
        self._messages = f"{settings.api_base}/users/{path_segment(settings.account_id)}/messages"
        self._application_id, self._validity, self._clock = settings.application_id, line.validity, line.clock
        self._path_secret = read_secret(settings.path_secret_file)
        self._callback_auth = basic_auth(settings.callback_username, read_secret(settings.callback_password_file))
        login = settings.client_id, read_secret(settings.client_secret_file)
        self._http = CarrierHttp(timeout=timeout)
        self._api = TokenClient(self._http, url=settings.token_url, login=login, clock=line.clock)

    def verify(self, request: WebhookRequest) -> bool:
        """Check the credentials and the path. Source: docs/account/applications, `InboundCallbackCreds`."""
        path = has_path_secret(request.raw_path, self._path_secret)
        return constant_time_equal(self._callback_auth, request.headers.get("Authorization", "")) and path

    def parse(self, request: WebhookRequest) -> tuple[Inbound, ...]:
        """Read an array of events; a malformed event does not affect the others. Source: docs/messaging/webhooks."""
        events = json_value(request.body)
        if not isinstance(events, list) or not events:
            raise Malformed("body: not an array of events")
        return tuple(_parse_event(event) for event in events)

    async def send(self, to: Phone, text: str, *, number: str, reference: str) -> SendOutcome:
        """`POST /users/ACCOUNT/messages` → 202 `{"id"}`; 4xx `{"type"}`; 429 when the account's queue is full."""
        if not to.answerable:
            return Rejected("not-answerable")
        expires = datetime.fromtimestamp(self._clock(), UTC).replace(microsecond=0) + timedelta(seconds=self._validity)
        body = {
            "applicationId": self._application_id,
            "tag": reference,
            "to": [to.reveal()],
            "from": number,
            "text": replace_unencodable(text),
            "expiration": expires.isoformat().replace("+00:00", "Z"),
        }
        return ERROR_CODES.send_outcome(await self._api.request("POST", self._messages, json=body))

    async def status(self, message_id: str) -> DeliveryReport | None:
        """`GET /users/ACCOUNT/messages?messageId=` → 200 with `messages[0].messageStatus`."""
        got = await self._api.request("GET", f"{self._messages}?messageId={path_segment(message_id)}")
        messages = got.json.get("messages") if isinstance(got, HttpResponse) and got.status == 200 else None
        for item in messages if isinstance(messages, list) else ():
            if isinstance(item, dict) and item.get("messageId") == message_id:
                status = _STATUSES.get(str(item.get("messageStatus")))
                return _parse_report(message_id, status, item.get("errorCode")) if status else None
        return None

    async def delete_copy(self, message_id: str) -> DeleteOutcome:  # noqa: ARG002 - the answer is the same for all
        """Return `CannotDelete`: the API has no such call. Source: docs/messaging/getMessage."""
        return CannotDelete(
            "does not store the words; keeps both numbers and the time in its message records, and pictures for 48 hours"
        )


def _parse_event(event: Any) -> Inbound:
    """Read one event of an array; a malformed one becomes `Ignored`, so that the others count. Never raises."""
    try:
        return _read_event(as_object(event, "event"))
    except Malformed:
        return Ignored("malformed")


def _parse_report(message_id: str, status: Status, error: Any, reference: str = "") -> DeliveryReport:
    """Make a report from a status and an error code: a number of four digits, or any value."""
    code = error_code(error)
    code = code if _ERROR_CODE.fullmatch(code) else ""
    return ERROR_CODES.delivery_report(message_id, status, code, reference=reference)


def _read_event(event: dict[str, Any]) -> Inbound:
    kind = event.get("type")
    if kind in _RCS_RESPONSES:
        return Ignored("channel")
    if not isinstance(kind, str) or kind not in ("message-received", "message-failed", *_REPORTS):
        return Ignored("event")
    message = as_object(event.get("message"), "message")
    if kind == "message-received":
        return _parse_inbound(message)
    message_id, reference = id_field(message, "id"), reference_in(message.get("tag"))
    if kind == "message-failed":
        return _parse_report(message_id, "failed", event.get("errorCode"), reference)
    return DeliveryReport(message_id=message_id, status=_REPORTS[kind], reference=reference)


def _parse_inbound(message: dict[str, Any]) -> Inbound:
    to = message.get("to")
    if message.get("channel") not in (None, "SMS", "MMS"):
        return Ignored("channel")
    phone = parse_sender(string_field(message, "from"))
    if phone is None or (isinstance(to, list) and len(to) > 1):
        return group_message(message.get("id"), phone, message.get("text"))
    media = [] if message.get("media") is None else message["media"]
    if not isinstance(media, list) or not all(isinstance(url, str) for url in media):
        raise Malformed("media: not a list of URLs")
    # A picture without words has no `text`.
    text = string_field(message, "text") if media == [] or message.get("text") is not None else ""
    # The type is known only when the file is fetched.
    files = tuple(Media(url=string_field({"url": url}, "url"), content_type="") for url in media)
    return InboundText(
        message_id=id_field(message, "id"),
        sender=phone,
        text=text,
        to=e164_or_empty(message.get("owner")),
        media=without_layout(files, text),
        at=parse_iso_time(message.get("time")),
    )
