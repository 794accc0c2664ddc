"""Destroys passing keys under which nothing is sealed any more: those of words at the desk, and of old states of sessions.

Rules of this module: PostgreSQL keeps deleted and replaced rows, so the key is destroyed instead. Rows are sealed under a
passing key only within a commit. So a commit that retires a key sees every row that can ever be under the keys retired
before it; and when that commit is on the disk, so is the deletion of the rows that it does not see. The texter puppet's
database is checked afterwards, in a commit, so that any commit that began there before has ended.

What is sealed under passing keys: words in inbox and dead letters, until they are deleted; Megolm sessions of desk and
offices, and Olm accounts and sessions of both identities, until they are sealed again
(`bridge/matrix/room_keys/sealing.py`).

What a crash between two lines leaves: a key without rows, which is destroyed the next time; each start of a bridge makes a
new key.
"""

from __future__ import annotations

from typing import Final

from bridge.matrix.olm import olm_store
from bridge.matrix.room_keys import inbound_table, outbound_table, sealing
from bridge.services import Services
from bridge.storage.database import Reader, Transaction
from bridge.storage.vault import Passing
from bridge.tables import dead_letters, inbox

ROUNDS: Final = 2
"""The first round retires the key of the newest words, the second destroys it."""


async def destroy_passing_keys(services: Services) -> None:
    """Destroy each passing key without sealed data. Raises `DatabaseError`, `OSError`; may be repeated."""
    vault = services.vault
    for _ in range(ROUNDS):
        retired = await vault.retired_passing_owners()

        async def commit(transaction: Transaction) -> set[str]:
            vault.retire_passing(Passing.WORDS)
            return await _owners(transaction)

        needed = await services.database.commit(commit)
        if services.puppet_database is not None:
            needed |= await services.puppet_database.commit(olm_store.passing_owners)
        for owner in retired - needed:
            await vault.destroy(owner)


async def seal_again(services: Services, *, now: float, everything: bool) -> None:
    """Seal current states under other keys, so that the keys of earlier states can be destroyed the next time.

    `everything`: also sessions that are not in use. If no key can be made, nothing changes. The old keys are not destroyed
    at once, because a replica that takes over may lack the last commits, and would then have only the earlier states.
    """
    database, vault = services.database, services.vault
    await vault.renew_passing(Passing.SESSIONS)
    if everything:
        await vault.renew_passing(Passing.SETTLED)
    await sealing.reseal_sessions(database, vault, now_ms=int(now * 1000))
    for each in (database, services.puppet_database):
        if each is not None:
            await olm_store.reseal(each, vault)


async def _owners(reader: Reader) -> set[str]:
    """Return the owners of the passing keys under which data in the main database are sealed."""
    owners: set[str] = set()
    for table in (inbox, dead_letters, inbound_table, outbound_table, olm_store):
        owners |= await table.passing_owners(reader)
    return owners
