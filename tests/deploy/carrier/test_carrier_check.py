"""`quietline carrier check`, and the sample line of each carrier."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from click.testing import CliRunner
from multidict import CIMultiDict

from bridge.carriers.adapter import AdapterContext, InboundText, Malformed, WebhookRequest
from bridge.carriers.http_request import CarrierHttp
from bridge.carriers.vendors import registry
from bridge.carriers.vendors.registry import CARRIER_KINDS
from bridge.config.load import ConfigError, load
from bridge.inbound.carrier_check_calls import REFUSAL_BODY
from deploy.carrier.carrier_check import check_encryption, check_public_address, check_reachable
from deploy.carrier.webhook_signatures import SIGNERS
from deploy.cli import main
from tests.deploy.carrier.sample_lines import EXAMPLES, NAMES, SECRET, sample
from tests.fakes import vonage


@pytest.mark.parametrize("name", NAMES)
def test_samples_are_right(name: str, tmp_path: Path) -> None:
    """Each sample is a right configuration once its secrets are there, and says what to do at the vendor."""
    config = load(sample(tmp_path, name))
    assert config.line.carrier.kind == name
    words = (EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8")
    assert f"/carriers/{config.line.slug}/inbound" in words
    assert f"./quietline exposure {name}" in words


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("twilio", {"account_sid": ""}),
        ("twilio", {"account_sid": "SK00000000000000000000000000000000"}),
        ("twilio", {"webhook_fragment": "#rc=5"}),
        ("twilio", {"user": ""}),
        ("signalwire", {"project": " "}),
        ("bandwidth", {"account_id": ""}),
        ("bandwidth", {"client_id": " CLI-1"}),
        ("vonage", {"application_id": ""}),
        ("kannel", {"region": "XX"}),
        ("jasmin", {"region": "us"}),
        ("smsgate", {"region": "EU"}),
        ("smsgate", {"username": ""}),
    ],
)
def test_what_cannot_be_right_is_told_at_once(name: str, wrong: dict[str, Any], tmp_path: Path) -> None:
    """An account, a name or a country that cannot be right stops the start by its place in the file, and is not shown."""
    with pytest.raises(ConfigError, match=rf"lines\.0\.carrier\.{name}\.{next(iter(wrong))}: ") as caught:
        load(sample(tmp_path, name, **wrong))
    assert "SK0000" not in str(caught.value)


@pytest.mark.parametrize("pem", ["words", "", vonage.PUBLIC_KEY, vonage.PRIVATE_KEY[:200]])
def test_a_private_key_that_is_none(pem: str, tmp_path: Path) -> None:
    """A file that holds no private key stops the start by its place, not by an error when the first text leaves."""
    path = sample(tmp_path, "vonage")
    (tmp_path / "private_key_file").write_text(pem, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"private_key_file: ") as caught:
        load(path)
    assert not pem or pem not in str(caught.value)
    result = CliRunner().invoke(main.cli, ["carrier", "check", "--config", str(path)])
    assert result.exit_code == 2


@pytest.mark.parametrize("name", sorted(SIGNERS))
async def test_what_we_sign_is_let_in(name: str, tmp_path: Path) -> None:
    """What the check signs verifies with the very adapter, and is never taken for a text."""
    base = "http://127.0.0.1:9"
    if name == "rehearsal":
        for file in ("token", "key"):
            (tmp_path / file).write_text(SECRET, encoding="utf-8")
        keys = {"api_base": base, "token_file": tmp_path / "token", "signing_key_file": tmp_path / "key"}
        settings = CARRIER_KINDS[name].settings.model_validate({"kind": name} | keys)
    else:
        settings = load(sample(tmp_path, name)).line.carrier
    base = "https://text.example.org/behind"
    signed = SIGNERS[name](settings, f"{base}/carriers/main/status")
    carrier = registry.make_carrier(
        settings,
        AdapterContext(public_base_url=base, slug="main", numbers=("+15555550100",), validity=900, clock=time.time),
    )
    request = WebhookRequest(
        raw_path=f"/carriers/main/status{signed.rest}", headers=CIMultiDict(signed.headers), body=signed.body
    )
    assert carrier.verify(request)
    try:
        items = carrier.parse(request)
    except Malformed:
        items = ()
    assert not any(isinstance(item, InboundText) for item in items)
    assert SECRET not in repr(signed)
    await carrier.close()


VENDOR, NEAR = "https://api.vendor.example.org", "http://10.0.0.5:13013"


@pytest.mark.parametrize(
    ("api_base", "public", "word"),
    [
        (VENDOR, "https://text.example.org", ""),
        (VENDOR, "https://127.0.0.1", "calls itself"),
        (VENDOR, "http://127.0.0.1:8449", "calls itself"),
        (VENDOR, "https://localhost", "calls itself"),
        (VENDOR, "https://quietline.localhost", "calls itself"),
        (VENDOR, "https://[::1]:8449", "calls itself"),
        (VENDOR, "http://10.0.0.6", "private network"),
        (VENDOR, "https://192.168.1.2", "private network"),
        (VENDOR, "https://text", "private network"),
        (VENDOR, "https://203.0.113.9", "private network"),  # of a network for documentation: nobody can call it
        (NEAR, "https://10.0.0.6:8449", ""),
        (NEAR, "https://text.example.org", ""),
        (NEAR, "http://localhost:8449", "calls itself"),
        ("http://127.0.0.1:13013", "http://127.0.0.1:8449", ""),
    ],
)
def test_an_address_that_the_carrier_cannot_call_is_refused(tmp_path: Path, api_base: str, public: str, word: str) -> None:
    """It answers when it is called from this machine, and no text would ever come in."""
    check = check_public_address(load(sample(tmp_path, "twilio", base=public, api_base=api_base)))
    assert check.ok is not bool(word), check
    assert word in check.what
    assert bool(check.do) is bool(word)


@pytest.mark.parametrize("name", ["kannel", "jasmin", "twilio"])
@pytest.mark.parametrize("public", ["http://10.0.0.6:8449", "http://192.168.1.2", "http://bridge:8449", "http://[fd00::6]"])
def test_plain_http_in_a_network_of_ours_is_a_warning(tmp_path: Path, name: str, public: str) -> None:
    """A gateway on the agency's own network may have nothing else; it is well, and said with the remedy, never silent."""
    check = check_public_address(load(sample(tmp_path, name, base=public, api_base=NEAR)))
    assert (check.ok, check.warning, "whoever is in it reads every text" in check.what) == (True, True, True)
    assert "https" in check.do
    safe = check_public_address(load(sample(tmp_path, name, base=public.replace("http:", "https:"), api_base=NEAR)))
    assert (safe.ok, safe.warning, safe.do) == (True, False, "")
    here = check_public_address(
        load(sample(tmp_path, name, base="http://127.0.0.1:8449", api_base="http://127.0.0.1:13013"))
    )
    assert (here.ok, here.warning) == (True, False)


