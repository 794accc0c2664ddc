"""`keys.db`: one wrapped key per owner, in a file of its own that no backup contains.

Rules of this module: a key is on the disk before `insert` returns; after `delete` returns, its bytes are in no file of
ours; one thread does all of it, in order, so a read asked for after a deletion never sees what was deleted.

Why the standard library's sqlite3 in one thread: vault calls happen inside commits of the main database, and mautrix keeps
its connection in process-wide context variables (facts-matrix, section 4).

Why a rollback journal in PERSIST mode, zeroed by us after each deletion. WAL keeps every version of a page until a
checkpoint that others can postpone. DELETE and TRUNCATE give the journal, which holds the page with the old key, back to
the file system unwritten-over, and with `synchronous = FULL` a power cut can bring the unlinked journal back and roll back
a commit already answered. MEMORY keeps no copy, and loses the whole file in a crash. A persistent journal stays in the
same blocks, its end is synced with each commit, and overwriting it leaves no copy beyond what a copy-on-write file system
or a flash controller keeps of its own accord; against those stands the wrapping.

Why slots of one size, overwritten and used again, and never a row that is deleted. When SQLite balances a tree it moves
rows to other pages and leaves what it moved where it was; `secure_delete` overwrites the row that is deleted, not what an
earlier move left behind (measured with 3.46: one of 4,045 destroyed keys was still in the file). What only grows at its end
and never changes its size is never moved.

Sources: sqlite.org/fileformat2.html (a page has space that belongs to no row), sqlite.org/atomiccommit.html,
sqlite.org/pragma.html (journal_mode, synchronous, secure_delete).
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar, cast

T = TypeVar("T")

SETTINGS = (
    "PRAGMA busy_timeout = 5000",
    "PRAGMA journal_mode = PERSIST",
    "PRAGMA synchronous = FULL",
    "PRAGMA secure_delete = ON",
    "PRAGMA temp_store = MEMORY",
)
TABLE = "CREATE TABLE IF NOT EXISTS slot (n INTEGER PRIMARY KEY, owner BLOB NOT NULL, wrapped BLOB NOT NULL)"
OWNER_BYTES = 264
"""A room's id has up to 255, and `room:` before it (https://spec.matrix.org/latest/appendices/#room-ids)."""
WRAPPED_BYTES = 61
NOBODY = bytes(OWNER_BYTES)
VERSION = 2
MODE = 0o600
CHUNK = 1 << 16


