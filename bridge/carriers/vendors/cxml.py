"""The family of Twilio: form webhooks signed over URL and fields, and its message resource of 2010.

Rules of this module: the signed string is made from the configured public URL and the raw path, never from the request;
since all fields must be sorted before the sender is authenticated, a body that cannot be signed, or is larger than any
text, is refused before that; a send has no idempotency key, so a doubtful result is unknown and is not repeated. The fields
are signed exactly as they came, blank and repeated ones included. Only the fields of a text are read: the places that a
vendor guesses for the sender (`FromCity`, `FromZip` …) are never stored.

Sources: twilio 9.13.0 (`request_validator.py`, `rest/api/v2010/account/message`),
twilio.com/docs/messaging/guides/webhook-request, twilio.com/docs/api/errors, signalwire/docs (cXML, compatibility API).
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final
from urllib.parse import urlencode, urlsplit

from multidict import MultiDict

from bridge.carriers.adapter import (
    AdapterContext,
    DeleteLater,
    DeleteOutcome,
    DeliveryReport,
    Ignored,
    Inbound,
    InboundText,
    Listed,
    Malformed,
    Media,
    Rejected,
    SendOutcome,
    Status,
    WebhookRequest,
)
from bridge.carriers.base import BaseCarrier, classify_copy_answer
from bridge.carriers.client_credentials import basic_auth
from bridge.carriers.error_codes import ErrorCodes, Verdict
from bridge.carriers.http_request import CarrierHttp, HttpResponse, Timeout, path_segment, send_request
from bridge.carriers.parsing import (
    constant_time_equal,
    e164_or_empty,
    error_code,
    form_fields,
    group_message,
    id_field,
    parse_iso_time,
    parse_mail_time,
    query_reference,
    replace_unencodable,
    string_field,
    utf8_bytes,
    without_layout,
)
from bridge.carriers.rate_limit import Rate
from bridge.carriers.sender_id import parse_sender
from bridge.runtime.phone_number import Phone

MAX_MEDIA: Final = 10
SIGNATURE: Final = re.compile(r"[A-Za-z0-9+/]{27}=|[A-Za-z0-9+/]{43}=")
"""SHA-1 or SHA-256 in base64. Any other value of the header is no signature."""
_COUNT = re.compile(r"[0-9]{1,2}")
ERROR_CODES: Final = ErrorCodes(
    accepted_statuses=frozenset({200, 201}),
    message_id=lambda answer: answer.json.get("sid"),
    error=lambda answer: answer.json.get("code"),
    codes={
        "21610": Verdict.OPTED_OUT,
        # The number's queue is full; too many requests.
        "21611": Verdict.RETRY_LATER,
        "20429": Verdict.RETRY_LATER,
    },
)
DELETE_DELAY: Final = 90.0
"""Seconds until a message can be deleted: about a minute after it is final (20009)."""
MAX_VALIDITY: Final = 36_000
"""Seconds (`ValidityPeriod`): Twilio's limit. SignalWire's is 172800; packs use far less."""
MAX_WEBHOOK_BYTES: Final = 64 * 1024
"""Largest webhook, in bytes. A text of 1600 letters has at most about 20 KiB, and pictures come as URLs."""
RETRY_WINDOW: Final = 15.0
"""Seconds within which all tries of one webhook are made (webhooks-connection-overrides; SignalWire's are the same)."""
PAGE_SIZE: Final = 1000
MAX_PAGES: Final = 1000

STATUSES: Final[Mapping[str, Status]] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "delivered",
    "undelivered": "failed",
    "failed": "failed",
    "canceled": "failed",
}
"""Their status -> ours. Other statuses (`accepted`, `queued`, `sending` …) bring nothing new."""


