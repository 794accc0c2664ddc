"""The table `matrix_waiting`: encrypted events that cannot be judged yet, as ciphertext.

Rule of this module: an event waits for its key or for its sender's devices (`needs`), until a time of its own, and is
deleted when it is read, given up or redacted. Times are milliseconds since the epoch.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from bridge.storage.database import Reader, Row, Transaction

Needs: TypeAlias = Literal["key", "device"]

_WAITING: Final = "event_id, room_id, sender, event"
_EXPIRED: Final = "(needs='key' AND deadline_ms <= $1 OR needs='device' AND deadline_ms <= $2)"


async def add(
    transaction: Transaction,
    *,
    event_id: str,
    room_id: str,
    session_id: str,
    sender: str,
    event: str,
    needs: Needs,
    deadline_ms: int,
) -> None:
    """Store an event, its JSON in `event`, after all others.

    An event that waits already keeps its place and its deadline.
    """
    await transaction.execute(
        """
        INSERT INTO matrix_waiting (event_id, room_id, session_id, sender, event, needs, arrived, deadline_ms)
        VALUES ($1, $2, $3, $4, $5, $6, (SELECT COALESCE(MAX(arrived), 0) + 1 FROM matrix_waiting), $7)
        ON CONFLICT (event_id) DO UPDATE SET needs=excluded.needs
        """,
        event_id,
        room_id,
        session_id,
        sender,
        event,
        needs,
        deadline_ms,
    )


async def of_session(reader: Reader, room_id: str, session_id: str) -> list[Row]:
    """Return `event_id`, `room_id`, `sender` and `event` of a session's events, in the order of arrival."""
    return await reader.fetch(
        f"SELECT {_WAITING} FROM matrix_waiting WHERE room_id=$1 AND session_id=$2 ORDER BY arrived",  # noqa: S608
        room_id,
        session_id,
    )


async def of_sender(reader: Reader, user_id: str) -> list[Row]:
    """Return the same for the events that wait for the devices of this sender."""
    return await reader.fetch(
        f"SELECT {_WAITING} FROM matrix_waiting WHERE sender=$1 AND needs='device' ORDER BY arrived",  # noqa: S608
        user_id,
    )


async def has_rows(reader: Reader) -> bool:
    """Whether any event waits."""
    return await reader.fetchval("SELECT 1 FROM matrix_waiting LIMIT 1") is not None


async def expired_rows(reader: Reader, *, key_ms: int, device_ms: int) -> list[Row]:
    """Return the same, and `needs`, of events whose deadline is at most `key_ms` (key) or `device_ms` (devices)."""
    query = f"SELECT {_WAITING}, needs FROM matrix_waiting WHERE {_EXPIRED} ORDER BY arrived"  # noqa: S608
    return await reader.fetch(query, key_ms, device_ms)


async def has_expired(reader: Reader, *, key_ms: int, device_ms: int) -> bool:
    """Whether there is such an event."""
    query = f"SELECT 1 FROM matrix_waiting WHERE {_EXPIRED} LIMIT 1"  # noqa: S608 - a constant
    return await reader.fetchval(query, key_ms, device_ms) is not None


async def next_key_deadline(reader: Reader) -> int | None:
    """Return the earliest deadline of an event that waits for its key, or None when none does."""
    at: int | None = await reader.fetchval("SELECT MIN(deadline_ms) FROM matrix_waiting WHERE needs='key'")
    return at


async def delete(transaction: Transaction, event_id: str) -> None:
    """Delete an event that was read, given up or redacted."""
    await transaction.execute("DELETE FROM matrix_waiting WHERE event_id=$1", event_id)


async def give_up(transaction: Transaction, event_id: str, *, room_id: str, sender: str) -> None:
    """Let an event of this sender in this room wait for nothing any more: it has expired, whatever key arrives."""
    await transaction.execute(
        """
        UPDATE matrix_waiting SET needs='key', session_id='', deadline_ms=0
        WHERE event_id=$1 AND room_id=$2 AND sender=$3
        """,
        event_id,
        room_id,
        sender,
    )


async def delete_room(transaction: Transaction, room_id: str) -> None:
    """Delete the waiting events of a room."""
    await transaction.execute("DELETE FROM matrix_waiting WHERE room_id=$1", room_id)
