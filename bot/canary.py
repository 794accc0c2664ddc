"""The canary: a thread without an assignee, by which we see that a text reaches a room and an answer reaches a handset.

Rules of this module: only the canary's own route makes a canary thread, and a thread is one from its beginning to its end
or never. No other feature sees such a thread: it has no card and no greeting, is in no queue, is nobody's load, and appears
in no count, no audit and no notice at the desk. Only the canary's account is invited to it. That account is heard in no
other thread, because it is not on the roster. The thread ends with its first answer, or when its time is over, and leaves
no certificate that is kept.
"""

from __future__ import annotations

from typing import Final, TypeGuard

from bot.model.actions import THREAD, Action, Invite, Origin, SendMessage, SendSms, Speaker
from bot.model.desk import Aggregate, Facts, Thread
from bot.model.events import Content, Event, MessageSent, Relation, TextArrived, TextOutcome, TimerDue
from bot.model.transactional_actions import EraseTexter, ParkThread, SetTimer
from policies.pack import Pack

TIMER: Final = "canary"
LIFETIME: Final = 180.0
"""Seconds after its last text at which a thread of the canary ends in any case."""
LONGEST_ANSWER: Final = 64
"""Characters of an answer that are taken: the canary says no more."""


def is_canary(aggregate: Aggregate) -> TypeGuard[Thread]:
    """Whether a thread is the canary's: no other feature looks at it."""
    return isinstance(aggregate, Thread) and bool(aggregate.canary)


def actions(pack: Pack, facts: Facts, thread: Thread, event: Event) -> tuple[Action, ...]:
    """Return the actions of an event in a canary thread. The thread itself never changes."""
    match event:
        case TextArrived():
            return *_show(thread, event), SetTimer(key=TIMER, due=facts.now + LIFETIME)
        case MessageSent() if _is_answer(thread, event):
            text = SendSms(
                body=event.body,
                ref=f"say:{event.event_id}",
                origin=Origin.ADVOCATE,
                epoch=thread.assignment.epoch,
                since=facts.now,
            )
            return (text,)
        case TextOutcome():
            # By the timer: the facts for it say whether something prevents the end.
            return (SetTimer(key=TIMER, due=facts.now),)
        case TimerDue(key=key) if key == TIMER:
            return _end(pack, facts)
    return ()


def _show(thread: Thread, event: TextArrived) -> tuple[Action, ...]:
    post = SendMessage(place=THREAD, body=event.body, speaker=Speaker.TEXTER, notice=False, ref=f"in:{event.id}:0")
    return post, Invite(user=thread.canary)


def _is_answer(thread: Thread, event: MessageSent) -> bool:
    """Whether the canary wrote a message that would be an advocate's answer; messages of others have no effect."""
    return (
        event.place == THREAD
        and event.sender == thread.canary
        and event.content is Content.TEXT
        and event.relation is Relation.NONE
        and 0 < len(event.body) <= LONGEST_ANSWER
    )


def _end(pack: Pack, facts: Facts) -> tuple[Action, ...]:
    """End the thread, unless it is on legal hold, or its next text has arrived already."""
    if facts.on_legal_hold or facts.inbound_pending:
        return (SetTimer(key=TIMER, due=facts.now + LIFETIME),)
    park = ParkThread(grace=pack.settings.close_now_grace, drop_unsent=True, canary=True)
    return park, EraseTexter(canary=True)
