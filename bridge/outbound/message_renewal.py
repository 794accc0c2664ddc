"""A message of ours that is posted again, in the place of the one that bore its name: the card of a thread, the board.

Rules of this module: the new one stands and is pinned before the old one goes, so that there is never none. Its edits stay
until their time: clients show none of a message that is redacted, and each redaction is a line that says so. Of a thread
that a person holds nothing goes.
"""

from __future__ import annotations

from bot.model.actions import EditMessage, SendMessage, Speaker
from bridge.matrix.api.message_content import message_content
from bridge.matrix.room_client import RoomClient
from bridge.outbound.dispatcher import OutboxTask
from bridge.runtime.crash_points import CrashPoint
from bridge.services import Services
from bridge.tables import threads


class MessageRenewal:
    """Does what an edit asks for that is `fresh`."""

    def __init__(self, services: Services, *, room_client: RoomClient) -> None:
        self._database, self._crash, self._room_client = services.database, services.crash, room_client

    async def post(
        self, task: OutboxTask, edit: EditMessage, *, room: str, old: str, posted: str | None
    ) -> tuple[str, list[str]]:
        """Return the event that stands now and those that are gone.

        `old`: the message in whose place it comes, or empty; `posted`: what an earlier try has posted. Raises what
        `RoomClient` raises; may be repeated.
        """
        content = message_content(SendMessage(place=edit.place, body=edit.body, formatted=edit.formatted))
        event_id = posted or await self._room_client.send(room, Speaker.POLICY, task.txn, "m.room.message", content)
        self._crash(CrashPoint.MATRIX_SENT)
        await self._room_client.pin(room, event_id)
        if old in ("", event_id) or await threads.is_held(self._database, task.owner):
            return event_id, []
        await self._room_client.redact(room, old, f"{task.txn}.old")
        return event_id, [old]
