"""Signs of danger: a cue in the room, a mark on the card, and nothing on the phone."""

from __future__ import annotations

import pytest

from bot.model.actions import THREAD, DeliveryReceipt, SendMessage, SendSms, Speaker
from bot.model.desk import Thread
from bot.model.thread_desk_events import ThreadMarked, ThreadQueued
from bot.safety.danger_signs import CUES
from policies.signs import BREAKS_OFF, Sign
from tests.bot.examples import arrived, at, held, marks, of, said, then, told, waiting
from tests.bot.strategies import ANA, NOW, PACK
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


def test_the_same_sign_is_told_once_in_a_while() -> None:
    """Within ten minutes the room hears of each sign once, of another one at once, and of the same again after it."""
    thread = then(held(), arrived(DANGEROUS, id="b")).aggregate
    assert cues(then(thread, arrived("he still has a knife", id="c"), at(5))) == []
    assert len(cues(then(thread, arrived("he choked me", id="d"), at(5)))) == 1
    after = PACK.settings.sign_cue
    assert cues(then(thread, arrived(DANGEROUS, id="e"), at(after - 1))) == []
    assert len(cues(then(thread, arrived(DANGEROUS, id="f"), at(after)))) == 1
    assert len(cues(then(thread, arrived(DANGEROUS, id="g"), at(-60)))) == 1, "a clock that was set back hides nothing"


@pytest.mark.parametrize("body", ["Liked “he has a knife”", "Auto-reply: he has a knife", "STOP", "BYE", "HELP"])
def test_machines_and_keywords_are_no_sign(body: str) -> None:
    """What no person wrote, and a keyword, which has an alarm of its own, is not looked at."""
    step = then(held(), arrived(body, id="b"))
    assert cues(step) == []
    assert not step.aggregate.silence.danger


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


@every_row("sign", Sign)
def test_words_that_wait_stop_at_the_signs_after_which_the_phone_should_stay_dark(sign: Sign) -> None:
    """Who has to go, or another person at the phone, stops words in the undo window, as a wish for no more texts does."""
    waits = then(held(), said("Is everything ok?", event_id="$w", at=NOW + 1), at(1)).aggregate
    for body in EXAMPLES[sign]:
        stops = marks(then(waits, arrived(body, id="b", seconds=3), at(3))) == {"$w": DeliveryReceipt.HELD}
        assert stops == (sign in BREAKS_OFF), body
    for body in ("I need a place to stay", "Liked “he's here”", "Auto-reply: he's here"):
        assert not marks(then(waits, arrived(body, id="b", seconds=3), at(3)))
