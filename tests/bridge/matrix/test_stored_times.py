"""Which Olm session was used last is not decided for a year by a clock that was a year ahead."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from mautrix.crypto.account import OlmAccount
from mautrix.crypto.sessions import Session

from bridge.matrix import stored_times
from bridge.matrix.olm.olm_store import OlmStore
from bridge.matrix.schema import PUPPET_MIGRATIONS
from bridge.storage.database import Transaction
from tests.fakes.database_engine import AnyDatabase, make_database

YEAR = 365 * 86_400
SENDER = "their identity key"
RIGHT = datetime(2026, 11, 28, 12, 0)  # noqa: DTZ001 - as `Session` has it


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[AnyDatabase]:
    made = make_database(tmp_path / "voice.db", migrations=PUPPET_MIGRATIONS)
    await made.open()
    yield made
    await made.close()


def session(at: datetime) -> Session:
    """Make a session that was begun and used at that time."""
    other = OlmAccount()
    other.generate_one_time_keys(1)
    made = OlmAccount().new_outbound_session(other.identity_key, next(iter(other.one_time_keys["curve25519"].values())))
    made.creation_time = made.last_encrypted = made.last_decrypted = at
    return made


async def test_the_session_that_was_used_last_comes_first_again(database: AnyDatabase) -> None:
    """Two that a clock a year ahead stamped, in their order, behind one that was used since."""
    store = OlmStore(user_id="@line:example.org", pickle_key="a key")
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
        await database.commit(partial(stored_times.bring_back_identity, now=now, seconds=YEAR))
    after = await database.commit(partial(store.sessions, sender_key=SENDER))
    assert [each.id for each in after] == [newest.id, older.id, oldest.id]
    assert after[1].last_encrypted == RIGHT + timedelta(seconds=60)
