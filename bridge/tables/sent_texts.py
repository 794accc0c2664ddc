"""The tables `sent_text` and `early_report`: the text of ours for each carrier's id, and reports that came before it.

Rule of this module: a carrier's id is stored as a keyed hash, until a time in seconds since the epoch. A text whose id we
do not know is stored by our reference (`Carrier.send`) in its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bot.model.events import Outcome
from bridge.storage.database import Reader, Transaction

ID_RETENTION: Final = 8 * 86_400
"""How long carriers' ids are remembered, in seconds: longer than any of them retries or lists."""


@dataclass(frozen=True, slots=True)
class SentTextRow:
    """The text and the owner that an id belongs to. `unknown`: it is not known whether the text left."""

    owner: str
    ref: str
    unknown: bool


@dataclass(frozen=True, slots=True)
class EarlyReport:
    """A carrier's report of a text whose id was not known yet. `code`: the carrier's."""

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
    """Return the text of ours for an id, or None while it is unknown."""
    row = await reader.fetchrow("SELECT owner, ref, unknown FROM sent_text WHERE hash = $1", digest)
    return None if row is None else SentTextRow(row["owner"], row["ref"], bool(row["unknown"]))


async def give_id(transaction: Transaction, reference: bytes, digest: bytes) -> None:
    """Note the carrier's id of a text that was known by its reference only."""
    await transaction.execute("UPDATE sent_text SET hash = $2 WHERE hash = $1", reference, digest)


async def settle(transaction: Transaction, digest: bytes) -> None:
    """Note that it is not unknown any more whether a text left."""
    await transaction.execute("UPDATE sent_text SET unknown = 0 WHERE hash = $1", digest)


async def put_early_report(transaction: Transaction, digest: bytes, *, outcome: Outcome, code: str, until: int) -> None:
    """Keep a report that came before its text's result.

    A final one takes the place of one that says `accepted`, and `delivered` that of a failure: the phone has it.
    """
    await transaction.execute(
        """INSERT INTO early_report (hash, outcome, code, until) VALUES ($1, $2, $3, $4)
           ON CONFLICT (hash) DO UPDATE SET outcome = excluded.outcome, code = excluded.code
           WHERE early_report.outcome = $5 OR excluded.outcome = $6""",
        digest,
        outcome.value,
        code,
        until,
        Outcome.ACCEPTED.value,
        Outcome.DELIVERED.value,
    )


async def take_early_report(transaction: Transaction, digest: bytes) -> EarlyReport | None:
    """Return the reports for an id that came before it was known, and delete them."""
    row = await transaction.fetchrow("DELETE FROM early_report WHERE hash = $1 RETURNING outcome, code", digest)
    return None if row is None else EarlyReport(Outcome(row["outcome"]), row["code"])


async def delete_all(transaction: Transaction, owner: str) -> None:
    """Delete the rows of an owner's texts that the carrier was given."""
    await transaction.execute("DELETE FROM sent_text WHERE owner = $1", owner)


async def count_unknown(reader: Reader) -> int:
    """Return the number of texts of which it is not known whether they left."""
    return int(await reader.fetchval("SELECT COUNT(*) FROM sent_text WHERE unknown = 1"))


async def delete_expired(transaction: Transaction, now: int) -> None:
    """Delete the remembered texts whose time is over."""
    await transaction.execute("DELETE FROM sent_text WHERE until < $1", now)


async def delete_expired_reports(transaction: Transaction, now: int) -> None:
    """Delete the early reports whose time is over."""
    await transaction.execute("DELETE FROM early_report WHERE until < $1", now)
