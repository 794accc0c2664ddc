"""Suppression: what a line remembers of a phone beyond its thread, that it sent STOP or that a supervisor blocked it.

Rules of this module: the number is not kept, only a slow keyed hash of it, under a key of its own in a file of its own.
Every entry ends, because numbers are given to other people (practices.md, "Conflicts"). The entries are in the main
database and so in a backup; without the key, restored separately, they are useless. They are a marked set
(`bridge/storage/marked_sets.py`): while it is behind its mark, it is unknown who sent STOP, so there is no cold outreach
and no automatic reply to a new texter.

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
from bridge.storage.database import Database, Row, Snapshot, Transaction, Value, insertion
from bridge.storage.marked_sets import MarkedSet, SetMatch
from bridge.storage.slow_hash import SALT_BYTES, SlowHashPool, slow_hash
from bridge.tables import clock_trust

KEY_BYTES: Final = 32
TIME_BYTES: Final = 8
NEVER: Final = b"\xff" * TIME_BYTES
"""The end of an entry whose end is damaged, so that a STOP holds."""


class Suppression:
    """Finds and keeps entries of one line. `load` first. Raises ValueError when the key is not 32 bytes."""

    def __init__(self, *, key: bytes, line: str, marked: MarkedSet) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"the suppression key must be {KEY_BYTES} bytes, not {len(key)}")
        self._key, self._line, self._marked_set = key, line, marked
        self._hash_pool, self._lookup_pool = SlowHashPool(), SlowHashPool(background=True)

    async def digest(self, phone: Phone, *, background: bool = False) -> bytes:
        """Return the 32 bytes under which a phone is remembered on this line. Some tens of milliseconds, in a thread.

        `background`: in a thread of lower priority, because thousands of new texters may be looked up during conversations.
        Raises OSError when the machine has no memory for it now: the caller waits, so that no STOP is lost.
        """
        pool = self._lookup_pool if background else self._hash_pool
        return await pool.run(self._slow_digest, _number(phone))

    @property
    def is_known(self) -> bool:
        """Whether the entries are those that were written; otherwise a phone without an entry may have sent STOP."""
        return self._marked_set.is_intact

    async def load(self, database: Database) -> SetMatch:
        """Read the entries, at the start."""
        rows = await database.fetch("SELECT hash, muted, until FROM suppression")
        return await self._marked_set.load(dict(filter(None, map(_read_entry, rows))))

    async def lookup(self, phone: Phone, *, now: float) -> frozenset[SuppressionReason]:
        """Return what is remembered of a phone. For a new texter; otherwise the thread decides. `now`: see `reasons`."""
        return self.reasons(await self.digest(phone, background=True), now=now)

    def reasons(self, digest: bytes, *, now: float) -> frozenset[SuppressionReason]:
        """Return what is remembered under a digest.

        `now`: from `clock_trust.expiry_time`, because no entry expires while the clock is distrusted.
        """
        entries = self._marked_set.entries
        until = {reason: entries.get(_entry_key(digest, reason.value), b"") for reason in SuppressionReason}
        return frozenset(reason for reason, value in until.items() if int.from_bytes(value, "big") > int(now))

    async def write(self, transaction: Transaction, digest: bytes, action: Suppress, *, now: float) -> None:
        """Write or delete an entry, within a commit, which also deletes expired entries."""
        await self.delete_expired(transaction, await clock_trust.expiry_time(transaction, now))
        stands = action.until > now
        key, until = _entry_key(digest, action.reason.value), int(action.until)
        await self._marked_set.change(transaction, {key: _time(until) if stands else None})
        await transaction.execute("DELETE FROM suppression WHERE hash = $1 AND muted = $2", digest, action.reason.value)
        if stands:
            query = "INSERT INTO suppression (hash, muted, until) VALUES ($1, $2, $3)"
            await transaction.execute(query, digest, action.reason.value, until)

    async def delete_expired(self, transaction: Transaction, now: float) -> None:
        """Delete the entries whose time is over, within a commit."""
        at = int(now)
        over = {key: None for key, value in self._marked_set.entries.items() if int.from_bytes(value, "big") <= at}
        if over:
            await self._marked_set.change(transaction, over)
        await transaction.execute("DELETE FROM suppression WHERE until BETWEEN 0 AND $1", at)

    async def lengthen(self, transaction: Transaction, *, seconds: int) -> None:
        """Let every entry end so many seconds later, within a commit: the clock by which it would end was behind."""
        entries = self._marked_set.entries.items()
        later = {key: _time(int.from_bytes(value, "big") + seconds) for key, value in entries if value != NEVER}
        if later:
            await self._marked_set.change(transaction, later)
        await transaction.execute("UPDATE suppression SET until = until + $1 WHERE until >= 0", seconds)

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


def _read_entry(row: Row) -> tuple[bytes, bytes] | None:
    """Return an entry's key and end; None if a damaged row does not say whose it is: then the set is not as it was."""
    digest, reason, until = row["hash"], row["muted"], row["until"]
    if not isinstance(digest, bytes) or not isinstance(reason, str):
        return None
    try:
        return _entry_key(digest, reason), _time(until)
    except (OverflowError, TypeError, ValueError):
        return _entry_key(digest, reason), NEVER


def _entry_key(digest: bytes, reason: str) -> bytes:
    return digest + reason.encode()


def _time(until: int) -> bytes:
    return int(until).to_bytes(TIME_BYTES, "big")
