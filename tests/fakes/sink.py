"""The sink of the sync over real tables that know one room of each kind, and what a homeserver could have said."""

from __future__ import annotations

from typing import Any

from bot.model.events import Event, Said
from bridge.inbound.matrix_events import Intake
from bridge.matrix.api import events
from bridge.storage import serialization
from tests.fakes.nerves import Nerves

ADA = "@ada:quietline.localhost"
POLICY = "@policy:quietline.localhost"
VOICE = "@line-main:quietline.localhost"
DAY = 86_400
DESK_ROOM, OFFICE_ROOM, WARM_ROOM, THREAD_ROOM = "!desk", "!office", "!warm", "!thread"


KEEPER = "the keeper of rooms"


class Sink:
    """An intake and its rooms. `woken`: whom the engine was told of, and the keeper of rooms."""

    def __init__(self, nerves: Nerves) -> None:
        self.nerves = nerves
        self.woken: list[str] = []
        self.intake = Intake(
            vault=nerves.vault,
            clock=nerves.clock,
            policy=POLICY,
            voice=VOICE,
            lifetime=DAY,
            wake_engine=self.woken.append,
            wake_rooms=lambda: self.woken.append(KEEPER),
        )
        self.thread = ""

    async def furnish(self) -> None:
        self.thread = await self.nerves.arrive("hello", message_id="1")
        rooms = (
            (DESK_ROOM, "desk", "desk"),
            (OFFICE_ROOM, "office", ADA),
            (WARM_ROOM, "thread", ""),
            (THREAD_ROOM, "thread", self.thread),
        )

        async def commit(conn: Any) -> None:
            await conn.execute("DELETE FROM inbox")
            for room_id, kind, owner in rooms:
                query = "INSERT INTO matrix_room (room_id, kind, owner, key_owner) VALUES ($1, $2, $3, $4)"
                await conn.execute(query, room_id, kind, owner, f"room:{room_id}")

        await self.nerves.store.commit(commit)

    async def see(self, *seen: events.Item) -> list[tuple[str, Event]]:
        """Take items in by one commit; returns what is in the inboxes after it, and empties them."""
        await self.nerves.store.commit(lambda conn: self.intake.take(conn, seen))
        self.intake.committed()
        return await self.inboxes()

    async def inboxes(self) -> list[tuple[str, Event]]:
        rows = await self.nerves.store.fetch("SELECT owner, kind, body FROM inbox ORDER BY seq")
        await self.nerves.store.commit(lambda conn: conn.execute("DELETE FROM inbox"))
        vault = self.nerves.vault
        return [
            (r["owner"], serialization.decode(r["kind"], await vault.open(r["owner"], "inbox", r["body"]))) for r in rows
        ]

    async def said(self, content: dict[str, Any], *, clear: dict[str, Any] | None = None) -> Said:
        """Return what a message with this content in the thread's room becomes."""
        ((owner, event),) = await self.see(message(content, clear=clear))
        assert owner == self.thread
        assert isinstance(event, Said)
        return event

    async def ours(self, event_id: str, ref: str) -> None:
        """Note an event of ours in the thread's room."""
        await self.nerves.store.commit(
            lambda conn: conn.execute(
                "INSERT INTO event (event_id, room_id, owner, ref, at) VALUES ($1, $2, $3, $4, 0)",
                event_id,
                THREAD_ROOM,
                self.thread,
                ref,
            )
        )


def message(
    content: dict[str, Any],
    *,
    room: str = THREAD_ROOM,
    event_id: str = "$said",
    clear: dict[str, Any] | None = None,
    kind: str = "m.room.message",
) -> events.Said:
    return events.Said(
        event_id=event_id,
        room_id=room,
        sender=ADA,
        device_id="D",
        type=kind,
        content=content,
        clear_relation=clear,
        at=1_799_999_999_500,
    )


def words(body: str, **more: Any) -> dict[str, Any]:
    return {"msgtype": "m.text", "body": body, **more}


def plain(kind: str, content: dict[str, Any], *, room: str = DESK_ROOM, redacts: str | None = None) -> events.Plain:
    return events.Plain(
        event_id="$plain", room_id=room, sender=ADA, type=kind, content=content, redacts=redacts, at=1_800_000_000_000
    )


def tap(target: str, *, room: str = DESK_ROOM) -> events.Plain:
    return plain("m.reaction", {"m.relates_to": {"rel_type": "m.annotation", "event_id": target, "key": "✋"}}, room=room)
