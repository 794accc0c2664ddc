"""The adapters of what an agency runs itself, each beside a fake of it: an SMSGate phone, Kannel, Jasmin."""

from __future__ import annotations

import json
from typing import Any, ClassVar
from urllib.parse import quote_from_bytes, urlencode

from aiohttp import web
from hypothesis import strategies as st
from multidict import CIMultiDict

from bridge.carriers.adapter import WebhookRequest
from bridge.carriers.vendors import jasmin as jasmin_adapter
from bridge.carriers.vendors import kannel as kannel_adapter
from bridge.carriers.vendors import smsgate as smsgate_adapter
from bridge.carriers.vendors.jasmin import JasminCarrier
from bridge.carriers.vendors.kannel import KannelCarrier
from bridge.carriers.vendors.smpp_gateway import splits_character
from bridge.carriers.vendors.smsgate import SmsGateCarrier
from policies.segments import segments
from tests.bridge.carriers.harness import CANARY, AdapterRow, Fault, Trait
from tests.bridge.carriers.receiver import WebhookReceiver
from tests.bridge.carriers.vendor_harness import (
    ANY_JSON,
    CLIENT_TIMEOUT,
    PATH,
    PATH_SECRET,
    VendorHarness,
    mutated,
    running_harness,
)
from tests.fakes import jasmin, kannel, smsgate
from tests.fakes.secret_files import secret_file

PAYLOAD: dict[str, Any] = {
    "messageId": "00ff",
    "message": CANARY,
    "sender": "6505551212",
    "recipient": smsgate.NUMBER,
    "simNumber": 1,
    "receivedAt": "2026-01-01T00:00:00.000+07:00",
}
ENVELOPE: dict[str, Any] = {"id": "Ey6ECgOkVVFjz3CL48B8C", "event": "sms:received", "payload": PAYLOAD}
PICTURE = PAYLOAD | {"body": CANARY, "attachments": [{"partId": 1, "contentType": "image/jpeg", "data": CANARY}]}
FAILED = {"messageId": "00ff", "recipient": "+15555550101", "reason": CANARY, "failedAt": "x"}


class SmsGateHarness(VendorHarness):
    traits = frozenset(
        {
            Trait.SIGNS,
            Trait.SIGNS_BODY,
            Trait.SIGNS_TIME,
            Trait.RETRIES,
            Trait.TELLS_STATUS,
            Trait.SETTLES_DOUBT,
            Trait.TELLS_TIME,
            Trait.VALIDITY,
            Trait.REPORTS_PARTS,
        }
    )
    signature_headers = ("X-Signature", "X-Timestamp")
    refused_code = "http-400"
    tries = tries_unanswered = 2
    vendor: smsgate.FakeSmsGate

    def make_vendor(self) -> smsgate.FakeSmsGate:
        return smsgate.FakeSmsGate(webhook=self.receiver.url + PATH)

    def report_one_part(self) -> None:
        self.vendor.part_by_part, self.vendor.arriving = True, 1

    async def fault(self, fault: Fault, *, times: int = 1) -> None:
        in_doubt = fault in (Fault.SILENT, Fault.SILENT_SENT, Fault.BROKEN)
        await super().fault(fault, times=times * self.tries if in_doubt else times)

    def sign(self, body: bytes, *, way: str = "inbound") -> WebhookRequest:
        headers = CIMultiDict(smsgate.signed(body, at=self.clock()))
        return WebhookRequest(raw_path=f"{PATH}/{way}", headers=headers, body=body)

    def bodies(self) -> st.SearchStrategy[bytes]:
        texts = mutated(PAYLOAD).map(lambda p: ENVELOPE | {"payload": p})
        pictures = mutated(PICTURE).map(lambda p: ENVELOPE | {"event": "mms:downloaded", "payload": p})
        events = st.sampled_from(("sms:sent", "sms:delivered", "sms:failed", "sms:cancelled", "app:started"))
        reports = st.tuples(events, mutated(FAILED)).map(lambda t: ENVELOPE | {"event": t[0], "payload": t[1]})
        return (mutated(ENVELOPE) | texts | pictures | reports | ANY_JSON).map(lambda value: json.dumps(value).encode())

    def elsewhere(self, api_base: str) -> SmsGateCarrier:
        settings = smsgate_adapter.Settings(
            kind="smsgate",
            api_base=api_base,
            username=smsgate.LOGIN[0],
            password_file=secret_file(smsgate.LOGIN[1]),
            device_id=smsgate.DEVICE,
            signing_key_file=secret_file(smsgate.SIGNING_KEY),
            region="US",
            sim_number=1,
        )
        return SmsGateCarrier(settings, self.context(), timeout=CLIENT_TIMEOUT)


def smpp_section(kind: str, api_base: str, login: tuple[str, str]) -> dict[str, Any]:
    """Return the usual section of a gateway."""
    return {
        "kind": kind,
        "api_base": api_base,
        "username": login[0],
        "password_file": secret_file(login[1]),
        "path_secret_file": secret_file(PATH_SECRET),
        "plain_numbers": "international",
        "region": "US",
    }


def by_get(query: bytes, way: str) -> WebhookRequest:
    """Call with what a form would hold in the query."""
    path = f"{PATH}/{way}/{PATH_SECRET}?{quote_from_bytes(query, safe='=&%+')}"
    return WebhookRequest(raw_path=path, headers=CIMultiDict(), body=b"")


