"""Confirmed identities, for the bridge and `quietline trust`; and who is due a fresh device list (`matrix_dirty`).

A fingerprint is compared with the identity that was last seen, inside the commit that confirms it; for any other nothing
is written. A confirmation made beside the bridge counts at once; the bridge tells the desk of it. A dirty mark has a
count, and its removal names the count that was read, so that a mark that is set meanwhile is not lost.

Source: https://spec.matrix.org/latest/client-server-api/#cross-signing; a fingerprint is the public Ed25519 key in
unpadded base64, which clients show in groups of four.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from bridge.matrix.olm.cross_signing import Device
from bridge.matrix.rooms.room_state import KEY_MEMBERSHIPS
from bridge.storage.database import Reader, Snapshot, Transaction

IDENTITIES: Final = """
    SELECT s.user_id, s.master_key, c.master_key AS confirmed, d.device_id, d.ed25519
    FROM matrix_seen_identity s
    LEFT JOIN matrix_confirmed c ON c.user_id = s.user_id
    LEFT JOIN matrix_device d ON d.user_id = s.user_id AND d.master_key = s.master_key AND d.cross_signed
    WHERE s.master_key <> '' ORDER BY s.user_id, d.device_id
"""
"""SQL: a row for each device that the newest identity of its user signed; one without a device where there is none."""
WITHOUT_IDENTITY: Final = "SELECT user_id FROM matrix_seen_identity WHERE master_key = '' ORDER BY user_id"
CONFIRMED_SUPERVISORS: Final = """
    SELECT DISTINCT c.user_id FROM matrix_room r
    JOIN matrix_member m ON m.room_id = r.room_id AND m.membership = 'join'
    JOIN matrix_level l ON l.room_id = r.room_id AND l.user_id = m.user_id AND l.level >= 50
    JOIN matrix_seen_identity s ON s.user_id = m.user_id
    JOIN matrix_confirmed c ON c.user_id = s.user_id AND c.master_key = s.master_key
    WHERE r.kind = 'desk'
"""
"""SQL: the confirmed identities of supervisors at the desk. The level: `bridge/matrix/rooms/room_state.py`."""
DEVICE_COLUMNS: Final = "d.user_id, d.device_id, d.curve25519, d.ed25519"
"""SQL: the columns that `device_of` reads."""
TRUSTED: Final = """
    matrix_device d JOIN matrix_confirmed c
    ON c.user_id = d.user_id AND c.master_key = d.master_key AND d.cross_signed
"""
"""SQL: the trusted devices, as `d`."""
CONFIRM: Final = """
    INSERT INTO matrix_confirmed (user_id, master_key, announced) VALUES ($1, $2, $3)
    ON CONFLICT (user_id) DO UPDATE SET master_key=excluded.master_key, announced=excluded.announced
"""
AT_ONCE: Final = 0
"""When a mark made beside the bridge is due, in ms: at once, because the bridge's clock may differ from the machine's."""


async def mark(transaction: Transaction, user_id: str, *, due_ms: int, stale: bool) -> None:
    """Mark a user dirty, due at that time; `stale`: their device list is not used before it is queried."""
    query = """
        INSERT INTO matrix_dirty (user_id, mark, stale, due_ms) VALUES ($1, 1, $3, $2)
        ON CONFLICT (user_id) DO UPDATE SET
        mark=matrix_dirty.mark + 1,
        stale=(matrix_dirty.stale OR excluded.stale),
        due_ms=CASE WHEN matrix_dirty.due_ms < excluded.due_ms THEN matrix_dirty.due_ms ELSE excluded.due_ms END
        """
    await transaction.execute(query, user_id, due_ms, stale)


async def mark_queried(transaction: Transaction, marks: Iterable[tuple[str, int]]) -> None:
    """Note that the list is fresh, unless the user was marked again meanwhile; keys are still due."""
    for user_id, count in marks:
        await transaction.execute("UPDATE matrix_dirty SET stale=$3 WHERE user_id=$1 AND mark=$2", user_id, count, False)


async def postpone(transaction: Transaction, marks: Iterable[tuple[str, int]], *, due_ms: int) -> None:
    """Postpone these marks, of users who are not done with, unless they were marked again meanwhile."""
    for user_id, count in marks:
        await transaction.execute("UPDATE matrix_dirty SET due_ms=$3 WHERE user_id=$1 AND mark=$2", user_id, count, due_ms)


async def clear(transaction: Transaction, marks: Iterable[tuple[str, int]]) -> None:
    """Remove these marks, unless the user was marked again meanwhile."""
    for user_id, count in marks:
        await transaction.execute("DELETE FROM matrix_dirty WHERE user_id=$1 AND mark=$2", user_id, count)


async def clear_outsiders(transaction: Transaction, marks: Iterable[tuple[str, int]]) -> None:
    """Remove the marks of users who are neither in a room of ours nor invited, unless they were marked again meanwhile."""
    for user_id, count in marks:
        query = f"""
            DELETE FROM matrix_dirty WHERE user_id=$1 AND mark=$2 AND NOT EXISTS (
                SELECT 1 FROM matrix_member m WHERE m.user_id=$1 AND m.membership IN {KEY_MEMBERSHIPS})
            """  # noqa: S608 - a constant
        await transaction.execute(query, user_id, count)


async def is_stale(reader: Reader, user_id: str) -> bool:
    """Whether the user's devices must be queried before they are used."""
    return await reader.fetchval("SELECT 1 FROM matrix_dirty WHERE user_id=$1 AND stale", user_id) is not None


