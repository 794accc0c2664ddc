"""What a line remembers of a phone beyond its thread: that it said STOP, or that a supervisor blocked it.

Rules of this module: the number is not kept, only a slow keyed hash of it, under a key that is no other key and stands in
its own file; every entry ends, because numbers are given to others (practices.md, "Conflicts"). The entries are in the main
database and so in a backup; the key is restored beside it, or they mean nothing.

Why slow: there are only some ten thousand million numbers, so whoever has the database and the key can try them all. With
this at about 25 ms each, that is years of one core instead of an hour. Source: RFC 2104 (HMAC).
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from bot.model.transactional_actions import Suppress, SuppressionReason
from bridge.runtime.phone_number import Phone
from bridge.storage.database import Database, Transaction
from bridge.storage.slow_hash import SALT_BYTES, SlowHashPool, slow_hash

KEY_BYTES: Final = 32


class Suppression:
    """Finds and keeps entries of one line. Raises ValueError when the key is not 32 bytes."""

    def __init__(self, *, key: bytes, line: str) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"the suppression key must be {KEY_BYTES} bytes, not {len(key)}")
        self._key, self._line = key, line
        self._hash_pool = SlowHashPool()

    async def digest(self, phone: Phone) -> bytes:
        """Return the 32 bytes under which a phone is remembered on this line. Some tens of milliseconds, in a thread.

        Raises OSError when the machine has no memory for it now: whoever asked waits, so that no STOP is lost.
        """
        return await self._hash_pool.run(self._slow_digest, phone.reveal().encode("utf-8", "surrogatepass"))

    async def lookup(self, database: Database, phone: Phone, *, now: float) -> frozenset[SuppressionReason]:
        """Return what is remembered of a phone. For a new texter; whoever has a thread is judged by it."""
        rows = await database.fetch(
            "SELECT muted FROM suppression WHERE hash = $1 AND until > $2", await self.digest(phone), int(now)
        )
        return frozenset(SuppressionReason(row["muted"]) for row in rows)

    def _slow_digest(self, number: bytes) -> bytes:
        line = self._line.encode()
        keyed = hmac.digest(self._key, b"phone" + len(line).to_bytes(4, "big") + line + number, hashlib.sha256)
        salt = hmac.digest(self._key, b"salt" + line, hashlib.sha256)[:SALT_BYTES]
        return slow_hash(keyed, salt)


async def write(transaction: Transaction, digest: bytes, told: Suppress, *, now: float) -> None:
    """Write an entry or take it away, within a commit; what is over goes with it."""
    await transaction.execute("DELETE FROM suppression WHERE until <= $1", int(now))
    await transaction.execute("DELETE FROM suppression WHERE hash = $1 AND muted = $2", digest, told.reason.value)
    if told.until > now:
        await transaction.execute(
            "INSERT INTO suppression (hash, muted, until) VALUES ($1, $2, $3)", digest, told.reason.value, int(told.until)
        )
