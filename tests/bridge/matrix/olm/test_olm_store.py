"""One identity's Olm account and sessions in its database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.matrix.olm import olm_store
from bridge.matrix.olm.cross_signing import Device
from bridge.matrix.olm.olm_store import NoAccount, OlmStore
from bridge.matrix.olm.vodozemac_olm import Account
from bridge.matrix.schema import PUPPET_SCHEMA
from bridge.storage.database import Transaction
from tests.fakes.database_engine import AnyDatabase, make_database, put_migrated
from tests.fakes.open_vault import open_vault

USER = "@line:example.org"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[AnyDatabase]:
    put_migrated(tmp_path / "voice.db", PUPPET_SCHEMA)
    puppet_database = make_database(tmp_path / "voice.db", schema=PUPPET_SCHEMA)
    await puppet_database.open()
    yield puppet_database
    await puppet_database.close()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[OlmStore]:
    async with open_vault(tmp_path) as vault:
        yield OlmStore(user_id=USER, device_id="QLVOICE1", vault=vault)


async def begin(store: OlmStore, transaction: Transaction) -> Device:
    """Have an account, and begin a session with another device."""
    account, hers = Account(), Account()
    hers.generate_one_time_keys(1)
    device = Device(user_id="@ada:x", device_id="A", curve25519=hers.identity_key, ed25519=hers.signing_key)
    await store.save(transaction, account)
    await store.open(transaction, account, device, next(iter(hers.one_time_keys.values())))
    return device


async def test_a_session_of_before_a_rollback_only_decrypts(database: AnyDatabase, store: OlmStore) -> None:
    """What it would encrypt its device could not read, under a key that was used before; another one is begun."""

    async def work(transaction: Transaction) -> None:
        device = await begin(store, transaction)
        account = await store.begin(transaction)
        await store.encrypt(transaction, account, device, "m.dummy", {})
        await olm_store.stop_encrypting(transaction)
        assert not await store.has_session(transaction, device)
        assert [key for _, key in await olm_store.newest_sessions(transaction, USER)] == [device.curve25519]

    await database.commit(work)


async def test_it_remembers_nothing_that_was_rolled_back(database: AnyDatabase, store: OlmStore) -> None:
    """After a commit that failed the database says what there is."""

    async def fails(transaction: Transaction) -> None:
        await begin(store, transaction)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await database.commit(fails)
    with pytest.raises(NoAccount):
        await database.commit(store.begin)
