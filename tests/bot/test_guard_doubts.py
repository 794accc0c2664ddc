"""A person's words that the phone does not expect are held, by one rule, and leave by one more word (`guard.doubts`)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot import guard
from bot.decide import decide
from bot.model.actions import DESK, THREAD, DeliveryReceipt, Origin, SendSms
from bot.model.codeword_state import SendLock
from bot.model.desk import Desk, Thread
from bot.model.events import (
    MemberJoined,
    MemberLeft,
    MemberNamed,
    MessageRedacted,
    Outcome,
    ReactionAdded,
    Relation,
    TextOutcome,
)
from bot.model.hold_signs import Doubt
from bot.model.thread import ConsentFlags
from bot.model.thread_desk_events import Assigned, AssignmentKind, AssignmentRefused
from policies.pack import TextName
from tests.bot.examples import FACTS, arrived, at, due, edit, held, marks, of, said, texts, then, waiting, words
from tests.bot.strategies import ANA, BEN, LONG, MEMBERS, NOW, PACK, SUE, UNDO, WARNED, with_settings
from tests.every_row import every_row

HOUR = 3600.0
MIN = 60.0
"""`held()` is a thread whose one text came a minute before NOW. NOW is Friday 15 January 2027, 08:00 UTC."""


def answered() -> Thread:
    """Return a thread whose texter was answered by a person, a minute after their text."""
    thread = due(then(held(), said("I am here")).aggregate, UNDO).aggregate
    heard: Thread = then(thread, TextOutcome(ref="say:$m1", outcome=Outcome.ACCEPTED), at(UNDO)).aggregate
    return heard


def say(thread: Thread, body: str, seconds: float, *, event_id: str = "$w", **facts: Any) -> Any:
    """Let the assignee say something at that time."""
    return then(thread, said(body, event_id=event_id, at=NOW + seconds), at(seconds, **facts))


def found(thread: Thread, seconds: float, body: str = "are you ok?") -> tuple[Doubt, ...]:
    """Return the doubts about words of the assignee at that time."""
    return guard.doubts(PACK, at(seconds), thread, body, ANA, own=True)


@pytest.mark.practice(2, 11, 30)
def test_the_first_words_after_a_long_silence_are_held_and_leave_by_anyway() -> None:
    """Nine hours later words are held, in one line with the reasons, and one `!anyway` lets them leave, once."""
    thread = then(answered(), said("!agreed first no", event_id="$f")).aggregate
    step = say(thread, "just checking in", 9 * HOUR)
    assert marks(step) == {"$w": DeliveryReceipt.HELD}
    assert words(step) == ("Held: they said not to be texted first; their last text is 9 h old. If you are sure: !anyway")
    assert texts(due(step.aggregate, 9 * HOUR + UNDO)) == []
    sure = say(step.aggregate, "!anyway", 9 * HOUR + 1, event_id="$s")
    assert marks(sure) == {"$s": DeliveryReceipt.NOTE, "$w": DeliveryReceipt.LEAVING}
    window_end = due(sure.aggregate, 9 * HOUR + 1 + UNDO)
    assert texts(window_end) == ["just checking in"]
    more = say(window_end.aggregate, "and one more thing", 9 * HOUR + 60, event_id="$w2")
    assert marks(more) == {"$w2": DeliveryReceipt.HELD}, "one !anyway is for one light on the phone"
    assert "Nothing of yours is held" in words(say(window_end.aggregate, "!anyway", 9 * HOUR + 60, event_id="$s2"))


@pytest.mark.parametrize(
    ("spoken", "seconds", "doubts"),
    [
        (True, 29 * MIN, ()),
        (True, 29 * MIN + 1, (Doubt.SILENCE,)),
        (False, 14 * MIN, ()),
        (False, 14 * MIN + 1, (Doubt.SILENCE,)),
    ],
)
def test_silence_counts_from_their_last_text(spoken: bool, seconds: float, doubts: tuple[Doubt, ...]) -> None:
    """Thirty minutes after their last text, and fifteen while nobody answered them; our own words do not count."""
    assert found(answered() if spoken else held(), seconds) == doubts


def test_a_text_a_moment_ago_makes_words_expected() -> None:
    """After a night of silence the answer to a new text leaves without a question, and so do the next ones."""
    thread = then(answered(), arrived("are you there", id="b", seconds=9 * HOUR), at(9 * HOUR)).aggregate
    for n, after in enumerate((5.0, 60.0, 20 * MIN)):
        step = say(thread, "yes", 9 * HOUR + after, event_id=f"$w{n}")
        assert marks(step) == {f"$w{n}": DeliveryReceipt.LEAVING}


@pytest.mark.parametrize("body", ["Liked “I am here”", "I'm driving"])
def test_what_a_phone_sends_by_itself_is_no_text_of_theirs(body: str) -> None:
    """A tapback and a car's answer after hours of silence make our words no more expected."""
    thread = then(answered(), arrived(body, id="b", seconds=HOUR), at(HOUR)).aggregate
    assert found(thread, HOUR + 5) == (Doubt.SILENCE,)


