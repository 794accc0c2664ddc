"""Posts over a homeserver on paper."""

from __future__ import annotations

from typing import Any, cast

from bot.model.actions import Action, Speaker
from bridge.matrix.room_client import Edge
from bridge.matrix.room_keys.history import Typed
from bridge.outbound.dead_letter_retry import Retries
from bridge.outbound.device_trust import Trust
from bridge.outbound.dispatcher import Task
from bridge.outbound.room_sender import Posts
from bridge.runtime.crash_points import Crash, nowhere
from tests.fakes.nerves import Nerves


class PaperEdge:
    """A homeserver on paper: `found` is what it has of earlier requests, `raises` what it answers instead."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.found: str | None = None
        self.looked: list[str] = []
        self.raises: Exception | None = None
        self.no_taps: Exception | None = None
        self.posted: dict[str, str] = {}
        """What each transaction posted first; what the homeserver has is not posted anew."""
        self.redacted: list[str] = []
        self.history = Typed(said=())
        self.unreadable: Exception | None = None
        self.company: list[tuple[str, str, str]] = []
        """Who was invited to and removed from which room, in order."""

    async def send(self, room_id: str, speaker: Speaker, txn: str, kind: str, content: dict[str, Any]) -> str:
        if self.raises is not None:
            raise self.raises
        self.sent.append(txn)
        self.posted.setdefault(txn, content["body"])
        return f"${txn}"

    async def react(self, room_id: str, event_id: str, key: str, txn: str) -> str:
        if self.no_taps is not None:
            raise self.no_taps
        self.sent.append(txn)
        return f"${txn}"

    async def redact(self, room_id: str, event_id: str, txn: str) -> str:
        self.sent.append(txn)
        self.redacted.append(event_id)
        return f"${txn}"

    async def give_keys(self, room_id: str, user: str, *, again: bool) -> None:
        self.sent.append(f"keys again={again}")

    async def give_bundle(self, room_id: str, user: str) -> None:
        self.sent.append("bundle")

    async def typed(self, room_id: str) -> Typed:
        if self.unreadable is not None:
            raise self.unreadable
        return self.history

    async def invite(self, room_id: str, user: str) -> None:
        self.company.append(("invite", room_id, user))

    async def remove(self, room_id: str, user: str) -> None:
        self.company.append(("remove", room_id, user))

    async def find(self, room_id: str, speaker: Speaker, txn: str) -> str | None:
        self.looked.append(txn)
        return self.found


class Posting:
    """Posts over a paper edge, and a thread that has a room. `woken`: whom the engine was told of."""

    def __init__(self, nerves: Nerves, *, crash: Crash = nowhere) -> None:
        self.nerves = nerves
        self.edge = PaperEdge()
        self.woken: list[str] = []
        self.posts = Posts(
            store=nerves.store,
            vault=nerves.vault,
            clock=nerves.clock,
            edge=cast("Edge", self.edge),
            trust=cast("Trust", None),
            retries=cast("Retries", None),
            lifetime=86_400,
            zone="UTC",
            wake_engine=self.woken.append,
            crash=crash,
        )

    async def task(self, action: Action, *, room: str | None = "!room") -> Task:
        owner = await self.nerves.arrive("hello", message_id="1")
        await self.nerves.store.commit(
            lambda conn: conn.execute("UPDATE thread SET room_id = $1 WHERE id = $2", room, owner)
        )
        if room is not None:
            await self.nerves.note_room(room, owner)
        return Task(number=1, owner=owner, txn="q1.0", created=int(self.nerves.clock.wall()), action=action)
