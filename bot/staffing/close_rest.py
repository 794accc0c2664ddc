"""`!close-rest`: after a flood, a supervisor closes the conversations of those who wrote once and whom nobody has answered.

Rules of this module: a thread that stands out (a sign of danger, a word that asks for a person, a second text), or that
came after the question, is not closed; each thread checks this once more. The command says how many, asks once more, and
can be taken back until it is done. Nothing is sent to a phone: a texter who texts again begins a new conversation.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.commands.parser import ParsedCommand, answer
from bot.display.thread_card import localpart
from bot.model.actions import DESK, SendMessage
from bot.model.desk import Desk, Facts
from bot.model.events import MessageSent, TimerDue
from bot.model.feature import Step
from bot.model.flood import CrowdEntry, RestClosing, rest_of
from bot.model.thread_desk_events import UnreadClosed
from bot.model.transactional_actions import CancelTimer, SendEvent, SetTimer
from bot.wording.durations import spell_duration
from bot.wording.notice import notice_of
from policies.pack import Pack

TIMER: Final = "close-rest"
QUESTION_STANDS: Final = 600.0
"""Seconds for which `!close-rest yes` answers the question before it."""
AT_ONCE: Final = 50
"""Threads that are closed in one decision, so that conversations can continue between two."""
NEXT_AFTER: Final = 1.0


def close_rest(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand) -> Step[Desk]:
    """`!close-rest`, `!close-rest yes`, `!close-rest no`."""
    word, closing = command.arguments.casefold(), desk.flood.closing
    if word not in {"", "yes", "no"}:
        return Step(desk, answer(facts, event, notice_of("close_rest.how")), consumed=True)
    if word == "no":
        return _cancel(facts, desk, event)
    if closing is not None and closing.due:
        return Step(desk, answer(facts, event, notice_of("close_rest.being_closed")), consumed=True)
    if word == "yes" and closing is not None and facts.now <= closing.until:
        return _confirm(pack, facts, desk, event, closing)
    # Threads that an earlier `!close-rest` could not close are asked about again.
    again = {entry.thread: replace(entry, closing=False) for entry in desk.flood.crowd.values() if entry.closing}
    flood = replace(desk.flood, crowd={**desk.flood.crowd, **again})
    count = len(rest_of(flood, facts.now))
    if not count:
        why = notice_of("close_rest.nobody")
        return Step(replace(desk, flood=replace(flood, closing=None)), answer(facts, event, why), consumed=True)
    question = RestClosing(before=facts.now, until=facts.now + QUESTION_STANDS)
    stay = len(flood.crowd) - count
    body = notice_of("close_rest.asked", count=count, stay=stay, after=_undo_time(pack))
    return Step(replace(desk, flood=replace(flood, closing=question)), answer(facts, event, body), consumed=True)


def close_due(pack: Pack, facts: Facts, desk: Desk, event: TimerDue) -> Step[Desk]:
    """Close some of them, and say how many were closed when none is left."""
    if event.key != TIMER:
        return Step(desk)
    closing = desk.flood.closing
    if closing is None or not closing.due:
        return Step(desk, consumed=True)
    if closing.due > facts.now:
        return Step(desk, (SetTimer(key=TIMER, due=closing.due),), consumed=True)
    now = rest_of(desk.flood, closing.before)[:AT_ONCE]
    if not now:
        body = notice_of("close_rest.done", closed=closing.closed, stay=len(desk.flood.crowd))
        done = replace(desk.flood, closing=None)
        return Step(replace(desk, flood=done), (SendMessage(place=DESK, body=body),), consumed=True)
    chosen = {entry.thread: replace(entry, closing=True) for entry in now}
    closing = replace(closing, closed=closing.closed + len(now))
    flood = replace(desk.flood, crowd={**desk.flood.crowd, **chosen}, closing=closing)
    again = SetTimer(key=TIMER, due=facts.now + NEXT_AFTER)
    return Step(replace(desk, flood=flood), (*(_close(entry) for entry in now), again), consumed=True)


def _confirm(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, closing: RestClosing) -> Step[Desk]:
    due = facts.now + pack.settings.close_undo
    count = len(rest_of(desk.flood, closing.before))
    desk = replace(desk, flood=replace(desk.flood, closing=replace(closing, due=due)))
    body = notice_of("close_rest.confirmed", user=localpart(event.sender), count=count, after=_undo_time(pack))
    return Step(desk, (*answer(facts, event, body), SetTimer(key=TIMER, due=due)), consumed=True)


def _cancel(facts: Facts, desk: Desk, event: MessageSent) -> Step[Desk]:
    closing = desk.flood.closing
    desk = replace(desk, flood=replace(desk.flood, closing=None))
    body = (
        notice_of("close_rest.taken_back", closed=closing.closed) if closing else notice_of("close_rest.nothing_was_asked")
    )
    return Step(desk, (*answer(facts, event, body), CancelTimer(key=TIMER)), consumed=True)


def _close(entry: CrowdEntry) -> SendEvent:
    return SendEvent(owner=entry.thread, event=UnreadClosed(designation=entry.designation))


def _undo_time(pack: Pack) -> str:
    return spell_duration(pack.settings.close_undo)
