"""A person's words that the phone does not expect are held, by one rule, and leave by one more word (`guard.doubts`)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot import guard
from bot.decide import decide
from bot.model.actions import THREAD, DeliveryReceipt, Origin, SendSms
from bot.model.desk import Thread
from bot.model.events import MemberJoined, MessageRedacted, Outcome, ReactionAdded, TextOutcome
from bot.model.hold_signs import Doubt
from bot.model.thread_desk_events import Assigned
from tests.bot.examples import FACTS, arrived, at, due, held, marks, said, texts, then, words
from tests.bot.strategies import ANA, BEN, MEMBERS, NOW, PACK, SUE, UNDO, WARNED, with_settings
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


def test_a_text_a_moment_ago_makes_words_expected() -> None:
    """After a night of silence the answer to a new text leaves without a question, and so do the next ones."""
    thread = then(answered(), arrived("are you there", id="b", seconds=9 * HOUR), at(9 * HOUR)).aggregate
    for n, after in enumerate((5.0, 60.0, 20 * MIN)):
        step = say(thread, "yes", 9 * HOUR + after, event_id=f"$w{n}")
        assert marks(step) == {f"$w{n}": DeliveryReceipt.LEAVING}


@pytest.mark.practice(2)
def test_first_no_is_kept() -> None:
    """Where they said not to be texted first, words wait for a second word from five minutes after their last text."""
    thread = then(answered(), said("!agreed first no", event_id="$f")).aggregate
    assert found(thread, 3 * MIN) == ()
    assert found(thread, 4 * MIN + 1) == (Doubt.FIRST_NO,)
    yes = then(thread, said("!agreed first yes", event_id="$f2")).aggregate
    assert found(yes, 4 * MIN + 1) == ()


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


def test_the_agencys_texts_are_asked_about_as_well() -> None:
    """A text by command lights up the phone like any other; its content is looked at by nobody's names."""
    for body in ("!later", "!say closing", "!limits", "!say clarify: in other words?"):
        assert marks(say(answered(), body, HOUR)) == {"$w": DeliveryReceipt.HELD}
    offered = then(held(), said(f"!transfer {BEN}", event_id="$o")).aggregate
    assert marks(say(offered, "!say handover", 10)) == {"$w": DeliveryReceipt.LEAVING}
    assert marks(say(offered, "!say handover: my own", 10)) == {"$w": DeliveryReceipt.HELD}


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


def test_again_after_a_long_silence_asks() -> None:
    """What is unknown is sent again hours later only after the hour was told."""
    thread = due(say(held(), "hello", 0).aggregate, UNDO).aggregate
    thread = then(thread, TextOutcome(ref="say:$w", outcome=Outcome.UNKNOWN), at(UNDO)).aggregate
    step = say(thread, "!again", HOUR, event_id="$s")
    assert "If you are sure: !again" in words(step)
    assert marks(step) == {"$s": DeliveryReceipt.NOTE}
    sure = say(step.aggregate, "!again", HOUR + 1, event_id="$s2")
    assert texts(due(sure.aggregate, HOUR + 1 + UNDO)) == ["hello"]


def test_a_text_that_a_wrong_clock_stamped_is_not_fresh() -> None:
    """After the machine's clock was put back by a year, words are held, and it is said why."""
    back = -365 * 24 * HOUR
    assert Doubt.SILENCE in found(answered(), back)
    step = say(answered(), "are you ok?", back)
    assert marks(step) == {"$w": DeliveryReceipt.HELD}
    assert "nobody knows how old their last text is" in words(step)


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
