"""Posts a message of ours again, in place of the one with the same ref.

These are the card of a thread, the board, and any message that the homeserver has lost, for instance by a rollback.

Rules of this module: the new message is posted, and pinned if the old one was, before the old one is redacted, so that
there is always one. The edits of the old one stay until they expire: clients do not show edits of a redacted message, and
show each redaction as a line. Nothing is redacted in a thread on legal hold. A lost message is redacted too: clients may
have kept it.
"""

from __future__ import annotations

from http import HTTPStatus

from bot.model.actions import EditMessage, SendMessage, Speaker
from bridge.matrix.api.http_client import Permanent
from bridge.matrix.api.message_body import message_content
from bridge.matrix.room_client import RoomClient
from bridge.outbound.dispatcher import OutboxTask
from bridge.runtime import log
from bridge.runtime.crash_points import CrashPoint
from bridge.services import Services
from bridge.tables import threads
from bridge.tables.room_events import PERMANENT_REFS


class MessageRenewal:
    """Performs an edit that is `fresh`, or whose message is lost."""

    def __init__(self, services: Services, *, room_client: RoomClient) -> None:
        self._database, self._crash, self._room_client = services.database, services.crash, room_client

    async def is_lost(self, error: Permanent, room: str, event_id: str) -> bool:
        """Whether the homeserver refused an edit of, or a reaction on, this event because it does not have it.

        Synapse answers other errors with 400 M_UNKNOWN as well, so the event is requested. Raises what `RoomClient` raises.
        """
        if (error.status, error.errcode) != (HTTPStatus.BAD_REQUEST, "M_UNKNOWN"):
            return False
        lost = not await self._room_client.has_event(room, event_id)
        if lost:
            log.event("message_renewal.message_lost")
        return lost

    async def post(
        self, task: OutboxTask, edit: EditMessage, *, room: str, old: str, txn: str, posted: str | None
    ) -> tuple[str, list[str]]:
        """Post the message again; return the event that is shown now and the redacted ones.

        `old`: the message that it replaces, or empty; `posted`: what an earlier try has posted. Raises what `RoomClient`
        raises; may be repeated with the same `txn`.
        """
        content = message_content(SendMessage(place=edit.place, body=edit.body, formatted=edit.formatted))
        event_id = posted or await self._room_client.send(room, Speaker.POLICY, txn, "m.room.message", content)
        self._crash(CrashPoint.MATRIX_SENT)
        if edit.fresh or edit.ref in PERMANENT_REFS:
            await self._room_client.pin(room, event_id)
        if old in ("", event_id) or await threads.is_on_legal_hold(self._database, task.owner):
            return event_id, []
        await self._room_client.redact(room, old, f"{task.txn}.old")
        return event_id, [old]
