"""Chooses the language of each notice by who reads it.

Rules of this module: an answer to one person, and everything in an office, is in that person's language; everything else in
a thread's room is in its assignee's, and at the desk in the line's (`staff_language`). A notice that calls a person, meets
them in a thread's room, or results from what they did there, is in their language as well. An alarm about danger at the
desk, and notices in a thread's room before it has an assignee, are in the languages of everybody there as well. Every
notice is put into words here, as the last step of a decision. Texts for a phone do not pass here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeAlias

from bot.commands.parser import answer_ref
from bot.model.actions import (
    OFFICE,
    THREAD,
    Action,
    EditMessage,
    PageOnCall,
    RetryDeadLetter,
    RevealNumber,
    SendMessage,
    SendRecap,
    ShowAudit,
    ShowDevices,
    ShowReceipt,
    SignOut,
)
from bot.model.desk import Desk, DeskMember, Facts, Thread
from bot.model.events import Event, MemberJoined, MessageIgnored, MessageSent, ReactionAdded
from bot.model.thread_desk_events import AssignmentRefused
from bot.model.transactional_actions import SendEvent
from bot.wording.notice import READ, Notice, in_language, in_languages
from policies.pack import Pack

PutTogetherOutside: TypeAlias = SendRecap | ShowAudit | ShowDevices | RetryDeadLetter | SignOut | PageOnCall | ShowReceipt
"""Actions whose words the bridge puts together, because it alone has the values. A receipt is a mark with words."""


def put_into_words(
    pack: Pack, facts: Facts, aggregate: Thread | Desk, event: Event, actions: Iterable[Action]
) -> tuple[Action, ...]:
    """Return the actions with every notice in its reader's language."""
    roster = aggregate.roster if isinstance(aggregate, Desk) else facts.roster
    assignee = aggregate.assignment.assignee if isinstance(aggregate, Thread) else None
    return tuple(_in_reader_language(pack, roster, assignee, event, action) for action in actions)


def language_of(pack: Pack, roster: Iterable[DeskMember], user: str | None) -> str:
    """Return the language that a person reads: the one they chose, otherwise the line's staff language."""
    chosen = next((member.reads for member in roster if member.user == user), "")
    return chosen or pack.staff_language


def _in_reader_language(
    pack: Pack, roster: tuple[DeskMember, ...], assignee: str | None, event: Event, action: Action
) -> Action:
    if isinstance(action, SendEvent) and isinstance(action.event, AssignmentRefused):
        refused = action.event
        reason = in_language(refused.reason, language_of(pack, roster, refused.user))
        return replace(action, event=replace(refused, reason=reason))
    if isinstance(action, SendRecap | ShowAudit | ShowDevices | RetryDeadLetter | SignOut | PageOnCall | ShowReceipt):
        language = _stored_language(language_of(pack, roster, _reader(assignee, event, action)))
        return replace(action, language=language) if language else action
    if isinstance(action, RevealNumber):
        languages = tuple(_stored_language(language_of(pack, roster, user)) for user in action.users)
        return replace(action, languages=languages) if any(languages) else action
    if not isinstance(action, SendMessage | EditMessage) or not isinstance(action.body, Notice):
        return action
    return replace(action, body=in_languages(action.body, _languages(pack, roster, assignee, event, action)))


def _stored_language(language: str) -> str:
    """Return a language as an action stores it: empty for the first one."""
    return "" if language == READ[0] else language


def _reader(assignee: str | None, event: Event, action: PutTogetherOutside) -> str | None:
    """Return the person for whom the bridge words an action; None when that is the desk, or nobody at the desk."""
    if isinstance(action, SignOut | PageOnCall):
        return None
    if not isinstance(event, MessageSent | MessageIgnored):
        return assignee
    if isinstance(action, ShowReceipt) and action.event_id not in (event.event_id, _target(event)):
        return assignee
    return event.sender


def _target(event: MessageSent | MessageIgnored) -> str:
    return event.target if isinstance(event, MessageSent) else ""


def _request_author(event: Event, action: SendMessage | EditMessage) -> str | None:
    """Return the author of the message or tap that the action answers, if that is the event under decision."""
    if isinstance(event, ReactionAdded):
        return event.sender if isinstance(action, SendMessage) and action.ref == answer_ref(event) else None
    if not isinstance(event, MessageSent | MessageIgnored) or not isinstance(action, SendMessage) or not action.reply_to:
        return None
    return event.sender if action.reply_to in (event.event_id, _target(event)) else None


def _addressees(event: Event, action: SendMessage | EditMessage) -> tuple[str, ...]:
    """Return the people whom a message in a thread's room calls, meets when they come, or whose act it reports."""
    if not isinstance(action, SendMessage):
        return ()
    match event:
        case MemberJoined(user=user):
            return (*action.mentions, user)
        case MessageSent(sender=sender) | ReactionAdded(sender=sender):
            return (*action.mentions, sender)
    return action.mentions


def _languages(
    pack: Pack, roster: tuple[DeskMember, ...], assignee: str | None, event: Event, action: SendMessage | EditMessage
) -> tuple[str, ...]:
    if action.place.startswith(OFFICE):
        return (language_of(pack, roster, action.place.removeprefix(OFFICE)),)
    if (sender := _request_author(event, action)) is not None:
        return (language_of(pack, roster, sender),)
    if action.place == THREAD and (assignee is not None or isinstance(action, EditMessage)):
        return tuple(language_of(pack, roster, user) for user in (assignee, *_addressees(event, action)))
    everybody = action.place == THREAD or (isinstance(action.body, Notice) and action.body.loud)
    called = action.mentions if isinstance(action, SendMessage) else ()
    chosen = (member.reads for member in roster if member.reads and (everybody or member.user in called))
    return (pack.staff_language, *chosen)
