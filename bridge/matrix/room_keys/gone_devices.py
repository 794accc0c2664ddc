"""The table `matrix_gone_device`: devices that a later device list lacked, so that they are never trusted again.

Rules of this module: a device is identified by its signing key, because another device may get its id later. After a
rollback the homeserver has signed-out devices again, with a valid token and signed by the same identity: such a device gets
no key, and its owner signs in again. For each user the newest rows are kept.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from bridge.storage.database import Reader, Transaction, earlier

MOST_KEPT: Final = 200
"""Devices kept for one user: a person has a few in a year, the canary a new one for each of its texts."""


async def record(transaction: Transaction, user_id: str, keys: Collection[str], *, now_ms: int) -> None:
    """Note the Ed25519 keys (unpadded base64) of a user's gone devices."""
    for key in sorted(keys):
        await transaction.execute(
            """
            INSERT INTO matrix_gone_device (user_id, ed25519, at_ms) VALUES ($1, $2, $3)
            ON CONFLICT (user_id, ed25519) DO UPDATE SET at_ms=excluded.at_ms
            """,
            user_id,
            key,
            now_ms,
        )
    if keys:
        await transaction.execute(
            """DELETE FROM matrix_gone_device WHERE user_id=$1 AND ed25519 NOT IN (
                   SELECT ed25519 FROM matrix_gone_device WHERE user_id=$1 ORDER BY at_ms DESC, ed25519 LIMIT $2)""",
            user_id,
            MOST_KEPT,
        )


async def of_user(reader: Reader, user_id: str) -> set[str]:
    """Return the Ed25519 keys of a user's gone devices."""
    rows = await reader.fetch("SELECT ed25519 FROM matrix_gone_device WHERE user_id=$1", user_id)
    return {row["ed25519"] for row in rows}


async def make_times_earlier(transaction: Transaction, *, latest_ms: int, by_ms: int) -> None:
    """Make times after `latest_ms` earlier by `by_ms`."""
    query = f"UPDATE matrix_gone_device SET {earlier('at_ms')} WHERE at_ms > $1"  # noqa: S608 - a constant
    await transaction.execute(query, latest_ms, by_ms)
