"""The adapter for SMSGate (capcom6/android-sms-gateway): an Android phone with a SIM card, and no vendor.

Rules of this module: one configured phone, never "any phone of the account", because only then is a send idempotent. A text
is identified by its sender, its time at the SMS centre and `messageId`, a hash of the content: some versions of the app
(1.51.2 and 1.65.0 among them: its #288, #291, #310, #372) send one text in two envelopes, and a phone whose app was
installed again sends all of them again. A long text is delivered when every part is.

Interface: `POST /messages` with an id of ours → 202 (on a server below `/3rdparty/v1`, on the phone itself at the root).
Webhooks come from the phone: JSON, `X-Signature` = lower-case hex HMAC-SHA256 of raw body and `X-Timestamp`, made again at
each attempt; 14 retries over two days. Each event is registered once, as `EVENTS` says. Sources: docs-web@af97537,
server@22074dd (both github.com/android-sms-gateway), capcom6/android-sms-gateway@0cdc5d8. Not tried with a phone.

Decided: a send without an answer is repeated once *with the same id*. Phone and server refuse a known id (409; a unique
index over id and phone), so the second request cannot send a second text, and its answer settles what would otherwise be
unknown. If that has no answer either, the outcome is unknown.

With a passphrase (`passphrase_file`, the same in the app) words and number of an outbound text are encrypted here and
decrypted on the phone, so that a server on the way cannot read them. Inbound texts and reports go from the phone straight
to us. What a server can see and do nevertheless is in `EXPOSURE`.

With `refresh_inbox` the phone is asked, at the start and every hour, for texts in its inbox that the app never read,
because Android had stopped it. These texts come by webhook. App 1.65.2 is the first that sends none twice; an older one
would send all texts of a week again, with new envelopes: therefore it is off unless configured. Texts that the app gave up,
after two days of an outage, do not come in this way either: the desk is told to look at the phone.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import re
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias

from pydantic import AfterValidator, Field, PositiveFloat

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
    Listed,
    Malformed,
    Media,
    Rejected,
    SendOutcome,
    Status,
    TryLater,
    UnknownOutcome,
    WebhookRequest,
)
from bridge.carriers.base import BaseCarrier
from bridge.carriers.client_credentials import basic_auth
from bridge.carriers.error_codes import ErrorCodes, Verdict
from bridge.carriers.http_request import (
    TIMEOUT,
    CarrierHttp,
    HttpResponse,
    RequestOutcome,
    Timeout,
    path_segment,
    send_request,
)
from bridge.carriers.parsing import (
    MESSAGE_ID_FORM,
    as_object,
    constant_time_equal,
    e164_or_empty,
    id_field,
    json_object,
    mms_text_field,
    parse_iso_time,
    replace_unencodable,
    string_field,
    utf8_bytes,
)
from bridge.carriers.rate_limit import Rate
from bridge.carriers.secret_strength import MIN_LENGTH, KeyFile, secret_or_none
from bridge.carriers.sender_id import Region, parse_national_sender
from bridge.runtime.phone_number import Phone
from bridge.runtime.settings import BaseUrl, CarrierSettings, NonEmpty, read_secret
from policies.segments import segments

TOLERANCE: Final = 300.0
"""Seconds that a webhook's timestamp may differ from our clock, either way. Each retry is signed again."""
QUEUE_RETRY_SECONDS: Final = 30.0
"""Seconds until the next try when the phone's queue is full."""
EVENTS: Final = ("sms:received", "mms:downloaded", "sms:sent", "sms:delivered", "sms:failed", "sms:cancelled")
"""One webhook for each. Registered twice, it brings each text in two envelopes; `mms:received` has no words."""
RATE: Final = Rate(per_second=0.05, burst=30.0)
"""Segments: 180 an hour, because SIM cards are blocked at 30 to 200 (docs-web, faq/errors)."""
MAX_WEBHOOK_BYTES: Final = 16 * 1024 * 1024
"""Largest webhook, in bytes: it contains a text's pictures in base64. They are ignored and not stored."""
MAX_TEXTS: Final = 2000
"""Most texts whose parts are counted; the oldest are deleted first."""
ITERATIONS: Final = 75_000
"""The app's default. More would only slow down the phone: a passphrase of this length cannot be found by brute force."""
SALT_BYTES: Final = 16
ERROR_CODES: Final = ErrorCodes(
    accepted_statuses=frozenset({202}),
    message_id=lambda answer: None,  # noqa: ARG005 - the id is ours
    error=lambda answer: None,  # noqa: ARG005 - its errors are for people to read
    # A conflict at the first request is not about our id.
    codes={"http-409": Verdict.UNKNOWN},
)

