"""Telnyx as it documents itself: messages of API version 2, events signed with Ed25519, three calls at most.

Rule of this module: it behaves as the vendor's documentation says; it keeps every message and deletes none.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.fakes.vendor import WebhookTasks, break_off

ATTEMPTS = 3
KEY_FORM = re.compile(r"[A-Za-z0-9_:-]{1,255}")
"""The form of an idempotency key (development/api-fundamentals/idempotency)."""
SENDER_CARRIER = "c4n4ry! Wireless, Inc."
"""The sender's carrier as the vendor sends it. It must be stored nowhere."""


@dataclass(slots=True, kw_only=True)
class TelnyxFault:
    """The fault of one send: the answer (None: no answer), and whether the text is sent all the same."""

    status: int | None
    code: str = ""
    retry_after: str | None = None
    sent: bool = False


class FakeTelnyx(WebhookTasks):
    """One account with one messaging profile."""

    def __init__(self, *, api_key: str, webhook_base: str, number: str) -> None:
        super().__init__()
        self._key = Ed25519PrivateKey.generate()
        self._login, self._inbound, self._number = f"Bearer {api_key}", f"{webhook_base}/inbound", number
        self.public_key = base64.b64encode(self._key.public_key().public_bytes_raw()).decode()
        self.messages: dict[str, dict[str, Any]] = {}
        self.texts_at_handset: dict[str, list[str]] = {}
        self.faults: list[TelnyxFault] = []
        self.keys: list[str] = []
        """The idempotency keys of all requests to send."""
        self.encodings: list[str | None] = []
        """The encoding of each text, where the request names one."""
        self._answered: dict[str, tuple[bytes, dict[str, Any]]] = {}

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/messages", self._send)
        app.router.add_get("/messages/{id}", self._get)
        app.cleanup_ctx.append(self._session)
        return app

    def signed(self, body: bytes, timestamp: str) -> dict[str, str]:
        signature = self._key.sign(f"{timestamp}|".encode() + body)
        return {"telnyx-signature-ed25519": base64.b64encode(signature).decode(), "telnyx-timestamp": timestamp}

    def text_from_handset(self, sender: str, text: str, media: tuple[tuple[str, str], ...] = ()) -> None:
        payload = {
            "record_type": "message",
            "direction": "inbound",
            "id": str(uuid.uuid4()),
            "type": "MMS" if media else "SMS",
            "from": {"phone_number": sender, "carrier": SENDER_CARRIER, "line_type": "Wireless"},
            "to": [{"phone_number": self._number, "status": "webhook_delivered", "carrier": "TELNYX LLC"}],
            "cc": [],
            "text": text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
            "media": [{"url": url, "content_type": type_, "size": 1} for type_, url in media],
            "parts": 1,
            "received_at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
        self.messages[str(payload["id"])] = payload
        self._start(self._event(self._inbound, "message.received", payload))

    async def _event(self, url: str, kind: str, payload: dict[str, Any]) -> None:
        assert self._http is not None
        event_id = str(uuid.uuid4())
        for attempt in range(1, ATTEMPTS + 1):
            event = {
                "data": {"record_type": "event", "id": event_id, "event_type": kind, "payload": payload},
                "meta": {"attempt": attempt, "delivered_to": url},
            }
            body = json.dumps(event).encode()
            with suppress(aiohttp.ClientError):
                async with self._http.post(url, data=body, headers=self.signed(body, str(int(time.time())))) as answer:
                    if answer.status < 300:
                        return
            await asyncio.sleep(0.01)

    async def _send(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != self._login:
            return _error(401, "10009")
        fields, key = await request.json(), request.headers.get("Idempotency-Key", "")
        assert KEY_FORM.fullmatch(key), "the documented form of a key"
        self.keys.append(key)
        self.encodings.append(fields.get("encoding"))
        fault = self.faults.pop(0) if self.faults else None
        if key in self._answered:
            body, payload = self._answered[key]
            if body != await request.read():
                return _error(422, "10015")
            return (
                break_off(request) if fault is not None and fault.status is None else web.json_response({"data": payload})
            )
        if fault is None or fault.sent:
            self.texts_at_handset.setdefault(fields["to"], []).append(fields["text"])
        if fault is not None and fault.status is not None:
            return _error(fault.status, fault.code, retry_after=fault.retry_after)
        if fault is not None and not fault.sent:
            return break_off(request)
        payload = {
            "record_type": "message",
            "direction": "outbound",
            "id": str(uuid.uuid4()),
            "type": "SMS",
            "from": {"phone_number": fields["from"]},
            "to": [{"phone_number": fields["to"], "status": "queued", "carrier": SENDER_CARRIER}],
            "text": fields["text"],
            "errors": [],
        }
        self._answered[key] = (await request.read(), payload)
        self.messages[str(payload["id"])] = payload
        self._start(self._deliver(payload, fields["webhook_url"]))
        return break_off(request) if fault is not None else web.json_response({"data": payload})

    async def _deliver(self, payload: dict[str, Any], url: str) -> None:
        for kind, status in (("message.sent", "sent"), ("message.finalized", "delivered")):
            payload["to"][0]["status"] = status
            await self._event(url, kind, payload)

    async def _get(self, request: web.Request) -> web.Response:
        message = self.messages.get(request.match_info["id"])
        return _error(404, "10005") if message is None else web.json_response({"data": message})


def _error(status: int, code: str, *, retry_after: str | None = None) -> web.Response:
    headers = {"Retry-After": retry_after} if retry_after else None
    return web.json_response({"errors": [{"code": code, "title": "words"}]}, status=status, headers=headers)
