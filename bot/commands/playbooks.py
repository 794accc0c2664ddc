"""Playbooks: what people in the room do in a situation, step by step (practice 39).

Rule of this module: a playbook is read by staff, disappears like any answer, and no line of it goes to a phone.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Final

from bot.commands.parser import ParsedCommand, answer, mark_as_note
from bot.commands.synonyms import PLAYBOOK_NAMES
from bot.model.actions import Action
from bot.model.desk import Desk, Facts, Thread
from bot.model.events import MessageSent
from bot.model.feature import Step
from bot.wording.notice import notice_of, pack_notice
from policies.pack import Pack, Playbook

NAMES_ONE: Final = re.compile(r"!escalate\b|\bsupervis", re.IGNORECASE)
"""What sends the reader of a playbook to a supervisor."""
NEAR: Final = 0.8
"""How similar a word must be to a playbook's name: a playbook is only read, so a near miss opens it."""


def playbook(pack: Pack, facts: Facts, thread: Thread, event: MessageSent, command: ParsedCommand) -> Step[Thread]:
    """`!playbook name` shows its steps; alone, or with an unknown name, it lists the playbooks."""
    return Step(thread, (mark_as_note(event), *_playbook_reply(pack, facts, event, command)), consumed=True)


def playbook_elsewhere(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand) -> Step[Desk]:
    """`!playbook` at the desk or in an office, for reading before or while a person has a thread."""
    return Step(desk, _playbook_reply(pack, facts, event, command), consumed=True)


def _playbook_reply(pack: Pack, facts: Facts, event: MessageSent, command: ParsedCommand) -> tuple[Action, ...]:
    query = command.arguments.casefold().replace("-", "_").replace(" ", "_")
    if not any(name.startswith(query) for name in pack.playbooks):
        near = get_close_matches(query, [*pack.playbooks, *PLAYBOOK_NAMES], n=1, cutoff=NEAR)
        query = PLAYBOOK_NAMES.get(query) or next((PLAYBOOK_NAMES.get(name, name) for name in near), query)
    alike = [name for name in pack.playbooks if name.replace("-", "_").startswith(query)] if query else []
    exact = [name for name in alike if name.replace("-", "_") == query]
    chosen = exact or alike
    if len(chosen) != 1:
        return answer(facts, event, notice_of("playbooks.say_playbook_and_one_of") + ", ".join(pack.playbooks))
    return answer(facts, event, steps_of(pack.playbooks[chosen[0]]), formatted=True)


def steps_of(book: Playbook) -> str:
    """Return a playbook as text: its title, and its numbered steps, in every language that it has."""
    steps = pack_notice(_as_text(book), {language: _as_text(other) for language, other in book.translations.items()})
    return notice_of("playbooks.steps_that_name_a_supervisor", steps=steps) if NAMES_ONE.search(steps) else steps


def _as_text(book: Playbook) -> str:
    return "\n".join((book.title, *(f"{number}. {step}" for number, step in enumerate(book.steps, start=1))))
