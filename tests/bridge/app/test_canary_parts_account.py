"""The canary's account: made once, changed with its secret, and nobody else's ever touched."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from bridge.app.canary_parts import CanaryAccount
from bridge.matrix.api.module_api import HomeserverUnreachable, ModuleClient, ModuleNotLoaded, ModuleRequestRejected
from bridge.matrix.service import MatrixService
from bridge.runtime.canary_keys import CanaryKeys
from tests.fakes.bridge_harness import BridgeHarness

CANARY = "@canary:line.example"
FIRST, SECOND = "ab" * 32, "cd" * 32


class FakeModule:
    """Accounts on paper. `fails`: what the next call raises."""

    def __init__(self) -> None:
        self.accounts: dict[str, str] = {}
        self.fails: Exception | None = None

    async def make_account(self, user_id: str, password: str) -> None:
        if self.fails is not None:
            raise self.fails
        if user_id in self.accounts:
            raise ModuleRequestRejected(400, "M_USER_IN_USE")
        self.accounts[user_id] = password

    async def set_password(self, user_id: str, password: str) -> None:
        self.accounts[user_id] = password


class Prepared:
    """The account's keeper over a fake module; `confirmed` are the identities that were confirmed, in order."""

    def __init__(self, harness: BridgeHarness) -> None:
        self.harness, self.module = harness, FakeModule()
        self.confirmed: list[tuple[str, str]] = []

    async def look(self, secret: str) -> float:
        """Look once, with that secret; return the seconds until the next look."""

        async def confirm(_transaction: Any, user_id: str, key: str) -> None:
            self.confirmed.append((user_id, key))

        account = CanaryAccount(
            self.harness.services,
            secret=secret,
            user_id=CANARY,
            matrix=cast("MatrixService", SimpleNamespace(devices=SimpleNamespace(confirm=confirm))),
            module_client=cast("ModuleClient", self.module),
        )
        return await account.run_once()


@pytest.fixture
def prepared(harness: BridgeHarness) -> Prepared:
    return Prepared(harness)


async def test_it_is_made_once_and_its_identity_is_confirmed(prepared: Prepared) -> None:
    """Account and identity both derive from the secret; a second start makes nothing."""
    keys = CanaryKeys.derive(FIRST)
    await prepared.look(FIRST)
    assert prepared.module.accounts == {CANARY: keys.password}
    assert prepared.confirmed == [(CANARY, keys.master_public)]
    prepared.module.accounts[CANARY] = "changed by hand"
    await prepared.look(FIRST)
    assert prepared.module.accounts == {CANARY: "changed by hand"}


async def test_an_account_that_the_homeserver_lost_is_made_again(prepared: Prepared) -> None:
    """Its database was put back to a day before: without the account every round trip would fail, and hide all else."""
    await prepared.look(FIRST)
    prepared.module.accounts.clear()
    await prepared.look(FIRST)
    assert prepared.module.accounts == {CANARY: CanaryKeys.derive(FIRST).password}


async def test_an_account_of_somebody_else_is_left_as_it_is(prepared: Prepared) -> None:
    """An account that was there before keeps its password: it may be a person's."""
    prepared.module.accounts[CANARY] = "a person's"
    for secret in (FIRST, SECOND):
        await prepared.look(secret)
    assert prepared.module.accounts == {CANARY: "a person's"}


@pytest.mark.parametrize("fault", [HomeserverUnreachable(0), ModuleNotLoaded(404), ModuleRequestRejected(403, "NO")])
async def test_what_fails_ends_nothing_and_is_tried_again(prepared: Prepared, fault: Exception) -> None:
    """A homeserver that is away, without our module, or that refuses: it is looked at again, and the line goes on."""
    prepared.module.fails = fault
    assert 0 < await prepared.look(FIRST) <= 600
    prepared.module.fails = None
    await prepared.look(FIRST)
    assert CANARY in prepared.module.accounts