_WORDS = st.text(max_size=8).map(lambda s: CANARY + s)
QUERY = {"id": "00ff", "from": "15555550101", "to": "15555550100", "charset": "UTF-8", "text": CANARY, "at": "1"}
REPORT = {"id": "00ff", "dlr": "2", "err": "001"}


class KannelHarness(VendorHarness):
    traits = frozenset(
        {
            Trait.RETRIES,
            Trait.SETTLES_DOUBT,
            Trait.SECRET_PATH,
            Trait.TELLS_TIME,
            Trait.VALIDITY,
            Trait.REPORTS_PARTS,
        }
    )
    signature_headers = ()
    refused_code = "http-403"
    vendor: kannel.FakeKannel

    def requests_for(self, text: str) -> int:
        cut = segments(text)
        return cut.count if cut.encoding == "ucs2" and splits_character(cut) else 1

    def make_vendor(self) -> kannel.FakeKannel:
        return kannel.FakeKannel(webhook=self.receiver.url + PATH, path_secret=PATH_SECRET)

    def sign(self, body: bytes, *, way: str = "inbound") -> WebhookRequest:
        return by_get(body, way)

    def signings(self, body: bytes, *, way: str) -> list[tuple[str, WebhookRequest]]:
        headers = CIMultiDict({"X-Kannel-From": "15555550101", "Content-Type": "text/plain; charset=UTF-8"})
        post = WebhookRequest(raw_path=f"{PATH}/{way}/{PATH_SECRET}?id=00ff", headers=headers, body=body)
        return [("GET", self.sign(body, way=way)), ("POST", post)]

    def bodies(self) -> st.SearchStrategy[bytes]:
        texts = mutated(QUERY, _WORDS).map(lambda fields: urlencode(fields).encode())
        reports = mutated(REPORT, _WORDS).map(lambda fields: urlencode(fields).encode())
        return texts | reports | ANY_JSON.map(lambda value: json.dumps(value).encode())

    def elsewhere(self, api_base: str) -> KannelCarrier:
        return KannelCarrier(self.settings(api_base=api_base), self.context(), timeout=CLIENT_TIMEOUT)

    def settings(self, **fields: Any) -> kannel_adapter.Settings:
        """Return the section of the configuration. `fields`: what is other than usual."""
        return kannel_adapter.Settings.model_validate(smpp_section("kannel", self.vendor.base, kannel.LOGIN) | fields)


class Acknowledging(WebhookReceiver):
    """It says the words that Jasmin waits for."""

    async def _take(self, request: web.Request) -> web.Response:
        answer = await super()._take(request)
        if answer.status < 300:
            answer.text = "ACK/Jasmin"
        return answer


MO = {"id": "00ff", "from": "15555550101", "to": "15555550100", "coding": "0", "binary": "63346e347279"}
DLR = {"id": "00ff", "message_status": "UNDELIV", "level": "2", "err": "001", "text": CANARY}


class JasminHarness(VendorHarness):
    traits = frozenset({Trait.RETRIES, Trait.SETTLES_DOUBT, Trait.SECRET_PATH, Trait.REPORTS_PARTS})
    receiver_type: ClassVar[type[WebhookReceiver]] = Acknowledging
    signature_headers = ()
    refused_code = "http-412"
    refuses = frozenset({"🫶🏽" * 30})
    vendor: jasmin.FakeJasmin

    def make_vendor(self) -> jasmin.FakeJasmin:
        return jasmin.FakeJasmin(webhook=self.receiver.url + PATH, path_secret=PATH_SECRET)

    def sign(self, body: bytes, *, way: str = "inbound") -> WebhookRequest:
        return WebhookRequest(raw_path=f"{PATH}/{way}/{PATH_SECRET}", headers=CIMultiDict(), body=body)

    def signings(self, body: bytes, *, way: str) -> list[tuple[str, WebhookRequest]]:
        return [("POST", self.sign(body, way=way)), ("GET", by_get(body, way))]

    def bodies(self) -> st.SearchStrategy[bytes]:
        texts = mutated(MO, _WORDS | st.binary(max_size=9).map(bytes.hex)).map(lambda fields: urlencode(fields).encode())
        reports = mutated(DLR, _WORDS).map(lambda fields: urlencode(fields).encode())
        return texts | reports | ANY_JSON.map(lambda value: json.dumps(value).encode())

    def elsewhere(self, api_base: str) -> JasminCarrier:
        return JasminCarrier(self.settings(api_base=api_base), self.context(), timeout=CLIENT_TIMEOUT)

    def settings(self, **fields: Any) -> jasmin_adapter.Settings:
        """Return the section of the configuration. `fields`: what is other than usual."""
        return jasmin_adapter.Settings.model_validate(smpp_section("jasmin", self.vendor.base, jasmin.LOGIN) | fields)


SMSGATE = AdapterRow(name="smsgate", traits=SmsGateHarness.traits, harness=lambda: running_harness(SmsGateHarness))
KANNEL = AdapterRow(name="kannel", traits=KannelHarness.traits, harness=lambda: running_harness(KannelHarness))
JASMIN = AdapterRow(name="jasmin", traits=JasminHarness.traits, harness=lambda: running_harness(JasminHarness))
