"""What is refused for days, and tried again all the while, is never called well."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from bridge.carriers.adapter import DeleteLater, DeleteOutcome
from bridge.matrix.api.http_client import Permanent
from bridge.matrix.api.module_api import HomeserverUnreachable
from bridge.tables import carrier_copies
from deploy.inspect.erasure_certificates import verify_certificates

if TYPE_CHECKING:
    from bridge.config.sections import Config
    from tests.fakes.bridge_harness import BridgeHarness
    from tests.fakes.erasure_harness import ErasureHarness

HOUR, DAY = 3600, 86_400


def wrong(harness: BridgeHarness) -> set[str]:
    """Return what `erasure verify` names beside this line."""
    for name, key in (("vault", bytes(range(32))), ("index", bytes(range(1, 33)))):
        (harness.directory / name).write_text(key.hex(), encoding="utf-8")
    keys = SimpleNamespace(vault_key_file=harness.directory / "vault", index_key_file=harness.directory / "index")
    config = cast("Config", SimpleNamespace(data_dir=harness.directory, keys=keys, database_url=None))
    return {check.name for check in verify_certificates(config, now=harness.clock.at).checks if not check.ok}


@pytest.mark.sqlite_only
async def test_a_copy_that_the_carrier_refuses_to_delete(harness: BridgeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """A carrier answers every deletion with an error: from the first alert at the desk on, no look calls it well."""

    async def refuse(_id: str) -> DeleteOutcome:
        return DeleteLater(60.0)

    monkeypatch.setattr(harness.carrier, "delete_copy", refuse)
    owner = await harness.receive_text("words", message_id="SM1")
    ref = await harness.database.fetchval("SELECT ref FROM carrier_copy")
    await harness.database.commit(
        lambda transaction: carrier_copies.release_shown(transaction, owner, f"{ref}:0", harness.clock.at)
    )
    assert wrong(harness) == set()
    looks = []
    for _ in range(24):
        harness.clock.at = float(await harness.database.fetchval("SELECT due FROM carrier_copy"))
        await harness.carrier_copies.run_once()
        looks.append((bool(harness.alerts), wrong(harness)))
    assert {named == ({"carrier"} if has_alerts else set()) for has_alerts, named in looks} == {True}
    assert looks[-1] == (True, {"carrier"})


@pytest.mark.sqlite_only
async def test_an_event_that_the_homeserver_refuses_to_redact(erasure: ErasureHarness) -> None:
    """A homeserver refuses for three days: an hour after the event should have gone, and ever after, it is named."""
    await erasure.create_thread_room(events=1, uploads=0)
    clock = erasure.harness.clock
    start = int(clock.at)
    await erasure.harness.database.commit(lambda transaction: transaction.execute("UPDATE event SET expires = $1", start))
    while clock.at < start + 3 * DAY:
        erasure.rooms.faults.clear()
        erasure.rooms.faults.append(Permanent(403, "M_FORBIDDEN"))
        await erasure.expiry.run_once()
        assert ("events" in wrong(erasure.harness)) is (clock.at > start + HOUR), clock.at - start
        clock.at += 600
    erasure.rooms.faults.clear()
    clock.at += HOUR
    await erasure.expiry.run_once()
    assert "events" not in wrong(erasure.harness)


@pytest.mark.sqlite_only
async def test_a_room_that_the_homeserver_does_not_let_go(erasure: ErasureHarness) -> None:
    """A thread is closed at once, and the homeserver's module answers with errors for five hours: the room is named."""
    owner = await erasure.create_thread_room(events=1, uploads=0)
    await erasure.send_message(owner, "!close now")
    clock = erasure.harness.clock
    start = clock.at
    while clock.at < start + 5 * HOUR:
        erasure.rooms.faults.clear()
        erasure.rooms.faults.extend([HomeserverUnreachable(503)] * 60)
        clock.at += max(await erasure.runner.run_once(), 1)
        if clock.at > start + HOUR:
            assert "on the way down" in wrong(erasure.harness), clock.at - start