_BY_WEBHOOK: Final[tuple[Listed, ...]] = ()
_SERVER_PATH: Final = "/3rdparty/"
_KEY_BYTES: Final = 32
# Outside ASCII, versions of Android encode a passphrase differently.
_PASSPHRASE = re.compile(rf"[\x20-\x7e]{{{MIN_LENGTH},200}}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_RESULT_CODE = re.compile(r"RESULT_[A-Z_]{1,33}")
_STATUSES: Final[dict[str, Status]] = {"Sent": "sent", "Delivered": "delivered", "Failed": "failed", "Cancelled": "failed"}

EXPOSURE = Exposure(
    carrier="SMSGate (Android phone)",
    keeps=(
        "The phone: every text in its SMS inbox and in the app's list, until deleted there or by the app's lifetime.",
        "The phone's log: numbers inside of delivery reports; whole webhooks if its queue ever fails.",
        (
            "A server, own or public, without `passphrase_file`: words and numbers of our texts until a minute after "
            "processing, then their hashes for 30 days. (A number is found from its hash by trying all numbers.)"
        ),
        (
            "A server with `passphrase_file`: words and numbers of our texts as ciphertext, for as long; in clear that a "
            "text left, when, through which phone, how long it is within 16 bytes, and what became of it."
        ),
        (
            "A server gets no text from a survivor, and no number of theirs: the phone brings those straight to us. But "
            "who runs it can have it otherwise: it tells the app where webhooks go, with which signing key, and can give "
            "it another passphrase (the app shows a notice each time). It can also repeat a text of ours, or join the "
            "words of one to the number of another, for nothing is authenticated. The phone's own server "
            "(`api_base` of the phone) leaves nobody to trust with that."
        ),
        "The SIM card's operator: what operators keep.",
    ),
    we_delete=(),
    remains=("Everything above, until it is deleted on the phone: nothing can be deleted from here.",),
    bill_shows="The operator's bill of the SIM card: each number texted, and when.",
    opt_outs="None: STOP comes through and is obeyed here.",
    speaks="None. (Other apps on the phone might: it should have none.)",
    signed="HMAC-SHA256 over body and time, five minutes old at most; not over the URL. The app's default key is refused.",
    sources=(
        "github.com/capcom6/android-sms-gateway@0cdc5d8",
        "github.com/android-sms-gateway/server@22074dd",
        (
            "docs.sms-gate.app (docs-web@af97537): features/webhooks, features/status-tracking, features/reading-messages, "
            "privacy/policy, privacy/encryption, faq/errors"
        ),
    ),
    unconfirmed=(
        "That RCS messages never reach the app: switch RCS off on the phone.",
        "That the app brings what it missed when asked (`refresh_inbox`): read in its source only.",
        "Who else got a group MMS: the app does not say it, and the text is taken for one to the line alone.",
        "The order of a backlog: the app sends the newest first unless set to FIFO; set it.",
    ),
)


def _check_passphrase(path: Path) -> Path:
    value = secret_or_none(path)
    if value is not None and not _PASSPHRASE.fullmatch(value):
        raise ValueError(f"the file must hold {MIN_LENGTH} to 200 characters of ASCII")
    return path


PassphraseFile: TypeAlias = Annotated[Path, AfterValidator(_check_passphrase)]
"""The file of a passphrase that is also set in the app."""


class Settings(CarrierSettings):
    """SMSGate. `device_id` is on the app's home screen; `region`: for national numbers; one SIM card is one number.

    `passphrase_file`: the app's passphrase, so that no server on the way reads our texts. `refresh_inbox`: ask the app for
    texts that it missed; from app 1.65.2 on.
    """

    one_number: ClassVar[bool] = True

    kind: Literal["smsgate"]
    api_base: BaseUrl = "https://api.sms-gate.app/3rdparty/v1"
    username: NonEmpty
    password_file: Path
    device_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    signing_key_file: KeyFile
    passphrase_file: PassphraseFile | None = None
    refresh_inbox: bool = False
    region: Region
    sim_number: Annotated[int, Field(ge=1, le=3)] | None = None
    texts_per_second: PositiveFloat = RATE.per_second

    @property
    def through_server(self) -> bool:
        """Whether our texts pass a server on their way to the phone: only servers have that path."""
        return _SERVER_PATH in f"{self.api_base}/"


@dataclass(slots=True)
class _TextParts:
    count: int = 0
    delivered: set[str] = field(default_factory=set)


class PartCounts:
    """Counts the parts of each text that was sent.

    A part counts once, however often it is reported. A text whose number of parts is unknown, because of a restart, stays
    "sent" and never becomes "delivered".
    """

    def __init__(self) -> None:
        self._texts: OrderedDict[str, _TextParts] = OrderedDict()

    def set_estimate(self, message_id: str, count: int) -> None:
        """Note our own count, an estimate until the carrier gives its count."""
        text = self._text(message_id)
        text.count = text.count or count

    def set_count(self, message_id: str, count: Any) -> None:
        """Note the carrier's count; an invalid one is ignored."""
        if type(count) is int and 0 < count < 256:
            self._text(message_id).count = count

    def part_delivered(self, message_id: str, part: str) -> bool:
        """Note that the part with the id `part` arrived; return whether all parts have."""
        text = self._text(message_id)
        if len(text.delivered) < 256:
            text.delivered.add(part)
        return 0 < text.count <= len(text.delivered)

    def is_single_part(self, message_id: str) -> bool:
        """Whether the text is known to have one part."""
        text = self._texts.get(message_id)
        return text is not None and text.count == 1

    def _text(self, message_id: str) -> _TextParts:
        text = self._texts.setdefault(message_id, _TextParts())
        self._texts.move_to_end(message_id)
        while len(self._texts) > MAX_TEXTS:
            self._texts.popitem(last=False)
        return text


class SmsGateCarrier(BaseCarrier):
    """One line's phone. Made inside the running event loop."""

    kind = "smsgate"
    settings = Settings
    reference_is_id = True
    exposure = EXPOSURE
    max_webhook_bytes = MAX_WEBHOOK_BYTES

    def __init__(self, settings: Settings, line: AdapterContext, *, timeout: Timeout = TIMEOUT) -> None:
        self.rate, self.can_refresh = replace(RATE, per_second=settings.texts_per_second), settings.refresh_inbox
        self._passphrase = None if settings.passphrase_file is None else read_secret(settings.passphrase_file)
        self._messages, self._refresh = f"{settings.api_base}/messages", f"{settings.api_base}/inbox/refresh"
        self._device_id, self._region = settings.device_id, settings.region
        self._validity, self._clock = line.validity, line.clock
        self._sim = {} if settings.sim_number is None else {"simNumber": settings.sim_number}
        self._signing_key = read_secret(settings.signing_key_file).encode()
        self._parts = PartCounts()
        login = basic_auth(settings.username, read_secret(settings.password_file))
        self._http = CarrierHttp(timeout=timeout, headers={"Authorization": login})

    def verify(self, request: WebhookRequest) -> bool:
        """Check signature and age. Source: PayloadSingingPlugin.kt."""
        timestamp = request.headers.get("X-Timestamp", "")
        right = hmac.new(self._signing_key, request.body + utf8_bytes(timestamp), hashlib.sha256).hexdigest()
        if not constant_time_equal(right, request.headers.get("X-Signature", "")):
            return False
        return _TIMESTAMP.fullmatch(timestamp) is not None and abs(self._clock() - int(timestamp)) <= TOLERANCE

    def parse(self, request: WebhookRequest) -> tuple[Inbound, ...]:
        """Read one envelope. Source: docs-web, features/webhooks."""
        body = json_object(request.body)
        envelope, event = id_field(body, "id"), body.get("event")
        if event not in EVENTS:
            return (Ignored("event"),)
        payload = as_object(body.get("payload"), "payload")
        if event in ("sms:received", "mms:downloaded"):
            return (self._parse_inbound(envelope, payload),)
        return (self._parse_report(envelope, event, payload),)

    def _parse_inbound(self, envelope: str, payload: dict[str, Any]) -> Inbound:
        # Older versions of the app have only `phoneNumber`.
        named = "sender" if payload.get("sender") is not None else "phoneNumber" if "phoneNumber" in payload else "sender"
        phone = parse_national_sender(string_field(payload, named), region=self._region)
        if phone is None:
            return Ignored("group")
        pictures = payload.get("attachments") or []
        if not isinstance(pictures, list) or not all(isinstance(item, dict) for item in pictures):
            raise Malformed("attachments: not a list of objects")
        is_mms = "attachments" in payload
        words = "body" if is_mms and "message" not in payload else "message"
        at = parse_iso_time(payload.get("receivedAt"))
        return InboundText(
            message_id=self._text_id(envelope, phone, at, payload.get("messageId")),
            sender=phone,
            text=mms_text_field(payload, words, has_media=is_mms) if is_mms else string_field(payload, words),
            to=e164_or_empty(payload.get("recipient")),
            # They are inside the webhook and are dropped with it.
            media=tuple(
                Media(url="", content_type=replace_unencodable(str(item.get("contentType", "")))) for item in pictures
            ),
            at=at,
        )

    def _text_id(self, envelope: str, sender: Phone, at: datetime | None, content: Any) -> str:
        """Return the same id for each envelope of one text; the envelope's where the app does not say enough.

        It is a keyed hash, because the sender's number is in it. Equal words of one sender within the second of an SMS
        centre's time are one text, as they are for the app since 1.63.
        """
        if at is None or not isinstance(content, str) or not content:
            return envelope
        identity = json.dumps((sender.reveal(), at.timestamp(), content))
        return hmac.new(self._signing_key, utf8_bytes(identity), hashlib.sha256).hexdigest()

    def _parse_report(self, envelope: str, event: str, payload: dict[str, Any]) -> DeliveryReport:
        message_id = id_field(payload, "messageId")
        match event:
            case "sms:sent":
                self._parts.set_count(message_id, payload.get("partsCount"))
                return DeliveryReport(message_id=message_id, status="sent")
            case "sms:delivered":
                whole = self._parts.part_delivered(message_id, envelope)
                return DeliveryReport(message_id=message_id, status="delivered" if whole else "sent")
            case "sms:cancelled":
                return DeliveryReport(message_id=message_id, status="failed", code="cancelled")
            case _:
                return DeliveryReport(message_id=message_id, status="failed", code=_failure_code(payload.get("reason")))

    async def send(
        self,
        to: Phone,
        text: str,
        *,
        number: str,  # noqa: ARG002 - the SIM card has one
        reference: str,
    ) -> SendOutcome:
        """`POST /messages` → 202, and 409 for a known id; 503 when its queue is full. At most twice, with the same id."""
        if not to.answerable:
            return Rejected("not-answerable")
        text = replace_unencodable(text)
        body = {
            "id": reference,
            "deviceId": self._device_id,
            **await self._private_fields(text, to.reveal()),
            "ttl": self._validity,
            "withDeliveryReport": True,
            **self._sim,
        }
        self._parts.set_estimate(reference, segments(text).count)
        # Without this the server accepts only mobile numbers by its own list of ranges.
        url = f"{self._messages}?skipPhoneValidation=true"
        first = await send_request(self._http, "POST", url, json=body)
        outcome = _send_outcome(reference, first, again=False)
        # After a conflict at the first request (an earlier try of this text may have arrived) a second one settles nothing.
        if isinstance(outcome, UnknownOutcome) and not (isinstance(first, HttpResponse) and first.status == 409):
            second = _send_outcome(reference, await send_request(self._http, "POST", url, json=body), again=True)
            # Only an acceptance settles it. A refusal of the second request says nothing about the first.
            outcome = second if isinstance(second, Accepted) else outcome
        return outcome

    async def _private_fields(self, text: str, number: str) -> dict[str, Any]:
        """Return the part of a request that only the phone may read.

        With a passphrase each value is encrypted by itself.
        """
        if (passphrase := self._passphrase) is None:
            return {"phoneNumbers": [number], "textMessage": {"text": text}}
        hidden = await asyncio.to_thread(lambda: [encrypt(value, passphrase) for value in (text, number)])
        return {"isEncrypted": True, "phoneNumbers": [hidden[1]], "textMessage": {"text": hidden[0]}}

    async def list_since(self, since: datetime) -> AsyncIterator[Listed]:
        """`POST /inbox/refresh` → 202; texts that the app finds come by webhook, so nothing is yielded here."""
        until = datetime.fromtimestamp(self._clock(), UTC)
        body = {
            "deviceId": self._device_id,
            "since": _app_time(min(since, until)),
            "until": _app_time(until),
            "messageTypes": ["SMS", "MMS"],
            # The first is for the phone's own server and older servers, the second for newer ones, which may batch events.
            "triggerWebhooks": True,
            "webhookDelivery": "Individual",
        }
        got = await send_request(self._http, "POST", self._refresh, json=body)
        if not isinstance(got, HttpResponse) or got.status != 202:
            raise ConnectionError("the phone was not asked for what it missed")
        for text in _BY_WEBHOOK:
            yield text

    async def status(self, message_id: str) -> DeliveryReport | None:
        """`GET /messages/ID` → 200 with `state`.

        `Delivered` there means at least one part, so only a text of one part is reported as delivered.
        """
        got = await send_request(self._http, "GET", f"{self._messages}/{path_segment(message_id)}")
        if not isinstance(got, HttpResponse) or got.status != 200 or not MESSAGE_ID_FORM.fullmatch(message_id):
            return None
        status = _STATUSES.get(str(got.json.get("state")))
        if status == "delivered" and not self._parts.is_single_part(message_id):
            status = "sent"
        return DeliveryReport(message_id=message_id, status=status) if status else None

    async def delete_copy(self, message_id: str) -> DeleteOutcome:  # noqa: ARG002 - the answer is the same for all
        """Return `CannotDelete`. `DELETE /messages/ID` only cancels unsent texts, and is not used."""
        return CannotDelete("the phone keeps it until it is deleted there; a server keeps hashes of it for 30 days")


def encrypt(words: str, passphrase: str, *, salt: bytes | None = None) -> str:
    """Encrypt words as the app decrypts them. It takes about 30 ms: call it in a thread. `salt`: for tests.

    The result is `$aes-256-cbc/pbkdf2-sha1$i=ITERATIONS$SALT$WORDS`, both in base64. The key is PBKDF2 of the passphrase
    with HMAC-SHA1 over the salt; the salt is also the initialisation vector of AES-256-CBC, with PKCS #7 padding. Each
    value has a salt of its own, so that equal values have different ciphertexts. It hides lengths only within 16 bytes,
    and authenticates nothing. Sources: docs-web, privacy/encryption; the app's EncryptionService.kt.
    """
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415 - only where a key is used
    from cryptography.hazmat.primitives.padding import PKCS7  # noqa: PLC0415

    salt = os.urandom(SALT_BYTES) if salt is None else salt
    key = hashlib.pbkdf2_hmac("sha1", passphrase.encode(), salt, ITERATIONS, _KEY_BYTES)
    filler, cipher = PKCS7(algorithms.AES.block_size).padder(), Cipher(algorithms.AES(key), modes.CBC(salt)).encryptor()
    filled = filler.update(words.encode()) + filler.finalize()
    parts = (base64.b64encode(part).decode() for part in (salt, cipher.update(filled) + cipher.finalize()))
    return "$".join(("", "aes-256-cbc/pbkdf2-sha1", f"i={ITERATIONS}", *parts))


def _app_time(at: datetime) -> str:
    """Format a time as the app reads it: with milliseconds (its `GsonBuilder.configure`)."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _send_outcome(message_id: str, got: RequestOutcome, *, again: bool) -> SendOutcome:
    if isinstance(got, HttpResponse):
        if again and got.status == 409:
            return Accepted(message_id)
        # Newer servers put the failed step first ("failed to …: queue limits exceeded").
        if got.status == 503 and "queue limits exceeded" in str(got.json.get("message", "")):
            return TryLater(QUEUE_RETRY_SECONDS)
    return ERROR_CODES.send_outcome(got, ours=message_id)


def _failure_code(reason: Any) -> str:
    """Return the platform's error word from a sentence that may contain anything."""
    match = _RESULT_CODE.search(reason) if isinstance(reason, str) else None
    return "ttl-expired" if reason == "TTL expired" else match.group() if match else "phone"
