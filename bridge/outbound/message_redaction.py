"""Redacts messages of ours, and a person's message with its edits, receipts and notices.

Rule of this module: nothing is redacted in a thread on legal hold. The lane does not wait for the end of the hold, which
may take weeks: the expiry worker redacts these messages as soon as the hold is lifted. A redaction waits for its message to
be posted, as rows of another lane may do later than this one.
"""

from __future__ import annotations

from bot.model.actions import RECAP, THREAD, EraseMessage, RedactMessage, SendMessage, ShowAudit, ShowDevices
from bridge.matrix.room_client import RoomClient
from bridge.outbound import room_lookup
from bridge.outbound.dispatcher import OutboxTask, RetryLater
from bridge.outbound.edit_throttle import EditThrottle
from bridge.services import Services
from bridge.storage.database import Sync
from bridge.tables import room_events, threads


class MessageRedaction:
    """Performs redactions.

    Each method returns the redacted events, raises what `RoomClient` raises, and may be repeated.
    """

    def __init__(self, services: Services, *, room_client: RoomClient, edit_throttle: EditThrottle) -> None:
        self._edit_throttle = edit_throttle
        self._database, self._clock, self._room_client = services.database, services.clock, room_client

    async def redact_message(self, task: OutboxTask, redact: RedactMessage) -> list[str]:
        """Redact a message of ours; its edits and the events about it stay until they expire.

        Raises :class:`RetryLater` while the message is not posted yet.
        """
        room = await room_lookup.require_room(self._database, task, redact.place, now=self._clock.now())
        target = await room_events.event_of(self._database, task.owner, redact.ref)
        # The row of a recap is in the lane of this one, and so was performed before.
        if target is None and redact.ref != RECAP:
            if await self._edit_throttle.is_message_pending(task, redact, (SendMessage, ShowAudit, ShowDevices)):
                raise RetryLater(1.0)
            # Read again: the commit that deletes the post's row also notes its message, and may have come in between.
            target = await room_events.event_of(self._database, task.owner, redact.ref)
        event_ids = [] if target is None else [target]
        if redact.place == THREAD and await self._wait_for_hold(task, event_ids):
            return []
        for event_id in event_ids:
            await self._room_client.redact(room, event_id, task.txn)
        return event_ids

    async def erase(self, task: OutboxTask, erase: EraseMessage) -> list[str]:
        """Redact a message with all events about it: its edits have the same words, and its receipt loses its message."""
        room = await room_lookup.require_room(self._database, task, erase.place, now=self._clock.now())
        event_ids = await room_events.ids_with_edits_and_reactions(self._database, room, erase.event_id)
        if await self._wait_for_hold(task, event_ids):
            return []
        # Also when the message itself was erased before: the events about it have its words, and are in this room.
        for event_id in event_ids:
            await self._room_client.redact(room, event_id, task.txn)
        return event_ids

    async def _wait_for_hold(self, task: OutboxTask, event_ids: list[str]) -> bool:
        """Leave the events to the expiry worker if the thread is on legal hold by now; return whether it is."""
        if not await threads.is_on_legal_hold(self._database, task.owner):
            return False
        await self._database.commit(
            lambda transaction: room_events.expire_after_hold(transaction, event_ids), sync=Sync.DEFER
        )
        return True
