"""A real, provisioned Synapse: closed to strangers, open to the two identities, quiet and private."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import aiohttp
import pytest
import pytest_asyncio
import yaml

from deploy.data_dir.atomic_files import make_private_directory, write_atomically
from deploy.data_dir.layout import Layout, Ports
from deploy.stack import synapse_config
from deploy.stack.provision import open_secrets, run_homeserver, write_line_files
from tests.deploy.homeserver_api import RunningHomeserver
from tests.deploy.stack.test_synapse_overlay import ALL
from tests.e2e.polling import wait_until
from tests.fakes.provisioned_homeserver import provision, put_homeserver
from tests.free_ports import free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.asyncio(loop_scope="module")
PUBLIC_URL = "https://text.agency.org"
CLIENT = "/_matrix/client/v3"
FOREIGN = "agency.example.org"
EVE = f"@eve:{FOREIGN}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningHomeserver]:
    layout, ports = Layout(tmp_path_factory.mktemp("server") / "line"), Ports(free_ports())
    await put_homeserver(layout)
    make_private_directory(layout.homeserver_settings)
    write_atomically(layout.homeserver_settings / "mine.yaml", yaml.safe_dump(ALL))
    write_line_files(layout, ports)
    configuration = yaml.safe_load(layout.config.read_text())
    configuration["homeserver"]["public_url"] = PUBLIC_URL
    layout.config.write_text(yaml.safe_dump(configuration))
    accounts = await provision(layout, ports)
    async with run_homeserver(layout, ports), aiohttp.ClientSession() as http:
        yield RunningHomeserver(layout, ports, accounts, http)


async def test_the_homeserver_works(server: RunningHomeserver) -> None:
    """A person can sign in, be quick, and use sliding sync; nobody was left an administrator, nothing is published."""
    assert [account.role for account in server.accounts] == ["advocate", "advocate", "supervisor"]

    ada, *_, sol = server.accounts
    token, other = await server.sign_in(ada), await server.sign_in(sol)
    for somebody in (token, other):
        assert (await server.ask("GET", "/_synapse/admin/v2/users", somebody))[0] == 403, "an administrator was left"
    devices = (await server.ask("GET", "/_matrix/client/v3/devices", other))[1]["devices"]
    assert len(devices) == 1, "somebody was signed in before"
    for _ in range(12):
        await server.sign_in(ada)

    create = "/_matrix/client/v3/createRoom"
    public = (await server.ask("POST", create, token, {"visibility": "public"}))[1]["room_id"]
    listed = await server.ask("GET", f"/_matrix/client/v3/directory/list/room/{public}", token)
    assert listed == (200, {"visibility": "private"})
    assert (await server.ask("POST", create, token, {"room_alias_name": "amber"}))[0] == 403
    status, room = await server.ask("POST", create, token, {})
    assert status == 200
    state = f"/_matrix/client/v3/rooms/{room['room_id']}/state/"
    assert (await server.ask("GET", state + "m.room.encryption", token))[1] == {"algorithm": "m.megolm.v1.aes-sha2"}
    assert (await server.ask("GET", state + "m.room.create", token))[1]["room_version"] == "12"
    for number in range(40):
        send = f"/_matrix/client/v3/rooms/{room['room_id']}/send/m.room.encrypted/{number}"
        assert (await server.ask("PUT", send, token, {"algorithm": "m.megolm.v1.aes-sha2"}))[0] == 200
    sync = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"
    assert (await server.ask("POST", sync, token, {"lists": {}}))[0] == 200


@pytest.mark.practice(6)
async def test_nobody_registers(server: RunningHomeserver) -> None:
    """No account is made by whoever asks: neither by form, nor as a guest, nor by e-mail, nor by a shared secret."""
    registration = {"username": "eve", "password": "long enough for 1", "auth": {"type": "m.login.dummy"}}
    for path in ("/_matrix/client/v3/register", "/_matrix/client/r0/register", "/_matrix/client/v3/register?kind=guest"):
        status, answer = await server.ask("POST", path, body=registration)
        assert status == 403, path
        assert "access_token" not in answer
    mail = {"client_secret": "s", "email": "eve@agency.org", "send_attempt": 1}
    for path in ("register", "account/password"):
        assert (await server.ask("POST", f"{CLIENT}/{path}/email/requestToken", body=mail))[0] == 400, path
    # A nonce is given to everybody; with it the right secret would make an account, were there one.
    nonce = (await server.ask("GET", "/_synapse/admin/v1/register"))[1]["nonce"]
    by_secret = {"nonce": nonce, "username": "eve", "password": "long enough for 1", "admin": True, "mac": "0" * 40}
    status, answer = await server.ask("POST", "/_synapse/admin/v1/register", body=by_secret)
    assert (status, answer["error"]) == (400, "Shared secret registration is not enabled")
    who = {"type": "m.id.user", "user": "eve"}
    login = {"type": "m.login.password", "identifier": who, "password": registration["password"]}
    assert (await server.ask("POST", f"{CLIENT}/login", body=login))[0] == 403


@pytest.mark.practice(6)
async def test_no_other_server_is_answered(server: RunningHomeserver) -> None:
    """What homeservers ask of each other does not exist here: rooms, people, devices, media, keys, where to go."""
    for path in (
        *("version", "publicRooms", f"query/profile?user_id={_mxid('ada')}", f"user/devices/{_mxid('ada')}"),
        *("openid/userinfo?access_token=x", "media/download/abc", "event/$x", f"make_join/!x/{EVE}"),
    ):
        assert await _status(server, "GET", f"/_matrix/federation/v1/{path}") == 404, path
    assert await _status(server, "PUT", "/_matrix/federation/v1/send/1") == 404
    for path in ("/_matrix/key/v2/server", f"/_matrix/key/v2/query/{FOREIGN}", "/.well-known/matrix/server"):
        assert await _status(server, "GET", path) == 404, path


@pytest.mark.practice(6)
async def test_nobody_here_reaches_another_server(server: RunningHomeserver) -> None:
    """A person of ours gets into no foreign room and brings nobody from outside into one; nothing is asked out there."""
    ada = await server.sign_in(server.accounts[0])
    denied = f"Federation denied with {FOREIGN}."
    room = (await server.ask("POST", f"{CLIENT}/createRoom", ada, {}))[1]["room_id"]
    for path, body in ((f"rooms/{room}/invite", {"user_id": EVE}), ("createRoom", {"invite": [EVE]})):
        status, answer = await server.ask("POST", f"{CLIENT}/{path}", ada, body)
        assert (status, answer["error"]) == (403, denied), path
    mail = {"id_server": FOREIGN, "id_access_token": "x", "medium": "email", "address": "eve@agency.org"}
    assert (await server.ask("POST", f"{CLIENT}/rooms/{room}/invite", ada, mail))[0] == 403
    members = (await server.ask("GET", f"{CLIENT}/rooms/{room}/joined_members", ada))[1]["joined"]
    assert list(members) == [_mxid("ada")]
    for path in (f"join/!abc:{FOREIGN}?server_name={FOREIGN}", f"join/%23lobby:{FOREIGN}", f"knock/!abc:{FOREIGN}"):
        assert (await server.ask("POST", f"{CLIENT}/{path}", ada, {}))[0] >= 400, path
    joined = (await server.ask("GET", f"{CLIENT}/joined_rooms", ada))[1]["joined_rooms"]
    assert not [each for each in joined if FOREIGN in each]
    _, keys = await server.ask("POST", f"{CLIENT}/keys/query", ada, {"device_keys": {EVE: []}})
    assert keys["failures"][FOREIGN]["message"].endswith(denied)
    status, answer = await server.ask("GET", f"/_matrix/client/v1/media/download/{FOREIGN}/abc", ada)
    assert (status, answer["error"]) == (403, denied)
    for path in ("/_matrix/client/v1/media/preview_url", "/_matrix/media/v3/preview_url"):
        assert (await server.ask("GET", f"{path}?url=https://{FOREIGN}/", ada))[0] == 404, path


@pytest.mark.practice(6)
async def test_nobody_is_found_but_by_whom_they_share_a_room_with(server: RunningHomeserver) -> None:
    """A stranger learns of no person and no room; of staff a person finds whom they share a room with, and no others."""
    for path in (f"profile/{_mxid('sol')}", "publicRooms", f"publicRooms?server={FOREIGN}", f"profile/{_mxid('nobody')}"):
        assert (await server.ask("GET", f"{CLIENT}/{path}"))[0] == 401, path
    search = f"{CLIENT}/user_directory/search"
    assert (await server.ask("POST", search, body={"search_term": "sol"}))[0] == 401
    ada, bea, sol = [await server.sign_in(account) for account in server.accounts]
    room = (await server.ask("POST", f"{CLIENT}/createRoom", ada, {"invite": [_mxid("sol")]}))[1]["room_id"]
    assert (await server.ask("POST", f"{CLIENT}/join/{room}", sol, {}))[0] == 200

    async def found(term: str) -> list[str]:
        answer = (await server.ask("POST", search, ada, {"search_term": term}))[1]
        return [each["user_id"] for each in answer["results"]]

    async def colleague() -> bool | None:
        return await found("sol") == [_mxid("sol")] or None

    await wait_until("the directory knows who shares a room", colleague)
    assert await found("bea") == []
    assert (await server.ask("GET", f"{CLIENT}/profile/{_mxid('sol')}", ada))[0] == 200
    for whom in ("bea", "nobody"):
        assert (await server.ask("GET", f"{CLIENT}/profile/{_mxid(whom)}", ada))[0] == 403, whom
    for path in (f"rooms/{room}/messages?dir=b", f"rooms/{room}/members", f"rooms/{room}/state"):
        assert (await server.ask("GET", f"{CLIENT}/{path}", bea))[0] == 403, path
    assert (await server.ask("POST", f"{CLIENT}/join/{room}", bea, {}))[0] == 403
    assert (await server.ask("GET", f"/_matrix/client/v1/room_summary/{room}", bea))[0] == 404
    for path in ("publicRooms", f"publicRooms?server={FOREIGN}"):
        assert (await server.ask("GET", f"{CLIENT}/{path}", bea))[1]["chunk"] == [], path


async def test_clients_are_told_the_public_address_and_no_other(server: RunningHomeserver) -> None:
    """Behind a proxy: who asks where to go is sent there; nothing answered has this machine's own address in it."""
    well_known = (await server.ask("GET", "/.well-known/matrix/client"))[1]
    assert well_known["m.homeserver"]["base_url"].rstrip("/") == PUBLIC_URL
    account = server.accounts[0]
    who = {"type": "m.id.user", "user": account.user}
    body = {"type": "m.login.password", "identifier": who, "password": account.password}
    status, login = await server.ask("POST", "/_matrix/client/v3/login", body=body)
    assert (status, login["well_known"]["m.homeserver"]["base_url"].rstrip("/")) == (200, PUBLIC_URL)
    paths = (
        *("/_matrix/client/versions", "/_matrix/client/v3/login", "/_matrix/client/v3/capabilities"),
        *("/_matrix/client/v3/sync", "/_matrix/client/v3/account/whoami", "/_matrix/client/v1/media/config"),
        *("/_matrix/client/v3/pushrules/", "/_matrix/client/v3/voip/turnServer", "/_matrix/client/v1/auth_metadata"),
        "/_matrix/client/v3/register/available?username=nobody",
    )
    answers = [well_known, login, *[await server.ask("GET", path, login["access_token"]) for path in paths]]
    assert "127.0.0.1" not in json.dumps(answers)
    assert f":{server.url.rpartition(':')[2]}" not in json.dumps(answers)
    (listener,) = yaml.safe_load(server.layout.homeserver_config.read_text())["listeners"]
    assert listener["x_forwarded"], "it takes the proxy's word for who asks"


