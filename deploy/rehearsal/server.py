"""The carrier's HTTP server: handsets for people and checks, messages for the line.

Rule of this module: a request is validated completely before it has any effect, a refusal names the field and never its
value, and no request is logged.

For people and checks, without a secret (it listens on loopback and holds nothing real):
`POST /api/texts {"from","to","text","media"?,"picture"?}` → 202 `{"id"}` · `GET /api/texts?handset=`, with `media` where a
text has any · `GET /api/records` · `POST /api/faults {"send"?,"times"?,"inbound"?}` ·
`GET /api/faults` → `{"send","times","inbound": {KIND: times}}`, the remaining ones · `GET /api/handsets` →
`[{"number","drill"}]` · `GET /api/drills`, the scripts (`drill_pages.py`) · `GET /` the page.

For the line, with `Authorization: Bearer TOKEN`:
`POST /v1/drills/texts {"tag","ref","text","picture"}` → 202: the texter of a drill texts the line ·
`POST /v1/messages {"to","text"}` → 201 `{"id"}`, 400 `{"error","code"}`, 429 with `Retry-After`, 5xx ·
`GET /v1/messages/ID` → `{"id","status","code"}` or 404 · `DELETE /v1/messages/ID` → 204, or 404 when there is no copy ·
`GET /v1/messages?direction=inbound&since=RFC3339&after=CURSOR&limit=1…500` → `{"messages": […], "next": CURSOR or null}`,
oldest first; `next` is null on the last page.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import re
import time
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web

from bridge.carriers.sender_id import is_known_form
from bridge.runtime.phone_number import E164_PATTERN
from deploy.rehearsal.exchange import Attachment, Exchange
from deploy.rehearsal.page import HandsetPage, drill_pages
from deploy.rehearsal.record_store import RecordStore
from deploy.rehearsal.webhook_sender import WebhookSender

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from deploy.rehearsal.exchange import Exchange, Faults, SmsRecord
    from deploy.rehearsal.settings import Settings
    from deploy.rehearsal.webhook_sender import WebhookSender

_SHUTDOWN_SECONDS = 0.5
"""Seconds that pending requests have when the carrier stops; then they are cancelled."""


@asynccontextmanager
async def run_carrier(settings: Settings) -> AsyncIterator[int]:
    """Run the carrier; the value is the port it listens on.

    Raises `OSError` when it cannot listen, and :class:`ProblemsError` when its store has another key.
    """
    store, records = RecordStore.open(settings.store, settings.store_key) if settings.store else (None, [])
    put, note = (store.put, store.note) if store else (_keep_nothing, _keep_nothing)
    exchange = Exchange(number=settings.number, clock=time.time, put=put, records=records)
    webhooks = WebhookSender(settings=settings, faults=exchange.faults, clock=time.time, note=note)
    server = Server(settings=settings, exchange=exchange, webhooks=webhooks)
    # A client that gives up cancels its request, so a send that hangs ends with it.
    runner = web.AppRunner(
        server.application(),
        access_log=None,
        handle_signals=False,
        handler_cancellation=True,
        shutdown_timeout=_SHUTDOWN_SECONDS,
    )
    try:
        await runner.setup()
        site = web.TCPSite(runner, settings.host, settings.port)
        await site.start()
        webhooks.resume(exchange.unacknowledged_texts())
        yield site.port
    finally:
        await runner.cleanup()
        await webhooks.close()
        if store is not None:
            store.close()


def _keep_nothing(_record: SmsRecord) -> None:
    """Keep nothing over a restart."""


LONGEST_TEXT = 1 << 20
"""Characters. No phone sends as many; the line must still handle such a text."""

LARGEST_TEXT = 3 << 20
"""Bytes of a text as JSON: a webhook that its receiver refuses as too large would delay the handset's later texts."""

LONGEST_URL = 2048

_LARGEST_BODY = 16 << 20
_SEND_FAULTS = re.compile(r"ok|timeout|timeout-delivered|500|429|reject:[A-Za-z0-9._-]{1,40}")
_TAG = re.compile(r"[0-9a-f]{12}(?:\.2)?")
LONGEST_REF = 64
PICTURE_URL = "https://media.example.org/drill.jpg"
"""The URL of a picture that a drill or a handset of the page sends; nothing fetches it."""
_CURSOR = re.compile(r"[0-9]{0,18}")


class _BadRequest(Exception):  # noqa: N818 - what happens to the request
    """The request is wrong. The text names the field, never its value."""


