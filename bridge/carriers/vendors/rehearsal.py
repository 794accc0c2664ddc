"""The adapter for the rehearsal carrier that comes with Quietline.

Rule of this module: the rehearsal carrier is treated like any vendor: with as little trust, as strict time-outs and as
careful parsing, so that what works in rehearsal works on the air.

Its interface is described where it is served, in `deploy/rehearsal/server.py`. Webhooks are signed: `X-Rehearsal-Signature`
is the lower-case hex HMAC-SHA256, under the signing key, of `X-Rehearsal-Timestamp` (whole seconds), the public URL and the
raw body, with a newline between them.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeGuard

from pydantic import PositiveFloat

from bridge.carriers.adapter import (
    AdapterContext,
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
    WebhookRequest,
)
from bridge.carriers.base import BaseCarrier, classify_copy_answer
from bridge.carriers.error_codes import ErrorCodes, Verdict
from bridge.carriers.http_request import TIMEOUT, CarrierHttp, HttpResponse, Timeout, path_segment, send_request
from bridge.carriers.parsing import (
    MESSAGE_ID_FORM,
    constant_time_equal,
    e164_or_empty,
    error_code,
    id_field,
    json_object,
    parse_iso_time,
    replace_unencodable,
    string_field,
    utf8_bytes,
)
from bridge.carriers.rate_limit import Rate
from bridge.carriers.sender_id import parse_sender
from bridge.runtime.phone_number import Phone
from bridge.runtime.settings import CarrierSettings, read_secret

TOLERANCE = 300.0
"""Seconds that a webhook's timestamp may differ from our clock, either way. Each retry is signed again."""

DRILL_TAG = re.compile(r"[0-9a-f]{12}(?:\.2)?")
"""The form of the tag of a drill's handset."""
_PAGE_SIZE = 100
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
ERROR_CODES = ErrorCodes(
    accepted_statuses=frozenset({201}),
    message_id=lambda answer: answer.json.get("id"),
    error=lambda answer: answer.json.get("code"),
    codes={"opted-out": Verdict.OPTED_OUT},
)

EXPOSURE = Exposure(
    carrier="Rehearsal",
    keeps=("A copy of every text until it is deleted, and what handsets show, in a sealed file of the data directory.",),
    we_delete=("The copy of each text in either direction; confirmed by the carrier's 204 or 404.",),
    remains=("What handsets show, until the data directory goes.",),
    bill_shows="There is no bill.",
    opt_outs="None: STOP words come through and are obeyed here.",
    speaks="None.",
    signed="HMAC-SHA256 over time, public URL and body; five minutes old at most.",
    sources=("deploy/rehearsal/server.py",),
)


class Settings(CarrierSettings):
    """The carrier that comes with Quietline: handsets in a browser, no telephone network."""

    kind: Literal["rehearsal"]
    texts_per_second: PositiveFloat = 1000.0  # practically no limit: the carrier is a program on this machine
    token_file: Path
    signing_key_file: Path


