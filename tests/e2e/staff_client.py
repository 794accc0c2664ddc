"""What a person at the agency sees and does in a Matrix client, independent of the client.

Rule of this module: scenarios use a `StaffClient` and never a client library, so that the strict client and the second,
independent one are interchangeable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.e2e.polling import STEP_TIMEOUT, shorten, wait_until

NO_SHIELD = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineItem:
    """One event of a room as a client shows it.

    `kind`: `message`, `redacted`, `undecryptable`, `state` or `other`. `body` is the newest one. `shield`: `none`, or
    colour and code (`red UNSIGNED_DEVICE`). `cause`: why it could not be decrypted. `reactions`: key to senders.
    `formatted`: the newest formatted body, if the client reports it.
    """

    sender: str
    kind: str
    event_id: str | None = None
    body: str = ""
    formatted: str = ""
    msgtype: str = ""
    shield: str = NO_SHIELD
    cause: str = ""
    edited: bool = False
    reactions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    handle: Any = field(default=None, repr=False, compare=False)

    def marks(self, sender: str) -> tuple[str, ...]:
        """Return the reaction keys of this user on the event."""
        return tuple(key for key, senders in self.reactions.items() if sender in senders)

    def brief(self) -> str:
        """Return one line for failure output."""
        parts = [self.sender.split(":")[0], self.kind, shorten(self.body), self.cause]
        parts.append("" if self.shield == NO_SHIELD else self.shield)
        parts.append(" ".join(self.reactions))
        return " ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account of ready.json."""

    user: str
    mxid: str
    password: str = field(repr=False)
    role: str


class StaffClient(Protocol):
    """A logged-in Matrix client of one staff member. Room ids and event ids are Matrix's; texts are plain bodies."""

    mxid: str
    homeserver: str

    async def start(self) -> None:
        """Log in, set up encryption and begin to sync."""

    async def away(self) -> None:
        """Stop syncing and keep the client, as when it is switched off."""

    async def back(self) -> None:
        """Sync again, from the last position."""

    async def stop(self) -> None:
        """Stop syncing and drop the client; the account does not change."""

    async def invites(self) -> Mapping[str, str]:
        """Return the rooms that this person is invited to, and their names."""

    async def join(self, room_id: str) -> None:
        """Accept the invite and wait until the client shows the room."""

    async def joined(self) -> Mapping[str, str]:
        """Return the rooms that this person has joined, and their names."""

    async def leave(self, room_id: str) -> None:
        """Leave the room."""

    async def items(self, room_id: str) -> list[TimelineItem]:
        """Return the room's events that the client has, oldest first."""

    async def open_items(self, room_id: str) -> list[TimelineItem]:
        """Return what the client shows of a room that may be gone, without a request to the homeserver."""

    async def whole(self, room_id: str) -> list[TimelineItem]:
        """Page back to the start; return all of the room's events, oldest first."""

    async def say(self, room_id: str, text: str) -> TimelineItem:
        """Send a plain text message; return it as the server has it."""

    async def reply(self, room_id: str, to: TimelineItem, text: str) -> TimelineItem:
        """Send a reply."""

    async def say_in_thread(self, room_id: str, root: TimelineItem, text: str) -> TimelineItem:
        """Send into a Matrix thread."""

    async def say_raw(self, room_id: str, content: Mapping[str, Any]) -> TimelineItem:
        """Send an `m.room.message` with exactly this content (mentions, files)."""

    async def edit(self, room_id: str, item: TimelineItem, text: str) -> None:
        """Replace the text of one's own message."""

    async def redact(self, room_id: str, item: TimelineItem) -> None:
        """Redact an event."""

    async def react(self, room_id: str, item: TimelineItem, key: str) -> None:
        """Put a reaction on an event."""

    async def find(
        self, room_id: str, step: str, matches: Callable[[TimelineItem], bool], *, within: float = STEP_TIMEOUT
    ) -> TimelineItem:
        """Wait until an item of the room `matches` and return it."""


