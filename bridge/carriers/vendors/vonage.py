"""The adapter for Vonage (Messages API v1, SMS channel).

Rules of this module: a webhook's token is valid only for exactly the bytes that came with it (`payload_hash`, which
Vonage's own SDK does not compare). A webhook without a valid token is refused with a 5xx, because after any other refusal
Vonage does not call again, and its documentation says that it may once send a text unsigned. If redaction is not
provisioned, that is reported and not retried for ever. A number gets the `+` that Vonage omits only if it is a complete
number.

Interface: `POST /v1/messages` with a token of ours (RS256) → 202 with `message_uuid`; webhooks are JSON with a token of
theirs (HS256, the account's signature secret), retried for 24 hours on 429 and 5xx. Long texts arrive whole
(`sms.num_messages` is the number of parts; only Vonage's older SMS API delivers single parts, and an account has one of the
two APIs). Numbers have no `+`. Sources: those of `EXPOSURE`. Not tried against a live account. (Vonage recommends a `ttl`
of 30 minutes or more; ours is the pack's, because late words are dangerous.)
"""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import PositiveFloat

from bridge.carriers.adapter import (
    AdapterContext,
    Deleted,
    DeleteLater,
    DeleteOutcome,
    DeletionUnconfirmed,
    Exposure,
    Ignored,
    Inbound,
    InboundText,
    Media,
    Rejected,
    RetainedByCarrier,
    SendOutcome,
    Status,
    WebhookRequest,
)
from bridge.carriers.base import BaseCarrier
from bridge.carriers.client_credentials import basic_auth
from bridge.carriers.error_codes import ErrorCodes, Verdict
from bridge.carriers.http_request import TIMEOUT, CarrierHttp, HttpResponse, Timeout, send_request
from bridge.carriers.jwt import PrivateKeyFile, is_in_force, private_key, sign_rs256, verified_hs256_claims
from bridge.carriers.parsing import (
    constant_time_equal,
    e164_or_empty,
    error_code,
    group_message,
    id_field,
    json_object,
    parse_iso_time,
    reference_in,
    replace_unencodable,
    string_field,
)
from bridge.carriers.rate_limit import Rate
from bridge.carriers.sender_id import parse_sender
from bridge.runtime.phone_number import Phone
from bridge.runtime.settings import BaseUrl, CarrierSettings, NonEmpty, read_secret

MAX_TOKEN_AGE: Final = 26 * 3600.0
"""Greatest age of a token in seconds. It is not documented that a retry has a new token, and retries last 24 hours: a
stricter limit could lose a text. The id, which is stored for longer, prevents a replay."""
CLOCK_LEEWAY: Final = 300.0
TOKEN_SECONDS: Final = 300
REDACT_DELAY: Final = 3600.0
"""Seconds after which a text can be redacted."""

RATE: Final = Rate(per_second=30.0, burst=30.0, by_segment=False, shared=True)
"""Requests per second of an account."""

UNPROVISIONED: Final = (403, "unprovisioned")
"""Status and error code when redaction is not provisioned for the account."""
RETENTION_DAYS: Final = 395
_RETENTION = "13 months in its records of calls and texts"

_STATUSES: Final[dict[str, Status]] = {
    "submitted": "sent",
    "delivered": "delivered",
    "read": "delivered",
    "rejected": "failed",
    "undeliverable": "failed",
}
_NUMERIC = re.compile(r"[0-9]{4}")
_WHOLE_NUMBER = re.compile(r"[1-9][0-9]{8,14}")
MIN_VALIDITY: Final = 20
MAX_VALIDITY: Final = 604_800
"""Seconds: the bounds of `ttl`; a request with a value outside of them is refused (vonage-messages 1.8.1, `ttl`)."""
ERROR_CODES: Final = ErrorCodes(
    accepted_statuses=frozenset({202}),
    message_id=lambda answer: answer.json.get("message_uuid"),
    error=lambda answer: _problem_code(answer.json),
    codes={
        # Requests come too fast.
        "1000": Verdict.RETRY_LATER,
        # "Illegal number": the user already sent a STOP.
        "1240": Verdict.OPTED_OUT,
    },
    retry_seconds=1.0,
)

