"""Times in the tables of `bridge/matrix` that a wrong clock stamped, brought back once the clock is right.

Rules of this module: as in `bridge/tables/clock_trust.py`. A session that seems to have begun in a year is not changed for
another one for a year, and a key that was asked for then is not sent again before.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from bridge.storage.database import Transaction

MINUTES_MS: Final = 3_600_000
DAYS_MS: Final = 8 * 86_400_000
MAIN: Final = (
    ("matrix_heard", "at_ms", 0),
    ("matrix_seen_identity", "queried_ms", 0),
    ("matrix_dirty", "due_ms", MINUTES_MS),
    ("matrix_session", "begun_ms", 0),
    ("matrix_sent", "again_ms", 0),
    ("matrix_inbound", "learned_ms", 0),
    ("matrix_waiting", "deadline_ms", MINUTES_MS),
    ("matrix_upload", "at_ms", 0),
    ("matrix_upload", "due_ms", DAYS_MS),
)
"""Table, column, and by how many milliseconds a right time can lie ahead."""
IDENTITY: Final = (("matrix_wedged", "since_ms", 0), ("matrix_earlier_device", "at_ms", DAYS_MS))
"""The same for what each of the two identities has in its own database; the policy bot's is the main one."""
SKEW_MS: Final = 120_000


async def bring_back(
    transaction: Transaction, columns: tuple[tuple[str, str, int], ...], *, now: float, seconds: int
) -> None:
    """Bring each of these times back that lies further ahead than it can, by so many seconds; at most to its limit."""
    for table, column, ahead in columns:
        await transaction.execute(
            f"""UPDATE {table} SET {column} = CASE WHEN {column} - $2 > $1 THEN $1 ELSE {column} - $2 END
                WHERE {column} > $1""",  # noqa: S608 - names from above
            int(now * 1000) + SKEW_MS + ahead,
            seconds * 1000,
        )


async def bring_back_identity(transaction: Transaction, *, now: float, seconds: int) -> None:
    """Bring the times of an identity's own database back."""
    await bring_back(transaction, IDENTITY, now=now, seconds=seconds)
    await _bring_sessions_back(transaction, now, seconds)


async def bring_back_main(transaction: Transaction, *, now: float, seconds: int) -> None:
    """Bring the times of `bridge/matrix` in the main database back, the policy bot's own among them."""
    await bring_back(transaction, MAIN, now=now, seconds=seconds)
    await bring_back_identity(transaction, now=now, seconds=seconds)


async def _bring_sessions_back(transaction: Transaction, now: float, seconds: int) -> None:
    """Bring the times of Olm sessions back: the one that was used last is used, which must not be an old one for a year."""
    # As `Session` writes them: without a time zone, in that of the machine.
    latest, by = datetime.fromtimestamp(now + SKEW_MS / 1000), timedelta(seconds=seconds)  # noqa: DTZ006 - see above
    query = "SELECT account_id, session_id, created_at, last_encrypted, last_decrypted FROM crypto_olm_session"
    for row in await transaction.fetch(query):
        times = [datetime.fromisoformat(row[name]) for name in ("created_at", "last_encrypted", "last_decrypted")]
        if max(times) > latest:
            back = [(at - by if at > latest else at).isoformat(sep=" ", timespec="microseconds") for at in times]
            await transaction.execute(
                """UPDATE crypto_olm_session SET created_at = $3, last_encrypted = $4, last_decrypted = $5
                   WHERE account_id = $1 AND session_id = $2""",
                row["account_id"],
                row["session_id"],
                *back,
            )
