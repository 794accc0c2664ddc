"""Plain words that mean to stop the phone never leave unasked, and stop what waits; words to the texter leave."""

from __future__ import annotations

from typing import Final

import pytest

from bot.commands.stray_commands import bare_command, likely_command, may_mean_stop
from bot.model.actions import DeliveryReceipt
from tests.bot.examples import due, edit, held, marks, said, texts, then, words
from tests.bot.phrases import lines_of
from tests.bot.strategies import BEN, UNDO
from tests.every_row import every_row

SURE: Final = lines_of("stop_surely")
"""What is meant for the software and nobody else."""
PERHAPS: Final = lines_of("stop_perhaps")
"""What may be meant for the texter as well."""
LEAVE: Final = lines_of("stop_is_not_meant")
"""What people say to a texter, with the same words in it."""


@pytest.mark.practice(9)
@every_row("body", SURE)
def test_what_surely_means_stop_never_leaves(body: str) -> None:
    """It is refused with the command that does it, new or as an edit; `!anyway` lets nothing leave."""
    assert bare_command(body) == "unsafe"
    step = then(held(), said(body))
    assert marks(step) == {"$m1": DeliveryReceipt.NOT_SENT}
    assert "!unsafe" in words(step)
    changed = then(then(held(), said("hello")).aggregate, edit(body))
    sure = then(changed.aggregate, said("!anyway", event_id="$s"))
    assert texts(due(sure.aggregate, UNDO)) == []


@pytest.mark.practice(9)
@every_row("body", PERHAPS)
def test_what_may_mean_stop_is_held_with_the_question(body: str) -> None:
    """It names the command, and leaves by one more word of its author."""
    assert bare_command(body) is None or bare_command(body) != "unsafe"
    step = then(held(), said(body))
    assert marks(step) == {"$m1": DeliveryReceipt.HELD}
    assert texts(due(step.aggregate, UNDO)) == []
    if likely_command(body) == "unsafe":
        assert "!unsafe, if you meant that" in words(step)
    sure = then(step.aggregate, said("!anyway", event_id="$s"))
    assert texts(due(sure.aggregate, UNDO)) == [body]


@every_row("body", ["shit unsafe", "he is with her stop", "esta con ella para"])
@every_row("sender", ["", BEN])
def test_what_waits_stops_whoever_says_it(body: str, sender: str) -> None:
    """Words in the undo window are held at such a word, of the assignee and of anybody else in the room."""
    thread = then(held(), said("Is everything ok?", event_id="$w")).aggregate
    step = then(thread, said(body, event_id="$p", **({"sender": sender} if sender else {})))
    assert marks(step)["$w"] is DeliveryReceipt.HELD
    assert texts(due(step.aggregate, UNDO)) == []


@every_row("body", LEAVE)
def test_what_is_said_to_the_texter_is_none(body: str) -> None:
    """A question, advice and what names whom it is for hold nothing and stop nothing."""
    assert likely_command(body) is None
    assert not may_mean_stop(body)
