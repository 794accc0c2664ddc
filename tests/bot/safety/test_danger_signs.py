"""Signs of danger: a cue in the room, a mark on the card, and nothing on the phone."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import pytest

from bot.display.thread_card import card
from bot.language.codeword_forms import MASK
from bot.model.actions import THREAD, DeliveryReceipt, SendMessage, SendSms, Speaker
from bot.model.desk import Thread
from bot.model.thread import ConsentFlags
from bot.model.thread_desk_events import ThreadMarked, ThreadQueued
from bot.safety import danger_signs, language_choice
from bot.safety.danger_signs import CUES
from policies.signs import BREAKS_OFF, Sign
from tests.bot.examples import arrived, at, held, marks, of, said, texts, then, told, waiting
from tests.bot.strategies import ANA, NOW, PACK, with_settings
from tests.every_row import every_row

EXAMPLES = {
    Sign.DANGER_NOW: ("he is beating me", "me va a matar"),
    Sign.SUICIDE: ("i just want to die", "ya no quiero vivir"),
    Sign.STRANGLED: ("he choked me last night", "me apretó el cuello"),
    Sign.WEAPON: ("he has a knife", "trae una pistola"),
    Sign.OTHER_HANDS: ("he took my phone", "me quito el celular"),
    Sign.THIRD_PARTY: ("who is this", "quien eres"),
    Sign.LEAVING: ("he's here", "ya llegó"),
}
DANGEROUS = "he has a knife"


def cues(step: object) -> list[SendMessage]:
    """Return the cues of a step that are about signs."""
    posts = [post for post in of(SendMessage, step) if post.speaker is Speaker.POLICY and post.place == THREAD]  # type: ignore[arg-type] # a step
    return [post for post in posts if post.body.removeprefix("⚠️ ") in CUES.values()]


@pytest.mark.practice(39)
def test_a_sign_at_the_end_of_a_long_text_is_seen() -> None:
    """Who tells years in one message, which phones send as an MMS, often says last what is happening now."""
    told_before = "it has been going on for years and each time it is because of me. " * 74
    assert 4_800 < len(told_before) < 4_900
    assert then(waiting(), arrived(f"{told_before} {DANGEROUS}", id="b")).aggregate.silence.danger


@pytest.mark.practice(39)
@every_row("sign", Sign)
def test_a_sign_calls_the_assignee_and_names_a_command(sign: Sign) -> None:
    """One line in the room, which rings for its assignee; the phone gets nothing, and the line holds no word of theirs."""
    for body in EXAMPLES[sign]:
        step = then(held(), arrived(body, id="b"))
        (cue,) = cues(step)
        assert cue.body.endswith(CUES[sign])
        assert (cue.mentions, cue.notice) == ((ANA,), False)
        assert body not in cue.body
        assert of(SendSms, step) == []
        assert step.aggregate.sending == held().sending


def test_each_cue_names_a_playbook_that_exists() -> None:
    """A cue that names a playbook names one of the base pack."""
    named = [words.split()[0] for cue in CUES.values() for words in cue.split("!playbook ")[1:]]
    assert len(named) == 6
    assert all(name.strip(".") in PACK.playbooks for name in named)


def test_the_same_sign_is_told_once_in_a_while() -> None:
    """Within `sign_cue` the room hears of each sign once, of another one at once, and of the same again after it."""
    thread = then(held(), arrived(DANGEROUS, id="b")).aggregate
    assert cues(then(thread, arrived("he still has a knife", id="c"), at(5))) == []
    assert len(cues(then(thread, arrived("he choked me", id="d"), at(5)))) == 1
    after = PACK.settings.sign_cue
    assert cues(then(thread, arrived(DANGEROUS, id="e"), at(after - 1))) == []
    assert len(cues(then(thread, arrived(DANGEROUS, id="f"), at(after)))) == 1
    assert len(cues(then(thread, arrived(DANGEROUS, id="g"), at(-60)))) == 1, "a clock that was set back hides nothing"
    assert with_settings(sign_cue=1).settings.sign_cue == 1


def test_several_signs_in_one_text_are_told_in_one_order() -> None:
    """Danger is told before what is less urgent, whichever the lists' order is."""
    step = then(held(), arrived("he's here he has a gun and he choked me", id="b"))
    assert [cue.body.removeprefix("⚠️ ") for cue in cues(step)] == [
        CUES[Sign.STRANGLED],
        CUES[Sign.WEAPON],
        CUES[Sign.LEAVING],
    ]


@pytest.mark.parametrize("body", ["Liked “he has a knife”", "Auto-reply: he has a knife", "STOP", "BYE", "HELP"])
def test_machines_and_keywords_are_no_sign(body: str) -> None:
    """What no person wrote, and a keyword, which has an alarm of its own, is not looked at."""
    step = then(held(), arrived(body, id="b"))
    assert cues(step) == []
    assert not step.aggregate.silence.danger


