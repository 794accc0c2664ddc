"""`!unsafe`, `!stopped` and `!block` in the room of a conversation that has just ended: they count, being about the phone.

Rules of this module: a room that is being erased has no owner, and nothing else that is said there is handled. `!unsafe`
counts in any form and from any device of a person at the desk, as in an open conversation (`bot.safety.unsafe_phone`), the
other two as a message of a trusted device (`bot.safety.blocking`), all as long as the number is kept.
"""

from __future__ import annotations

from bot.commands.parser import MUTES, STOPS, parse
from bot.model.thread_desk_events import PhoneMuted, PhoneStopped
from bridge.matrix.api import events
from bridge.matrix.api.json_fields import object_at
from bridge.matrix.api.message_body import command_in, tap_in
from bridge.matrix.rooms.room_state import desk_room, membership_of
from bridge.storage.database import Transaction
from bridge.tables import erasure_jobs


async def late_stop(transaction: Transaction, item: events.RoomEvent) -> tuple[str, PhoneStopped | PhoneMuted] | None:
    """Return what this event of a room without an owner says of a phone, and the thread; None for any other event."""
    command = _command_in(item)
    said = parse(command)
    if said is None or said.name not in (STOPS, *MUTES):
        return None
    if said.name in MUTES and not _is_trusted_message(item):
        return None
    desk = await desk_room(transaction)
    if desk is None or await membership_of(transaction, desk, item.sender) != "join":
        return None
    thread = await erasure_jobs.thread_of_room(transaction, item.room_id)
    if not thread:
        return None
    return thread, PhoneStopped() if said.name == STOPS else PhoneMuted(user=item.sender, body=command)


def _is_trusted_message(item: events.RoomEvent) -> bool:
    """Whether it is a message of a trusted device, and no edit: another person may have changed an earlier one."""
    if not isinstance(item, events.DecryptedMessage) or item.type != "m.room.message":
        return False
    return not object_at(item.content, "m.new_content")


def _command_in(item: events.RoomEvent) -> str:
    match item:
        case events.UntrustedMessage():
            return item.command
        case events.DecryptedMessage(type="m.reaction") | events.UnencryptedEvent(type="m.reaction"):
            return tap_in(item.content)
        case events.DecryptedMessage(type="m.room.message") | events.UnencryptedEvent(type="m.room.message"):
            return command_in(object_at(item.content, "m.new_content") or item.content)
    return ""