class ContentClient(StaffClient, Protocol):
    """A client that sends an event with exactly the given content, from which the other methods make messages."""

    async def send(self, room_id: str, kind: str, content: Mapping[str, Any]) -> str:
        """Send an event of this type, encrypted if the room is; return its id."""

    async def say(self, room_id: str, text: str) -> TimelineItem:
        """Send a plain text message with exactly this text; return it as the server has it."""
        return await self.say_raw(room_id, {"msgtype": "m.text", "body": text})

    async def reply(self, room_id: str, to: TimelineItem, text: str) -> TimelineItem:
        """Send a reply."""
        relation = {"m.in_reply_to": {"event_id": to.event_id}}
        return await self.say_raw(room_id, {"msgtype": "m.text", "body": text, "m.relates_to": relation})

    async def say_in_thread(self, room_id: str, root: TimelineItem, text: str) -> TimelineItem:
        """Send into a Matrix thread that begins at `root`."""
        relation = {"rel_type": "m.thread", "event_id": root.event_id}
        return await self.say_raw(room_id, {"msgtype": "m.text", "body": text, "m.relates_to": relation})

    async def say_raw(self, room_id: str, content: Mapping[str, Any]) -> TimelineItem:
        """Send an `m.room.message` with exactly this content."""
        event_id = await self.send(room_id, "m.room.message", content)
        return await self.find(room_id, "own message is with the server", lambda i: i.event_id == event_id)

    async def edit(self, room_id: str, item: TimelineItem, text: str) -> None:
        """Replace the text of one's own message."""
        new = {"msgtype": "m.text", "body": text}
        relation = {"rel_type": "m.replace", "event_id": item.event_id}
        await self.send(
            room_id, "m.room.message", {**new, "body": f"* {text}", "m.new_content": new, "m.relates_to": relation}
        )

    async def react(self, room_id: str, item: TimelineItem, key: str) -> None:
        """Put a reaction on an event."""
        relation = {"rel_type": "m.annotation", "event_id": item.event_id, "key": key}
        await self.send(room_id, "m.reaction", {"m.relates_to": relation})

    async def find(
        self, room_id: str, step: str, matches: Callable[[TimelineItem], bool], *, within: float = STEP_TIMEOUT
    ) -> TimelineItem:
        """Wait until an item of the room `matches`; the newest such item."""
        return await find_item(self, room_id, step, matches, within=within)


async def find_item(
    client: StaffClient,
    room_id: str,
    step: str,
    matches: Callable[[TimelineItem], bool],
    *,
    within: float = STEP_TIMEOUT,
) -> TimelineItem:
    """Wait until an item of the room `matches`; return the newest such item."""

    async def probe() -> TimelineItem | None:
        return next((item for item in reversed(await client.items(room_id)) if matches(item)), None)

    async def seen() -> str:
        return newest_messages(await client.items(room_id))

    return await wait_until(f"{client.mxid}: {step}", probe, within=within, seen=seen)


def mention(text: str, *mxids: str) -> dict[str, Any]:
    """Return the content of a message that mentions people (`m.mentions`)."""
    return {"msgtype": "m.text", "body": text, "m.mentions": {"user_ids": list(mxids)}}


def attachment(name: str) -> dict[str, Any]:
    """Return the content of a file message. The media does not exist: nothing may fetch it."""
    key = {"kty": "oct", "alg": "A256CTR", "ext": True, "k": "A" * 43, "key_ops": ["encrypt", "decrypt"]}
    file = {"v": "v2", "url": "mxc://nowhere.invalid/none", "key": key, "iv": "A" * 22, "hashes": {"sha256": "A" * 43}}
    return {"msgtype": "m.file", "body": name, "filename": name, "info": {"size": 1}, "file": file}


def newest_messages(items: list[TimelineItem], count: int = 10) -> str:
    """Return the last messages of a room, for failure output."""
    lines = [item.brief() for item in items if item.kind in {"message", "undecryptable", "redacted"}]
    return "".join(f"\n    {line}" for line in lines[-count:]) or "nothing"
