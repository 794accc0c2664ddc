"""The tables `carrier_copy` and `copy_result`: the carrier's copies of texts, and the results of those that are settled.

Rules of this module: a copy is identified by the keyed hash of the carrier's id and the number of its row; the id itself is
sealed. Its owner is a thread, or the erasure that waits for it, or empty when the owner is unknown. Times are seconds since
the epoch. Results are counted, in fixed words, for the certificate of the owner.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final, NamedTuple

from bridge.storage.database import Reader, Transaction, placeholders
from bridge.tables.erasure_jobs import PERSON
from bridge.tables.threads import is_on_hold

REPORT_WAIT: Final = 3600.0
SHOW_WAIT: Final = 86_400.0
"""Seconds after which a copy no longer waits for a report, or for a room to show the text in."""
EARLY_REPORT_WAIT: Final = 30.0
"""Seconds in which the result of a text may follow its last report: then the copy has an owner."""
MAX_WAIT: Final = 6 * 3600.0
"""Seconds between two tries to delete a copy, at most."""
WITHOUT_ID: Final = "texts that may have reached the carrier, which told us no id"

TOGETHER: Final = 20
"""Copies that are forgotten by one statement."""
# A copy without an owner may belong to a thread on legal hold, as long as that thread has texts without an id. That is
# asked apart from the other, a look at one thread: in one condition with it each copy went through all threads.
NOT_ON_HOLD: Final = f"""NOT {is_on_hold("c.owner")} AND (c.owner <> '' OR NOT EXISTS (
        SELECT 1 FROM copy_result r WHERE r.result = '{WITHOUT_ID}' AND {is_on_hold("r.owner")}))"""  # noqa: S608 - a constant
"""SQL: the thread of a copy `c` is not on legal hold, as far as that is known."""


_ROWS: Final = ", ".join(f"(${3 * n + 1}, ${3 * n + 2}, CAST(${3 * n + 3} AS BIGINT))" for n in range(TOGETHER))
_COUNT: Final = f"""INSERT INTO copy_result (owner, result, count)
    SELECT column1, column2, column3 FROM (VALUES {_ROWS}) AS counted WHERE column1 <> ''
    ON CONFLICT (owner, result) DO UPDATE SET count = copy_result.count + excluded.count"""  # noqa: S608 - a constant
"""Counts results for so many owners; those without a name are none, and fill the list."""


class CarrierCopy(NamedTuple):
    """A copy at the carrier. `due`: when it is deleted; `noted_at`: since when it is known; `id`: sealed."""

    n: int
    hash: bytes
    id: bytes
    due: float
    tries: int
    noted_at: float


async def due_copies(reader: Reader, now: float, most: int, *, clock_distrusted: bool) -> list[CarrierCopy]:
    """Return up to `most` due copies, without those of threads on legal hold, the longest due first."""
    # While the clock is distrusted, only copies are deleted for which an erasure waits: a person asked for it, or it began
    # before.
    only = " AND EXISTS (SELECT 1 FROM erasure x WHERE x.id = c.owner)" if clock_distrusted else ""
    # One of those is never due so far ahead, unless the clock was set back since: then it is due now. Found by the ends, as
    # most copies are due in a day and wait for no end.
    rows = await reader.fetch(
        f"""SELECT n, hash, id, due, tries, noted FROM carrier_copy c WHERE due <= $1{only} AND {NOT_ON_HOLD}
            UNION ALL
            SELECT c.n, c.hash, c.id, c.due, c.tries, c.noted FROM erasure x CROSS JOIN carrier_copy c
            WHERE c.owner = x.id AND c.due > $1 + {MAX_WAIT} AND {NOT_ON_HOLD}
            ORDER BY due LIMIT $2""",  # noqa: S608 - constants
        now,
        most,
    )
    return [CarrierCopy(r["n"], bytes(r["hash"]), r["id"], r["due"], r["tries"], r["noted"]) for r in rows]


async def shown_copy(reader: Reader, owner: str, ref: str, now: float) -> CarrierCopy | None:
    """Return the copy of a text that is in its room, as due now; None if it should not be tried now.

    None: it is deleted, was tried before, or its thread is on legal hold. `ref`: as for `release_shown`.
    """
    row = await reader.fetchrow(
        f"SELECT n, hash, id, noted FROM carrier_copy c WHERE owner = $1 AND ref = $2 AND tries = 0 AND {NOT_ON_HOLD}",  # noqa: S608
        owner,
        _text_of(ref),
    )
    return None if row is None else CarrierCopy(row["n"], bytes(row["hash"]), row["id"], now, 0, row["noted"])


async def may_delete(reader: Reader, n: int) -> bool:
    """Whether a copy still exists and may be deleted: its thread is not on legal hold now."""
    query = f"SELECT 1 FROM carrier_copy c WHERE n = $1 AND {NOT_ON_HOLD}"  # noqa: S608 - a constant
    return await reader.fetchval(query, n) is not None


async def postpone(transaction: Transaction, n: int, *, tries: int, due: float) -> None:
    """Note that a copy could not be deleted, and when it is tried again."""
    await transaction.execute("UPDATE carrier_copy SET tries = $2, due = $3 WHERE n = $1", n, tries, due)


async def delete_with_results(transaction: Transaction, results: Mapping[int, str]) -> None:
    """Delete the rows of copies, and count the result of each for its owner, which may have changed during the request."""
    numbers, among = [*results], f"FROM carrier_copy WHERE n IN ({placeholders(TOGETHER)})"
    counts: Counter[tuple[str, str]] = Counter()
    for begin in range(0, len(numbers), TOGETHER):
        some = numbers[begin : begin + TOGETHER]
        # Where there are fewer, the last one fills the list: one statement is prepared, and not one for each length.
        some += [some[-1]] * (TOGETHER - len(some))
        for row in await transaction.fetch(f"SELECT n, owner {among}", *some):
            if row["owner"]:
                counts[row["owner"], results[row["n"]]] += 1
        await transaction.execute(f"DELETE {among}", *some)
    counted = [(owner, result, more) for (owner, result), more in counts.items()]
    for begin in range(0, len(counted), TOGETHER):
        rows = counted[begin : begin + TOGETHER]
        rows += [("", "", 0)] * (TOGETHER - len(rows))
        await transaction.execute(_COUNT, *(value for row in rows for value in row))


async def record(
    transaction: Transaction, *, hash_: bytes, owner: str, ref: str, sealed: bytes, due: float, now: float
) -> None:
    """Note a copy inside a commit. `due`: when it is deleted at the latest; `release_shown` makes it earlier.

    `owner` may be empty: none, or not known yet; a later call sets it.
    """
    await transaction.execute(
        """INSERT INTO carrier_copy (hash, owner, ref, id, due, noted) VALUES ($1, $2, $3, $4, $5, $6)
           ON CONFLICT (hash) DO UPDATE SET owner = excluded.owner, ref = excluded.ref WHERE carrier_copy.owner = ''""",
        hash_,
        owner,
        ref,
        sealed,
        due,
        now,
    )


async def release_shown(transaction: Transaction, owner: str, ref: str, now: float) -> None:
    """Make the copy of a text due that is in its room now, or that will never be shown.

    `ref` is `in:`, the text's id, and the number of its piece.
    """
    query = "UPDATE carrier_copy SET due = $3 WHERE owner = $1 AND ref = $2 AND due > $3 AND tries = 0"
    await transaction.execute(query, owner, _text_of(ref), now)


async def release_all_shown(transaction: Transaction, now: float) -> None:
    """Let the copies of all texts go whose first piece is on the deletion index: it is in its room."""
    await transaction.execute(
        """UPDATE carrier_copy SET due = $1 WHERE due > $1 AND tries = 0 AND EXISTS (
            SELECT 1 FROM event e WHERE e.owner = carrier_copy.owner AND e.ref = carrier_copy.ref || ':0')""",
        now,
    )


def _text_of(ref: str) -> str:
    return ref.rpartition(":")[0]


async def release_after_report(transaction: Transaction, hash_: bytes, now: float) -> None:
    """Let the copy of a text go of which the carrier has said its last.

    One that is nobody's yet waits `EARLY_REPORT_WAIT` for the text's result: its thread may be on legal hold.
    """
    query = "UPDATE carrier_copy SET due = $2 WHERE hash = $1 AND due > $2 AND tries = 0"
    await transaction.execute(f"{query} AND owner <> ''", hash_, now)
    await transaction.execute(f"{query} AND owner = ''", hash_, now + EARLY_REPORT_WAIT)


async def expedite(transaction: Transaction, owner: str, now: float) -> None:
    """Let an owner's copies go now: nothing needs them any more."""
    await transaction.execute("UPDATE carrier_copy SET due = $2 WHERE owner = $1 AND due > $2", owner, now)