EXPOSURE = Exposure(
    carrier="Vonage (Messages API)",
    keeps=(
        f"Words and numbers: {_RETENTION}, unless redacted.",
        "Server logs with both: some weeks; the Redact API does not reach them.",
    ),
    we_delete=(
        (
            "The record of each text, by the Redact API, an hour after it at the earliest; answered by 204, and not to be "
            "confirmed: there is no look at a single record."
        ),
        "Only if the account is provisioned for redaction.",
    ),
    remains=(
        "Server logs with words and numbers, for some weeks: the Redact API does not reach them.",
        "The record of a message that this line refuses (another channel, a group): it is not redacted.",
        "What its bill, and the telephone companies on the way, keep.",
    ),
    bill_shows="One record for each text, with both numbers, the time and the network.",
    opt_outs="With Opt-Out Assist: the words that are set there. The send is accepted; the failure comes as a report.",
    speaks="With Opt-Out Assist: answers to opt-out and opt-in words and to HELP. Without it nothing.",
    signed=(
        "A token (HS256) over the hash of the body. The URL is not covered, and a token is taken for 26 hours, since a "
        "retry may bear the first one; a replay is stopped by the text's id. What is not signed is refused in such a way "
        "that it comes again, for 24 hours."
    ),
    sources=(
        "developer.vonage.com/api/messages",
        "developer.vonage.com/messages/concepts/messages-status-callbacks",
        "developer.vonage.com/api-errors/messages",
        "developer.vonage.com/api/redact",
        "developer.vonage.com/opt-out-assist: technical-details, guides/messaging-opted-out-numbers",
        "developer.vonage.com/messages/concepts/signed-webhooks; api.support.vonage.com: 360028543292",
        "github.com/Nexmo/nexmo-oas-renderer@1cc7093: errors/messages-olympus.md",
        "github.com/Vonage/vonage-python-sdk@b308cb1",
    ),
    unconfirmed=(
        "That Opt-Out Assist tells an opt-out with 1240, the code whose meaning is a STOP (the SMS API's is 9).",
        "Whether a retried webhook bears a new token.",
        "That a group MMS comes with `mms.participants`, as one is sent (messages/concepts/mms/mms-group-messaging).",
        "Whether inbound texts are redactable under the product `messages`, and what it says of one that is redacted.",
        "That the records are still kept for 13 months and the logs for 15 to 30 days, as was documented in 2021.",
    ),
)


class Settings(CarrierSettings):
    """Vonage. The application's inbound and status URLs lead here; the account's SMS setting is "Messages API"."""

    kind: Literal["vonage"]
    texts_per_second: PositiveFloat = 30.0
    api_base: BaseUrl = "https://api.nexmo.com"
    application_id: NonEmpty
    private_key_file: PrivateKeyFile
    api_key: NonEmpty
    api_secret_file: Path
    signature_secret_file: Path

    @property
    def account(self) -> str:
        """The account's API key."""
        return self.api_key


class VonageCarrier(BaseCarrier):
    """One line's connection to Vonage. Made inside the running event loop."""

    kind = "vonage"
    settings = Settings
    exposure = EXPOSURE
    refusal_status = 503
    delete_retry_seconds = REDACT_DELAY

    def __init__(self, settings: Settings, line: AdapterContext, *, timeout: Timeout = TIMEOUT) -> None:
        """Raise `ValueError`, without content, when the private key is invalid."""
        per_second = settings.texts_per_second
        self.rate = replace(RATE, per_second=per_second, burst=max(1.0, per_second))
        self._api_base, self._application_id = settings.api_base, settings.application_id
        self._key = private_key(read_secret(settings.private_key_file))
        self._api_key, self._signature_secret = settings.api_key, read_secret(settings.signature_secret_file).encode()
        self._login = basic_auth(settings.api_key, read_secret(settings.api_secret_file))
        self._validity, self._clock = line.validity, line.clock
        self._http = CarrierHttp(timeout=timeout)

    def verify(self, request: WebhookRequest) -> bool:
        """Check token, body, account and age. Source: messages/concepts/signed-webhooks."""
        claims = verified_hs256_claims(request.headers.get("Authorization", ""), self._signature_secret) or {}
        payload_hash, account, issued = claims.get("payload_hash"), claims.get("api_key"), claims.get("iat")
        if not isinstance(payload_hash, str) or not isinstance(account, str) or type(issued) is not int:
            return False
        # Vonage's example is lower case; upper case is accepted as well.
        mine = constant_time_equal(hashlib.sha256(request.body).hexdigest(), payload_hash.lower()) and constant_time_equal(
            self._api_key, account
        )
        now = self._clock()
        return (
            mine
            and int(now - MAX_TOKEN_AGE) <= issued <= int(now + CLOCK_LEEWAY)
            and is_in_force(claims, now, leeway=CLOCK_LEEWAY)
        )

    def parse(self, request: WebhookRequest) -> tuple[Inbound, ...]:
        """Read one inbound message, or one status, which has a field `status`."""
        return (_parse_webhook(json_object(request.body)),)

    async def send(self, to: Phone, text: str, *, number: str, reference: str) -> SendOutcome:
        """`POST /v1/messages` → 202 `{"message_uuid"}`; 4xx with `type` ending in `#CODE`; 429 or #1000: too fast."""
        if not to.answerable:
            return Rejected("not-answerable")
        body = {
            "message_type": "text",
            "channel": "sms",
            "client_ref": reference,
            "to": to.reveal().removeprefix("+"),
            "from": number.removeprefix("+"),
            "text": replace_unencodable(text),
            "ttl": min(max(self._validity, MIN_VALIDITY), MAX_VALIDITY),
        }
        url = f"{self._api_base}/v1/messages"
        got = await send_request(self._http, "POST", url, json=body, headers=self._bearer())
        return ERROR_CODES.send_outcome(got)

    async def delete_copy(self, message_id: str) -> DeleteOutcome:
        """`POST /v1/redact/transaction` → 204, or 404. The direction is not known here, so both are requested."""
        statuses = set()
        for direction in ("outbound", "inbound"):
            body = {"id": replace_unencodable(message_id), "product": "messages", "type": direction}
            url = f"{self._api_base}/v1/redact/transaction"
            got = await send_request(self._http, "POST", url, json=body, headers={"Authorization": self._login})
            if not isinstance(got, HttpResponse):
                return DeleteLater(REDACT_DELAY)
            # A person may repair a refused login or an account without credit; only this answer is final.
            if got.status not in (204, 404) and (got.status, _problem_code(got.json)) != UNPROVISIONED:
                return DeleteLater(got.try_later(REDACT_DELAY).retry_after)
            statuses.add(got.status)
        if 204 in statuses:
            return DeletionUnconfirmed()
        if statuses == {404}:
            return Deleted()
        return RetainedByCarrier(f"{_RETENTION}: the account is not provisioned for redaction", days=RETENTION_DAYS)

    def _bearer(self) -> dict[str, str]:
        now = int(self._clock())
        claims = {"application_id": self._application_id, "iat": now, "exp": now + TOKEN_SECONDS, "jti": str(uuid.uuid4())}
        return {"Authorization": f"Bearer {sign_rs256(self._key, claims)}"}


