"""Our rooms: how they are created, their members, and the members' power levels.

A room is encrypted, invite-only, closed to guests and to other servers from its first event. The tables hold the
homeserver's state up to the committed cursor; a room that is not in them does not exist for us. A person who had left a
room counts as gone until a new invitation. Sources: design.md, "Identities, rooms, trust";
https://spec.matrix.org/latest/client-server-api/#creation
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from bot.wording.notice import READ, words_in_all, words_of
from bridge.matrix.api.admin_api import ROOM_KIND_FIELD
from bridge.matrix.api.http_client import Permanent
from bridge.matrix.olm import identity_table
from bridge.matrix.olm.cross_signing import MEGOLM
from bridge.storage.database import Database, Reader, Snapshot, Transaction

ROOM_VERSION: Final = "12"
"""From this version on the creator has every power and must not be listed in `power_levels.users`."""

UNREADABLE: Final = words_in_all("room.unreadable")
"""Why a device can read nothing here and what to do. It is sent in the clear, so it says nothing about the line; it is in
every language, because the reader is unknown, and it is the same everywhere."""
TOPIC: Final = " ".join(
    f"{words_of('room.nothing_readable', language)} {words_of('room.unreadable', language)}" for language in READ
)
"""The topic of every room: a client shows it even if it can decrypt nothing."""

CREATOR_ONLY: Final = 100
SUPERVISOR: Final = 50

_CONVERSATION_EVENTS: Final = {"m.room.message": 0, "m.room.encrypted": 0, "m.reaction": 0, "m.room.redaction": 0}
_SECURITY_EVENTS: Final = dict.fromkeys(
    (
        "m.room.encryption",
        "m.room.history_visibility",
        "m.room.join_rules",
        "m.room.tombstone",
        "m.room.server_acl",
        "m.room.guest_access",
    ),
    CREATOR_ONLY,
)


def create_room_body(kind: RoomKind, name: str, *, invite: Sequence[str], supervisors: Sequence[str]) -> dict[str, Any]:
    """Make the body of `POST /createRoom`."""
    return {
        "room_version": ROOM_VERSION,
        "preset": "private_chat",
        "visibility": "private",
        "name": name,
        "topic": TOPIC,
        "invite": list(invite),
        "is_direct": False,
        # The homeserver's module reads the kind, to know which room is the desk and who is on the roster.
        "creation_content": {"m.federate": False, ROOM_KIND_FIELD: kind},
        "power_level_content_override": power_levels(kind, supervisors),
        "initial_state": [
            _state("m.room.encryption", {"algorithm": MEGOLM}),
            _state("m.room.history_visibility", {"history_visibility": "shared"}),
            _state("m.room.join_rules", {"join_rule": "invite"}),
            _state("m.room.guest_access", {"guest_access": "forbidden"}),
        ],
    }


def power_levels(kind: RoomKind, supervisors: Sequence[str]) -> dict[str, Any]:
    """Make the content of `m.room.power_levels`.

    At the desk supervisors may invite, remove and give roles; elsewhere everybody may send messages, and only the creator
    may do more.
    """
    desk = kind == "desk"
    roles = SUPERVISOR if desk else CREATOR_ONLY
    return {
        "users": dict.fromkeys(supervisors, SUPERVISOR) if desk else {},
        "users_default": 0,
        "events": {**_CONVERSATION_EVENTS, **_SECURITY_EVENTS, "m.room.power_levels": roles},
        "events_default": CREATOR_ONLY,
        "state_default": CREATOR_ONLY,
        "invite": roles,
        "kick": roles,
        "ban": roles,
        "redact": roles,
        "notifications": {"room": roles},
    }


def is_tampered(kind: RoomKind, levels: Mapping[str, Any]) -> bool:
    """Whether a room's power levels differ from those that we set, apart from roles, which only the desk has.

    Fields that we do not set do not count, because a homeserver adds some (`historical`); under `events` they do.
    """
    users = levels.get("users")
    levels_of_users = [level for level in users.values() if isinstance(level, int)] if isinstance(users, Mapping) else []
    unlike_ours = any(level < 0 or (level and kind != "desk") for level in levels_of_users)
    ours = power_levels(kind, ())
    return unlike_ours or any(levels.get(name) != value for name, value in ours.items() if name != "users")


def restored_power_levels(
    kind: RoomKind, levels: Mapping[str, Any], *, supervisors: Collection[str], alone: bool
) -> dict[str, Any]:
    """Return the power levels that we set, with these supervisors and, unless `alone`, the present ones."""
    return power_levels(kind, sorted({*supervisors, *(() if alone else _supervisors(levels))}))


def are_supervisors(levels: Mapping[str, Any], users: Collection[str], *, alone: bool) -> bool:
    """Whether all these users have a supervisor's level and, with `alone`, nobody else has."""
    now = _supervisors(levels)
    return set(users) == now if alone else set(users) <= now


