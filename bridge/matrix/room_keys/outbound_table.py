"""The tables `matrix_session`, `matrix_sent` and `matrix_withheld`: our Megolm sessions, and which device has their keys.

Rules of this module: one of an identity's sessions in a room is active, and only that one has a ratchet; a retired session
never gets one again, and its first key stays for newcomers. A session of desk or office is deleted once none of its
messages is left on the deletion index, a thread's session with its room; the rows about devices are deleted with their
session. The caller seals keys; `matrix_withheld` has the devices that were told that they get no key. Times are
milliseconds since the epoch.

A row of `matrix_sent` is written before the key is sent, as owed: so a device that loses its trust meanwhile, or while the
bridge is dead, ends the session, and a key whose delivery was not noted goes again. `mark` counts how often the key was
asked for: a delivery clears `owed` only with the count that was read before the key was encrypted.

The messages of a session are identified by time: from its begin until its successor's, plus a minute for messages that were
being sent. Newcomers cannot read an event that is noted even later, after a crash; no session is kept longer for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bridge.matrix.room_keys.confirmed_identities import DEVICE_COLUMNS, TRUSTED
from bridge.matrix.rooms.room_state import KEY_MEMBERSHIPS, LIVES_ON
from bridge.storage.database import Reader, Row, Transaction, placeholders
from bridge.storage.vault import PASSING_PREFIX, passing_owner_of

JUST_SENT_MS: Final = 60_000

_SENT_KEYS_OF: Final = """user_id=$1 AND device_id=$2
    AND session_id IN (SELECT session_id FROM matrix_session WHERE user_id=$3)"""
"""SQL: the keys of one of our identities that a device has."""

_WHERE_MEMBER: Final = f"""EXISTS (
    SELECT 1 FROM matrix_member m
    WHERE m.room_id = s.room_id AND m.user_id = d.user_id AND m.membership IN {KEY_MEMBERSHIPS}
)"""  # noqa: S608 - constants only
_NOT_SENT: Final = "AND (x.session_id IS NULL OR x.owed)"

# Any event of the room in that time keeps the session, also those of others; except the board and cards, no event stays
# there for more than a day.
_DELETE_RETIRED: Final = f"""
    DELETE FROM matrix_session WHERE NOT active
    AND room_id IN (SELECT room_id FROM matrix_room WHERE kind <> 'thread')
    AND NOT EXISTS (
        SELECT 1 FROM event e WHERE e.room_id = matrix_session.room_id AND NOT e.state AND e.at >= matrix_session.begun_ms
        AND e.at <= COALESCE((
            SELECT MIN(s.begun_ms) FROM matrix_session s WHERE s.room_id = matrix_session.room_id
            AND s.user_id = matrix_session.user_id AND s.begun_ms > matrix_session.begun_ms
        ) + {JUST_SENT_MS}, e.at)
    )