def _problem_code(answer: dict[str, Any]) -> str:
    """Return the code of an error: the part of its `type` after `#`, or the last path segment; else an empty string."""
    kind = answer.get("type")
    return error_code(kind.rpartition("#")[2].rpartition("/")[2]) if isinstance(kind, str) else ""


def _with_plus(value: str) -> str:
    return f"+{value}" if _WHOLE_NUMBER.fullmatch(value) else value


def _parse_webhook(body: dict[str, Any]) -> Inbound:
    """Read one inbound message, or one status, which has a field `status`. Raises :class:`Malformed`."""
    return _parse_report(body) if "status" in body else _parse_inbound(body)


def _parse_inbound(body: dict[str, Any]) -> Inbound:
    if string_field(body, "channel") not in ("sms", "mms"):
        return Ignored("channel")
    phone = parse_sender(_with_plus(string_field(body, "from")))
    if phone is None:
        return Ignored("channel")
    group = body.get("mms")
    if isinstance(group, dict) and group.get("participants"):
        return group_message(body.get("message_uuid"), phone, body.get("text"))
    to = body.get("to")
    kind = body.get("message_type")
    value = body.get(kind) if isinstance(kind, str) and kind != "text" else None
    # One item is an object under its kind; of several items (`content`) each has its own kind.
    media = [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, dict)]
    # A picture may come without words, and a shared item without a URL.
    captions = (item.get("text") or item.get("caption") for item in media)
    words = body.get("text") if not media else body.get("text") or "\n".join(str(each) for each in captions if each)
    return InboundText(
        message_id=id_field(body, "message_uuid"),
        sender=phone,
        text=string_field({"text": words}, "text"),
        to=e164_or_empty(_with_plus(to)) if isinstance(to, str) else "",
        media=tuple(_parse_media(item, str(kind)) for item in media if item.get("type") != "text"),
        at=parse_iso_time(body.get("timestamp")),
    )


def _parse_media(media: dict[str, Any], kind: str) -> Media:
    url, own = media.get("url"), media.get("type")
    kind = own if isinstance(own, str) else kind
    return Media(url=replace_unencodable(url) if isinstance(url, str) else "", content_type=replace_unencodable(kind))


def _parse_report(body: dict[str, Any]) -> Inbound:
    status, error = body.get("status"), body.get("error")
    if body.get("channel", "sms") not in ("sms", "mms"):
        return Ignored("channel")
    if not isinstance(status, str) or status not in _STATUSES:
        return Ignored("event")
    reference = reference_in(body.get("client_ref"))
    return ERROR_CODES.delivery_report(
        id_field(body, "message_uuid"), _STATUSES[status], _failure_code(error), reference=reference
    )


def _failure_code(error: Any) -> str:
    """Read the code of a failed text: the number after `#` in `type`, or the `title`."""
    error = error.get("error", error) if isinstance(error, dict) else None
    if not isinstance(error, dict):
        return ""
    kind, title = _problem_code(error), error_code(error.get("title"))
    return title if _NUMERIC.fullmatch(title) and not _NUMERIC.fullmatch(kind) else kind or title
