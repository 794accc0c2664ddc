"""Telnyx: the Messaging API, version 2.

Rules of this module: everything here was read in Telnyx's SDK 4.189.0 or documentation; anything else is in `unconfirmed`
of `EXPOSURE`. Nothing was tried against a live account. Only the fields of a text or a report are read: the carrier and
line type that Telnyx looks up for the sender are never stored. Source of the events: telnyx 4.189.0,
`types/messaging_inbound_message_payload.py` and `types/outbound_message_payload.py`.

Webhooks: the messaging profile's webhook URL is `PUBLIC/carriers/LINE/inbound`, API version 2, and so is its failover URL.
Telnyx waits two seconds for the answer and calls each URL three times at most, the failover URL last: six calls instead of
three. There is no listing: a text that these calls could not deliver is lost to us, and a person must look into its portal
after a long outage.

A send has no validity period (`valid_until` is only returned, not accepted), so a text may wait in Telnyx's queue for
hours. Our own rate limit keeps texts from waiting there.

Decided: a send without an answer is repeated once, at once, with the same `Idempotency-Key` and the same bytes. Telnyx
answers a known key with the first, successful answer and does nothing, "for up to 24 hours"
(development/api-fundamentals/idempotency), so the second answer settles what would otherwise be unknown. It stores only
successful answers: so after a 5xx nothing is repeated, and only a success of the second request settles anything. The key
is random and has no meaning.
"""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator

from bridge.carriers.adapter import (
    Accepted,
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
    UnknownOutcome,
    WebhookRequest,
)
from bridge.carriers.base import BaseCarrier
from bridge.carriers.error_codes import ErrorCodes, Verdict
from bridge.carriers.http_request import TIMEOUT, CarrierHttp, HttpResponse, Timeout, path_segment, send_request
from bridge.carriers.parsing import (
    as_object,
    e164_or_empty,
    error_code,
    group_message,
    id_field,
    json_object,
    mms_text_field,
    parse_iso_time,
    query_reference,
    replace_unencodable,
    string_field,
    utf8_bytes,
    without_layout,
)
from bridge.carriers.rate_limit import Rate
from bridge.carriers.sender_id import parse_sender
from bridge.runtime.phone_number import Phone
from bridge.runtime.settings import BaseUrl, CarrierSettings, read_secret
from policies.segments import breaks_gsm7

TOLERANCE: Final = 300.0
"""Seconds that a webhook's timestamp may differ from our clock, either way (`TIMESTAMP_TOLERANCE_SECONDS`)."""

NON_US_RATE: Final = 0.1
"""Texts per second of a long code outside the US (messages/rate-limiting)."""

_STATUSES: Final[Mapping[str, Status]] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "delivered",
    "sending_failed": "failed",
    "delivery_failed": "failed",
    "expired": "failed",
}
"""Their status -> ours. `delivery_unconfirmed` is final and means that nobody knows: then only `sent` is certain."""
_OTHER_CHANNELS: Final = frozenset({"RCS", "WHATSAPP"})
ERROR_CODES: Final = ErrorCodes(
    message_id=lambda answer: _message_id(answer.json),
    error=lambda answer: _first_error_code(answer.json),
    codes={
        "40300": Verdict.OPTED_OUT,
        # The queue is full; too many requests; too many texts.
        "40318": Verdict.RETRY_LATER,
        "10011": Verdict.RETRY_LATER,
        "40011": Verdict.RETRY_LATER,
        # An unexpected error; the request timed out. With which HTTP status they come is not documented.
        "10007": Verdict.UNKNOWN,
        "10008": Verdict.UNKNOWN,
    },
)

