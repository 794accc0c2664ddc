"""What a line room never contains, from any sender: words in the clear, outsiders, unnecessary uploads.

Rule of this module: the create event identifies the policy bot's rooms; what the module cannot identify it refuses; it
changes nothing in other rooms. A refusal is a 403 (an upload: 413).

- **In the clear**: of events that are not state, only `m.room.encrypted` (Megolm), `m.reaction` and `m.room.redaction` are
  accepted, from staff and from the bridge alike. A reaction with letters is a message in the clear and refused, except our
  own (receipts say "✓ sent"). The reason of a redaction is removed, because it would be a message in the clear, and so is
  the reason of an invitation, a removal or a departure: nothing ever redacts a membership. Our own invitations keep their
  reason, a fixed sentence.
- **Outsiders**: only the policy bot invites; at a desk also people whom the power levels permit (supervisors). Only people
  of this homeserver are invited, none by e-mail or telephone number. Another line's policy bot or puppet is an outsider.
- **Uploads**: files that staff attach never reach a phone (design.md, "Who is heard"), and the homeserver cannot recognise
  a picture in an encrypted room: it sees neither type nor room. Necessary uploads of clients are small: key bundles of an
  inviting supervisor (MSC4268), about 500 bytes a session, and a profile picture. So a member of a line room uploads at
  most `upload_bytes` at once (64 KiB unless configured), which is less than a photograph. Our own identities have no limit:
  the bridge uploads key bundles, and deletes them.
"""

from __future__ import annotations

from typing import Any, Final

from quietline_synapse.rooms import DESK, KIND, AllRooms
from quietline_synapse.settings import LineSettings, ModuleSettings

MEGOLM: Final = "m.megolm.v1.aes-sha2"
CLEAR_TEXT_KEYS: Final = ("body", "formatted_body", "m.new_content", "filename", "url", "info")
"""Keys of a message's content that a faulty client could leave beside the ciphertext."""

MAX_REACTION_LENGTH: Final = 16
"""Code points: families, flags and skin tones take up to a dozen."""

ENFORCES: Final = ("no-clear-text", "no-outsiders", "small-uploads", "key-backup-discarded")


class RoomRules:
    """The callbacks that Synapse calls."""

    def __init__(self, *, rooms: AllRooms, settings: ModuleSettings) -> None:
        self._rooms, self._settings = rooms, settings

    async def is_foreign(self, event: Any) -> bool:
        """Whether an event belongs to a room that no policy bot created, to which no rule applies."""
        return await self._rooms.is_foreign(event.room_id)

    def check_event_allowed(self, event: Any, create: Any | None) -> tuple[bool, dict[str, Any] | None]:
        """Return whether an event may enter its room, and its replacement or None. `create`: the room's create event."""
        if create is None:
            # Without a create event the room's owner is unknown. A person may always leave a room, also another's.
            own = event.type == "m.room.member" and getattr(event, "state_key", None) == event.sender
            return bool(own) and event.content.get("membership") == "leave", None
        line = self._settings.line_of_bot(create.sender)
        if line is None:
            return True, None
        if not event.is_state():
            return self._check_timeline_event(event, line)
        match event.type:
            case "m.room.member":
                return self._check_membership(event, create, line)
            case "m.room.third_party_invite":
                return False, None
        return True, None

    async def may_upload(self, user_id: str, size: int) -> bool:
        """Whether a person may upload `size` bytes (media_repository_callbacks)."""
        return size <= self._settings.upload_bytes or not await self._is_limited(user_id)

    async def media_config(self, user_id: str) -> dict[str, Any] | None:
        """Return the limit for clients that ask before an upload."""
        return {"m.upload.size": self._settings.upload_bytes} if await self._is_limited(user_id) else None

    async def _is_limited(self, user_id: str) -> bool:
        return not self._settings.is_ours(user_id) and await self._rooms.is_in_any_room(user_id)

    def _check_timeline_event(self, event: Any, line: LineSettings) -> tuple[bool, dict[str, Any] | None]:
        content = event.content
        match event.type:
            case "m.room.encrypted":
                sealed = content.get("algorithm") == MEGOLM and isinstance(content.get("ciphertext"), str)
                return sealed and not any(word in content for word in CLEAR_TEXT_KEYS), None
            case "m.reaction":
                return line.is_ours(event.sender) or _is_symbol(content), None
            case "m.room.redaction":
                return True, _with_content(event, {"redacts": content["redacts"]} if "redacts" in content else {})
        return False, None

    def _check_membership(self, event: Any, create: Any, line: LineSettings) -> tuple[bool, dict[str, Any] | None]:
        if event.content.get("membership") == "invite" and not self._may_invite(event, create, line):
            return False, None
        if line.is_ours(event.sender):
            return True, None
        return True, _with_content(event, {key: value for key, value in event.content.items() if key != "reason"})

    def _may_invite(self, event: Any, create: Any, line: LineSettings) -> bool:
        by_us = event.sender == line.policy
        local = event.state_key.partition(":")[2] == line.policy.partition(":")[2]
        of_another_line = self._settings.is_ours(event.state_key) and not line.is_ours(event.state_key)
        return bool(local and not of_another_line and (by_us or create.content.get(KIND) == DESK))


def _with_content(event: Any, content: dict[str, Any]) -> dict[str, Any] | None:
    """Return a copy of the event with only this content; None when the event has exactly this content."""
    return None if dict(event.content) == content else {**event.get_dict(), "content": content}


def _is_symbol(content: Any) -> bool:
    try:
        key = content["m.relates_to"]["key"]
    except (KeyError, TypeError):
        return False
    return isinstance(key, str) and 0 < len(key) <= MAX_REACTION_LENGTH and not any(letter.isalpha() for letter in key)
