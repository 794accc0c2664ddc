"""The rehearsal adapter beside the real rehearsal carrier."""

from __future__ import annotations

import hashlib
import hmac
import json
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
from hypothesis import strategies as st
from multidict import CIMultiDict

from bridge.carriers.adapter import WebhookRequest
from bridge.carriers.http_request import Timeout
from bridge.carriers.vendors import rehearsal
from bridge.carriers.vendors.rehearsal import RehearsalCarrier
from deploy.rehearsal.server import run_carrier
from deploy.rehearsal.settings import Settings, Timing
from tests.bridge.carriers.harness import CANARY, AdapterRow, Clock, Fault, Harness, Trait
from tests.bridge.carriers.receiver import WebhookReceiver, webhook_receiver
from tests.bridge.carriers.vendor_harness import ANY_JSON, CLIENT_TIMEOUT, mutated
from tests.fakes.secret_files import secret_file
from tests.free_ports import free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NUMBER = "+15555550100"
TOKEN = "a token"
SIGNING_KEY = "a signing key"
PATH = "/carriers/demo"
TRAITS = frozenset(Trait) - {
    Trait.SECRET_PATH,
    Trait.OTHER_CHANNELS,
    Trait.REPORTS_OPT_OUT,
    Trait.REPORTS_PARTS,
    Trait.SETTLES_DOUBT,
    Trait.VALIDITY,
}

_FAULTS = {
    Fault.SILENT: "timeout",
    Fault.SILENT_SENT: "timeout-delivered",
    Fault.BROKEN: "500",
    Fault.BUSY: "429",
    Fault.REFUSED: f"reject:{Harness.refused_code}",
    Fault.OPTED_OUT: "reject:opted-out",
}

_RIGHT: dict[str, Any] = {
    "type": "text",
    "id": "00ff",
    "from": "+15555550101",
    "to": NUMBER,
    "text": CANARY,
    "media": [{"type": "image/png", "url": "https://media.example/1"}],
    "at": "2026-01-01T00:00:00+00:00",
}
_REPORT: dict[str, Any] = {"type": "report", "id": "00ff", "status": "sent", "code": ""}


class RehearsalHarness(Harness):
    number = NUMBER
    traits = TRAITS
    signature_headers = ("X-Rehearsal-Signature", "X-Rehearsal-Timestamp")

    def __init__(
        self, *, receiver: WebhookReceiver, session: aiohttp.ClientSession, port: int, stack: AsyncExitStack
    ) -> None:
        self.receiver = receiver
        self.clock = Clock()
        self.base = f"http://127.0.0.1:{port}"
        self.session = session
        self._vendor = stack
        self.carrier = self.elsewhere(self.base)

    async def text_from_handset(self, sender: str, text: str, *, media: tuple[tuple[str, str], ...] = ()) -> None:
        items = [{"type": type_, "url": url} for type_, url in media]
        await self.post("/api/texts", {"from": sender, "to": NUMBER, "text": text, "media": items})

    async def texts_at_handset(self, number: str) -> list[str]:
        texts = await self.get("/api/texts", handset=number)
        return [text["text"] for text in texts if text["direction"] == "out"]

    async def copies(self) -> set[str]:
        return {record["id"] for record in await self.get("/api/records")}

    async def fault(self, fault: Fault, *, times: int = 1) -> None:
        await self.post("/api/faults", {"send": _FAULTS[fault], "times": times})

    def sign(self, body: bytes, *, way: str = "inbound") -> WebhookRequest:
        timestamp = str(int(self.clock()))
        message = f"{timestamp}\n{self.receiver.url}{PATH}/{way}\n".encode() + body
        signature = hmac.new(SIGNING_KEY.encode(), message, hashlib.sha256).hexdigest()
        headers = CIMultiDict({"x-rehearsal-signature": signature, "x-rehearsal-timestamp": timestamp})
        return WebhookRequest(raw_path=f"{PATH}/{way}", headers=headers, body=body)

    def bodies(self) -> st.SearchStrategy[bytes]:
        return (mutated(_RIGHT) | mutated(_REPORT) | ANY_JSON).map(lambda value: json.dumps(value).encode())

    def elsewhere(self, api_base: str, *, timeout: Timeout = CLIENT_TIMEOUT) -> RehearsalCarrier:
        section = rehearsal.Settings(
            kind="rehearsal",
            api_base=api_base,
            token_file=secret_file(TOKEN),
            signing_key_file=secret_file(SIGNING_KEY),
        )
        return RehearsalCarrier(section, self.context(), timeout=timeout)

    async def vendor_goes_away(self) -> None:
        await self._vendor.aclose()

    async def post(self, path: str, body: object, *, status: tuple[int, ...] = (200, 202)) -> Any:
        async with self.session.post(self.base + path, json=body) as answer:
            assert answer.status in status
            return await answer.json()

    async def get(self, path: str, **query: str) -> Any:
        async with self.session.get(self.base + path, params=query) as answer:
            assert answer.status == 200
            return await answer.json()


def settings(receiver: WebhookReceiver, **pace: float) -> Settings:
    return Settings(
        host="127.0.0.1",
        port=0,
        number=NUMBER,
        token=TOKEN,
        signing_key=SIGNING_KEY,
        webhook_base=receiver.url + PATH,
        timing=Timing(**{"hang": 0.05, **pace}),
    )


@asynccontextmanager
async def rehearsal_harness(**pace: float) -> AsyncIterator[RehearsalHarness]:
    """Receiver, carrier and adapter, each on its own socket. `pace` shortens what takes minutes."""
    async with webhook_receiver(free_ports()) as receiver, aiohttp.ClientSession() as session, AsyncExitStack() as vendor:
        port = await vendor.enter_async_context(run_carrier(settings(receiver, **pace)))
        harness = RehearsalHarness(receiver=receiver, session=session, port=port, stack=vendor)
        try:
            yield harness
        finally:
            await harness.carrier.close()


ROW = AdapterRow(name="rehearsal", traits=TRAITS, harness=rehearsal_harness)
