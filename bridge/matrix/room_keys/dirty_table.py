"""The table `matrix_dirty`: users who are due a fresh device list, if theirs is stale, and then every key.

Rule of this module: a mark has a count, and its removal names the count that was read, so that a mark that is set meanwhile
is not lost. Times are milliseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Iterable

from bridge.matrix.rooms.room_state import KEY_MEMBERSHIPS
from bridge.storage.database import Reader, Transaction


async def mark(transaction: Transaction, user_id: str, *, due_ms: int, stale: bool) -> None:
    """Mark a user dirty, due at that time; `stale`: their device list is not used before it is queried."""
    await transaction.execute(
        """
        INSERT INTO matrix_dirty (user_id, mark, stale, due_ms) VALUES ($1, 1, $3, $2)
        ON CONFLICT (user_id) DO UPDATE SET
        mark=matrix_dirty.mark + 1,
        stale=(matrix_dirty.stale OR excluded.stale),
        due_ms=CASE WHEN matrix_dirty.due_ms < excluded.due_ms THEN matrix_dirty.due_ms ELSE excluded.due_ms END
        """,
        user_id,
        due_ms,
        stale,
    )


async def mark_queried(transaction: Transaction, marks: Iterable[tuple[str, int]]) -> None:
    """Note that the list is fresh, unless the user was marked again meanwhile; keys are still due."""
    for user_id, count in marks:
        await transaction.execute("UPDATE matrix_dirty SET stale=$3 WHERE user_id=$1 AND mark=$2", user_id, count, False)


async def postpone(transaction: Transaction, marks: Iterable[tuple[str, int]], *, due_ms: int) -> None:
    """Postpone these marks, of users who are not done with, unless they were marked again meanwhile."""
    for user_id, count in marks:
        await transaction.execute("UPDATE matrix_dirty SET due_ms=$3 WHERE user_id=$1 AND mark=$2", user_id, count, due_ms)


async def clear(transaction: Transaction, marks: Iterable[tuple[str, int]]) -> None:
    """Remove these marks, unless the user was marked again meanwhile."""
    for user_id, count in marks:
        await transaction.execute("DELETE FROM matrix_dirty WHERE user_id=$1 AND mark=$2", user_id, count)


async def clear_outsiders(transaction: Transaction, marks: Iterable[tuple[str, int]]) -> None:
    """Remove the marks of users who are neither in a room of ours nor invited, unless they were marked again meanwhile."""
    for user_id, count in marks:
        await transaction.execute(
            f"""
            DELETE FROM matrix_dirty WHERE user_id=$1 AND mark=$2 AND NOT EXISTS (
                SELECT 1 FROM matrix_member m WHERE m.user_id=$1 AND m.membership IN {KEY_MEMBERSHIPS})
            """,  # noqa: S608 - a constant
            user_id,
            count,
        )


async def is_stale(reader: Reader, user_id: str) -> bool:
    """Whether the user's devices must be queried before they are used."""
    return await reader.fetchval("SELECT 1 FROM matrix_dirty WHERE user_id=$1 AND stale", user_id) is not None


async def due_marks(reader: Reader, now_ms: int, most: int) -> list[tuple[str, int]]:
    """Return up to `most` users who are due now, each with the mark's count; the longest due first."""
    rows = await reader.fetch(
        "SELECT user_id, mark FROM matrix_dirty WHERE due_ms <= $1 ORDER BY due_ms LIMIT $2", now_ms, most
    )
    return [(row["user_id"], row["mark"]) for row in rows]


async def next_due(reader: Reader) -> int | None:
    """Return when the next user is due, or None when nobody is dirty."""
    at: int | None = await reader.fetchval("SELECT MIN(due_ms) FROM matrix_dirty")
    return at
