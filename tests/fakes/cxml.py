"""Twilio and SignalWire as they document themselves: the message resource of 2010, form webhooks, status callbacks.

Rule of this module: it behaves as the vendor's documentation says: it lists newest first, by whole seconds, in pages of its
own size; it sends extra fields; it repeats a webhook only as often as it was told.
"""

from __future__ import annotations

import asyncio
import base64
import re
import secrets
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

import aiohttp
from aiohttp import web
from multidict import MultiDict
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from tests.fakes.vendor import WebhookTasks, break_off

SENDER_PLACE = "c4n4ry! Springfield"
"""The sender's place as the vendor sends it. It must be stored nowhere."""


@dataclass(slots=True)
class Record:
    """A message as the vendor stores it."""

    sid: str
    direction: str
    sender: str
    to: str
    body: str
    at: datetime
    status: str
    media: list[tuple[str, str]] = field(default_factory=list)
    error_code: int | None = None


@dataclass(slots=True, kw_only=True)
class CxmlFault:
    """The fault of one send: the answer (None: no answer), and whether the text is sent all the same."""

    status: int | None
    code: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    sent: bool = False


class FakeCxml(WebhookTasks):
    """One account. `retries`: how often a webhook that was not accepted is repeated."""

    def __init__(
        self,
        *,
        prefix: str,
        account: str,
        login: tuple[str, str],
        key: str,
        header: str,
        webhook_base: str,
        number: str,
        retries: int,
        sid: Callable[[], str],
    ) -> None:
        super().__init__()
        self._account, self._key, self._header, self._number = account, key, header, number
        self._login = "Basic " + base64.b64encode(":".join(login).encode()).decode()
        self._inbound, self._retries, self._sid = f"{webhook_base}/inbound", retries, sid
        self.prefix = f"{prefix}/Accounts/{account}/Messages"
        self.records: dict[str, Record] = {}
        self.texts_at_handset: dict[str, list[str]] = {}
        self.faults: list[CxmlFault] = []
        self.forms: list[dict[str, str]] = []
        self.not_final = False
        self.page = 100
        self._last = datetime.now(UTC)

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_post(f"{self.prefix}.json", self._send)
        app.router.add_get(f"{self.prefix}.json", self._list)
        app.router.add_get(f"{self.prefix}/{{sid}}.json", self._get)
        app.router.add_delete(f"{self.prefix}/{{sid}}.json", self._delete)
        app.router.add_get(f"{self.prefix}/{{sid}}/Media.json", self._media)
        app.router.add_delete(f"{self.prefix}/{{sid}}/Media/{{media}}.json", self._delete_media)
        app.cleanup_ctx.append(self._session)
        return app

    def text_from_handset(self, sender: str, text: str, media: tuple[tuple[str, str], ...] = ()) -> None:
        # Invalid Unicode never reaches a form.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        record = Record(self._sid(), "inbound", sender, self._number, text, self._now(), "received", list(media))
        self.records[record.sid] = record
        fields = {
            "ToCountry": "US",
            "FromCity": SENDER_PLACE,
            "FromState": SENDER_PLACE,
            "FromZip": "",
            "SmsStatus": "received",
            "Body": text,
            "To": self._number,
            "NumMedia": str(len(media)),
            "NumSegments": "1",
            "MessageSid": record.sid,
            "AccountSid": self._account,
            "From": sender,
            "ApiVersion": "2010-04-01",
        }
        for n, (content_type, url) in enumerate(media):
            fields |= {f"MediaUrl{n}": url, f"MediaContentType{n}": content_type}
        self._start(self._call(self._inbound, fields, self._retries))

    def signed(self, url: str, body: bytes) -> str:
        """Sign any body, also one that Twilio's own code cannot parse."""
        text = body.decode("utf-8", "surrogateescape")
        pairs = sorted(set(parse_qsl(text, keep_blank_values=True, errors="surrogateescape")))
        whole = url + "".join(name + value for name, value in pairs)
        return base64.b64encode(_hmac(self._key, whole.encode("utf-8", "surrogateescape"))).decode()

    def _now(self) -> datetime:
        self._last = max(self._last + timedelta(seconds=1), datetime.now(UTC)).replace(microsecond=0)
        return self._last

    async def _call(self, url: str, fields: dict[str, str], retries: int = 0) -> None:
        assert self._http is not None
        signature = RequestValidator(self._key).compute_signature(url, MultiDict(fields))
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8", self._header: signature}
        for _ in range(retries + 1):
            with suppress(aiohttp.ClientError):
                async with self._http.post(url, data=urlencode(fields).encode(), headers=headers) as answer:
                    if answer.status < 300:
                        return
            await asyncio.sleep(0.01)

    def _refuses(self, request: web.Request) -> web.Response | None:
        if request.headers.get("Authorization") != self._login:
            return web.json_response({"code": 20003, "message": "Authenticate", "status": 401}, status=401)
        return None

    async def _send(self, request: web.Request) -> web.Response:
        if (refused := self._refuses(request)) is not None:
            return refused
        fields = dict(parse_qsl((await request.read()).decode(), keep_blank_values=True))
        self.forms.append(fields)
        fault = self.faults.pop(0) if self.faults else None
        if fault is None or fault.sent:
            self.texts_at_handset.setdefault(fields["To"], []).append(fields["Body"])
        if fault is not None and fault.status is not None:
            return web.json_response({"code": fault.code}, status=fault.status or 500, headers=fault.headers)
        if fault is not None and not fault.sent:
            return break_off(request)
        at = self._now()
        record = Record(self._sid(), "outbound-api", fields["From"], fields["To"], fields["Body"], at, "queued")
        self.records[record.sid] = record
        self._start(self._deliver(record, fields["StatusCallback"]))
        return web.json_response(self._shown(record), status=201) if fault is None else break_off(request)

    async def _deliver(self, record: Record, callback: str) -> None:
        for status in ("sent", "delivered"):
            record.status = status
            fields = {
                "MessageSid": record.sid,
                "MessageStatus": status,
                "AccountSid": self._account,
                "From": record.sender,
                "To": record.to,
                "Body": record.body,
            }
            await self._call(callback, fields)

    async def _list(self, request: web.Request) -> web.Response:
        if (refused := self._refuses(request)) is not None:
            return refused
        query = request.query
        records = [r for r in reversed(self.records.values()) if "To" not in query or r.to == query["To"]]
        if since := query.get("DateSent>"):
            if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", since):
                # The documented form is a date.
                return web.json_response({"code": 20001, "message": "DateSent"}, status=422)
            records = [r for r in records if r.at.date().isoformat() >= since]
        size, page = min(int(query["PageSize"]), self.page), int(query.get("Page", 0))
        following = None
        if (page + 1) * size < len(records):
            following = f"{self.prefix}.json?{urlencode({**query, 'Page': page + 1, 'PageToken': secrets.token_hex(4)})}"
        messages = [self._shown(r) for r in records[page * size : (page + 1) * size]]
        return web.json_response({"messages": messages, "next_page_uri": following, "page": page})

    async def _get(self, request: web.Request) -> web.Response:
        record = self.records.get(request.match_info["sid"])
        if record is None:
            return web.json_response({"code": 20404}, status=404)
        return self._refuses(request) or web.json_response(self._shown(record))

    async def _delete(self, request: web.Request) -> web.Response:
        if (refused := self._refuses(request)) is not None:
            return refused
        if self.not_final:
            return web.json_response({"code": 20009}, status=409)
        if self.records.pop(request.match_info["sid"], None) is None:
            return web.json_response({"code": 20404}, status=404)
        return web.Response(status=204)

    async def _media(self, request: web.Request) -> web.Response:
        record = self.records.get(request.match_info["sid"])
        if record is None:
            return web.json_response({"code": 20404}, status=404)
        return web.json_response({"media_list": [{"sid": f"ME{n}"} for n, _ in enumerate(record.media)]})

    async def _delete_media(self, request: web.Request) -> web.Response:
        record = self.records[request.match_info["sid"]]
        del record.media[0]
        return web.Response(status=204)

    def _shown(self, record: Record) -> dict[str, Any]:
        at = format_datetime(record.at)
        return {
            "sid": record.sid,
            "account_sid": self._account,
            "direction": record.direction,
            "from": record.sender,
            "to": record.to,
            "body": record.body,
            "num_media": str(len(record.media)),
            "status": record.status,
            "error_code": record.error_code,
            "date_created": at,
            "date_sent": at if record.status != "queued" else None,
            "subresource_uris": {"media": f"{self.prefix}/{record.sid}/Media.json"},
        }


def _hmac(key: str, message: bytes) -> bytes:
    import hashlib
    import hmac

    return hmac.new(key.encode(), message, hashlib.sha1).digest()


def twilio_sid() -> str:
    return f"SM{secrets.token_hex(16)}"


def signalwire_sid() -> str:
    return str(uuid.uuid4())
