"""The escort: what follows when the agreed word comes, or does not (practice 10, design.md, "The codeword")."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot import guard
from bot.display.thread_card import card
from bot.language.codeword_forms import MASK
from bot.model.actions import DeliveryReceipt, Origin, RedactEvent, SendSms
from bot.model.codeword_state import CodewordMatch, SendLock
from bot.model.events import Outcome, Relation, TextOutcome, TimerDue
from bot.model.thread_desk_events import EnrolmentFinished
from bot.model.transactional_actions import SendEvent
from policies.pack import TextName
from tests.bot.codeword_example import (
    CHALLENGE,
    DELAY,
    UNVERIFIED,
    VERIFIED,
    WINDOW,
    agreed,
    asked,
    comes,
    holding,
    leaving,
    locked,
)
from tests.bot.examples import alarms, arrived, at, edit, held, marks, of, said, texts, then, words
from tests.bot.strategies import ANA, BEN, DIGESTS, EVE, NOW, PACK, SUE, UNDO
from tests.every_row import every_row

BOTH = pytest.mark.parametrize("word", [CodewordMatch.SAFE, CodewordMatch.DURESS])


@pytest.mark.practice(10)
@BOTH
def test_the_answer_to_a_challenge_leaves_a_fixed_time_after_the_text(word: CodewordMatch) -> None:
    """Success and duress: the same text, three seconds after the text that answered, however long looking at it took."""
    for looking in (0.0, 0.4, 1.9):
        step = then(asked(), arrived(MASK, seconds=20), holding(word, 20 + looking))
        assert leaving(step) == [(VERIFIED, NOW + 20 + DELAY)]
        (text,) = of(SendSms, step)
        assert (text.origin, text.ref) == (Origin.AUTO_REPLY, "answer:a")


@BOTH
def test_what_is_looked_at_late_is_answered_a_second_later(word: CodewordMatch) -> None:
    """When looking took longer than the delay, the answer still leaves a fixed time after the decision."""
    step = then(asked(), arrived(MASK, seconds=20), holding(word, 40))
    assert leaving(step) == [(VERIFIED, NOW + 41)]


def test_an_answer_without_the_word_is_answered_after_the_same_time() -> None:
    """The phone gets an answer to a wrong word too, so that a challenge reads like conversation; a person decides."""
    step = comes(asked(), CodewordMatch.NONE, 20, "all fine here")
    assert leaving(step) == [(UNVERIFIED, NOW + 20 + DELAY)]
    assert "1 of 3" in words(step)


@pytest.mark.practice(10)
@pytest.mark.parametrize("language", ["en", "es"])
def test_success_duress_and_failure_are_the_same_bytes_at_the_same_moment(language: str) -> None:
    """Whatever answers a challenge, the phone shows the same: who guesses learns nothing (decisions/codeword.md)."""
    thread = asked()
    thread = replace(thread, consent=replace(thread.consent, language=language, language_chosen=True))
    shown = []
    for word, body in ((CodewordMatch.SAFE, MASK), (CodewordMatch.DURESS, MASK), (CodewordMatch.NONE, "the red door")):
        step = then(thread, arrived(body, seconds=20), holding(word, 20))
        shown.append(
            [(text.body.encode(), text.origin, text.ref, text.since, text.not_before) for text in of(SendSms, step)]
        )
        assert "erified)" not in words(step), "the text's own name would say what the word did not"
    right, duress, wrong = shown
    assert right == duress == wrong
    assert [body for body, *_ in right] == [PACK.say(TextName.VERIFIED, language).encode()]


@pytest.mark.practice(11)
def test_a_failed_word_is_a_change() -> None:
    """Whoever did not say it may be another person: the room is to ask whether it is safe, and the card says so."""
    step = comes(asked(), CodewordMatch.NONE, 20, "all fine here")
    assert "!safecheck" in words(step)
    assert "ask again" in card(PACK, step.aggregate)


def test_the_right_word_verifies_once() -> None:
    """The card says when, and that the word is burned; the same word again proves nothing and is not counted as new."""
    thread = comes(asked(), CodewordMatch.SAFE, 20).aggregate
    assert "verified: 2027-01-15 08:00" in card(PACK, thread)
    assert "burned" in card(PACK, thread)
    again = comes(thread, CodewordMatch.SAFE, 4000, id="b")
    assert texts(again) == []
    assert "proves nothing" in words(again)
    assert again.aggregate.codeword.verified_at == thread.codeword.verified_at


@BOTH
def test_a_word_that_was_not_asked_for_is_not_answered(word: CodewordMatch) -> None:
    """Unasked, the phone gets nothing, whichever of the two it was."""
    step = comes(agreed(), word, 5)
    assert texts(step) == []
    assert step.aggregate.codeword.spent


@every_row(
    "changed",
    [
        {"body": "!codeword tulip"},
        {"body": "!code-word tulip"},
        {"body": "!codewrod tulip", "sender": BEN},
        {"body": "!verify tulip", "relation": Relation.THREAD},
        {"body": "!forget-word tulip"},
        {"body": "/codeword tulip", "sender": EVE},
        {"body": "!code word tulip", "relation": Relation.EDIT, "target": "$old"},
    ],
)
def test_a_word_behind_its_command_is_taken_out_of_the_room(changed: dict[str, Any]) -> None:
    """Whoever writes the word where it does not belong: redacted at once, nobody is asked, and another one is needed."""
    body, event_id = changed["body"], "$w"
    step = then(held(), said(**{"event_id": event_id} | changed))
    assert of(RedactEvent, step) == [RedactEvent(place="thread", event_id=event_id)]
    assert "Choose another one" in words(step)
    assert "tulip" not in words(step)
    assert not of(SendEvent, step)
    assert (step.aggregate.codeword.challenge, step.aggregate.sending.pending) == ("", ()), body


@every_row("body", ["!codeword", "!verify", "!forget-word", "! codeword", "!cover 1", "!tips iphone"])
def test_a_command_is_no_word(body: str) -> None:
    """The commands themselves, and others with something behind them, are not taken for a word."""
    assert not of(RedactEvent, then(agreed(), said(body)))


def test_a_challenge_is_not_late() -> None:
    """It leaves within five minutes of their last text or not at all, however long it waited for the carrier."""
    thread = then(agreed(), said("!verify", event_id="$v"), at(WINDOW - 9)).aggregate
    (text,) = of(SendSms, then(thread, TimerDue(key="send"), at(WINDOW - 1)))
    assert guard.may_send(PACK, thread, text, NOW + WINDOW, ()) is None
    assert guard.may_send(PACK, thread, text, NOW + WINDOW + 1, ()) == guard.NOT_NOW
    assert texts(then(thread, TimerDue(key="send"), at(WINDOW + 7))) == []


def test_a_word_agreed_a_moment_ago_can_be_asked_for() -> None:
    """That their last text is recent is known from before the word was agreed."""
    thread = then(held(), arrived("hi", id="h", seconds=5), at(5)).aggregate
    thread = then(thread, EnrolmentFinished(user=ANA, digests=DIGESTS), at(6)).aggregate
    assert marks(then(thread, said("!verify"), at(7)))["$m1"] is DeliveryReceipt.LEAVING


def test_the_room_is_told_of_what_could_not_be_compared() -> None:
    """A text too long to be compared to its end says so, whether or not a word was found in it."""
    for word in CodewordMatch:
        assert "may have been missed" in words(
            then(agreed(), arrived("long", id="l"), at(0, codeword_match=word, partly_compared=True))
        )


@pytest.mark.parametrize("seconds", [5.0, 20.0])
def test_a_word_among_many_may_be_a_guess(seconds: float) -> None:
    """Guesses in a row verify nothing, asked or not; the phone gets what it would after the duress word all the same."""
    guesses = f"apple pear plum quince fig date lime lemon {MASK} melon peach berry grape"
    thread = asked() if seconds > UNDO else agreed()
    steps = [comes(thread, word, seconds, guesses) for word in (CodewordMatch.SAFE, CodewordMatch.DURESS)]
    assert leaving(steps[0]) == leaving(steps[1])
    assert (steps[0].aggregate.codeword.verified_at, steps[0].aggregate.codeword.spent) == (0.0, True)
    assert "guessed" in words(steps[0])
    assert steps[1].aggregate.codeword.lock is SendLock.DURESS


def test_one_challenge_is_one_failure() -> None:
    """Of ten texts within a second the first is the answer; the others are conversation, and the word among them counts."""
    thread = asked()
    bodies: list[str] = []
    for n in range(10):
        step = comes(
            thread, CodewordMatch.SAFE if n == 7 else CodewordMatch.NONE, 20 + n / 10, MASK if n == 7 else "hi", id=f"t{n}"
        )
        thread, bodies = step.aggregate, bodies + texts(step)
    assert bodies == [UNVERIFIED]
    assert thread.codeword.failures == ()
    assert thread.codeword.verified_at


@BOTH
def test_a_challenge_answered_a_day_later_is_not_answered(word: CodewordMatch) -> None:
    """After the window nothing is an answer: no text, no failure; the word itself is still recognised."""
    for later in (UNDO + WINDOW + 1.0, 86_400.0):
        assert texts(comes(asked(), word, later)) == []
        step = comes(asked(), CodewordMatch.NONE, later, "hello?")
        assert (texts(step), step.aggregate.codeword.failures) == ([], ())
    over = then(asked(), TimerDue(key="challenge"), at(UNDO + WINDOW))
    assert "not answered" in words(over)
    assert over.aggregate.codeword.challenge == ""


@every_row(
    ("body", "media"),
    [
        ("", 2),
        (" ", 0),
        ("STOP", 0),
        ("ES", 0),
        ("Liked “ok”", 0),
        ("I'm driving", 0),
        ("please stop texting me", 0),
        ("BYE", 0),
        ("cant talk hes here", 0),
    ],
)
def test_what_is_no_answer_counts_for_nothing(body: str, media: int) -> None:
    """Pictures alone, keywords, what phones send by themselves and "he's here" neither fail a challenge nor end it."""
    step = then(asked(), arrived(body, seconds=20, media=media), at(20))
    assert UNVERIFIED not in texts(step)
    assert step.aggregate.codeword.failures == ()
    assert step.aggregate.codeword.challenge == "$v"


def test_a_text_from_before_the_challenge_does_not_answer_it() -> None:
    """By its own time: what was on its way when the challenge left is no failure."""
    step = then(asked(), arrived("on my way", seconds=UNDO - 3), at(UNDO + 5))
    assert step.aggregate.codeword.challenge == "$v"
    assert step.aggregate.codeword.failures == ()


def test_the_challenge_waits_its_undo_window_and_leaves_by_its_command_alone() -> None:
    """`!verify` within five minutes of a text; the same words typed by hand are refused."""
    step = then(agreed(), said("!verify", event_id="$v"))
    assert marks(step) == {"$v": DeliveryReceipt.LEAVING}
    assert texts(then(step.aggregate, TimerDue(key="send"), at(UNDO))) == [CHALLENGE]
    assert "!verify" in words(then(agreed(), said(CHALLENGE)))
    assert "five minutes" in words(then(agreed(), said("!verify"), at(WINDOW + 1.0)))


@pytest.mark.parametrize(
    ("thread", "why"),
    [(held, "no codeword"), (lambda: agreed(spent=True), "burned"), (lambda: locked(SendLock.UNVERIFIED), "!unlock")],
)
def test_no_challenge_without_a_word_that_can_answer_it(thread: object, why: str) -> None:
    """Without a word, with a burned one, or locked: refused with the reason."""
    step = then(thread(), said("!verify"))  # type: ignore[operator]
    assert why in words(step).casefold()
    assert step.aggregate.codeword.challenge == ""


@pytest.mark.practice(12)
@pytest.mark.parametrize("body", ["LATER", "BYE", "stop texting me"])
def test_no_challenge_follows_a_text_that_asks_for_no_answer(body: str) -> None:
    """After a silent exit or a plea it waits for their next text."""
    thread = then(agreed(), arrived(body, id="b", seconds=5), at(5)).aggregate
    step = then(thread, said("!verify", event_id="$v", at=NOW + 9), at(9))
    assert "Not now: " in words(step)
    assert "Wait for a text" in words(step)
    assert step.aggregate.sending.pending == ()
    back = then(step.aggregate, arrived("ok back", id="c", seconds=60), at(60)).aggregate
    assert marks(then(back, said("!verify", event_id="$v2", at=NOW + 65), at(65))) == {"$v2": DeliveryReceipt.LEAVING}


@pytest.mark.practice(12)
def test_a_challenge_after_they_may_have_to_break_off_is_asked_about() -> None:
    """It does not follow "he's here" at once; that is a guess, so who says the command again is sure."""
    thread = then(agreed(), arrived("he's here gotta go", id="b", seconds=5), at(5)).aggregate
    step = then(thread, said("!verify", event_id="$v", at=NOW + 9), at(9))
    assert "If you are sure: !verify" in words(step)
    assert step.aggregate.sending.pending == ()
    sure = then(step.aggregate, said("!verify", event_id="$v2", at=NOW + 15), at(15))
    assert marks(sure) == {"$v2": DeliveryReceipt.LEAVING}
    again = then(step.aggregate, arrived("he's here", id="c", seconds=20), at(20)).aggregate
    assert "If you are sure" in words(then(again, said("!verify", event_id="$v3", at=NOW + 25), at(25)))


@pytest.mark.practice(12)
def test_a_refused_challenge_is_answered_by_its_own_sender_alone() -> None:
    """What a colleague was asked makes nobody else sure: neither their first `!verify` nor their words leave unasked."""
    thread = then(agreed(), arrived("he's here gotta go", id="b", seconds=5), at(5)).aggregate
    asked_sue = then(thread, said("!verify", event_id="$v", sender=SUE, at=NOW + 9), at(9)).aggregate
    assert marks(then(asked_sue, said("ok be safe!", event_id="$w", at=NOW + 10), at(10))) == {"$w": DeliveryReceipt.HELD}
    step = then(asked_sue, said("!verify", event_id="$v2", at=NOW + 9), at(9))
    assert "If you are sure: !verify" in words(step)
    assert step.aggregate.sending.pending == ()
    sure = then(step.aggregate, said("!verify", event_id="$v3", sender=SUE, at=NOW + 15), at(15))
    assert marks(sure) == {"$v3": DeliveryReceipt.LEAVING}
    more = said("ok be safe!", event_id="$w", at=NOW + 17)
    assert marks(then(sure.aggregate, more, at(17))) == {"$w": DeliveryReceipt.HELD}
    sure = then(step.aggregate, said("!verify", event_id="$v3", at=NOW + 15), at(15))
    assert marks(then(sure.aggregate, more, at(17))) == {"$w": DeliveryReceipt.LEAVING}, "the advocate has answered it"


@pytest.mark.practice(12)
def test_a_challenge_said_twice_before_the_refusal_is_no_answer_to_it() -> None:
    """Who has not read the question yet is asked; what they say after it counts."""
    thread = then(agreed(), arrived("he's here gotta go", id="b", seconds=5), at(5)).aggregate
    thread = then(thread, said("!verify", event_id="$v", at=NOW + 8), at(9)).aggregate
    step = then(thread, said("!verify", event_id="$v2", at=NOW + 8.5), at(9.5))
    assert "If you are sure: !verify" in words(step)
    assert step.aggregate.sending.pending == ()
    sure = then(step.aggregate, said("!verify", event_id="$v3", at=NOW + 12), at(12.5))
    assert marks(sure) == {"$v3": DeliveryReceipt.LEAVING}


@pytest.mark.practice(2)
def test_no_challenge_follows_a_text_into_the_hours_that_are_not_safe() -> None:
    """Their text came within the times that they called safe; a minute after these end it is not sent."""
    thread = then(agreed(), said("!agreed times 0-8:01", event_id="$t"), at(1)).aggregate  # their text came at 8:00
    assert marks(then(thread, said("!verify", event_id="$v"), at(50))) == {"$v": DeliveryReceipt.LEAVING}
    assert "outside the times" in words(then(thread, said("!verify", event_id="$v"), at(65)))


@pytest.mark.parametrize("body", ["Liked “hello”", "I'm driving"])
def test_what_a_phone_sends_by_itself_opens_no_window_for_a_challenge(body: str) -> None:
    """A tapback and a car's answer an hour later show nobody's hand: the challenge still waits for a text."""
    thread = then(agreed(), arrived(body, id="b", seconds=3600), at(3600)).aggregate
    step = then(thread, said("!verify", event_id="$v", at=NOW + 3605), at(3605))
    assert "five minutes" in words(step)
    assert step.aggregate.sending.pending == ()


@BOTH
def test_a_challenge_that_has_not_left_does_not_follow_the_word(word: CodewordMatch) -> None:
    """A word that comes while the challenge waits makes it needless: it leaves after neither of the two."""
    thread = then(agreed(), said("!verify", event_id="$v")).aggregate
    step = comes(thread, word, 2)
    assert marks(step) == {"$v": DeliveryReceipt.NOT_SENT}
    assert step.aggregate.sending.pending == ()
    queued = then(thread, TimerDue(key="send"), at(UNDO))
    (text,) = of(SendSms, queued)
    after = comes(queued.aggregate, word, UNDO + 1).aggregate
    assert guard.may_send(PACK, after, text, NOW + UNDO + 2, ()) == guard.NOT_ASKED


def test_a_challenge_that_the_carrier_refused_is_not_waited_for() -> None:
    """What comes then is no answer."""
    thread = then(agreed(), said("!verify", event_id="$v")).aggregate
    thread = then(thread, TimerDue(key="send"), at(UNDO)).aggregate
    thread = then(thread, TextOutcome(ref="say:$v", outcome=Outcome.REJECTED), at(UNDO)).aggregate
    step = comes(thread, CodewordMatch.NONE, 20, "hi")
    assert (texts(step), step.aggregate.codeword.failures) == ([], ())


def test_nobody_is_asked_for_patience_when_nobody_is_there() -> None:
    """A thread that went back to the queue while its challenge was out is greeted, at most, and not answered twice."""
    thread = then(asked(), said("!release", event_id="$r")).aggregate
    assert VERIFIED not in texts(comes(thread, CodewordMatch.SAFE, 20))


@BOTH
def test_a_word_that_a_colleague_writes_is_taken_out_of_the_room(word: CodewordMatch) -> None:
    """It is redacted, marked, and does not leave; an edit that holds it stops what it was to replace."""
    step = then(agreed(), said(f"is your word {MASK}?"), holding(word, 0))
    assert of(RedactEvent, step) == [RedactEvent(place="thread", event_id="$m1")]
    assert marks(step) == {"$m1": DeliveryReceipt.NOT_SENT}
    assert step.aggregate.sending.pending == ()
    pending = then(agreed(), said("hello")).aggregate
    step = then(pending, edit(MASK), holding(word, 0))
    assert of(RedactEvent, step) == [RedactEvent(place="thread", event_id="$e")]
    assert step.aggregate.sending.pending == ()
    other = then(pending, edit(MASK, sender=BEN), holding(word, 0))
    assert len(other.aggregate.sending.pending) == 1


def test_a_thread_relation_is_no_way_round() -> None:
    """A reply in a Matrix thread that holds the word is redacted like any other message."""
    step = then(agreed(), said(MASK, relation=Relation.THREAD), holding(CodewordMatch.SAFE, 0))
    assert of(RedactEvent, step)
    assert replace(step.aggregate, sending=agreed().sending) == agreed()


@BOTH
def test_the_words_are_listened_for_in_the_next_conversation(word: CodewordMatch) -> None:
    """After a park the phone keeps its words: the first text of the next conversation is compared, and answered alike."""
    closing = then(agreed(), said("!close", event_id="$c")).aggregate
    later = float(PACK.settings.close_undo)
    parked = then(closing, TimerDue(key="close"), at(later)).aggregate
    assert parked.codeword.digests == DIGESTS
    night = later + 13 * 3600
    known = at(night, codeword_match=word, new_designation="still brook")
    step = then(parked, arrived(MASK, id="w", seconds=night), known)
    assert texts(step) == [PACK.say(TextName.GREETING)]
    assert step.aggregate.codeword.spent
    assert (step.aggregate.codeword.lock is SendLock.DURESS) == (word is CodewordMatch.DURESS)
    assert alarms(step) == (["duress"] if word is CodewordMatch.DURESS else [])


@pytest.mark.parametrize("between", [" ", ",", ", ", "/", "。"])
def test_many_guesses_in_one_text_verify_nothing(between: str) -> None:
    """Whatever stands between them, and where a script puts nothing there: it is burned, and proves nothing."""
    guesses = between.join([*(f"guess{chr(97 + n)}" for n in range(14)), MASK])
    for body in (guesses, "心" * 30 + MASK):
        step = comes(asked(), CodewordMatch.SAFE, 20, body)
        assert (step.aggregate.codeword.spent, step.aggregate.codeword.verified_at) == (True, 0.0)
        assert "as if guessed" in words(step)
    assert (
        comes(asked(), CodewordMatch.SAFE, 20, between.join(["it", "is", MASK, "ok"])).aggregate.codeword.verified_at
        == NOW + 20
    )


@BOTH
def test_a_word_that_comes_hours_late_verifies_nothing(word: CodewordMatch) -> None:
    """It says who had the phone then: it is burned, for both words alike, and nothing is verified by it."""
    step = then(agreed(), arrived(MASK, seconds=20), holding(word, 86_400))
    assert (step.aggregate.codeword.spent, step.aggregate.codeword.verified_at) == (True, 0.0)
    assert ("The codeword came late" in words(step)) is (word is CodewordMatch.SAFE)


@pytest.mark.parametrize("body", ["How are the kids?", "!options"])
def test_a_challenge_that_is_changed_is_none(body: str) -> None:
    """What is answered to other words is no answer to a check: nothing leaves by itself, and nothing is counted."""
    thread = then(agreed(), said("!verify", event_id="$v"), at(1)).aggregate
    thread = then(thread, edit(body, target="$v"), at(2)).aggregate
    assert not thread.codeword.challenge
    thread = then(thread, TimerDue(key="send"), at(60)).aggregate
    thread = then(thread, TextOutcome(ref="say:$v", outcome=Outcome.ACCEPTED), at(60)).aggregate
    step = comes(thread, CodewordMatch.NONE, 70, "all fine here")
    assert (texts(step), step.aggregate.codeword.failures) == ([], ())


@pytest.mark.practice(33)
@pytest.mark.parametrize("command", ["!verify", "!cover 1"])
def test_whoever_is_not_heard_cannot_change_a_command_into_words(command: str) -> None:
    """A supervisor's challenge or cover line, edited into anything else, leaves nothing on the phone, and they hear so."""
    thread = then(agreed(), said(command, sender=SUE, event_id="$v"), at(1)).aggregate
    step = then(thread, edit("Sue here, do not open the door", sender=SUE, target="$v"), at(2))
    assert marks(step) == {"$v": DeliveryReceipt.NOT_SENT}
    assert "is not changed" in words(step)
    assert texts(then(step.aggregate, TimerDue(key="send"), at(60))) == []


