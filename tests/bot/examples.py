"""A thread, a desk and messages for example tests."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, TypeVar

from bot.decide import decide
from bot.model.actions import DESK, THREAD, Action, DeliveryReceipt, SendMessage, SendSms, ShowReceipt
from bot.model.desk import Desk, DeskMember, Facts, Thread
from bot.model.events import Event, MemberJoined, MessageRead, MessageSent, Relation, TextArrived, TimerDue
from bot.model.feature import Step
from bot.model.line_incidents import DeadLetterRecorded
from bot.model.thread_desk_events import AlarmRaised, Assigned
from bot.model.transactional_actions import SendEvent
from policies.pack import TextName
from tests.bot.strategies import ANA, MEMBERS, NAMED, NOW, PACK, SEEN, SUE, with_settings

T = TypeVar("T")

FORCED = replace(
    with_settings(help_answer="neutral"), canned={"neutral": replace(PACK.texts[TextName.LATER], name="neutral")}
)
"""The usual pack on a line whose carrier requires an answer to HELP and INFO."""
ASKS = re.compile(
    r"(?:^|[,;:(]\s*|\b(?:please|and|or|then)\s+)(?:say|write|type|greet|tell|ask|answer|offer)\b", re.IGNORECASE
)
"""A sentence, or a part of one, that begins with one of these."""
FACTS = Facts(now=NOW, roster=MEMBERS, designations=frozenset(NAMED[1:]))


def at(seconds: float, **changed: Any) -> Facts:
    """Return the facts some seconds later."""
    return replace(FACTS, now=NOW + seconds, **changed)


def arrived(body: str, *, seconds: float = 0.0, **changed: Any) -> TextArrived:
    """Return a text from the handset."""
    return TextArrived(id=changed.pop("id", "a"), body=body, at=NOW + seconds, **changed)


def said(body: str, **changed: Any) -> MessageSent:
    """Return a message of the assignee in the thread's room."""
    usual: dict[str, Any] = {"place": THREAD, "sender": ANA, "event_id": "$m1", "body": body, "at": NOW}
    return MessageSent(**(usual | changed))


def edit(body: str, **changed: Any) -> MessageSent:
    """Return an edit of that message by the assignee."""
    return said(body, **({"relation": Relation.EDIT, "target": "$m1", "event_id": "$e"} | changed))


def at_desk(body: str, **changed: Any) -> MessageSent:
    """Return a message at the desk."""
    return said(body, place=DESK, **changed)


def waiting(**changed: Any) -> Thread:
    """Return a thread whose first text arrived a minute ago and was greeted."""
    thread = Thread(id="t1", designation=NAMED[0], **changed)
    return decide(PACK, at(-60), thread, arrived("hello", seconds=-60, id="first")).aggregate


def held(**changed: Any) -> Thread:
    """Return a thread with Ana as its assignee, who is in its room and has read everything."""
    thread = waiting(**changed)
    for event in (
        Assigned(assignee=ANA),
        MemberJoined(place=THREAD, user=ANA),
        MessageRead(place=THREAD, user=ANA, event_id="$read"),
    ):
        thread = decide(PACK, at(-30), thread, event).aggregate
    return thread


def staffed_desk() -> Desk:
    """Return a desk with Ana, Ben and the supervisor Sue; its board was written ten minutes ago."""
    return decide(
        PACK, at(-600), Desk(roster=MEMBERS, power_levels=((SUE, 50),)), DeadLetterRecorded(short_id="0badcafe")
    ).aggregate


def as_usual(member: DeskMember | None) -> DeskMember:
    """Return a member of a desk like those of `MEMBERS`, who have seen every explanation once."""
    assert member is not None
    return replace(member, met=SEEN)


def then(aggregate: Any, event: Event, facts: Facts = FACTS) -> Step[Any]:
    """Decide with the usual pack and facts."""
    return decide(PACK, facts, aggregate, event)


def due(thread: Thread, seconds: float) -> Step[Thread]:
    """Decide the undo window's timer, due some seconds later."""
    return decide(PACK, at(seconds), thread, TimerDue(key="send"))


def of(kind: type[T], step: Step[Any]) -> list[T]:
    """Return a step's actions of one kind."""
    return [action for action in step.actions if isinstance(action, kind)]


def texts(step: Step[Any]) -> list[str]:
    """Return the bodies that a step sends to the phone."""
    return [text.body for text in of(SendSms, step)]


def marks(step: Step[Any]) -> dict[str, DeliveryReceipt]:
    """Return the receipts that a step puts on messages."""
    return {mark.event_id: mark.receipt for mark in of(ShowReceipt, step)}


def words(step: Step[Any]) -> str:
    """Return the words that a step posts in rooms."""
    return "\n".join(post.body for post in of(SendMessage, step))


def alarms(step: Step[Any]) -> list[str]:
    """Return the names of the alarms that a step raises at the desk."""
    return [a.event.alarm.value for a in of(SendEvent, step) if a.owner == DESK and isinstance(a.event, AlarmRaised)]


def told(actions: tuple[Action, ...], owner: str) -> list[Event]:
    """Return the events that actions put into an inbox."""
    return [action.event for action in actions if isinstance(action, SendEvent) and action.owner == owner]
