"""A fake of Bandwidth's Messaging API v2 and its tokens, after dev.bandwidth.com/docs: messaging, account/credentials.

Its webhooks have credentials only in answer to a challenge (docs/numbers/webhooks, Authentication).
"""

from __future__ import annotations

import base64
import itertools
import json
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from tests.bridge.carriers.harness import Fault
from tests.fakes.vendor import FakeVendor, WebhookCall, break_off

ACCOUNT, APPLICATION = "5000001", "93de2206-0000-4e07-948d-329f4b722ee2"
LOGIN, CALLBACK_LOGIN = ("a client", "a client: secret"), ("callback", "påss")
NUMBER = "+15555550100"


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class FakeBandwidth(FakeVendor):
    """A fake that stores no words. `records`: its message records. `reports`: the events that follow a text of ours.

    `tokens`: the valid ones. `given`: how many it has issued.
    """

    reports: Sequence[dict[str, Any]] = ({"type": "message-sent"}, {"type": "message-delivered"})

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.records: dict[str, dict[str, Any]] = {}
        self.tokens: set[str] = set()
        self.given = 0
        self._ids = itertools.count(1)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/api/v1/oauth2/token", self.token),
            web.post("/users/{account}/messages", self.send),
            web.get("/users/{account}/messages", self.search),
        ]

    def inbound(self, sender: str, text: str, media: Sequence[tuple[str, str]]) -> Callable[[], WebhookCall]:
        message = {
            "from": sender,
            "to": [NUMBER],
            "owner": NUMBER,
            "direction": "in",
            "text": text,
            "media": [url for _, url in media],
            "segmentCount": 1,
            "channel": "RBM" if sender.startswith("whatsapp:") else "MMS" if media else "SMS",
        }
        return self.event(self.inbound_url, {"type": "message-received", "to": NUMBER}, self._message(message))

    def event(self, url: str, event: dict[str, Any], message: dict[str, Any]) -> Callable[[], WebhookCall]:
        body = [{"time": _now(), "description": "An event", **event, "message": message}]
        first = WebhookCall(url=url)
        return lambda: WebhookCall(url=url, headers=self.headers(), body=json.dumps(body).encode(), first=first)

    @staticmethod
    def headers() -> dict[str, str]:
        return {"Authorization": basic(*CALLBACK_LOGIN), "Content-Type": "application/json; charset=utf-8"}

    def _message(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": f"1589228074636lm4k2je7j7jklbn{next(self._ids)}",
            "time": _now(),
            "applicationId": APPLICATION,
            **fields,
        }

    @property
    def token_url(self) -> str:
        return f"{self.base}/api/v1/oauth2/token"

    async def token(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != basic(*LOGIN):
            return web.json_response({"error": "invalid_client"}, status=401)
        assert (await request.post()).get("grant_type") == "client_credentials"
        token = f"eyJ.{secrets.token_urlsafe(20)}"
        self.tokens.add(token)
        self.given += 1
        return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": 3600})

    def _refuses(self, request: web.Request) -> web.Response | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self.tokens or request.match_info["account"] != ACCOUNT:
            return web.json_response({"type": "unauthorized", "description": "Authentication Failed"}, status=401)
        return None

    async def send(self, request: web.Request) -> web.Response:
        if (refused := self._refuses(request)) is not None:
            return refused
        fields = await request.json()
        assert set(fields) == {"applicationId", "to", "from", "text", "expiration", "tag"}
        assert fields["applicationId"] == APPLICATION
        assert fields["from"] == NUMBER
        lasts = datetime.fromisoformat(fields["expiration"]) - datetime.now(UTC)
        assert timedelta(0) < lasts <= timedelta(hours=1)
        self.validities.append(lasts.total_seconds())
        (to,) = fields["to"]
        fault, reports = self.next_fault(), self.reports
        match fault:
            case Fault.SILENT:
                return break_off(request)
            case Fault.BROKEN:
                return web.json_response({"type": "internal-server-error"}, status=500)
            case Fault.BUSY:
                body = {"type": "max-message-queue-size-exceeded", "description": "The SMS queue for your account is full"}
                return web.json_response(body, status=429)
            case Fault.REFUSED:
                return web.json_response({"type": "request-validation", "description": "no"}, status=400)
        message = self._take(to, fields["text"]) | {"tag": fields["tag"]}
        if fault is Fault.REPORTED_OPT_OUT:
            reports = [{"type": "message-failed", "errorCode": 4775}]
        self.call(*(self.event(self.status_url, report | {"to": to}, message | {"text": ""}) for report in reports))
        if fault is Fault.SILENT_SENT:
            return break_off(request)
        return web.json_response(message | {"text": fields["text"]}, status=202)

    def _take(self, to: str, text: str) -> dict[str, Any]:
        self.texts_at_handset[to].append(text)
        message = self._message({"from": NUMBER, "owner": NUMBER, "to": [to], "direction": "out", "segmentCount": 1})
        self.records[message["id"]] = {"messageId": message["id"], "messageStatus": "DELIVERED", "errorCode": 0}
        return message

    async def search(self, request: web.Request) -> web.Response:
        if (refused := self._refuses(request)) is not None:
            return refused
        message = self.records.get(request.query.get("messageId", ""))
        return web.json_response(
            {"totalCount": 1 if message else 0, "pageInfo": {}, "messages": [message] if message else []}
        )


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")