def test_a_text_that_came_late_is_as_old_as_it_says() -> None:
    """What was texted an hour ago and comes now is an hour old: who has the phone now, nobody knows."""
    thread = then(answered(), arrived("help me decide", id="b", seconds=60), at(HOUR)).aggregate
    assert found(thread, HOUR + 5) == (Doubt.SILENCE,)


@pytest.mark.practice(12)
@pytest.mark.parametrize("body", ["cant talk", "LATER", "luego"])
def test_words_after_a_silent_exit_are_held(body: str) -> None:
    """Whoever left with a silent word is not written to without a second word, until they text again."""
    thread = then(answered(), arrived(body, id="b", seconds=20), at(20)).aggregate
    step = say(thread, "No problem, I am here all night.", 25)
    assert marks(step) == {"$w": DeliveryReceipt.HELD}
    assert "left with a silent word" in words(step)
    back = then(step.aggregate, arrived("ok back", id="c", seconds=90), at(90)).aggregate
    assert found(back, 95) == ()


@pytest.mark.practice(2)
def test_first_no_is_kept() -> None:
    """Where they said not to be texted first, words wait for a second word from five minutes after their last text."""
    thread = then(answered(), said("!agreed first no", event_id="$f")).aggregate
    assert found(thread, 3 * MIN) == ()
    assert found(thread, 4 * MIN + 1) == (Doubt.FIRST_NO,)
    yes = then(thread, said("!agreed first yes", event_id="$f2")).aggregate
    assert found(yes, 4 * MIN + 1) == ()


@pytest.mark.practice(2, 30)
def test_safe_times_are_kept() -> None:
    """Outside their times words are held, unless they text outside them themselves, just now."""
    inside = then(answered(), said("!agreed times 07-8:01", event_id="$f")).aggregate
    assert found(inside, 50) == ()
    step = say(inside, "are you ok?", 61)
    assert words(step) == ("Held: now is outside the times that they called safe (7:00-8:01). If you are sure: !anyway")
    theirs = then(inside, arrived("hi", id="b", seconds=600), at(600)).aggregate
    assert found(theirs, 610) == ()
    assert found(theirs, 600 + 5 * MIN + 1) == (Doubt.TIMES,)


@pytest.mark.practice(29)
def test_the_promise_that_we_do_not_text_first_is_kept() -> None:
    """After the line said so by itself, words wait for a second word fifteen minutes after their last text."""
    closed = replace(FACTS, roster=tuple(replace(member, on_duty=False) for member in MEMBERS))
    pack = with_settings(hold_never_answered=HOUR)
    thread = decide(pack, closed, Thread(id="t1", designation="amber heron"), arrived("hello")).aggregate
    thread = decide(pack, at(1), thread, Assigned(assignee=ANA)).aggregate

    def doubts(seconds: float) -> tuple[Doubt, ...]:
        return guard.doubts(pack, at(seconds), thread, "hello", ANA, own=True)

    assert doubts(15 * MIN) == ()
    assert doubts(15 * MIN + 1) == (Doubt.PROMISE,)
    assert "do not text first" in guard.describe_doubts(at(HOUR), thread, (Doubt.PROMISE,), "hello")
    thread = replace(thread, silence=replace(thread.silence, spoke_at=NOW + 5))
    assert doubts(15 * MIN + 1) == (), "a person has spoken since"


