"""A claimed thread is not forgotten: people are called to texts that its assignee has not read, until somebody acts."""

from __future__ import annotations

import pytest

from bot.decide import decide
from bot.model.actions import DESK, PageOnCall, SendMessage
from bot.model.desk import Thread
from bot.model.events import Event, MemberJoined, MessageRead, MessageSent, TimerDue
from bot.model.thread import Consent, ThreadState
from bot.model.thread_desk_events import AlarmRaised
from bot.model.transactional_actions import CancelTimer, SendEvent, SetTimer
from policies.pack import ResumeMode
from tests.bot.examples import alarms, arrived, at, held, of, said, texts, then, waiting
from tests.bot.simulation import Simulation
from tests.bot.strategies import ANA, BEN, NOW, OWNERS, PACK, SUE, with_settings
from tests.every_row import every_row

T1 = OWNERS[0]
FIRST, AGAIN = PACK.settings.unclaimed_on_call, PACK.settings.unclaimed_again
UNREAD = "has not been read yet"


def unread() -> Thread:
    """Return a thread with a text that its assignee has not read."""
    thread: Thread = then(held(), arrived("are you there?", id="u")).aggregate
    return thread


def due(thread: Thread) -> list[str]:
    """Return the alarms that the timer raises."""
    return alarms(then(thread, TimerDue(key="unread"), at(FIRST)))


@pytest.mark.practice(30)
@pytest.mark.parametrize("comes", [True, False])
def test_whoever_claims_and_does_not_read_is_not_the_last_who_hears(comes: bool) -> None:
    """After ten minutes the assignee and supervisors are called, after twenty the person on call too, then each hour."""
    world = Simulation(PACK, threads=1)
    world.text(T1, "hi, are you there?")
    world.settle()
    world.tap(DESK, ANA, "✋", f"card:{T1}")
    world.settle()
    if comes:
        world.join(T1, ANA)
        world.settle()
    start, calls = world.now, []
    for _ in range(100):
        posts, pages = len(world.rooms), world.pages
        world.pass_time(60)
        world.settle()
        new = [(room, post) for room, post in world.rooms[posts:] if isinstance(post, SendMessage) and post.mentions]
        if new:
            who = [(room == DESK, set(post.mentions)) for room, post in new]
            calls.append((world.now - start, who, world.pages - pages))
    both = [(False, {ANA}), (True, {SUE})]
    assert calls == [(FIRST, both, 0), (2 * FIRST, both, 1), (2 * FIRST + AGAIN, both, 1)]


def test_the_assignee_is_called_in_the_room_and_others_at_the_desk() -> None:
    """The alarm names its assignee, whom it does not call once more."""
    step = then(unread(), TimerDue(key="unread"), at(FIRST))
    (raised,) = [action.event for action in of(SendEvent, step) if isinstance(action.event, AlarmRaised)]
    assert raised.by == ANA


def test_whoever_has_read_is_not_called() -> None:
    """A receipt, or anything that the assignee says, ends it; what another person reads does not."""
    assert due(unread()) == ["unread"]
    for sign in (MessageRead(place="thread", user=ANA, event_id="$r"), said("// yes", at=NOW + 1)):
        assert due(then(unread(), sign, at(1)).aggregate) == []
    for other in (MessageRead(place="thread", user=BEN, event_id="$r"), MemberJoined(place="thread", user=SUE)):
        assert due(then(unread(), other, at(1)).aggregate) == ["unread"]
    assert due(waiting()) == [], "for whoever waits, the desk calls"


