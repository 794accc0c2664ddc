"""One identity's Olm account and sessions in its database: read as written, and as mautrix wrote them before."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from mautrix.crypto.account import OlmAccount
from mautrix.crypto.sessions import Session

from bridge.matrix.olm import olm_store
from bridge.matrix.olm.olm_store import OlmStore
from bridge.storage.database import Transaction
from bridge.storage.vault import Vault
from tests.fakes.database_engine import AnyDatabase, make_database
from tests.fakes.open_vault import open_vault

MADE_BY_MAUTRIX = (
    """CREATE TABLE crypto_account (account_id TEXT PRIMARY KEY, device_id TEXT NOT NULL, shared BOOLEAN NOT NULL,
       sync_token TEXT NOT NULL, account bytea NOT NULL)""",
    """CREATE TABLE crypto_olm_session (account_id TEXT, session_id CHAR(43), sender_key CHAR(43) NOT NULL,
       session bytea NOT NULL, created_at timestamp NOT NULL, last_decrypted timestamp NOT NULL,
       last_encrypted timestamp NOT NULL, PRIMARY KEY (account_id, session_id))""",
)
USER = "@line:example.org"
DEVICE = "d" * 43
"""As long as identity keys are, to which PostgreSQL pads others."""


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[AnyDatabase]:
    """Open a database with mautrix's tables."""
    puppet_database = make_database(tmp_path / "voice.db")
    await puppet_database.open()
    for table in MADE_BY_MAUTRIX:
        await puppet_database.commit(lambda transaction, table=table: transaction.execute(table))  # type: ignore[misc]
    yield puppet_database
    await puppet_database.close()


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[Vault]:
    async with open_vault(tmp_path) as own_vault:
        yield own_vault


@pytest.fixture
def store(vault: Vault) -> OlmStore:
    """Return the store of one identity."""
    return OlmStore(user_id=USER, pickle_key="a key", vault=vault)


def session(number: int) -> Session:
    """Make a session that last decrypted something `number` seconds after the first one."""
    other = OlmAccount()
    other.generate_one_time_keys(1)
    one_time_key = next(iter(other.one_time_keys["curve25519"].values()))
    olm_session = OlmAccount().new_outbound_session(other.identity_key, one_time_key)
    olm_session.last_decrypted = datetime(2026, 1, 2, 3, 4, 5, 6) + timedelta(seconds=number)  # noqa: DTZ001 - as mautrix has it
    return olm_session


@pytest.mark.sqlite_only
async def test_sessions_are_those_of_one_device_and_the_latest_comes_first(database: AnyDatabase, store: OlmStore) -> None:
    """By when they last decrypted something; what has become of one is read the next time."""
    older, newer, elsewhere = session(1), session(2), session(3)

    async def work(transaction: Transaction) -> list[str]:
        assert not await store.has_session(transaction, "device")
        assert await store.latest_session(transaction, "device") is None
        await store.add_session(transaction, "device", older)
        await store.add_session(transaction, "device", newer)
        await store.add_session(transaction, "another", elsewhere)
        assert await store.has_session(transaction, "device")
        first = [each.id for each in await store.sessions(transaction, "device")]
        older.last_decrypted = elsewhere.last_decrypted
        await store.update_session(transaction, older)
        latest = await store.latest_session(transaction, "device")
        assert latest is not None
        assert latest.last_decrypted == elsewhere.last_decrypted
        return [*first, latest.id]

    assert await database.commit(work) == [newer.id, older.id, older.id]


async def test_a_session_of_before_a_rollback_only_decrypts(database: AnyDatabase, store: OlmStore) -> None:
    """What it would encrypt its device could not read; another one is begun, also when the older one decrypts later."""
    older, newer = session(1), session(0)

    async def work(transaction: Transaction) -> None:
        await store.add_session(transaction, DEVICE, older)
        await olm_store.stop_encrypting(transaction)
        assert not await store.has_session(transaction, DEVICE)
        assert await olm_store.keys_with_session(transaction, USER, [DEVICE]) == set()
        await store.add_session(transaction, DEVICE, newer)
        assert await olm_store.keys_with_session(transaction, USER, [DEVICE]) == {DEVICE}
        latest = await store.latest_session(transaction, DEVICE)
        assert latest is not None
        assert latest.id == newer.id
        assert [each.id for each in await store.sessions(transaction, DEVICE)] == [older.id, newer.id]

    await database.commit(work)


@pytest.mark.sqlite_only
async def test_only_the_latest_sessions_are_kept(database: AnyDatabase, store: OlmStore) -> None:
    """A device that begins sessions without end keeps its latest; another keeps its own (`test_to_device_inbox`: all)."""
    many, elsewhere = [session(number) for number in range(5)], session(0)

    async def work(transaction: Transaction) -> list[str]:
        for each in many:
            await store.add_session(transaction, "device", each)
        await store.add_session(transaction, "another", elsewhere)
        await store.prune(transaction, "device", most=2)
        assert await store.has_session(transaction, "another")
        return [olm_session.id for olm_session in await store.sessions(transaction, "device")]

    assert await database.commit(work) == [many[4].id, many[3].id]


@pytest.mark.sqlite_only
async def test_it_remembers_nothing_that_was_rolled_back(database: AnyDatabase, store: OlmStore) -> None:
    """After a commit that failed the database says what there is."""

    async def fails(transaction: Transaction) -> None:
        await store.add_account(transaction, OlmAccount(), "QLVOICE1")
        await store.add_session(transaction, "device", session(0))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await database.commit(fails)

    async def looks(transaction: Transaction) -> tuple[bool, bool]:
        return await store.account(transaction) is None, await store.has_session(transaction, "device")

    assert await database.commit(looks) == (True, False)
