"""The adapters of what an agency runs itself, each beside a fake of it: an SMSGate phone, Kannel, Jasmin."""

from __future__ import annotations

import json
from typing import Any, ClassVar
from urllib.parse import quote_from_bytes, urlencode

from aiohttp import web
from hypothesis import strategies as st
from multidict import CIMultiDict

from bridge.carriers.adapter import WebhookRequest
from bridge.carriers.vendors.jasmin import JasminCarrier
from bridge.carriers.vendors.kannel import KannelCarrier
from bridge.carriers.vendors.smsgate import SmsGateCarrier
from tests.bridge.carriers.fake_stand import ANYTHING, HASTE, PATH, PATH_SECRET, FakeStand, changed, standing
from tests.bridge.carriers.receiver import Receiver
from tests.bridge.carriers.stand import CANARY, Fault, Row, Trait
from tests.fakes import jasmin, kannel, smsgate

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


class SmsGateStand(FakeStand):
    traits = frozenset(
        {
            Trait.SIGNS,
            Trait.SIGNS_BODY,
            Trait.SIGNS_TIME,
            Trait.RETRIES,
            Trait.TELLS_STATUS,
            Trait.OUR_IDS,
            Trait.TELLS_TIME,
            Trait.VALIDITY,
            Trait.REPORTS_PARTS,
        }
    )
    signature_headers = ("X-Signature", "X-Timestamp")
    refused_code = "http-400"
    tries = 2
    vendor: smsgate.SmsGate

    def make_vendor(self) -> smsgate.SmsGate:
        return smsgate.SmsGate(webhook=self.receiver.url + PATH)

    def report_one_part(self) -> None:
        self.vendor.part_by_part, self.vendor.arriving = True, 1

    async def fault(self, fault: Fault, *, times: int = 1) -> None:
        in_doubt = fault in (Fault.SILENT, Fault.SILENT_SENT, Fault.BROKEN)
        await super().fault(fault, times=times * self.tries if in_doubt else times)

    def sign(self, body: bytes, *, way: str = "inbound") -> WebhookRequest:
        headers = CIMultiDict(smsgate.signed(body, at=self.clock()))
        return WebhookRequest(raw_path=f"{PATH}/{way}", headers=headers, body=body)

    def bodies(self) -> st.SearchStrategy[bytes]:
        texts = changed(PAYLOAD).map(lambda p: ENVELOPE | {"payload": p})
        pictures = changed(PICTURE).map(lambda p: ENVELOPE | {"event": "mms:downloaded", "payload": p})
        events = st.sampled_from(("sms:sent", "sms:delivered", "sms:failed", "sms:cancelled", "app:started"))
        reports = st.tuples(events, changed(FAILED)).map(lambda t: ENVELOPE | {"event": t[0], "payload": t[1]})
        return (changed(ENVELOPE) | texts | pictures | reports | ANYTHING).map(lambda value: json.dumps(value).encode())

    def elsewhere(self, api_base: str) -> SmsGateCarrier:
        return SmsGateCarrier(
            api_base=api_base,
            login=smsgate.LOGIN,
            device_id=smsgate.DEVICE,
            signing_key=smsgate.SIGNING_KEY,
            region="US",
            sim_number=1,
            validity=self.validity,
            clock=self.clock,
            timeout=HASTE,
        )


def by_get(query: bytes, way: str) -> WebhookRequest:
    """Call with what a form would hold in the query."""
    path = f"{PATH}/{way}/{PATH_SECRET}?{quote_from_bytes(query, safe='=&%+')}"
    return WebhookRequest(raw_path=path, headers=CIMultiDict(), body=b"")


_WORDS = st.text(max_size=8).map(lambda s: CANARY + s)
QUERY = {"id": "00ff", "from": "15555550101", "to": "15555550100", "charset": "UTF-8", "text": CANARY, "at": "1"}
REPORT = {"id": "00ff", "dlr": "2", "err": "001"}


