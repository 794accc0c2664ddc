"""The adapters of Bandwidth and Vonage, each beside a fake of its vendor."""

from __future__ import annotations

import json
from functools import cache
from typing import Any
from unittest import mock

from hypothesis import strategies as st
from multidict import CIMultiDict

from bridge.carriers import jwt
from bridge.carriers.adapter import WebhookRequest
from bridge.carriers.jwt import private_key
from bridge.carriers.vendors import bandwidth as bandwidth_adapter
from bridge.carriers.vendors import vonage as vonage_adapter
from bridge.carriers.vendors.bandwidth import BandwidthCarrier
from bridge.carriers.vendors.vonage import VonageCarrier
from tests.bridge.carriers.harness import CANARY, AdapterRow, Trait
from tests.bridge.carriers.vendor_harness import (
    ANY_JSON,
    CLIENT_TIMEOUT,
    PATH,
    PATH_SECRET,
    VendorHarness,
    mutated,
    running_harness,
)
from tests.fakes import bandwidth, vonage
from tests.fakes.secret_files import secret_file

MESSAGE: dict[str, Any] = {
    "id": "00ff",
    "owner": bandwidth.NUMBER,
    "to": [bandwidth.NUMBER],
    "from": "+15555550101",
    "text": CANARY,
    "media": [],
    "time": "2026-01-01T00:00:00Z",
    "channel": "SMS",
    "direction": "in",
}
EVENT: dict[str, Any] = {"type": "message-received", "time": "2026-01-01T00:00:00Z", "message": MESSAGE}
FAILED: dict[str, Any] = {"type": "message-failed", "errorCode": 4720, "message": MESSAGE | {"direction": "out"}}

INBOUND: dict[str, Any] = {
    "message_uuid": "00ff",
    "to": "15555550100",
    "from": "15555550101",
    "timestamp": "2026-01-01T00:00:00Z",
    "channel": "sms",
    "message_type": "text",
    "text": CANARY,
}
STATUS: dict[str, Any] = {
    "message_uuid": "00ff",
    "status": "rejected",
    "error": {"type": f"{vonage.ERRORS}#1320", "title": 1320},
    "channel": "sms",
}


class BandwidthHarness(VendorHarness):
    traits = frozenset(
        {
            Trait.SIGNS,
            Trait.SECRET_PATH,
            Trait.RETRIES,
            Trait.TELLS_STATUS,
            Trait.OTHER_CHANNELS,
            Trait.REPORTS_OPT_OUT,
            Trait.TELLS_TIME,
            Trait.VALIDITY,
            Trait.SETTLES_DOUBT,
        }
    )
    signature_headers = ("Authorization",)
    refused_code = "request-validation"
    vendor: bandwidth.FakeBandwidth

    def make_vendor(self) -> bandwidth.FakeBandwidth:
        self.receiver.challenge = BandwidthCarrier.challenge
        return bandwidth.FakeBandwidth(webhook=self.receiver.url + PATH, path_secret=PATH_SECRET)

    def sign(self, body: bytes, *, way: str = "inbound") -> WebhookRequest:
        headers = CIMultiDict(self.vendor.headers())
        return WebhookRequest(raw_path=f"{PATH}/{way}/{PATH_SECRET}", headers=headers, body=body)

    def bodies(self) -> st.SearchStrategy[bytes]:
        message = mutated(MESSAGE).map(lambda m: EVENT | {"message": m})
        one = mutated(EVENT) | message | mutated(FAILED) | ANY_JSON
        return (st.lists(one, max_size=2) | ANY_JSON).map(lambda value: json.dumps(value).encode())

    def elsewhere(self, api_base: str) -> BandwidthCarrier:
        settings = bandwidth_adapter.Settings(
            kind="bandwidth",
            api_base=api_base,
            token_url=self.vendor.token_url,
            account_id=bandwidth.ACCOUNT,
            application_id=bandwidth.APPLICATION,
            client_id=bandwidth.LOGIN[0],
            client_secret_file=secret_file(bandwidth.LOGIN[1]),
            callback_username=bandwidth.CALLBACK_LOGIN[0],
            callback_password_file=secret_file(bandwidth.CALLBACK_LOGIN[1]),
            path_secret_file=secret_file(PATH_SECRET),
        )
        return BandwidthCarrier(settings, self.context(), timeout=CLIENT_TIMEOUT)


_read_key = cache(private_key)
"""Each time that an RSA key is read it is tried whether it is one: a tenth of a second."""


class VonageHarness(VendorHarness):
    traits = frozenset(
        {
            Trait.SIGNS,
            Trait.SIGNS_BODY,
            Trait.RETRIES,
            Trait.DELETES,
            Trait.OTHER_CHANNELS,
            Trait.REPORTS_OPT_OUT,
            Trait.TELLS_TIME,
            Trait.VALIDITY,
            Trait.SETTLES_DOUBT,
        }
    )
    signature_headers = ("Authorization",)
    refused_code = "1120"
    vendor: vonage.FakeVonage

    def make_vendor(self) -> vonage.FakeVonage:
        return vonage.FakeVonage(webhook=self.receiver.url + PATH)

    def sign(self, body: bytes, *, way: str = "inbound", **claims: Any) -> WebhookRequest:
        headers = CIMultiDict({"authorization": f"Bearer {vonage.token(body, **claims)}"})
        return WebhookRequest(raw_path=f"{PATH}/{way}", headers=headers, body=body)

    def bodies(self) -> st.SearchStrategy[bytes]:
        return (mutated(INBOUND) | mutated(STATUS) | ANY_JSON).map(lambda value: json.dumps(value).encode())

    async def copies(self) -> set[str]:
        return set(self.vendor.records)

    def elsewhere(self, api_base: str) -> VonageCarrier:
        with mock.patch.multiple(jwt, private_key=_read_key), mock.patch.object(vonage_adapter, "private_key", _read_key):
            settings = vonage_adapter.Settings(
                kind="vonage",
                api_base=api_base,
                application_id=vonage.APPLICATION,
                private_key_file=secret_file(vonage.PRIVATE_KEY),
                api_key=vonage.API_KEY,
                api_secret_file=secret_file(vonage.API_SECRET),
                signature_secret_file=secret_file(vonage.SIGNATURE_SECRET),
            )
            return VonageCarrier(settings, self.context(), timeout=CLIENT_TIMEOUT)


BANDWIDTH = AdapterRow(name="bandwidth", traits=BandwidthHarness.traits, harness=lambda: running_harness(BandwidthHarness))
VONAGE = AdapterRow(name="vonage", traits=VonageHarness.traits, harness=lambda: running_harness(VonageHarness))
