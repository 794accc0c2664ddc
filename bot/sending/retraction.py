"""Words that are taken back while they wait for their turn at the carrier: they should not leave, and may have left.

Rule of this module: the author learns the result from the carrier's answer and not before; the words are never offered
again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from bot.model.actions import THREAD, DeliveryReceipt, ShowReceipt
from bot.model.desk import Thread
from bot.model.events import Outcome
from bot.model.thread import HeldReason, SentText
from bot.wording.notice import notice_of

ALREADY_SENT: Final = notice_of("retraction.that_text_has_left_already")


def retract_sent(thread: Thread, which: Callable[[SentText], bool]) -> Thread:
    """Cancel what waits for its turn at the carrier; its outcome says whether it had left."""
    leaving = DeliveryReceipt.LEAVING.name
    sent_texts = tuple(
        replace(words, retracted=True) if words.receipt == leaving and which(words) else words
        for words in thread.sending.sent
    )
    return replace(thread, sending=replace(thread.sending, sent=sent_texts))


def retract_message(thread: Thread, event_id: str) -> tuple[Thread, tuple[ShowReceipt, ...]]:
    """Cancel the words of one message, wherever they wait; return their mark, if it is sure that they have not left."""
    sending = thread.sending
    unsent = [words.event_id for words in sending.held if words.reason is not HeldReason.UNKNOWN]
    unsent += [words.event_id for words in sending.pending]
    mark = ShowReceipt(place=THREAD, event_id=event_id, receipt=DeliveryReceipt.RETRACTED)
    pending = tuple(words for words in sending.pending if words.event_id != event_id)
    held_texts = tuple(words for words in sending.held if words.event_id != event_id)
    thread = replace(thread, sending=replace(sending, pending=pending, held=held_texts))
    return retract_sent(thread, lambda words: words.event_id == event_id), (mark,) if event_id in unsent else ()


def retraction_outcome(outcome: Outcome, receipt: DeliveryReceipt, words: str) -> tuple[DeliveryReceipt, str]:
    """Return the receipt of words that were taken back, and the notice that says whether that was in time."""
    match outcome:
        case Outcome.REFUSED | Outcome.LATE | Outcome.REJECTED | Outcome.OPTED_OUT:
            return DeliveryReceipt.RETRACTED, ""
        case Outcome.ACCEPTED:
            return receipt, ALREADY_SENT
        case Outcome.UNKNOWN:
            return receipt, notice_of("retraction.unknown_it_may_have_left")
        case Outcome.DELIVERED | Outcome.FAILED:
            return receipt, words
