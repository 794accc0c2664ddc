"""The adapter of Telnyx beside a fake of it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from multidict import CIMultiDict

from bridge.carriers.adapter import WebhookRequest
from bridge.carriers.vendors import telnyx
from tests.bridge.carriers.harness import CANARY, AdapterRow, Fault, Trait
from tests.bridge.carriers.receiver import webhook_receiver
from tests.bridge.carriers.vendor_harness import ANY_JSON, CLIENT_TIMEOUT, ServedHarness, mutated
from tests.fakes import telnyx as fake
from tests.fakes.served import served

NUMBER = "+15555550100"
API_KEY = "an api key"
PATH = "/carriers/demo"
NOT_OFFERED = {
    Trait.SECRET_PATH,
    Trait.VALIDITY,
    Trait.REPORTS_PARTS,
    Trait.SIGNS_URL,
    Trait.LISTS,
    Trait.DELETES,
    Trait.SHOWS_COPIES,
    Trait.REPORTS_OPT_OUT,
}

_FAULTS = {
    Fault.SILENT: fake.TelnyxFault(status=None),
    Fault.SILENT_SENT: fake.TelnyxFault(status=None, sent=True),
    Fault.BROKEN: fake.TelnyxFault(status=500, code="10007"),
    Fault.BUSY: fake.TelnyxFault(status=429, code="10011", retry_after="1"),
    Fault.REFUSED: fake.TelnyxFault(status=400, code="40009"),
    Fault.OPTED_OUT: fake.TelnyxFault(status=400, code="40300"),
}
TEXT: dict[str, Any] = {
    "id": "7ee4241c-f127-47e5-9c34-3aac291f8058",
    "type": "SMS",
    "from": {"phone_number": "+15555550101", "carrier": CANARY},
    "to": [{"phone_number": NUMBER}],
    "cc": [],
    "text": CANARY,
    "media": [{"url": CANARY, "content_type": "image/png"}],
    "received_at": "2026-01-01T00:00:00.000Z",
}
REPORT: dict[str, Any] = {
    "id": "7ee4241c-f127-47e5-9c34-3aac291f8058",
    "to": [{"phone_number": "+15555550101", "status": "delivery_failed"}],
    "text": CANARY,
    "errors": [{"code": "40008", "title": CANARY}],
}


def event(kind: Any, payload: Any) -> bytes:
    return json.dumps({"data": {"id": "00", "event_type": kind, "payload": payload}}).encode()


class TelnyxHarness(ServedHarness):
    signature_headers = ("telnyx-signature-ed25519", "telnyx-timestamp")
    traits = frozenset(Trait) - NOT_OFFERED
    refused_code = "40009"
    tries_unanswered = 2
    number = NUMBER
    vendor: fake.FakeTelnyx

    async def copies(self) -> set[str]:
        return set(self.vendor.messages)

    async def fault(self, fault: Fault, *, times: int = 1) -> None:
        silent = fault in (Fault.SILENT, Fault.SILENT_SENT)
        self.vendor.faults += [_FAULTS[fault]] * (times * self.tries_unanswered if silent else times)

    def sign(self, body: bytes, *, way: str = "inbound") -> WebhookRequest:
        headers = CIMultiDict(self.vendor.signed(body, str(int(self.clock()))))
        return WebhookRequest(raw_path=f"{PATH}/{way}", headers=headers, body=body)

    def bodies(self) -> st.SearchStrategy[bytes]:
        odd = st.tuples(ANY_JSON, ANY_JSON).map(lambda pair: event(*pair))
        anything = ANY_JSON.map(lambda value: json.dumps(value).encode())
        texts = mutated(TEXT).map(partial(event, "message.received"))
        reports = mutated(REPORT).map(partial(event, "message.finalized"))
        return texts | reports | odd | anything

    def elsewhere(self, api_base: str) -> telnyx.TelnyxCarrier:
        settings = telnyx.Settings(
            kind="telnyx",
            api_base=api_base,
            public_key=self.vendor.public_key,
            api_key_file=self.secrets / "api_key",
        )
        return telnyx.TelnyxCarrier(settings, self.context(), timeout=CLIENT_TIMEOUT)


@asynccontextmanager
async def telnyx_harness() -> AsyncIterator[TelnyxHarness]:
    async with webhook_receiver() as receiver, AsyncExitStack() as stack, AsyncExitStack() as of_vendor:
        secrets = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (secrets / "api_key").write_text(API_KEY)
        vendor = fake.FakeTelnyx(api_key=API_KEY, webhook_base=receiver.url + PATH, number=NUMBER)
        base = await of_vendor.enter_async_context(served(vendor.application()))
        harness = TelnyxHarness(receiver=receiver, vendor=vendor, base=base, stack=of_vendor, secrets=secrets)
        try:
            yield harness
        finally:
            await harness.carrier.close()


ROW = AdapterRow(name="telnyx", traits=TelnyxHarness.traits, harness=telnyx_harness)
