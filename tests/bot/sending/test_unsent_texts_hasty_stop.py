"""A word for "not that!" behind a mark stops what waits, though it is no command (design.md, "Rules of the phone")."""

from __future__ import annotations

import pytest

from bot.commands.spec import COMMANDS
from bot.model.actions import DeliveryReceipt
from bot.model.events import Relation
from bot.model.hold_signs import Doubt
from bot.sending.unsent_texts import HASTY
from tests.bot.examples import due, held, marks, said, texts, then, words
from tests.bot.strategies import BEN, EVE, UNDO
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


def test_what_was_not_named_is_asked_about_before_the_words_leave() -> None:
    """An offer made while the words waited: `!anyway` after `!stop` tells of it, and only the next one answers it."""
    waits = then(held(), said("these words", event_id="$w")).aggregate
    offered = then(waits, said(f"!transfer {BEN}", event_id="$o")).aggregate
    stopped = then(offered, said("!stop", event_id="$s")).aggregate
    question = then(stopped, said("!anyway", event_id="$a"))
    assert "offered" in words(question)
    assert (texts(due(question.aggregate, UNDO)), question.aggregate.signs.answered) == ([], frozenset())
    leaves = then(question.aggregate, said("!anyway", event_id="$b")).aggregate
    assert texts(due(leaves, UNDO)) == ["these words"]
    assert leaves.signs.answered == {Doubt.OFFER}


def test_any_member_may_say_it_and_nobody_else() -> None:
    """A colleague stops the advocate's words so; a stranger does not."""
    waits = then(held(), said("these words", event_id="$w")).aggregate
    assert texts(due(then(waits, said("!stop", event_id="$s", sender=BEN)).aggregate, UNDO)) == []
    assert texts(due(then(waits, said("!stop", event_id="$s", sender=EVE)).aggregate, UNDO)) == ["these words"]


@pytest.mark.parametrize("body", ["!status", "!help", "!board", "!nothing-such"])
def test_other_words_behind_a_mark_hold_nothing(body: str) -> None:
    """A command that only tells, and what nobody knows, lets words leave as before."""
    waits = then(held(), said("these words", event_id="$w")).aggregate
    assert texts(due(then(waits, said(body, event_id="$s")).aggregate, UNDO)) == ["these words"]


def test_it_is_taken_where_no_command_is() -> None:
    """In a Matrix thread too, for it only stops."""
    waits = then(held(), said("these words", event_id="$w")).aggregate
    aside = said("!stop", event_id="$t", relation=Relation.THREAD)
    assert texts(due(then(waits, aside).aggregate, UNDO)) == []


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


def test_no_command_has_such_a_name() -> None:
    """What is done as a command is not taken for a word in haste."""
    assert HASTY.isdisjoint(name for command in COMMANDS for name in command.names)