GUESSES = ("stop texting me {}", "Liked “{}”", "[Auto-Reply] I'm driving {}", "no más mensajes {}", "he's here {}")
"""Texts that are no answer to a challenge, each with room for a guess."""


@pytest.mark.practice(10)
@BOTH
@every_row("text", GUESSES)
def test_a_guess_in_a_text_that_is_no_answer_shows_nothing(text: str, word: CodewordMatch) -> None:
    """Whoever texts guesses in this way gets no reply to the right one, and their next words are answered all the same."""
    phones = []
    for body, match in ((text.format(MASK), word), (text.format("wombat"), CodewordMatch.NONE)):
        guess = comes(asked(), match, 20, body, id="g")
        then_words = comes(guess.aggregate, CodewordMatch.NONE, 30, "who are you", id="n")
        more = comes(then_words.aggregate, CodewordMatch.NONE, 40, "hello?", id="o")
        phones.append([leaving(step) for step in (guess, then_words, more)])
        assert (then_words.aggregate.codeword.failures == ()) is (match is not CodewordMatch.NONE)
        assert not then_words.aggregate.codeword.challenge
    assert phones[0] == phones[1] == [[], [(VERIFIED, NOW + 30 + DELAY)], []]


@BOTH
def test_a_challenge_that_was_met_by_a_guess_ends_in_silence(word: CodewordMatch) -> None:
    """Nobody is told that the challenge was not answered after the word came in a text that was no answer."""
    thread = comes(asked(), word, 20, GUESSES[0].format(MASK)).aggregate
    step = then(thread, TimerDue(key="challenge"), at(UNDO + WINDOW))
    assert (step.aggregate.codeword.challenge, words(step)) == ("", "")


