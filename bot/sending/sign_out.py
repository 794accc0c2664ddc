"""The sign-out of an author stops their words that wait at the carrier: whoever has the lost device may have said them.

Words in the undo window are `undo_window`'s. What the carrier has taken cannot be stopped: the room is told.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.model.actions import THREAD, DeliveryReceipt, SendMessage
from bot.model.desk import Facts, Role, Thread
from bot.model.feature import Step
from bot.model.thread_desk_events import AuthorSignedOut
from bot.sending.retraction import retract_sent
from bot.wording.notice import join_notices, notice_of
from policies.pack import Pack

ON_PHONE: Final = frozenset({DeliveryReceipt.SENT.name, DeliveryReceipt.DELIVERED.name, DeliveryReceipt.UNKNOWN.name})
"""Receipts of words that are on the phone, or may be."""


def stop_words(pack: Pack, facts: Facts, thread: Thread, event: AuthorSignedOut) -> Step[Thread]:
    """Stop the person's words that wait for their turn at the carrier; say what is stopped and what cannot be."""
    receipts = {words.receipt for words in thread.sending.sent if words.author == event.user}
    thread = retract_sent(thread, lambda words: words.author == event.user)
    if facts.role(event.user) is Role.SUPERVISOR:
        # Of a reply after a STOP that waits there only its message is known; another supervisor can say it again.
        thread = replace(thread, consent=replace(thread.consent, reply_ref=""))
    parts = (
        *([notice_of("sign_out.what_waits_is_stopped")] if DeliveryReceipt.LEAVING.name in receipts else []),
        *([notice_of("sign_out.what_left_stays")] if receipts & ON_PHONE else []),
    )
    if not parts:
        return Step(thread)
    notice = join_notices(" ", (notice_of("sign_out.an_author_was_signed_out"), *parts))
    return Step(thread, (SendMessage(place=THREAD, body=notice, mentions=thread.assignment.mentions),))
