"""Gives values of a wrong storage class one of their column's, at the start: SQLite stores any value in any column.

Rules of this module: a damaged page may hold a text where a number should be. Such a row was in no result of a query that
asks for the number, or raised where rows are read together, and then nothing else was handled either. From here on it is a
row like any other: a text or sealed body that is not the one that was written opens nothing, which is handled row by row
(a dead letter). A number becomes what loses no text, lifts no hold and frees no data from their erasure. Other tables are
read one row at a time, or have a reader that knows damage (`suppression`).

Source: sqlite.org/datatype3.html ("Storage Classes and Datatypes"). PostgreSQL stores no other type.
"""

from __future__ import annotations

from typing import Final

from bridge.storage.database import Dialect, Transaction

_NOW: Final = "0"
"""A time that is long past: what waits for it is done at once. A timer that fires early is checked against its subject."""
_WEEK: Final = "604800"
"""Seconds for clients to learn that a room is gone: its content and keys are gone before that wait."""
NUMBERS: Final = {
    "inbox": {"of_people": "FALSE"},
    "outbox": {"created": _NOW},
    "timer": {"due": _NOW, "destroys": "TRUE"},
    "thread": {"legal_hold": "TRUE", "screened": "TRUE", "in_flood": "0"},
    "event": {"at": _NOW, "expires": "NULL", "state": "FALSE", "gone": "FALSE", "refused": "NULL"},
    "erasure": {"due": _NOW, "grace": _WEEK, "began": _NOW, "tries": "0"},
    "carrier_copy": {"due": _NOW, "tries": "0", "noted": _NOW},
    "dead_letter": {"at": _NOW},
    "revealed": {"granted": _NOW, "until": _NOW},
    "desk": {},
    "line": {},
    "warm_room": {},
}
"""What a number or flag becomes that is none, by table and column."""
_CLASSES: Final = {"TEXT": ("'text'", "TEXT"), "BLOB": ("'blob'", "BLOB"), "DOUBLE PRECISION": ("'integer', 'real'", "")}


async def restore(transaction: Transaction) -> int:
    """Replace every value of a wrong class; return how many there were."""
    if transaction.dialect is not Dialect.SQLITE:
        return 0
    count = 0
    for table, numbers in NUMBERS.items():
        replacements = {}
        for column in await transaction.fetch('SELECT name, type, "notnull" FROM pragma_table_info($1)', table):
            name = column["name"]
            stored, cast = _CLASSES.get(column["type"], ("'integer'", ""))
            allowed = stored if column["notnull"] else f"{stored}, 'null'"
            value = f"CAST(COALESCE({name}, '') AS {cast})" if cast else numbers.get(name)
            if value is not None:  # the key of a row, which SQLite keeps a number, has none
                replacements[f"typeof({name}) NOT IN ({allowed})"] = f"{name} = {value}"
        # Nearly always there is none: a table is read once, and not once for each column.
        if await transaction.fetchval(f"SELECT 1 FROM {table} WHERE {' OR '.join(replacements)} LIMIT 1") is None:  # noqa: S608 - constants and names of ours
            continue
        for condition, replacement in replacements.items():
            # A value that would then be another row's key stays as it is.
            await transaction.execute(f"UPDATE OR IGNORE {table} SET {replacement} WHERE {condition}")  # noqa: S608 - as above
            count += int(await transaction.fetchval("SELECT changes()"))
    return count