def test_words_that_wait_behind_a_check_do_not_leave_when_it_fails() -> None:
    """An answer without the word holds what its advocate has said meanwhile; `!anyway` lets it leave."""
    thread = then(asked(), said("I can pick you up at the corner", event_id="$w"), at(18)).aggregate
    step = comes(thread, CodewordMatch.NONE, 20, "it is raining here")
    assert marks(step)["$w"] is DeliveryReceipt.HELD
    assert texts(then(step.aggregate, TimerDue(key="send"), at(18 + UNDO))) == []
    sure = then(step.aggregate, said("!anyway", event_id="$a", at=NOW + 30), at(30)).aggregate
    assert texts(then(sure, TimerDue(key="send"), at(60))) == ["I can pick you up at the corner"]


def test_a_second_word_that_crosses_a_failed_check_lets_nothing_leave() -> None:
    """`!anyway` that was typed before it, for other words, is not about those that the check has just stopped."""
    thread = then(asked(), said("I can pick you up at the corner", event_id="$w"), at(18)).aggregate
    thread = comes(thread, CodewordMatch.NONE, 20, "it is raining here").aggregate
    step = then(thread, said("!anyway", event_id="$a", at=NOW + 19), at(20))
    assert "while you said it" in words(step)
    assert texts(then(step.aggregate, TimerDue(key="send"), at(60))) == []


