"""The thread's room: the texter's words as they came, and the card."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bot.display.desk_board import glance
from bot.model.actions import DESK, OFFICE, THREAD, KickMember, RestorePowerLevels, SendMessage, ShareRoomKeys, Speaker
from bot.model.desk import Facts
from bot.model.events import MemberJoined, MemberLeft, MemberReturned
from bot.model.line_incidents import HomeserverIncident, HomeserverIncidentKind
from bot.model.thread import ThreadState
from bot.model.thread_desk_events import Assigned
from bot.staffing.assignment import MAX_CHARACTERS
from bot.staffing.waiting_time import DAY, LEAST, usual_minutes
from policies.pack import AssignmentMode
from tests.bot.examples import arrived, held, of, staffed_desk, then, waiting
from tests.bot.simulation import Simulation
from tests.bot.strategies import ANA, BEN, EVE, OWNERS, PACK, SUE, with_settings
from tests.every_row import every_row

T1 = OWNERS[0]
UNDO, ON_DUTY = PACK.settings.close_undo, PACK.settings.unclaimed_on_duty


def test_a_long_text_is_shown_whole_in_pieces_that_fit() -> None:
    """A text of a megabyte is shown word for word, each piece within an event even if every letter needs an escape."""
    body = "\x01" * 1_000_000
    shown = [post.body for post in of_texter(then(held(), arrived(body, id="b")))]
    assert "".join(shown) == body
    longest = max(len(json.dumps(piece)) for piece in shown)
    assert longest * 4 / 3 + 4096 < 65_536
    assert max(map(len, shown)) == MAX_CHARACTERS


def of_texter(step: Any) -> list[Any]:
    return [action for action in step.actions if getattr(action, "speaker", None) and action.speaker.value == "texter"]


@pytest.mark.parametrize(("media", "line"), [(2, "2 picture(s)"), (0, "without words")])
def test_what_has_no_words_is_told(media: int, line: str) -> None:
    """A picture alone and an empty text ring for the assignee, and can be answered and read, like words of the texter."""
    posts = of(SendMessage, then(held(), arrived("", id="b", media=media)))
    (post,) = (post for post in posts if line in post.body)
    assert (post.ref, post.mentions, post.notice, post.speaker) == ("in:b:0", (ANA,), False, Speaker.POLICY)


@pytest.mark.parametrize("blank", [" ", "\n\u200b", "\u3164", "\u00a0\ufeff"])
def test_what_nobody_could_see_is_a_text_without_words(blank: str) -> None:
    """An empty message in the room would look like a fault of the client."""
    bodies = [post.body for post in of(SendMessage, then(held(), arrived(blank, id="b")))]
    assert "A text without words arrived." in bodies
    assert blank not in bodies


def test_a_picture_with_words_rings_once() -> None:
    """The words ring; the line about the picture is a notice below them, and can be answered as well."""
    posts = of(SendMessage, then(held(), arrived("look", id="b", media=1)))
    assert [(post.body, post.ref) for post in posts if post.mentions] == [("look", "in:b:0")]
    assert [(post.notice, post.ref) for post in posts if "1 picture(s)" in post.body] == [(True, "in:b:1")]


@pytest.mark.parametrize(("place", "user"), [(THREAD, BEN), (DESK, EVE), (OFFICE + BEN, BEN)])
def test_whoever_comes_in_is_given_the_keys_again(place: str, user: str) -> None:
    """At a join the keys go once more, to devices that had them as well: some drop those of rooms that they are not in."""
    step = then(held() if place == THREAD else staffed_desk(), MemberJoined(place=place, user=user))
    assert of(ShareRoomKeys, step) == [ShareRoomKeys(place=place, user=user, resend=True)]


@pytest.mark.parametrize(("place", "user", "named"), [(THREAD, BEN, 0), (DESK, EVE, 1), (OFFICE + EVE, EVE, 0)])
def test_whoever_is_there_again_is_removed(place: str, user: str, named: int) -> None:
    """A homeserver that was put back lets nobody in: they are removed and get no key; of the desk people hear who it is."""
    before = held() if place == THREAD else staffed_desk()
    step = then(before, MemberReturned(place=place, user=user))
    assert of(KickMember, step) == [KickMember(place=place, user=user)]
    assert (of(ShareRoomKeys, step), step.aggregate) == ([], before)
    assert len([post for post in of(SendMessage, step) if "removed once more" in post.body]) == named


@pytest.mark.parametrize(("levels", "supervisors"), [(((ANA, 50), (BEN, 0)), (ANA,)), (((BEN, 0),), ()), ((), None)])
def test_who_supervises_is_what_was_told_last(
    levels: tuple[tuple[str, int], ...], supervisors: tuple[str, ...] | None
) -> None:
    """A homeserver that was put back gets the desk's roles again, without those taken away; never told of any, none."""
    desk = replace(staffed_desk(), power_levels=levels)
    step = then(desk, HomeserverIncident(kind=HomeserverIncidentKind.ROOMS_LOST))
    expected = [] if supervisors is None else [RestorePowerLevels(place=DESK, supervisors=supervisors, alone=True)]
    assert of(RestorePowerLevels, step) == expected


