"""A part of a commit that may fail alone.

Rule of this module: what failed leaves nothing in the commit, and what stood before it and comes after it is kept. When the
database itself cannot write (`Unavailable`), all of the commit fails, because then nothing that comes after would be kept
either.

Source: sqlite.org/lang_savepoint.html; postgresql.org/docs/current/sql-savepoint.html (the same three statements).
"""

from __future__ import annotations

from bridge.storage.database import Transaction, Work
from bridge.storage.errors import Unavailable


async def attempt(transaction: Transaction, work: Work[None]) -> Exception | None:
    """Run `work` inside the commit; return what it raised, and then nothing of it is kept, or None.

    Raises `Unavailable` and `OSError`, after which the commit cannot go on.
    """
    await transaction.execute("SAVEPOINT attempt")
    failed: Exception | None = None
    try:
        await work(transaction)
    except (Unavailable, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever a bug raises, the rest of the commit goes on without this part
        failed = error
        await transaction.execute("ROLLBACK TO SAVEPOINT attempt")
    await transaction.execute("RELEASE SAVEPOINT attempt")
    return failed
