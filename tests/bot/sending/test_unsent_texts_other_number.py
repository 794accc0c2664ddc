"""The line begins again with another number: what waited to leave is asked about, and leaves when its author says so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.model.actions import DeliveryReceipt, SendSms
from bot.model.desk import Thread
from bot.model.events import TimerDue
from bot.model.feature import Step
from policies.pack import TextName
from tests.bot.examples import arrived, at, held, marks, of, said, texts, then, words
from tests.bot.strategies import PACK, SUE, UNDO


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


def test_a_line_with_its_number_asks_nothing() -> None:
    """The usual start."""
    assert texts(then(then(held(), said("here I am")).aggregate, TimerDue(key="send"), at(UNDO))) == ["here I am"]


def test_a_cover_line_leaves() -> None:
    """It is agreed for whoever holds the phone."""
    body = PACK.say(TextName.COVER_1, "en")
    assert texts(due(then(held(), said("!cover 1")).aggregate)) == [body]


@pytest.mark.parametrize("is_known", [False, True])
def test_a_reply_after_a_stop_that_waits(is_known: bool) -> None:
    """It has to be said again; one that was said with the question answered leaves."""
    thread = then(held(), arrived("STOP", id="s")).aggregate
    thread = then(thread, arrived("please", id="p")).aggregate
    if is_known:
        thread = replace(thread, silence=replace(thread.silence, left_at=0.0))
    body = "!reply !anyway We saw your text." if is_known else "!reply We saw your text."
    thread = then(thread, said(body, sender=SUE, event_id="$r"), at(0, number_gone=is_known)).aggregate
    step = due(thread, "reply")
    assert bool(of(SendSms, step)) is is_known
    assert is_known or "as from a stranger" in words(step)