def test_the_card_says_who_is_the_assignee_and_whether_the_phone_is_stopped() -> None:
    """The card follows assignee, STOP and language, and holds no words of anybody."""
    cards = []
    thread = waiting()
    for event in (
        Assigned(assignee=ANA),
        arrived("STOP", id="b"),
        arrived("START", id="c"),
        arrived("ES", id="d"),
        MemberLeft(place=THREAD, user=ANA),
        Assigned(assignee=BEN),
    ):
        step = then(thread, event)
        thread = step.aggregate
        changes: list[Any] = [a for a in step.actions if getattr(a, "ref", "") == "card" and hasattr(a, "body")]
        assert all(card.formatted for card in changes)
        cards += [card.body for card in changes]
    expected = ["with ana", "STOPPED: nothing leaves", "language: en", "language: es", "with nobody", "with ben"]
    assert [line in card for line, card in zip(expected, cards, strict=True)] == [True] * len(cards)


def closed_and_released(how: str = "!release") -> Simulation:
    """Return a line whose only conversation is being closed, and whose advocate gave it back and went off duty."""
    world = Simulation(PACK, threads=1)
    world.open(T1, ANA)
    world.say(T1, ANA, "!close")
    world.settle()
    match how:
        case "leaves the room":
            world.leave(T1, ANA)
        case "leaves the desk":
            world.tell(DESK, MemberLeft(place=DESK, user=ANA))
        case _:
            world.say(T1, ANA, "!release")
    assert world.assignee(T1) is None
    world.say(DESK, ANA, "!off")
    world.settle()
    return world


def rung(world: Simulation, since: int) -> list[str]:
    """Return the refs of the messages at the desk that called people, from that message on."""
    new = [post for room, post in world.rooms[since:] if room == DESK and isinstance(post, SendMessage)]
    return [post.ref for post in new if post.mentions]


