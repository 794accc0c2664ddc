"""`keys.db`: one wrapped key per owner, in a file of its own that no backup contains.

Rules of this module: a key is on the disk before `insert` returns. After `delete` returns, its bytes are in no file of
ours. One thread does everything in order, so a read that is requested after a deletion never sees the deleted key.

Why a thread of its own: every change waits for the disk twice, and keys are made inside commits of the main database. Keys
that are requested one after another while the thread is busy are written together, with one wait: otherwise a flood of new
texters would delay every lock and STOP, whose mark is in the same file.

Why a rollback journal in PERSIST mode, zeroed by us after each deletion. WAL keeps every version of a page until a
checkpoint that others can postpone. DELETE and TRUNCATE return the journal, which holds the page with the old key, to the
file system without overwriting it, and with `synchronous = FULL` a power cut can restore the unlinked journal and roll back
a commit already answered. MEMORY keeps no copy, and loses the whole file in a crash. A persistent journal stays in the same
blocks, its end is synced with each commit, and overwriting it leaves no copy except those that a copy-on-write file system
or a flash controller makes; the wrapping protects against those.

Why slots of one size, which are overwritten and reused, and no row is ever deleted. When SQLite balances a tree it copies
rows to other pages and leaves the old bytes; `secure_delete` overwrites the row that is deleted, not what an earlier move
left behind (measured with 3.46: one of 4,045 destroyed keys was still in the file). In a table that grows only at its end,
with rows of constant size, rows are moved only when the tree deepens, as a whole page, which `secure_delete` does
overwrite.

Why the file is opened in exclusive mode. The first read rolls back a transaction that a crash interrupted, from the
journal; in normal mode SQLite then deletes that journal, and its blocks return to the file system with the keys in them.

Who may write. Where two bridges see the file, the leader writes the epoch of its lease into it when it opens it. Each
change is one statement that checks that epoch, so a former leader that was frozen and resumes changes nothing. No lock
is held between two changes. The journal is cleared under SQLite's own lock for the same reason: a process that resumes
there would otherwise overwrite the journal of another's transaction. A bridge that is frozen within one of these
statements keeps the file locked, and another cannot lead until it ends, resumes or is killed: `Busy`.

Sources: sqlite.org/fileformat2.html (a page has space that belongs to no row), sqlite.org/atomiccommit.html,
sqlite.org/pragma.html (journal_mode, synchronous, secure_delete).
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

from bridge.storage import commit_queue
from bridge.storage.database import Value
from bridge.storage.errors import DatabaseError, LeadLost, Unavailable
from bridge.storage.sqlite_connection import SqliteConnection
from bridge.storage.sqlite_maintenance import create, overwrite

T = TypeVar("T")

PRAGMAS = (
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA journal_mode = PERSIST",
    "PRAGMA synchronous = FULL",
    "PRAGMA secure_delete = ON",
    "PRAGMA temp_store = MEMORY",
)
TABLE = "CREATE TABLE IF NOT EXISTS slot (n INTEGER PRIMARY KEY, owner BLOB NOT NULL, wrapped BLOB NOT NULL)"
ADD = "INSERT INTO slot (owner, wrapped) VALUES ($1, $2)"
FILL = "UPDATE slot SET owner = $1, wrapped = $2 WHERE n = $3 RETURNING n"
EPOCH = "CREATE TABLE IF NOT EXISTS epoch (id INTEGER PRIMARY KEY CHECK (id = 1), number INTEGER NOT NULL)"
ANY_KEY = "SELECT 1 FROM slot WHERE wrapped <> zeroblob(61) LIMIT 1"
READ_EPOCH = "SELECT number FROM epoch WHERE id = 1"
WRITE_EPOCH = "INSERT INTO epoch (id, number) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET number = excluded.number"
ADD_LED = f"INSERT INTO slot (owner, wrapped) SELECT $1, $2 WHERE ({READ_EPOCH}) = $3 RETURNING n"
FILL_LED = f"UPDATE slot SET owner = $1, wrapped = $2 WHERE n = $3 AND ({READ_EPOCH}) = $4 RETURNING n"  # noqa: S608 - statements of ours
OWNER_BYTES = 264
"""A room's id has up to 255, and `room:` before it (https://spec.matrix.org/latest/appendices/#room-ids)."""
WRAPPED_BYTES = 61
FREE_OWNER = bytes(OWNER_BYTES)
VERSION = 1
MODE = 0o600
MAX_TOGETHER: Final = 100
"""Keys that are written with one wait for the disk."""

Asked: TypeAlias = tuple[str, bytes, asyncio.Future[bytes]]
"""An owner, its new key (wrapped), and the caller that waits for it."""


@dataclass(frozen=True, slots=True)
class _Slots:
    """The slot of each owner, and the free slots, by the rows' numbers."""

    by_owner: dict[str, int]
    free: list[int]