EXPOSURE = Exposure(
    carrier="Telnyx",
    keeps=(
        (
            "A message detail record of every text: both numbers, times, status, cost, the survivor's carrier and line "
            "type, and the text. Its API shows it for 10 days, its reports beyond that."
        ),
        (
            "With redaction switched on for the messaging profile: the same, shown without text and with the survivor's "
            "number masked. That is done when somebody reads, not where it is stored."
        ),
    ),
    we_delete=(),
    remains=("Everything above: nothing can be deleted.",),
    bill_shows="Cost stands in each detail record; reports list every text with both numbers.",
    opt_outs=(
        "STOP, STOPALL, STOP ALL, UNSUBSCRIBE, CANCEL, END and QUIT block our answers (40300) for all numbers of the "
        "messaging profile, until START or UNSTOP."
    ),
    speaks=(
        "A sentence of its own in answer to the opt-out words, such as “You have successfully been unsubscribed …”, and to "
        "START and HELP; it can be reworded on the messaging profile (auto responses)."
    ),
    signed="Ed25519 under the account's key over time and body, five minutes old at most. The URL is not covered.",
    sources=(
        (
            "telnyx 4.189.0: lib/webhook_verification.py, types/message_send_params.py, "
            "types/messaging_inbound_message_payload.py, types/outbound_message_payload.py"
        ),
        (
            "developers.telnyx.com: development/api-fundamentals/idempotency, receiving-webhooks, messages/error-codes, "
            "messages/rate-limiting, messages/message-redaction, messages/configuration-and-usage, "
            "messages/advanced-opt-in-out, api-reference/messages/retrieve-a-message, "
            "development/api-fundamentals/api-errors"
        ),
        "support.telnyx.com: 1270091 (opt-out words and the answer to them)",
    ),
    unconfirmed=(
        "For how long detail records and text are kept in all.",
        "What it answers to START and HELP when nothing is set there.",
        "The HTTP statuses that come with 40300 and 40318 (only the code is looked at).",
        "Whether parts of a long text count one by one against the rate.",
        "That the failover URL may be the same as the first.",
        (
            "That POST /v2/messages keeps the general rule for `Idempotency-Key` (the SDK has the header there; the page "
            "says that an endpoint may differ), and what it answers while the first request still runs."
        ),
    ),
)


def _check_public_key(value: str) -> str:
    try:
        right = len(base64.b64decode(value, validate=True)) == 32
    except (binascii.Error, ValueError):
        right = False
    if not right:
        raise ValueError("not a public key: 32 bytes in base64 are expected")
    return value


class Settings(CarrierSettings):
    """An API key, and the account's public key from the portal (base64; no secret).

    One number outside the US sends a text every ten seconds, the default of a line without a US number; a toll-free number
    20 a second; a number inside the US as many as its campaign allows (or one).

    Redaction: ask support to allow it, then set `redaction_enabled` with `redaction_level` **1** on the messaging profile;
    the default level 2 blanks our inbound texts too.
    """

    kind: Literal["telnyx"]
    api_base: BaseUrl = "https://api.telnyx.com/v2"
    public_key: Annotated[str, AfterValidator(_check_public_key)]
    api_key_file: Path


def _rate(settings: Settings, numbers: tuple[str, ...]) -> Rate:
    abroad = any(not number.startswith("+1") for number in numbers)
    configured = "texts_per_second" in settings.model_fields_set
    return Rate(per_second=NON_US_RATE if abroad and not configured else settings.texts_per_second, by_segment=False)


