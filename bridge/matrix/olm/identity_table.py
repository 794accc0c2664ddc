"""The tables `matrix_identity` and `matrix_earlier_device`: the device of each of our identities, and its earlier ones.

Rules of this module: an identity has one device, used `since_ms`, and `ready` once the homeserver has all of its keys. The
cursor says how far its `/sync` was committed, and the columns `heard_…` name the newest event of it, with the homeserver's
time. A row with that event and without a cursor means a rollback of the homeserver, with no sync committed since. Earlier
devices are kept with the time of their end. Times are milliseconds since the epoch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from bridge.storage.database import Reader, Row, Snapshot, Transaction


class NewestEvent(NamedTuple):
    """An event of the homeserver, and its time there in milliseconds; for an erased room only the time."""

    room_id: str
    event_id: str
    at: int


class SyncPosition(NamedTuple):
    """How far an identity's `/sync` was committed, and the newest event of it, if any."""

    cursor: str
    newest_event: NewestEvent | None


async def find(reader: Reader, user_id: str) -> Row | None:
    """Return `device_id`, `ready` and `since_ms` of an identity, or None before it was made."""
    return await reader.fetchrow("SELECT device_id, ready, since_ms FROM matrix_identity WHERE user_id=$1", user_id)


async def is_ready(reader: Reader, user_id: str) -> bool:
    """Whether the homeserver has all keys of an identity."""
    query = "SELECT 1 FROM matrix_identity WHERE user_id=$1 AND ready"
    return await reader.fetchval(query, user_id) is not None


def peek_device_id(connection: Snapshot, user_id: str) -> str | None:
    """Return the device that an identity uses, for a command beside the bridge; None before it was made."""
    device_id: str | None = connection.fetchval("SELECT device_id FROM matrix_identity WHERE user_id = $1", user_id)
    return device_id


async def insert(transaction: Transaction, user_id: str, device_id: str, *, now_ms: int) -> None:
    """Insert an identity that the homeserver does not know yet."""
    query = "INSERT INTO matrix_identity (user_id, device_id, ready, cursor, since_ms) VALUES ($1, $2, $3, $4, $5)"
    await transaction.execute(query, user_id, device_id, False, "", now_ms)


async def replace_device(transaction: Transaction, user_id: str, *, old_device: str, new_device: str, now_ms: int) -> None:
    """Give an identity a device that the homeserver does not know yet; the previous one becomes an earlier one of ours."""
    query = """INSERT INTO matrix_earlier_device (user_id, device_id, at_ms) VALUES ($1, $2, $3)
           ON CONFLICT (user_id, device_id) DO UPDATE SET at_ms=excluded.at_ms"""
    await transaction.execute(query, user_id, old_device, now_ms)
    query = "UPDATE matrix_identity SET device_id=$2, ready=$3, since_ms=$4 WHERE user_id=$1"
    await transaction.execute(query, user_id, new_device, False, now_ms)


async def set_ready(transaction: Transaction, user_id: str) -> None:
    """Note that the homeserver has all keys of an identity."""
    await transaction.execute("UPDATE matrix_identity SET ready=$2 WHERE user_id=$1", user_id, True)


async def cursor(reader: Reader, user_id: str) -> str | None:
    """Return how far an identity's `/sync` was committed."""
    since: str | None = await reader.fetchval("SELECT cursor FROM matrix_identity WHERE user_id=$1", user_id)
    return since


async def get_sync_position(reader: Reader, user_id: str) -> SyncPosition | None:
    """Return how far an identity's `/sync` was committed; None before it was made."""
    query = "SELECT cursor, heard_room, heard_event, heard_ms FROM matrix_identity WHERE user_id=$1"
    row: Any = await reader.fetchrow(query, user_id)
    if row is None:
        return None
    heard = NewestEvent(row["heard_room"], row["heard_event"], row["heard_ms"]) if row["heard_ms"] else None
    return SyncPosition(row["cursor"], heard)


async def end_cursor(transaction: Transaction, user_id: str, *, heard_ms: int | None = None) -> None:
    """Have the next sync use no cursor; after a rollback, `heard_ms` is the time of the newest event that we know."""
    query = "UPDATE matrix_identity SET cursor='', heard_ms=COALESCE($2, heard_ms) WHERE user_id=$1"
    await transaction.execute(query, user_id, heard_ms)


async def set_cursor(transaction: Transaction, user_id: str, next_batch: str, heard: NewestEvent | None) -> None:
    """Note how far this commit brings an identity's `/sync`, and its newest event.

    The stored time is the latest of all events so far.
    """
    if heard is None:
        await transaction.execute("UPDATE matrix_identity SET cursor=$2 WHERE user_id=$1", user_id, next_batch)
        return
    query = """UPDATE matrix_identity SET cursor=$2, heard_room=$3, heard_event=$4,
           heard_ms = CASE WHEN heard_ms > $5 THEN heard_ms ELSE $5 END WHERE user_id=$1"""
    await transaction.execute(query, user_id, next_batch, *heard)


async def forget_room(transaction: Transaction, room_id: str) -> None:
    """Delete room and id of the newest event if its room is being erased; its time stays."""
    query = "UPDATE matrix_identity SET heard_room='', heard_event='' WHERE heard_room=$1"
    await transaction.execute(query, room_id)


async def earlier_devices(reader: Reader, user_id: str) -> dict[str, int]:
    """Return the devices that an identity used before, each with the time of its end."""
    rows = await reader.fetch("SELECT device_id, at_ms FROM matrix_earlier_device WHERE user_id=$1", user_id)
    return {row["device_id"]: int(row["at_ms"]) for row in rows}
