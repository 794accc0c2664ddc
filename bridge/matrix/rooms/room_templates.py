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
"""From this version on the creator has all power and must not stand in `power_levels.users`."""

UNREADABLE: Final = words_in_all("room.unreadable")
"""Why a device reads nothing here and what to do. It is said in the clear, so it says nothing about the line, and in every
language: who reads it is not known, and it is the same everywhere."""
TOPIC: Final = " ".join(
    f"{words_of('room.nothing_readable', language)} {words_of('room.unreadable', language)}" for language in READ
)
"""The one topic of every room: a client shows it also where it can decrypt nothing."""

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
        # The kind is for the homeserver's module: which of our rooms is the desk, and so who is on the roster.
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

    At the desk supervisors may invite, remove and give roles; elsewhere everybody talks, and the rest is the creator's.
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
    """Tell whether a room's power levels are not what we made them, other than in who has a role there.

    What we write nothing about does not count, except for events: a homeserver adds fields of its own (`historical`).
    """
    users = levels.get("users")
    silenced = isinstance(users, Mapping) and any(isinstance(level, int) and level < 0 for level in users.values())
    ours = power_levels(kind, ())
    return silenced or any(levels.get(name) != value for name, value in ours.items() if name != "users")


def restored_power_levels(
    kind: RoomKind, levels: Mapping[str, Any], *, supervisors: Collection[str], alone: bool
) -> dict[str, Any]:
    """Return power levels as we made them, with these supervisors, and unless they are it `alone` those there are now."""
    return power_levels(kind, sorted({*supervisors, *(() if alone else _supervisors(levels))}))


def are_supervisors(levels: Mapping[str, Any], users: Collection[str], *, alone: bool) -> bool:
    """Whether all these users have a supervisor's level, and where they should be it `alone`, nobody else has."""
    now = _supervisors(levels)
    return set(users) == now if alone else set(users) <= now


def _supervisors(levels: Mapping[str, Any]) -> set[str]:
    users = levels.get("users")
    named = users.items() if isinstance(users, Mapping) else ()
    return {user for user, level in named if isinstance(level, int) and level >= SUPERVISOR}


def _state(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "state_key": "", "content": content}