class TelnyxCarrier(BaseCarrier):
    """One line's connection to Telnyx. Made inside the running event loop."""

    kind = "telnyx"
    settings = Settings
    exposure = EXPOSURE

    def __init__(self, settings: Settings, line: AdapterContext, *, timeout: Timeout = TIMEOUT) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - as aiohttp

        self.rate = _rate(settings, line.numbers)
        self._messages = f"{settings.api_base}/messages"
        self._callback = f"{line.public_base_url}/carriers/{line.slug}/status"
        self._key = Ed25519PublicKey.from_public_bytes(base64.b64decode(settings.public_key))
        self._clock = line.clock
        headers = {"Authorization": f"Bearer {read_secret(settings.api_key_file)}"}
        self._http = CarrierHttp(timeout=timeout, headers=headers)

    def verify(self, request: WebhookRequest) -> bool:
        """Check signature and age (`verify_webhook_signature`), but accept only strict base64 and digits."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - as aiohttp

        timestamp = request.headers.get("telnyx-timestamp", "")
        encoded_signature = utf8_bytes(request.headers.get("telnyx-signature-ed25519", ""))
        try:
            signature = base64.b64decode(encoded_signature, validate=True)
            self._key.verify(signature, utf8_bytes(timestamp) + b"|" + request.body)
        except (binascii.Error, ValueError, InvalidSignature):
            return False
        if base64.b64encode(signature) != encoded_signature:
            return False
        return _TIMESTAMP.fullmatch(timestamp) is not None and abs(self._clock() - int(timestamp)) <= TOLERANCE

    def parse(self, request: WebhookRequest) -> tuple[Inbound, ...]:
        """Read `message.received`, `message.sent` or `message.finalized`; other events are ignored."""
        data = as_object(json_object(request.body).get("data"), "data")
        match data.get("event_type"):
            case "message.received":
                return (_parse_inbound(as_object(data.get("payload"), "payload")),)
            case "message.sent" | "message.finalized" | "message.read":
                payload = as_object(data.get("payload"), "payload")
                report = _parse_report(payload, id_field(payload, "id"), query_reference(request.raw_path))
                return (report or Ignored("event"),)
            case str():
                return (Ignored("event"),)
            case _:
                raise Malformed("event_type: not a string")

    async def send(self, to: Phone, text: str, *, number: str, reference: str) -> SendOutcome:
        """`POST /v2/messages` → 200 `{"data": {"id"}}`; 4xx `{"errors": [{"code"}]}`; 429.

        At most twice, with the same key.
        """
        if not to.answerable:
            return Rejected("not-answerable")
        body = {
            "from": number,
            "to": to.reveal(),
            "text": replace_unencodable(text),
            "type": "SMS",
            "webhook_url": f"{self._callback}?ref={reference}",
            "use_profile_webhooks": False,
        }
        if breaks_gsm7(text):
            # Otherwise a profile with `smart_encoding` replaces letters, and its webhooks show the words as we sent them.
            body["encoding"] = "ucs2"
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        first = await send_request(self._http, "POST", self._messages, json=body, headers=headers)
        outcome = ERROR_CODES.send_outcome(first)
        # The effect of the key while the first request still runs is not documented: then the request is not repeated.
        if isinstance(first, UnknownOutcome) and not first.timed_out:
            again = await send_request(self._http, "POST", self._messages, json=body, headers=headers)
            # A refusal of the second request says nothing about the first.
            outcome = second_outcome if isinstance(second_outcome := ERROR_CODES.send_outcome(again), Accepted) else outcome
        return outcome

    async def status(self, message_id: str) -> DeliveryReport | None:
        """`GET /v2/messages/ID` → 200 `{"data"}`, for ten days."""
        got = await send_request(self._http, "GET", f"{self._messages}/{path_segment(message_id)}")
        data = got.json.get("data") if isinstance(got, HttpResponse) and got.status == 200 else None
        return _parse_report(data, message_id) if isinstance(data, dict) else None

    async def delete_copy(self, message_id: str) -> DeleteOutcome:  # noqa: ARG002 - none can be deleted
        """Telnyx deletes no single message: its API has no such call."""
        return CannotDelete("keeps it in its message records, for at least 10 days; how long in all is not documented")


_TIMESTAMP = re.compile(r"[0-9]{1,12}")


def _parse_inbound(payload: dict[str, Any]) -> InboundText | Ignored:
    """Read a text. Raises :class:`Malformed`."""
    message_id = id_field(payload, "id")
    if str(payload.get("type")).upper() in _OTHER_CHANNELS:
        return Ignored("channel")
    ours, copies = _addresses(payload, "to"), _addresses(payload, "cc")
    phone = parse_sender(string_field(as_object(payload.get("from"), "from"), "phone_number"))
    if len(ours) > 1 or copies:
        return group_message(message_id, phone, payload.get("text"))
    if phone is None:
        return Ignored("channel")
    media = payload.get("media") or []
    if not isinstance(media, list) or not all(isinstance(item, dict) for item in media):
        raise Malformed("media: not a list of objects")
    text = mms_text_field(payload, "text", has_media=bool(media))
    files = tuple(
        Media(url=string_field(item, "url"), content_type=replace_unencodable(str(item.get("content_type") or "")))
        for item in media
    )
    return InboundText(
        message_id=message_id,
        sender=phone,
        text=text,
        to=e164_or_empty(ours[0].get("phone_number")) if ours else "",
        media=without_layout(files, text),
        at=parse_iso_time(payload.get("received_at")),
    )


def _addresses(payload: dict[str, Any], name: str) -> list[dict[str, Any]]:
    ends = payload.get(name) or []
    if not isinstance(ends, list):
        raise Malformed(f"{name}: not a list")
    return [end if isinstance(end, dict) else {} for end in ends]


def _parse_report(payload: dict[str, Any], message_id: str, reference: str = "") -> DeliveryReport | None:
    """Read a report on a text of ours; None when it brings nothing new."""
    to = payload.get("to")
    first = to[0] if isinstance(to, list) and to and isinstance(to[0], dict) else {}
    status = _STATUSES.get(str(first.get("status")))
    code = _first_error_code(payload)
    return ERROR_CODES.delivery_report(message_id, status, code, reference=reference) if status else None


def _first_error_code(body: dict[str, Any]) -> str:
    """Return the code of the first error, or an empty string."""
    errors = body.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    return error_code(first.get("code"))


def _message_id(body: dict[str, Any]) -> Any:
    data = body.get("data")
    return data.get("id") if isinstance(data, dict) else None