@pytest.mark.practice(12)
@pytest.mark.parametrize("body", ["please stop texting me he is right here", "no me escribas mas"])
def test_a_plea_stops_words_in_the_undo_window(body: str) -> None:
    """What has not left is held at once, also when its time is over; `!anyway` lets it leave, and a new text ends it."""
    thread = say(held(), "Is everything ok?", 1).aggregate
    step = then(thread, arrived(body, id="b", seconds=3), at(3))
    assert marks(step) == {"$w": DeliveryReceipt.HELD}
    assert "may have asked for no more texts" in words(step)
    assert texts(due(step.aggregate, 60)) == []
    assert found(step.aggregate, 10) == (Doubt.PLEA,)
    sure = say(step.aggregate, "!anyway", 20, event_id="$s")
    assert texts(due(sure.aggregate, 20 + UNDO)) == ["Is everything ok?"]
    back = then(step.aggregate, arrived("sorry, wrong chat", id="c", seconds=40), at(40)).aggregate
    assert found(back, 45) == ()


@pytest.mark.practice(11, 12)
@pytest.mark.parametrize("body", ["hes here gtg", "me tengo que ir ya llego"])
def test_words_after_they_had_to_break_off_are_asked_about_once(body: str) -> None:
    """After "he's here" the next words are held as well, not only those that waited; one `!anyway` answers it."""
    thread = then(answered(), arrived(body, id="b", seconds=20), at(20)).aggregate
    step = say(thread, "ok, be safe!", 40)
    assert marks(step) == {"$w": DeliveryReceipt.HELD}
    assert "may have to break off" in words(step)
    sure = say(step.aggregate, "!anyway", 50, event_id="$s")
    assert texts(due(sure.aggregate, 50 + UNDO)) == ["ok, be safe!"]
    assert found(sure.aggregate, 60) == ()
    again = then(sure.aggregate, arrived(body, id="c", seconds=70), at(70)).aggregate
    assert found(again, 75) == (Doubt.LEAVING,)
    back = then(again, arrived("ok he left", id="d", seconds=90), at(90)).aggregate
    assert found(back, 95) == ()


def test_a_plea_stops_what_waits_at_the_carrier() -> None:
    """Words that left the undo window and wait for the carrier are refused there."""
    step = due(say(held(), "Is everything ok?", 0).aggregate, UNDO)
    (text,) = of(SendSms, step)
    assert guard.may_send(PACK, step.aggregate, text, NOW + UNDO, ()) is None
    thread = then(step.aggregate, arrived("stop texting me", id="b", seconds=9), at(9)).aggregate
    assert guard.may_send(PACK, thread, text, NOW + 9, ()) is guard.RETRACTED


@pytest.mark.parametrize("body", ["!verify", "!different"])
def test_a_plea_cancels_what_would_be_wrong_later(body: str) -> None:
    """A challenge, and the text that steps back, do not wait for a second word: they are said again, or not."""
    thread = say(held(), body, 1).aggregate
    step = then(thread, arrived("stop texting me", id="b", seconds=3), at(3))
    assert DeliveryReceipt.HELD not in marks(step).values()
    assert step.aggregate.sending.held == step.aggregate.sending.pending == ()
    assert step.aggregate.codeword.challenge == ""


def test_the_agencys_texts_are_asked_about_as_well() -> None:
    """A text by command lights up the phone like any other; its content is looked at by nobody's names."""
    for body in ("!later", "!say closing", "!limits", "!say clarify: in other words?"):
        assert marks(say(answered(), body, HOUR)) == {"$w": DeliveryReceipt.HELD}
    offered = then(held(), said(f"!transfer {BEN}", event_id="$o")).aggregate
    assert marks(say(offered, "!say handover", 10)) == {"$w": DeliveryReceipt.LEAVING}
    assert marks(say(offered, "!say handover: my own", 10)) == {"$w": DeliveryReceipt.HELD}