def _do_nothing(_why: str) -> None:
    """Do nothing."""


class KeyFile:
    """The file of wrapped keys. Only the vault can read a row's content.

    All methods raise `DatabaseError` or `OSError` when the file cannot be read or written (a full disk is `Unavailable`);
    the call may then be repeated. A cancelled call is either done whole or not at all.

    `epoch`: of the lease under which it is opened; None where no other bridge can see the file. Once the file has a later
    epoch, every writing method calls `on_loss` and raises `LeadLost`.
    """

    def __init__(self, *, path: Path, epoch: int | None = None, on_loss: Callable[[str], None] = _do_nothing) -> None:
        self._path = path
        self._epoch, self._on_loss = epoch, on_loss
        self._journal = path.with_name(path.name + "-journal")
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="keys")
        self._connection: SqliteConnection | None = None
        self._slots: _Slots | None = None
        self._together: list[Asked] | None = None
        """Keys that the thread writes at its next turn, unless another request comes first."""
        self._asking = threading.Lock()

    async def open(self) -> None:
        """Make the file if there is none (mode 0600), roll back what a crash left half done, clear the journal.

        Raises ValueError for one newer than this program.
        """
        await self._run(self._open)

    async def close(self) -> None:
        """Finish pending changes and close the file."""
        await self._run(self._close)
        self._thread.shutdown(wait=False)

    async def insert(self, owner: str, wrapped: bytes) -> bytes:
        """Write the key of an owner that has none, and return the owner's key: after this it survives a power cut.

        `wrapped`: 61 bytes. Raises ValueError for another size, or an owner longer than 264 bytes.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bytes] = loop.create_future()
        with self._asking:
            together = self._together
            if together is None or len(together) >= MAX_TOGETHER:
                together = []
                self._thread.submit(self._insert_together, together, loop)
                self._together = together
            together.append((owner, wrapped, future))
        return await future

    async def replace(self, owner: str, wrapped: bytes) -> None:
        """Replace an owner's 61 bytes, durably. For marks only: the journal may keep the old bytes."""
        await self._run(lambda: self._replace(owner, wrapped))

    async def read(self, owner: str) -> bytes | None:
        """Return an owner's wrapped key, or None."""
        return await self._run(lambda: self._read(owner))

    async def is_on_disk(self, owner: str) -> bool:
        """Whether the file itself, read again, has a key of this owner: to check a destruction."""
        query = "SELECT COUNT(*) FROM slot WHERE owner = $1"
        return await self._run(lambda: bool(self._db().fetchval(query, _pad_owner(owner))))

    async def delete(self, owner: str) -> None:
        """Remove an owner's key from the file and the journal, durably. No key is no error.

        After a crash in the middle it is repeated by its caller; the journal is cleared at the next `open` anyway.
        """
        await self._run(lambda: self._delete(owner))

    async def owners(self) -> set[str]:
        """Return all owners that have a key."""
        return await self._run(lambda: set(self._current_slots().by_owner))

    async def _run(self, work: Callable[[], T]) -> T:
        with self._asking:
            self._together = None  # what is asked after this comes after it
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _db(self) -> SqliteConnection:
        if self._connection is None:
            raise Unavailable("not open")
        return self._connection

    def _open(self) -> None:
        create(self._path, MODE)  # SQLite gives the journal the mode of its database
        connection = SqliteConnection(self._path)
        try:
            for setting in PRAGMAS:
                connection.execute(setting)
            # By now a crashed transaction's journal was played back; only then may it be zeroed.
            connection.execute("BEGIN IMMEDIATE")
            _refuse_newer(connection)
            connection.execute(TABLE)
            self._claim(connection)
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("COMMIT")
            overwrite(self._journal)
            connection.execute("PRAGMA locking_mode = NORMAL")  # which the next look at the file brings about
            self._slots = _read_slots(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def _claim(self, connection: SqliteConnection) -> None:
        """Write our epoch into the file. Raises `LeadLost` when it has a later one: we were frozen before we opened it."""
        if self._epoch is None:
            return
        connection.execute(EPOCH)
        if int(connection.fetchval(READ_EPOCH) or 0) > self._epoch:
            raise self._is_lost()
        connection.execute(WRITE_EPOCH, self._epoch)

    def _is_lost(self) -> LeadLost:
        self._on_loss("keys.db has another epoch")
        return LeadLost("epoch of keys.db")

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _current_slots(self) -> _Slots:
        """Return the slot of each owner: from memory, or after an error from the file."""
        if self._slots is None:
            self._slots = _read_slots(self._db())
        return self._slots

    @property
    def _fill(self) -> str:
        return FILL if self._epoch is None else FILL_LED

    def _execute_change(self, statement: str, *values: Value) -> int:
        """Run a statement that returns the number of a slot."""
        # An error may come after the commit: until the file is read again, nothing is known.
        self._slots = None
        n = self._db().fetchval(statement, *values, *(() if self._epoch is None else (self._epoch,)))
        if n is None and self._epoch is not None:
            raise self._is_lost()
        return int(n)

    def _insert_together(self, requests: list[Asked], loop: asyncio.AbstractEventLoop) -> None:
        with self._asking:
            if self._together is requests:
                self._together = None
        answers = self._insert_all(requests)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_answer_all, requests, answers)

    def _insert_all(self, requests: list[Asked]) -> Sequence[bytes | Exception]:
        """Write keys, several in one transaction; return for each the owner's key, or the error."""
        try:
            if len(requests) == 1:
                answers: list[bytes | Exception] = [self._insert(*requests[0][:2])]
            else:
                self._db().execute("BEGIN IMMEDIATE")
                answers = [self._insert_or_refuse(owner, wrapped) for owner, wrapped, _ in requests]
                self._db().execute("COMMIT")
        except (DatabaseError, OSError, ValueError, MemoryError) as failed:
            if len(requests) > 1:
                self._slots = None
                with contextlib.suppress(DatabaseError):  # it may have been taken back already
                    self._db().execute("ROLLBACK")
            return [failed] * len(requests)
        return answers

    def _insert_or_refuse(self, owner: str, wrapped: bytes) -> bytes | ValueError:
        """Write one key of several; what does not fit a slot is its own asker's error."""
        try:
            return self._insert(owner, wrapped)
        except ValueError as refused:
            return refused

    def _insert(self, owner: str, wrapped: bytes) -> bytes:
        existing = self._read(owner)
        if existing is not None:
            return existing
        _require_size(wrapped)
        name, slots = _pad_owner(owner), self._current_slots()
        if slots.free:
            n = slots.free[-1]
            self._execute_change(self._fill, name, wrapped, n)
            slots.free.pop()
        else:
            n = self._execute_change(f"{ADD} RETURNING n" if self._epoch is None else ADD_LED, name, wrapped)
        slots.by_owner[owner] = n
        self._slots = slots
        return wrapped

    def _replace(self, owner: str, wrapped: bytes) -> None:
        slots = self._current_slots()
        n = slots.by_owner.get(owner)
        if n is None:
            self._insert(owner, wrapped)
        else:
            _require_size(wrapped)
            self._execute_change(self._fill, _pad_owner(owner), wrapped, n)
            self._slots = slots

    def _read(self, owner: str) -> bytes | None:
        n = self._current_slots().by_owner.get(owner)
        if n is None:
            return None
        return bytes(self._db().fetchval("SELECT wrapped FROM slot WHERE n = $1", n))

    def _delete(self, owner: str) -> None:
        slots = self._current_slots()
        n = slots.by_owner.get(owner)
        if n is not None:
            self._execute_change(self._fill, FREE_OWNER, bytes(WRAPPED_BYTES), n)
            del slots.by_owner[owner]
            slots.free.append(n)
            self._slots = slots
        self._clear_journal_beneath_lock()

    def _clear_journal_beneath_lock(self) -> None:
        """Clear the journal while no other process can write one."""
        if self._epoch is None:
            overwrite(self._journal)
            return
        connection = self._db()
        connection.execute("BEGIN IMMEDIATE")
        try:
            if connection.fetchval(READ_EPOCH) != self._epoch:
                raise self._is_lost()
            overwrite(self._journal)
        finally:
            connection.execute("ROLLBACK")