@every_row("assignment", [AssignmentMode.NONE, AssignmentMode.LEAST_LOADED])
@every_row("nobody", [True, False])
@every_row("how", ["!release", "leaves the room", "leaves the desk"])
def test_nobody_is_called_to_a_conversation_that_is_being_closed(
    how: str, nobody: bool, assignment: AssignmentMode
) -> None:
    """It ends by itself: neither the desk nor the person on call hears of it when its advocate gives it back or leaves."""
    world = Simulation(with_settings(assignment=assignment), threads=1)
    for user in (BEN, SUE) if nobody else ():
        world.say(DESK, user, "!off")
    world.settle()
    world.open(T1, ANA)
    posts = len(world.rooms)
    world.say(T1, ANA, "!close")
    world.settle()
    if how == "!release":
        world.say(T1, ANA, how)
    elif how == "leaves the room":
        world.leave(T1, ANA)
    else:
        world.tell(DESK, MemberLeft(place=DESK, user=ANA))
    assert world.assignee(T1) is None
    assert "Closing. In 10 minutes everything here goes" in world.seen(T1)
    world.say(DESK, ANA, "!off")
    world.say(DESK, SUE, "!claim")
    for _ in range(UNDO // 30):
        assert (rung(world, posts), world.pages, world.assignee(T1)) == ([], 0, None)
        assert world.desk.waiting == ()
        world.pass_time(30)
        world.settle()
    assert world.threads[T1].lifecycle.state is ThreadState.PARKED
    assert (world.desk.threads, rung(world, posts), world.pages) == ((), [], 0)
    assert not any(seat.on_duty for seat in world.desk.roster if seat.user == ANA)


def test_a_conversation_that_is_being_closed_is_no_wait() -> None:
    """Neither the first line of the board nor the time that a greeting names counts a thread that nobody has then."""
    world = Simulation(PACK, threads=1)
    world.text(T1, "HELP")
    world.settle()
    world.tap(DESK, ANA, "✋", f"card:{T1}")
    world.settle()
    for body in ("!close", "!release"):
        world.say(T1, ANA, body)
        world.settle()
    later = Facts(now=world.now + UNDO - 1, roster=world.desk.roster)
    (entry,) = world.desk.threads
    assert entry.asks
    assert glance(later, world.desk) == glance(later, replace(world.desk, threads=()))
    measured = replace(world.desk, waits=((int(later.now // DAY), 5),) * LEAST)
    assert usual_minutes(measured, later.now) == 5


@pytest.mark.practice(30)
@every_row("nobody", [True, False])
@every_row("body", ["he is back", "he has a knife", "HELP", "!reopen"])
@every_row("how", ["!release", "leaves the room", "leaves the desk"])
def test_whoever_texts_while_it_closes_is_called_for(how: str, body: str, nobody: bool) -> None:
    """The closing is taken back, and the thread waits like any other, also where its advocate left it before that."""
    world = closed_and_released(how)
    for user in (BEN, SUE) if nobody else ():
        world.say(DESK, user, "!off")
    world.settle()
    world.pass_time(UNDO - 1)
    world.settle()
    posts = len(world.rooms)
    if body == "!reopen":
        world.say(T1, SUE, body)
    else:
        world.text(T1, body)
    world.settle()
    world.agree()
    assert [line.thread for line in world.desk.waiting] == [T1]
    calls = [ref for ref in rung(world, posts) if ref.startswith("wait:")]
    assert len(calls) == (not nobody), "one call, also for a sign of danger"
    cards = [post.body for room, post in world.rooms[posts:] if room == DESK and post.ref.startswith(f"card:{T1}:")]
    assert "waiting again" in cards[0]
    assert ("⚠️" in cards[0]) == ("knife" in body)
    world.pass_time(ON_DUTY)
    world.settle()
    assert (world.pages > 0) == nobody
    assert world.threads[T1].lifecycle.state is ThreadState.WAITING
    world.say(DESK, BEN, "!on")
    world.say(DESK, BEN, "!claim")
    assert world.assignee(T1) == BEN


def test_a_text_before_its_advocate_gives_it_back_is_called_for() -> None:
    """The closing is over then: it is queued as ever."""
    world = Simulation(PACK, threads=1)
    world.open(T1, ANA)
    world.say(T1, ANA, "!close")
    world.settle()
    world.text(T1, "he is back")
    world.say(T1, ANA, "!release")
    posts = len(world.rooms)
    assert world.assignee(T1) is None
    assert rung(world, posts) == [f"wait:{T1}:new1"]


def test_thanks_take_no_closing_back() -> None:
    """What is shown to nobody any more is thanks alone."""
    world = closed_and_released()
    posts = len(world.rooms)
    world.text(T1, "thank you!")
    world.settle()
    assert (rung(world, posts), world.desk.waiting) == ([], ())


@pytest.mark.parametrize("text_first", [True, False])
def test_whoever_claims_it_while_a_text_takes_the_closing_back_has_it(text_first: bool) -> None:
    """A claim in its room, which the desk has decided and the thread not, crosses the text: desk and thread agree."""
    world = closed_and_released()
    world.say(T1, BEN, "!claim")
    world.work(T1)
    if text_first:
        world.text(T1, "he is back")
    world.work(DESK)
    if not text_first:
        world.text(T1, "he is back")
    assert world.assignee(T1) == BEN
    assert world.threads[T1].lifecycle.closes_at == 0


def test_a_closing_that_is_taken_back_while_it_waits_queues_nothing_twice() -> None:
    """A supervisor closed it while it waited: its card and its reminders stand."""
    world = Simulation(PACK, threads=1)
    world.open(T1, ANA)
    world.say(T1, ANA, "!release")
    world.settle()
    world.say(T1, SUE, "!close")
    world.settle()
    posts = len(world.rooms)
    world.text(T1, "he is back")
    world.settle()
    world.agree()
    assert [post for room, post in world.rooms[posts:] if room == DESK and post.ref.startswith("card:")] == []
    assert (DESK, f"wait:{T1}:0") in world.timers