@pytest.mark.parametrize("body", ["!cover 1", "!different"])
def test_what_is_for_a_phone_in_other_hands_is_not_asked_about(body: str) -> None:
    """Cover lines and the text that steps back leave at any hour without a second word."""
    assert marks(say(answered(), body, 9 * HOUR)) == {"$w": DeliveryReceipt.LEAVING}


OFFER_ENDS: list[tuple[Any, float]] = [
    (said("!transfer nobody", event_id="$n"), 10),
    (said("!decline", sender=BEN, event_id="$n"), 10),
    (ReactionAdded(place=THREAD, sender=BEN, event_id="$n", key="❌", target="offer", trusted=True), 10),
    (MessageRedacted(place=THREAD, sender=ANA, target="$o"), 10),
]


@pytest.mark.parametrize(("event", "seconds"), OFFER_ENDS)
def test_words_beside_an_offer_are_held(event: Any, seconds: float) -> None:
    """While a thread is offered, and five minutes after that ended, own words are asked about once."""
    thread = then(held(), said(f"!transfer {BEN}", event_id="$o")).aggregate
    assert found(thread, 5, "good luck, two kids") == (Doubt.OFFER,)
    over = then(thread, event, at(seconds)).aggregate
    assert found(over, seconds + 5 * MIN - 1) == (Doubt.OFFER,)
    assert found(over, seconds + 5 * MIN) == ()
    step = say(over, "good luck, two kids", seconds + 1)
    assert marks(step) == {"$w": DeliveryReceipt.HELD}
    sure = say(step.aggregate, "!anyway", seconds + 2, event_id="$s").aggregate
    assert found(sure, seconds + 3) == (), "who was asked knows that this goes to the phone"
    again = then(sure, said(f"!transfer {SUE}", event_id="$o2"), at(seconds + 4)).aggregate
    assert found(again, seconds + 5) == (Doubt.OFFER,)


@pytest.mark.parametrize("load", [0, PACK.settings.cap])
def test_a_refused_offer_is_no_offer_and_words_after_it_are_held(load: int) -> None:
    """Whoever believes that the thread is handed over writes to a colleague next: also when the offer was refused."""
    body = f"!transfer {BEN}" if load else "!transfer nobody-here"
    step = then(held(), said(body, event_id="$o"), at(0, load={BEN: load}))
    assert step.aggregate.assignment.offer is None
    assert marks(say(step.aggregate, "good luck with her, she has 2 kids", 3)) == {"$w": DeliveryReceipt.HELD}


def test_an_accepted_offer_asks_nothing_of_the_new_assignee() -> None:
    """Whoever has taken the thread talks with the texter at once; if the desk refuses, words are asked about."""
    thread = then(held(), said(f"!transfer {BEN}", event_id="$o")).aggregate
    accepted = then(thread, said("!accept", sender=BEN, event_id="$a"), at(5)).aggregate
    refused = then(accepted, AssignmentRefused(user=BEN, reason="they are off duty."), at(6)).aggregate
    assert found(refused, 7) == (Doubt.OFFER,)
    after = then(accepted, Assigned(assignee=BEN, how=AssignmentKind.ACCEPTED), at(6)).aggregate
    assert found(after, 7) == ()


def test_talk_about_the_texter_beside_a_colleagues_note_is_held() -> None:
    """Two minutes after a colleague wrote, all words about "her" are asked about; words to her are not."""
    thread = then(held(), MemberJoined(place=THREAD, user=BEN)).aggregate
    thread = then(thread, said("what do you think?", sender=BEN, event_id="$b"), at(1)).aggregate
    for body in ("I think she is lying", "ella no quiere", "Is this texter safe?", "poor thing, her kids"):
        assert found(thread, 60, body) == (Doubt.COLLEAGUE,), body
    assert found(thread, 60, "Are you safe there?") == ()
    assert found(thread, 1 + 2 * MIN, "ask her too") == ()
    assert found(held(), 60, "Is she with you?") == ()


