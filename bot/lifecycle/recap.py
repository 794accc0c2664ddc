"""`!recap`: shows a later device the messages from before that it cannot read.

The texter's messages and ours can be read with our keys, which are sent again. We cannot send colleagues' keys, so the
bridge repeats their words in the same room. Rule of this module: nothing that is erased is repeated.
"""

from __future__ import annotations

from typing import Final

from bot.commands.parser import ParsedCommand, mark_as_note
from bot.model.actions import RECAP, THREAD, DeliveryReceipt, RedactMessage, SendRecap, ShareRoomKeys
from bot.model.desk import Facts, Thread
from bot.model.events import MessageRedacted, MessageSent
from bot.model.feature import Step
from policies.pack import Pack

MOST_RECEIPTS: Final = 60
"""More than a recap has lines."""
REMOVE_RECAP: Final = RedactMessage(place=THREAD, ref=RECAP)
"""Actions that accompany each redaction by a person: the recap may repeat the words."""


def recap(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """Send the room's keys once more to the person who asks, and repeat what colleagues typed."""
    room_keys = ShareRoomKeys(place=THREAD, user=event.sender, resend=True)
    again = SendRecap(place=THREAD, reply_to=event.event_id, receipts=_receipts(thread))
    return Step(thread, (mark_as_note(event), room_keys, again), consumed=True)


def remove_recap(pack: Pack, facts: Facts, thread: Thread, event: MessageRedacted) -> Step[Thread]:
    """Redact the recap when anybody redacts anything: it may repeat those words.

    The answer to a command is redacted as well: it may repeat why a person was called.
    """
    return Step(thread, (REMOVE_RECAP, RedactMessage(place=THREAD, ref=f"answer:{event.target}")))


def _receipts(thread: Thread) -> tuple[tuple[str, str], ...]:
    """Return the delivery receipts of the newest words that were meant for the phone, by event id."""
    sending = thread.sending
    known = [(words.event_id, DeliveryReceipt[words.receipt]) for words in sending.sent]
    known += [(words.event_id, DeliveryReceipt.HELD) for words in sending.held]
    known += [(pending.event_id, DeliveryReceipt.LEAVING) for pending in sending.pending]
    return tuple((event_id, receipt.value) for event_id, receipt in known[-MOST_RECEIPTS:])
