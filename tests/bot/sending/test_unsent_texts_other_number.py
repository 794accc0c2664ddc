"""The line begins again with another number: what waited to leave is asked about, and leaves when its author says so."""

from __future__ import annotations

from typing import Any

from bot.model.actions import DeliveryReceipt
from bot.model.desk import Thread
from bot.model.events import TimerDue
from bot.model.feature import Step
from tests.bot.examples import at, held, marks, said, texts, then, words
from tests.bot.strategies import UNDO


def due(thread: Thread, key: str = "send", **known: Any) -> Step[Thread]:
    """Let the undo window be over, after the start with another number."""
    return then(thread, TimerDue(key=key), at(UNDO, number_gone=True, **known))


def test_words_in_their_undo_window_are_held() -> None:
    """Their author reads why, and `!anyway` sends them; the next words leave without the question."""
    step = due(then(held(), said("here I am")).aggregate)
    assert texts(step) == []
    assert marks(step) == {"$m1": DeliveryReceipt.HELD}
    assert "from another one, as from a stranger" in words(step)
    sure = then(step.aggregate, said("!anyway", event_id="$s", at=at(UNDO).now), at(UNDO, number_gone=True))
    assert marks(sure)["$m1"] is DeliveryReceipt.LEAVING
    again = then(sure.aggregate, TimerDue(key="send"), at(2 * UNDO, number_gone=True))
    assert texts(again) == ["here I am"]
