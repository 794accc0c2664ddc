"""What `quietline carrier check` finds, beside a vendor that says what its documentation says, and beside others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from bridge.carriers.client_credentials import basic_auth
from bridge.config.load import load
from bridge.config.sections import Config
from deploy.carrier import vendor_probes
from deploy.carrier.carrier_check import check_carrier, check_login, login_status
from deploy.carrier.vendor_probes import LOGIN_PROBES
from tests.bridge.carriers.carrier_line import carrier_line
from tests.deploy.carrier.sample_lines import NAMES, SECRET, adapter_of, sample
from tests.fakes import jasmin, vonage
from tests.fakes.served import answering, served
from tests.free_ports import free_ports

Say = Callable[[web.Request], web.Response]
PROFILE = {"id": "p1", "redaction_enabled": True, "redaction_level": 1}
NUMBER = "+15555550100"
LOGINS = {
    "twilio": basic_auth("AC00000000000000000000000000000000", SECRET),
    "signalwire": basic_auth("00000000-0000-0000-0000-000000000000", SECRET),
    "telnyx": f"Bearer {SECRET}",
    "vonage": basic_auth("0a0a0a0a", SECRET),
    "smsgate": basic_auth("sms", SECRET),
}


@asynccontextmanager
async def vendor(say: Say) -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return say(request)

    async with served(answering(answer)) as url:
        yield url


def always(*args: Any, **kwargs: Any) -> Say:
    return lambda _: web.Response(*args, **kwargs)


def knowing(name: str, profile: Any = PROFILE, device: str = "0a0a0a0a0a0a0a0a", key: str = vonage.PUBLIC_KEY) -> Say:
    """Make a vendor that says to the right login what its documentation says, and 401 to every other."""

    def say(request: web.Request) -> web.Response:
        login, path = request.headers.get("Authorization", ""), request.path
        if path == "/cgi-bin/sendsms":
            right = (request.headers["X-Kannel-Username"], request.headers["X-Kannel-Password"]) == ("quietline", SECRET)
            answer = "Missing receiver(s) number(s), rejected" if right else "Authorization failed for sendsms"
            return web.Response(status=400 if right else 403, text=answer)
        if path == "/balance":
            right = dict(request.query) == {"username": "quietline", "password": SECRET}
            said: Any = {"balance": 1.5, "sms_count": "ND"} if right else "Authentication failure for username:quietline"
            return web.json_response(said, status=200 if right else 403)
        if path.endswith("/oauth2/token"):
            right = request.method == "POST" and login == basic_auth("CLI-00000000-0000-0000-0000-000000000000", SECRET)
            return web.json_response(
                {"access_token": "a.b.c", "expires_in": 3600} if right else {}, status=200 if right else 401
            )
        if login != LOGINS.get(name, "Bearer a.b.c"):
            return web.json_response({}, status=401)
        if path.endswith(("/Messages.json", "/messages")):
            return web.json_response({"messages": []})
        if path.endswith("/phone_numbers/messaging"):
            number = request.query["filter[phone_number]"]
            return web.json_response({"data": [{"phone_number": number, "messaging_profile_id": "p1"}]})
        if path.endswith("/messaging_profiles"):
            return web.json_response({"data": [PROFILE, {"id": "of another service"}]})
        if path.endswith("/messaging_profiles/p1"):
            return web.json_response({"data": profile})
        if path.startswith("/v2/applications/"):
            return web.json_response({"id": path.rpartition("/")[2], "keys": {"public_key": key}})
        if path == "/device":
            return web.json_response([7, {"id": device}])
        return web.json_response({}, status=404)

    return say


@pytest.fixture
def port() -> int:
    return free_ports(1)


async def found(config: Config, tmp_path: Path, port: int, *, public: str | None = None) -> dict[str, bool]:
    """Run the bridge's door on this port, with this configuration's carrier, and check it."""
    carrier = adapter_of(config, public=public)
    directory = tmp_path / "door"
    directory.mkdir()
    async with carrier_line(directory, carrier, port=port) as opened:
        report = await check_carrier(config)
        rows = await opened.database.fetchval("SELECT (SELECT count(*) FROM inbox) + (SELECT count(*) FROM thread)")
        assert rows == 0
    await carrier.close()
    assert SECRET not in report.as_json()
    assert all(item.do for item in report.checks if not item.ok)
    return {item.name: item.ok for item in report.checks}


def named_demo(path: Path) -> Config:
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    raw["lines"][0]["slug"] = "demo"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    return load(path)


def at(tmp_path: Path, name: str, port: int, base: str, **carrier: Any) -> Config:
    """Make the sample line of a carrier whose vendor is at this address."""
    if name == "bandwidth":
        carrier["token_url"] = f"{base}/oauth2/token"
    return named_demo(sample(tmp_path, name, base=f"http://127.0.0.1:{port}", api_base=base, **carrier))


@pytest.mark.parametrize("name", NAMES)
async def test_all_is_well(name: str, tmp_path: Path, port: int) -> None:
    """With a vendor that knows the login and a bridge behind its public address every check is well, and no row is made."""
    async with vendor(knowing(name)) as base:
        got = await found(at(tmp_path, name, port, base), tmp_path, port)
        assert got == dict.fromkeys(("public address", "DNS", "carrier login", "webhook", "erasure"), True)


ELSEWHERE = {
    "404": always(status=404, text="<h1>not found</h1>"),
    "400": always(status=400, text="bad"),
    "405": always(status=405),
    "200": always(text="<h1>welcome to the hotel</h1>", content_type="text/html"),
    "json": always(text="{}", content_type="application/json"),
    "list": always(text="[]", content_type="application/json"),
    "401": always(status=401),
    "403": always(status=403),
    "302": always(status=302, headers={"Location": "/"}),
    "429": always(status=429),
    "500": always(status=500),
}


@pytest.mark.parametrize("say", ELSEWHERE.values(), ids=ELSEWHERE.keys())
@pytest.mark.parametrize("name", sorted(LOGIN_PROBES.keys() - {"rehearsal"}))
async def test_only_the_vendor_takes_a_login(
    name: str, say: Say, tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever else answers at the vendor's address (a proxy, another host, a refusal) is never taken for a yes."""
    monkeypatch.setattr(vendor_probes, "KANNEL_STARTS", 0.01)
    async with vendor(say) as base:
        report = await check_carrier(at(tmp_path, name, port, base))
        (login,) = [item for item in report.checks if item.name == "carrier login"]
        assert (login.ok, bool(login.do)) == (False, True)
        assert SECRET not in report.as_json()


