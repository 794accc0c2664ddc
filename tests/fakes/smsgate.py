"""A fake of an SMSGate phone, after capcom6/android-sms-gateway@0cdc5d8 and android-sms-gateway/docs-web@af97537."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from policies.segments import segments
from tests.bridge.carriers.harness import Fault
from tests.fakes.vendor import FakeVendor, WebhookCall, break_off

LOGIN, DEVICE = ("sms", "a password"), "PyDmBQZZXYmyxMwED8Fzy"
SIGNING_KEY = "a signing key of thirty-two characters or more"
PASSPHRASE = "correct horse battery staple 0123"
NUMBER = "+15555550100"


class FakeSmsGate(FakeVendor):
    """`part_by_part`: a long text is split, and each part reported by itself, as a phone does; otherwise it counts as one.

    `arriving`: the number of those parts that arrive.
    """

    part_by_part = False
    arriving = 255
    refreshes = True
    """Whether it has the request for a refresh of the inbox; older apps have not."""
    state = "Delivered"
    reason = ""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.messages: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        """The bodies of all requests, unchanged."""
        self.missed: list[tuple[str, str]] = []
        """Texts in the phone's inbox that the app has not seen: sender and words."""
        self._envelopes = itertools.count(1)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/messages", self.send),
            web.get("/messages/{id}", self.get),
            web.post("/inbox/refresh", self.refresh),
        ]

    def inbound(self, sender: str, text: str, media: Sequence[tuple[str, str]]) -> Callable[[], WebhookCall]:
        # The app hashes the content.
        payload = {"messageId": f"{hash(text) & 0xFFFFFFFF:08x}", "sender": sender, "recipient": NUMBER, "simNumber": 1}
        return self.event(self.inbound_url, "sms:received", payload | {"message": text, "receivedAt": _now()})

    def event(self, url: str, event: str, payload: dict[str, Any]) -> Callable[[], WebhookCall]:
        body = {
            "id": f"Ey6ECgOkVVFjz3CL48B8{next(self._envelopes)}",
            "webhookId": "LreFUt-Z3sSq0JufY9uWB",
            "deviceId": DEVICE,
            "event": event,
            "payload": payload,
        }
        raw = json.dumps(body).encode()
        return lambda: WebhookCall(url=url, headers=signed(raw), body=raw)

    async def send(self, request: web.Request) -> web.Response:
        if request.headers["Authorization"] != "Basic " + base64.b64encode(":".join(LOGIN).encode()).decode():
            return web.json_response({"message": "Unauthorized"}, status=401)
        body = await request.json()
        self.bodies.append(body)
        assert body["deviceId"] == DEVICE
        assert body["withDeliveryReport"] is True
        assert 0 < body["ttl"] <= 3600
        self.validities.append(body["ttl"])
        assert request.query["skipPhoneValidation"] == "true"
        (to,) = body["phoneNumbers"]
        text = body["textMessage"]["text"]
        if body.get("isEncrypted"):
            to, text = opened(to, PASSPHRASE), opened(text, PASSPHRASE)
        self.asked.append(body["id"])
        fault = self.next_fault()
        match fault:
            case Fault.SILENT:
                return break_off(request)
            case Fault.BROKEN:
                return web.json_response({"message": "failed"}, status=500)
            case Fault.BUSY:
                return web.json_response({"message": "slow down"}, status=429, headers={"Retry-After": "1"})
            case Fault.REFUSED:
                return web.json_response({"message": "already expired"}, status=400)
        if body["id"] in self.messages:
            return break_off(request) if fault else web.json_response({"message": "exists"}, status=409)
        self.messages[body["id"]] = {"id": body["id"], "state": self.state, "recipients": [], "states": {}}
        self.texts_at_handset[to].append(text)
        self.call(*self._reports(body["id"], to, segments(text).count if self.part_by_part else 1))
        if fault is Fault.SILENT_SENT:
            return break_off(request)
        return web.json_response(self.messages[body["id"]], status=202)

    def _reports(self, message_id: str, to: str, parts: int) -> list[Callable[[], WebhookCall]]:
        payload = {"messageId": message_id, "sender": NUMBER, "recipient": to, "phoneNumber": to, "simNumber": 1}
        if self.reason:
            failure = payload | {"failedAt": _now(), "reason": self.reason}
            return [self.event(self.status_url, "sms:failed", failure)]
        sent_report = self.event(self.status_url, "sms:sent", payload | {"partsCount": parts, "sentAt": _now()})
        return [
            sent_report,
            *(
                self.event(self.status_url, "sms:delivered", payload | {"deliveredAt": _now()})
                for _ in range(min(parts, self.arriving))
            ),
        ]

    async def refresh(self, request: web.Request) -> web.Response:
        """Send each text that the app missed by a webhook (`InboxRoutes.kt`, `ReceiverService.export`)."""
        body = await request.json()
        self.bodies.append(body)
        since, until = (datetime.fromisoformat(body[name]) for name in ("since", "until"))
        if not self.refreshes or since > until or not body["triggerWebhooks"]:
            return web.json_response({"message": "Not Found"}, status=404)
        missed, self.missed = self.missed, []
        self.call(*(self.inbound(sender, text, ()) for sender, text in missed))
        return web.Response(status=202)

    async def get(self, request: web.Request) -> web.Response:
        message = self.messages.get(request.match_info["id"])
        return web.json_response(message) if message else web.Response(status=404)


def opened(hidden: str, passphrase: str) -> str:
    """Decrypt a value as the app does (`EncryptionService.kt`)."""
    _, algorithm, parameters, salt, words = hidden.split("$")
    assert algorithm == "aes-256-cbc/pbkdf2-sha1"
    first = base64.b64decode(salt)
    key = hashlib.pbkdf2_hmac("sha1", passphrase.encode(), first, int(parameters.removeprefix("i=")), 32)
    cipher, filler = Cipher(algorithms.AES(key), modes.CBC(first)).decryptor(), PKCS7(128).unpadder()
    return (filler.update(cipher.update(base64.b64decode(words)) + cipher.finalize()) + filler.finalize()).decode()


def signed(body: bytes, *, at: float | None = None) -> dict[str, str]:
    timestamp = str(int(time.time() if at is None else at))
    signature = hmac.new(SIGNING_KEY.encode(), body + timestamp.encode(), hashlib.sha256).hexdigest()
    return {"X-Signature": signature, "X-Timestamp": timestamp, "Content-Type": "application/json"}


def _now() -> str:
    return datetime.now(UTC).astimezone().isoformat(timespec="milliseconds")