def test_a_receipt_for_an_earlier_text_does_not_count_for_a_later_one() -> None:
    """It crossed the later one: the assignee is called to that one, ten minutes after the receipt."""
    receipt = MessageRead(place="thread", user=ANA, event_id="$first")
    thread = then(unread(), arrived("he is back", id="b", seconds=1), at(1)).aggregate
    step = then(thread, receipt, at(2, texts_after=1))
    assert step.aggregate.lifecycle.unseen == 1
    assert [(timer.key, timer.due) for timer in of(SetTimer, step)] == [("unread", NOW + 2 + FIRST)]
    assert due(step.aggregate) == ["unread"]
    all_read = then(step.aggregate, receipt, at(3))
    assert (all_read.aggregate.lifecycle.unseen, of(SetTimer, all_read), due(all_read.aggregate)) == (0, [], [])
    assert then(unread(), receipt, at(1, texts_after=9)).aggregate.lifecycle.unseen == 1


def test_words_that_cross_a_text_do_not_count_as_read() -> None:
    """What the assignee said before a text came shows nothing of that text."""
    assert due(then(unread(), said("I am here", at=NOW - 1), at(1)).aggregate) == ["unread"]
    assert due(then(unread(), said("I am here", at=NOW), at(1)).aggregate) == []


@pytest.mark.parametrize("body", ["I am here", "// a note", "!status"])
def test_words_that_the_room_shows_before_a_text_do_not_count_as_read(body: str) -> None:
    """A text may have come before they were said and be shown behind them, as when the homeserver was away."""
    step = then(unread(), said(body, at=NOW + 1), at(1, texts_after=1))
    assert step.aggregate.lifecycle.unseen == 1
    assert due(step.aggregate) == ["unread"]


@pytest.mark.parametrize("command", ["!close", "!close now", "!close now anyway"])
def test_nothing_is_closed_over_a_text_that_was_shown_behind_the_command(command: str) -> None:
    """Whoever closes had not seen it."""
    step = then(unread(), said(command, sender=SUE, at=NOW + 1), at(1, texts_after=1))
    assert step.aggregate.lifecycle.closes_at == 0.0
    assert step.aggregate.lifecycle.state is ThreadState.OPEN


def test_only_the_first_unread_text_begins_the_time() -> None:
    """Texts that follow postpone nothing, and after all was read it begins again from the first."""
    step = then(held(), arrived("one", id="a"))
    assert [(timer.key, timer.due) for timer in of(SetTimer, step) if timer.key == "unread"] == [("unread", NOW + FIRST)]
    assert CancelTimer(key="unread-again") in step.actions
    second = then(step.aggregate, arrived("two", id="b", seconds=60), at(60))
    assert [timer for timer in of(SetTimer, second) if timer.key == "unread"] == []


@pytest.mark.practice(30)
@every_row("is_read", [True, False])
@every_row("body", ["please help he is outside", "", "BYE"])
def test_a_text_after_a_stop_is_called_for(body: str, is_read: bool) -> None:
    """Whether the STOP was read or not: whoever texts once more may be in trouble. The phone notices nothing of it."""
    thread = then(held(), arrived("STOP", id="s", seconds=9), at(9)).aggregate
    if is_read:
        thread = then(thread, MessageRead(place="thread", user=ANA, event_id="$r"), at(10)).aggregate
    thread = then(thread, arrived(body, id="h", seconds=60), at(60)).aggregate
    step = then(thread, TimerDue(key="unread"), at(60 + FIRST))
    assert (alarms(step), texts(step)) == (["unread"], [])
    stopped_again = then(thread, arrived("STOP", id="s2", seconds=90), at(90)).aggregate
    assert due(stopped_again) == [], "a STOP needs nobody"


def test_a_text_of_the_second_of_the_stop_is_called_for() -> None:
    """A carrier's times are in whole seconds: which of the two came first is not known."""
    at_once = {"seconds": 9, "sent_at": NOW + 9}
    thread = then(held(), arrived("STOP", id="s", **at_once), at(9)).aggregate
    assert due(thread) == []
    assert due(then(thread, arrived("help", id="h", **at_once), at(9)).aggregate) == ["unread"]


def test_a_text_of_a_phone_that_said_stop_in_an_earlier_conversation_is_called_for() -> None:
    """When that was texted is not kept, and it was before."""
    thread = then(held(consent=Consent(stopped=True)), arrived("are you there?", id="h"))
    assert due(thread.aggregate) == ["unread"]