def _answer_all(requests: list[Asked], answers: Sequence[bytes | Exception]) -> None:
    for (_, _, future), answer in zip(requests, answers, strict=True):
        if isinstance(answer, Exception):
            commit_queue.fail(future, answer)
        else:
            commit_queue.answer(future, answer)


def _refuse_newer(connection: SqliteConnection) -> None:
    if connection.fetchval("PRAGMA user_version") > VERSION:
        raise ValueError("keys.db was written by a newer version of this program")


def _read_slots(connection: SqliteConnection) -> _Slots:
    named = [(n, bytes(owner).rstrip(b"\0").decode()) for n, owner in connection.fetch("SELECT n, owner FROM slot")]
    return _Slots(by_owner={name: n for n, name in named if name}, free=[n for n, name in named if not name])


def _require_size(wrapped: bytes) -> None:
    if len(wrapped) != WRAPPED_BYTES:
        raise ValueError(f"a wrapped key has {WRAPPED_BYTES} bytes, not {len(wrapped)}")


def _pad_owner(owner: str) -> bytes:
    name = owner.encode()
    if not 0 < len(name) <= OWNER_BYTES:
        raise ValueError(f"an owner has 1 to {OWNER_BYTES} bytes, not {len(name)}")
    return name.ljust(OWNER_BYTES, b"\0")
