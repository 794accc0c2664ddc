"""What the writing connection does between two commits: copies its log back, empties it, overwrites what was deleted.

Rules of this module: every function may wait for the disk, so it runs in a thread; nobody commits meanwhile, so none of
them takes longer the larger the file is; it knows no transaction and no order, which are `sqlite_database`'s.

Sources: sqlite.org/wal.html, sqlite.org/pragma.html (wal_checkpoint, shrink_memory).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from bridge.storage.page_scrubber import PageScrubber
from bridge.storage.sqlite_connection import SqliteConnection

Maintenance: TypeAlias = Callable[[SqliteConnection, PageScrubber], bool]
"""What is done with the writing connection between two commits, in a thread."""

SHORT_BUSY_MS: Final = 100
"""For what nobody may commit beside, and what is tried again anyway."""


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
    """Empty the log, and overwrite what deleted rows left in the pages that changed; False while a person reads the log.

    The connection forgets the pages that it holds in memory: it would write what they still hold with the next change.
    Raises `DatabaseError` and `OSError`.
    """
    if not truncate_wal(writer, scrubber) or scrubber.is_whole_file_due:
        return False
    scrubber.scrub(scrubber.take())
    writer.execute("PRAGMA shrink_memory")
    return True
