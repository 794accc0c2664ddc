"""Overwrites what deleted rows left in the pages of an SQLite file, without writing the file again.

`secure_delete` overwrites a row where it is deleted and a page that is freed. It leaves what a page held before its tree
was balanced: cells are packed again at the page's end, and old bytes stay before them, in the gap between the list of cells
and the first cell. No reader of the file looks into that gap.

Rules of this module: it reads pages and writes zeros into gaps and free blocks, nothing else, so an interrupted write harms
nothing; a page that does not follow the file format stops it. It works on the file as the last checkpoint left it, so it
may run during commits (they write into the log) but never during a checkpoint. Its descriptor stays open as long as a
connection of this process does: closing any descriptor of a file drops the process's locks on it (fcntl(2)). All methods
wait for the disk and are for one thread.

Sources: sqlite.org/fileformat2.html (1.3 header, 1.6 b-tree pages, 1.5 free list, 4.1 log), btree.c (`rebuildPage` leaves
the gap as it was; `defragmentPage` and `freeSpace` overwrite).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from bridge.storage.errors import Corrupt, Unavailable

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
