"""Sets of facts whose newest version is in `keys.db`: a person who can write only the main database cannot revert them.

Rules of this module: each set has a version and a code over all its entries in the main database; the next version is
written to `keys.db` before the commit that makes it. The entries of a running line are in memory, as committed; a row that
another program reverts or deletes changes nothing, and the next start finds it. A set that is older than its mark, or
differs from what was written, is *behind*: nothing is read from it, and no commit repairs it, until a person accepts it
(`quietline accept-facts`).

The mark of a set is its epoch and two versions: `settled`, which is on the disk in both files, and `intended`, which may
be. A crash between the two writes leaves the database at one of them or between, which is no attack. A version is used
once, so a database is ahead of its mark only when an older `keys.db` was restored; that is accepted and reported. Each time
a set is accepted as it is, it gets a new epoch, so that no earlier version fits a later mark. A set with a version and
without a mark is behind as well: the name of the mark's slot may be damaged. Only where a person takes an older `keys.db`
may that file be from before the mark. A new line, a restored one and an upgrade that adds a set have neither.

The mark of the aggregates moves at a start only (`MARKED_AT_START`), because every text changes them. In between, a person
who restores both the rows and the code of one moment since the last start is not detected. A single row that is restored or
deleted is detected.

What a change costs: one HMAC for each entry that changes, one for the version, two synced writes of 61 bytes to `keys.db`,
the second after the answer; for aggregates none. A commit that changes no entry costs nothing.

Why the digest is an XOR of HMACs, and is never written: each entry is added and removed in constant time, whatever the size
of the set. A person who has seen digests of many sets could compute another set with the same digest; one who has only the
code over it cannot. Source: Clarke and others, "Incremental Multiset Hash Functions and Their Application to Memory
Integrity Checking" (ASIACRYPT 2003), MSet-XOR-Hash; RFC 2104 (HMAC).
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, unique
from typing import Any, Final

from bridge.runtime import log
from bridge.runtime.crash_points import CrashHook, CrashPoint, never_crash
from bridge.storage.database import Database, Reader, Transaction
from bridge.storage.vault import CannotOpen, Vault

EPOCH_BYTES: Final = 16
VERSION_BYTES: Final = 8
"""With two versions a mark is as long as a key, whose slot in `keys.db` it takes."""
PUT: Final = """
    INSERT INTO marked_set (name, version, mac) VALUES ($1, $2, $3)
    ON CONFLICT (name) DO UPDATE SET version=excluded.version, mac=excluded.mac