@pytest.mark.parametrize("command", ["!cover 1", "!different"])
def test_what_is_meant_for_another_person_leaves_when_a_check_fails(command: str) -> None:
    """A cover line, and the text that steps back, are right before whoever answered without the word."""
    thread = then(asked(), said(command, event_id="$w"), at(18)).aggregate
    (waiting,) = thread.sending.pending
    thread = comes(thread, CodewordMatch.NONE, 20, "it is raining here").aggregate
    assert texts(then(thread, TimerDue(key="send"), at(18 + UNDO))) == [waiting.body]


@BOTH
@every_row(
    ("command", "sender"),
    [("!unsafe he reads {}", BEN), ("🛑 {}", ANA), ("!un safe {}", ANA), ("!stopped {}", ANA), ("!block", SUE)],
)
def test_an_agreed_word_behind_a_command_does_not_keep_it_from_stopping(
    word: CodewordMatch, command: str, sender: str
) -> None:
    """`!unsafe he knows about heron`: the message is redacted, and the phone is stopped all the same."""
    thread = then(agreed(), said("I am here"), at(1)).aggregate
    step = then(thread, said(command.format(MASK), sender=sender, event_id="$c"), holding(word, 2))
    assert [redacted.event_id for redacted in of(RedactEvent, step)] == ["$c"]
    assert texts(then(step.aggregate, TimerDue(key="send"), at(UNDO + 1))) == []
    assert step.aggregate.sending.pending == ()