class Server:
    """The application over one exchange and one courier."""

    def __init__(self, *, settings: Settings, exchange: Exchange, webhooks: WebhookSender) -> None:
        self._token = f"Bearer {settings.token}".encode()
        self._hang = settings.timing.hang
        self._exchange = exchange
        self._webhooks = webhooks
        self._page = HandsetPage.load(number=settings.number)
        self._drill_refs: set[str] = set()

    def application(self) -> web.Application:
        """Build the application."""
        app = web.Application(client_max_size=_LARGEST_BODY, middlewares=[_errors_as_json, self._authorize])
        app.add_routes(
            [
                web.get("/", self._show_page),
                web.post("/api/texts", self._post_text),
                web.get("/api/texts", self._get_texts),
                web.get("/api/records", self._get_records),
                web.get("/api/handsets", self._get_handsets),
                web.get("/api/drills", self._get_drills),
                web.get("/api/faults", self._get_faults),
                web.post("/api/faults", self._post_faults),
                web.post("/v1/messages", self._send),
                web.post("/v1/drills/texts", self._post_drill_text),
                web.get("/v1/messages", self._list),
                web.get("/v1/messages/{id}", self._get_status),
                web.delete("/v1/messages/{id}", self._delete),
            ]
        )
        return app

    @web.middleware
    async def _authorize(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.headers.get("Sec-Fetch-Site") == "cross-site":
            # Another site, open in the same browser, must not control these handsets.
            return _error(403, "not from another site")
        if request.path.startswith("/v1/"):
            header = request.headers.get("Authorization", "").encode("utf-8", "surrogatepass")
            if not hmac.compare_digest(header, self._token):
                return _error(401, "wrong or missing token")
        return await handler(request)

    async def _show_page(self, _request: web.Request) -> web.Response:
        return self._page.response()

    async def _post_text(self, request: web.Request) -> web.Response:
        body = await _json_object(request)
        from_, to, text = _string(body, "from"), _string(body, "to"), _text(body)
        if not is_known_form(from_) or from_ == self._exchange.number:
            raise _BadRequest("from: not E.164, a short code or a name, or the line's own number")
        if to != self._exchange.number:
            raise _BadRequest("to: not the line's number")
        record = self._exchange.inbound(sender=from_, text=text, media=_media(body) + _picture(body))
        self._webhooks.inbound(record)
        return web.json_response({"id": record.id}, status=202)

    async def _post_drill_text(self, request: web.Request) -> web.Response:
        """Take a text from the handset of a drill; requests with the same `ref` make one text."""
        body = await _json_object(request)
        tag, ref, text = _string(body, "tag"), _string(body, "ref"), _text(body)
        if not _TAG.fullmatch(tag) or not 0 < len(ref) <= LONGEST_REF:
            raise _BadRequest("tag: not of a drill, or no ref")
        if ref not in self._drill_refs:
            self._drill_refs.add(ref)
            sender = self._exchange.drill_handset(tag)
            self._webhooks.inbound(self._exchange.inbound(sender=sender, text=text, media=_picture(body), drill=tag))
        return web.json_response({}, status=202)

    async def _get_texts(self, request: web.Request) -> web.Response:
        handset = request.query.get("handset")
        if not handset:
            raise _BadRequest("handset: missing")
        # `?handset=+1555…` written by hand arrives with a space instead of the plus.
        handset = re.sub(r"^ ", "+", handset)
        return web.json_response(
            [
                {
                    "id": t.id,
                    "direction": t.direction,
                    "text": t.text,
                    "segments": t.segments,
                    "status": t.status,
                    "at": t.time,
                }
                | ({"media": [{"type": m.type, "url": m.url} for m in t.media]} if t.media else {})
                for t in self._exchange.handset(handset)
            ]
        )

    async def _get_records(self, _request: web.Request) -> web.Response:
        copies = self._exchange.copies()
        return web.json_response(
            [{"id": t.id, "from": t.sender, "to": t.recipient, "text": t.text, "at": t.time} for t in copies]
        )

    async def _get_handsets(self, _request: web.Request) -> web.Response:
        return web.json_response([{"number": n, "drill": drill} for n, drill in self._exchange.handsets().items()])

    async def _get_drills(self, _request: web.Request) -> web.Response:
        return web.json_response(drill_pages())

    async def _get_faults(self, _request: web.Request) -> web.Response:
        faults = self._exchange.faults
        inbound = {kind: times for kind, times in faults.inbound.items() if times}
        return web.json_response({"send": faults.send if faults.sends else "ok", "times": faults.sends, "inbound": inbound})

    async def _post_faults(self, request: web.Request) -> web.Response:
        body = await _json_object(request)
        unknown = body.keys() - {"send", "times", "inbound"}
        if unknown or not body.keys() & {"send", "inbound"}:
            raise _BadRequest("faults: `send` or `inbound` or both, with `times`, and nothing else")
        times = body.get("times", 1)
        if not isinstance(times, int) or isinstance(times, bool) or not 1 <= times <= 1_000_000:
            raise _BadRequest("times: not a whole number from 1")
        send, inbound = body.get("send"), body.get("inbound")
        if "send" in body and not (isinstance(send, str) and _SEND_FAULTS.fullmatch(send)):
            raise _BadRequest("send: not `timeout`, `timeout-delivered`, `500`, `429`, `reject:CODE` or `ok`")
        if "inbound" in body and inbound not in ("duplicate", "reorder", "ok"):
            raise _BadRequest("inbound: not `duplicate`, `reorder` or `ok`")
        _set_faults(self._exchange.faults, send=send, inbound=inbound, times=times)
        return web.json_response({})

    async def _send(self, request: web.Request) -> web.StreamResponse:
        body = await _json_object(request)
        to, text = _string(body, "to"), _text(body)
        if not E164_PATTERN.fullmatch(to):
            raise _BadRequest("to: not E.164")
        if not text:
            raise _BadRequest("text: empty")
        match self._exchange.faults.next_send().partition(":"):
            case ("timeout", _, _):
                return await self._hang_then_abort(request)
            case ("timeout-delivered", _, _):
                self._deliver(to, text)
                return await self._hang_then_abort(request)
            case ("500", _, _):
                return _error(500, "a rehearsed fault")
            case ("429", _, _):
                return web.json_response({"error": "a rehearsed fault"}, status=429, headers={"Retry-After": "1"})
            case ("reject", _, code):
                return web.json_response({"error": "a rehearsed fault", "code": code}, status=400)
            case _:
                return web.json_response({"id": self._deliver(to, text).id}, status=201)

    def _deliver(self, to: str, text: str) -> SmsRecord:
        record = self._exchange.outbound(recipient=to, text=text)
        self._webhooks.report(record)
        return record

    async def _hang_then_abort(self, request: web.Request) -> web.StreamResponse:
        """Delay the request, then abort it. A client that gives up, or the carrier's stop, cancels this."""
        await asyncio.sleep(self._hang)
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)

    async def _list(self, request: web.Request) -> web.Response:
        query = request.query
        after, limit = query.get("after", ""), query.get("limit", "100")
        if query.get("direction") != "inbound":
            raise _BadRequest("direction: only `inbound` is listed")
        if not _CURSOR.fullmatch(after):
            raise _BadRequest("after: not a cursor from here")
        if not re.fullmatch(r"[0-9]{1,3}", limit) or not 1 <= int(limit) <= 500:
            raise _BadRequest("limit: not a number from 1 to 500")
        size = int(limit)
        # One more than requested shows whether there is a next page.
        records = self._exchange.inbound_copies(
            since=_parse_time(query.get("since", "")), after=int(after or "0"), limit=size + 1
        )
        page = records[:size]
        messages = [
            {
                "id": t.id,
                "from": t.sender,
                "to": t.recipient,
                "text": t.text,
                "media": [{"type": m.type, "url": m.url} for m in t.media],
                "at": t.time,
            }
            | ({"drill": t.drill} if t.drill else {})
            for t in page
        ]
        return web.json_response({"messages": messages, "next": str(page[-1].sequence) if records[size:] else None})

    async def _get_status(self, request: web.Request) -> web.Response:
        copy = self._exchange.copy(request.match_info["id"])
        if copy is None:
            return _error(404, "no copy of it")
        return web.json_response({"id": copy.id, "status": copy.status, "code": ""})

    async def _delete(self, request: web.Request) -> web.Response:
        if not self._exchange.delete_copy(request.match_info["id"]):
            return _error(404, "no copy of it")
        return web.Response(status=204)


