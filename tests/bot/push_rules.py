"""Matrix's default push rules, as far as they decide about messages (Client-Server API, "Predefined Rules").

Rules of this module: rules have the specification's order, and the first that matches decides; a client evaluates them on
the decrypted event. All settings are the defaults.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, unique
from typing import Any, Final, TypeAlias


@unique
class Push(Enum):
    """The effect of a rule: nothing, a silent notification, or a sound with a highlight."""

    NOTHING = "nothing"
    NOTIFY = "notify"
    RING = "ring"


Condition: TypeAlias = Callable[[dict[str, Any], str], bool]


def _mentions(content: dict[str, Any], user: str) -> bool:
    return user in content.get("m.mentions", {}).get("user_ids", [])


RULES: Final[tuple[tuple[str, Condition, Push], ...]] = (
    (".m.rule.suppress_notices", lambda content, _: content["msgtype"] == "m.notice", Push.NOTHING),
    (".m.rule.is_user_mention", _mentions, Push.RING),
    (".m.rule.is_room_mention", lambda content, _: content.get("m.mentions", {}).get("room") is True, Push.RING),
    (
        ".m.rule.suppress_edits",
        lambda content, _: content.get("m.relates_to", {}).get("rel_type") == "m.replace",
        Push.NOTHING,
    ),
    (".m.rule.message", lambda _content, _user: True, Push.NOTIFY),
)
"""Override rules, then underride; `.m.rule.room_one_to_one` is left out: none of these rooms has only two members."""


def push(content: dict[str, Any], user: str) -> Push:
    """Return the notification of an `m.room.message` with this content at a member's devices."""
    return next(action for _, matches, action in RULES if matches(content, user))
