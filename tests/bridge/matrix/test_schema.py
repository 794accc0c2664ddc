"""Databases of the version before: what stands in tables that have another name now is read as it was."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

from bridge.matrix.room_keys.confirmed_identities import last_seen
from bridge.matrix.room_keys.device_lists import DeviceLists
from bridge.matrix.schema import IDENTITY, OLM, ROOMS
from bridge.matrix.sync.unwedging import Unwedging
from bridge.runtime.crash_points import never_crash
from bridge.storage.database import Database
from bridge.storage.migrations import Migrations
from tests.fakes.database_engine import AnyDatabase, beside, make_database

ADA, BEA, PUPPET = "@ada:example.org", "@bea:example.org", "@line:example.org"
DAY_MS: Final = 86_400_000


async def migrated(
    path: Path, migrations: tuple[Migrations, ...], before: tuple[Migrations, ...], *rows: str
) -> AnyDatabase:
    """Make a database of before with these rows, and open it as this version does."""
    old = make_database(path, migrations=before)
    await old.open()
    for row in rows:
        await old.commit(lambda transaction, row=row: transaction.execute(row))  # type: ignore[misc]
    await old.close()
    new = make_database(path, migrations=migrations)
    await new.open()
    return new


class Devices:
    """Knows every device, trusts all but Bea's, and remembers who is owed keys."""

    def __init__(self) -> None:
        self.owed: list[tuple[str, str]] = []

    async def find(self, _reader: object, user_id: str, key: str) -> tuple[Any, bool]:
        return (user_id, key), user_id != BEA

    async def resend_keys_on_request(self, _transaction: object, device: Any, _sender: str) -> None:
        self.owed.append(device)


async def test_whose_session_began_again_is_owed_keys(tmp_path: Path) -> None:
    """The texter puppet's own database had noted two before the update: who is trusted still is owed keys, and both go."""
    row = "INSERT INTO matrix_anew (user_id, sender_key) VALUES ('{}', 'their key')"
    before = (OLM, IDENTITY.up_to(4))
    puppet = await migrated(tmp_path / "voice.db", (OLM, IDENTITY), before, row.format(ADA), row.format(BEA))
    main = make_database(tmp_path / "main.db")
    await main.open()
    devices, services = Devices(), cast("Any", SimpleNamespace(database=cast("Database", main), crash=never_crash))
    identity = cast("Any", SimpleNamespace(database=puppet, user_id=PUPPET))
    unwedging = Unwedging(services, identity=identity, devices=cast("DeviceLists", devices))
    await unwedging.queue_key_resends()
    await unwedging.queue_key_resends()
    assert devices.owed == [(ADA, "their key")]
    for database in (puppet, main):
        await database.close()


async def test_when_a_device_was_seen_last(tmp_path: Path) -> None:
    """The day that was noted before the update is the day that is told after it."""
    heard = "INSERT INTO matrix_heard (user_id, device_id, at_ms, spoke) VALUES ('{}', '{}', {}, TRUE)"
    rows = (heard.format(ADA, "A", DAY_MS), heard.format(ADA, "B", 2 * DAY_MS), heard.format(BEA, "C", DAY_MS))
    database = await migrated(tmp_path / "main.db", (ROOMS,), (ROOMS.up_to(7),), *rows)
    with beside(tmp_path / "main.db") as db:
        assert last_seen(db) == {ADA: 2 * DAY_MS, BEA: DAY_MS}
    await database.close()
