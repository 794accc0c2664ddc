"""The work that waits for the disk: syncing the log after commits, maintenance between commits, making and clearing files.

Rules of this module: everything here may wait for the disk, so it runs in threads. Work between two commits blocks all
writers, so its time must not grow with the file. Transactions and their order belong to `sqlite_database`. The log's thread
starts when the log is opened, so that no sync fails for want of a thread.

Why not `synchronous = FULL`: it syncs inside the COMMIT, during which no other commit can be written, and a caller that
needs two commits waits for the disk twice. With NORMAL a COMMIT only writes. A thread here then makes the same `fdatasync`:
after it, everything written before is on the disk, in order. So waiting commits share one sync, and the next decision is
made while the commit that it depends on is being synced. Code that must not act before the sync waits for it
(`Database.synced`).

Sources: sqlite.org/wal.html, sqlite.org/pragma.html (synchronous: NORMAL is whole and in order, not durable;
wal_checkpoint, shrink_memory), sqlite.org/walformat.html (a commit stands in the log alone), fdatasync(2) (and what it says
of errors: what was not kept once may be said to be kept).
"""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeAlias

from bridge.storage.errors import Corrupt, Unavailable
from bridge.storage.sqlite_connection import SqliteConnection

HEADER_BYTES: Final = 100
"""The file's header, at the begin of page 1."""
MAX_PAGES: Final = 1 << 24
"""Above it (64 GiB) the number with which an overflow page begins could look like the type of a b-tree page."""
TREE_HEADER_BYTES: Final = {2: 12, 5: 12, 10: 8, 13: 8}
"""Type of a b-tree page (its first byte) to the length of its header."""
FREE_BLOCK_BYTES: Final = 4
"""A free block begins with the next one's place and its own length."""
LOG_HEADER, FRAME_HEADER = struct.Struct(">8xI4x8s8x"), struct.Struct(">I4x8s8x")
"""The log's: the size of a page, and its salt. A frame's: the page's number, and the salt of the log that it belongs to."""


class PageScrubber:
    """The file at `path` and the log beside it. `open` once a connection is open, `close` once all are closed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._page_bytes = self._usable_bytes = 0
        self._changed: set[int] = set()
        self._whole_file = True

    def open(self) -> None:
        """Open the file. Nothing is known of it yet, so all its pages are due. Raises `OSError`."""
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        self._whole_file = True

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = None

    @property
    def is_whole_file_due(self) -> bool:
        """Whether it is unknown which pages are due, so that all are."""
        return self._whole_file

    def require_whole_file(self) -> None:
        """Have the next `take` return every page."""
        self._whole_file = True

    def note_log(self) -> None:
        """Remember which pages the log holds. Call it before each checkpoint, between two commits."""
        try:
            log = os.open(f"{self._path}-wal", os.O_RDONLY | os.O_CLOEXEC)
            try:
                self._changed.update(_pages_in_log(log))
            finally:
                os.close(log)
        except FileNotFoundError:
            return
        except OSError:
            self._whole_file = True

    def take(self) -> list[int]:
        """Return the numbers of the due pages, in order; they are due again only when they change again."""
        size = os.fstat(self._open_descriptor()).st_size
        if size:
            self._read_header()
        pages = list(range(1, size // self._page_bytes + 1)) if self._whole_file and size else sorted(self._changed)
        self._whole_file, self._changed = False, set()
        return pages

    def scrub(self, pages: Iterable[int]) -> None:
        """Overwrite what no reader looks at in these pages. Raises `Corrupt` and `OSError`: then all are due again."""
        descriptor = self._open_descriptor()
        try:
            self._read_header()
            for number in pages:
                place = (number - 1) * self._page_bytes
                page = os.pread(descriptor, self._page_bytes, place)
                if len(page) < self._page_bytes:
                    continue  # the log has it, and the file has not grown so far
                for begin, end in unused_ranges(page, self._usable_bytes, first=number == 1):
                    if page.count(0, begin, end) != end - begin:
                        os.pwrite(descriptor, bytes(end - begin), place + begin)
        except (Corrupt, OSError):
            self._whole_file = True
            raise

    def sync(self) -> None:
        """Return when the zeros are on the disk. Raises `OSError`."""
        os.fsync(self._open_descriptor())

    def _read_header(self) -> None:
        header = os.pread(self._open_descriptor(), HEADER_BYTES, 0)
        if len(header) < HEADER_BYTES:
            raise Corrupt("a file without a header")
        (size,) = struct.unpack_from(">H", header, 16)
        (roots,) = struct.unpack_from(">I", header, 52)
        self._page_bytes = 65_536 if size == 1 else size
        self._usable_bytes = self._page_bytes - header[20]
        pages = os.fstat(self._open_descriptor()).st_size // max(self._page_bytes, 1)
        # With auto_vacuum there are pages of another kind, which nothing in them tells from these.
        if self._page_bytes < 512 or self._page_bytes & (self._page_bytes - 1) or roots or pages >= MAX_PAGES:
            raise Corrupt("a file of another kind")

    def _open_descriptor(self) -> int:
        if self._descriptor is None:
            raise Unavailable("not open")
        return self._descriptor


def _pages_in_log(log: int) -> Iterator[int]:
    """Return the pages of which the log with this descriptor holds a version that may not be in the file yet."""
    header = os.pread(log, LOG_HEADER.size, 0)
    if len(header) < LOG_HEADER.size:
        return
    page_bytes, salt = LOG_HEADER.unpack(header)
    at = LOG_HEADER.size
    while len(frame := os.pread(log, FRAME_HEADER.size, at)) == FRAME_HEADER.size:
        page, of = FRAME_HEADER.unpack(frame)
        if of != salt:
            return  # of an earlier log, not written over yet
        yield page
        at += FRAME_HEADER.size + page_bytes


def unused_ranges(page: bytes, usable: int, *, first: bool) -> list[tuple[int, int]]:
    """Return the ranges of a b-tree page that hold nothing; an empty list for any other page. Raises `Corrupt`.

    `usable`: bytes of the page that SQLite uses; `first`: page 1, whose header comes after the file's.
    """
    header = HEADER_BYTES if first else 0
    length = TREE_HEADER_BYTES.get(page[header])
    if length is None:
        return []
    block, cells, content = struct.unpack_from(">HHH", page, header + 1)
    begin, end = header + length + 2 * cells, content or 65_536
    if not begin <= end <= usable:
        raise Corrupt("a page whose cells overlap")
    ranges = [(begin, end)]
    while block:
        if not end <= block <= usable - FREE_BLOCK_BYTES:
            raise Corrupt("a free block outside its page")
        following, size = struct.unpack_from(">HH", page, block)
        if size < FREE_BLOCK_BYTES or block + size > usable:
            raise Corrupt("a free block outside its page")
        ranges.append((block + FREE_BLOCK_BYTES, block + size))
        end, block = block + size, following
    return ranges


Maintenance: TypeAlias = Callable[[SqliteConnection, PageScrubber], bool]
"""Work with the writing connection between two commits, in a thread."""

SHORT_BUSY_MS: Final = 100
"""For work during which no commit is possible, and that is tried again anyway."""
CHUNK: Final = 1 << 16
_fdatasync = getattr(os, "fdatasync", os.fsync)
"""On systems without `fdatasync`: it syncs the file's times as well."""


