"""Passes a command to the one function that does it, or tells its sender why nothing does.

Rules of this module: where a command may be said, and by whom, is checked here by the registry (`spec`), and nowhere else.
A refusal says why and what to do; a near miss is suggested, never guessed. The functions are given to it, as a mapping from
name to function for each place (`bot.command_functions`), because the modules that define them import this package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, Final, TypeAlias

from bot.commands.help_text import help_text
from bot.commands.parser import ParsedCommand, answer, answer_as_note, is_taken, mark_as_note, named_thread
from bot.commands.spec import COMMANDS, Who
from bot.commands.synonyms import SYNONYMS
from bot.model.actions import DESK, OFFICE, THREAD
from bot.model.desk import Desk, Facts, Role, Thread
from bot.model.events import Content, MessageSent, Relation
from bot.model.feature import Step
from bot.wording.notice import join_notices, notice_of
from policies.pack import Pack

NEAR: Final = 0.72
"""How similar a word must be to a command to count as mistyped: "!clam" is, "!shelter" is not similar to "!later"."""
CommandFunction: TypeAlias = Callable[[Pack, Facts, Any, MessageSent, ParsedCommand], Step[Any]]
"""`(pack, facts, aggregate, event, command) -> Step`: performs a command that its sender may say there."""
MessageFeature: TypeAlias = Callable[[Pack, Facts, Any, MessageSent, ParsedCommand | None], Step[Any]]
"""`(pack, facts, aggregate, event, command) -> Step`: a feature for messages; `command` is `parse` of the body."""
LOOSENS: Final = frozenset({"safe", "unlock", "resume", "anyway", "again", "long", "unhold", "accept"})
"""Commands that lift something, or let something leave: as a question ("!safe?") they do nothing."""
ABOUT_ONE_THREAD: Final = frozenset(
    {
        *("claim", "take", "speak", "listen", "release", "accept", "decline", "safe", "stopped", "resume"),
        *("again", "anyway", "long", "unlock", "hold", "unhold", "reopen", "redact"),
    }
)
"""Commands that act on their room's thread and take no free text: another thread's name behind them means that thread."""
Functions: TypeAlias = Mapping[str, CommandFunction]
"""The function of each command, by its name, for one place."""
PLACES: Final = {
    DESK: notice_of("dispatch.at_the_desk"),
    THREAD: notice_of("dispatch.in_the_threads_own_room"),
    OFFICE: notice_of("dispatch.in_your_office"),
}


def in_thread(functions: Functions) -> MessageFeature:
    """Return the feature that performs, or refuses, a command in a thread's room."""

    def dispatch(
        pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand | None
    ) -> Step[Thread]:
        if command is None or event.content is not Content.TEXT:
            return Step(thread)
        why = _refusal(facts, command, event, THREAD, is_assignee=event.sender == thread.assignment.assignee)
        if why is None:
            return functions[_row(command)](pack, facts, thread, event, command)
        # An edit gets no note mark of its own: the message that it changes has one.
        mark = () if command.command is not None and event.relation is Relation.EDIT else (mark_as_note(event),)
        return Step(thread, (*mark, *answer(facts, event, why)), consumed=True)

    return dispatch


def at_desk(desk_functions: Functions, office_functions: Functions) -> MessageFeature:
    """Return the feature that performs, or refuses, a command at the desk or in an office."""

    def dispatch(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand | None) -> Step[Desk]:
        if command is None or event.content is not Content.TEXT:
            return Step(desk)
        here = OFFICE if event.place.startswith(OFFICE) else DESK
        if (why := _refusal(facts, command, event, here, is_assignee=False)) is not None:
            return Step(desk, answer(facts, event, why), consumed=True)
        functions = office_functions if here == OFFICE else desk_functions
        return functions[_row(command)](pack, facts, desk, event, command)

    return dispatch


def show_commands_in_thread(
    pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand
) -> Step[Thread]:
    """`!help` and `!more` in a thread's room."""
    shown = help_text(pack, THREAD, every=command.name == "more")
    return answer_as_note(facts, thread, event, shown, formatted=True)


