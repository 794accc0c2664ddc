"""A clock that was ahead decides neither which Olm session was used last, nor what was heard, once it is right."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from mautrix.crypto.account import OlmAccount
from mautrix.crypto.sessions import Session

from bridge.matrix import stored_times
from bridge.matrix.olm import identity_table
from bridge.matrix.olm.identity_table import NewestEvent
from bridge.matrix.olm.olm_store import OlmStore
from bridge.matrix.schema import PUPPET_SCHEMA
from bridge.storage.database import Transaction
from bridge.storage.vault import Vault
from tests.fakes.database_engine import AnyDatabase, make_database
from tests.fakes.open_vault import open_vault

YEAR = 365 * 86_400
SENDER = "their identity key"
RIGHT = datetime(2026, 11, 28, 12, 0)  # noqa: DTZ001 - as `Session` has it


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[Vault]:
    async with open_vault(tmp_path) as own_vault:
        yield own_vault


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[AnyDatabase]:
    puppet_database = make_database(tmp_path / "voice.db", schema=PUPPET_SCHEMA)
    await puppet_database.open()
    yield puppet_database
    await puppet_database.close()


def session(at: datetime) -> Session:
    """Make a session that was begun and used at that time."""
    other = OlmAccount()
    other.generate_one_time_keys(1)
    olm_session = OlmAccount().new_outbound_session(
        other.identity_key, next(iter(other.one_time_keys["curve25519"].values()))
    )
    olm_session.creation_time = olm_session.last_encrypted = olm_session.last_decrypted = at
    return olm_session


async def test_the_session_that_was_used_last_comes_first_again(database: AnyDatabase, vault: Vault) -> None:
    """Two that a clock a year ahead stamped, in their order, behind one that was used since."""
    store = OlmStore(user_id="@line:example.org", pickle_key="a key", vault=vault)
    ahead = RIGHT + timedelta(seconds=YEAR)
    oldest, older, newest = session(ahead), session(ahead + timedelta(seconds=60)), session(RIGHT + timedelta(seconds=120))

    async def add(transaction: Transaction) -> None:
        for each in (oldest, older, newest):
            await store.add_session(transaction, SENDER, each)

    await database.commit(add)
    before = await database.commit(partial(store.sessions, sender_key=SENDER))
    assert [each.id for each in before] == [older.id, oldest.id, newest.id]
    now = RIGHT.timestamp() + 130
    for _ in range(2):
        await database.commit(partial(stored_times.make_identity_times_earlier, now=now, seconds=YEAR))
    after = await database.commit(partial(store.sessions, sender_key=SENDER))
    assert [each.id for each in after] == [newest.id, older.id, oldest.id]
    assert after[1].last_encrypted == RIGHT + timedelta(seconds=60)


@pytest.mark.parametrize("seconds", [3600, 86_400, YEAR], ids=["an hour", "a day", "a year"])
async def test_what_was_heard_is_not_ahead_of_what_is_said_now(database: AnyDatabase, seconds: int) -> None:
    """After a clock of both was ahead: a homeserver that is put back then would have new words taken for heard ones."""
    user, now = "@line:example.org", RIGHT.timestamp() + 130
    heard = NewestEvent("!room", "$newest", int((RIGHT.timestamp() + seconds) * 1000))

    async def note(transaction: Transaction) -> None:
        await identity_table.insert(transaction, user, "DEVICE", now_ms=heard.at)
        await identity_table.set_cursor(transaction, user, "s1_", heard)

    await database.commit(note)
    for _ in range(2):
        await database.commit(partial(stored_times.make_identity_times_earlier, now=now, seconds=seconds))
    reached = await identity_table.get_sync_position(database, user)
    assert reached is not None
    assert reached.newest_event == heard._replace(at=int(RIGHT.timestamp() * 1000))
    identity = await identity_table.find(database, user)
    assert identity is not None
    assert identity["since_ms"] <= (now + 9 * 86_400) * 1000
