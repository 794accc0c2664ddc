"""The command table: it drives parsing, permission, help and refusals.

Rules of this module: a command is a message that begins with `!`; a refusal says why and what to do; a near miss is
suggested, never guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from bot.actions import DESK, OFFICE, THREAD, Mark, Post, Receipt
from bot.events import Content, Relation, Said
from bot.model import Desk, Facts, Thread
from bot.step import Step
from policies.pack import Pack


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One row: `places` where it may be said, `arguments` as help shows them."""

    name: str
    places: tuple[str, ...]
    arguments: str = ""
    help: str


COMMANDS: Final = (
    Command(name="claim", places=(DESK,), arguments="[designation]", help="become the voice of a waiting thread, the "
            "longest waiting when none is named (or tap ✋ on its card)"),
    Command(name="board", places=(DESK,), help="who waits, and who talks with whom"),
    Command(name="status", places=(THREAD,), help="this thread: voice, last text, what is still in the undo window"),
    Command(name="help", places=(DESK, THREAD, OFFICE), help="these lines"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a message beginning with `!` says. `command` is None when there is no such command."""

    word: str
    arguments: str
    command: Command | None


def parse(body: str) -> Parsed | None:
    """Read a message as a command; None when it is not meant as one."""
    stripped = body.strip()
    if not stripped.startswith("!"):
        return None
    word, *rest = stripped[1:].split() or [""]
    name = word.casefold()
    return Parsed(word, " ".join(rest), next((c for c in COMMANDS if c.name == name), None))


def says(event: Said, name: str) -> str | None:
    """Return the arguments when a message is that command, else None."""
    if event.relation is not Relation.NONE or event.content is not Content.TEXT:
        return None
    parsed = parse(event.body)
    return parsed.arguments if parsed is not None and parsed.command is not None and parsed.command.name == name else None


def in_thread(pack: Pack, facts: Facts, thread: Thread, event: Said) -> Step[Thread]:
    """Answer `!help`, and what is no command here, in a thread's room."""
    if event.relation is Relation.THREAD or (answer := _answer(event, THREAD)) is None:
        return Step(thread)
    note = Mark(place=THREAD, event_id=event.event_id, receipt=Receipt.NOTE)
    return Step(thread, (note, Post(place=THREAD, body=answer, reply_to=event.event_id)), consumed=True)


def at_desk(pack: Pack, facts: Facts, desk: Desk, event: Said) -> Step[Desk]:
    """Answer `!help`, and what is no command here, at the desk or in an office."""
    if (answer := _answer(event, event.place)) is None:
        return Step(desk)
    return Step(desk, (Post(place=event.place, body=answer, reply_to=event.event_id),), consumed=True)


def lines(place: str) -> str:
    """Return the commands of a place as text, one a line."""
    here = OFFICE if place.startswith(OFFICE) else place
    return "\n".join(
        f"!{c.name}{' ' + c.arguments if c.arguments else ''} — {c.help}" for c in COMMANDS if here in c.places
    )


def _answer(event: Said, place: str) -> str | None:
    if event.content is not Content.TEXT or (parsed := parse(event.body)) is None:
        return None
    if parsed.command is None:
        near = get_close_matches(parsed.word.casefold(), [c.name for c in COMMANDS], n=1)
        hint = f"Did you mean !{near[0]}?" if near else "!help lists what there is."
        return f"There is no such command, and nothing was sent. {hint}"
    here = OFFICE if place.startswith(OFFICE) else place
    if here not in parsed.command.places:
        where = "at the desk" if DESK in parsed.command.places else "in the thread's own room"
        return f"!{parsed.command.name} is said {where}; here it does nothing."
    return lines(place) if parsed.command.name == "help" else None