class RehearsalCarrier(BaseCarrier):
    """One line's connection to the rehearsal carrier. Made inside the running event loop.

    `slug` is the line's; `public_base_url` precedes the raw path in the URL that the carrier signs; `api_base` is the
    carrier's address; `clock` the wall clock in seconds since 1970.
    """

    kind = "rehearsal"
    settings = Settings
    exposure = EXPOSURE
    can_list = True
    delete_retry_seconds = 5.0

    def __init__(self, settings: Settings, line: AdapterContext, *, timeout: Timeout = TIMEOUT) -> None:
        self.slug, self.rate = line.slug, Rate(per_second=settings.texts_per_second, burst=settings.texts_per_second)
        self._public_base_url, self._clock = line.public_base_url, line.clock
        self._messages, self._drills = f"{settings.api_base}/v1/messages", f"{settings.api_base}/v1/drills/texts"
        self._signing_key = read_secret(settings.signing_key_file).encode()
        headers = {"Authorization": f"Bearer {read_secret(settings.token_file)}"}
        self._http = CarrierHttp(timeout=timeout, headers=headers)

    def verify(self, request: WebhookRequest) -> bool:
        """Check signature and age. Source: this module's docstring."""
        timestamp = request.headers.get("X-Rehearsal-Timestamp", "")
        url = self._public_base_url + request.raw_path
        message = b"\n".join((utf8_bytes(timestamp), utf8_bytes(url), request.body))
        right = hmac.new(self._signing_key, message, hashlib.sha256).hexdigest()
        if not constant_time_equal(right, request.headers.get("X-Rehearsal-Signature", "")):
            return False
        return _TIMESTAMP.fullmatch(timestamp) is not None and abs(self._clock() - int(timestamp)) <= TOLERANCE

    def parse(self, request: WebhookRequest) -> tuple[Inbound, ...]:
        """Read one text (`type` is `text`) or one delivery report (`report`)."""
        body = json_object(request.body)
        match body.get("type"):
            case "text":
                return (_parse_inbound(body),)
            case "report":
                return (_parse_report(body),)
            case _:
                raise Malformed("type: neither `text` nor `report`")

    async def send(
        self,
        to: Phone,
        text: str,
        *,
        number: str,  # noqa: ARG002 - it has one number
        reference: str,  # noqa: ARG002 - its reports repeat none
    ) -> SendOutcome:
        """`POST /v1/messages` → 201 `{"id"}`; 400 `{"code"}`; 429 with `Retry-After` in seconds."""
        if not to.answerable:
            return Rejected("not-answerable")
        return ERROR_CODES.send_outcome(
            await send_request(
                self._http, "POST", self._messages, json={"to": to.reveal(), "text": replace_unencodable(text)}
            )
        )

    async def status(self, message_id: str) -> DeliveryReport | None:
        """`GET /v1/messages/ID` → 200 with `status`. A text still queued has no report yet."""
        got = await send_request(self._http, "GET", self._message_url(message_id))
        if not isinstance(got, HttpResponse) or got.status != 200:
            return None
        try:
            return _parse_report(got.json)
        except Malformed:
            return None

    async def delete_copy(self, message_id: str) -> DeleteOutcome:
        """`DELETE /v1/messages/ID` → 204; 404 when there is no copy."""
        return await self._delete_outcome(
            await send_request(self._http, "DELETE", self._message_url(message_id)), message_id
        )

    async def copy_exists(self, message_id: str) -> bool | None:
        """`GET /v1/messages/ID` → 200, or 404 when there is no copy."""
        return classify_copy_answer(await send_request(self._http, "GET", self._message_url(message_id)))

    async def list_since(self, since: datetime) -> AsyncIterator[Listed]:
        """`GET /v1/messages?direction=inbound&since=&after=&limit=` → `{"messages", "next"}`, oldest first.

        Raises `ConnectionError` when it is interrupted, because a listing that ended early without an error would move the
        watermark past unread texts; and, after the others, when one of them cannot be read.
        """
        after, whole = "", True
        while True:
            query = {"direction": "inbound", "since": since.isoformat(), "after": after, "limit": str(_PAGE_SIZE)}
            got = await send_request(self._http, "GET", self._messages, query=query)
            page = got.json if isinstance(got, HttpResponse) and got.status == 200 else {}
            items = page.get("messages")
            if not isinstance(items, list):
                raise ConnectionError("the carrier's listing broke off")
            for item in items:
                try:
                    listed = _parse_inbound(item if isinstance(item, dict) else {})
                except Malformed:
                    whole = False
                    continue
                yield listed
            following = page.get("next")
            if following is None:
                break
            # A cursor that does not advance would cause requests for ever.
            if not _is_id(following) or following == after:
                raise ConnectionError("the carrier's listing has no end")
            after = following
        if not whole:
            raise ConnectionError("a text of the carrier's listing cannot be read")

    async def text_from_handset(self, *, tag: str, ref: str, text: str, picture: bool) -> bool | None:
        """`POST /v1/drills/texts` → 202; 400 if it refuses the text. The same `ref` twice is one text."""
        got = await send_request(
            self._http, "POST", self._drills, json={"tag": tag, "ref": ref, "text": text, "picture": picture}
        )
        if not isinstance(got, HttpResponse) or got.status >= 500:
            return None
        return got.status == 202

    def _message_url(self, message_id: str) -> str:
        return f"{self._messages}/{path_segment(message_id)}"


def _is_id(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and MESSAGE_ID_FORM.fullmatch(value) is not None


def _parse_inbound(body: dict[str, Any]) -> InboundText | Ignored:
    phone = parse_sender(string_field(body, "from"))
    if phone is None:
        return Ignored("channel", id_field(body, "id"))
    at = parse_iso_time(string_field(body, "at"))
    if at is None:
        raise Malformed("at: not a time with its zone")
    return InboundText(
        message_id=id_field(body, "id"),
        sender=phone,
        text=string_field(body, "text"),
        to=e164_or_empty(body.get("to")),
        media=_parse_media(body),
        at=at,
        drill=_parse_tag(body),
    )


def _parse_report(body: dict[str, Any]) -> DeliveryReport:
    status, code = body.get("status"), body.get("code", "")
    if status not in ("sent", "delivered", "failed"):
        raise Malformed("status: neither `sent` nor `delivered` nor `failed`")
    if not isinstance(code, str) or (code and not error_code(code)):
        raise Malformed("code: not a code")
    return ERROR_CODES.delivery_report(id_field(body, "id"), status, code)


def _parse_tag(body: dict[str, Any]) -> str:
    tag = body.get("drill", "")
    if not isinstance(tag, str) or (tag and not DRILL_TAG.fullmatch(tag)):
        raise Malformed("drill: not a tag")
    return tag


def _parse_media(body: dict[str, Any]) -> tuple[Media, ...]:
    items = body.get("media", [])
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Malformed("media: not a list of objects")
    return tuple(Media(url=string_field(item, "url"), content_type=string_field(item, "type")) for item in items)