def _supervisors(levels: Mapping[str, Any]) -> set[str]:
    users = levels.get("users")
    named = users.items() if isinstance(users, Mapping) else ()
    return {user for user, level in named if isinstance(level, int) and level >= SUPERVISOR}


def _state(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "state_key": "", "content": content}


RoomKind: TypeAlias = Literal["desk", "office", "thread"]

KEY_MEMBERSHIPS: Final = "('join', 'invite')"
"""SQL: the memberships that count for keys."""

GONE: Final = ("leave", "ban")
"""The memberships of people who were in a room, or invited, and are not any more. No set: a value from outside that is
compared with them may be of any type."""

LIVES_ON: Final = "SELECT room_id FROM matrix_room WHERE kind <> 'thread'"
"""SQL: the rooms that do not end with a conversation: desk and offices."""

_SELECT_MEMBERSHIP: Final = "SELECT membership FROM matrix_member WHERE room_id=$1 AND user_id=$2"


class UnknownRoom(Permanent):
    """The room is not in our table: nothing is sent there, least of all in the clear."""

    def __init__(self) -> None:
        super().__init__(0, "QUIETLINE_NOT_OUR_ROOM")


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A room of ours. Every one is encrypted: it was created so, and only we could change that.

    `owner` is for the engine (a staff member, a thread); `key_owner` names the vault key that seals a thread's sessions.
    """

    room_id: str
    kind: RoomKind
    owner: str
    key_owner: str

    @property
    def is_permanent(self) -> bool:
        """Whether the room outlives conversations: the desk, or an office."""
        return self.kind != "thread"


async def record_room(
    transaction: Transaction, room: Room, *, members: Mapping[str, str], levels: Mapping[str, int]
) -> None:
    """Note a room, with its first memberships and power levels; a second call changes its owner only."""
    query = """
        INSERT INTO matrix_room (room_id, kind, owner, key_owner) VALUES ($1, $2, $3, $4)
        ON CONFLICT (room_id) DO UPDATE SET owner=excluded.owner
        """
    await transaction.execute(query, room.room_id, room.kind, room.owner, room.key_owner)
    for user_id, membership in members.items():
        query = "INSERT INTO matrix_member (room_id, user_id, membership) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
        await transaction.execute(query, room.room_id, user_id, membership)
    for user_id, level in levels.items():
        query = "INSERT INTO matrix_level (room_id, user_id, level) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
        await transaction.execute(query, room.room_id, user_id, level)


async def set_owner(transaction: Transaction, room_id: str, owner: str) -> None:
    """Assign a room to a thread; with an empty owner to none, so that its events belong to no thread."""
    await transaction.execute("UPDATE matrix_room SET owner=$2 WHERE room_id=$1", room_id, owner)


async def delete_room(transaction: Transaction, room_id: str) -> None:
    """Delete everything `bridge/matrix` has about a room: members, sessions, keys, waiting ciphertext, newest event."""
    await identity_table.forget_room(transaction, room_id)
    await transaction.execute("DELETE FROM matrix_room WHERE room_id=$1", room_id)


async def delete_unassigned_rooms(transaction: Transaction) -> None:
    """Delete rooms that were neither assigned to a thread nor made warm rooms, because of a crash. At the start."""
    await transaction.execute(
        """DELETE FROM matrix_room WHERE kind = 'thread'
           AND room_id NOT IN (SELECT room_id FROM warm_room)
           AND room_id NOT IN (SELECT room_id FROM thread WHERE room_id IS NOT NULL)
           AND room_id NOT IN (SELECT subject FROM erasure)
           AND owner NOT IN (SELECT id FROM thread WHERE room_id IS NULL AND designation <> '')"""
    )


async def members_of_lost_rooms(reader: Reader, thread: str, room_id: str) -> list[str]:
    """Return the members of the lost rooms of a thread that has this room now, our identities included."""
    query = f"""SELECT DISTINCT m.user_id FROM matrix_member m JOIN matrix_room r ON r.room_id = m.room_id
            WHERE r.kind = 'thread' AND r.owner = $1 AND r.room_id <> $2 AND m.membership IN {KEY_MEMBERSHIPS}
            ORDER BY m.user_id"""  # noqa: S608 - a constant
    rows = await reader.fetch(query, thread, room_id)
    return [row["user_id"] for row in rows]


async def is_expected_at_homeserver(reader: Reader, room_id: str) -> bool:
    """Whether a room is ours, and its erasure, if there is one, has not come to the purge: then the homeserver has it."""
    query = """SELECT 1 FROM matrix_room WHERE room_id = $1 AND NOT EXISTS (
            SELECT 1 FROM erasure WHERE subject = $1 AND step IN ('purge', 'look', 'forget', 'sign'))"""
    return await reader.fetchval(query, room_id) is not None


async def rooms_of_thread(reader: Reader, thread: str) -> list[str]:
    """Return every room that is noted for a thread: its own, one that is being made for it, and those that are lost."""
    query = "SELECT room_id FROM matrix_room WHERE kind = 'thread' AND owner = $1 ORDER BY room_id"
    return [row["room_id"] for row in await reader.fetch(query, thread)]


async def delete_lost_rooms(transaction: Transaction, thread: str, room_id: str) -> list[str]:
    """Delete the rows of lost rooms of a thread, after all their members were invited to this one.

    Returns the owners of their keys, which are to be destroyed once that is committed.
    """
    query = "DELETE FROM matrix_room WHERE kind = 'thread' AND owner = $1 AND room_id <> $2 RETURNING key_owner"
    return [row["key_owner"] for row in await transaction.fetch(query, thread, room_id)]


async def room_of(transaction: Transaction | Database, room_id: str) -> Room | None:
    """Return the room, or None when it is not ours."""
    row: Any = await transaction.fetchrow(
        "SELECT room_id, kind, owner, key_owner FROM matrix_room WHERE room_id=$1", room_id
    )
    return None if row is None else Room(**dict(row))


async def rooms_of_ours(reader: Reader) -> list[Room]:
    """Return every room of ours."""
    rows = await reader.fetch("SELECT room_id, kind, owner, key_owner FROM matrix_room")
    return [Room(**dict(row)) for row in rows]


async def desk_room(reader: Reader) -> str | None:
    """Return the desk's room, or None while there is none."""
    room_id: str | None = await reader.fetchval("SELECT room_id FROM matrix_room WHERE kind = 'desk'")
    return room_id


