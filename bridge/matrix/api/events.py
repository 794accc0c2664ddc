"""The values in which events of the homeserver reach the engine.

Rule of this module: a value says what was seen and how far it can be trusted, never what follows from it. Only a
`DecryptedMessage` is authenticated by a trusted device; all other values are claims of the homeserver (facts-matrix.md,
"What is not signed").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class DecryptedMessage:
    """A decrypted event of a cross-signed device of a confirmed identity.

    `content` is the decrypted content; `m.relates_to` is copied into it from the clear part when it has none of its own.
    `clear_relation` is that clear part, or None: the homeserver can forge it. `at`: milliseconds since the epoch.
    """

    event_id: str
    room_id: str
    sender: str
    device_id: str
    type: str
    content: Mapping[str, Any] = field(repr=False)
    clear_relation: Mapping[str, Any] | None = field(repr=False)
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UntrustedMessage:
    """An event of a device that is not cross-signed by its user's confirmed identity; readable or not, it is not accepted.

    `command`: its beginning, if readable and like a command, or the key of a reaction; it is only checked for a command
    that stops texts to a phone. `uploads`: the addresses of uploads that it links, if readable, to be deleted with it.
    """

    event_id: str
    room_id: str
    sender: str
    at: int
    command: str = field(default="", repr=False)
    uploads: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class UndecryptableEvent:
    """An event whose key did not come in time, or whose inside is malformed."""

    event_id: str
    room_id: str
    sender: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnencryptedEvent:
    """An unencrypted timeline event: a reaction, a redaction (`redacts`), a message sent in the clear."""

    event_id: str
    room_id: str
    sender: str
    type: str
    content: Mapping[str, Any] = field(repr=False)
    redacts: str | None
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """Another person's membership changed. `sender` changed it, possibly one of us; `previous` is empty if unknown."""

    room_id: str
    user_id: str
    membership: str
    sender: str
    previous: str
    event_id: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberReturned:
    """A person who had left a room is in it, or invited, without a new invitation: by a rollback of the homeserver.

    They count as gone.
    """

    room_id: str
    user_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberNamed:
    """A person in the desk room calls themselves this (`displayname`, shortened); "" is no name."""

    room_id: str
    user_id: str
    name: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerLevels:
    """A person set the power levels; at the desk also an administrator, or we. `users` are those named, with their levels.

    The creator is not among them.

    `tampered`: something else than roles is not as we made it.
    """

    room_id: str
    users: Mapping[str, int]
    sender: str
    event_id: str
    at: int
    tampered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadReceipt:
    """Another person's client says, for all to see, that they read up to this event (`m.receipt`, `m.read`)."""

    room_id: str
    user_id: str
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityChanged:
    """A user's master key is not the confirmed one; nothing goes to that user until `confirm(user_id, master_key)`.

    `first` is true when none was ever confirmed: a new member of staff, on a line that does not trust on first use.
    """

    user_id: str
    master_key: str
    first: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityConfirmed:
    """A user's newest master key was confirmed beside the bridge (`quietline trust`)."""

    user_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomLost:
    """A room of ours was closed by a tombstone (`how` is "closed"), or we were removed from it ("removed")."""

    room_id: str
    how: str
    sender: str
    event_id: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfRemoved:
    """A person removed the texter puppet from a room that the policy bot is still in."""

    room_id: str
    user_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GapTruncated:
    """More events were sent in a room since our last sync than could be fetched: the oldest of them are missing."""

    room_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnhandledEvent:
    """A part of a sync response that could not be written, through a fault of ours; the cursor passes it all the same.

    `room_id` is empty for what belongs to no room (a to-device message). `encrypted`: a person said something in a room.
    Ids are empty and `at` (milliseconds) is 0 where there are none that can be used; `raw` is its JSON.
    """

    room_id: str
    event_id: str
    sender: str
    encrypted: bool
    at: int
    raw: str = field(repr=False)


RoomEvent: TypeAlias = (
    DecryptedMessage | UntrustedMessage | UndecryptableEvent | UnencryptedEvent | Membership | PowerLevels | RoomLost
)
"""The form of a room event: an id, a sender and a time."""

MatrixEvent: TypeAlias = (
    RoomEvent
    | MemberNamed
    | MemberReturned
    | ReadReceipt
    | IdentityChanged
    | IdentityConfirmed
    | SelfRemoved
    | GapTruncated
)


def unhandled_event_of(item: MatrixEvent) -> UnhandledEvent:
    """Return the event's identifiers only: its decrypted content is not stored, because it may hold a codeword."""
    if not isinstance(item, RoomEvent):
        return UnhandledEvent(room_id="", event_id="", sender="", encrypted=False, at=0, raw="")
    return UnhandledEvent(
        room_id=item.room_id,
        event_id=item.event_id,
        sender=item.sender,
        encrypted=isinstance(item, DecryptedMessage),
        at=item.at,
        raw="",
    )
