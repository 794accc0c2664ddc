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
from tests.bot.examples import FACTS, alarms, arrived, at, due, edit, held, marks, said, texts, then, words
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


@pytest.mark.practice(24, 31)
@every_row("reason", ["he took her phone again", "911", "?", "please", "// he took it", "iphone he took it"])
@every_row("mark", [" ", ": ", " : ", ":", "\n"])
@every_row("command", [f"!{name}" for name in canned_texts.COMMANDS if name != "say"])
def test_words_behind_a_command_for_a_text_send_nothing(command: str, mark: str, reason: str) -> None:
    """What looks like a reason sends neither itself nor the agency's text, alarms nobody, and the answer says the way."""
    step = then(held(), said(command + mark + reason))
    assert step.aggregate.sending.pending == step.aggregate.sending.held == ()
    assert marks(step) == {"$m1": DeliveryReceipt.NOTE}
    assert alarms(step) == []
    assert texts(due(step.aggregate, UNDO)) == []
    assert words(step).startswith("Nothing was sent: ")
    assert ("!say" in words(step)) == (command != "!different")


@every_row("name", [*(name for _, name in TEXTS), "limits", "tips", "safecheck"])
def test_say_takes_own_words_only_behind_a_colon(name: str) -> None:
    """Without the colon, or with nothing behind it, `!say` sends nothing; the colon of a sentence is not that one."""
    for rest in (" he took it", " he said: stop", "\nhe took it", ":", ": ", " : "):
        step = then(held(), said(f"!say {name}{rest}"))
        assert step.aggregate.sending.pending == step.aggregate.sending.held == ()
        assert words(step).startswith("Nothing was sent: ")


@pytest.mark.practice(31, 39)
@every_row(
    "body",
    ["he took her phone", "!different he took it", "!different: sorry", "!say different: sorry", "!limits", "!say later"],
)
def test_nothing_takes_the_place_of_different(body: str) -> None:
    """No own words and no other text leave in place of the one that steps back; an edit that tries stops it."""
    assert then(held(), said("!say different: sorry")).aggregate.sending.pending == ()
    thread = then(held(), said("!different")).aggregate
    step = then(thread, edit(body), at(3))
    assert marks(step) == {"$m1": DeliveryReceipt.NOT_SENT}
    assert "what waited is stopped" in words(step)
    assert step.aggregate.sending.pending == step.aggregate.sending.held == ()
    assert texts(due(step.aggregate, 3 + UNDO)) == []
    again = then(thread, edit(" !Different "), at(3)).aggregate
    assert texts(due(again, 3 + UNDO)) == [PACK.say(TextName.DIFFERENT)]


@pytest.mark.practice(24)
@every_row("command", [f"!{name}" for name in canned_texts.COMMANDS if name not in {"say", "different"}])
@every_row("before", ["", "I am here"])
def test_an_edit_with_loose_words_stops_what_waited(command: str, before: str) -> None:
    """An edit that puts words behind a command leaves neither them nor what stood there; a colon marks them as the text."""
    thread = then(held(), said(before or command)).aggregate
    step = then(thread, edit(f"{command} he took it"), at(3))
    assert marks(step) == {"$m1": DeliveryReceipt.NOT_SENT}
    assert "what waited is stopped" in words(step)
    assert texts(due(step.aggregate, 3 + UNDO)) == []
    step = then(thread, edit(f"{command}: other words"), at(3))
    own = command.removeprefix("!") in canned_texts.EDITED
    assert ("what waited is stopped" in words(step)) != own
    assert texts(due(step.aggregate, 3 + UNDO)) == (["other words"] if own else [])


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


@pytest.mark.practice(31)
def test_whoever_is_asked_to_call_is_announced() -> None:
    """The desk hears that they may call however the text is said, and not when nothing is sent."""
    for body in ("!urgent", "!say urgent", "!say urgent: call us now"):
        assert alarms(then(held(), said(body))) == ["urgent"]
    for body in ("!urgent call us", "!say urgent call us", "!say later"):
        assert alarms(then(held(), said(body))) == []


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


def test_after_hours_by_hand_says_when_the_line_opens() -> None:
    """A text that names the opening is filled in, or says nothing of it, by hand as by itself."""
    closed = replace(PACK, hours=replace(PACK.hours, always=False, week=(((0, 1),),) * 7))
    step = decide(closed, FACTS, held(), said("!say after_hours"))
    (text,) = step.aggregate.sending.pending
    assert "12:00 AM" in text.body
    assert "{" not in words(step) + text.body


@pytest.mark.practice(36, 38)
def test_clarify_quotes_nothing() -> None:
    """`!clarify` asks for other words and puts none of the earlier ones back onto the phone, not even as a reply."""
    thread = then(held(), arrived("he has marzipan", id="b")).aggregate
    reply = said("!clarify", relation=Relation.TEXTER_REPLY, target="in:b:0")
    assert texts(due(then(thread, reply).aggregate, UNDO)) == [PACK.say(TextName.CLARIFY)]


def test_an_open_line_does_not_say_when_it_opens_again() -> None:
    """On an open line `!say after-hours` sends nothing and says what to say; own words in its place leave as ever."""
    always = replace(PACK, hours=replace(PACK.hours, always=True))
    step = decide(always, FACTS, held(), said("!say after-hours"))
    assert step.aggregate.sending.pending == ()
    assert "the line is open now" in words(step)
    own = decide(always, FACTS, held(), said("!say after-hours: back at nine"))
    assert [text.body for text in own.aggregate.sending.pending] == ["back at nine"]
    assert canned_texts.wording(always, FACTS, held(), TextName.AFTER_HOURS) == PACK.say(TextName.UNAVAILABLE, "en")


def test_a_language_that_was_taken_out_of_the_pack_is_in_no_part_of_a_text() -> None:
    """An open conversation had it: until their next text the line's first language is in all of what leaves."""
    closed = replace(PACK, hours=replace(PACK.hours, always=False, week=((),) * 6 + (((600, 601),),)))
    only_english = replace(closed, languages=("en",))
    english, spanish = (replace(held(), consent=replace(held().consent, language=code)) for code in ("en", "es"))
    expected = canned_texts.wording(only_english, FACTS, english, TextName.AFTER_HOURS)
    assert canned_texts.wording(only_english, FACTS, spanish, TextName.AFTER_HOURS) == expected
    assert canned_texts.wording(closed, FACTS, spanish, TextName.AFTER_HOURS) != expected


def test_each_text_of_the_pack_is_said_by_its_name() -> None:
    """`!NAME` is `!say NAME` for every text that may be said by hand; words behind it are refused alike."""
    for name in canned_texts.known_names(PACK):
        if name in COMMANDS_BY_NAME:
            continue
        for rest in ("", " because she asked"):
            short, long = (then(held(), said(f"!{start}{name}{rest}")) for start in ("", "say "))
            assert (short.aggregate, texts(short)) == (long.aggregate, texts(long)), name