class CxmlCarrier(BaseCarrier):
    """One line's connection to a vendor of the family, made inside the running event loop: Twilio's or SignalWire's."""

    can_list = True
    webhook_response = ("text/xml", b"<Response/>")
    delete_retry_seconds = DELETE_DELAY
    max_webhook_bytes = MAX_WEBHOOK_BYTES
    unordered_within = RETRY_WINDOW
    signature_header: ClassVar[str]
    media_first: ClassVar[bool] = False
    """Whether deleting a message leaves its media, so that the media must be deleted first."""

    def __init__(
        self,
        line: AdapterContext,
        *,
        account: str,
        user: str,
        password: str,
        keys: Mapping[str, tuple[str, ...]],
        api_base: str,
        path: str,
        rate: Rate,
        extra_fields: Mapping[str, str] | None = None,
        fragment: str = "",
        other_recipients: tuple[str, ...] = (),
        timeout: Timeout,
    ) -> None:
        self.rate = rate
        self._public_base_url, self._numbers = line.public_base_url, line.numbers
        self._other_recipients = other_recipients
        self._fragment = f"#{fragment}".encode() if fragment else b""
        self._keys = {algorithm: tuple(key.encode() for key in each) for algorithm, each in keys.items()}
        self._api_base, self._messages = api_base, f"{path}/Accounts/{path_segment(account)}/Messages"
        self._callback = f"{line.public_base_url}/carriers/{line.slug}/status"
        self._common_fields = {
            "ValidityPeriod": str(min(max(line.validity, 1), MAX_VALIDITY)),
            **(extra_fields or {}),
        }
        self._http = CarrierHttp(timeout=timeout, headers={"Authorization": basic_auth(user, password)})

    def verify(self, request: WebhookRequest) -> bool:
        """Check the signature, with and without the fragment that configures the vendor's retries.

        The signature covers no time: only the id prevents a replay.
        """
        keys, header = self._keys.get(self.algorithm(request), ()), request.headers.get(self.signature_header, "")
        if not SIGNATURE.fullmatch(header):
            return False
        fields = form_fields(request.body)
        # A list, so that all are compared, also after a match.
        right = [
            constant_time_equal(signature(key, url + end, fields, algorithm=self.algorithm(request)), header)
            for key in keys
            for url in signed_urls(self._public_base_url, request.raw_path)
            for end in dict.fromkeys((b"", self._fragment))
        ]
        return any(right)

    def algorithm(self, request: WebhookRequest) -> str:  # noqa: ARG002 - Twilio's override reads it from a header
        """Return the hash that a request is signed with."""
        return "sha1"

    def parse(self, request: WebhookRequest) -> tuple[Inbound, ...]:
        """Read a text, or the status of one of ours. By GET the fields are in the query."""
        fields = form_fields(request.body) if request.body else form_fields(request.raw_path.partition("?")[2])
        status = fields.get("MessageStatus", "received")
        if status in ("received", "receiving"):
            return (parse_inbound(fields),)
        ours = STATUSES.get(status)
        if ours is None:
            return (Ignored("event"),)
        code, reference = error_code(fields.get("ErrorCode")), query_reference(request.raw_path)
        return (ERROR_CODES.delivery_report(id_field(fields, "MessageSid"), ours, code, reference=reference),)

    async def send(self, to: Phone, text: str, *, number: str, reference: str) -> SendOutcome:
        """`POST …/Messages.json` → 201 `{"sid"}`; 4xx `{"code"}`; 429 is safe to repeat (20429)."""
        if not to.answerable:
            return Rejected("not-answerable")
        fields = {
            "To": to.reveal(),
            "From": number,
            "Body": replace_unencodable(text),
            "StatusCallback": f"{self._callback}?ref={reference}",
            **self._common_fields,
        }
        got = await send_request(self._http, "POST", self._url(".json"), form=urlencode(fields).encode())
        return ERROR_CODES.send_outcome(got)

    async def status(self, message_id: str) -> DeliveryReport | None:
        """`GET …/Messages/SID.json` → 200 with `status` and `error_code`."""
        got = await send_request(self._http, "GET", self._message_url(message_id))
        if not isinstance(got, HttpResponse) or got.status != 200:
            return None
        ours = STATUSES.get(str(got.json.get("status")))
        return (
            None if ours is None else ERROR_CODES.delivery_report(message_id, ours, error_code(got.json.get("error_code")))
        )

    async def delete_copy(self, message_id: str) -> DeleteOutcome:
        """`DELETE …/Messages/SID.json` → 204; 404 when there is none; refused until the message is final (20009)."""
        if self.media_first and not await self._delete_media(message_id):
            return DeleteLater(DELETE_DELAY)
        return await self._delete_outcome(
            await send_request(self._http, "DELETE", self._message_url(message_id)), message_id
        )

    async def copy_exists(self, message_id: str) -> bool | None:
        """`GET …/Messages/SID.json` → 200, or 404 when there is none."""
        return classify_copy_answer(await send_request(self._http, "GET", self._message_url(message_id)))

    async def _media(self, message_id: str) -> list[Any] | None:
        """Return the ids of a message's media; None if the vendor does not list them."""
        got = await send_request(self._http, "GET", self._url(f"/{path_segment(message_id)}/Media.json"))
        if not isinstance(got, HttpResponse) or got.status not in (200, 404):
            return None
        media = got.json.get("media_list", []) if got.status == 200 else []
        return [item.get("sid") if isinstance(item, dict) else None for item in media] if isinstance(media, list) else None

    async def _delete_media(self, message_id: str) -> bool:
        """Delete a message's media and list them again; return True when none is left."""
        for sid in await self._media(message_id) or ():
            if not isinstance(sid, str):
                return False
            done = await send_request(
                self._http, "DELETE", self._url(f"/{path_segment(message_id)}/Media/{path_segment(sid)}.json")
            )
            if not isinstance(done, HttpResponse) or done.status not in (204, 404):
                return False
        return await self._media(message_id) == []

    async def list_since(self, since: datetime) -> AsyncIterator[Listed]:
        """`GET …/Messages.json?To=&DateSent>=`, for each of our numbers → `{"messages", "next_page_uri"}`, newest first.

        A message to a sender of another channel has that sender in `to`, and is listed for none of our numbers: so each
        such sender that the line knows is listed as well. The vendors document a date there, not a time, so we apply the
        exact bound. All pages are read before the first text is yielded, because the oldest comes last. Times are whole
        seconds, and a message's `date_sent` is when the vendor called our webhook, or tried to. If a message cannot be
        read, the listing ends with an error after the others.
        """
        since = since.astimezone(UTC).replace(microsecond=0)
        items_by_id: dict[str, tuple[datetime, Listed]] = {}
        whole = True
        for recipient in (*self._numbers, *self._other_recipients):
            listed, all_read = parse_listing(await self._list(recipient, since), since)
            whole = whole and all_read
            for at, item in listed:
                items_by_id.setdefault(item.message_id, (at, item))
        for _, item in sorted(items_by_id.values(), key=lambda pair: pair[0]):
            yield item
        if not whole:
            raise ConnectionError("a message of the carrier's listing cannot be read")

    async def _list(self, recipient: str, since: datetime) -> list[Any]:
        """Return the vendor's list for one recipient from the day before that time on, newest first.

        If the vendor has no list for a recipient of another channel (400, 404), the other lists are still read.
        """
        day = (since - timedelta(days=1)).strftime("%Y-%m-%d")
        url = f"{self._url('.json')}?{urlencode({'To': recipient, 'DateSent>': day, 'PageSize': str(PAGE_SIZE)})}"
        items: list[Any] = []
        page_count = 0
        while url:
            page = await self._page(url, may_refuse=recipient in self._other_recipients)
            items += page["messages"]
            following, page_count = page.get("next_page_uri"), page_count + 1
            if following and (not isinstance(following, str) or not following.startswith("/") or page_count > MAX_PAGES):
                raise ConnectionError("the carrier's listing has no end")
            url = self._api_base + following if following else ""
        return items

    async def _page(self, url: str, *, may_refuse: bool) -> dict[str, Any]:
        got = await send_request(self._http, "GET", url)
        if may_refuse and isinstance(got, HttpResponse) and got.status in (400, 404):
            return {"messages": []}
        if not isinstance(got, HttpResponse) or got.status != 200 or not isinstance(got.json.get("messages"), list):
            raise ConnectionError("the carrier's listing broke off")
        return got.json

    def _message_url(self, message_id: str) -> str:
        return self._url(f"/{path_segment(message_id)}.json")

    def _url(self, rest: str) -> str:
        return f"{self._api_base}{self._messages}{rest}"


