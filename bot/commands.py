"""The command table: it drives parsing, permission, help, refusals and the generated page of the documentation.

Rules of this module: a command is a message that begins with `!`; a refusal says why and what to do; a near miss is
suggested, never guessed; an answer is a notice that disappears after a while.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum, unique
from typing import Final, TypeVar

from bot.actions import DESK, OFFICE, THREAD, Action, Mark, Post, Receipt, Redact, SetTimer
from bot.events import Content, Relation, Said, Tapped, TimerDue
from bot.model import Desk, Facts, Role, Thread
from bot.step import Step
from policies.pack import Pack

A = TypeVar("A", Thread, Desk)

FADES: Final = 600.0
"""Seconds after which an answer disappears."""
FADE: Final = "fade:"


@unique
class Who(Enum):
    """Who may say a command; the value is how a refusal names them."""

    ANYBODY = "everybody at the desk"
    VOICE = "the voice of the thread"
    VOICE_OR_SUPERVISOR = "the voice of the thread and supervisors"
    SUPERVISOR = "supervisors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One row: `places` where it may be said, `who` may say it, `arguments` and `help` as people read them.

    `card`: it is one of those on every card; the others are behind `!more`.
    """

    name: str
    places: tuple[str, ...]
    help: str
    who: Who = Who.ANYBODY
    arguments: str = ""
    card: bool = False


COMMANDS: Final = (
    Command(
        name="claim",
        places=(DESK,),
        arguments="[designation]",
        card=True,
        help="become the voice of a waiting thread, the longest waiting when none is named (or tap ✋ on its card)",
    ),
    Command(name="board", places=(DESK,), help="who waits, and who talks with whom"),
    Command(name="on", places=(DESK,), help="you are on duty: you are called when somebody waits"),
    Command(
        name="off",
        places=(DESK,),
        card=True,
        help="you are off duty; first hand over or release every thread that you are the voice of",
    ),
    Command(name="trust", places=(DESK,), who=Who.SUPERVISOR, arguments="@who", help="confirm somebody's new identity"),
    Command(name="devices", places=(DESK,), arguments="[@who]", help="which devices somebody has, and which are trusted"),
    Command(
        name="transfer",
        places=(THREAD,),
        who=Who.VOICE_OR_SUPERVISOR,
        arguments="@who|all|nobody [quiet] [note]",
        card=True,
        help="offer the thread to somebody, who is heard once they accept; `nobody` takes an offer back",
    ),
    Command(name="accept", places=(THREAD,), help="become the voice of the thread you are offered (or tap ✅)"),
    Command(name="decline", places=(THREAD,), help="do not take the thread you are offered (or tap ❌)"),
    Command(
        name="escalate",
        places=(THREAD,),
        arguments="[why]",
        card=True,
        help="call the supervisors on duty into the room; the reason stays in the room",
    ),
    Command(
        name="with",
        places=(THREAD,),
        who=Who.VOICE_OR_SUPERVISOR,
        arguments="@who [interpreter]",
        help="ask somebody in: they read and write notes; an interpreter for two hours",
    ),
    Command(name="take", places=(THREAD,), who=Who.SUPERVISOR, help="become the voice, until you give it back"),
    Command(name="speak", places=(THREAD,), help="take your voice back from the supervisor who took it"),
    Command(
        name="listen",
        places=(DESK, THREAD),
        who=Who.SUPERVISOR,
        arguments="[designation]",
        help="join a thread as a note-taker (at the desk), or give the voice back and stay (in the thread)",
    ),
    Command(
        name="release",
        places=(THREAD,),
        who=Who.VOICE,
        help="give the voice back to whom it was taken from, or the thread to the queue",
    ),
    Command(
        name="say",
        places=(THREAD,),
        who=Who.VOICE,
        arguments="handover [own words]",
        help="put a text of the agency into the undo window; edit the command to change it, redact it to stop it",
    ),
    Command(name="again", places=(THREAD,), who=Who.VOICE, help="send once more what is unknown or came too late"),
    Command(name="anyway", places=(THREAD,), who=Who.VOICE, help="send what a warning held"),
    Command(name="long", places=(THREAD,), who=Who.VOICE, help="send what was held because it is long"),
    Command(name="recap", places=(THREAD,), help="send the keys of this room once more to your devices"),
    Command(name="debrief", places=(THREAD,), help="an offer to talk it over, in your office"),
    Command(name="status", places=(THREAD,), help="this thread: voice, last texts, what is still in the undo window"),
    Command(name="help", places=(DESK, THREAD, OFFICE), card=True, help="the commands that matter most here"),
    Command(name="more", places=(DESK, THREAD, OFFICE), help="all commands of this place"),
)


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
    """Return the arguments when a message is that command, else None. A command may be said as a reply."""
    if event.relation in (Relation.THREAD, Relation.EDIT) or event.content is not Content.TEXT:
        return None
    parsed = parse(event.body)
    return parsed.arguments if parsed is not None and parsed.command is not None and parsed.command.name == name else None