"""  # noqa: S608 - a constant


async def active_session(reader: Reader, room_id: str, user_id: str) -> Row | None:
    """Return `session_id`, `ratchet`, `begun_ms` of an identity's active session, with its room's columns; else None."""
    query = """
        SELECT s.session_id, s.ratchet, s.begun_ms, r.room_id, r.kind, r.owner, r.key_owner FROM matrix_session s
        JOIN matrix_room r ON r.room_id = s.room_id WHERE s.room_id=$1 AND s.user_id=$2 AND s.active
        """
    return await reader.fetchrow(query, room_id, user_id)


async def is_active(reader: Reader, session_id: str) -> bool:
    """Whether a session may still encrypt."""
    count = await reader.fetchval("SELECT COUNT(*) FROM matrix_session WHERE session_id=$1 AND active", session_id)
    return bool(count)


async def begin(
    transaction: Transaction,
    *,
    session_id: str,
    room_id: str,
    user_id: str,
    first_key: bytes,
    ratchet: bytes,
    next_index: int,
    begun_ms: int,
) -> None:
    """Begin a session, the active one of its identity in that room. `next_index`: the first that is not reserved."""
    query = "UPDATE matrix_session SET active=$3, ratchet=NULL WHERE room_id=$1 AND user_id=$2 AND active"
    await transaction.execute(query, room_id, user_id, False)
    query = """
        INSERT INTO matrix_session (session_id, room_id, user_id, first_key, ratchet, next_index, active, begun_ms)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """
    await transaction.execute(query, session_id, room_id, user_id, first_key, ratchet, next_index, True, begun_ms)


async def reserve(transaction: Transaction, session_id: str, *, ratchet: bytes, next_index: int, index: int) -> int | None:
    """Reserve the indices from `index` to before `next_index`; return `next_index`, or None if they are taken.

    `ratchet`: its state after them. No index is reserved twice, not even when the session was loaded a second time.
    """
    query = """
        UPDATE matrix_session SET ratchet=$2, next_index=$3
        WHERE session_id=$1 AND active AND next_index <= $4 RETURNING next_index
        """
    stored: int | None = await transaction.fetchval(query, session_id, ratchet, next_index, index)
    return stored


async def rotate_sessions(transaction: Transaction, room_id: str) -> None:
    """Retire our sessions in this room; the next message begins a new one."""
    await transaction.execute(
        "UPDATE matrix_session SET active=$2, ratchet=NULL WHERE room_id=$1 AND active", room_id, False
    )


async def retire_sessions_of(transaction: Transaction, user_id: str) -> None:
    """Retire the sessions of one of our identities in all rooms."""
    await transaction.execute(
        "UPDATE matrix_session SET active=$2, ratchet=NULL WHERE user_id=$1 AND active", user_id, False
    )


async def retire_sessions_sent_to(transaction: Transaction, user_id: str, device_id: str) -> None:
    """Retire the sessions whose keys a device has, and delete the notes that it has them."""
    query = """
        UPDATE matrix_session SET active=$3, ratchet=NULL WHERE active AND session_id IN
        (SELECT session_id FROM matrix_sent WHERE user_id=$1 AND device_id=$2)
        """
    await transaction.execute(query, user_id, device_id, False)
    await transaction.execute("DELETE FROM matrix_sent WHERE user_id=$1 AND device_id=$2", user_id, device_id)


async def delete_retired_sessions(transaction: Transaction) -> None:
    """Delete retired sessions of desk and offices whose messages are all erased."""
    await transaction.execute(_DELETE_RETIRED)


async def delete_sessions_since(transaction: Transaction, room_id: str, since: float) -> None:
    """Delete the sessions that were begun in a room since that time (seconds), so that they encrypt nothing more."""
    await rotate_sessions(transaction, room_id)
    query = "DELETE FROM matrix_session WHERE room_id = $1 AND NOT active AND begun_ms >= $2"
    await transaction.execute(query, room_id, int(since * 1000))


async def delete_room(transaction: Transaction, room_id: str) -> None:
    """Delete the sessions of a room."""
    await transaction.execute("DELETE FROM matrix_session WHERE room_id=$1", room_id)


async def owed_keys(
    reader: Reader, sender: str, users: Sequence[str], room_id: str | None, *, again: bool, members_only: bool
) -> list[Row]:
    """Return the first keys of an identity that are due to devices of these users, newest first, with `DEVICE_COLUMNS`.

    Of one room, with `members_only` if the user counts as a member now; or of each in which a user does. `again`: also
    those that the devices have. `mark` is None for a key that `record_owed` must note before it is sent.
    """
    where = "TRUE" if room_id is None else f"s.room_id = ${len(users) + 2}"
    if members_only or room_id is None:
        where = f"{where} AND {_WHERE_MEMBER}"
    had = "" if again else _NOT_SENT
    query = f"""
        SELECT s.session_id, s.room_id, s.first_key, r.key_owner, CASE WHEN x.owed THEN x.mark END AS mark, {DEVICE_COLUMNS}
        FROM matrix_session s JOIN matrix_room r ON r.room_id = s.room_id CROSS JOIN {TRUSTED}
        LEFT JOIN matrix_sent x
        ON x.session_id = s.session_id AND x.user_id = d.user_id AND x.device_id = d.device_id
        WHERE s.user_id = $1 AND d.user_id IN ({placeholders(len(users), after=1)}) AND {where} {had}
        ORDER BY s.begun_ms DESC
        """  # noqa: S608 - placeholders and constants only
    return await reader.fetch(query, sender, *users, *([] if room_id is None else [room_id]))


async def withheld_keys(reader: Reader, sender: str, users: Sequence[str]) -> list[Row]:
    """Return `session_id`, `room_id`, `user_id`, `device_id` of devices that get no key and were not told so."""
    query = f"""
        SELECT s.session_id, s.room_id, d.user_id, d.device_id FROM matrix_session s CROSS JOIN matrix_device d
        WHERE s.user_id = $1 AND s.active AND d.user_id IN ({placeholders(len(users), after=1)}) AND {_WHERE_MEMBER}
        AND NOT EXISTS (SELECT 1 FROM matrix_confirmed c
            WHERE c.user_id = d.user_id AND c.master_key = d.master_key AND d.cross_signed)
        AND NOT EXISTS (SELECT 1 FROM matrix_withheld w
            WHERE w.session_id = s.session_id AND w.user_id = d.user_id AND w.device_id = d.device_id)
        """  # noqa: S608 - placeholders and constants only
    return await reader.fetch(query, sender, *users)


async def record_owed(transaction: Transaction, session_id: str, user_id: str, device_id: str) -> int | None:
    """Note that the key of a session is due to a device; return its mark, or None if that session is deleted."""
    query = """
        INSERT INTO matrix_sent (session_id, user_id, device_id, owed)
        SELECT session_id, $2, $3, TRUE FROM matrix_session WHERE session_id=$1
        ON CONFLICT (session_id, user_id, device_id) DO UPDATE SET owed=TRUE RETURNING mark
        """
    mark: int | None = await transaction.fetchval(query, session_id, user_id, device_id)
    return mark


async def record_sent(transaction: Transaction, session_id: str, user_id: str, device_id: str, *, mark: int) -> None:
    """Note that a key was delivered; it stays due if the device asked for it since this mark was read."""
    query = "UPDATE matrix_sent SET owed=$5 WHERE session_id=$1 AND user_id=$2 AND device_id=$3 AND mark=$4"
    await transaction.execute(query, session_id, user_id, device_id, mark, False)


async def record_withheld(transaction: Transaction, session_id: str, user_id: str, device_id: str) -> None:
    """Note that a device was told that it gets no key of a session, if that still exists."""
    query = """
        INSERT INTO matrix_withheld (session_id, user_id, device_id)
        SELECT session_id, $2, $3 FROM matrix_session WHERE session_id=$1
        ON CONFLICT DO NOTHING
        """
    await transaction.execute(query, session_id, user_id, device_id)


async def devices_with_keys(reader: Reader, user_id: str) -> set[str]:
    """Return the devices of a user that have a key, or to which one was to be sent."""
    rows = await reader.fetch("SELECT DISTINCT device_id FROM matrix_sent WHERE user_id=$1", user_id)
    return {row["device_id"] for row in rows}


async def queue_resend(transaction: Transaction, user_id: str, device_id: str, sender: str) -> None:
    """Mark every key of an identity that a device has as due once more, without a request of the device."""
    query = f"UPDATE matrix_sent SET owed=$4, mark=mark + 1 WHERE {_SENT_KEYS_OF}"  # noqa: S608 - a constant
    await transaction.execute(query, user_id, device_id, sender, True)


async def queue_requested_resend(
    transaction: Transaction, user_id: str, device_id: str, sender: str, *, now_ms: int, interval_ms: int
) -> bool:
    """Mark each key of an identity that a device has as due, except those it asked for within that time.

    Return whether any is due. A time in the future comes from a wrong clock, and does not count.
    """
    query = f"""UPDATE matrix_sent SET owed=$4, mark=mark + 1, again_ms=$5
        WHERE {_SENT_KEYS_OF} AND (again_ms <= $6 OR again_ms > $5) RETURNING session_id"""  # noqa: S608 - a constant
    return bool(await transaction.fetch(query, user_id, device_id, sender, True, now_ms, now_ms - interval_ms))


async def sessions_in_room(reader: Reader, room_id: str) -> list[Row]:
    """Return `session_id`, `begun_ms`, `first_key` and `ratchet` of the sessions of our identities in a room."""
    query = "SELECT session_id, begun_ms, first_key, ratchet FROM matrix_session WHERE room_id = $1"
    return await reader.fetch(query, room_id)


async def set_first_key(transaction: Transaction, session_id: str, first_key: bytes) -> None:
    """Write the same first key, sealed again."""
    await transaction.execute("UPDATE matrix_session SET first_key = $2 WHERE session_id = $1", session_id, first_key)


async def set_ratchet(transaction: Transaction, session_id: str, ratchet: bytes | None) -> None:
    """Write the same ratchet, sealed again; None if it cannot be opened: then its session encrypts nothing more."""
    query = "UPDATE matrix_session SET ratchet = $2, active = $3 WHERE session_id = $1 AND active"
    await transaction.execute(query, session_id, ratchet, ratchet is not None)


async def passing_owners(reader: Reader) -> set[str]:
    """Return the owners of the passing keys that are in use in this table."""
    rows = await reader.fetch(
        f"""SELECT substr(first_key, 1, {PASSING_PREFIX}) AS first, substr(ratchet, 1, {PASSING_PREFIX}) AS ratchet
            FROM matrix_session WHERE room_id IN ({LIVES_ON})"""  # noqa: S608 - constants
    )
    return {passing_owner_of(bytes(part)) for row in rows for part in row if part is not None}
