"""Notes in the main database how many changes `keys.db` has, so that an older copy of the file is recognised.

Rules of this module: a noted change is on the disk in `keys.db` already; each commit in the database notes the changes that
it may depend on. A file that has counted fewer changes than are noted is an older copy, or another file, and the line does
not run on it until a person allows it (`--take-over`): newer keys would be missing, and destroyed keys would exist again.

Who counts: `keys.db` itself, one for each row that is written, in the transaction of that row
(`bridge/storage/key_file.py`). The number never falls. When a person takes an older file, its number continues far above
the noted one: of two diverged files, the one that a person took counts as the newer, and the other is refused from then on.

Who notes: each commit of the main database, when the number at its end differs from the last one noted. On PostgreSQL the
statement is sent with the COMMIT, so it needs no further round trip. Texts change no key; a conversation that begins or
ends does, and so do STOP, a lock and a confirmation, whose marks are in `keys.db`. Noting with the renewal of the lease
would be up to a second late, and the key of a conversation of that second could be lost unnoticed.

What a crash between two lines leaves:

    key made, commit not made             the file is ahead of what is noted: it is no copy, and the key is an orphan
    key made, commit lost                 as above, also where the server was promoted without the last commits
    key made, commit made                 noted in that commit: a copy from before the key is refused
    key destroyed, its step not noted     the file is ahead; the step is repeated, with an older copy as well
    key destroyed, its step noted         noted in that commit: a copy that has the key is refused
    mark settled after its commit         not noted before the next commit; a copy from before it has the mark as intended
    older file taken, not noted           the file is far ahead already, and is accepted at the next start without a word
    several commits under way             made in their order; the last one made notes what all of them depend on
    a commit that fails                   what it would have noted is noted by the next one

Not recognised: a copy with as many changes as the file, which is identical to it; and any copy newer than the database,
when that was restored as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.app.line_files import RESTORE, CannotStart, stale_keys
from bridge.runtime import log
from bridge.tables import line_state

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.storage.database import Database, Reader, Snapshot, Transaction
    from bridge.storage.key_file import KeyFile
    from bridge.storage.postgres_connection import PostgresConnection

TAKEN_STEP: Final = 1 << 20
"""Added to the noted number for a file that a person took: more than the changes of the newer file that can be unnoted."""
MAX_DIGITS: Final = 18
"""Of a number that fits into a column of `keys.db`, with `TAKEN_STEP` added."""
DAMAGED_NOTE: Final = (
    "the main database: how many changes keys.db has is damaged there, so nobody can tell a copy of before from it. If "
    "you know that this keys.db is the newest one, one start with --take-over takes it. " + RESTORE + "."
)


def _number(noted: str | bytes | None) -> int:
    """Return the noted number; 0 if there is none.

    Raises `CannotStart` for a damaged value, with which no file is accepted: a damaged page of SQLite may hold bytes.
    """
    if noted is None:
        return 0
    if not (isinstance(noted, str) and noted.isdecimal() and len(noted) <= MAX_DIGITS):
        raise CannotStart([DAMAGED_NOTE])
    return int(noted)


async def read_change_count(reader: Reader) -> int:
    """Return the number of changes that the database has noted. Raises `DatabaseError` and `CannotStart`."""
    return _number(await line_state.get(reader, line_state.KEY_CHANGES))


async def read_change_count_in_schema(connection: PostgresConnection, schema: str) -> int:
    """Return the same over a connection other than the database's own. `schema`: of the main database."""
    if not await connection.has_table(f'"{schema}".line'):
        return 0
    return _number(await line_state.get_at(connection, schema, line_state.KEY_CHANGES))


def peek_change_count(snapshot: Snapshot) -> int:
    """Return the same to a verb that reads beside the bridge."""
    return _number(line_state.peek(snapshot, line_state.KEY_CHANGES))


async def check_change_count(database: Database, keys: KeyFile, path: Path, *, take_over: bool) -> None:
    """Compare the file with the noted number, and let each later commit note it. At the start, before a key is used.

    `take_over`: a person says that this file is to be used. Raises `CannotStart` for an older copy, and `DatabaseError`.
    """
    try:
        known = await read_change_count(database)
    except CannotStart:
        if not take_over:
            raise
        known = keys.changes + 1  # the noted number is unreadable: the file's number is raised above it
    if keys.changes < known:
        if not take_over:
            raise CannotStart([stale_keys(path)])
        await keys.raise_changes(known + TAKEN_STEP)
        log.event("bridge.older_keys_accepted")
    database.note_in_commits(KeyChanges(keys))


class KeyChanges:
    """Notes the number of changes of `keys.db` in a commit. See `bridge.storage.commit_queue.Note`."""

    def __init__(self, keys: KeyFile) -> None:
        self._keys = keys
        self._last_count: int | None = None

    async def add(self, transaction: Transaction) -> int | None:
        """Note the number if it differs from the last committed one, and return it; else None."""
        if (changes := self._keys.changes) == self._last_count:
            return None
        await line_state.put(transaction, line_state.KEY_CHANGES, str(changes))
        return changes

    def record_commit(self, number: int) -> None:
        """Record that the commit which notes this number has succeeded."""
        self._last_count = number
