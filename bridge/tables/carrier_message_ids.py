"""The tables `seen`, `sent_text` and `early_report`: what a carrier's message ids, as keyed hashes, are known for.

Rules of this module: no id stands in clear; every row ends (`until`, seconds since the epoch), past the carrier's horizon
of retries and listing. `seen` has what came before: a text by its id, a report by its status and id.
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


async def is_seen(reader: Reader, digest: bytes) -> bool:
    """Whether it came before."""
    return await reader.fetchval("SELECT until FROM seen WHERE hash = $1", digest) is not None


async def mark_seen(transaction: Transaction, digest: bytes, *, until: int) -> bool:
    """Note that it came; False when it came before."""
    query = "INSERT INTO seen (hash, until) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING until"
    return await transaction.fetchval(query, digest, until) is not None


async def find_sent_text(reader: Reader, digest: bytes) -> SentText | None:
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


async def delete_sent_texts(transaction: Transaction, owner: str) -> None:
    """Forget which texts of an owner the carrier was given."""
    await transaction.execute("DELETE FROM sent_text WHERE owner = $1", owner)