def in_thread(pack: Pack, facts: Facts, thread: Thread, event: Said) -> Step[Thread]:
    """Answer `!help`, what is no command here, and whoever may not say it."""
    if event.relation is Relation.THREAD or event.content is not Content.TEXT or (parsed := parse(event.body)) is None:
        return Step(thread)
    voice = event.sender == thread.voice.holder
    supervisor = facts.role(event.sender) is Role.SUPERVISOR
    text = _answer(parsed, THREAD, voice=voice, supervisor=supervisor)
    return Step(thread, (noted(event), *answer(facts, event, text)), consumed=True) if text else Step(thread)


def at_desk(pack: Pack, facts: Facts, desk: Desk, event: Said) -> Step[Desk]:
    """Answer `!help`, what is no command here, and whoever may not say it."""
    if event.content is not Content.TEXT or (parsed := parse(event.body)) is None:
        return Step(desk)
    supervisor = facts.role(event.sender) is Role.SUPERVISOR
    text = _answer(parsed, event.place, voice=False, supervisor=supervisor)
    return Step(desk, answer(facts, event, text), consumed=True) if text else Step(desk)


def fade(pack: Pack, facts: Facts, aggregate: A, event: TimerDue) -> Step[A]:
    """Let an answer disappear."""
    if not event.key.startswith(FADE):
        return Step(aggregate)
    place, _, ref = event.key.removeprefix(FADE).partition("|")
    return Step(aggregate, (Redact(place=place, ref=ref),), consumed=True)


def answer(facts: Facts, event: Said | Tapped, body: str) -> tuple[Action, ...]:
    """Answer a person's message, or their tap, with a notice that disappears after a while."""
    ref = f"answer:{event.event_id}"
    reply_to = event.event_id if isinstance(event, Said) else ""
    return (
        Post(place=event.place, body=body, reply_to=reply_to, ref=ref),
        SetTimer(key=f"{FADE}{event.place}|{ref}", due=facts.now + FADES),
    )


def noted(event: Said) -> Mark:
    """Mark a command in a thread's room as what it is for the phone: a note."""
    return Mark(place=THREAD, event_id=event.event_id, receipt=Receipt.NOTE)


def lines(place: str, *, every: bool) -> str:
    """Return the commands of a place as text, one a line: those on the card, or all."""
    here = OFFICE if place.startswith(OFFICE) else place
    shown = [c for c in COMMANDS if here in c.places and (every or c.card)]
    said = [f"!{c.name}{' ' + c.arguments if c.arguments else ''} — {c.help}" for c in shown]
    return "\n".join(said if every else [*said, "!more — all of them"])


def person(facts: Facts, event: Said, word: str) -> str | None:
    """Return the member of the desk that a command names: by mention, by Matrix id, or by an unmistakable `@name`."""
    users = [seat.user for seat in facts.roster]
    named = [user for user in event.named if user in users]
    if len(named) == 1:
        return named[0]
    if word in users:
        return word
    alike = [user for user in users if user.partition(":")[0] == word.casefold()]
    return alike[0] if len(alike) == 1 else None


def _answer(parsed: Parsed, place: str, *, voice: bool, supervisor: bool) -> str | None:
    """Return what the table itself answers; None when a feature is to do it."""
    here = OFFICE if place.startswith(OFFICE) else place
    command = parsed.command
    if command is None:
        near = get_close_matches(parsed.word.casefold(), [c.name for c in COMMANDS], n=1)
        hint = f"Did you mean !{near[0]}?" if near else "!help lists what there is."
        return f"There is no such command, and nothing was sent. {hint}"
    if here not in command.places:
        where = "at the desk" if DESK in command.places else "in the thread's own room"
        return f"!{command.name} is said {where}; here it does nothing."
    allowed = {
        Who.ANYBODY: True,
        Who.VOICE: voice,
        Who.VOICE_OR_SUPERVISOR: voice or supervisor,
        Who.SUPERVISOR: supervisor,
    }
    if not allowed[command.who]:
        if command.who is Who.SUPERVISOR:
            what = "!escalate calls those on duty" if here == THREAD else "!board shows who that is"
        else:
            what = "!status says who that is"
        return f"!{command.name} is for {command.who.value}. {what}."
    return lines(place, every=command.name == "more") if command.name in {"help", "more"} else None