async def test_what_asks_jasmin_by_itself_leaves_no_password_there(tmp_path: Path, port: int) -> None:
    """`status` and `doctor` see that Jasmin answers, and that another program does not answer as it would."""
    fake = jasmin.FakeJasmin(webhook="http://127.0.0.1:9/carriers/demo")
    await fake.start()
    try:
        config = at(tmp_path, "jasmin", port, fake.base)
        login, status = await check_login(config), await login_status(config)
        assert (login.ok, status.ok, status.warning) == (True, True, False)
        assert "`quietline carrier check`" in status.what
        assert fake.addresses == ["/ping"] * 2
    finally:
        await fake.stop()
    async with vendor(always(text="<h1>welcome to the hotel</h1>", content_type="text/html")) as base:
        assert not (await check_login(at(tmp_path, "jasmin", port, base))).ok


@pytest.mark.parametrize(("refusals", "takes"), [(0, True), (1, True), (9, False)])
async def test_kannel_says_whether_it_takes_our_login(
    refusals: int, takes: bool, tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked to send to nobody. One that starts refuses everybody for a moment; one that goes on is no warning."""
    monkeypatch.setattr(vendor_probes, "KANNEL_STARTS", 0.01)
    requests: list[tuple[str, bool, set[str]]] = []

    def say(request: web.Request) -> web.Response:
        own = {header for header in request.headers if header.startswith("X-Kannel-")}
        requests.append((f"{request.method} {request.path_qs}", request.content_length == 0, own))
        return web.Response(status=403) if len(requests) <= refusals else knowing("kannel")(request)

    async with vendor(say) as base:
        config = at(tmp_path, "kannel", port, base)
        login = await check_login(config)
        status = await login_status(config)
    assert (login.ok, status.ok, status.warning) == (takes, takes, False)
    assert ("refuses the login (403)" in status.what) is not takes
    assert SECRET not in repr(login)
    once = ("POST /cgi-bin/sendsms", True, {"X-Kannel-Username", "X-Kannel-Password"})
    assert requests == [once] * (4 if not takes else 2 + refusals), "nothing names a receiver, so nothing is sent"


@pytest.mark.parametrize("token", [SECRET, "another"])
async def test_the_auth_token_is_asked_about_too(token: str, tmp_path: Path, port: int) -> None:
    """Where an API key sends, the auth token still verifies what comes: a wrong one is told, though the key is right."""
    key = basic_auth("SK00000000000000000000000000000000", SECRET)
    own = basic_auth("AC00000000000000000000000000000000", token)

    def say(request: web.Request) -> web.Response:
        known = request.headers["Authorization"] in (key, own)
        return web.json_response({"messages": []} if known else {}, status=200 if known else 401)

    async with vendor(say) as base:
        more = {"user": "SK00000000000000000000000000000000", "password_file": "/etc/quietline/secrets/key"}
        got = await found(at(tmp_path, "twilio", port, base, **more), tmp_path, port)
        assert got["carrier login"] is (token == SECRET)


@pytest.mark.parametrize("key", ["", "words", None, vonage.ANOTHER_PUBLIC_KEY])
async def test_the_applications_own_key(key: Any, tmp_path: Path, port: int) -> None:
    """A private key that is not the application's is told: texts signed with it would be refused."""
    async with vendor(knowing("vonage", key=key)) as base:
        got = await found(at(tmp_path, "vonage", port, base), tmp_path, port)
        assert not got["carrier login"]


async def test_another_public_address(tmp_path: Path, port: int) -> None:
    """A bridge that believes in another address than the one that is called fails the signature check, not the others."""
    async with vendor(knowing("twilio")) as base:
        got = await found(at(tmp_path, "twilio", port, base), tmp_path, port, public="https://elsewhere.example")
        assert got == {
            "carrier login": True,
            "public address": True,
            "DNS": True,
            "webhook": False,
            "erasure": True,
        }


async def test_nobody_there(tmp_path: Path, port: int) -> None:
    """With neither vendor nor bridge there, each check says so and what to do."""
    address = f"http://127.0.0.1:{port}"
    report = await check_carrier(named_demo(sample(tmp_path, "twilio", base=address, api_base=address)))
    assert {item.name: item.ok for item in report.checks if item.name != "erasure"} == {
        "carrier login": False,
        "public address": True,
        "DNS": True,
        "webhook": False,
    }
    assert not report.ok


@pytest.mark.parametrize(
    "profile",
    [
        {"redaction_enabled": True, "redaction_level": 2},
        {"redaction_enabled": False, "redaction_level": 1},
        {"redaction_enabled": True},
        {},
        [],
        None,
        "words",
    ],
)
async def test_telnyx_redaction(profile: Any, tmp_path: Path, port: int) -> None:
    """Redaction that is off on the line's own profile, or of the level that blanks inbound texts, is told."""
    async with vendor(knowing("telnyx", profile)) as base:
        got = await found(at(tmp_path, "telnyx", port, base), tmp_path, port)
        assert (got["carrier login"], got["erasure"]) == (True, False)
