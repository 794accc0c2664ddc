"""Identities that the configuration names: confirmed when they are seen, and no others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import ValidationError

from bridge.app.matrix_workers import LOOK_SECONDS, ConfiguredIdentities
from bridge.config.sections import Staff
from bridge.matrix.olm.identity import Identity
from bridge.matrix.room_keys.device_lists import DeviceLists
from tests.fakes.bridge_harness import BridgeHarness

ADA, EVE, SOL = "@ada:x", "@eve:x", "@sol:x"
KEYS = {user: f"{letter}bCd" * 10 + "xyz" for user, letter in ((ADA, "A"), (EVE, "E"), (SOL, "S"))}


def configured(harness: BridgeHarness, identities: dict[str, str | None]) -> ConfiguredIdentities:
    async def told(*_: Any) -> None:
        """Nothing is asked of the homeserver here."""

    devices = DeviceLists(
        harness.services,
        identity=cast("Identity", SimpleNamespace(client=None)),
        ours=(),
        trust_on_first_use=False,
        sink=told,
        on_commit=lambda: None,
    )
    staff = [Staff(mxid=user, role="advocate", identity=key) for user, key in identities.items()]
    return ConfiguredIdentities(harness.services, staff=staff, devices=devices)


async def see(harness: BridgeHarness, user: str, key: str) -> None:
    query = """INSERT INTO matrix_seen_identity (user_id, master_key) VALUES ($1, $2)
               ON CONFLICT (user_id) DO UPDATE SET master_key = excluded.master_key"""
    await harness.database.commit(lambda transaction: transaction.execute(query, user, key))


async def confirmed(harness: BridgeHarness) -> dict[str, str]:
    rows = await harness.database.fetch("SELECT user_id, master_key FROM matrix_confirmed WHERE NOT announced")
    return {row["user_id"]: row["master_key"] for row in rows}


async def test_who_is_seen_with_the_identity_of_the_configuration_is_confirmed(harness: BridgeHarness) -> None:
    """As by `quietline trust`: the bridge takes it at once and tells the desk, the audit has it, once; others wait."""
    fours = " ".join(KEYS[ADA][n : n + 4] for n in range(0, 43, 4))
    look = configured(harness, {ADA: fours, EVE: KEYS[SOL], SOL: None})
    assert await look.run_once() == LOOK_SECONDS
    assert await confirmed(harness) == {}
    for user, key in KEYS.items():
        await see(harness, user, key)
    for _ in range(2):
        await look.run_once()
    assert await confirmed(harness) == {ADA: KEYS[ADA]}
    due = await harness.database.fetch("SELECT user_id, due_ms FROM matrix_dirty")
    assert [(row["user_id"], row["due_ms"]) for row in due] == [(ADA, 0)]
    assert [row["kind"] for row in await harness.database.fetch("SELECT kind FROM audit")] == ["trust"]


async def test_a_file_takes_nothing_back_that_was_said_since(harness: BridgeHarness) -> None:
    """Of a person with a confirmed identity another one waits for a supervisor, whatever the file names."""
    await see(harness, ADA, KEYS[ADA])
    await configured(harness, {ADA: KEYS[ADA]}).run_once()
    await see(harness, ADA, KEYS[EVE])
    await configured(harness, {ADA: KEYS[EVE]}).run_once()
    assert await confirmed(harness) == {ADA: KEYS[ADA]}


@pytest.mark.parametrize("key", ["", "AbCd", "AbCd" * 11, "AbCd" * 10 + "xy!", "AbCd" * 10 + "xyz="])
def test_what_is_no_fingerprint_is_refused(key: str) -> None:
    """With a sentence, and without the value."""
    with pytest.raises(ValidationError, match="must be the fingerprint of an identity"):
        Staff(mxid=ADA, role="advocate", identity=key)
