"""Accounts through the module in a real Synapse: made, given another password, ended; and whose are refused."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from bridge.matrix.api.module_api import ModuleRequestRejected
from deploy.data_dir.secret_files import StaffAccount
from deploy.doctor.homeserver_probes import NO_ACCOUNTS, NOT_STAFF
from deploy.stack.provision import mxid
from tests.deploy.module_homeserver import CLIENT, POLICY, PUPPET, ModuleHomeserver, module_homeserver

pytestmark = pytest.mark.asyncio(loop_scope="module")
CANARY = f"canary-{secrets.token_hex(12)}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def line(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ModuleHomeserver]:
    async with module_homeserver(tmp_path_factory.mktemp("accounts")) as shared_line:
        yield shared_line


async def whoami(line: ModuleHomeserver, token: str) -> int:
    return (await line.server.ask("GET", f"{CLIENT}/account/whoami", token))[0]


async def log_in(line: ModuleHomeserver, user: str, password: str) -> int:
    who = {"type": "m.id.user", "user": user}
    body = {"type": "m.login.password", "identifier": who, "password": password}
    return (await line.server.ask("POST", f"{CLIENT}/login", body=body))[0]


async def test_an_account_from_its_making_to_its_end(line: ModuleHomeserver) -> None:
    """It logs in; another password signs it out; its end does, for good, and its name is nobody's again."""
    dan, first, second = mxid("dan"), f"{CANARY}-first", f"{CANARY}-second"
    await line.module_client.make_account(dan, first)
    with pytest.raises(ModuleRequestRejected, match="M_USER_IN_USE"):
        await line.module_client.make_account(dan, second)
    token = await line.server.sign_in(StaffAccount(user="dan", role="advocate", password=first))
    assert await whoami(line, token) == 200
    await line.module_client.set_password(dan, second)
    assert await whoami(line, token) == 401
    assert await log_in(line, "dan", first) == 403
    token = await line.server.sign_in(StaffAccount(user="dan", role="advocate", password=second))
    for _ in range(2):  # a call may be repeated
        await line.module_client.deactivate_account(dan)
        assert await whoami(line, token) == 401
        assert await log_in(line, "dan", second) == 403
    for call in (line.module_client.make_account, line.module_client.set_password):
        with pytest.raises(ModuleRequestRejected):
            await call(dan, first)
    assert line.rows_with(CANARY) == {}
    logs = [path.read_text() for path in line.server.layout.logs.iterdir()]
    assert not [log for log in logs if CANARY in log]


async def test_a_first_password_is_known_until_it_is_changed(line: ModuleHomeserver) -> None:
    """Asking signs nobody in; of our own identities nothing is told."""
    eve, first = mxid("eve"), f"{CANARY}-of-a-hand-out"
    await line.module_client.make_account(eve, first)
    assert await line.module_client.is_password(eve, first)
    assert not await line.module_client.is_password(eve, f"{CANARY}-another-one")
    await line.module_client.set_password(eve, f"{CANARY}-another-one")
    assert not await line.module_client.is_password(eve, first)
    for nobody in (POLICY, mxid("nobody")):
        with pytest.raises(ModuleRequestRejected, match=NOT_STAFF):
            await line.module_client.is_password(nobody, first)
    await line.module_client.deactivate_account(eve)
    with pytest.raises(ModuleRequestRejected, match=NOT_STAFF):
        await line.module_client.is_password(eve, first)
    assert line.rows_with(CANARY) == {}


@pytest.mark.parametrize("user", [POLICY, PUPPET, mxid("nobody"), "@ada:elsewhere.example"])
async def test_other_accounts_are_left_alone(line: ModuleHomeserver, user: str) -> None:
    """Our own identities, names that nobody has and other homeservers' are refused."""
    with pytest.raises(ModuleRequestRejected):
        await line.module_client.deactivate_account(user)
    with pytest.raises(ModuleRequestRejected):
        await line.module_client.set_password(user, CANARY)


async def test_a_short_password_is_refused(line: ModuleHomeserver) -> None:
    """And a body that is no JSON makes nothing, and is in no log."""
    with pytest.raises(ModuleRequestRejected, match="M_WEAK_PASSWORD"):
        await line.module_client.make_account(mxid("eve"), "short")
    status, _ = await line.call_module("PUT", f"users/{mxid('eve')}", "x" * 40)
    assert status == 401
    assert await log_in(line, "eve", "short") == 403


async def test_without_the_setting_no_account_is_touched() -> None:
    """On an agency's own Synapse the bridge's token makes, changes and ends nobody's account."""
    from synapse.module_api.errors import SynapseError

    from quietline_synapse.accounts import Accounts
    from quietline_synapse.settings import LineSettings, ModuleSettings

    line = LineSettings(token="t" * 32, policy=POLICY, identities=())
    settings = ModuleSettings(lines=(line,), upload_bytes=0)
    nothing: Any = None
    accounts = Accounts(internals=nothing, settings=settings, line=line, server_name="quietline.localhost")
    for call in (
        accounts.make(mxid("ada"), None),
        accounts.set_password(mxid("ada"), None),
        accounts.is_password(mxid("ada"), None),
        accounts.deactivate(mxid("ada")),
    ):
        with pytest.raises(SynapseError) as refused:
            await call
        assert refused.value.errcode == NO_ACCOUNTS