@BOTH
@pytest.mark.parametrize("relation", [Relation.EDIT, Relation.THREAD])
def test_an_agreed_word_behind_unsafe_in_any_form_stops_the_phone(word: CodewordMatch, relation: Relation) -> None:
    """By an edit and in a Matrix thread too."""
    event = said(f"!unsafe {MASK}", event_id="$c", relation=relation, target="$m1")
    assert then(agreed(), event, holding(word, 2)).aggregate.flags.unsafe


@BOTH
def test_an_agreed_word_behind_escalate_calls_the_supervisors(word: CodewordMatch) -> None:
    """The desk hears of it, and nobody reads the word."""
    step = then(agreed(), said(f"!escalate she texted {MASK}"), holding(word, 2))
    assert alarms(step) == ["escalated"]


@BOTH
@every_row("body", [f"he has the phone stop {MASK}", f"!stop {MASK}", f"unsafe {MASK}"])
def test_an_agreed_word_beside_a_word_for_stopping_holds_what_waits(word: CodewordMatch, body: str) -> None:
    """What may mean `!unsafe` holds the words that wait, whatever else stands in it; a stranger's does not."""
    thread = then(agreed(), said("I am here"), at(1)).aggregate
    step = then(thread, said(body, sender=BEN, event_id="$c"), holding(word, 2))
    assert marks(step)["$m1"] is DeliveryReceipt.HELD
    assert texts(then(step.aggregate, TimerDue(key="send"), at(UNDO + 1))) == []
    assert then(thread, said(body, sender=EVE, event_id="$c"), holding(word, 2)).aggregate.sending.pending != ()


