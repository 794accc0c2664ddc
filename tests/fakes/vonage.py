"""A fake of Vonage's Messages API v1 and Redact API, after developer.vonage.com/api/messages and /api/redact."""

from __future__ import annotations

import base64
import hashlib
import json
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.bridge.carriers.harness import Fault
from tests.fakes.vendor import FakeVendor, WebhookCall, break_off

APPLICATION, API_KEY, API_SECRET = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab", "a1b2c3d", "an api secret"
SIGNATURE_SECRET = "a signature secret of thirty-two characters or more"
NUMBER = "+15555550100"
_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PRIVATE_KEY = _KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC_KEY, ANOTHER_PUBLIC_KEY = (
    key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    for key in (_KEY, rsa.generate_private_key(public_exponent=65537, key_size=2048))
)
ERRORS = "https://developer.vonage.com/api-errors/messages"


def token(body: bytes, *, secret: str = SIGNATURE_SECRET, issued: float | None = None, **claims: Any) -> str:
    """Sign a body as Vonage does; a claim given as None is left out."""
    payload = {
        "iat": int(time.time() if issued is None else issued),
        "jti": str(uuid.uuid4()),
        "iss": "Vonage",
        "payload_hash": hashlib.sha256(body).hexdigest(),
        "api_key": API_KEY,
        "application_id": APPLICATION,
    } | claims
    return jwt.encode({k: v for k, v in payload.items() if v is not None}, secret, algorithm="HS256")


class FakeVonage(FakeVendor):
    """`records`: its stored texts; none can be redacted before `premature` seconds have passed."""

    reports: Sequence[dict[str, Any]] = ({"status": "submitted"}, {"status": "delivered"})
    premature = 0.0
    provisioned = True

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.records: dict[str, tuple[str, float]] = {}

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/v1/messages", self.send), web.post("/v1/redact/transaction", self.redact)]

    def gives_up(self, status: int) -> bool:
        # api.support.vonage.com 360028543292: it repeats a webhook only after 429 and 5xx.
        return 400 <= status < 500 and status != 429

    def inbound(self, sender: str, text: str, media: Sequence[tuple[str, str]]) -> Callable[[], WebhookCall]:
        message_id = self._record("inbound")
        body: dict[str, Any] = {
            "message_uuid": message_id,
            "to": NUMBER.removeprefix("+"),
            "from": sender.removeprefix("+"),
            "timestamp": _now(),
            "channel": "whatsapp" if sender.startswith("whatsapp:") else "mms" if media else "sms",
            "message_type": "text",
            "text": text,
            "sms": {"num_messages": "1", "keyword": "HELLO"},
        }
        for kind, url in media:
            body |= {"message_type": kind.partition("/")[0], kind.partition("/")[0]: {"url": url, "caption": text}}
            del body["text"]
        return self.webhook(self.inbound_url, body)

    @staticmethod
    def webhook(url: str, payload: dict[str, Any]) -> Callable[[], WebhookCall]:
        body = json.dumps(payload).encode()
        return lambda: WebhookCall(
            url=url, headers={"Authorization": f"Bearer {token(body)}", "Content-Type": "application/json"}, body=body
        )

    async def send(self, request: web.Request) -> web.Response:
        bearer = request.headers["Authorization"].removeprefix("Bearer ")
        claims = jwt.decode(bearer, _KEY.public_key(), algorithms=["RS256"])
        assert claims["application_id"] == APPLICATION
        uuid.UUID(claims["jti"])
        fields = await request.json()
        assert set(fields) == {"message_type", "channel", "to", "from", "text", "ttl", "client_ref"}
        assert (fields["message_type"], fields["channel"], fields["from"]) == ("text", "sms", NUMBER.removeprefix("+"))
        assert fields["to"].isdigit()
        self.validities.append(fields["ttl"])
        fault, reports = self.next_fault(), self.reports
        match fault:
            case Fault.SILENT:
                return break_off(request)
            case Fault.BROKEN:
                return web.json_response({"type": f"{ERRORS}#1030", "title": "Internal error"}, status=500)
            case Fault.BUSY:
                return web.json_response({"type": f"{ERRORS}#1000", "title": "Throttled"}, status=429)
            case Fault.REFUSED:
                return web.json_response({"type": f"{ERRORS}#1120", "title": "Invalid sender"}, status=422)
        message_id = self._take(fields)
        if fault is Fault.REPORTED_OPT_OUT:
            error = {"type": f"{ERRORS}#1240", "title": 1240, "detail": "Illegal Number"}
            reports = [{"status": "rejected", "error": error}]
        status = {
            "message_uuid": message_id,
            "to": fields["to"],
            "from": fields["from"],
            "timestamp": _now(),
            "channel": "sms",
            "client_ref": fields["client_ref"],
        }
        self.call(*(self.webhook(self.status_url, status | report) for report in reports))
        if fault is Fault.SILENT_SENT:
            return break_off(request)
        return web.json_response({"message_uuid": message_id}, status=202)

    def _take(self, fields: dict[str, Any]) -> str:
        self.texts_at_handset["+" + fields["to"]].append(fields["text"])
        return self._record("outbound")

    def _record(self, direction: str) -> str:
        message_id = str(uuid.uuid4())
        self.records[message_id] = (direction, time.monotonic())
        return message_id

    async def redact(self, request: web.Request) -> web.Response:
        right = base64.b64encode(f"{API_KEY}:{API_SECRET}".encode()).decode()
        if request.headers["Authorization"] != f"Basic {right}":
            body = {"type": "https://developer.vonage.com/api-errors#unauthorized", "title": "Unauthorized"}
            return web.json_response(body, status=401)
        if not self.provisioned:
            body = {"type": "https://developer.vonage.com/api-errors#unprovisioned", "title": "Authorisation error"}
            return web.json_response(body, status=403)
        fields = await request.json()
        assert set(fields) == {"id", "product", "type"}
        assert fields["product"] == "messages"
        direction, since = self.records.get(fields["id"], ("", 0.0))
        if direction != fields["type"]:
            return web.json_response({"type": "https://developer.vonage.com/api-errors#invalid-id"}, status=404)
        if time.monotonic() - since < self.premature:
            body = {"type": "https://developer.vonage.com/api-errors/redact#premature-redaction", "title": "Premature"}
            return web.json_response(body, status=403)
        del self.records[fields["id"]]
        return web.Response(status=204)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