@pytest.mark.practice(24)
@every_row(
    ("body", "doubts"),
    [
        ("ben can you look at this??", (Doubt.NAME,)),
        ("Ben, are you there", (Doubt.NAME,)),
        ("hey sue can you take over", (Doubt.NAME,)),
        ("I asked Sue about it", (Doubt.NAME,)),
        ("can you call, sue?", (Doubt.NAME,)),
        ("You can sue him for that", ()),
        ("Sue him, if you want", ()),
        ("Hi, I am Ana.", ()),
        ("mail ben@example.org", ()),
        ("a benefit for Bennington", ()),
        ("limits", (Doubt.BARE_COMMAND,)),
        ("Close now.", (Doubt.BARE_COMMAND,)),
        ("UNSAFE", (Doubt.BARE_COMMAND,)),
        ("unsafe he is back", (Doubt.BARE_COMMAND,)),
        ("cover 1", (Doubt.BARE_COMMAND,)),
        ("ok\n// watch out", (Doubt.INNER_COMMAND,)),
        ("the texter is drunk", (Doubt.TEAM,)),
        ("can you take over", (Doubt.TEAM,)),
        ("wrong room, sorry", (Doubt.TEAM,)),
        ("fyi team this may be a prank", (Doubt.TEAM,)),
        ("la usuaria esta tomada", (Doubt.TEAM,)),
        ("alguien puede tomar esta conversación", (Doubt.TEAM,)),
        ("can somebody take this", (Doubt.TEAM,)),
        ("can anyone cover it pls", (Doubt.TEAM,)),
        ("this is the prank caller again", (Doubt.TEAM,)),
        ("what is her codeword", (Doubt.TEAM,)),
        ("whats the code word again", (Doubt.TEAM,)),
        ("cuál es la palabra clave", (Doubt.TEAM,)),
        ("its him texting not her", (Doubt.TEAM,)),
        ("gn all", (Doubt.TEAM,)),
        ("gracias a todos", (Doubt.TEAM,)),
        ("do we have beds tonight", (Doubt.TEAM,)),
        ("im going on break", (Doubt.TEAM,)),
        ("how do i transfer", (Doubt.TEAM,)),
        ("oops wrong window", (Doubt.TEAM,)),
        ("claim amber heron", (Doubt.TEAM,)),
        ("can somebody take this to your lawyer?", ()),
        ("can anyone take it from you?", ()),
        ("the heron was amber", ()),
        ("thanks for telling me all this", ()),
        ("do you have a bed tonight?", ()),
        ("can you take this with you when you go?", ()),
        ("is anyone with you?", ()),
        ("is he in the other room?", ()),
        ("can someone take her to school?", ()),
        ("hand it over to your lawyer", ()),
        ("¿alguien puede cuidar a los niños?", ()),
        ("say it in your own words", ()),
        ("take your time", ()),
        ("ok", ()),
    ],
)
def test_words_for_a_colleague_or_the_software_are_held(body: str, doubts: tuple[Doubt, ...]) -> None:
    """A colleague's name and a command without its mark are asked about; words of everyday talk are not."""
    assert found(held(), 5, body) == doubts


WORD_NAMES = (*MEMBERS, *(replace(MEMBERS[1], user=f"@{name}:line.example") for name in ("will", "rose", "sol", "al.hope")))


@every_row(
    ("body", "is_asked"),
    [
        ("I will call you tomorrow", False),
        ("Will you be ok tonight?", False),
        ("Ok. Will you be ok tonight?", False),
        ("hey will you be ok", False),
        ("ok will do", False),
        ("WILL YOU BE OK, WILL HE COME", False),
        ("there was a rose on the table", False),
        ("hoy hace sol", False),
        ("I hope that you are safe", False),
        ("hi hope you slept well", False),
        ("I will ask Will", True),
        ("will, can you look", True),
        ("hey will can you take over", True),
        ("Rose?", True),
        ("can you come, rose", True),
        ("I think that Sol knows", True),
        ("thanks Hope", True),
    ],
)
def test_a_name_that_is_a_word_counts_where_it_is_a_name(body: str, is_asked: bool) -> None:
    """A colleague called Will does not hold every sentence with "will": only where it is written, or called, as a name."""
    thread = held()
    found_there = guard.doubts(PACK, at(5, roster=WORD_NAMES), thread, body, ANA, own=True)
    assert found_there == ((Doubt.NAME,) if is_asked else ())


