"""A fake of a Jasmin gateway, after its HTTP API (protocols/http) and routing/throwers.py in jookies/jasmin@0aac58e.

As measured: `coding` is the byte itself.
"""

from __future__ import annotations

import codecs
import uuid
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qs, urlencode

import smsutil.codecs
from aiohttp import web

from tests.bridge.carriers.harness import Fault
from tests.fakes.vendor import FakeVendor, WebhookCall, break_off

codecs.register(smsutil.codecs.search_gsm0338)

LOGIN = ("a user", "a password")
NUMBER = "+15555550100"


class FakeJasmin(FakeVendor):
    """`by_get`: its connectors use GET, otherwise POST. `reports`: the fields of each DLR besides its id.

    `tells_balance`: the user has the authorization `http_balance`. `addresses`: the lines of its access log.
    """

    by_get = False
    tells_balance = True
    reports: Sequence[dict[str, Any]] = (
        {"level": 1, "message_status": "ESME_ROK", "connector": "smpp"},
        # As measured with `dlr-level` 3: names and their order are in tests/bridge/carriers/published/jasmin.json.
        {
            "level": 2,
            "message_status": "DELIVRD",
            "connector": "101",
            "id_smsc": "101",
            "sub": "001",
            "dlvrd": "001",
            "subdate": "2611261513",
            "donedate": "2611261513",
            "err": "000",
            "text": "the first words",
        },
    )

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.codings: list[str] = []
        self.addresses: list[str] = []

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/send", self.send), web.get("/balance", self.balance), web.get("/ping", self.ping)]

    def acknowledged(self, status: int, body: bytes) -> bool:
        return status < 400 and body.strip() == b"ACK/Jasmin"

    def inbound(self, sender: str, text: str, media: Sequence[tuple[str, str]]) -> Callable[[], WebhookCall]:
        return self.text(sender.removeprefix("+"), *encoded(text))

    def text(self, sender: str, octets: bytes, coding: int | None) -> Callable[[], WebhookCall]:
        fields: dict[str, Any] = {
            "id": str(uuid.uuid4()),
            "from": sender,
            "to": NUMBER.removeprefix("+"),
            "origin-connector": "smpp",
            "content": octets,
            "binary": octets.hex(),
            "priority": 1,
        }
        return self.throw(self.inbound_url, fields if coding is None else fields | {"coding": bytes([coding])})

    def throw(self, url: str, fields: dict[str, Any]) -> Callable[[], WebhookCall]:
        query = urlencode(fields)
        # The sender chooses `dlr-method` for each text.
        if self.by_get and not url.startswith(self.status_url):
            return lambda: WebhookCall(method="GET", url=f"{url}?{query}")
        return lambda: WebhookCall(
            url=url, headers={"Content-Type": "application/x-www-form-urlencoded"}, body=query.encode()
        )

    async def ping(self, request: web.Request) -> web.Response:
        self.addresses.append(request.path_qs)
        return web.Response(text="Jasmin/PONG")

    async def balance(self, request: web.Request) -> web.Response:
        self.addresses.append(request.path_qs)
        query = dict(request.query)
        for name in ("username", "password"):
            if not 1 <= len(query[name]) <= 16:
                said = f"Argument [{name}] has an invalid value: [{query[name]}]."
                return web.json_response(said, status=400)
        user = query["username"]
        if (user, query["password"]) != LOGIN:
            return web.json_response(f"Authentication failure for username:{user}", status=403)
        if not self.tells_balance:
            return web.json_response(f"Authorization failed for user [{user}] (Cannot check balance).", status=400)
        return web.json_response({"balance": "ND", "sms_count": "ND"})

    async def send(self, request: web.Request) -> web.Response:
        assert request.query_string == ""
        fields = {k: v for k, (v,) in parse_qs((await request.read()).decode(), keep_blank_values=True).items()}
        assert ("content" in fields) != ("hex-content" in fields)
        if (fields["username"], fields["password"]) != LOGIN:
            return web.Response(status=403, text=f'Error "Authentication failure for username:{fields["username"]}"')
        assert fields["to"].isdigit()
        assert fields["from"] == NUMBER.removeprefix("+")
        assert "validity-period" not in fields  # it discards a tenth of the accepted texts that have one
        assert (fields["dlr"], fields["dlr-level"], fields["dlr-method"]) == ("yes", "3", "POST")
        assert fields["dlr-url"].partition("?")[0] == self.status_url
        self.codings.append(fields["coding"])
        if fields["coding"] == "0":
            text = fields["content"].encode("gsm0338").decode("gsm0338")
        else:
            text = bytes.fromhex(fields["hex-content"]).decode("utf-16-be")
        to = "+" + fields["to"]
        fault = self.next_fault()
        match fault:
            case Fault.SILENT:
                return break_off(request)
            case Fault.BROKEN:
                return web.Response(status=500, text='Error "Cannot send submit_sm, check SMPPClientManagerPB log file"')
            case Fault.BUSY:
                return web.Response(status=403, text='Error "User throughput exceeded"')
            case Fault.REFUSED:
                return web.Response(status=412, text='Error "No route found"')
        self.texts_at_handset[to].append(text)
        message_id = str(uuid.uuid4())
        self.call(*(self.throw(fields["dlr-url"], {"id": message_id} | report) for report in self.reports))
        if fault is Fault.SILENT_SENT:
            return break_off(request)
        return web.Response(status=200, text=f'Success "{message_id}"')


def encoded(text: str) -> tuple[bytes, int]:
    """Encode a part as it comes from the network: in the default alphabet, or UCS-2."""
    if smsutil.is_valid_gsm(text):
        return text.encode("gsm0338"), 0
    return text.encode("utf-16-be", "surrogatepass"), 8
