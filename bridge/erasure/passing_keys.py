"""Destroys the keys of what people said at the desk and in offices, once that was handled.

Rules of this module: PostgreSQL keeps what was deleted, so the key is what goes. What is sealed under a passing key is
sealed within a commit. So within a commit that retires a key every row that can ever be under those retired before it
stands or is gone; and when that commit is on the disk, so is the end of those that are gone.

What a crash between two lines leaves: a key under which nothing stands, which is destroyed the next time; a bridge begins
with a key of its own.
"""

from __future__ import annotations

from typing import Final

from bridge.storage.database import Database, Transaction
from bridge.storage.vault import Vault
from bridge.tables import dead_letters, inbox

ROUNDS: Final = 2
"""The first retires the key of just now, the second destroys it."""


async def destroy_passing_keys(database: Database, vault: Vault) -> None:
    """Destroy each passing key under which nothing stands. Raises `DatabaseError`, `OSError`; may be repeated."""
    for _ in range(ROUNDS):
        retired = await vault.retired_passing()

        async def commit(transaction: Transaction) -> set[str]:
            vault.retire_passing()
            return await inbox.passing_owners(transaction) | await dead_letters.passing_owners(transaction)

        for owner in retired - await database.commit(commit):
            await vault.destroy(owner)
