"""Other people's Megolm sessions, what was read with them, and encrypted events that wait (`matrix_waiting`).

A session has a floor, the index below which nothing is read any more; it never falls. The floor of a deleted session
stays in `matrix_read` until the room is deleted, as a row for the index below it, without an event: so pruned messages
cannot be replayed by forcing the deletion of a session. An event that waits, as ciphertext, for its key or for its
sender's devices (`needs`) is deleted when it is read, given up or redacted. The caller seals ratchets; times are
milliseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from bridge.matrix.rooms.room_state import LIVES_ON
from bridge.storage.database import Reader, Row, Transaction, placeholders
from bridge.storage.vault import PASSING_PREFIX, passing_owner_of

Needs: TypeAlias = Literal["key", "device"]

_WAITING: Final = "event_id, room_id, sender, event"
_EXPIRED: Final = "(needs='key' AND deadline_ms <= $1 OR needs='device' AND deadline_ms <= $2)"


NO_EVENT: Final = ""
"""In `matrix_read`: the session is deleted, and nothing is read up to this index."""
_UNDER: Final = f"substr(ratchet, 1, {PASSING_PREFIX})"
"""SQL: the part of a sealed ratchet that names its passing key, if it has one."""
_GONE: Final = """room_id=$1 AND sender=$2 AND session_id NOT IN (
    SELECT session_id FROM matrix_inbound WHERE room_id=$1 AND sender=$2
    ORDER BY accepted DESC, learned_ms DESC LIMIT $3)"""
_KEEP_FLOORS: Final = f"""INSERT INTO matrix_read (room_id, session_id, position, event_id)
    SELECT room_id, session_id, floor - 1, $4 FROM matrix_inbound WHERE floor > 0 AND {_GONE}
    ON CONFLICT (room_id, session_id, position) DO UPDATE SET event_id=excluded.event_id"""  # noqa: S608 - a constant
# `kept`: the first index whose message is still there; `last`: the last one that was read.
_SELECT_READ: Final = """
    SELECT i.room_id, i.session_id, i.sender, i.first_index, i.ratchet, r.key_owner,
           MIN(CASE WHEN e.event_id IS NULL THEN NULL ELSE m.position END) AS kept, MAX(m.position) AS last
    FROM matrix_inbound i JOIN matrix_room r ON r.room_id = i.room_id
    JOIN matrix_read m ON m.room_id = i.room_id AND m.session_id = i.session_id
    LEFT JOIN event e ON e.event_id = m.event_id
    WHERE i.room_id = $1
    GROUP BY i.room_id, i.session_id, i.sender, i.first_index, i.ratchet, r.key_owner
"""


async def add_waiting(
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
    query = """
        INSERT INTO matrix_waiting (event_id, room_id, session_id, sender, event, needs, arrived, deadline_ms)
        VALUES ($1, $2, $3, $4, $5, $6, (SELECT COALESCE(MAX(arrived), 0) + 1 FROM matrix_waiting), $7)
        ON CONFLICT (event_id) DO UPDATE SET needs=excluded.needs
        """
    await transaction.execute(query, event_id, room_id, session_id, sender, event, needs, deadline_ms)


async def waiting_for_session(reader: Reader, room_id: str, session_id: str) -> list[Row]:
    """Return `event_id`, `room_id`, `sender` and `event` of a session's events, in the order of arrival."""
    query = f"SELECT {_WAITING} FROM matrix_waiting WHERE room_id=$1 AND session_id=$2 ORDER BY arrived"  # noqa: S608
    return await reader.fetch(query, room_id, session_id)


async def waiting_for_sender(reader: Reader, user_id: str) -> list[Row]:
    """Return the same for the events that wait for the devices of this sender."""
    return await reader.fetch(
        f"SELECT {_WAITING} FROM matrix_waiting WHERE sender=$1 AND needs='device' ORDER BY arrived",  # noqa: S608
        user_id,
    )


async def has_waiting(reader: Reader) -> bool:
    """Whether any event waits."""
    return await reader.fetchval("SELECT 1 FROM matrix_waiting LIMIT 1") is not None


async def expired_waiting(reader: Reader, *, key_ms: int, device_ms: int) -> list[Row]:
    """Return the same, and `needs`, of events whose deadline is at most `key_ms` (key) or `device_ms` (devices)."""
    query = f"SELECT {_WAITING}, needs FROM matrix_waiting WHERE {_EXPIRED} ORDER BY arrived"  # noqa: S608
    return await reader.fetch(query, key_ms, device_ms)


