"""A homeserver on which people log in at another service (Matrix Authentication Service), which has its own sessions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
import pytest_asyncio
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.matrix.api.admin_api import LOGIN_SERVICE, AdminClient
from bridge.matrix.api.http_client import HomeserverClient
from bridge.matrix.api.module_api import ModuleClient
from deploy.data_dir.layout import Layout, Ports
from deploy.stack.provision import mxid, open_secrets, run_homeserver
from tests.deploy.homeserver_api import RunningHomeserver
from tests.deploy.module_homeserver import CLIENT, POLICY, PUPPET, ModuleHomeserver
from tests.fakes.provisioned_homeserver import provision, put_homeserver
from tests.free_ports import free_ports

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHARED_SECRET, ADMIN = "planted-secret-of-the-login-service", "mat_administrator"
API, OF_ADMINISTRATOR = "urn:matrix:client:api:*", " urn:synapse:admin:*"


@dataclass(slots=True)
class FakeLoginService:
    """What Synapse asks of it. `sessions`: token to user and device."""

    sessions: dict[str, tuple[str, str]] = field(default_factory=lambda: {ADMIN: ("ada", "")})

    async def metadata(self, request: web.Request) -> web.Response:
        """Answer as its discovery document."""
        url = f"{request.url.origin()}/"
        return web.json_response({"issuer": url, "account_management_uri": f"{url}account"})

    async def introspect(self, request: web.Request) -> web.Response:
        """Answer whose a token is (RFC 7662)."""
        token = str((await request.post())["token"])
        if token not in self.sessions:
            return web.json_response({"active": False})
        user, device = self.sessions[token]
        scope = API + (OF_ADMINISTRATOR if token == ADMIN else "")
        answer = {"active": True, "scope": scope, "username": user, "expires_in": 300}
        return web.json_response({**answer, "device_id": device} if device else answer)


@dataclass(slots=True, kw_only=True)
class Delegating:
    """A line's homeserver that delegates logins: `scene.module_client` is our module, `admin` an administrator."""

    scene: ModuleHomeserver
    admin: AdminClient


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def delegating(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Delegating]:
    layout, ports, service = Layout(tmp_path_factory.mktemp("mas") / "line"), Ports(free_ports()), FakeLoginService()
    await put_homeserver(layout)
    accounts = await provision(layout, ports)
    secrets = open_secrets(layout)
    token = secrets.read(secrets.as_token)
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", service.metadata)
    app.router.add_post("/oauth2/introspect", service.introspect)
    async with TestServer(app) as there:
        settings = yaml.safe_load(layout.homeserver_config.read_text(encoding="utf-8"))
        section = {"enabled": True, "endpoint": str(there.make_url("/")), "secret": SHARED_SECRET}
        settings |= {"matrix_authentication_service": section, "password_config": {"enabled": False}}
        layout.homeserver_config.write_text(yaml.safe_dump(settings), encoding="utf-8")
        async with run_homeserver(layout, ports), aiohttp.ClientSession() as http:
            server = RunningHomeserver(layout, ports, accounts, http)
            wire = HomeserverClient(session=http, url=server.url, token=token, user_id=POLICY)
            root = HomeserverClient(session=http, url=server.url, token=ADMIN, user_id=POLICY)
            scene = ModuleHomeserver(server=server, module_client=ModuleClient(client=wire), as_token=token)
            for localpart in ("policy", "line-main"):
                body = {"type": "m.login.application_service", "username": localpart, "inhibit_login": True}
                assert (await server.ask("POST", f"{CLIENT}/register", token, body))[0] == 200
            for user, session in (("ada", "mat_ada"), ("sol", "mat_sol")):
                device = {"localpart": user, "device_id": f"PHONE{user}"}
                path = "/_synapse/mas/upsert_device"
                assert (await server.ask("POST", path, SHARED_SECRET, device))[0] in {200, 201}
                service.sessions[session] = (user, f"PHONE{user}")
                scene.tokens[user] = session
            scene.desk = await scene.room("desk", "ada", "sol", name="desk")
            yield Delegating(scene=scene, admin=AdminClient(client=root))


async def test_a_line_works_there(delegating: Delegating) -> None:
    """Its identities make devices and rooms with its own token, and the module says what it does not reach."""
    scene = delegating.scene
    for user in (POLICY, PUPPET):
        path = f"{CLIENT}/devices/FIRST?user_id={user}"
        assert (await scene.server.ask("PUT", path, scene.as_token, {"display_name": "x"}))[0] == 201
    (problem,) = (await scene.module_client.health()).problems
    assert problem.startswith("matrix_authentication_service: !signout")


@pytest.mark.practice(13)
async def test_who_is_signed_out_there_is_not_signed_out_everywhere(delegating: Delegating) -> None:
    """By module and by administrator: the devices go, and nobody is told that no session is left."""
    scene = delegating.scene
    for client, user in ((scene.module_client, "ada"), (delegating.admin, "sol")):
        assert (await scene.request_as(user, "GET", "account/whoami"))[0] == 200
        result = await client.sign_out(mxid(user))
        assert (result.devices, result.everywhere) == (1, False)
        assert (await scene.request_as(user, "GET", "account/whoami"))[0] == 401
    assert LOGIN_SERVICE in (await delegating.admin.health()).problems