"""


TABLE: Final = "CREATE TABLE marked_set (name TEXT PRIMARY KEY, version BIGINT NOT NULL, mac {blob} NOT NULL)"
"""The version of each set, and the code over it and all its entries."""


@unique
class SetName(Enum):
    """Which facts have a mark. The value is their name in both files."""

    SUPPRESSION = "suppression"
    LOCKS = "locks"
    CONFIRMED = "confirmed"
    AGGREGATES = "aggregates"


MARKED_AT_START: Final = frozenset({SetName.AGGREGATES})
"""Sets whose mark is written at a start, and not at each change."""


@unique
class SetMatch(Enum):
    """The result of the check at a start. `AHEAD`: the mark is older than the set; accepted. `BEHIND`: the set is not."""

    AS_WRITTEN = "as written"
    AHEAD = "ahead"
    BEHIND = "behind"


@dataclass(frozen=True, slots=True)
class _Mark:
    """The mark of a set in `keys.db`: 32 bytes. `settled` 0: the first version is not on the disk yet."""

    epoch: bytes
    settled: int
    intended: int

    def encode(self) -> bytes:
        versions = (n.to_bytes(VERSION_BYTES, "big") for n in (self.settled, self.intended))
        return self.epoch + b"".join(versions)

    @classmethod
    def decode(cls, raw: bytes) -> _Mark:
        settled, intended = (raw[n : n + VERSION_BYTES] for n in (EPOCH_BYTES, EPOCH_BYTES + VERSION_BYTES))
        return cls(raw[:EPOCH_BYTES], int.from_bytes(settled, "big"), int.from_bytes(intended, "big"))


@dataclass(slots=True)
class _Pending:
    """The changes of a commit that is not made yet."""

    transaction: Transaction
    version: int
    total: int
    changes: dict[bytes, bytes | None] = field(default_factory=dict)


class MarkedSet:
    """One set. `load` once, with the entries of its table; then `change` inside each commit that changes that table."""

    def __init__(
        self, name: SetName, *, database: Database, vault: Vault, crash: CrashHook, takes_older_keys: bool = False
    ) -> None:
        self.name, self._takes_older_keys = name, takes_older_keys
        self._database, self._vault, self._crash = database, vault, crash
        self._key = vault.derive(f"marked set {name.value}")
        self._entries: dict[bytes, bytes] = {}
        self._total = 0
        self._mark = _Mark(bytes(EPOCH_BYTES), 0, 0)
        self._version = 0
        self._intact = False
        self._marks_changes = name not in MARKED_AT_START
        self._pending: _Pending | None = None
        self._settling: set[asyncio.Task[None]] = set()

    @property
    def is_intact(self) -> bool:
        """Whether the entries are the last committed ones; False also before `load`."""
        return self._intact

    @property
    def version(self) -> int:
        """The version that was committed last."""
        return self._version

    @property
    def entries(self) -> Mapping[bytes, bytes]:
        """The entries as last committed, by key. For a set that is behind: those of the table, or the assumed ones."""
        return self._entries

    def get(self, key: bytes, reader: Reader | None = None) -> bytes | None:
        """Return an entry as last committed, or as the commit that reads it has made it, or None."""
        pending = self._pending
        if pending is not None and pending.transaction is reader and key in pending.changes:
            return pending.changes[key]
        return self._entries.get(key)

    async def load(self, entries: Mapping[bytes, bytes]) -> SetMatch:
        """Compare the entries of the table with the mark; a set without a mark gets one. Raises `DatabaseError`."""
        self._entries = dict(entries)
        self._total = self._digest(self._entries.items())
        row: Any = await self._database.fetchrow("SELECT version, mac FROM marked_set WHERE name = $1", self.name.value)
        version = self._version = 0 if row is None else int(row["version"])
        try:
            raw = await self._vault.read_mark(self.name.value)
        except CannotOpen:
            return self._behind()
        mark = None if raw is None else _Mark.decode(raw)
        if mark is None and row is not None and not self._takes_older_keys:
            return self._behind()
        if mark is None or not mark.settled:
            await self._adopt(max(version, mark.intended if mark else 0) + 1)
            return SetMatch.AHEAD if mark is None and row is not None else SetMatch.AS_WRITTEN
        self._mark = mark
        if version < mark.settled or not hmac.compare_digest(bytes(row["mac"]), self._mac(version, self._total)):
            return self._behind()
        self._intact = True
        if version > mark.settled:
            if not self._marks_changes:  # a mark may not name a version that a power cut can still take back
                await self._put(version)
            self._mark = replace(mark, settled=version, intended=max(version, mark.intended))
            await self._write(self._mark)
        return SetMatch.AHEAD if version > mark.intended and self._marks_changes else SetMatch.AS_WRITTEN

    async def change(self, transaction: Transaction, changes: Mapping[bytes, bytes | None]) -> None:
        """Change entries within a commit that changes the table in the same way; None deletes one.

        The change is visible once the commit is made. Not inside a savepoint. Raises `DatabaseError` and `OSError` when
        `keys.db` cannot be written: then nothing of the commit may be kept.
        """
        pending, begins = self._pending, False
        if pending is None or pending.transaction is not transaction:
            pending, begins = _Pending(transaction, max(self._mark.intended, self._version) + 1, self._total), True
        total = pending.total
        for key, value in changes.items():
            before = pending.changes[key] if key in pending.changes else self._entries.get(key)
            total ^= self._element(key, before) ^ self._element(key, value)
        if total == pending.total:
            return
        if begins:
            if self._intact and self._marks_changes:
                self._mark = replace(self._mark, intended=pending.version)
                await self._write(self._mark)
                self._crash(CrashPoint.MARK_WRITTEN)
            self._pending = pending
            transaction.after_commit(self._after_commit)
        pending.total = total
        pending.changes |= changes
        if self._intact:
            await transaction.execute(PUT, self.name.value, pending.version, self._mac(pending.version, total))

    def assume(self, entries: Mapping[bytes, bytes]) -> None:
        """Use these entries instead of those of a set that is behind, until the next start."""
        self._entries = dict(entries)

    def doubt(self) -> None:
        """Mark the set as behind: a row differs from what was committed last. It stays behind until a person accepts it."""
        self._intact = False

    async def close(self) -> None:
        """Wait until the marks of all commits are settled, as far as possible."""
        if self._settling:
            await asyncio.wait(self._settling)

    def _after_commit(self) -> None:
        pending, self._pending = self._pending, None
        if pending is None:
            return
        for key, value in pending.changes.items():
            if value is None:
                self._entries.pop(key, None)
            else:
                self._entries[key] = value
        self._total = pending.total
        if self._intact:
            self._version = pending.version
        if self._intact and self._marks_changes:
            task = asyncio.get_running_loop().create_task(self._settle(pending.version))
            self._settling.add(task)
            task.add_done_callback(self._settling.discard)

    async def _settle(self, version: int) -> None:
        """Write that a version is committed, once it is on the disk: a power cut may not leave the database behind."""
        try:
            await self._database.synced()
            self._crash(CrashPoint.MARK_COMMITTED)
            self._mark = replace(self._mark, settled=max(version, self._mark.settled))
            await self._write(self._mark)
        except Exception as error:  # noqa: BLE001 - the next change, or the next start, settles it
            log.failure("marks.not_settled", error)

    async def _adopt(self, version: int) -> None:
        """Accept the set as it is, under a new epoch."""
        self._mark = _Mark(os.urandom(EPOCH_BYTES), 0, version)
        await self._write(self._mark)
        await self._put(version)
        self._mark, self._version = replace(self._mark, settled=version), version
        await self._write(self._mark)
        self._intact = True

    async def _put(self, version: int) -> None:
        """Write a version and the code over the set as it is, and sync them with all earlier commits."""
        mac = self._mac(version, self._total)
        await self._database.commit(lambda transaction: transaction.execute(PUT, self.name.value, version, mac))

    def _behind(self) -> SetMatch:
        self._intact = False
        return SetMatch.BEHIND

    async def _write(self, mark: _Mark) -> None:
        await self._vault.write_mark(self.name.value, mark.encode())

    def _digest(self, entries: Iterable[tuple[bytes, bytes]]) -> int:
        total = 0
        for key, value in entries:
            total ^= self._element(key, value)
        return total

    def _element(self, key: bytes, value: bytes | None) -> int:
        if value is None:
            return 0
        bound = b"entry" + len(key).to_bytes(4, "big") + key + value
        return int.from_bytes(hmac.digest(self._key, bound, hashlib.sha256), "big")

    def _mac(self, version: int, total: int) -> bytes:
        bound = b"set" + self._mark.epoch + version.to_bytes(VERSION_BYTES, "big") + total.to_bytes(32, "big")
        return hmac.digest(self._key, bound, hashlib.sha256)


class Marks:
    """All sets of a line, over its main database and its vault. `takes_older_keys`: a person said that it is so."""

    def __init__(
        self, *, database: Database, vault: Vault, crash: CrashHook = never_crash, takes_older_keys: bool = False
    ) -> None:
        self.suppression, self.locks, self.confirmed, self.aggregates = (
            MarkedSet(name, database=database, vault=vault, crash=crash, takes_older_keys=takes_older_keys)
            for name in SetName
        )

    async def close(self) -> None:
        """Wait until the marks of all commits are settled. Both files must be open."""
        for each in (self.suppression, self.locks, self.confirmed, self.aggregates):
            await each.close()


async def has_version(reader: Reader, name: SetName) -> bool:
    """Whether a set was loaded at an earlier start."""
    return await reader.fetchval("SELECT 1 FROM marked_set WHERE name = $1", name.value) is not None


async def forget(transaction: Transaction, name: SetName) -> None:
    """Delete the version of a set, for a person who accepts it; `Vault.forget_mark` deletes its mark, after this."""
    await transaction.execute("DELETE FROM marked_set WHERE name = $1", name.value)
