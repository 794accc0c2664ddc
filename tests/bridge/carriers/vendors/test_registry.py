"""Adapters made from the configuration, as the bridge makes them: every secret finds its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from bridge.carriers.adapter import Accepted, AdapterContext
from bridge.carriers.vendors import registry
from bridge.runtime.settings import CarrierSettings, secret_files
from tests.bridge.carriers.cloud_harnesses import BandwidthHarness, VonageHarness
from tests.bridge.carriers.self_hosted_harnesses import JasminHarness, KannelHarness, SmsGateHarness
from tests.bridge.carriers.steps import HANDSET, receive_text
from tests.bridge.carriers.vendor_harness import PATH_SECRET, VendorHarness, running_harness
from tests.fakes import bandwidth, jasmin, kannel, smsgate, vonage
from tests.fakes.fake_carrier import send_words

GATEWAY = {"plain_numbers": "international", "region": "US"}
MADE: tuple[tuple[type[VendorHarness], dict[str, Any], dict[str, str]], ...] = (
    (
        BandwidthHarness,
        {
            "kind": "bandwidth",
            "account_id": bandwidth.ACCOUNT,
            "application_id": bandwidth.APPLICATION,
            "client_id": bandwidth.LOGIN[0],
            "callback_username": bandwidth.CALLBACK_LOGIN[0],
        },
        {
            "client_secret_file": bandwidth.LOGIN[1],
            "callback_password_file": bandwidth.CALLBACK_LOGIN[1],
            "path_secret_file": PATH_SECRET,
        },
    ),
    (
        VonageHarness,
        {"kind": "vonage", "application_id": vonage.APPLICATION, "api_key": vonage.API_KEY},
        {
            "private_key_file": vonage.PRIVATE_KEY,
            "api_secret_file": vonage.API_SECRET,
            "signature_secret_file": vonage.SIGNATURE_SECRET,
        },
    ),
    (
        SmsGateHarness,
        {"kind": "smsgate", "username": smsgate.LOGIN[0], "device_id": smsgate.DEVICE, "region": "US", "sim_number": 2},
        {"password_file": smsgate.LOGIN[1], "signing_key_file": smsgate.SIGNING_KEY},
    ),
    (
        KannelHarness,
        {"kind": "kannel", "username": kannel.LOGIN[0]} | GATEWAY,
        {"password_file": kannel.LOGIN[1], "path_secret_file": PATH_SECRET},
    ),
    (
        JasminHarness,
        {"kind": "jasmin", "username": jasmin.LOGIN[0], "default_alphabet": "iso-8859-1"} | GATEWAY,
        {"password_file": jasmin.LOGIN[1], "path_secret_file": PATH_SECRET},
    ),
)


def write(directory: Path, secrets: dict[str, str]) -> dict[str, str]:
    for name, value in secrets.items():
        (directory / name).write_text(value + "\n", encoding="utf-8")
    return {name: str(directory / name) for name in secrets}


@pytest.mark.parametrize(("kind", "section", "secrets"), MADE, ids=[section["kind"] for _, section, _ in MADE])
async def test_made_from_settings(
    kind: type[VendorHarness], section: dict[str, Any], secrets: dict[str, str], tmp_path: Path
) -> None:
    """Made from its section of the configuration, an adapter knows its vendor's webhooks and its vendor knows its sends."""
    async with running_harness(kind) as harness:
        where = {"api_base": harness.vendor.base}
        if isinstance(harness, BandwidthHarness):
            where["token_url"] = harness.vendor.token_url
        settings: CarrierSettings = TypeAdapter(registry.AnyCarrierSettings).validate_python(
            section | write(tmp_path, secrets) | where
        )
        assert {name for name, _ in secret_files(settings)} == set(secrets)
        carrier = registry.make_carrier(
            settings,
            AdapterContext(
                public_base_url=harness.receiver.url,
                slug="demo",
                numbers=(harness.number,),
                validity=300,
                clock=harness.clock,
            ),
        )
        assert carrier.rate.shared == harness.carrier.rate.shared == (section["kind"] != "smsgate")
        request = await receive_text(harness)
        assert carrier.verify(request)
        assert carrier.parse(request) == harness.carrier.parse(request)
        assert isinstance(
            await send_words(carrier, HANDSET, "from the settings", number=harness.number),
            Accepted,
        )
        assert await harness.texts_at_handset(HANDSET) == ["from the settings"]
        assert all(carrier.verify(report) for report in (await harness.receiver.come(3))[1:])
        await carrier.close()


@pytest.mark.parametrize(("kind", "section", "secrets"), MADE, ids=[section["kind"] for _, section, _ in MADE])
def test_nothing_to_spare(
    kind: type[VendorHarness], section: dict[str, Any], secrets: dict[str, str], tmp_path: Path
) -> None:
    """A secret that is not named stops the start, as does an unknown key; the vendor's address need not be told."""
    check = TypeAdapter(registry.AnyCarrierSettings).validate_python
    right = section | write(tmp_path, secrets)
    assert check(right).api_base.startswith("http")
    for name in secrets:
        with pytest.raises(ValidationError, match=name):
            check({k: v for k, v in right.items() if k != name})
    with pytest.raises(ValidationError, match="no_such_key"):
        check(right | {"no_such_key": 1})


@pytest.mark.parametrize("name", ["bandwidth", "vonage", "smsgate", "kannel", "jasmin"])
def test_exposure_is_whole(name: str) -> None:
    """Each says what is kept, what it shows and where that was read; what nobody checked stands apart."""
    exposure = registry.CARRIER_KINDS[name].exposure
    assert exposure.keeps
    assert exposure.sources
    assert exposure.unconfirmed
    assert all((exposure.carrier, exposure.bill_shows, exposure.opt_outs, exposure.speaks, exposure.signed))
    assert not set(exposure.unconfirmed) & set(exposure.keeps)