def signature(key: bytes, url: bytes, fields: MultiDict[str], *, algorithm: str = "sha1") -> bytes:
    """Return the base64 signature over URL and fields, each name once in order, each of its values once in order."""
    signed = bytearray(url)
    by_name: dict[bytes, set[bytes]] = {}
    for name, value in fields.items():
        by_name.setdefault(_bytes(name), set()).add(_bytes(value))
    for wire_name, values in sorted(by_name.items()):
        for wire_value in sorted(values):
            signed += wire_name + wire_value
    return base64.b64encode(hmac.new(key, bytes(signed), algorithm).digest())


def signed_urls(public_base_url: str, raw_path: str) -> tuple[bytes, bytes]:
    """Return the called URL without its port and with it: by the vendor's own code it may sign either."""
    base = urlsplit(public_base_url)
    port = base.port or (443 if base.scheme == "https" else 80)
    host = base.netloc.rpartition(":")[0] if base.port else base.netloc
    return (
        utf8_bytes(f"{base.scheme}://{host}{base.path}{raw_path}"),
        utf8_bytes(f"{base.scheme}://{host}:{port}{base.path}{raw_path}"),
    )


def _bytes(field: str) -> bytes:
    return field.encode("utf-8", "surrogateescape")


def parse_inbound(fields: MultiDict[str]) -> InboundText | Ignored:
    """Read the fields of a text; `Ignored` if it came over another channel or to a group. Raises :class:`Malformed`."""
    message_id = id_field(fields, "MessageSid")
    phone = parse_sender(string_field(fields, "From"))
    if phone is None:
        return Ignored("channel", message_id)
    # The other members of a group MMS, with a number behind the name; no documentation has these fields.
    if any(value and name.startswith("OtherRecipients") for name, value in fields.items()):
        return group_message(message_id, phone, fields.get("Body"))
    count = fields.get("NumMedia", "0")
    media = tuple(
        Media(
            url=replace_unencodable(fields[f"MediaUrl{n}"]),
            content_type=replace_unencodable(fields.get(f"MediaContentType{n}", "")),
        )
        for n in range(min(int(count), MAX_MEDIA) if _COUNT.fullmatch(count) else 0)
        if f"MediaUrl{n}" in fields
    )
    # A picture may come without words.
    text = "" if media and "Body" not in fields else string_field(fields, "Body")
    to, media = e164_or_empty(fields.get("To")), without_layout(media, text)
    return InboundText(message_id=message_id, sender=phone, text=text, to=to, media=media)


