"""The table `revealed`: the messages in offices that show a number, each with the time of its redaction.

Rule of this module: a row is deleted by the commit that follows the redaction of its message, and by nothing else.
"""

from __future__ import annotations

from typing import NamedTuple

from bridge.storage.database import Reader, Transaction


class RevealedNumber(NamedTuple):
    """A message that shows a number. `granted_at`, `until`: seconds since the epoch."""

    event_id: str
    room_id: str
    granted_at: int
    until: float


async def record(transaction: Transaction, shown: RevealedNumber) -> None:
    """Note a message that shows a number, if it is not noted."""
    await transaction.execute(
        """INSERT INTO revealed (event_id, room_id, granted, until) VALUES ($1, $2, $3, $4)
           ON CONFLICT DO NOTHING""",
        *shown,
    )


async def all_shown(reader: Reader) -> list[RevealedNumber]:
    """Return every message that shows a number."""
    rows = await reader.fetch("SELECT event_id, room_id, granted, until FROM revealed")
    return [RevealedNumber(row["event_id"], row["room_id"], row["granted"], row["until"]) for row in rows]


async def postpone(transaction: Transaction, event_id: str, until: float) -> None:
    """Note when the redaction of a message is tried again."""
    await transaction.execute("UPDATE revealed SET until = $2 WHERE event_id = $1", event_id, until)


async def make_due(transaction: Transaction) -> None:
    """Have every message that shows a number redacted now."""
    await transaction.execute("UPDATE revealed SET until = 0")


async def delete(transaction: Transaction, event_id: str) -> None:
    """Forget a message that is redacted."""
    await transaction.execute("DELETE FROM revealed WHERE event_id = $1", event_id)
