"""Words that are taken back while they wait for their turn at the carrier: they should not leave, and may have left.

Rule of this module: the author learns the result from the carrier's answer and not before; the words are never offered
again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from bot.model.actions import DeliveryReceipt
from bot.model.desk import Thread
from bot.model.events import Outcome
from bot.model.thread import SentText
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