def test_nobody_is_asked_about_their_own_name() -> None:
    """Who says who they are is not asked, not even where a colleague has the same name."""
    roster = (*MEMBERS, replace(MEMBERS[1], user="@ana:other.example"))
    assert guard.doubts(PACK, at(5, roster=roster), held(), "This is Ana again", ANA, own=True) == ()


CALLED = (*(replace(each, called=("jane", "smith", "rose") if each.user == BEN else ()) for each in MEMBERS),)


@every_row(
    ("body", "is_asked"),
    [
        ("jane can you look at this", True),
        ("JANE?", True),
        ("ask Mrs. Smith's sister", True),
        ("i think Rose knows", True),
        ("there was a rose on the table", False),
        ("a janet and a blacksmith", False),
        ("ben can you look at this", True),
    ],
)
def test_a_colleague_has_the_names_of_their_display_name(body: str, is_asked: bool) -> None:
    """What a colleague calls themselves holds words as the name of their account does."""
    assert guard.doubts(PACK, at(5, roster=CALLED), held(), body, ANA, own=True) == ((Doubt.NAME,) if is_asked else ())


def test_nobody_is_asked_about_what_they_call_themselves() -> None:
    """Who says who they are is not asked, also where a colleague is called the same; words about that colleague are."""
    roster = (*(replace(each, called=("jane", "smith") if each.user == ANA else ("jane", "doe")) for each in MEMBERS),)
    bodies = ("Jane Doe will call", "i asked Jane about it", "le pregunto a Jane")
    for body, doubts in (("this is Jane Smith", ()), ("soy Jane", ()), *((body, (Doubt.NAME,)) for body in bodies)):
        assert guard.doubts(PACK, at(5, roster=roster), held(), body, ANA, own=True) == doubts


@pytest.mark.parametrize("name", ["for Ben", "por Ben", "Ben", "covering Ben (nights)"])
def test_no_display_name_gives_leave_to_write_of_a_colleague(name: str) -> None:
    """Whatever an advocate is shown as, words about a colleague are asked about before they leave for the phone."""
    desk = then(Desk(roster=MEMBERS), MemberNamed(user=ANA, name=name)).aggregate
    for body in ("Ben will call you back", "i asked ben", "ask for Ben when you come", "le dije a Ben", "Ben sabe de ella"):
        assert Doubt.NAME in guard.doubts(PACK, at(5, roster=desk.roster), held(), body, ANA, own=True), body


def test_a_name_goes_with_the_colleague() -> None:
    """Who has left the desk has no name there any more, and a new name takes the place of the old one."""
    desk = then(Desk(roster=MEMBERS), MemberNamed(user=BEN, name="Jane Smith (she/her)"))
    assert "jane" not in repr(desk.actions).casefold(), "nobody is told of a name"
    assert [each.called for each in desk.aggregate.roster if each.user == BEN] == [("jane", "smith")]
    assert "jane" not in repr(desk.aggregate).casefold()
    other = then(desk.aggregate, MemberNamed(user=BEN, name="Juana")).aggregate
    assert [each.called for each in other.roster] == [("juana",) if each.user == BEN else () for each in MEMBERS]
    after = then(other, MemberLeft(place=DESK, user=BEN)).aggregate
    assert then(after, MemberNamed(user=BEN, name="Jane")).aggregate == after
    assert all(each.called == () for each in after.roster)


def test_a_number_and_a_silence_are_asked_about_at_once() -> None:
    """One `!anyway` answers all that was told; what came to be in doubt since then is told first."""
    step = say(answered(), WARNED[0], HOUR)
    assert "phone number" in words(step)
    assert "1 h old" not in words(step)
    assert "61 min old" in words(step)
    assert texts(due(say(step.aggregate, "!anyway", HOUR + 1, event_id="$s").aggregate, HOUR + 1 + UNDO)) == [WARNED[0]]
    early = say(answered(), WARNED[0], 10)
    late = say(early.aggregate, "!anyway", HOUR, event_id="$s")
    assert marks(late) == {"$s": DeliveryReceipt.NOTE}
    assert "61 min old. If you are sure: !anyway" in words(late)
    sure = say(late.aggregate, "!anyway", HOUR + 1, event_id="$s2")
    assert texts(due(sure.aggregate, HOUR + 1 + UNDO)) == [WARNED[0]]