async def has_expired_waiting(reader: Reader, *, key_ms: int, device_ms: int) -> bool:
    """Whether there is such an event."""
    query = f"SELECT 1 FROM matrix_waiting WHERE {_EXPIRED} LIMIT 1"  # noqa: S608 - a constant
    return await reader.fetchval(query, key_ms, device_ms) is not None


async def next_key_deadline(reader: Reader) -> int | None:
    """Return the earliest deadline of an event that waits for its key, or None when none does."""
    at: int | None = await reader.fetchval("SELECT MIN(deadline_ms) FROM matrix_waiting WHERE needs='key'")
    return at


async def delete_waiting(transaction: Transaction, event_id: str) -> None:
    """Delete an event that was read, given up or redacted."""
    await transaction.execute("DELETE FROM matrix_waiting WHERE event_id=$1", event_id)


async def give_up(transaction: Transaction, event_id: str, *, room_id: str, sender: str) -> None:
    """Let an event of this sender in this room wait for nothing any more: it has expired, whatever key arrives."""
    query = """
        UPDATE matrix_waiting SET needs='key', session_id='', deadline_ms=0
        WHERE event_id=$1 AND room_id=$2 AND sender=$3
        """
    await transaction.execute(query, event_id, room_id, sender)


async def delete_waiting_of_room(transaction: Transaction, room_id: str) -> None:
    """Delete the waiting events of a room."""
    await transaction.execute("DELETE FROM matrix_waiting WHERE room_id=$1", room_id)


async def find(reader: Reader, room_id: str, session_id: str, sender: str) -> Row | None:
    """Return `sender_key`, `signing_key`, `ratchet`, `floor`, `accepted` and the room's `key_owner`; None when unknown."""
    query = """
        SELECT i.sender_key, i.signing_key, i.ratchet, i.floor, i.accepted, r.key_owner FROM matrix_inbound i
        JOIN matrix_room r ON r.room_id = i.room_id WHERE i.room_id=$1 AND i.session_id=$2 AND i.sender=$3
        """
    return await reader.fetchrow(query, room_id, session_id, sender)


async def floor_of_deleted(reader: Reader, room_id: str, session_id: str) -> int:
    """Return the floor of a deleted session, or 0."""
    query = "SELECT MAX(position) + 1 FROM matrix_read WHERE room_id=$1 AND session_id=$2 AND event_id=$3"
    return int(await reader.fetchval(query, room_id, session_id, NO_EVENT) or 0)


async def make_space(transaction: Transaction, room_id: str, sender: str, *, most: int) -> None:
    """Delete sessions of one sender in a room above the limit: first those with which nothing was read, oldest first."""
    await transaction.execute(_KEEP_FLOORS, room_id, sender, most, NO_EVENT)
    await transaction.execute(f"DELETE FROM matrix_inbound WHERE {_GONE}", room_id, sender, most)  # noqa: S608 - a constant


async def put(
    transaction: Transaction,
    *,
    room_id: str,
    session_id: str,
    sender: str,
    sender_key: str,
    signing_key: str,
    first_index: int,
    ratchet: bytes,
    learned_ms: int,
    floor: int,
) -> bool:
    """Store a session, or replace it by one of the same device that begins earlier; return whether it was stored."""
    query = """
        INSERT INTO matrix_inbound
        (room_id, session_id, sender, sender_key, signing_key, first_index, ratchet, learned_ms, floor)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT (room_id, session_id, sender)
        DO UPDATE SET first_index=excluded.first_index, ratchet=excluded.ratchet
        WHERE matrix_inbound.sender_key = excluded.sender_key
        AND matrix_inbound.signing_key = excluded.signing_key AND matrix_inbound.first_index > excluded.first_index
        RETURNING session_id
        """
    stored = await transaction.fetchval(
        query, room_id, session_id, sender, sender_key, signing_key, first_index, ratchet, learned_ms, floor
    )
    return stored is not None


async def accept(transaction: Transaction, room_id: str, session_id: str, sender: str) -> None:
    """Note that a message was read with a session while its device was trusted."""
    query = "UPDATE matrix_inbound SET accepted=$4 WHERE room_id=$1 AND session_id=$2 AND sender=$3"
    await transaction.execute(query, room_id, session_id, sender, True)


async def accepted_rows(reader: Reader, room_id: str) -> list[Row]:
    """Return the accepted sessions of a room: ids, sender, keys, `ratchet`, and the room's `key_owner`."""
    return await reader.fetch(
        """
        SELECT i.session_id, i.sender, i.sender_key, i.signing_key, i.ratchet, r.key_owner FROM matrix_inbound i
        JOIN matrix_room r ON r.room_id = i.room_id WHERE i.room_id = $1 AND i.accepted
        """,
        room_id,
    )


