"""Who reads what the software says, and so in which language it is said.

Rules of this module: what answers one person, and what stands in an office, is in that person's language; everything else
in a thread's room is in its assignee's, and at the desk in the line's (`staff_language`); an alarm about danger at the desk
is in the language of everybody there as well. Every notice is put into words here, the last thing before a decision ends,
and nothing that is said to a phone passes here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bot.model.actions import DESK, OFFICE, THREAD, Action, EditMessage, SendMessage
from bot.model.desk import Desk, DeskMember, Facts, Thread
from bot.model.events import Event, MessageIgnored, MessageSent
from bot.model.thread_desk_events import AssignmentRefused
from bot.model.transactional_actions import SendEvent
from bot.wording.notice import Notice, in_language, in_languages
from policies.pack import Pack


def put_into_words(
    pack: Pack, facts: Facts, aggregate: Thread | Desk, event: Event, actions: Iterable[Action]
) -> tuple[Action, ...]:
    """Return the actions with every notice in the language of who reads it."""
    roster = aggregate.roster if isinstance(aggregate, Desk) else facts.roster
    assignee = aggregate.assignment.assignee if isinstance(aggregate, Thread) else None
    return tuple(_worded(pack, roster, assignee, event, action) for action in actions)


def language_of(pack: Pack, roster: Iterable[DeskMember], user: str | None) -> str:
    """Return the language that somebody reads: the one they chose, or else the line's for its staff."""
    chosen = next((member.reads for member in roster if member.user == user), "")
    return chosen or pack.staff_language


def _worded(pack: Pack, roster: tuple[DeskMember, ...], assignee: str | None, event: Event, action: Action) -> Action:
    if isinstance(action, SendEvent) and isinstance(action.event, AssignmentRefused):
        refused = action.event
        reason = in_language(refused.reason, language_of(pack, roster, refused.user))
        return replace(action, event=replace(refused, reason=reason))
    if not isinstance(action, SendMessage | EditMessage) or not isinstance(action.body, Notice):
        return action
    return replace(action, body=in_languages(action.body, _languages(pack, roster, assignee, event, action)))


def _answered(event: Event, action: SendMessage | EditMessage) -> str | None:
    """Return whose message it is that the action answers, if it answers the one that is decided about."""
    if not isinstance(event, MessageSent | MessageIgnored) or not isinstance(action, SendMessage) or not action.reply_to:
        return None
    targets = (event.event_id, event.target) if isinstance(event, MessageSent) else (event.event_id,)
    return event.sender if action.reply_to in targets else None


def _languages(
    pack: Pack, roster: tuple[DeskMember, ...], assignee: str | None, event: Event, action: SendMessage | EditMessage
) -> tuple[str, ...]:
    if action.place.startswith(OFFICE):
        return (language_of(pack, roster, action.place.removeprefix(OFFICE)),)
    if (sender := _answered(event, action)) is not None:
        return (language_of(pack, roster, sender),)
    if action.place == THREAD:
        return (language_of(pack, roster, assignee),)
    everybody = action.place == DESK and isinstance(action.body, Notice) and action.body.loud
    return (pack.staff_language, *(member.reads for member in roster if member.reads and everybody))
