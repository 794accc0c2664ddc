"""Destroys keys under which nothing stands any more: of words said at the desk, and of states of sessions that went on.

Rules of this module: PostgreSQL keeps what was deleted or replaced, so the key is what goes. What is sealed under a passing
key is sealed within a commit. So within a commit that retires a key every row of that database that can ever be under those
retired before it stands or is gone; and when that commit is on the disk, so is the end of those that are gone. The texter
puppet's database is looked at after it, in a commit: one that began there before has ended then.

What stands under passing keys: words in inbox and dead letters, which go; Megolm sessions of desk and offices, and Olm
accounts and sessions of both identities, which are sealed again (`bridge/matrix/room_keys/resealing.py`).

What a crash between two lines leaves: a key under which nothing stands, which is destroyed the next time; a bridge begins
with a key of its own.
"""

from __future__ import annotations

from typing import Final

from bridge.matrix.olm import olm_store
from bridge.matrix.room_keys import inbound_table, outbound_table, resealing
from bridge.services import Services
from bridge.storage.database import Reader, Transaction
from bridge.storage.vault import Passing
from bridge.tables import dead_letters, inbox

ROUNDS: Final = 2
"""The first retires the key of words said just now, the second destroys it."""


async def destroy_passing_keys(services: Services) -> None:
    """Destroy each passing key under which nothing stands. Raises `DatabaseError`, `OSError`; may be repeated."""
    vault = services.vault
    for _ in range(ROUNDS):
        retired = await vault.retired_passing()

        async def commit(transaction: Transaction) -> set[str]:
            vault.retire_passing(Passing.WORDS)
            return await _owners(transaction)

        needed = await services.database.commit(commit)
        if services.puppet_database is not None:
            needed |= await services.puppet_database.commit(olm_store.passing_owners)
        for owner in retired - needed:
            await vault.destroy(owner)


async def seal_again(services: Services, *, now: float, everything: bool) -> None:
    """Have what goes on stand under other keys, so that those of its earlier states can be destroyed the next time.

    `everything`: also sessions that are not in use. Where no key can be made, all stays. Not destroyed at once, for a
    server that takes over as a replica may lack the last commits, and would then have the earlier states alone.
    """
    database, vault = services.database, services.vault
    await vault.renew_passing(Passing.SESSIONS)
    if everything:
        await vault.renew_passing(Passing.SETTLED)
    await resealing.reseal_sessions(database, vault, now_ms=int(now * 1000))
    for each in (database, services.puppet_database):
        if each is not None:
            await olm_store.reseal(each, vault)


async def _owners(reader: Reader) -> set[str]:
    """Return the owners of the passing keys under which something stands in the main database."""
    found: set[str] = set()
    for table in (inbox, dead_letters, inbound_table, outbound_table, olm_store):
        found |= await table.passing_owners(reader)
    return found
