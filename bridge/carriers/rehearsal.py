"""The adapter for the rehearsal carrier that comes with Quietline.

Rule of this module: the rehearsal carrier is treated as a stranger's. It is trusted as little, timed out as strictly and
its answers are read as carefully as any vendor's, so that what works in rehearsal works on the air.

Its interface is described where it is served, in `deploy/rehearsal/server.py`. Webhooks are signed: `X-Rehearsal-Signature`
is the lower-case hex HMAC-SHA256, under the signing key, of `X-Rehearsal-Timestamp` (whole seconds), the public URL and the
raw body, with a newline between them.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeGuard
from urllib.parse import quote

import aiohttp
from yarl import URL

from bridge.carriers.adapter import (
    Accepted,
    Deleted,
    DeleteOutcome,
    DeliveryReport,
    Inbound,
    InboundText,
    Malformed,
    Media,
    NotYet,
    Rejected,
    SendOutcome,
    TryLater,
    UnknownOutcome,
    WebhookRequest,
)
from bridge.carriers.numbers import sender

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from bridge.phone import Phone

TOLERANCE = 300.0
"""Seconds that a webhook's timestamp may differ from our clock, either way. Each retry is signed anew."""

PATIENCE = aiohttp.ClientTimeout(total=10, connect=3)

_NOT_YET = 5.0
_PAGE = 100
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_MESSAGE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CODE = re.compile(r"[A-Za-z0-9._-]{1,40}")
_SECONDS = re.compile(r"[0-9]{1,5}")
_CANNOT_BE_ENCODED = re.compile(r"[\x00\ud800-\udfff]")
_OPTED_OUT = "opted-out"