@pytest.mark.practice(30)
def test_the_only_one_on_duty_is_asleep_when_a_texter_writes_after_a_stop() -> None:
    """The person on call is called once ten minutes are over, and again, until somebody reads."""
    world = Simulation(PACK, threads=1)
    for user in (BEN, SUE):
        world.say(DESK, user, "!off")
    world.open(T1, ANA)
    world.text(T1, "STOP")
    world.settle()
    for _ in range(6):
        world.pass_time(FIRST)
        world.settle()
    assert world.pages == 0
    world.text(T1, "please help he is outside")
    world.settle()
    pages = []
    for _ in range(3):
        world.pass_time(FIRST)
        world.settle()
        pages.append(world.pages)
    assert pages[0] == 1
    assert pages[-1] > 1


def test_a_start_is_called_for() -> None:
    """Where the line always asks, where nobody knows which of START and STOP came first, and where it resumes at once."""
    asks = with_settings(stop_resumes=ResumeMode.ASK)
    stop = arrived("STOP", id="s", seconds=9)
    late = arrived("START", id="g", seconds=5, sent_at=NOW + 5)
    for pack, start in ((asks, arrived("START", id="g", seconds=60)), (PACK, late)):
        thread: Thread = decide(pack, at(9), held(), stop).aggregate
        assert due(thread) == []
        thread = decide(pack, at(60), thread, start).aggregate
        assert thread.consent.may_resume
        assert due(thread) == ["unread"]
    resumed = then(then(held(), stop, at(9)).aggregate, arrived("START", id="g", seconds=60), at(60)).aggregate
    assert (resumed.consent.stopped, due(resumed)) == (False, ["unread"])


@pytest.mark.parametrize(
    "last",
    [
        arrived("Liked “You will get no more texts”", id="l", seconds=20),
        arrived("I'm driving", id="l", seconds=20),
        arrived("are you there", id="l", seconds=-500, sent_at=NOW - 500),
        said("!stopped", sender=SUE, at=NOW + 20),
    ],
)
def test_what_needs_nobody_after_a_stop_calls_nobody(last: Event) -> None:
    """What a phone sends by itself, a text from before the STOP, and a person who honours a wish for no more texts."""
    words = arrived("please text me no more", id="w", seconds=9)
    stop = words if isinstance(last, MessageSent) else arrived("STOP", id="s", seconds=9)
    thread = then(then(held(), stop, at(9)).aggregate, last, at(20)).aggregate
    assert thread.consent.stopped
    assert thread.lifecycle.unseen
    assert due(thread) == []


def test_a_stop_that_came_late_hides_no_text_that_was_texted_after_it() -> None:
    """They texted once more before the STOP reached us."""
    thread = then(held(), arrived("he is outside", id="h", seconds=500, sent_at=NOW + 500), at(500)).aggregate
    for body, seconds in (("STOP", 5), ("STOP", 9)):
        thread = then(thread, arrived(body, id=f"s{seconds}", seconds=seconds, sent_at=NOW + seconds), at(510)).aggregate
        assert thread.consent.stopped
        assert due(thread) == ["unread"]


def test_nobody_is_called_over_a_closing_or_a_stop() -> None:
    """While it closes, and after a STOP, it is only looked at again later."""
    closing = then(then(held(), said("!close")).aggregate, arrived("thank you!", id="u", seconds=9), at(9)).aggregate
    after_stop = then(unread(), arrived("STOP", id="s", seconds=9), at(9)).aggregate
    for thread in (closing, after_stop):
        step = then(thread, TimerDue(key="unread"), at(FIRST))
        assert (alarms(step), [post for post in of(SendMessage, step) if UNREAD in post.body]) == ([], [])
        (timer,) = of(SetTimer, step)
        assert timer.key == "unread"
        assert timer.due <= NOW + 2 * FIRST, "a text that takes it back, or a START, does not wait for an hour"
        assert of(PageOnCall, step) == []
