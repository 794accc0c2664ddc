"""The table `matrix_wedged`: devices whose Olm session with one of our identities must be replaced.

Rule of this module: a row is open until a new session is begun, and is then kept for a while, so that no other is begun at
once. The number of rows of one identity is limited. Times are milliseconds since the epoch.
"""

from __future__ import annotations

from bridge.storage.database import Reader, Transaction, earlier


async def open_of(reader: Reader, identity: str) -> list[tuple[str, str]]:
    """Return (user id, identity key) of devices that need a new Olm session."""
    rows = await reader.fetch("SELECT user_id, sender_key FROM matrix_wedged WHERE identity=$1 AND open", identity)
    return [(row["user_id"], row["sender_key"]) for row in rows]


async def record(
    transaction: Transaction, identity: str, user_id: str, sender_key: str, *, now_ms: int, kept_ms: int, most: int
) -> None:
    """Note a device, if it is not noted and fewer than `most` are; rows with a new session are deleted after `kept_ms`."""
    await transaction.execute(
        "DELETE FROM matrix_wedged WHERE identity=$1 AND NOT open AND since_ms < $2", identity, now_ms - kept_ms
    )
    count = int(await transaction.fetchval("SELECT COUNT(*) FROM matrix_wedged WHERE identity=$1", identity))
    if count < most:
        await transaction.execute(
            """
            INSERT INTO matrix_wedged (identity, user_id, sender_key, since_ms, open)
            VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
            """,
            identity,
            user_id,
            sender_key,
            now_ms,
            True,
        )


async def mark_recovered(transaction: Transaction, identity: str, user_id: str, sender_key: str) -> None:
    """Note that a new session was begun."""
    query = "UPDATE matrix_wedged SET open=$4 WHERE identity=$1 AND user_id=$2 AND sender_key=$3"
    await transaction.execute(query, identity, user_id, sender_key, False)


async def delete_all(transaction: Transaction, identity: str) -> None:
    """Delete every row of an identity whose own device is replaced: the sessions with it are gone."""
    await transaction.execute("DELETE FROM matrix_wedged WHERE identity=$1", identity)


async def make_times_earlier(transaction: Transaction, *, latest_ms: int, by_ms: int) -> None:
    """Make times after `latest_ms` earlier by `by_ms`."""
    query = f"UPDATE matrix_wedged SET {earlier('since_ms')} WHERE since_ms > $1"  # noqa: S608 - a constant
    await transaction.execute(query, latest_ms, by_ms)