async def office_of(reader: Reader, user_id: str) -> str | None:
    """Return the room of a person's office, or None."""
    query = "SELECT room_id FROM matrix_room WHERE kind = 'office' AND owner = $1"
    room_id: str | None = await reader.fetchval(query, user_id)
    return room_id


async def membership_of(reader: Reader, room_id: str, user_id: str) -> str | None:
    """Return the membership of a user in a room, or None when there never was one."""
    membership: str | None = await reader.fetchval(_SELECT_MEMBERSHIP, room_id, user_id)
    return membership


async def members_of(reader: Reader, room_id: str) -> dict[str, str]:
    """Return user id -> membership of all users the room ever had, ourselves included."""
    rows = await reader.fetch("SELECT user_id, membership FROM matrix_member WHERE room_id=$1", room_id)
    return {row["user_id"]: row["membership"] for row in rows}


async def members_for_keys(reader: Reader, room_id: str) -> list[str]:
    """Return the users who get the keys of a room: members and invited people."""
    rows = await reader.fetch(
        f"SELECT user_id FROM matrix_member WHERE room_id=$1 AND membership IN {KEY_MEMBERSHIPS}",  # noqa: S608
        room_id,
    )
    return [row["user_id"] for row in rows]


async def rooms_not_joined(reader: Reader, user_id: str) -> list[str]:
    """Return the rooms that a user was in or invited to and, by the last sync, is not in now."""
    query = "SELECT room_id FROM matrix_member WHERE user_id = $1 AND membership <> 'join' ORDER BY room_id"
    return [row["room_id"] for row in await reader.fetch(query, user_id)]


async def is_joined(reader: Reader, room_id: str, user_id: str) -> bool:
    """Whether a user is in a room, by the last sync."""
    return await membership_of(reader, room_id, user_id) == "join"