def parse_listing(items: list[Any], since: datetime) -> tuple[list[tuple[datetime, Listed]], bool]:
    """Read a listing, newest first; return the texts since a time, oldest first, and False if an item is unreadable.

    A text whose time cannot be read gets that of the item before it, so that it is neither lost nor taken for a new one.
    """
    newest_first: list[tuple[datetime | None, Listed]] = []
    whole, past = True, False
    for item in items:
        at = _sent_at(item)
        past = past or (at is not None and at < since)
        # An item without a time after an item that is too old is too old.
        if past if at is None else at < since:
            continue
        try:
            listed = _parse_listed(item)
        except Malformed:
            whole = False
        else:
            newest_first += [(at, listed)] if listed is not None else []
    oldest_first: list[tuple[datetime, Listed]] = []
    before = since
    for at, listed in reversed(newest_first):
        before = at or before
        oldest_first.append((before, replace(listed, at=before) if isinstance(listed, InboundText) else listed))
    return oldest_first, whole


def _parse_listed(item: Any) -> Listed | None:
    """Read a text from a listing, without its time; None when it is one of ours. Raises :class:`Malformed`."""
    if not isinstance(item, dict) or not isinstance(item.get("direction"), str):
        raise Malformed("direction: not there")
    if item["direction"] != "inbound":
        return None
    message_id, phone, text = (
        id_field(item, "sid"),
        parse_sender(string_field(item, "from")),
        replace_unencodable(str(item.get("body") or "")),
    )
    if phone is None:
        return Ignored("channel", message_id)
    count = str(item.get("num_media") or "0")
    where = item.get("subresource_uris")
    place = replace_unencodable(str(where.get("media", ""))) if isinstance(where, dict) else ""
    return InboundText(
        message_id=message_id,
        sender=phone,
        text=text,
        to=e164_or_empty(item.get("to")),
        # Only the number matters: media is not fetched.
        media=(Media(url=place, content_type=""),) * (min(int(count), MAX_MEDIA) if _COUNT.fullmatch(count) else 0),
    )


def _sent_at(item: Any) -> datetime | None:
    times = (item.get("date_sent"), item.get("date_created")) if isinstance(item, dict) else ()
    return next((at for value in times if (at := parse_mail_time(value) or parse_iso_time(value)) is not None), None)
