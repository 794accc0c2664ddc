"""A fake of a Kannel smsbox, after its user guide and gw/smsbox.c, gw/urltrans.c in pruiz/kannel@cdbcfc1."""

from __future__ import annotations

import re
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_from_bytes

from aiohttp import web

from tests.bridge.carriers.harness import Fault
from tests.fakes.vendor import FakeVendor, WebhookCall, break_off
from tests.planted import PLANTED, Kind

LOGIN = ("a user", "a pass word")
NUMBER = "+15555550100"


class FakeKannel(FakeVendor):
    """`by_get`: the sms-service has a `get-url`, else a `post-url`. `reports` are values of `%d`, each with `%B`."""

    by_get = False
    number = NUMBER
    reports: Sequence[tuple[str, str]] = (("8", ""), ("1", "000"))

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.parts: defaultdict[int, list[str]] = defaultdict(list)
        """The received parts of texts that we split, by their reference."""

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/cgi-bin/sendsms", self.send)]

    def acknowledged(self, status: int, body: bytes) -> bool:
        # Kannel would text the response body to the handset.
        return status in (200, 202) and body == b""

    def inbound(self, sender: str, text: str, media: Sequence[tuple[str, str]]) -> Callable[[], WebhookCall]:
        PLANTED.add(Kind.NUMBER, sender)
        PLANTED.add(Kind.TEXT, text)
        return self.text(sender.removeprefix("+"), *encoded(text))

    def text(self, sender: str, words: bytes, charset: str) -> Callable[[], WebhookCall]:
        message_id, now = str(uuid.uuid4()), datetime.now(UTC)
        if self.by_get:
            fields = {
                "id": message_id.encode(),
                "from": sender.encode(),
                "to": self.number.encode(),
                "charset": charset.encode(),
                "at": str(int(now.timestamp())).encode(),
                "text": words,
            }
            query = "&".join(f"{name}={quote_from_bytes(value, safe='')}" for name, value in fields.items())
            return lambda: WebhookCall(method="GET", url=f"{self.inbound_url}?{query}")
        headers = {
            "Content-Type": f'text/plain; charset="{charset}"',
            "X-Kannel-From": sender,
            "X-Kannel-To": self.number,
            "X-Kannel-Time": now.strftime("%Y-%m-%d %H:%M:%S"),
            "X-Kannel-Coding": "2" if charset == "UTF-16BE" else "0",
        }
        return lambda: WebhookCall(url=f"{self.inbound_url}?id={message_id}", headers=headers, body=words)

    async def send(self, request: web.Request) -> web.Response:
        headers = request.headers
        if (headers["X-Kannel-Username"], headers["X-Kannel-Password"]) != LOGIN:
            return web.Response(status=403, text="Authorization failed for sendsms")
        if "X-Kannel-To" not in headers:
            return web.Response(status=400, text="Missing receiver(s) number(s), rejected")
        assert request.content_type == "text/plain"
        assert request.query_string == ""
        assert (headers["X-Kannel-From"], headers["X-Kannel-DLR-Mask"]) == (self.number, "27")
        self.validities.append(60.0 * int(headers["X-Kannel-Validity"]))
        to, text = headers["X-Kannel-To"], (await request.read()).decode(request.charset or "utf-8")
        if headers["X-Kannel-Coding"] == "0":
            assert all(c in GSM for c in text)
        match self.next_fault():
            case Fault.SILENT:
                return break_off(request)
            case Fault.BROKEN:
                return web.Response(status=500, text="Sending failed.")
            case Fault.BUSY:
                return web.Response(status=503, text="Temporal failure, try again later.")
            case Fault.REFUSED:
                return web.Response(status=403, text="Not routable. Do not try again.")
            case Fault.SILENT_SENT:
                self._to_handset(to, text, headers.get("X-Kannel-UDH", ""))
                self.call(*(self.report(headers["X-Kannel-DLR-Url"], *report) for report in self.reports))
                return break_off(request)
        self._to_handset(to, text, headers.get("X-Kannel-UDH", ""))
        self.call(*(self.report(headers["X-Kannel-DLR-Url"], *report) for report in self.reports))
        return web.Response(status=202, text="0: Accepted for delivery")

    def _to_handset(self, to: str, text: str, header: str) -> None:
        """Show a text on the handset; one in parts when all have arrived (TS 23.040 §9.2.3.24.1)."""
        if header:
            octets = bytes.fromhex(header)
            assert (len(octets), octets[:3]) == (6, b"\5\0\3")
            self.parts[octets[3]].append(text)
            if len(self.parts[octets[3]]) < octets[4]:
                return
            text = "".join(self.parts.pop(octets[3]))
        self.texts_at_handset[to].append(text)

    @staticmethod
    def report(pattern: str, dlr: str, error: str) -> Callable[[], WebhookCall]:
        url = re.sub("%[dB]", lambda match: {"%d": dlr, "%B": error}[match.group()], pattern)
        return lambda: WebhookCall(method="GET", url=url)


GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà\f^{}\\[~]|€"
)


def encoded(text: str) -> tuple[bytes, str]:
    """Encode a text as it comes from the network: UTF-8 for 7-bit texts, UTF-16BE for the others."""
    if all(c in GSM for c in text):
        return text.encode(), "UTF-8"
    return text.encode("utf-16-be", "surrogatepass"), "UTF-16BE"
