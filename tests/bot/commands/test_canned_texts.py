"""The agency's texts at hand: shown, in the texter's language, replaced by own words, changed by an edit, stopped."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest

from bot.commands import canned_texts
from bot.commands.parser import COMMANDS_BY_NAME
from bot.commands.spec import COMMANDS
from bot.decide import decide
from bot.display.thread_card import pinned_text
from bot.model.actions import THREAD, DeliveryReceipt
from bot.model.events import MessageRedacted, Relation
from policies.pack import PackText, TextName, Wording
from tests.bot.examples import FACTS, arrived, at, due, edit, held, marks, said, texts, then, words
from tests.bot.strategies import ANA, DIGESTS, NOW, PACK, SUE, UNDO
from tests.every_row import every_row

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


@pytest.mark.practice(2, 5, 7, 8, 25, 26, 38)
@every_row("language", ["en", "es"])
@every_row(("command", "name"), TEXTS)
def test_each_command_says_its_text(command: str, name: TextName, language: str) -> None:
    """The pack's words, in the texter's language, are shown at once and leave after the undo window (5, 7, 8, 25, 26).

    The limits stand on the card, beside their command, until they are told: then they are shown by the command like others.
    """
    thread = then(held(), arrived(language.upper(), id="l")).aggregate
    step = then(thread, said(command))
    assert marks(step) == {"$m1": DeliveryReceipt.LEAVING}
    on_card = name is TextName.LIMITS
    assert (PACK.say(name, language) in words(step)) != on_card
    assert (PACK.say(name, language) in pinned_text(PACK, thread)) == on_card
    repeat = then(replace(thread, flags=replace(thread.flags, limits=1.0)), said(command))
    assert PACK.say(name, language) in words(repeat)
    assert texts(due(step.aggregate, UNDO - 0.1)) == []
    assert texts(due(step.aggregate, UNDO)) == [PACK.say(name, language)]


@pytest.mark.practice(5, 7, 37)
@every_row(("command", "name"), [(command, name) for command, name in TEXTS if name != TextName.DIFFERENT])
def test_own_words_an_edit_and_a_redaction(command: str, name: TextName) -> None:
    """`!say name: words` says own words; an edit puts others in their place; redacting it stops them (practice 37)."""
    for form in (f"!say {name}: in my own words", f"!SAY {name} :in my own words", f"!say {name}:\nin my own words"):
        assert texts(due(then(held(), said(form)).aggregate, UNDO)) == ["in my own words"]
    thread = then(held(), said(command)).aggregate
    for form in (f"!say {name}: other words", "other words"):
        edited = then(thread, edit(form), at(3)).aggregate
        assert texts(due(edited, 3 + UNDO)) == ["other words"]
        back = then(edited, edit(command), at(5))
        assert words(back).startswith("Leaving in a moment")
        assert texts(due(back.aggregate, 5 + UNDO)) == [PACK.say(name)]
    redaction = then(thread, MessageRedacted(place=THREAD, sender=ANA, target="$m1"), at(3))
    assert marks(redaction) == {"$m1": DeliveryReceipt.RETRACTED}
    assert texts(due(redaction.aggregate, 3 + UNDO)) == []


@pytest.mark.practice(24)
@every_row("sender", [ANA, SUE])
@every_row("command", [name for c in COMMANDS for name in c.names if THREAD in c.places and c.name != "reply"])
def test_no_command_lets_a_reason_leave(command: str, sender: str) -> None:
    """Whatever is said behind a command that takes a reason, or none, by whomever: no word of it is on its way."""
    thread = then(held(), said("call me at 555-0134-222", event_id="$held")).aggregate
    thread = replace(thread, codeword=replace(thread.codeword, digests=DIGESTS, last_text_at=NOW))
    firsts = (
        "",
        "1 ",
        "now ",
        "all ",
        "@ben ",
        "yes ",
        "no ",
        "queue ",
        "7 d ",
        "unsafe later ",
        "iphone ",
        "limits ",
        "es ",
    )
    for first in firsts:
        for mark in (" ", ": "):
            step = then(thread, said(f"!{command}{mark}{first}he took her phone again", sender=sender))
            waits = (*step.aggregate.sending.pending, *step.aggregate.sending.held)
            assert not [words for words in waits if "took" in words.body], first
            assert not [body for body in (*texts(step), *texts(due(step.aggregate, UNDO))) if "took" in body], first


def test_the_agencys_own_texts_have_names() -> None:
    """`!say` knows what the agency's pack adds, in each language."""
    wordings = {
        language: Wording(text=f"Bus line 7 ({language}).", reviewed_by=None, reviewed_on=None, sample=False)
        for language in ("en", "es")
    }
    bus = PackText(name="bus", legal=False, wordings=MappingProxyType(wordings))
    pack = replace(PACK, canned=MappingProxyType({"bus": bus}))
    thread = decide(pack, FACTS, held(), said("!say bus")).aggregate
    assert texts(due(thread, UNDO)) == ["Bus line 7 (en)."]
    assert "bus" in words(decide(pack, FACTS, held(), said("!say nothing")))


@every_row("name", sorted(canned_texts.NOT_BY_HAND))
def test_texts_with_their_own_moment_are_not_said_by_hand(name: str) -> None:
    """Neither a STOP's confirmation, nor a check's texts, nor cover lines leave by `!say`."""
    step = then(held(), said(f"!say {name}"))
    assert step.aggregate.sending.pending == ()
    assert PACK.say(name) not in words(step)


@pytest.mark.practice(36, 38)
def test_clarify_quotes_nothing() -> None:
    """`!clarify` asks for other words and puts none of the earlier ones back onto the phone, not even as a reply."""
    thread = then(held(), arrived("he has marzipan", id="b")).aggregate
    reply = said("!clarify", relation=Relation.TEXTER_REPLY, target="in:b:0")
    assert texts(due(then(thread, reply).aggregate, UNDO)) == [PACK.say(TextName.CLARIFY)]


def test_each_text_of_the_pack_is_said_by_its_name() -> None:
    """`!NAME` is `!say NAME` for every text that may be said by hand; words behind it are refused alike."""
    for name in canned_texts.known_names(PACK):
        if name in COMMANDS_BY_NAME:
            continue
        for rest in ("", " because she asked"):
            short, long = (then(held(), said(f"!{start}{name}{rest}")) for start in ("", "say "))
            assert (short.aggregate, texts(short)) == (long.aggregate, texts(long)), name
