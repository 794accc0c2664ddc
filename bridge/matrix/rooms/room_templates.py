"""How our rooms are created: desk, office, thread.

Rule of this module: a room is encrypted, invite-only, closed to guests and to other servers from its first event, and its
power levels are written out. Pure. Sources: design.md, "Identities, rooms, trust";
https://spec.matrix.org/latest/client-server-api/#creation
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from bot.wording.notice import READ, words_in_all, words_of
from bridge.matrix.api.admin_api import ROOM_KIND_FIELD
from bridge.matrix.olm.cross_signing import MEGOLM
from bridge.matrix.rooms.room_state import RoomKind

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