def show_commands_at_desk(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand) -> Step[Desk]:
    """`!help` and `!more` at the desk or in an office."""
    shown = help_text(pack, event.place, every=command.name == "more")
    return Step(desk, answer(facts, event, shown, formatted=True), consumed=True)


def note(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!note words`: a note like one behind `//`, for clients that keep `//` for themselves."""
    if event.sender != thread.assignment.assignee:
        thread = replace(thread, signs=replace(thread.signs, colleague_at=facts.now))
    said = () if command.words.strip() else answer(facts, event, notice_of("dispatch.a_note_is_note_and"))
    return Step(thread, (mark_as_note(event), *said), consumed=True)


def only_at_desk(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """Refuse a form of a command that is said at the desk alone."""
    return answer_as_note(
        facts, thread, event, notice_of("dispatch.is_said_here_it_does", name=command.name, where=PLACES[DESK])
    )


def by_name(function: CommandFunction, **others: CommandFunction) -> CommandFunction:
    """Return the function of a command whose other names (with `_` for `-`) have functions of their own."""

    def perform(pack: Pack, facts: Facts, aggregate: Any, event: MessageSent, command: ParsedCommand) -> Step[Any]:
        chosen = others.get(command.name.replace("-", "_"), function)
        return chosen(pack, facts, aggregate, event, command)

    return perform


def _row(parsed: ParsedCommand) -> str:
    """Return the name of the command's row; a command that is not refused has one."""
    return parsed.command.name if parsed.command is not None else ""


def _refusal(facts: Facts, parsed: ParsedCommand, event: MessageSent, here: str, *, is_assignee: bool) -> str | None:
    """Say why a command is refused; None when its sender may say it here and in this form."""
    command = parsed.command
    if command is None:
        near = get_close_matches(parsed.word.casefold(), [name for c in COMMANDS for name in c.names], n=1, cutoff=NEAR)
        hint = (
            notice_of("dispatch.did_you_mean_say_it", near=near[0])
            if near
            else notice_of("dispatch.help_lists_what_there_is")
        )
        return notice_of("dispatch.there_is_no_such_command", hint=SYNONYMS.get(parsed.word.casefold(), hint))
    if not is_taken(event):
        # Otherwise the person would believe that it was.
        way = (
            notice_of("dispatch.in_a_thread_of_the")
            if event.relation is Relation.THREAD
            else notice_of("dispatch.by_changing_a_message")
        )
        return notice_of("dispatch.did_nothing_no_command_is", name=parsed.name, way=way)
    if parsed.asks and (parsed.name in LOOSENS or (parsed.name == "close" and parsed.arguments)):
        return notice_of("dispatch.a_question_does_nothing", name=f"{parsed.name} {parsed.arguments}".rstrip())
    other = named_thread(parsed.arguments, facts.designations) if parsed.name in ABOUT_ONE_THREAD else ""
    if here not in command.places or (here == THREAD and other):
        where = join_notices(notice_of("word.or"), (name for place, name in PLACES.items() if place in command.places))
        return notice_of("dispatch.is_said_here_it_does", name=f"{parsed.name} {other}".rstrip(), where=where)
    if command.about_sender and (
        here != THREAD or parsed.arguments.casefold().split(maxsplit=1)[:1] == [command.about_sender]
    ):
        return None
    is_supervisor = facts.role(event.sender) is Role.SUPERVISOR
    allowed = {
        Who.ANYBODY: True,
        Who.ASSIGNEE: is_assignee,
        Who.ASSIGNEE_OR_SUPERVISOR: is_assignee or is_supervisor,
        Who.SUPERVISOR: is_supervisor,
    }
    if allowed[command.who]:
        return None
    if command.who is Who.SUPERVISOR:
        what = (
            notice_of("dispatch.escalate_calls_those_on_duty")
            if here == THREAD
            else notice_of("dispatch.board_shows_who_that_is")
        )
    else:
        what = notice_of("dispatch.status_says_who_that_is")
    return notice_of("dispatch.is_for", name=parsed.name, who=notice_of(f"who.{command.who.name.lower()}"), what=what)
