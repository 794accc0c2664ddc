"""Texting first: what is asked, what is removed, and every way in which nothing is begun."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.decide import decide
from bot.model.actions import DESK, OFFICE, Invite, RedactEvent, SendMessage, SendSms
from bot.model.desk import Desk, Thread
from bot.model.dialled_number import DialledNumber, NumberKind
from bot.model.events import IgnoreReason, MemberJoined, MessageIgnored, MessageSent, Relation, TextArrived
from bot.model.feature import Step
from bot.model.thread_desk_events import Assigned, OutreachStarted, ThreadCreated
from bot.model.transactional_actions import CreateThread, SendEvent
from bot.staffing.cold_outreach import ASK_AGAIN, ASK_CONSENT, ASK_NUMBER, NUMBERS_DIFFER, REFUSALS, ROOM_OPENS
from tests.bot.examples import at, of, staffed_desk, then, told, words
from tests.bot.strategies import ANA, BEN, NOW, with_settings
from tests.every_row import every_row

PACK = with_settings(cold_outbound=True, cap=1)
MINE = OFFICE + ANA
GOOD = DialledNumber(kind=NumberKind.GOOD, digest="d1")


def say(desk: Desk, body: str, number: DialledNumber | None = None, *, pack: Any = PACK, **changed: Any) -> Step[Desk]:
    """Say something in Ana's office. `number`: what the bridge made of it."""
    usual: dict[str, Any] = {"place": MINE, "sender": ANA, "event_id": "$o", "body": body, "at": NOW}
    seconds = changed.pop("seconds", 0.0)
    facts = at(seconds, roster=desk.roster, dialled_number=number or DialledNumber(kind=NumberKind.UNREADABLE))
    return decide(pack, facts, desk, MessageSent(**(usual | changed)))


def until(*said: tuple[str, DialledNumber | None]) -> Desk:
    """Return the desk after Ana said these things in her office."""
    desk = staffed_desk()
    for body, number in said:
        desk = say(desk, body, number).aggregate
    return desk


ASKED = (("!text", None), ("she asked", None))
ONE = (*ASKED, ("206 555 0199", GOOD))


def gone(step: Step[Desk]) -> list[str]:
    return [action.event_id for action in of(RedactEvent, step)]


def test_the_whole_way() -> None:
    """Asked for, said that she asked, typed twice and removed twice: then, and only then, a thread is begun."""
    steps, desk = [], staffed_desk()
    for n, (body, number) in enumerate((*ONE, ("2065550199", GOOD))):
        steps.append(say(desk, body, number, event_id=f"$o{n}"))
        desk = steps[-1].aggregate
    assert [words(step) for step in steps] == [ASK_CONSENT, ASK_NUMBER, ASK_AGAIN, ROOM_OPENS]
    assert [gone(step) for step in steps] == [[], [], ["$o2"], ["$o3"]]
    assert [of(CreateThread, step) for step in steps] == [[], [], [], [CreateThread(assignee=ANA)]]
    assert desk.outreach == ()
    assert {post.place for step in steps for post in of(SendMessage, step)} == {MINE}, "somebody else hears of it"


@every_row("kind", [kind for kind in NumberKind if kind is not NumberKind.GOOD])
@every_row("typed", [ASKED, ONE])
def test_what_is_no_phone_of_hers_is_told_and_removed(
    kind: NumberKind, typed: tuple[tuple[str, DialledNumber | None], ...]
) -> None:
    """Whatever is typed for a number is removed; what it is instead is said; nothing is begun."""
    step = say(until(*typed), "anything", DialledNumber(kind=kind))
    assert (gone(step), words(step), of(CreateThread, step)) == (["$o"], REFUSALS[kind], [])
    assert all(one.digest == "" for one in step.aggregate.outreach)


