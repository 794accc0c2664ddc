"""The agency's texts at hand: shown, in the texter's language, replaced by own words, changed by an edit, stopped."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest

from bot import canned
from bot.actions import THREAD, Receipt
from bot.decide import decide
from bot.events import Relation, Unsaid
from policies.pack import Text, TextName, Wording
from tests.bot.examples import FACTS, arrived, at, due, edit, held, marks, said, texts, then, words
from tests.bot.strategies import ANA, PACK, UNDO

TEXTS = [
    ("!limits", TextName.LIMITS),
    ("!options", TextName.OPTIONS),
    ("!rights", TextName.RIGHTS),
    ("!clarify", TextName.CLARIFY),
    ("!safecheck", TextName.SAFE_CHECK),
    ("!later", TextName.LATER),
    ("!switch", TextName.SWITCH),
    ("!urgent", TextName.URGENT),
    ("!different", TextName.DIFFERENT),
    ("!tips", TextName.DEVICE),
    ("!tips iphone", TextName.TIPS_IPHONE),
    ("!tips Android", TextName.TIPS_ANDROID),
    ("!say closing", TextName.CLOSING),
    ("!say safe-check", TextName.SAFE_CHECK),
    ("!say TIPS_IPHONE", TextName.TIPS_IPHONE),
]


@pytest.mark.practice(5, 7, 8, 25, 26, 38)
@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize(("command", "name"), TEXTS)
def test_each_command_says_its_text(command: str, name: TextName, language: str) -> None:
    """The pack's words, in the texter's language, are shown at once and leave after the undo window (5, 7, 8, 25, 26)."""
    thread = then(held(), arrived(language.upper(), id="l")).aggregate
    step = then(thread, said(command))
    assert marks(step) == {"$m1": Receipt.LEAVING}
    assert PACK.say(name, language) in words(step)
    assert texts(due(step.aggregate, UNDO - 0.1)) == []
    assert texts(due(step.aggregate, UNDO)) == [PACK.say(name, language)]


@pytest.mark.practice(37)
@pytest.mark.parametrize("command", [command for command, _ in TEXTS])
def test_own_words_an_edit_and_a_redaction(command: str) -> None:
    """Own words replace the pack's; an edit replaces them again; redacting the command stops the text (practice 37)."""
    own = then(held(), said(f"{command} in my own words"))
    assert texts(due(own.aggregate, UNDO)) == ["in my own words"]
    thread = then(held(), said(command)).aggregate
    edited = then(thread, edit(f"{command} other words"), at(3)).aggregate
    assert texts(due(edited, 3 + UNDO)) == ["other words"]
    back = then(edited, edit(command), at(5))
    assert words(back).startswith("Leaving in a moment")
    assert len(texts(due(back.aggregate, 5 + UNDO))) == 1
    gone = then(thread, Unsaid(place=THREAD, sender=ANA, target="$m1"), at(3))
    assert marks(gone) == {"$m1": Receipt.UNSAID}
    assert texts(due(gone.aggregate, 3 + UNDO)) == []


def test_the_agencys_own_texts_have_names() -> None:
    """`!say` knows what the agency's pack adds, in each language."""
    wordings = {
        language: Wording(text=f"Bus line 7 ({language}).", reviewed_by=None, reviewed_on=None, sample=False)
        for language in ("en", "es")
    }
    bus = Text(name="bus", legal=False, wordings=MappingProxyType(wordings))
    pack = replace(PACK, canned=MappingProxyType({"bus": bus}))
    thread = decide(pack, FACTS, held(), said("!say bus")).aggregate
    assert texts(due(thread, UNDO)) == ["Bus line 7 (en)."]
    assert "bus" in words(decide(pack, FACTS, held(), said("!say nothing")))


@pytest.mark.parametrize("name", sorted(canned.NOT_BY_HAND))
def test_texts_with_their_own_moment_are_not_said_by_hand(name: str) -> None:
    """Neither a STOP's confirmation, nor a check's texts, nor cover lines leave by `!say`."""
    step = then(held(), said(f"!say {name}"))
    assert step.aggregate.sending.pending == ()
    assert PACK.say(name) not in words(step)


def test_after_hours_by_hand_says_when_the_line_opens() -> None:
    """A text that names the opening is filled in, or says nothing of it, by hand as by itself."""
    step = then(held(), said("!say after_hours"))
    assert "{" not in words(step)
    assert "{" not in texts(due(step.aggregate, UNDO))[0]


@pytest.mark.practice(36, 38)
def test_clarify_quotes_nothing() -> None:
    """`!clarify` asks for other words and puts none of the earlier ones back onto the phone, not even as a reply."""
    thread = then(held(), arrived("he has marzipan", id="b")).aggregate
    reply = said("!clarify", relation=Relation.TEXTER_REPLY, target="in:b:0")
    assert texts(due(then(thread, reply).aggregate, UNDO)) == [PACK.say(TextName.CLARIFY)]
