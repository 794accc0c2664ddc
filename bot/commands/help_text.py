"""`!help` and `!more`: the commands of a place, by what a person wants to do.

Rules of this module: `!help` has at most seven lines, and each begins with what the reader wants to do. `!more` has every
command of the place once, under exactly one heading (a test compares the table with the registry). No line invites words
("Say something"): in a thread's room they would go to the phone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from bot.commands.spec import COMMANDS, Command
from bot.model.actions import DESK, OFFICE, THREAD
from bot.wording.notice import pack_notice
from bot.wording.spanish import help as spanish
from policies.pack import Pack

HEADINGS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    (
        "Take somebody who waits",
        (
            "claim",
            "board",
            "on",
            "off",
            "languages",
            "listen",
        ),
    ),
    (
        "To the phone",
        (
            "say",
            "limits",
            "options",
            "tips",
            "rights",
            "clarify",
            "later",
            "again",
            "anyway",
            "long",
            "reply",
            "text",
        ),
    ),
    ("A note for the room", ("note", "agreed", "told", "tally")),
    (
        "It is not safe",
        (
            "unsafe",
            "safe",
            "safecheck",
            "switch",
            "urgent",
            "different",
            "codeword",
            "verify",
            "cover",
            "unlock",
            "forget-word",
        ),
    ),
    ("Pass it on", ("transfer", "accept", "decline", "with", "take", "speak", "release")),
    ("I need help", ("escalate", "playbook", "debrief", "reveal", "subpoena", "recap", "status")),
    ("End it", ("close", "reopen", "continue", "stopped", "resume", "block", "redact", "hold", "unhold", "close-rest")),
    ("Look after the line", ("trust", "devices", "signout", "outage", "time", "retry", "audit")),
    ("Practise", ("drill", "quiet")),
    ("In which language", ("lang",)),
    ("All commands", ("help", "more")),
)
"""Every command by what a person wants to do, in the order of `!more` and the page of commands."""
SHORT: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    THREAD: (
        (
            "To the phone",
            "what you write goes to the phone; !limits, !options, !tips, !rights, !say name: the agency's texts",
        ),
        ("A note for the room", "// or !note before it: the phone does not get it"),
        ("It is not safe", "!unsafe or a tap on 🛑 stops everything and sends nothing; !safecheck, !switch, !urgent"),
        ("Pass it on", "!transfer @who, !with @who, !release, !off; with nobody yet: !claim"),
        ("I need help", "!escalate asks for a supervisor; !playbook and one of: {playbooks}"),
        ("End it", "!close, and !reopen takes it back; they asked us to stop: !stopped"),
        ("Anything else", "!status, !recap, !more; en español: !lang me es"),
    ),
    DESK: (
        ("Take somebody who waits", "a tap on ✋, or !claim"),
        ("See how it stands", "!board"),
        ("Come and go", "!on, !off; what you speak: !languages"),
        ("A device or an identity", "!devices; supervisors: !trust, !signout"),
        ("Texts do not work", "!outage, and !outage over"),
        ("I need help", "!playbook; in a thread's room: !escalate; a paper that asks for records: !subpoena"),
        ("Anything else", "!more; en español: !lang me es"),
    ),
    OFFICE: (
        ("Text somebody first who asked for it", "!text"),
        ("Practise on a rehearsal line", "!drill"),
        ("Anything else", "!more; en español: !lang me es"),
    ),
}
"""The lines of `!help` in a place: what a person wants to do, and how."""


def by_heading(place: str) -> tuple[tuple[str, tuple[Command, ...]], ...]:
    """Return the commands of a place under their headings, without empty headings."""
    named = {command.name: command for command in COMMANDS}
    here = ((title, tuple(named[name] for name in names if place in named[name].places)) for title, names in HEADINGS)
    return tuple((title, commands) for title, commands in here if commands)


def help_text(pack: Pack, place: str, *, every: bool) -> str:
    """Return the answer to `!help` in a place, or to `!more` (`every`): lines without markup, in each language of staff."""
    here = OFFICE if place.startswith(OFFICE) else place
    if not every:
        books = ", ".join(pack.playbooks)
        short = ((title, what.replace("{playbooks}", books)) for title, what in SHORT[here])
        other = (
            (spanish.HEADINGS[title], spanish.SHORT[what].replace("{playbooks}", books)) for title, what in SHORT[here]
        )
        return pack_notice(_pairs(short), {"es": _pairs(other)})
    headings = by_heading(here)
    lines = (f"{title}:\n{_pairs((usage(c), c.help) for c in commands)}" for title, commands in headings)
    others = (
        f"{spanish.HEADINGS[title]}:\n{_pairs((usage(c, 'es'), help_in(c, 'es')) for c in commands)}"
        for title, commands in headings
    )
    return pack_notice("\n".join(lines).replace("`", ""), {"es": "\n".join(others).replace("`", "")})


def usage(command: Command, language: str = "en") -> str:
    """Return how a command is typed, as readers of that language see it."""
    words = spanish.ARGUMENTS.get(command.name, command.arguments) if language == "es" else command.arguments
    return f"!{command.name}{' ' + words if words else ''}"


def help_in(command: Command, language: str) -> str:
    """Return what a command does, in a language of staff."""
    return spanish.COMMANDS[command.name] if language == "es" else command.help


def _pairs(rows: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"{what} — {how}" for what, how in rows)
