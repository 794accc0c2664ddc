"""Confirmed identities, for the bridge and for `quietline trust` beside it.

Rules of this module: a fingerprint is compared with the identity that was last seen, inside the commit that confirms it;
nothing is written for any other. A confirmation made beside the bridge is marked, and the bridge tells the desk of it once.

Source: https://spec.matrix.org/latest/client-server-api/#cross-signing; a fingerprint is the public Ed25519 key in
unpadded base64, which clients show in groups of four.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from bridge.storage.database import Transaction
from bridge.storage.sqlite_connection import SqliteConnection

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
    SELECT COUNT(DISTINCT m.user_id) FROM matrix_room r
    JOIN matrix_member m ON m.room_id = r.room_id AND m.membership = 'join'
    JOIN matrix_level l ON l.room_id = r.room_id AND l.user_id = m.user_id AND l.level >= 50
    JOIN matrix_seen_identity s ON s.user_id = m.user_id
    JOIN matrix_confirmed c ON c.user_id = s.user_id AND c.master_key = s.master_key
    WHERE r.kind = 'desk'
"""
"""SQL: how many supervisors at the desk have a confirmed identity. The level: `bridge/matrix/rooms/room_templates.py`."""

CONFIRM: Final = """
    INSERT INTO matrix_confirmed (user_id, master_key, announced) VALUES ($1, $2, $3)
    ON CONFLICT (user_id) DO UPDATE SET master_key=excluded.master_key, announced=excluded.announced
"""
MARK_DIRTY: Final = """
    INSERT INTO matrix_dirty (user_id, mark, stale, due_ms) VALUES ($1, 1, $3, $2)
    ON CONFLICT (user_id) DO UPDATE SET
    mark=matrix_dirty.mark + 1,
    stale=(matrix_dirty.stale OR excluded.stale),
    due_ms=CASE WHEN matrix_dirty.due_ms < excluded.due_ms THEN matrix_dirty.due_ms ELSE excluded.due_ms END
"""
AT_ONCE: Final = 0
"""When a mark made beside the bridge is due, in ms: the bridge's clock may differ from the machine's that was set."""


class NotThatFingerprint(Exception):  # noqa: N818 - an answer, not a failure
    """Nobody of that Matrix id was seen with that fingerprint. Nothing was confirmed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenIdentity:
    """Somebody's newest identity. `devices`: id and Ed25519 key of those that it signed; keys in unpadded base64."""

    user_id: str
    master_key: str
    devices: tuple[tuple[str, str], ...]
    confirmed: bool

    def is_named_by(self, fingerprint: str) -> bool:
        """Whether it is the fingerprint of the identity, or of a device that it signed."""
        keys = (self.master_key, *(key for _, key in self.devices))
        return any(hmac.compare_digest(key.encode(), fingerprint.encode()) for key in keys)


def seen_identities(connection: SqliteConnection) -> list[SeenIdentity]:
    """Return everybody who was seen with an identity, by Matrix id, to a verb that reads beside the bridge."""
    return _identities(connection.fetch(IDENTITIES))


def without_identity(connection: SqliteConnection) -> list[str]:
    """Return the Matrix ids of those whose clients have made no identity yet: there is nothing to confirm."""
    return [row["user_id"] for row in connection.fetch(WITHOUT_IDENTITY)]


def confirmed_supervisors(connection: SqliteConnection) -> int:
    """Count the supervisors at the desk whose identity is confirmed, for a verb that reads beside the bridge."""
    return int(connection.fetchval(CONFIRMED_SUPERVISORS))


async def confirm_fingerprint(conn: Transaction, user_id: str, fingerprint: str) -> None:
    """Confirm somebody's newest identity if the fingerprint is its own, or that of a device that it signed.

    For a verb beside the bridge, which does what follows: the devices get the keys, the desk is told. Raises
    :class:`NotThatFingerprint`.
    """
    for seen in _identities(await conn.fetch(IDENTITIES)):
        if seen.user_id == user_id and seen.is_named_by(fingerprint):
            await conn.execute(CONFIRM, user_id, seen.master_key, False)
            await conn.execute(MARK_DIRTY, user_id, AT_ONCE, True)
            return
    raise NotThatFingerprint


async def take_unannounced(conn: Transaction, users: Iterable[str]) -> list[str]:
    """Return those of these users who were confirmed beside the bridge since this was last asked."""
    found = []
    for user_id in users:
        query = "UPDATE matrix_confirmed SET announced=$2 WHERE user_id=$1 AND NOT announced RETURNING user_id"
        if await conn.fetchval(query, user_id, True) is not None:
            found.append(user_id)
    return found


def _identities(rows: Iterable[Any]) -> list[SeenIdentity]:
    devices: dict[str, list[tuple[str, str]]] = {}
    seen: dict[str, Any] = {}
    for row in rows:
        seen[row["user_id"]] = row
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
        for user_id, row in seen.items()
    ]