class WriteAheadLog:
    """The log of the database at `path`. `open` and `close` as often as the database."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._thread: ThreadPoolExecutor | None = None

    async def open(self) -> None:
        """Open the log, which exists as long as any process has the database open, and sync it. Raises `OSError`."""
        self._descriptor = os.open(f"{self._path}-wal", os.O_RDONLY | os.O_CLOEXEC)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="log")
        await self.sync()

    async def sync(self) -> None:
        """Return when everything written before is on the disk. Raises `OSError` when it may not be, now or ever."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._sync)

    def close(self) -> None:
        """Close the log."""
        if self._thread is not None:
            self._thread.shutdown()
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = self._thread = None

    def _sync(self) -> None:
        if self._descriptor is None:
            raise OSError
        _fdatasync(self._descriptor)


def checkpoint(writer: SqliteConnection, scrubber: PageScrubber) -> bool:
    """Copy the log back into the tables as far as readers let it, and begin it again; True.

    The first write after it syncs the log's new header inside its COMMIT: so that is done here, and not in the event loop.
    Raises `DatabaseError` and `OSError`.
    """
    scrubber.note_log()
    writer.fetch("PRAGMA wal_checkpoint(PASSIVE)")
    writer.execute("PRAGMA user_version = 0")
    return True


def truncate_wal(writer: SqliteConnection, scrubber: PageScrubber) -> bool:
    """Empty the write-ahead log; False while a person reads from it. Raises `DatabaseError` and `OSError`."""
    scrubber.note_log()
    writer.set_busy_timeout(SHORT_BUSY_MS)
    try:
        row = writer.fetchrow("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        writer.set_busy_timeout(0)
    return row is not None and row["busy"] == 0 and row["log"] == 0


def truncate_and_scrub(writer: SqliteConnection, scrubber: PageScrubber) -> bool:
    """Empty the log, and overwrite what deleted rows left in the changed pages; False while a reader uses the log.

    The connection drops its page cache: otherwise it would write the old bytes back with the next change. Raises
    `DatabaseError` and `OSError`.
    """
    if not truncate_wal(writer, scrubber) or scrubber.is_whole_file_due:
        return False
    scrubber.scrub(scrubber.take())
    writer.execute("PRAGMA shrink_memory")
    return True


def create(path: Path, mode: int) -> None:
    """Make a file of that mode if there is none: its name is on the disk, or a power cut takes it and all that it holds."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
    try:
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def overwrite(path: Path) -> None:
    """Fill a file with zeros where it lies, durably. None is no error."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        remaining_bytes = os.fstat(descriptor).st_size
        while remaining_bytes:
            remaining_bytes -= os.write(descriptor, bytes(min(remaining_bytes, CHUNK)))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
