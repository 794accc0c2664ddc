"""Cancels all words of a thread that have not left, for a phone that may get none any more, or whose reader may be another.

Rule of this module: it says so on each of the messages.
"""

from __future__ import annotations

from dataclasses import replace

from bot.model.actions import THREAD, Action, DeliveryReceipt, SendMessage, ShowReceipt
from bot.model.desk import Thread
from bot.model.thread import HeldReason
from bot.model.transactional_actions import CancelTimer
from bot.sending.reply_after_stop import drop_reply
from bot.sending.retraction import retract_sent
from bot.sending.undo_window import TIMER
from bot.wording.notice import notice_of


def drop_pending(thread: Thread, why: str) -> tuple[Thread, tuple[Action, ...]]:
    """Cancel what has not left, waiting or held, and say so on each of the messages."""
    pending, held_texts = thread.sending.pending, thread.sending.held
    ids = [*(p.event_id for p in pending), *(h.event_id for h in held_texts if h.reason is not HeldReason.UNKNOWN)]
    thread = replace(thread, sending=replace(thread.sending, pending=(), held=()))
    if not ids:
        return thread, ()
    marks = tuple(ShowReceipt(place=THREAD, event_id=event_id, receipt=DeliveryReceipt.NOT_SENT) for event_id in ids)
    notice = SendMessage(place=THREAD, body=notice_of("undo_window.not_sent_message_s_still", count=len(ids), why=why))
    return thread, (*marks, notice, CancelTimer(key=TIMER))


def drop_all(thread: Thread, why: str) -> tuple[Thread, tuple[Action, ...]]:
    """Cancel all words that have not left: those that wait for their turn at the carrier, and a reply after a STOP, too."""
    thread, dropped = drop_pending(retract_sent(thread, lambda _words: True), why)
    thread, unsent = drop_reply(thread, why)
    return thread, (*dropped, *unsent)