async def due_marks(reader: Reader, now_ms: int, most: int) -> list[tuple[str, int]]:
    """Return up to `most` users who are due now, each with the mark's count; the longest due first."""
    rows = await reader.fetch(
        "SELECT user_id, mark FROM matrix_dirty WHERE due_ms <= $1 ORDER BY due_ms LIMIT $2", now_ms, most
    )
    return [(row["user_id"], row["mark"]) for row in rows]


async def next_due(reader: Reader) -> int | None:
    """Return when the next user is due, or None when nobody is dirty."""
    at: int | None = await reader.fetchval("SELECT MIN(due_ms) FROM matrix_dirty")
    return at


class NotThatFingerprint(Exception):  # noqa: N818 - an answer, not a failure
    """No identity of that Matrix id was seen with that fingerprint. Nothing was confirmed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenIdentity:
    """A person's newest identity. `devices`: id and Ed25519 key of those that it signed; keys in unpadded base64."""

    user_id: str
    master_key: str
    devices: tuple[tuple[str, str], ...]
    confirmed: bool

    def is_named_by(self, fingerprint: str) -> bool:
        """Whether the fingerprint is that of the identity, or of a device that it signed."""
        keys = (self.master_key, *(key for _, key in self.devices))
        return any(hmac.compare_digest(key.encode(), fingerprint.encode()) for key in keys)


def device_of(row: Any) -> Device:
    """Make a device from a row with its columns."""
    return Device(**{name: row[name] for name in ("user_id", "device_id", "curve25519", "ed25519")})


async def confirm(transaction: Transaction, user_id: str, master_key: str) -> None:
    """Confirm an identity that a supervisor said is the right one."""
    await transaction.execute(CONFIRM, user_id, master_key, True)


def seen_identities(connection: Snapshot) -> list[SeenIdentity]:
    """Return everybody who was seen with an identity, by Matrix id, for a verb beside the bridge."""
    return _identities(connection.fetch(IDENTITIES))


def without_identity(connection: Snapshot) -> list[str]:
    """Return the Matrix ids of people whose clients have made no identity yet, so that none can be confirmed."""
    return [row["user_id"] for row in connection.fetch(WITHOUT_IDENTITY)]


def last_seen(connection: Snapshot) -> dict[str, int]:
    """Return user id -> the day on which a device of theirs was last seen or first known, in ms since the epoch."""
    rows = connection.fetch("SELECT user_id, MAX(at_ms) AS at_ms FROM matrix_last_seen GROUP BY user_id ORDER BY user_id")
    return {row["user_id"]: int(row["at_ms"]) for row in rows}


def confirmed_supervisors(connection: Snapshot) -> int:
    """Count the supervisors at the desk whose identity is confirmed, for a verb that reads beside the bridge."""
    return len(connection.fetch(CONFIRMED_SUPERVISORS))


async def count_confirmed_supervisors(reader: Reader) -> int:
    """Count the same for the running bridge."""
    return len(await reader.fetch(CONFIRMED_SUPERVISORS))


async def confirm_fingerprint(transaction: Transaction, user_id: str, fingerprint: str) -> None:
    """Confirm a person's newest identity if the fingerprint is its own, or that of a device that it signed.

    For a verb beside the bridge; the bridge then sends the keys to the devices and tells the desk. Raises
    :class:`NotThatFingerprint`.
    """
    for identity in _identities(await transaction.fetch(IDENTITIES)):
        if identity.user_id == user_id and identity.is_named_by(fingerprint):
            await transaction.execute(CONFIRM, user_id, identity.master_key, False)
            await mark(transaction, user_id, due_ms=AT_ONCE, stale=True)
            return
    raise NotThatFingerprint


async def take_unannounced(transaction: Transaction, users: Iterable[str]) -> list[str]:
    """Return those of these users who were confirmed beside the bridge since the last call."""
    user_ids = []
    for user_id in users:
        query = "UPDATE matrix_confirmed SET announced=$2 WHERE user_id=$1 AND NOT announced RETURNING user_id"
        if await transaction.fetchval(query, user_id, True) is not None:
            user_ids.append(user_id)
    return user_ids


def _identities(rows: Iterable[Any]) -> list[SeenIdentity]:
    devices: dict[str, list[tuple[str, str]]] = {}
    row_of_user: dict[str, Any] = {}
    for row in rows:
        row_of_user[row["user_id"]] = row
        known = devices.setdefault(row["user_id"], [])
        if row["device_id"] is not None:
            known.append((row["device_id"], row["ed25519"]))
    return [
        SeenIdentity(
            user_id=user_id,
            master_key=row["master_key"],
            devices=tuple(devices[user_id]),
            confirmed=row["confirmed"] == row["master_key"],
        )
        for user_id, row in row_of_user.items()
    ]
