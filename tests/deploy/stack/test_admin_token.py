"""A homeserver that loads no modules, and an administrator's token instead of it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
import pytest_asyncio
import yaml

from bridge.matrix.api.admin_api import AdminClient, module_or_admin_client
from bridge.matrix.api.http_client import HomeserverClient
from bridge.matrix.api.module_api import ModuleClient, ModuleNotLoaded, ModuleRequestRejected, RoomState, SignOutResult
from deploy.data_dir.layout import Layout, Ports
from deploy.stack.provision import mxid, open_secrets, run_homeserver
from tests.deploy.homeserver_api import RunningHomeserver
from tests.deploy.module_homeserver import CLIENT, POLICY, PUPPET, ModuleHomeserver
from tests.e2e.polling import wait_until
from tests.fakes.provisioned_homeserver import provision, put_homeserver
from tests.free_ports import free_ports

pytestmark = pytest.mark.asyncio(loop_scope="module")

REGISTRATION = "planted registration secret"


@dataclass(slots=True, kw_only=True)
class Bare:
    """A line on a homeserver without our module: `scene.house` is the administrator's, `module` what is not there."""

    scene: ModuleHomeserver
    module: ModuleClient
    layout: Layout
    client: HomeserverClient


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bare(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bare]:
    layout, ports = Layout(tmp_path_factory.mktemp("bare") / "line"), Ports(free_ports())
    await put_homeserver(layout)
    accounts = await provision(layout, ports)
    settings = yaml.safe_load(layout.homeserver_config.read_text(encoding="utf-8"))
    del settings["modules"]
    settings["registration_shared_secret"] = REGISTRATION
    layout.homeserver_config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    secrets = open_secrets(layout)
    token = secrets.read(secrets.as_token)
    async with run_homeserver(layout, ports), aiohttp.ClientSession() as http:
        server = RunningHomeserver(layout, ports, accounts, http)
        url = ports.url("homeserver")
        root = await _administrator(server, REGISTRATION)
        wire = HomeserverClient(session=http, url=url, token=root, user_id=POLICY)
        scene = ModuleHomeserver(server=server, module_client=AdminClient(client=wire), as_token=token)
        for localpart in ("policy", "line-main"):
            body = {"type": "m.login.application_service", "username": localpart, "inhibit_login": True}
            assert (await server.ask("POST", f"{CLIENT}/register", token, body))[0] == 200
        for account in accounts:
            scene.tokens[account.user] = await server.sign_in(account)
        scene.desk = await scene.room("desk", "ada", "sol", name="desk")
        module = ModuleClient(client=HomeserverClient(session=http, url=url, token=token, user_id=POLICY))
        (layout.secrets / "admin").write_text(root, encoding="utf-8")
        (layout.secrets / "admin").chmod(0o600)
        yield Bare(scene=scene, module=module, layout=layout, client=wire)


async def _administrator(server: RunningHomeserver, key: str) -> str:
    _, answer = await server.ask("GET", "/_synapse/admin/v1/register")
    signed = f"{answer['nonce']}\0root\0planted-password\0admin"
    mac = hmac.new(key.encode(), signed.encode(), hashlib.sha1).hexdigest()
    body = {"nonce": answer["nonce"], "username": "root", "password": "planted-password", "admin": True, "mac": mac}
    status, session = await server.ask("POST", "/_synapse/admin/v1/register", body=body)
    assert status == 200
    return str(session["access_token"])


async def test_it_stands_in_only_where_no_module_is(bare: Bare) -> None:
    """Without the module the administrator is in force, if there is one; without a token nothing is."""
    with pytest.raises(ModuleNotLoaded):
        await bare.module.health()
    assert await module_or_admin_client(bare.module, bare.scene.module_client) is bare.scene.module_client
    assert await module_or_admin_client(bare.module, None) is bare.module
    assert (await bare.scene.module_client.health()).problems


async def test_a_room_is_purged(bare: Bare) -> None:
    """A thread's room goes to the end, and so does one that was never there; nobody can fetch anything."""
    line = bare.scene
    room_id = await line.room("thread", "ada")
    event_id = await line.said(PUPPET, room_id)
    assert (await line.module_client.room(room_id)).state is RoomState.PRESENT
    await line.purged(room_id)
    assert (await line.module_client.room(room_id)).state is RoomState.GONE
    for user in (POLICY, "ada"):
        assert (await line.request_as(user, "GET", f"rooms/{room_id}/event/{event_id}"))[0] in {403, 404}
    assert await line.module_client.purge("!neverthere:quietline.localhost") is RoomState.GONE


async def test_what_is_not_ours_is_refused(bare: Bare) -> None:
    """Another person's room, the desk, ourselves and whoever shares no room with us: nothing is done to them."""
    line = bare.scene
    _, room = await line.request_as("bea", "POST", "createRoom", {"name": "lunch"})
    for room_id in (str(room["room_id"]), line.desk):
        with pytest.raises(ModuleRequestRejected):
            await line.module_client.purge(room_id)
        assert (await line.request_as("bea" if room_id != line.desk else "ada", "GET", f"rooms/{room_id}/joined_members"))[
            0
        ] == 200
    for user in (mxid("bea"), POLICY):
        with pytest.raises(ModuleRequestRejected):
            await line.module_client.sign_out(user)
    assert (await line.request_as("bea", "GET", "account/whoami"))[0] == 200


async def test_uploads_of_others_stay(bare: Bare) -> None:
    """A message may point to any upload: it goes if a person made it who is or was in a room with us, and not otherwise."""
    line = bare.scene

    async def uploaded(user: str) -> str:
        return str((await line.upload(user, f"picture of {user}".encode()))[1]["content_uri"])

    theirs = await uploaded("bea")
    with pytest.raises(ModuleRequestRejected, match="QUIETLINE_NOT_OURS"):
        await line.module_client.delete_media(theirs)
    assert not await line.module_client.is_media_deleted(theirs)
    for user in (PUPPET, "sol"):
        address = await uploaded(user)
        await line.module_client.delete_media(address)
        assert await line.module_client.is_media_deleted(address)
    room_id = await line.room("thread", "bea")
    assert (await line.request_as("bea", "POST", f"rooms/{room_id}/leave"))[0] == 200
    await line.module_client.delete_media(theirs)
    assert await line.module_client.is_media_deleted(theirs)
    for ask in (line.module_client.delete_media, line.module_client.is_media_deleted):
        with pytest.raises(ModuleRequestRejected, match="QUIETLINE_NOT_OURS"):
            await ask("mxc://elsewhere.example/abcdefghijkl")


async def test_whoever_is_signed_out_is_out(bare: Bare) -> None:
    """Every device of a member goes; the others keep theirs."""
    assert await bare.scene.module_client.sign_out(mxid("ada")) == SignOutResult(devices=1)

    async def out() -> bool | None:
        return (await bare.scene.request_as("ada", "GET", "account/whoami"))[0] == 401 or None

    await wait_until("ada is signed out", out)
    assert (await bare.scene.request_as("sol", "GET", "account/whoami"))[0] == 200


async def test_a_token_that_is_no_administrators_does_nothing(bare: Bare) -> None:
    """A member of staff's token is refused everything, and that is told as a refusal, never as gone."""
    line = bare.scene
    wire = HomeserverClient(session=line.server.http, url=line.server.url, token=line.tokens["sol"], user_id=POLICY)
    for ask in (AdminClient(client=wire).health(), AdminClient(client=wire).room(line.desk)):
        with pytest.raises(ModuleRequestRejected):
            await ask
