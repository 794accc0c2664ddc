"""`!lang me es`: the language in which the software speaks to a person at the desk. It never touches a phone.

Rules of this module: the desk keeps it, because it belongs to the person and not to a thread; `!lang` for a phone is in
`bot.safety.consent_flags`. The answer is in the chosen language.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bot.commands.parser import ParsedCommand, answer, mark_as_note
from bot.commands.synonyms import language_code
from bot.display.thread_card import pinned_text
from bot.model.actions import DESK, THREAD, Action, EditMessage
from bot.model.desk import Desk, Facts, Thread
from bot.model.events import MessageSent
from bot.model.feature import Step
from bot.model.thread_desk_events import ReadingLanguageChosen
from bot.model.transactional_actions import SendEvent
from bot.wording.notice import READ, in_language, notice_of
from policies.pack import Pack

ME: Final = "me"
"""The first word behind `!lang` when it is about its sender."""


def is_about_sender(command: ParsedCommand) -> bool:
    """Tell whether a `!lang` is about its sender's language, and not a phone's."""
    return command.arguments.casefold().split(maxsplit=1)[:1] == [ME]


def choose_at_desk(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand) -> Step[Desk]:
    """`!lang me es` at the desk or in an office."""
    language = _parse_language(command)
    if language is None:
        return Step(desk, _usage(facts, event), consumed=True)
    return Step(_with(desk, event.sender, language), _confirmation(facts, event, language), consumed=True)


def choose_in_thread(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!lang me es` in a thread's room, by any member: the desk is told, and the assignee's card changes."""
    language = _parse_language(command)
    if language is None:
        return Step(thread, (mark_as_note(event), *_usage(facts, event)), consumed=True)
    chosen = SendEvent(owner=DESK, event=ReadingLanguageChosen(user=event.sender, language=language))
    mine = event.sender == thread.assignment.assignee
    body = in_language(pinned_text(pack, thread), language)
    card: tuple[Action, ...] = (EditMessage(place=THREAD, ref="card", body=body, formatted=True),) if mine else ()
    return Step(thread, (mark_as_note(event), chosen, *card, *_confirmation(facts, event, language)), consumed=True)


def keep_choice(pack: Pack, facts: Facts, desk: Desk, event: ReadingLanguageChosen) -> Step[Desk]:
    """Store the language that a person chose in a thread's room."""
    return Step(_with(desk, event.user, event.language))


def _parse_language(command: ParsedCommand) -> str | None:
    """Return the named language, if the software can speak it."""
    said = command.arguments.casefold().split()
    named = language_code(said[-1]) if said else ""
    return named if len(said) == 2 and said[0] == ME and named in READ else None


def _with(desk: Desk, user: str, language: str) -> Desk:
    roster = tuple(replace(member, reads=language) if member.user == user else member for member in desk.roster)
    return replace(desk, roster=roster)


def _confirmation(facts: Facts, event: MessageSent, language: str) -> tuple[Action, ...]:
    return answer(facts, event, in_language(notice_of("reading_language.noted"), language))


def _usage(facts: Facts, event: MessageSent) -> tuple[Action, ...]:
    return answer(facts, event, notice_of("reading_language.how"))