class KannelStand(FakeStand):
    traits = frozenset(
        {
            Trait.RETRIES,
            Trait.OUR_IDS,
            Trait.SECRET_PATH,
            Trait.TELLS_TIME,
            Trait.VALIDITY,
            Trait.REPORTS_PARTS,
        }
    )
    signature_headers = ()
    refused_code = "http-403"
    vendor: kannel.Kannel

    def make_vendor(self) -> kannel.Kannel:
        return kannel.Kannel(webhook=self.receiver.url + PATH, path_secret=PATH_SECRET)

    def sign(self, body: bytes, *, way: str = "inbound") -> WebhookRequest:
        return by_get(body, way)

    def signings(self, body: bytes, *, way: str) -> list[tuple[str, WebhookRequest]]:
        headers = CIMultiDict({"X-Kannel-From": "15555550101", "Content-Type": "text/plain; charset=UTF-8"})
        post = WebhookRequest(raw_path=f"{PATH}/{way}/{PATH_SECRET}?id=00ff", headers=headers, body=body)
        return [("GET", self.sign(body, way=way)), ("POST", post)]

    def bodies(self) -> st.SearchStrategy[bytes]:
        texts = changed(QUERY, _WORDS).map(lambda fields: urlencode(fields).encode())
        reports = changed(REPORT, _WORDS).map(lambda fields: urlencode(fields).encode())
        return texts | reports | ANYTHING.map(lambda value: json.dumps(value).encode())

    def elsewhere(self, api_base: str) -> KannelCarrier:
        return KannelCarrier(
            api_base=api_base,
            login=kannel.LOGIN,
            status_url=f"{self.receiver.url}{PATH}/status",
            path_secret=PATH_SECRET,
            plain_numbers="international",
            region="US",
            validity=self.validity,
            timeout=HASTE,
        )


class Acknowledging(Receiver):
    """It says the words that Jasmin waits for."""

    async def _take(self, request: web.Request) -> web.Response:
        answer = await super()._take(request)
        if answer.status < 300:
            answer.text = "ACK/Jasmin"
        return answer


MO = {"id": "00ff", "from": "15555550101", "to": "15555550100", "coding": "0", "binary": "63346e347279"}
DLR = {"id": "00ff", "message_status": "UNDELIV", "level": "3", "err": "001", "text": CANARY}


class JasminStand(FakeStand):
    traits = frozenset({Trait.RETRIES, Trait.SECRET_PATH, Trait.VALIDITY, Trait.REPORTS_PARTS})
    receiver_type: ClassVar[type[Receiver]] = Acknowledging
    signature_headers = ()
    refused_code = "http-412"
    vendor: jasmin.Jasmin

    def make_vendor(self) -> jasmin.Jasmin:
        return jasmin.Jasmin(webhook=self.receiver.url + PATH, path_secret=PATH_SECRET)

    def sign(self, body: bytes, *, way: str = "inbound") -> WebhookRequest:
        return WebhookRequest(raw_path=f"{PATH}/{way}/{PATH_SECRET}", headers=CIMultiDict(), body=body)

    def signings(self, body: bytes, *, way: str) -> list[tuple[str, WebhookRequest]]:
        return [("POST", self.sign(body, way=way)), ("GET", by_get(body, way))]

    def bodies(self) -> st.SearchStrategy[bytes]:
        texts = changed(MO, _WORDS | st.binary(max_size=9).map(bytes.hex)).map(lambda fields: urlencode(fields).encode())
        reports = changed(DLR, _WORDS).map(lambda fields: urlencode(fields).encode())
        return texts | reports | ANYTHING.map(lambda value: json.dumps(value).encode())

    def elsewhere(self, api_base: str) -> JasminCarrier:
        return JasminCarrier(
            api_base=api_base,
            login=jasmin.LOGIN,
            status_url=f"{self.receiver.url}{PATH}/status",
            path_secret=PATH_SECRET,
            plain_numbers="international",
            region="US",
            validity=self.validity,
            timeout=HASTE,
        )


SMSGATE = Row(name="smsgate", traits=SmsGateStand.traits, stand=lambda: standing(SmsGateStand))
KANNEL = Row(name="kannel", traits=KannelStand.traits, stand=lambda: standing(KannelStand))
JASMIN = Row(name="jasmin", traits=JasminStand.traits, stand=lambda: standing(JasminStand))
