"""`!drill`: starts a scripted texter, ends a drill, shows and deletes the count.

Rule of this module: drills exist only where the line has scripts, which only a rehearsal line has. Elsewhere every form of
the command is refused, with the reason.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Final

from bot.commands.parser import ParsedCommand, answer
from bot.drills import running
from bot.model.desk import Desk, Facts
from bot.model.events import MessageSent
from bot.model.feature import Step
from bot.wording.notice import join_notices, notice_of, pack_notice
from policies.drills.script import LANGUAGES, in_words
from policies.pack import Pack

ID_LENGTH: Final = 12


def drill(pack: Pack, facts: Facts, desk: Desk, event: MessageSent, command: ParsedCommand) -> Step[Desk]:
    """`!drill [name [en|es]]`, `!drill stop`, `!drill count`, `!drill forget`."""
    words = command.arguments.casefold().split()
    if not facts.drills:
        return _say(facts, desk, event, notice_of("drills.not_on_this_line"))
    match words:
        case [] | ["list"]:
            return _say(facts, desk, event, _list(facts))
        case ["stop"]:
            return _stop(facts, desk, event)
        case ["count"]:
            return _say(facts, desk, event, notice_of("drills.count", count=_count(desk, event.sender)))
        case ["forget"]:
            roster = tuple(replace(m, drills=0) if m.user == event.sender else m for m in desk.roster)
            return _say(facts, replace(desk, roster=roster), event, notice_of("drills.forgotten"))
        case [name] if name in facts.drills:
            return _begin(facts, desk, event, name, pack.languages[0])
        case [name, language] if name in facts.drills and language in LANGUAGES:
            return _begin(facts, desk, event, name, language)
    names = ", ".join(facts.drills)
    return _say(facts, desk, event, notice_of("drills.no_such", names=names))


def _begin(facts: Facts, desk: Desk, event: MessageSent, name: str, language: str) -> Step[Desk]:
    if any(run.user == event.sender for run in desk.drills):
        return _say(facts, desk, event, notice_of("drills.one_runs"))
    run_id = hashlib.sha256(event.event_id.encode()).hexdigest()[:ID_LENGTH]
    script = facts.drills[name]
    title = pack_notice(in_words(script.title, "en"), script.title)
    step = running.begin(facts, desk, run_id, script, user=event.sender, language=language)
    said = answer(facts, event, notice_of("drills.begins", title=title))
    return Step(step.aggregate, (*said, *step.actions), consumed=True)


def _stop(facts: Facts, desk: Desk, event: MessageSent) -> Step[Desk]:
    run = next((run for run in desk.drills if run.user == event.sender), None)
    if run is None:
        return _say(facts, desk, event, notice_of("drills.none_runs"))
    over = running.end(facts, desk, run)
    said = answer(facts, event, notice_of("drills.stopped"))
    return Step(over.aggregate, (*said, *over.actions), consumed=True)


def _list(facts: Facts) -> str:
    rows = [
        join_notices(" — ", (f"!drill {name}", pack_notice(in_words(script.about, "en"), script.about)))
        for name, script in facts.drills.items()
    ]
    return join_notices("\n", [notice_of("drills.there_are"), *rows])


def _count(desk: Desk, user: str) -> int:
    member = desk.member(user)
    return 0 if member is None else member.drills


def _say(facts: Facts, desk: Desk, event: MessageSent, words: str) -> Step[Desk]:
    return Step(desk, answer(facts, event, words), consumed=True)
