"""`!unsafe` in the room of a conversation that has just ended: it is about the phone, and counts all the same.

Rules of this module: a room that is being erased has no owner, and nothing else that is said there is handled. The command
counts in any form and from any device of a person at the desk, as in an open conversation (`bot.safety.unsafe_phone`), as
long as the number is kept.
"""

from __future__ import annotations

from bot.commands.parser import STOPS, parse
from bridge.matrix.api import events
from bridge.matrix.api.json_fields import object_at
from bridge.matrix.api.message_body import command_in, tap_in
from bridge.matrix.rooms.room_state import desk_room, membership_of
from bridge.storage.database import Transaction
from bridge.tables import erasure_jobs


async def thread_to_stop(transaction: Transaction, item: events.RoomEvent) -> str:
    """Return the thread whose phone this event of a room without an owner stops; empty for any other event."""
    said = parse(_command_in(item))
    if said is None or said.name != STOPS:
        return ""
    desk = await desk_room(transaction)
    if desk is None or await membership_of(transaction, desk, item.sender) != "join":
        return ""
    return await erasure_jobs.thread_of_room(transaction, item.room_id)


def _command_in(item: events.RoomEvent) -> str:
    match item:
        case events.UntrustedMessage():
            return item.command
        case events.DecryptedMessage(type="m.reaction") | events.UnencryptedEvent(type="m.reaction"):
            return tap_in(item.content)
        case events.DecryptedMessage(type="m.room.message") | events.UnencryptedEvent(type="m.room.message"):
            return command_in(object_at(item.content, "m.new_content") or item.content)
    return ""