@web.middleware
async def _errors_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except _BadRequest as refusal:
        return _error(400, str(refusal))
    except web.HTTPException as refusal:
        return _error(refusal.status, refusal.reason)


def _set_faults(faults: Faults, *, send: str | None, inbound: str | None, times: int) -> None:
    if send is not None:
        faults.send, faults.sends = send, (0 if send == "ok" else times)
    match inbound:
        case "ok":
            faults.inbound.clear()
        case "duplicate" | "reorder":
            faults.inbound[inbound] = times


def _error(status: int, words: str) -> web.Response:
    return web.json_response({"error": words}, status=status)


async def _json_object(request: web.Request) -> dict[str, Any]:
    try:
        value = json.loads(await request.read())
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _BadRequest("body: not a JSON object")
    return value


def _string(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise _BadRequest(f"{name}: missing, or not a string")
    return value


def _text(body: dict[str, Any]) -> str:
    text = _string(body, "text")
    if len(text) > LONGEST_TEXT:
        raise _BadRequest(f"text: longer than {LONGEST_TEXT} characters")
    if len(json.dumps(text, ensure_ascii=False).encode("utf-8", "backslashreplace")) > LARGEST_TEXT:
        raise _BadRequest(f"text: larger than {LARGEST_TEXT} bytes as JSON")
    return text


def _media(body: dict[str, Any]) -> tuple[Attachment, ...]:
    items = body.get("media", [])
    if not isinstance(items, list) or len(items) > 10 or not all(isinstance(item, dict) for item in items):
        raise _BadRequest("media: not a list of at most ten objects")
    media = tuple(Attachment(type=_string(item, "type"), url=_string(item, "url")) for item in items)
    if any(len(item.type) > 100 or len(item.url) > LONGEST_URL for item in media):
        raise _BadRequest(f"media: a type longer than 100 or an address longer than {LONGEST_URL} characters")
    return media


def _picture(body: dict[str, Any]) -> tuple[Attachment, ...]:
    return (Attachment(type="image/jpeg", url=PICTURE_URL),) if body.get("picture") is True else ()


def _parse_time(value: str) -> datetime:
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise _BadRequest("since: not a time") from None
    if at.tzinfo is None:
        raise _BadRequest("since: without its zone")
    return at