@pytest.mark.practice(15)
def test_two_different_numbers_begin_nothing() -> None:
    """A slip in one of the two is noticed; both have to be typed again."""
    step = say(until(*ONE), "206 555 0198", replace(GOOD, digest="d2"))
    assert (gone(step), words(step), of(CreateThread, step)) == (["$o"], NUMBERS_DIFFER, [])
    assert words(say(step.aggregate, "206 555 0199", GOOD)) == ASK_AGAIN


@pytest.mark.parametrize("body", ["ok", "yes", "she did not ask", "206 555 0199"])
def test_nobody_asked(body: str) -> None:
    """Without the words that she asked no number is taken, and one that is typed is removed all the same."""
    number = GOOD if body.startswith("2") else None
    step = say(until(("!text", None)), body, number)
    assert (words(step), gone(step)) == (ASK_CONSENT, ["$o"] if number else [])
    assert not step.aggregate.outreach[0].confirmed


@pytest.mark.practice(15)
def test_it_is_off_by_default_and_a_number_behind_the_command_goes() -> None:
    """A line that does not allow it says so; a number that was typed with the command is removed, allowed or not."""
    for pack, answer in ((with_settings(cold_outbound=False), "texts nobody first"), (PACK, "she asked")):
        step = say(staffed_desk(), "!text 206 555 0199", GOOD, pack=pack)
        assert answer in words(step)
        assert gone(step) == ["$o"]
        assert bool(step.aggregate.outreach) == (pack is PACK)


def test_only_ones_own_office_is_listened_to() -> None:
    """A number said at the desk, or by another person, is ignored; at the desk the command says where it belongs."""
    desk = until(*ONE)
    for changed in ({"place": DESK}, {"sender": BEN, "place": OFFICE + BEN}, {"sender": BEN}):
        assert of(CreateThread, say(desk, "206 555 0199", GOOD, **changed)) == []
    assert "does nothing" in words(say(staffed_desk(), "!text", place=DESK))


def test_edits_replies_and_what_was_not_taken_are_removed() -> None:
    """While a number is waited for, an edit, a reply or a message of an unsigned device may hold one: it goes."""
    desk = until(*ASKED)
    for relation in (Relation.EDIT, Relation.OTHER_REPLY, Relation.THREAD):
        step = say(desk, "206 555 0199", GOOD, relation=relation, target="$x")
        assert (gone(step), step.aggregate.outreach) == (["$o"], desk.outreach)
    heard = MessageIgnored(place=MINE, sender=ANA, event_id="$u", reason=IgnoreReason.UNTRUSTED)
    assert gone(then(desk, heard)) == ["$u"]
    assert gone(then(staffed_desk(), heard)) == []


def test_the_thread_that_is_begun() -> None:
    """The desk shows whose it is without a word of whom.

    Its assignee is invited; nothing leaves by itself, then or later.
    """
    thread = Thread(id="t9", designation="plain river")
    first = then(thread, ThreadCreated(assignee=ANA))
    assert told(first.actions, DESK) == [OutreachStarted(thread="t9", designation="plain river", assignee=ANA)]
    assert then(first.aggregate, ThreadCreated(assignee=ANA)).actions == (), "it is begun twice"
    desk = then(staffed_desk(), told(first.actions, DESK)[0])
    assert told(desk.actions, "t9") == [Assigned(assignee=ANA)]
    assert "plain river · with ana, who texts first" in words(desk)
    assert "waiting" not in words(desk)
    opened = then(first.aggregate, Assigned(assignee=ANA))
    assert [invite.user for invite in of(Invite, opened)] == [ANA]
    joined = then(opened.aggregate, MemberJoined(place="thread", user=ANA)).aggregate
    answer = then(joined, TextArrived(id="a", body="hi, are you there?", at=NOW))
    for step in (first, desk, opened, answer):
        assert of(SendSms, step) == []
    assert not [a for a in answer.actions if isinstance(a, SendEvent) and type(a.event).__name__ == "ThreadQueued"]