PHONE, SERVER = "http://192.168.1.20:8080", "https://api.sms-gate.app/3rdparty/v1"


@pytest.mark.parametrize(
    ("api_base", "public", "word"),
    [
        (PHONE, "https://text.example.org", ""),
        (PHONE, "https://192.168.1.5:8449", ""),
        (PHONE, "http://192.168.1.5:8449", "plain http"),
        (PHONE, "http://127.0.0.1:8449", "calls itself"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8449", ""),
        ("http://127.0.0.1:3000/3rdparty/v1", "http://127.0.0.1:8449", "calls itself"),
        (SERVER, "https://192.168.1.5:8449", ""),
        (SERVER, "http://192.168.1.5:8449", "plain http"),
        (SERVER, "https://localhost", "calls itself"),
    ],
)
def test_an_address_that_the_phone_cannot_call_is_refused(tmp_path: Path, api_base: str, public: str, word: str) -> None:
    """SMSGate's webhooks come from the phone, wherever its server is, and the app calls plain http at itself alone."""
    check = check_public_address(load(sample(tmp_path, "smsgate", base=public, api_base=api_base)))
    assert check.ok is not bool(word), check
    assert word in check.what
    assert bool(check.do) is bool(word)


def test_a_server_that_can_read_texts_is_told(tmp_path: Path) -> None:
    """A server between us and the phone without a passphrase is a warning; nothing is said where none is between."""
    line_settings = load(sample(tmp_path, "smsgate", api_base=SERVER)).line
    hidden = check_encryption(line_settings)
    assert [(row.ok, row.warning) for row in hidden] == [(True, False)]
    bare = line_settings.model_copy(update={"carrier": line_settings.carrier.model_copy(update={"passphrase_file": None})})
    (row,) = check_encryption(bare)
    assert (row.ok, row.warning) == (True, True)
    assert "passphrase_file" in row.do
    for name, api_base in (("smsgate", PHONE), ("twilio", VENDOR)):
        assert check_encryption(load(sample(tmp_path, name, api_base=api_base)).line) == []


@pytest.mark.parametrize(
    ("passed", "ok"),
    [
        (lambda path: path, True),
        (lambda path: path.removeprefix("/carriers"), False),
        (lambda path: f"/text{path}", False),
        (lambda path: f"{path}/", False),
    ],
    ids=["as it is", "stripped", "added", "slash"],
)
async def test_a_proxy_that_changes_paths_is_noticed(tmp_path: Path, passed: Callable[[str], str], *, ok: bool) -> None:
    """The webhook row calls by the public address: it must be the bridge that refuses, at the path as it was called."""
    line = load(sample(tmp_path, "kannel")).line
    inbound = f"/carriers/{line.slug}/inbound"

    async def answer(request: web.Request) -> web.Response:
        if passed(request.path) != inbound:
            return web.Response(status=404)
        return web.Response(status=CARRIER_KINDS["kannel"].refusal_status, body=REFUSAL_BODY)

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", answer)
    async with TestServer(app) as server, CarrierHttp() as http:
        row = await check_reachable(http, line, f"http://127.0.0.1:{server.port}{inbound}")
    assert row.ok is ok
    assert ok or "path and all" in row.do


@pytest.mark.parametrize("challenge", [None, CARRIER_KINDS["bandwidth"].challenge], ids=["taken off", "passed on"])
async def test_a_proxy_that_takes_the_challenge_off_is_noticed(tmp_path: Path, challenge: str | None) -> None:
    """Bandwidth gives its credentials only to who asks for them: an answer without the header would lose every text."""
    line = load(sample(tmp_path, "bandwidth")).line

    async def answer(_request: web.Request) -> web.Response:
        headers = {} if challenge is None else {"WWW-Authenticate": challenge}
        return web.Response(status=401, body=REFUSAL_BODY, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", answer)
    async with TestServer(app) as server, CarrierHttp() as http:
        row = await check_reachable(http, line, f"http://127.0.0.1:{server.port}/carriers/main/status")
    assert row.ok is (challenge is not None)
    assert row.ok or "WWW-Authenticate" in row.do
