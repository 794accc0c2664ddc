"""The adapters of Twilio and SignalWire, each beside a fake of its vendor."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import quote_from_bytes, urlencode

from hypothesis import strategies as st
from multidict import CIMultiDict

from bridge.carriers.adapter import WebhookRequest
from bridge.carriers.vendors import signalwire, twilio
from tests.bridge.carriers.harness import CANARY, AdapterRow, Fault, Trait
from tests.bridge.carriers.receiver import webhook_receiver
from tests.bridge.carriers.vendor_harness import CLIENT_TIMEOUT, ServedHarness
from tests.fakes import cxml
from tests.fakes.served import served

NUMBER = "+15555550100"
ACCOUNT = "AC00000000000000000000000000000001"
TOKEN, KEY = "a token", "a key"
PATH = "/carriers/demo"
NOT_OFFERED = {
    Trait.SECRET_PATH,
    Trait.SIGNS_TIME,
    Trait.TELLS_TIME,
    Trait.REPORTS_OPT_OUT,
    Trait.REPORTS_PARTS,
}

_FAULTS = {
    Fault.SILENT: cxml.CxmlFault(status=None),
    Fault.SILENT_SENT: cxml.CxmlFault(status=None, sent=True),
    Fault.BROKEN: cxml.CxmlFault(status=500, code=20500),
    Fault.BUSY: cxml.CxmlFault(status=429, code=20429, headers={"Retry-After": "1"}),
    Fault.REFUSED: cxml.CxmlFault(status=400, code=21211),
    Fault.OPTED_OUT: cxml.CxmlFault(status=400, code=21610),
}
_RIGHT = {
    "MessageSid": "SM00ff",
    "From": "+15555550101",
    "To": NUMBER,
    "Body": CANARY,
    "NumMedia": "1",
    "MediaUrl0": CANARY,
}
_REPORT = {"MessageSid": "SM00ff", "MessageStatus": "delivered", "ErrorCode": "30005", "Body": CANARY}


class CxmlHarness(ServedHarness):
    refused_code = "21211"
    number = NUMBER
    validity = 900
    vendor: cxml.FakeCxml

    async def copies(self) -> set[str]:
        return set(self.vendor.records)

    async def fault(self, fault: Fault, *, times: int = 1) -> None:
        self.vendor.faults += [_FAULTS[fault]] * times

    def validities(self) -> list[float]:
        return [float(form["ValidityPeriod"]) for form in self.vendor.forms]

    def sign(self, body: bytes, *, way: str = "inbound") -> WebhookRequest:
        return self._signed(f"{PATH}/{way}", body)

    def signings(self, body: bytes, *, way: str) -> list[tuple[str, WebhookRequest]]:
        # No client writes a query that is empty.
        query = f"?{quote_from_bytes(body, safe='=&%+')}" if body else ""
        return [("POST", self.sign(body, way=way)), ("GET", self._signed(f"{PATH}/{way}{query}", b""))]

    def _signed(self, path: str, body: bytes) -> WebhookRequest:
        signature = self.vendor.signed(self.receiver.url + path, body)
        headers = CIMultiDict({self.signature_headers[0].lower(): signature})
        return WebhookRequest(raw_path=path, headers=headers, body=body)

    def bodies(self) -> st.SearchStrategy[bytes]:
        value = st.text(st.characters(exclude_categories=()), max_size=8).map(lambda s: CANARY + s)

        def changed(right: dict[str, str]) -> st.SearchStrategy[list[tuple[str, str]]]:
            name = st.sampled_from(sorted(right))
            dropped = name.map(lambda key: [(k, v) for k, v in right.items() if k != key])
            replaced = st.tuples(name, value).map(lambda pair: list((right | {pair[0]: pair[1]}).items()))
            repeated = st.tuples(name, value).map(lambda pair: [*right.items(), pair])
            return dropped | replaced | repeated

        fields = changed(_RIGHT) | changed(_REPORT) | st.lists(st.tuples(value, value), max_size=4)
        return fields.map(lambda pairs: urlencode(pairs, errors="surrogatepass").encode())


class TwilioHarness(CxmlHarness):
    signature_headers = ("X-Twilio-Signature",)
    traits = frozenset(Trait) - NOT_OFFERED

    def elsewhere(self, api_base: str) -> twilio.TwilioCarrier:
        settings = twilio.Settings(
            kind="twilio", api_base=api_base, account_sid=ACCOUNT, auth_token_file=self.secrets / "key"
        )
        return twilio.TwilioCarrier(settings, self.context(), timeout=CLIENT_TIMEOUT)


class SignalWireHarness(CxmlHarness):
    signature_headers = ("X-SignalWire-Signature",)
    traits = frozenset(Trait) - NOT_OFFERED - {Trait.RETRIES}

    def elsewhere(self, api_base: str) -> signalwire.SignalWireCarrier:
        settings = signalwire.Settings(
            kind="signalwire",
            api_base=api_base,
            project=ACCOUNT,
            token_file=self.secrets / "token",
            signing_key_file=self.secrets / "key",
        )
        return signalwire.SignalWireCarrier(settings, self.context(), timeout=CLIENT_TIMEOUT)


@asynccontextmanager
async def _harness(
    make: type[CxmlHarness], *, prefix: str, password: str, retries: int, sid: Callable[[], str]
) -> AsyncIterator[CxmlHarness]:
    async with webhook_receiver() as receiver, AsyncExitStack() as stack:
        secrets = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name, value in (("token", TOKEN), ("key", KEY)):
            (secrets / name).write_text(value)
        vendor = cxml.FakeCxml(
            prefix=prefix,
            account=ACCOUNT,
            login=(ACCOUNT, password),
            key=KEY,
            header=make.signature_headers[0],
            webhook_base=receiver.url + PATH,
            number=NUMBER,
            retries=retries,
            sid=sid,
        )
        async with AsyncExitStack() as of_vendor:
            base = await of_vendor.enter_async_context(served(vendor.application()))
            harness = make(receiver=receiver, vendor=vendor, base=base, stack=of_vendor, secrets=secrets)
            try:
                yield harness
            finally:
                await harness.carrier.close()


@asynccontextmanager
async def twilio_harness() -> AsyncIterator[CxmlHarness]:
    # As our documentation tells to configure it: #rc=5&rp=all
    async with _harness(TwilioHarness, prefix="/2010-04-01", password=KEY, retries=5, sid=cxml.twilio_sid) as harness:
        yield harness


@asynccontextmanager
async def signalwire_harness() -> AsyncIterator[CxmlHarness]:
    prefix = "/api/laml/2010-04-01"
    async with _harness(SignalWireHarness, prefix=prefix, password=TOKEN, retries=0, sid=cxml.signalwire_sid) as harness:
        yield harness


TWILIO = AdapterRow(name="twilio", traits=TwilioHarness.traits, harness=twilio_harness)
SIGNALWIRE = AdapterRow(name="signalwire", traits=SignalWireHarness.traits, harness=signalwire_harness)