def test_a_plea_with_a_sign_brings_both() -> None:
    """Who asks for no more texts because a person is there is told of as both."""
    step = then(held(), arrived("please stop texting me he is right here", id="b"))
    assert [cue.body for cue in cues(step)] == [CUES[Sign.LEAVING]]
    assert "!stopped" in "".join(post.body for post in of(SendMessage, step))


def test_an_agreed_word_reads_like_any_other() -> None:
    """Where the word is masked the sign is found as with another word in its place."""
    for word in (MASK, "zebra"):
        assert len(cues(then(held(), arrived(f"{word} he has a knife", id="b")))) == 1
        assert cues(then(held(), arrived(f"he has {word}", id="b"))) == []
        assert cues(then(held(), arrived(f"he is {word} here", id="b"))) == []


def test_a_new_thread_is_queued_with_its_mark() -> None:
    """The first card at the desk bears the mark already; the room gets its cue for whoever comes."""
    for body, danger in ((DANGEROUS, True), ("hello", False), ("who is this", False), ("he's here", False)):
        step = then(Thread(id="t1", designation="amber heron"), arrived(body))
        (queued,) = (event for event in told(step.actions, "desk") if isinstance(event, ThreadQueued))
        assert queued.danger == danger
        assert [event for event in told(step.actions, "desk") if isinstance(event, ThreadMarked)] == []
        assert [cue.mentions for cue in cues(step)] == [()] * (body != "hello")


@pytest.mark.parametrize("thread", [waiting(), held()], ids=["waiting", "with an advocate"])
def test_a_later_sign_marks_the_thread_at_the_desk_once(thread: Thread) -> None:
    """The desk hears of the mark when it comes, not again with each text, and it stays for the conversation."""
    step = then(thread, arrived(DANGEROUS, id="b"))
    marked = [event for event in told(step.actions, "desk") if isinstance(event, ThreadMarked)]
    assert marked == [ThreadMarked(thread="t1", danger=True, language="")]
    again = then(step.aggregate, arrived(DANGEROUS, id="c"), at(700))
    assert [event for event in told(again.actions, "desk") if isinstance(event, ThreadMarked)] == []
    assert again.aggregate.silence.danger


def test_the_card_says_which_signs_there_were() -> None:
    """Who takes the thread over sees the names of the signs of danger, and no word of the text."""
    thread = then(held(), arrived("he has a knife and he's here", id="b")).aggregate
    line = next(line for line in card(PACK, thread).splitlines() if "signs" in line)
    assert line == "⚠️ signs of danger: weapon"
    assert "signs" not in card(PACK, then(held(), arrived("he's here", id="b")).aggregate)


def test_a_stopped_or_unsafe_phone_has_signs_as_well() -> None:
    """What comes after a STOP, or from a phone that is marked unsafe, is looked at all the same; nothing leaves."""
    stopped = replace(held(), consent=replace(held().consent, stopped=True))
    unsafe = replace(held(), flags=ConsentFlags(unsafe=True))
    for thread in (stopped, unsafe):
        step = then(thread, arrived(DANGEROUS, id="b"))
        assert len(cues(step)) == 1
        assert texts(step) == []


@every_row("sign", Sign)
def test_words_that_wait_stop_at_the_signs_after_which_the_phone_should_stay_dark(sign: Sign) -> None:
    """Who has to go, or another person at the phone, stops words in the undo window, as a wish for no more texts does."""
    waits = then(held(), said("Is everything ok?", event_id="$w", at=NOW + 1), at(1)).aggregate
    for body in EXAMPLES[sign]:
        stops = marks(then(waits, arrived(body, id="b", seconds=3), at(3))) == {"$w": DeliveryReceipt.HELD}
        assert stops == (sign in BREAKS_OFF), body
    for body in ("I need a place to stay", "Liked “he's here”", "Auto-reply: he's here"):
        assert not marks(then(waits, arrived(body, id="b", seconds=3), at(3)))


def test_a_sign_holds_nothing_by_itself() -> None:
    """A cue is no act: words in the undo window stay there."""
    thread = then(held(), said("I am here. Are you safe?"), at(1)).aggregate
    step = then(thread, arrived("he has a knife", id="b", seconds=2), at(2))
    assert step.aggregate.sending.pending == thread.sending.pending
    assert step.aggregate.lifecycle.last_inbound == NOW + 2


def test_signs_and_the_language_of_a_text_are_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two features ask for each; the lists of every language are gone through once, and what was found is not kept."""
    thread, calls = waiting(), list[str]()

    def noted(module: ModuleType, name: str) -> None:
        real = getattr(module, name)

        def reads(text: str, lists: object) -> object:
            calls.append(name)
            return real(text, lists)

        monkeypatch.setattr(module, name, reads)

    noted(danger_signs, "find_signs")
    noted(language_choice, "guess_language")
    for _ in range(2):
        step = then(thread, arrived(DANGEROUS))
        assert [cue.body.removeprefix("⚠️ ") for cue in cues(step)] == [CUES[Sign.WEAPON]]
    assert sorted(calls) == ["find_signs", "find_signs", "guess_language", "guess_language"]
