"""The table `phone_lock`: the locks that stop texts to a phone, as a second copy beside the thread's aggregate.

Rules of this module: locks are written to the aggregate and, in the same commit, to this table, which is a marked set
(`bridge/storage/marked_sets.py`): an older aggregate that is restored gets the present locks. A row names no thread and
shows no lock: it is found by a keyed hash and sealed for the desk.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Final

from bot.model.actions import DESK
from bot.model.codeword_state import SendLock
from bot.model.phone_locks import DOUBTED, UNLOCKED, PhoneLocks, locks_of
from bridge.storage.database import Database, Reader, Transaction
from bridge.storage.marked_sets import MarkedSet, SetMatch
from bridge.storage.vault import CannotOpen, Vault
from bridge.tables import threads

CONTEXT: Final = "phone lock"
PHONE_HASH_BYTES: Final = 32


class LockedPhones:
    """The locks of phones, by thread, in memory as last committed. `load` first."""

    def __init__(self, *, marked: MarkedSet, vault: Vault) -> None:
        self._marked_set, self._vault = marked, vault

    async def load(self, database: Database) -> SetMatch:
        """Read the table, at the start. While it is behind its mark, every existing thread is locked.

        Before the table, or its mark, exists, locks are read from the aggregates.
        """
        await self._vault.create(DESK)
        try:
            if await self._vault.read_mark(self._marked_set.name.value) is None:
                await database.commit(self._take_from_aggregates)
        except CannotOpen:
            pass  # the set is behind, then
        entries = await self._read(database)
        state = await self._marked_set.load(entries)
        if state is SetMatch.BEHIND:
            assumed = dict(entries)
            for row in await database.fetch("SELECT id, phone_hash, aggregate FROM thread"):
                locks = self.of(row["id"]).union(await self._doubtful_locks(row["id"], row["aggregate"]))
                assumed[row["id"].encode()] = _lock_value(bytes(row["phone_hash"] or bytes(PHONE_HASH_BYTES)), locks)
            self._marked_set.assume(assumed)
        return state

    def of(self, thread: str, reader: Reader | None = None) -> PhoneLocks:
        """Return the locks of a thread's phone. `reader`: the commit that asks, where one does."""
        value = self._marked_set.get(thread.encode(), reader)
        return UNLOCKED if value is None else _locks(value)

    async def take_over(self, transaction: Transaction, phone_hash: bytes) -> PhoneLocks:
        """Take the locks of a phone whose thread was deleted beside the bridge, for the one that begins; mostly none."""
        entries = [(key, value) for key, value in self._marked_set.entries.items() if value.startswith(phone_hash)]
        joined = UNLOCKED
        for key, value in entries:
            joined = joined.union(_locks(value))
            await self.write(transaction, key.decode(), UNLOCKED)
        return joined

    async def write(self, transaction: Transaction, thread: str, locks: PhoneLocks) -> None:
        """Write the locks of a thread's phone, within the commit that writes its aggregate; nothing if unchanged."""
        if locks == self.of(thread, transaction):
            return
        stored = await threads.get_phone(transaction, thread)
        value = None if locks == UNLOCKED or stored is None else _lock_value(stored.phone_hash, locks)
        await self._marked_set.change(transaction, {thread.encode(): value})
        if value is None:
            await transaction.execute("DELETE FROM phone_lock WHERE hash = $1", self._row_key(thread))
        else:
            await self._insert(transaction, thread, value)

    async def _read(self, reader: Reader) -> dict[bytes, bytes]:
        entries: dict[bytes, bytes] = {}
        for row in await reader.fetch("SELECT body FROM phone_lock"):
            try:
                thread, _, value = (await self._vault.open(DESK, CONTEXT, row["body"])).partition(b"\0")
            except CannotOpen:  # so it is not what was written
                continue
            entries[thread] = value
        return entries

    async def _take_from_aggregates(self, transaction: Transaction) -> None:
        stand = await self._read(transaction)
        for row in await transaction.fetch("SELECT id, phone_hash, aggregate FROM thread"):
            try:
                locks = locks_of(await threads.open_aggregate(self._vault, row["id"], row["aggregate"]))
            except (CannotOpen, ValueError):  # what cannot be read decides nothing, and nothing is sent for it
                continue
            if (value := stand.get(row["id"].encode())) is not None:
                locks = locks.union(_locks(value))
            if locks != UNLOCKED:
                await self._insert(
                    transaction, row["id"], _lock_value(bytes(row["phone_hash"] or bytes(PHONE_HASH_BYTES)), locks)
                )

    async def _doubtful_locks(self, thread: str, sealed: bytes) -> PhoneLocks:
        """Return the locks of a phone while the set is behind: its codeword may have been texted, too."""
        try:
            digests = (await threads.open_aggregate(self._vault, thread, sealed)).codeword.digests
        except (CannotOpen, ValueError):
            digests = None
        return DOUBTED if digests is None else replace(DOUBTED, spent_words=(digests.salt,))

    async def _insert(self, transaction: Transaction, thread: str, value: bytes) -> None:
        body = await self._vault.seal(DESK, CONTEXT, thread.encode() + b"\0" + value)
        query = "INSERT INTO phone_lock (hash, body) VALUES ($1, $2) ON CONFLICT (hash) DO UPDATE SET body=excluded.body"
        await transaction.execute(query, self._row_key(thread), body)

    def _row_key(self, thread: str) -> bytes:
        return self._vault.keyed_hash(CONTEXT, thread)


def _lock_value(phone_hash: bytes, locks: PhoneLocks) -> bytes:
    return phone_hash + json.dumps(asdict(locks) | {"lock": locks.lock.value}, sort_keys=True).encode()


def _locks(value: bytes) -> PhoneLocks:
    fields = json.loads(value[PHONE_HASH_BYTES:])
    spent = tuple(fields.get("spent_words", ()))  # a line of an earlier version wrote none
    return PhoneLocks(**fields | {"lock": SendLock(fields["lock"]), "spent_words": spent})