class RehearsalCarrier:
    """One line's connection to the rehearsal carrier. Made inside the running event loop.

    `slug` is the line's, `public_base_url` what stands before the raw path in the URL that the carrier signs, `api_base`
    where it is reached, `clock` the wall clock in seconds since 1970.
    """

    kind = "rehearsal"
    lists = True

    def __init__(
        self,
        *,
        public_base_url: str,
        slug: str,
        api_base: str,
        token: str,
        signing_key: str,
        clock: Callable[[], float],
        timeout: aiohttp.ClientTimeout = PATIENCE,
    ) -> None:
        self.slug = slug
        self._public_base_url = public_base_url
        self._messages = f"{api_base}/v1/messages"
        self._signing_key = signing_key.encode()
        self._clock = clock
        self._session = aiohttp.ClientSession(
            # A kept connection that the carrier closes just as we write makes a send's outcome unknown, and a person
            # must then decide. A new connection for each request either stands or certainly carried nothing.
            connector=aiohttp.TCPConnector(force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Authorization": f"Bearer {token}"},
            timeout=timeout,
        )

    def verify(self, request: WebhookRequest) -> bool:
        """Check signature and age. Source: this module's docstring."""
        timestamp = request.headers.get("X-Rehearsal-Timestamp", "")
        url = self._public_base_url + request.raw_path
        message = b"\n".join((_raw(timestamp), _raw(url), request.body))
        right = hmac.new(self._signing_key, message, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(right.encode(), _raw(request.headers.get("X-Rehearsal-Signature", ""))):
            return False
        return _TIMESTAMP.fullmatch(timestamp) is not None and abs(self._clock() - int(timestamp)) <= TOLERANCE

    def parse(self, request: WebhookRequest) -> tuple[Inbound, ...]:
        """Read one text (`type` is `text`) or one delivery report (`report`)."""
        body = _object(request.body)
        match body.get("type"):
            case "text":
                return (_inbound(body),)
            case "report":
                return (_report(body),)
            case _:
                raise Malformed("type: neither `text` nor `report`")

    async def send(self, to: Phone, text: str) -> SendOutcome:
        """`POST /v1/messages` → 201 `{"id"}`; 400 `{"code"}`; 429 with `Retry-After` in seconds."""
        if not to.answerable:
            return Rejected("not-answerable")
        try:
            async with self._session.post(
                URL(self._messages, encoded=True), json={"to": to.reveal(), "text": text}, allow_redirects=False
            ) as answer:
                status, retry_after, body = answer.status, answer.headers.get("Retry-After", ""), await answer.read()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            return TryLater()
        except (aiohttp.ClientError, TimeoutError):
            return UnknownOutcome()
        if status == 201:
            message_id = _answer(body).get("id")
            return Accepted(message_id) if _is_id(message_id) else UnknownOutcome()
        if status == 429:
            return TryLater(_seconds(retry_after, 1.0))
        # 408 comes from something between us that cannot say how much of the request went through.
        if 400 <= status < 500 and status != 408:
            code = _answer(body).get("code")
            code = code if isinstance(code, str) and _CODE.fullmatch(code) else f"http-{status}"
            return Rejected(code, opted_out=code == _OPTED_OUT)
        return UnknownOutcome()

    async def status(self, message_id: str) -> DeliveryReport | None:
        """`GET /v1/messages/ID` → 200 with `status`. A text still queued has no report yet."""
        got = await self._get(self._one(message_id))
        try:
            return _report(got) if got else None
        except Malformed:
            return None

    async def delete_copy(self, message_id: str) -> DeleteOutcome:
        """`DELETE /v1/messages/ID` → 204; 404 when there is no copy."""
        try:
            async with self._session.delete(self._one(message_id), allow_redirects=False) as answer:
                if answer.status in (204, 404):
                    return Deleted()
                return NotYet(_seconds(answer.headers.get("Retry-After", ""), _NOT_YET))
        except (aiohttp.ClientError, TimeoutError):
            return NotYet(_NOT_YET)

    async def list_since(self, since: datetime) -> AsyncIterator[InboundText]:
        """`GET /v1/messages?direction=inbound&since=&after=&limit=` → `{"messages", "next"}`, oldest first.

        Raises `ConnectionError` when it cannot be brought to its end: one that ended early without a word would move the
        watermark past texts that nobody has seen. An item that is no text is passed over.
        """
        after = ""
        while True:
            query = {"direction": "inbound", "since": since.isoformat(), "after": after, "limit": str(_PAGE)}
            page = await self._get(URL(self._messages, encoded=True).update_query(query))
            found = page.get("messages")
            if not isinstance(found, list):
                raise ConnectionError("the carrier's listing broke off")
            for item in found:
                try:
                    text = _inbound(item if isinstance(item, dict) else {})
                except Malformed:
                    continue
                yield text
            following = page.get("next")
            if following is None:
                return
            # A cursor that stands still would be asked for ever.
            if not _is_id(following) or following == after:
                raise ConnectionError("the carrier's listing has no end")
            after = following

    async def close(self) -> None:
        """End the HTTP session."""
        await self._session.close()

    def _one(self, message_id: str) -> URL:
        return URL(f"{self._messages}/{quote(_raw(message_id), safe='')}", encoded=True)

    async def _get(self, url: URL) -> dict[str, Any]:
        try:
            async with self._session.get(url, allow_redirects=False) as answer:
                return _answer(await answer.read()) if answer.status == 200 else {}
        except (aiohttp.ClientError, TimeoutError):
            return {}


def _raw(value: str) -> bytes:
    # Bytes of a header that are not UTF-8 arrive as lone surrogates. Nothing here may raise on them.
    return value.encode("utf-8", "surrogatepass")


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    # Raised out here, so that the decoder's error, which holds the body, is not this one's context.
    if not isinstance(value, dict):
        raise Malformed("body: not a JSON object")
    return value


def _answer(body: bytes) -> dict[str, Any]:
    try:
        return _object(body)
    except Malformed:
        return {}


def _is_id(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and _MESSAGE_ID.fullmatch(value) is not None


def _seconds(value: str, otherwise: float) -> float:
    return float(value) if _SECONDS.fullmatch(value) else otherwise


def _string(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise Malformed(f"{name}: not a string")
    return _CANNOT_BE_ENCODED.sub("\N{REPLACEMENT CHARACTER}", value)


def _identifier(body: dict[str, Any]) -> str:
    value = body.get("id")
    if not _is_id(value):
        raise Malformed("id: not an id")
    return value


def _inbound(body: dict[str, Any]) -> InboundText:
    phone = sender(_string(body, "from"))
    if phone is None:
        raise Malformed("from: neither E.164 nor a short code nor a name")
    return InboundText(
        message_id=_identifier(body), sender=phone, text=_string(body, "text"), media=_media(body), at=_time(body)
    )


def _report(body: dict[str, Any]) -> DeliveryReport:
    status, code = body.get("status"), body.get("code", "")
    if status not in ("sent", "delivered", "failed"):
        raise Malformed("status: neither `sent` nor `delivered` nor `failed`")
    if not isinstance(code, str) or (code and not _CODE.fullmatch(code)):
        raise Malformed("code: not a code")
    return DeliveryReport(message_id=_identifier(body), status=status, code=code)


def _media(body: dict[str, Any]) -> tuple[Media, ...]:
    items = body.get("media", [])
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Malformed("media: not a list of objects")
    return tuple(Media(url=_string(item, "url"), content_type=_string(item, "type")) for item in items)


def _time(body: dict[str, Any]) -> datetime:
    try:
        at = datetime.fromisoformat(_string(body, "at"))
    except ValueError:
        at = datetime.min  # noqa: DTZ901 - refused in the next line, outside of this `except`, for its context
    if at.tzinfo is None or not 2000 <= at.year < 9000:
        raise Malformed("at: not a time with its zone")
    return at
