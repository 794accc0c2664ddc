"""The tables `sent_text` and `early_report`: which text of ours a carrier's id belongs to, and reports that came before.

Rule of this module: a carrier's id stands here as a keyed hash, and until a time in seconds since the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bot.model.events import Outcome
from bridge.storage.database import Reader, Transaction, earlier

ID_RETENTION: Final = 8 * 86_400
"""How long carriers' ids are remembered, in seconds: longer than any of them retries or lists."""


@dataclass(frozen=True, slots=True)
class SentTextRow:
    """Which text of whom an id belongs to. `unknown`: nobody knows whether it left."""

    owner: str
    ref: str
    unknown: bool


@dataclass(frozen=True, slots=True)
class EarlyReport:
    """What a carrier reported of a text whose id we did not know yet. `code`: the carrier's."""

    outcome: Outcome
    code: str


async def record(transaction: Transaction, digest: bytes, text: SentTextRow, *, until: int) -> None:
    """Note which text an id belongs to, if that is not noted."""
    await transaction.execute(
        """INSERT INTO sent_text (hash, owner, ref, unknown, until) VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT DO NOTHING""",
        digest,
        text.owner,
        text.ref,
        int(text.unknown),
        until,
    )


async def is_recorded(reader: Reader, digest: bytes) -> bool:
    """Whether an id belongs to a text of ours."""
    return await reader.fetchval("SELECT 1 FROM sent_text WHERE hash = $1", digest) is not None


async def find(reader: Reader, digest: bytes) -> SentTextRow | None:
    """Return the text of ours that an id belongs to, or None while that is not known."""
    row = await reader.fetchrow("SELECT owner, ref, unknown FROM sent_text WHERE hash = $1", digest)
    return None if row is None else SentTextRow(row["owner"], row["ref"], bool(row["unknown"]))


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


async def take_early_report(transaction: Transaction, digest: bytes) -> EarlyReport | None:
    """Return what was reported of an id before it was known, and forget it."""
    row = await transaction.fetchrow("DELETE FROM early_report WHERE hash = $1 RETURNING outcome, code", digest)
    return None if row is None else EarlyReport(Outcome(row["outcome"]), row["code"])


async def delete_all(transaction: Transaction, owner: str) -> None:
    """Forget which texts of an owner the carrier was given."""
    await transaction.execute("DELETE FROM sent_text WHERE owner = $1", owner)


async def count_unknown(reader: Reader) -> int:
    """Return of how many texts nobody knows whether they left."""
    return int(await reader.fetchval("SELECT COUNT(*) FROM sent_text WHERE unknown = 1"))


async def delete_expired(transaction: Transaction, now: int) -> None:
    """Delete the rows of both tables whose time is over."""
    await transaction.execute("DELETE FROM sent_text WHERE until < $1", now)
    await transaction.execute("DELETE FROM early_report WHERE until < $1", now)


async def bring_back(transaction: Transaction, *, until: int, seconds: int) -> None:
    """Let rows that stand for longer than `until` stand for so many seconds less."""
    query = f"UPDATE sent_text SET {earlier('until')} WHERE until > $1"  # noqa: S608 - a constant
    await transaction.execute(query, until, seconds)
    query = f"UPDATE early_report SET {earlier('until')} WHERE until > $1"  # noqa: S608 - a constant
    await transaction.execute(query, until, seconds)


async def bring_forward(transaction: Transaction, *, seconds: int) -> None:
    """Let rows stand for so many seconds longer."""
    await transaction.execute("UPDATE sent_text SET until = until + $1", seconds)
    await transaction.execute("UPDATE early_report SET until = until + $1", seconds)
