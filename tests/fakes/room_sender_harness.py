"""The room sender over a fake homeserver."""

from __future__ import annotations

from typing import Any, cast

from bot.model.actions import Action, Speaker
from bot.model.line_incidents import HomeserverIncident
from bridge.matrix.api.http_client import Permanent
from bridge.matrix.room_client import RoomClient
from bridge.matrix.room_keys.history import RecentMessages
from bridge.outbound.dead_letter_retry import DeadLetterRetry
from bridge.outbound.device_trust import DeviceTrustCommands
from bridge.outbound.dispatcher import OutboxTask
from bridge.outbound.room_refusals import RoomRefusals
from bridge.outbound.room_sender import RoomSender
from bridge.runtime.crash_points import CrashHook, never_crash
from bridge.services import WakeUps
from tests.fakes.bridge_harness import BridgeHarness


class FakeRoomClient:
    """A fake homeserver. `found_event`: the event of an earlier request. `raises`: the error of the next request.

    `forgot`: it no longer knows the transaction ids of earlier requests.
    """

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.found_event: str | None = None
        self.forgot = False
        self.searched: list[str] = []
        self.raises: Exception | None = None
        self.reaction_error: Exception | None = None
        self.reactions: list[str] = []
        self.posted: dict[str, str] = {}
        """The first event id of each transaction id; a repeated transaction id posts nothing."""
        self.redacted: list[str] = []
        self.history = RecentMessages(messages=())
        self.history_error: Exception | None = None
        self.membership_calls: list[tuple[str, str, str]] = []
        """Invitations and removals with their rooms, in order."""
        self.lost: set[str] = set()
        """Events that it has lost: it refuses events that relate to them, as Synapse does."""

    async def send(self, room_id: str, speaker: Speaker, txn: str, kind: str, content: dict[str, Any]) -> str:
        if self.raises is not None:
            raise self.raises
        relation = content.get("m.relates_to", {})
        if "rel_type" in relation and relation["event_id"] in self.lost:
            raise Permanent(400, "M_UNKNOWN")
        self.sent.append(txn)
        self.posted.setdefault(txn, content["body"])
        return f"${txn}"

    async def react(self, room_id: str, event_id: str, key: str, txn: str) -> str:
        if self.reaction_error is not None:
            raise self.reaction_error
        if event_id in self.lost:
            raise Permanent(400, "M_UNKNOWN")
        self.sent.append(txn)
        self.reactions.append(key)
        return f"${txn}"

    async def redact(self, room_id: str, event_id: str, txn: str) -> None:
        self.sent.append(txn)
        self.redacted.append(event_id)

    async def has_event(self, room_id: str, event_id: str) -> bool:
        return event_id not in self.lost

    async def pin(self, room_id: str, event_id: str) -> None:
        self.sent.append(f"pin {event_id}")

    async def share_room_keys(self, room_id: str, user: str, *, again: bool) -> None:
        self.sent.append(f"keys again={again}")

    async def share_key_bundle(self, room_id: str, user: str) -> None:
        self.sent.append("bundle")

    async def recent_messages(self, room_id: str) -> RecentMessages:
        if self.history_error is not None:
            raise self.history_error
        return self.history

    async def invite(self, room_id: str, user: str) -> None:
        self.membership_calls.append(("invite", room_id, user))

    async def remove(self, room_id: str, user: str) -> None:
        self.membership_calls.append(("remove", room_id, user))

    def knows_transactions_since(self, speaker: Speaker, created: float) -> bool:
        return not self.forgot

    async def find(self, room_id: str, speaker: Speaker, txn: str) -> str | None:
        self.searched.append(txn)
        return self.found_event


class RoomSenderHarness:
    """A room sender over a fake client, and a thread with a room. `woken`: the owners for which the engine was woken.

    `shown`: the texts reported to the deletion of carrier copies as shown in their rooms.
    """

    def __init__(self, harness: BridgeHarness, *, crash: CrashHook = never_crash) -> None:
        self.harness = harness
        self.room_client = FakeRoomClient()
        self.woken: list[str] = []
        self.shown: list[tuple[str, str]] = []
        self.outside_rooms: set[str] = set()
        self.comparisons = 0
        self.told: list[HomeserverIncident] = []
        self.room_sender = RoomSender(
            harness.services_with(
                WakeUps(engine=self.woken.append, shown_text=lambda *text: self.shown.append(text)), crash=crash
            ),
            room_client=cast("RoomClient", self.room_client),
            device_trust=cast("DeviceTrustCommands", None),
            dead_letter_retry=cast("DeadLetterRetry", None),
            room_refusals=RoomRefusals(
                harness.services,
                is_outside=self._is_outside,
                compare_rooms=self._compare_rooms,
                notify_desk=self._notify_desk,
            ),
            lifetime=86_400,
            zone="UTC",
        )

    async def _notify_desk(self, incident: HomeserverIncident) -> None:
        self.told.append(incident)

    async def _is_outside(self, room_id: str) -> bool:
        return room_id in self.outside_rooms

    def _compare_rooms(self) -> None:
        self.comparisons += 1

    async def task(self, action: Action, *, room: str | None = "!room") -> OutboxTask:
        owner = await self.harness.receive_text("hello", message_id="1")
        await self.harness.database.commit(
            lambda transaction: transaction.execute("UPDATE thread SET room_id = $1 WHERE id = $2", room, owner)
        )
        if room is not None:
            await self.harness.note_room(room, owner)
        return OutboxTask(number=1, owner=owner, txn="q1.0", created=int(self.harness.clock.now()), action=action)