async def is_at_desk(reader: Reader, user_id: str) -> bool:
    """Whether a user is joined to the desk's room, which makes them a member of the roster."""
    query = """SELECT 1 FROM matrix_member m JOIN matrix_room r ON r.room_id = m.room_id
        WHERE r.kind = 'desk' AND m.user_id = $1 AND m.membership = 'join'"""
    return await reader.fetchval(query, user_id) is not None


async def joined_or_invited_at_desk(reader: Reader) -> set[str]:
    """Return the users who are joined or invited to the desk's room, ours among them."""
    rows = await reader.fetch(
        """SELECT m.user_id FROM matrix_member m JOIN matrix_room r ON r.room_id = m.room_id
           WHERE r.kind = 'desk' AND m.membership IN ('join', 'invite')"""
    )
    return {row["user_id"] for row in rows}


async def gone_from_desk(reader: Reader) -> frozenset[str]:
    """Return the users who, by the last sync, left the desk's room, were removed from it, or declined the invitation."""
    rows = await reader.fetch(
        """SELECT m.user_id FROM matrix_room r JOIN matrix_member m ON m.room_id = r.room_id
           WHERE r.kind = 'desk' AND m.membership IN ('leave', 'ban')"""
    )
    return frozenset(row["user_id"] for row in rows)


async def set_membership(transaction: Transaction, room_id: str, user_id: str, membership: str) -> str:
    """Write a membership and return the one before, or an empty string."""
    before = await transaction.fetchval(_SELECT_MEMBERSHIP, room_id, user_id)
    query = """
        INSERT INTO matrix_member (room_id, user_id, membership) VALUES ($1, $2, $3)
        ON CONFLICT (room_id, user_id) DO UPDATE SET membership=excluded.membership
        """
    await transaction.execute(query, room_id, user_id, membership)
    return str(before or "")


async def set_levels(transaction: Transaction, room_id: str, levels: Mapping[str, int]) -> None:
    """Replace a room's power levels."""
    await transaction.execute("DELETE FROM matrix_level WHERE room_id=$1", room_id)
    for user_id, level in levels.items():
        await transaction.execute(
            "INSERT INTO matrix_level (room_id, user_id, level) VALUES ($1, $2, $3)", room_id, user_id, level
        )


async def levels_of(reader: Reader, room_id: str) -> dict[str, int]:
    """Return user id -> power level of users with a level of their own, ordered by user id; all others have 0."""
    query = "SELECT user_id, level FROM matrix_level WHERE room_id=$1 ORDER BY user_id"
    return {row["user_id"]: row["level"] for row in await reader.fetch(query, room_id)}


def peek_desk_levels(connection: Snapshot) -> dict[str, int]:
    """Return user id -> power level of the users who are joined or invited to the desk, for a command beside the bridge."""
    return {user: level for user, (_, level) in peek_desk_members(connection).items()}


def peek_desk_members(connection: Snapshot) -> dict[str, tuple[str, int]]:
    """Return user id -> membership (join, invite) and power level at the desk, for a command beside the bridge."""
    rows = connection.fetch(
        f"""SELECT m.user_id, m.membership, COALESCE(l.level, 0) AS level FROM matrix_room r
            JOIN matrix_member m ON m.room_id = r.room_id
            LEFT JOIN matrix_level l ON l.room_id = r.room_id AND l.user_id = m.user_id
            WHERE r.kind = 'desk' AND m.membership IN {KEY_MEMBERSHIPS} ORDER BY m.user_id"""  # noqa: S608 - a constant
    )
    return {row["user_id"]: (row["membership"], row["level"]) for row in rows}


def peek_room_counts(connection: Snapshot) -> dict[str, int]:
    """Return user id -> number of our rooms that they are joined or invited to, for a command beside the bridge."""
    rows = connection.fetch(
        f"""SELECT user_id, COUNT(*) AS rooms FROM matrix_member
            WHERE membership IN {KEY_MEMBERSHIPS} GROUP BY user_id ORDER BY user_id"""  # noqa: S608 - a constant
    )
    return {row["user_id"]: int(row["rooms"]) for row in rows}


async def require_room(reader: Transaction | Database, room_id: str) -> Room:
    """Return the room. Raises :class:`UnknownRoom` when it is not ours."""
    room = await room_of(reader, room_id)
    if room is None:
        raise UnknownRoom
    return room