@BOTH
def test_an_edit_with_an_agreed_word_stops_what_it_was_to_replace(word: CodewordMatch) -> None:
    """Held words are given up, and so is a `!reply` after a STOP: nobody wants to say the earlier ones any more."""
    held_words = then(agreed(), said("call me at 555-0134", event_id="$h"), at(1)).aggregate
    assert held_words.sending.held
    step = then(held_words, edit(f"call me, {MASK}", target="$h"), holding(word, 2))
    assert (step.aggregate.sending.held, marks(step)) == ((), {"$h": DeliveryReceipt.NOT_SENT})
    stopped = then(agreed(), arrived("STOP", id="stop")).aggregate
    stopped = then(stopped, arrived("wait", id="more", seconds=1), at(1)).aggregate
    replied = then(stopped, said("!reply !anyway ok", sender=SUE, event_id="$r"), at(2)).aggregate
    assert replied.consent.reply is not None
    step = then(replied, edit(f"!reply ok {MASK}", sender=SUE, target="$r"), holding(word, 3))
    assert texts(then(step.aggregate, TimerDue(key="reply"), at(2 + UNDO))) == []
    assert marks(step) == {"$r": DeliveryReceipt.NOT_SENT}


@pytest.mark.practice(10, 12)
@pytest.mark.parametrize("body", ["stop texting me", "he's here", "BYE"])
def test_a_verdict_does_not_leave_after_they_broke_off(body: str) -> None:
    """It is refused alike after either word and after a wrong one: in the seconds before it they asked for no more."""
    for word, first in ((CodewordMatch.SAFE, MASK), (CodewordMatch.DURESS, MASK), (CodewordMatch.NONE, "the red door")):
        step = comes(asked(), word, 20, first)
        (verdict,) = of(SendSms, step)
        assert guard.may_send(PACK, step.aggregate, verdict, NOW + 20 + DELAY, ()) is None
        after = comes(step.aggregate, CodewordMatch.NONE, 21, body, id="b").aggregate
        assert guard.may_send(PACK, after, verdict, NOW + 20 + DELAY, ()) is not None