class Keys:
    """The file of wrapped keys. What is in a row only the vault can read.

    All methods raise `sqlite3.Error` or `OSError` when the file cannot be read or written (a full disk is an
    `OperationalError`); the call may then be repeated. A cancelled call is either done whole or not at all.
    """

    def __init__(self, *, path: Path) -> None:
        self._path = path
        self._journal = path.with_name(path.name + "-journal")
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="keys")
        self._connection: sqlite3.Connection | None = None
        self._taken: dict[str, int] = {}
        self._free: list[int] = []

    async def open(self) -> None:
        """Make the file if there is none (mode 0600), undo what a crash left half done, clear the journal.

        A file from before there were slots is made anew in place. Raises ValueError for one newer than this program.
        """
        await self._run(self._open)

    async def close(self) -> None:
        """Finish what was begun and let go of the file."""
        await self._run(self._close)
        self._thread.shutdown(wait=False)

    async def insert(self, owner: str, wrapped: bytes) -> bytes:
        """Write the key of an owner that has none, and return the one that stands: after this it survives a power cut.

        `wrapped`: 61 bytes. Raises ValueError for another size, or an owner longer than 264 bytes.
        """
        return await self._run(lambda: self._insert(owner, wrapped))

    async def read(self, owner: str) -> bytes | None:
        """Return an owner's wrapped key, or None."""
        return await self._run(lambda: self._read(owner))

    async def delete(self, owner: str) -> None:
        """Remove an owner's key from the file and the journal, durably. No key is no error.

        After a crash in the middle it is repeated by whoever asked; the journal is cleared at the next `open` anyway.
        """
        await self._run(lambda: self._delete(owner))

    async def owners(self) -> set[str]:
        """Return everybody who has a key."""
        return await self._run(lambda: set(self._taken))

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _db(self) -> sqlite3.Connection:
        if self._connection is None:
            raise sqlite3.ProgrammingError("keys.db is not open")
        return self._connection

    def _open(self) -> None:
        self._make()
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            for setting in SETTINGS:
                connection.execute(setting)
            # Taking the write lock is what plays a crashed transaction's journal back; only then may it be zeroed.
            connection.execute("BEGIN IMMEDIATE")
            _refuse_newer(connection)
            connection.execute(TABLE)
            _from_rows(connection)
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("COMMIT")
            self._clear_journal()
            slots = {n: _name(owner) for n, owner in connection.execute("SELECT n, owner FROM slot")}
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        self._taken = {name: n for n, name in slots.items() if name}
        self._free = [n for n, name in slots.items() if not name]

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _make(self) -> None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, MODE)
        try:
            os.fchmod(descriptor, MODE)  # SQLite gives the journal the mode of its database
        finally:
            os.close(descriptor)
        directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)  # or a power cut takes the new file, and the first keys with it
        finally:
            os.close(directory)

    def _insert(self, owner: str, wrapped: bytes) -> bytes:
        standing = self._read(owner)
        if standing is not None:
            return standing
        if len(wrapped) != WRAPPED_BYTES:
            raise ValueError(f"a wrapped key has {WRAPPED_BYTES} bytes, not {len(wrapped)}")
        name = _padded(owner)
        if self._free:
            n = self._free[-1]
            self._db().execute("UPDATE slot SET owner = ?, wrapped = ? WHERE n = ?", (name, wrapped, n))
            self._free.pop()
        else:
            cursor = self._db().execute("INSERT INTO slot (owner, wrapped) VALUES (?, ?)", (name, wrapped))
            n = cast("int", cursor.lastrowid)  # None only before any row was inserted
        self._taken[owner] = n
        return wrapped

    def _read(self, owner: str) -> bytes | None:
        db = self._db()
        n = self._taken.get(owner)
        return None if n is None else bytes(db.execute("SELECT wrapped FROM slot WHERE n = ?", (n,)).fetchone()[0])

    def _delete(self, owner: str) -> None:
        db = self._db()
        n = self._taken.get(owner)
        if n is not None:
            db.execute("UPDATE slot SET owner = ?, wrapped = ? WHERE n = ?", (NOBODY, bytes(WRAPPED_BYTES), n))
            del self._taken[owner]
            self._free.append(n)
        self._clear_journal()

    def _clear_journal(self) -> None:
        try:
            descriptor = os.open(self._journal, os.O_WRONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            left = os.fstat(descriptor).st_size
            while left:
                left -= os.write(descriptor, bytes(min(left, CHUNK)))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _refuse_newer(connection: sqlite3.Connection) -> None:
    if connection.execute("PRAGMA user_version").fetchone()[0] > VERSION:
        raise ValueError("keys.db was written by a newer version of this program")


def _from_rows(connection: sqlite3.Connection) -> None:
    """Take over the keys of version 1, one row each; its pages are overwritten as they are given up."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'keys'").fetchone() is None:
        return
    for owner, wrapped in connection.execute("SELECT owner, wrapped FROM keys ORDER BY owner").fetchall():
        connection.execute("INSERT INTO slot (owner, wrapped) VALUES (?, ?)", (_padded(owner), wrapped))
    connection.execute("DROP TABLE keys")


def _padded(owner: str) -> bytes:
    name = owner.encode()
    if not 0 < len(name) <= OWNER_BYTES:
        raise ValueError(f"an owner has 1 to {OWNER_BYTES} bytes, not {len(name)}")
    return name.ljust(OWNER_BYTES, b"\0")


def _name(owner: bytes) -> str:
    return owner.rstrip(b"\0").decode()
