"""Notes which version of this program ran last on a line, and the names of what it stores sealed.

Rules of this module: a program that lacks one of these names does not start. It would drop a field that a newer one stored,
such as a lock, with the next change of its thread, and could not read a newer one's events. A version that stores nothing
else may be replaced by an earlier one. The note is in the main database, and written only when everything else of a start
was checked: a bridge that is refused changes nothing.
"""

from __future__ import annotations

import json

from bridge.app.line_files import SERVER, CannotStart
from bridge.matrix.schema import MAIN_MIGRATIONS
from bridge.runtime.program import own_version
from bridge.storage import serialization
from bridge.storage.database import Database, Reader, Snapshot, Transaction
from bridge.storage.errors import DatabaseError
from bridge.storage.postgres_connection import PostgresPlace, connect
from bridge.tables import line_state, schema


async def require_known_names(database: Reader, place: str) -> None:
    """Raise `CannotStart` when the last program may have stored what this one does not know. `place`: of the database."""
    stored, last = [await line_state.get(database, name) for name in (line_state.SEALED_NAMES, line_state.PROGRAM)]
    if problem := _problem(stored, last, place):
        raise CannotStart([problem])


async def require_use_as_standby(place: PostgresPlace) -> None:
    """Raise `CannotStart` or `UnsupportedSchema` when this program could not lead that line; in doubt, it may wait."""
    try:
        connection = await connect(place, read_only=True)
    except DatabaseError:
        return  # the wait reports it, and all is checked once more when it leads
    try:
        for each in (schema.MIGRATIONS, *MAIN_MIGRATIONS):
            if await connection.has_table(each.version_table):
                await each.require_not_newer(connection)
        if await connection.has_table("line"):
            await require_known_names(connection, SERVER)
    finally:
        await connection.close()


def peek_problem(snapshot: Snapshot, place: str) -> str | None:
    """Return the same sentence to a verb that reads beside the bridge; None when a start is not refused."""
    return _problem(line_state.peek(snapshot, line_state.SEALED_NAMES), peek_version(snapshot), place)


def _problem(stored: str | None, last: str | None, place: str) -> str | None:
    if _parse(stored) <= serialization.names() | serialization.FORMER_NAMES:
        return None
    reason = f"{last} of this program ran here last, and this one, {own_version()}, would lose a part of what it stored"
    return f"{place}: version {reason}. Use {last}, or a newer one; nothing was changed"


async def record(database: Database) -> None:
    """Note this version and its names, where others are noted."""
    note = {
        line_state.PROGRAM: own_version(),
        line_state.SEALED_NAMES: json.dumps(sorted(serialization.names())),
    }
    if all([await line_state.get(database, name) == value for name, value in note.items()]):
        return

    async def commit(transaction: Transaction) -> None:
        for name, value in note.items():
            await line_state.put(transaction, name, value)

    await database.commit(commit)


def peek_version(snapshot: Snapshot) -> str | None:
    """Return the version that ran last, to a verb that reads beside the bridge; None when it was not noted."""
    return line_state.peek(snapshot, line_state.PROGRAM)


def peek_adds_names(snapshot: Snapshot) -> bool:
    """Whether this program may store what the last one does not know; False when it was not noted."""
    stored = _parse(line_state.peek(snapshot, line_state.SEALED_NAMES))
    return bool(stored) and not serialization.names() <= stored


def _parse(stored: str | None) -> set[str]:
    """Return the noted names; none when the note is missing or damaged."""
    try:
        return {str(name) for name in json.loads(stored or "[]")}
    except (ValueError, TypeError):
        return set()