async def test_the_bridge_can_be_its_two_users(server: RunningHomeserver) -> None:
    """With the application service token: both identities register, make a device (MSC4190), and sync as it."""
    secrets = open_secrets(server.layout)
    token = secrets.read(secrets.as_token)
    for localpart in ("policy", "line-main"):
        register = {"type": "m.login.application_service", "username": localpart, "inhibit_login": True}
        assert (await server.ask("POST", "/_matrix/client/v3/register", token, register))[0] == 200
        who = f"user_id=@{localpart}:{synapse_config.SERVER_NAME}"
        device = f"/_matrix/client/v3/devices/FIRST?{who}"
        assert (await server.ask("PUT", device, token, {"display_name": "x"}))[0] == 201
        status, answer = await server.ask("GET", f"/_matrix/client/v3/sync?{who}&device_id=FIRST", token)
        assert status == 200
        assert "device_one_time_keys_count" in answer
    account = server.accounts[0]
    form: dict[str, object] = {"username": "line-other", "password": account.password, "auth": {"type": "m.login.dummy"}}
    assert (await server.ask("POST", "/_matrix/client/v3/register", body=form))[0] == 403


async def test_nothing_personal_in_the_homeservers_log(server: RunningHomeserver) -> None:
    """After sign-ins, failures and rooms the log names no person, no room and no request, whatever Synapse says."""
    ada = server.accounts[0]
    token = await server.sign_in(ada)
    status, room = await server.ask("POST", "/_matrix/client/v3/createRoom", token, {"name": "amber heron"})
    assert status == 200
    await server.ask("GET", f"/_matrix/client/v3/rooms/{room['room_id']}/state/none", token)
    await server.ask("POST", "/_matrix/client/v3/login", body={"type": "m.login.password", "password": "wrong"})
    await server.ask("POST", "/_matrix/client/v3/login", body={"type": 5})
    log = server.layout.log("homeserver").read_text()
    assert "WARNING" in log, "nothing is written at all"
    for word in (ada.user, token, room["room_id"], "/_matrix/", "amber heron"):
        assert word not in log


async def test_files_are_private_and_no_name_tells_of_a_person(server: RunningHomeserver) -> None:
    """Every file is 0600 and every directory 0700; no file is named after a person; what made accounts is gone."""
    paths = [server.layout.data, *server.layout.data.rglob("*")]
    for path in paths:
        expected = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == expected, path
        assert not any(account.user in path.relative_to(server.layout.data).parts for account in server.accounts)
    assert not server.layout.first_start.exists()
    assert not open_secrets(server.layout).registration.exists()
    assert "registration_shared_secret" not in server.layout.homeserver_config.read_text()


def _mxid(localpart: str) -> str:
    return f"@{localpart}:{synapse_config.SERVER_NAME}"


async def _status(server: RunningHomeserver, method: str, path: str) -> int:
    async with server.http.request(method, server.url + path) as answer:
        return answer.status
