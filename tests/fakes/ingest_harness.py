"""The sync's intake over real tables with one room of each kind, and events that a homeserver could send."""

from __future__ import annotations

from typing import Any

from bot.model.events import Event, MessageSent
from bridge.inbound.matrix_event_ingest import MatrixEventIngest
from bridge.matrix.api import events
from bridge.matrix.room_keys import confirmed_identities
from bridge.services import WakeUps
from bridge.storage import serialization
from bridge.tables import inbox
from bridge.tables.inbox import InboxRow
from tests.fakes.bridge_harness import BridgeHarness

ADA = "@ada:quietline.localhost"
POLICY = "@policy:quietline.localhost"
PUPPET = "@line-main:quietline.localhost"
DAY = 86_400
DESK_ROOM, OFFICE_ROOM, WARM_ROOM, THREAD_ROOM = "!desk", "!office", "!warm", "!thread"


ROOM_PROVISIONER, UPLOADS = "the keeper of rooms", "the lists of uploads"


class IngestHarness:
    """An intake and its rooms. `woken`: the owners for which engine and room provisioner were woken."""

    def __init__(self, harness: BridgeHarness) -> None:
        self.harness = harness
        self.woken: list[str] = []
        wake = WakeUps(
            engine=self.woken.append,
            rooms=lambda: self.woken.append(ROOM_PROVISIONER),
            uploads=lambda: self.woken.append(UPLOADS),
        )
        self.ingest = MatrixEventIngest(
            harness.services_with(wake),
            policy=POLICY,
            puppet=PUPPET,
            lifetime=DAY,
        )
        self.thread = ""

    async def create_rooms(self) -> None:
        self.thread = await self.harness.receive_text("hello", message_id="1")
        rooms = (
            (DESK_ROOM, "desk", "desk"),
            (OFFICE_ROOM, "office", ADA),
            (WARM_ROOM, "thread", ""),
            (THREAD_ROOM, "thread", self.thread),
        )

        async def commit(transaction: Any) -> None:
            await transaction.execute("DELETE FROM inbox")
            for room_id, kind, owner in rooms:
                query = "INSERT INTO matrix_room (room_id, kind, owner, key_owner) VALUES ($1, $2, $3, $4)"
                await transaction.execute(query, room_id, kind, owner, f"room:{room_id}")

        await self.harness.database.commit(commit)

    async def trust_ada(self) -> None:
        """Let Ada have a confirmed identity with a device that it signed."""

        async def commit(transaction: Any) -> None:
            await confirmed_identities.confirm(transaction, ADA, "k")
            await transaction.execute("INSERT INTO matrix_device VALUES ($1, 'D', 'c', 'e', TRUE, 'k')", ADA)

        await self.harness.database.commit(commit)

    async def take(self, *matrix_events: events.MatrixEvent) -> list[tuple[str, Event]]:
        """Take events in by one commit; return the rows of the inboxes after it, and empty them."""
        await self.harness.database.commit(lambda transaction: self.ingest.ingest(transaction, matrix_events))
        self.ingest.after_commit()
        return await self.drain_inboxes()

    async def drain_inboxes(self) -> list[tuple[str, Event]]:
        rows = await self.harness.database.fetch("SELECT owner, kind, body FROM inbox ORDER BY seq")
        await self.harness.database.commit(lambda transaction: transaction.execute("DELETE FROM inbox"))
        vault = self.harness.vault
        return [
            (
                r["owner"],
                serialization.decode(
                    r["kind"], await inbox.open_body(vault, InboxRow(r["owner"], r["kind"], bytes(r["body"])))
                ),
            )
            for r in rows
        ]

    async def message_event(self, content: dict[str, Any], *, clear: dict[str, Any] | None = None) -> MessageSent:
        """Return the event made of a message with this content in the thread's room."""
        ((owner, event),) = await self.take(message(content, clear=clear))
        assert owner == self.thread
        assert isinstance(event, MessageSent)
        return event

    async def record_own_event(self, event_id: str, ref: str) -> None:
        """Record an event of ours in the thread's room."""
        await self.harness.database.commit(
            lambda transaction: transaction.execute(
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
) -> events.DecryptedMessage:
    return events.DecryptedMessage(
        event_id=event_id,
        room_id=room,
        sender=ADA,
        device_id="D",
        type=kind,
        content=content,
        clear_relation=clear,
        at=1_799_999_999_500,
    )


def text_content(body: str, **more: Any) -> dict[str, Any]:
    return {"msgtype": "m.text", "body": body, **more}


def unencrypted(
    kind: str, content: dict[str, Any], *, room: str = DESK_ROOM, redacts: str | None = None
) -> events.UnencryptedEvent:
    return events.UnencryptedEvent(
        event_id="$plain", room_id=room, sender=ADA, type=kind, content=content, redacts=redacts, at=1_800_000_000_000
    )


def reaction(target: str, *, room: str = DESK_ROOM) -> events.UnencryptedEvent:
    return unencrypted(
        "m.reaction", {"m.relates_to": {"rel_type": "m.annotation", "event_id": target, "key": "✋"}}, room=room
    )