async def disown(transaction: Transaction, owner: str, now: float) -> None:
    """Let an owner's copies go now, and forget whose they were."""
    await transaction.execute("UPDATE carrier_copy SET owner = '', ref = '', due = $2 WHERE owner = $1", owner, now)


async def reassign(transaction: Transaction, owner: str, to: str) -> None:
    """Give copies and results of an owner to another: of a thread to the erasure that waits for them."""
    await transaction.execute("UPDATE carrier_copy SET owner = $2 WHERE owner = $1", owner, to)
    await transaction.execute("UPDATE copy_result SET owner = $2 WHERE owner = $1", owner, to)


async def owner_of_copies(reader: Reader, thread: str) -> str:
    """Return the present owner of a thread's copies: the thread, after its end the erasure that waits for them, or none."""
    query = "SELECT id FROM thread WHERE id = $1 UNION ALL SELECT id FROM erasure WHERE subject = $1 AND kind = $2"
    return str(await reader.fetchval(query, thread, PERSON) or "")


async def has_copies(reader: Reader, owner: str) -> bool:
    """Whether an owner has a copy that is not settled."""
    return await reader.fetchval("SELECT 1 FROM carrier_copy WHERE owner = $1 LIMIT 1", owner) is not None


async def count_without_id(transaction: Transaction, owner: str, *, more: int) -> None:
    """Count `WITHOUT_ID`, for the certificate of whom the copies concern. `more` may be negative."""
    await transaction.execute(
        """INSERT INTO copy_result (owner, result, count) VALUES ($1, $2, $3)
           ON CONFLICT (owner, result) DO UPDATE SET count = copy_result.count + excluded.count""",
        owner,
        WITHOUT_ID,
        more,
    )
    if more < 0:
        query = "DELETE FROM copy_result WHERE owner = $1 AND result = $2 AND count <= 0"
        await transaction.execute(query, owner, WITHOUT_ID)


async def results_of(reader: Reader, owner: str) -> dict[str, int]:
    """Return what became of an owner's copies: how many of each result."""
    rows = await reader.fetch("SELECT result, count FROM copy_result WHERE owner = $1", owner)
    return {row["result"]: int(row["count"]) for row in rows}


async def delete_results(transaction: Transaction, owner: str) -> None:
    """Forget what became of an owner's copies."""
    await transaction.execute("DELETE FROM copy_result WHERE owner = $1", owner)