def test_long_words_are_asked_about_twice() -> None:
    """`!long` answers the length and not the hour."""
    step = say(say(answered(), LONG, HOUR).aggregate, "!long", HOUR + 1, event_id="$s")
    assert "If you are sure: !anyway" in words(step)
    assert texts(due(step.aggregate, HOUR + 20)) == []
    sure = say(step.aggregate, "!anyway", HOUR + 2, event_id="$s2")
    assert texts(due(sure.aggregate, HOUR + 2 + UNDO)) == [LONG]


def test_again_after_a_long_silence_asks() -> None:
    """What is unknown is sent again hours later only after the hour was told."""
    thread = due(say(held(), "hello", 0).aggregate, UNDO).aggregate
    thread = then(thread, TextOutcome(ref="say:$w", outcome=Outcome.UNKNOWN), at(UNDO)).aggregate
    step = say(thread, "!again", HOUR, event_id="$s")
    assert "If you are sure: !again" in words(step)
    assert marks(step) == {"$s": DeliveryReceipt.NOTE}
    sure = say(step.aggregate, "!again", HOUR + 1, event_id="$s2")
    assert texts(due(sure.aggregate, HOUR + 1 + UNDO)) == ["hello"]


def test_an_edit_is_asked_about_like_any_words() -> None:
    """Words that wait, changed into talk with a colleague, are held; changed back they leave."""
    thread = then(held(), said("hello")).aggregate
    step = then(thread, edit("ben what do you think"), at(2))
    assert marks(step) == {"$m1": DeliveryReceipt.HELD}
    back = then(step.aggregate, edit("hello there", event_id="$e2"), at(3))
    assert texts(due(back.aggregate, 3 + UNDO)) == ["hello there"]


def test_a_reply_chooses_which_words_leave() -> None:
    """`!anyway` as a reply is about that message."""
    thread = say(say(answered(), "one", HOUR).aggregate, "two", HOUR + 1, event_id="$w2").aggregate
    sure = then(
        thread, said("!anyway", event_id="$s", relation=Relation.OTHER_REPLY, target="$w", at=NOW + HOUR + 2), at(HOUR + 2)
    )
    assert texts(due(sure.aggregate, HOUR + 20)) == ["one"]


def test_the_first_words_of_a_thread_that_we_began_are_expected() -> None:
    """Nobody texted there: words are asked about when the thread has stood for a while without any."""
    thread = replace(waiting(), signs=replace(waiting().signs, texted_at=0.0))
    life = replace(thread.lifecycle, last_inbound=0.0, newest_text=None, since=NOW)
    thread = replace(thread, lifecycle=life)
    assert found(thread, 14 * MIN) == ()
    assert found(thread, 16 * MIN) == (Doubt.SILENCE,)
    assert "no text came in the 16 min since" in guard.describe_doubts(at(16 * MIN), thread, (Doubt.SILENCE,), "hello")


def test_every_doubt_has_a_sentence() -> None:
    """No reason is told in silence, and each names the command that answers it."""
    thread = replace(held(), flags=ConsentFlags(other_hands_at=NOW - 600))
    for doubt in Doubt:
        sentence = guard.describe_doubts(FACTS, thread, (doubt,), "limits")
        assert sentence.endswith(". If you are sure: !anyway")
        assert len(sentence) > 40, doubt


def test_a_supervisors_reply_after_a_stop_is_asked_about() -> None:
    """The one reply after a STOP, hours later, needs its second word as well."""
    thread = then(then(answered(), arrived("STOP", id="s")).aggregate, arrived("sorry, are you there", id="t")).aggregate
    step = say_by_sue(thread, "!reply we are here", HOUR)
    assert "!reply !anyway" in words(step)
    assert step.aggregate.consent.reply is None
    sure = say_by_sue(step.aggregate, "!reply !anyway we are here", HOUR + 5)
    assert sure.aggregate.consent.reply is not None
    assert say_by_sue(thread, "!reply we are here", 60).aggregate.consent.reply is not None


