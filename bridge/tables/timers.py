"""The table `timer`: due times, one row for each owner and key.

Rule of this module: a row is taken or postponed only while it still has the due time that was read, because it may have
been set again in between. Times are seconds since the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass

from bridge.storage.database import Reader, Transaction


@dataclass(frozen=True, slots=True)
class Timer:
    """A timer of an owner: a thread's id, or `desk`."""

    owner: str
    key: str
    due: float


async def put(transaction: Transaction, timer: Timer, *, destroys: bool) -> None:
    """Set a timer, in place of one of that owner and key.

    `destroys`: it waits while the machine's clock is not trusted. The end of a block does so, too.
    """
    await transaction.execute(
        """INSERT INTO timer (owner, key, due, destroys) VALUES ($1, $2, $3, $4)
           ON CONFLICT (owner, key) DO UPDATE SET due = excluded.due, destroys = excluded.destroys""",
        timer.owner,
        timer.key,
        timer.due,
        destroys,
    )


async def earliest(reader: Reader, *, destroys: bool, most: int) -> list[Timer]:
    """Return up to `most` timers, due or not, of those that destroy or of those that do not: those that are due first."""
    query = "SELECT owner, key, due FROM timer WHERE destroys = $1 ORDER BY due LIMIT $2"
    return [Timer(row["owner"], row["key"], row["due"]) for row in await reader.fetch(query, destroys, most)]


async def is_set(reader: Reader, key: str) -> bool:
    """Whether a timer of that key is set for any owner."""
    return await reader.fetchval("SELECT 1 FROM timer WHERE key = $1 LIMIT 1", key) is not None


async def take(transaction: Transaction, timer: Timer) -> bool:
    """Delete a timer that fires; False when it was set to another time, or cancelled, since it was read."""
    query = "DELETE FROM timer WHERE owner = $1 AND key = $2 AND due = $3 RETURNING owner"
    return await transaction.fetchval(query, timer.owner, timer.key, timer.due) is not None


async def postpone(transaction: Transaction, timer: Timer, due: float) -> None:
    """Postpone a timer that still has the due time that was read."""
    await transaction.execute(
        "UPDATE timer SET due = $4 WHERE owner = $1 AND key = $2 AND due = $3", timer.owner, timer.key, timer.due, due
    )


async def delete(transaction: Transaction, owner: str, key: str) -> None:
    """Cancel a timer."""
    await transaction.execute("DELETE FROM timer WHERE owner = $1 AND key = $2", owner, key)


async def delete_all(transaction: Transaction, owner: str) -> None:
    """Cancel every timer of an owner."""
    await transaction.execute("DELETE FROM timer WHERE owner = $1", owner)


async def make_earlier(transaction: Transaction, key: str, *, now: int, seconds: int) -> None:
    """Move the timers of that key earlier by so many seconds, those that are due later than `now`."""
    query = "UPDATE timer SET due = due - $3 WHERE key = $1 AND due > $2"
    await transaction.execute(query, key, now, seconds)
