"""The tables `sent_text` and `early_report`: which text of ours a carrier's id belongs to, and reports that came before.

Rule of this module: a carrier's id stands here as a keyed hash, and until a time in seconds since the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.model.events import Outcome
from bridge.storage.database import Reader, Transaction


@dataclass(frozen=True, slots=True)
class SentText:
    """Which text of whom an id belongs to. `unknown`: nobody knows whether it left."""

    owner: str
    ref: str
    unknown: bool


async def find(reader: Reader, digest: bytes) -> SentText | None:
    """Return the text of ours that an id belongs to, or None while that is not known."""
    row = await reader.fetchrow("SELECT owner, ref, unknown FROM sent_text WHERE hash = $1", digest)
    return None if row is None else SentText(row["owner"], row["ref"], bool(row["unknown"]))


async def put_early_report(transaction: Transaction, digest: bytes, *, outcome: Outcome, code: str, until: int) -> None:
    """Keep a report that came before its text's result. A final one takes the place of one that says `accepted`."""
    await transaction.execute(
        """INSERT INTO early_report (hash, outcome, code, until) VALUES ($1, $2, $3, $4)
           ON CONFLICT (hash) DO UPDATE SET outcome = excluded.outcome, code = excluded.code
           WHERE early_report.outcome = $5""",
        digest,
        outcome.value,
        code,
        until,
        Outcome.ACCEPTED.value,
    )


async def delete_all(transaction: Transaction, owner: str) -> None:
    """Forget which texts of an owner the carrier was given."""
    await transaction.execute("DELETE FROM sent_text WHERE owner = $1", owner)