def say_by_sue(thread: Thread, body: str, seconds: float) -> Any:
    """Let a supervisor say something at that time."""
    return then(thread, said(body, sender=SUE, event_id=f"$r{seconds}", at=NOW + seconds), at(seconds))


def test_the_texts_that_promise_are_those_of_the_pack() -> None:
    """The base pack's two texts for when nobody answers say that we do not text first."""
    for name in (TextName.AFTER_HOURS, TextName.UNAVAILABLE):
        assert "text you first" in PACK.texts[name].wordings["en"].text


def test_a_text_that_a_wrong_clock_stamped_is_not_fresh() -> None:
    """After the machine's clock was put back by a year, words are held, and it is said why."""
    back = -365 * 24 * HOUR
    assert Doubt.SILENCE in found(answered(), back)
    step = say(answered(), "are you ok?", back)
    assert marks(step) == {"$w": DeliveryReceipt.HELD}
    assert "nobody knows how old their last text is" in words(step)


@pytest.mark.parametrize(
    ("seconds", "text", "doubts"),
    [
        (13 * MIN, "hi", {}),
        (15 * MIN + 1, "hi", {Doubt.SILENCE}),
        (13 * MIN, "stop texting me", {Doubt.PLEA}),
        (13 * MIN, "he's here", {Doubt.LEAVING}),
        (13 * MIN, "who is this", {Doubt.OTHER_HANDS}),
    ],
)
def test_again_after_an_unlock_asks_what_is_asked_of_any_words_at_that_moment(
    seconds: float, text: str, doubts: set[Doubt]
) -> None:
    """Words that a lock held were never asked about: each doubt is told then, silence from the pack's threshold on."""
    thread = held()
    thread = replace(thread, codeword=replace(thread.codeword, lock=SendLock.UNVERIFIED))
    thread = say(thread, "are you ok?", 0).aggregate
    thread = then(thread, arrived(text, id="b", seconds=1), at(1)).aggregate
    free = then(thread, said("!unlock", sender=SUE, event_id="$u"), at(seconds)).aggregate
    step = say(free, "!again", 1 + seconds, event_id="$a")
    assert {doubt for words in step.aggregate.sending.held for doubt in words.told} == set(doubts)
    assert [words.body for words in step.aggregate.sending.pending] == ([] if doubts else ["are you ok?"])
    assert (marks(step)["$w"] is DeliveryReceipt.HELD) == bool(doubts)


def test_words_from_another_number_than_the_one_that_was_texted_are_asked_about_once() -> None:
    """The line's number was changed: to the texter, and whoever reads their phone, the answer comes from a stranger."""
    step = say(answered(), "I am still here", 60, number_gone=True)
    assert marks(step) == {"$w": DeliveryReceipt.HELD}
    assert "from another one, as from a stranger" in words(step)
    sure = say(step.aggregate, "!anyway", 61, event_id="$s", number_gone=True)
    assert marks(sure)["$w"] is DeliveryReceipt.LEAVING
    more = say(sure.aggregate, "and I stay", 62, event_id="$w2", number_gone=True)
    assert marks(more) == {"$w2": DeliveryReceipt.LEAVING}


@pytest.mark.parametrize(
    ("ref", "origin", "leaves"),
    [
        ("greeting:a", Origin.AUTO_REPLY, False),
        ("help_answer:a", Origin.AUTO_REPLY, False),
        ("stop:a", Origin.STOP_CONFIRMATION, False),
        ("answer:a", Origin.AUTO_REPLY, True),
        ("say:$m1", Origin.ADVOCATE, False),
    ],
)
def test_from_another_number_nothing_leaves_by_itself(ref: str, origin: Origin, leaves: bool) -> None:
    """A stranger would write to that phone; what answers a challenge comes from where the challenge came from."""
    text = SendSms(ref=ref, body="words", origin=origin, epoch=0, since=NOW)
    assert (guard.other_number_reason(PACK, answered(), text) is None) is leaves
