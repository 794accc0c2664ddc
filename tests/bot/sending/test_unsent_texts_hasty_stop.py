"""A word for "not that!" behind a mark stops what waits, though it is no command (design.md, "Rules of the phone")."""

from __future__ import annotations

from bot.model.actions import DeliveryReceipt
from bot.model.events import Relation
from tests.bot.examples import due, held, marks, said, texts, then, words
from tests.bot.strategies import UNDO
from tests.every_row import every_row


@every_row("word", ["!stop", "!STOP!!", "!undo", "!espera", "!wait no", "!don\u2019t", "! cancel"])
def test_what_waits_is_held_by_a_word_in_haste(word: str) -> None:
    """Words in the undo window do not leave any more, their author learns why, and `!anyway` lets them leave."""
    waits = then(held(), said("these words", event_id="$w")).aggregate
    step = then(waits, said(word, event_id="$s"))
    assert marks(step)["$w"] is DeliveryReceipt.HELD
    assert "was said here. If you are sure: !anyway" in words(step)
    assert "There is no such command" in words(step)
    assert texts(due(step.aggregate, UNDO)) == []
    leaves = then(step.aggregate, said("!anyway", event_id="$a")).aggregate
    assert texts(due(leaves, UNDO)) == ["these words"]


@every_row("body", ["shit unsafe", "stop the phone now", "!stop", "!undo"])
@every_row("target", ["$w2", "$n"])
def test_an_edit_holds_what_waits_like_a_new_message(body: str, target: str) -> None:
    """A person in haste changes the last message, words or a note: nothing that waits leaves, the changed one neither."""
    waits = then(held(), said("these words", event_id="$w")).aggregate
    waits = then(waits, said("and these", event_id="$w2")).aggregate
    waits = then(waits, said("// a note", event_id="$n")).aggregate
    changed = then(waits, said(body, event_id="$e", relation=Relation.EDIT, target=target))
    assert marks(changed)["$w"] is DeliveryReceipt.HELD
    assert texts(due(changed.aggregate, UNDO)) == []
    other = said("// another note", event_id="$e", relation=Relation.EDIT, target="$n")
    assert texts(due(then(waits, other).aggregate, UNDO)) == ["these words", "and these"]