async def claim_index(transaction: Transaction, room_id: str, session_id: str, index: int, event_id: str) -> bool:
    """Claim an index for an event; return False if another event was read at it."""
    query = """
        INSERT INTO matrix_read (room_id, session_id, position, event_id) VALUES ($1, $2, $3, $4)
        ON CONFLICT DO NOTHING
        """
    await transaction.execute(query, room_id, session_id, index, event_id)
    reader = await transaction.fetchval(
        "SELECT event_id FROM matrix_read WHERE room_id=$1 AND session_id=$2 AND position=$3", room_id, session_id, index
    )
    return bool(reader == event_id)


async def events_read(reader: Reader, room_id: str) -> dict[tuple[str, int], str]:
    """Return (session id, index) -> the event that was read there."""
    rows = await reader.fetch("SELECT session_id, position, event_id FROM matrix_read WHERE room_id = $1", room_id)
    return {(row["session_id"], row["position"]): row["event_id"] for row in rows}


async def read_with(reader: Reader, room_id: str) -> list[Row]:
    """Return the sessions of a room with which a message was read, each with its `kept` and its `last` index."""
    return await reader.fetch(_SELECT_READ, room_id)


async def advance(transaction: Transaction, session: Row, *, first: int, ratchet: bytes) -> bool:
    """Advance a session of `read_with` to an index, its new floor, and delete the read indices before it.

    Return False if a key that begins earlier came meanwhile.
    """
    where = (session["room_id"], session["session_id"])
    query = """UPDATE matrix_inbound SET ratchet = $5, first_index = $4, floor = $4
           WHERE room_id = $1 AND session_id = $2 AND sender = $3 AND first_index = $6 RETURNING session_id"""
    done = await transaction.fetchval(query, *where, session["sender"], first, ratchet, session["first_index"])
    if done is None:
        return False
    await transaction.execute(
        "DELETE FROM matrix_read WHERE room_id = $1 AND session_id = $2 AND position < $3", *where, first
    )
    return True


async def delete_room(transaction: Transaction, room_id: str) -> None:
    """Delete the sessions of a room, and their read indices."""
    await transaction.execute("DELETE FROM matrix_inbound WHERE room_id=$1", room_id)
    await transaction.execute("DELETE FROM matrix_read WHERE room_id=$1", room_id)


async def sessions_in_room(reader: Reader, room_id: str) -> list[Row]:
    """Return `session_id`, `sender`, `learned_ms` of each session of a room; `under`: the first bytes of its ratchet."""
    query = f"SELECT session_id, sender, learned_ms, {_UNDER} AS under FROM matrix_inbound WHERE room_id = $1"  # noqa: S608
    return await reader.fetch(query, room_id)


async def ratchets(reader: Reader, room_id: str, session_ids: Sequence[str]) -> list[Row]:
    """Return `session_id`, `sender` and `ratchet` of these sessions of a room."""
    query = f"""SELECT session_id, sender, ratchet FROM matrix_inbound
        WHERE room_id = $1 AND session_id IN ({placeholders(len(session_ids), after=1)})"""  # noqa: S608 - placeholders only
    return await reader.fetch(query, room_id, *session_ids)


async def set_ratchet(transaction: Transaction, room_id: str, session_id: str, sender: str, ratchet: bytes) -> None:
    """Write the same state of a session, sealed again."""
    query = "UPDATE matrix_inbound SET ratchet = $4 WHERE room_id = $1 AND session_id = $2 AND sender = $3"
    await transaction.execute(query, room_id, session_id, sender, ratchet)


async def forget_sessions(transaction: Transaction, room_id: str) -> None:
    """Delete the sessions of a room, which cannot be opened any more; their floors stay, as in `make_space`."""
    query = """INSERT INTO matrix_read (room_id, session_id, position, event_id)
           SELECT room_id, session_id, floor - 1, $2 FROM matrix_inbound WHERE floor > 0 AND room_id = $1
           ON CONFLICT (room_id, session_id, position) DO UPDATE SET event_id=excluded.event_id"""
    await transaction.execute(query, room_id, NO_EVENT)
    await transaction.execute("DELETE FROM matrix_inbound WHERE room_id = $1", room_id)


async def passing_owners(reader: Reader) -> set[str]:
    """Return the owners of the passing keys that are in use in this table."""
    query = f"SELECT DISTINCT {_UNDER} AS under FROM matrix_inbound WHERE room_id IN ({LIVES_ON})"  # noqa: S608
    return {passing_owner_of(bytes(row["under"])) for row in await reader.fetch(query)}
