"""Suppression: what a line remembers of a phone beyond its thread, that it sent STOP or that a supervisor blocked it.

Rules of this module: the number is not kept, only a slow keyed hash of it, under a key of its own in a file of its own.
Every entry ends, because numbers are given to other people (practices.md, "Conflicts"). The entries are in the main
database and so in a backup; without the key, restored separately, they are useless.

Why slow: there are only some ten thousand million numbers, so a person with the database and the key can try them all. At
about 25 ms each, that takes years of one core instead of an hour. Source: RFC 2104 (HMAC).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

from bot.model.transactional_actions import Suppress, SuppressionReason
from bridge.runtime.phone_number import Phone
from bridge.storage.database import Reader, Row, Snapshot, Transaction, Value, insertion
from bridge.storage.slow_hash import SALT_BYTES, SlowHashPool, slow_hash
from bridge.tables import clock_trust

KEY_BYTES: Final = 32


class Suppression:
    """Finds and keeps entries of one line. Raises ValueError when the key is not 32 bytes."""

    def __init__(self, *, key: bytes, line: str) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"the suppression key must be {KEY_BYTES} bytes, not {len(key)}")
        self._key, self._line = key, line
        self._hash_pool, self._lookup_pool = SlowHashPool(), SlowHashPool(background=True)

    async def digest(self, phone: Phone, *, background: bool = False) -> bytes:
        """Return the 32 bytes under which a phone is remembered on this line. Some tens of milliseconds, in a thread.

        `background`: in a thread of lower priority, because thousands of new texters may be looked up during conversations.
        Raises OSError when the machine has no memory for it now: the caller waits, so that no STOP is lost.
        """
        pool = self._lookup_pool if background else self._hash_pool
        return await pool.run(self._slow_digest, _number(phone))

    async def lookup(self, reader: Reader, phone: Phone, *, now: float) -> frozenset[SuppressionReason]:
        """Return what is remembered of a phone. For a new texter; otherwise the thread decides. `now`: see `reasons`."""
        return await self.reasons(reader, await self.digest(phone, background=True), now=now)

    async def reasons(self, reader: Reader, digest: bytes, *, now: float) -> frozenset[SuppressionReason]:
        """Return what is remembered under a digest.

        `now`: from `clock_trust.expiry_time`, because no entry expires while the clock is distrusted.
        """
        rows = await reader.fetch("SELECT muted FROM suppression WHERE hash = $1 AND until > $2", digest, int(now))
        return frozenset(SuppressionReason(row["muted"]) for row in rows)

    async def write(self, transaction: Transaction, digest: bytes, action: Suppress, *, now: float) -> None:
        """Write or delete an entry, within a commit, which also deletes expired entries."""
        await self.delete_expired(transaction, await clock_trust.expiry_time(transaction, now))
        await transaction.execute("DELETE FROM suppression WHERE hash = $1 AND muted = $2", digest, action.reason.value)
        if action.until > now:
            query = "INSERT INTO suppression (hash, muted, until) VALUES ($1, $2, $3)"
            await transaction.execute(query, digest, action.reason.value, int(action.until))

    async def delete_expired(self, transaction: Transaction, now: float) -> None:
        """Delete the entries whose time is over, within a commit."""
        await transaction.execute("DELETE FROM suppression WHERE until <= $1", int(now))

    def _slow_digest(self, number: bytes) -> bytes:
        line = self._line.encode()
        keyed = hmac.digest(self._key, b"phone" + len(line).to_bytes(4, "big") + line + number, hashlib.sha256)
        salt = hmac.digest(self._key, b"salt" + line, hashlib.sha256)[:SALT_BYTES]
        return slow_hash(keyed, salt)


def peek_rows(connection: Snapshot) -> list[Row]:
    """Return every entry, to a command beside the bridge."""
    return connection.fetch("SELECT * FROM suppression")


async def insert_row(transaction: Transaction, row: Mapping[str, Value]) -> None:
    """Insert an entry as a backup has it. Raises `DatabaseError` for a column that the table has not."""
    rest, values = insertion(row)
    await transaction.execute(f"INSERT INTO suppression {rest}", *values)


def _number(phone: Phone) -> bytes:
    return phone.reveal().encode("utf-8", "surrogatepass")
