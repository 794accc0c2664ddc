"""`!help` and `!more`: the commands of a place, by what a person wants to do.

Rules of this module: `!help` has at most seven lines, and each begins with what the reader wants to do. `!more` has every
command of the place once, under exactly one heading (a test compares the table with the registry). No line invites words
("Say something"): in a thread's room they would go to the phone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from bot.commands.spec import COMMANDS, arguments_of, help_of
from bot.model.actions import DESK, OFFICE, THREAD
from bot.wording.catalogue import ENGLISH
from bot.wording.notice import join_notices, notice_of
from policies.pack import Pack

HEADINGS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("heading.take_somebody_who_waits", ("claim", "board", "on", "off", "languages", "listen")),
    (
        "heading.to_the_phone",
        ("say", "limits", "options", "tips", "rights", "clarify", "later", "again", "anyway", "long", "reply", "text"),
    ),
    ("heading.a_note_for_the_room", ("note", "agreed", "told", "tally")),
    (
        "heading.it_is_not_safe",
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
    ("heading.pass_it_on", ("transfer", "accept", "decline", "with", "take", "speak", "release")),
    ("heading.i_need_help", ("escalate", "playbook", "debrief", "reveal", "subpoena", "recap", "status")),
    (
        "heading.end_it",
        ("close", "reopen", "continue", "stopped", "resume", "block", "redact", "hold", "unhold", "close-rest"),
    ),
    ("heading.look_after_the_line", ("trust", "devices", "signout", "outage", "time", "retry", "audit")),
    ("heading.practise", ("drill", "quiet")),
    ("heading.in_which_language", ("lang",)),
    ("heading.all_commands", ("help", "more")),
)
"""Every command by what a person wants to do, in the order of `!more` and the page of commands."""
SHORT: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    THREAD: (
        ("heading.to_the_phone", "short.to_the_phone"),
        ("heading.a_note_for_the_room", "short.a_note_for_the_room"),
        ("heading.it_is_not_safe", "short.it_is_not_safe"),
        ("heading.pass_it_on", "short.pass_it_on"),
        ("heading.i_need_help", "short.i_need_help"),
        ("heading.end_it", "short.end_it"),
        ("heading.anything_else", "short.anything_else"),
    ),
    DESK: (
        ("heading.take_somebody_who_waits", "short.take_somebody_who_waits"),
        ("heading.see_how_it_stands", "short.see_how_it_stands"),
        ("heading.come_and_go", "short.come_and_go"),
        ("heading.a_device_or_an_identity", "short.a_device_or_an_identity"),
        ("heading.texts_do_not_work", "short.texts_do_not_work"),
        ("heading.i_need_help", "short.i_need_help_2"),
        ("heading.anything_else", "short.anything_else_2"),
    ),
    OFFICE: (
        ("heading.text_somebody_first_who_asked_for_it", "short.text_somebody_first_who_asked_for_it"),
        ("heading.practise_on_a_rehearsal_line", "short.practise_on_a_rehearsal_line"),
        ("heading.anything_else", "short.anything_else_2"),
    ),
}
"""The lines of `!help` in a place: what a person wants to do, and how."""
NOT_HERE: Final = {
    THREAD: frozenset({"on", "languages", "board"}),
    DESK: frozenset({"status"}),
    OFFICE: frozenset({"subpoena"}),
}
"""Names that are not listed in a place where their command has another name or refuses them."""


def by_heading(place: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the names of commands of a place under their headings, without empty headings."""
    here = {name for command in COMMANDS if place in command.places for name in command.names} - NOT_HERE.get(
        place, frozenset()
    )
    listed = ((title, tuple(name for name in names if name in here)) for title, names in HEADINGS)
    return tuple((title, names) for title, names in listed if names)


def help_text(pack: Pack, place: str, *, every: bool) -> str:
    """Return the answer to `!help` in a place, or to `!more` (`every`): lines without markup, in each language of staff."""
    here = OFFICE if place.startswith(OFFICE) else place
    if not every:
        books = ", ".join(pack.playbooks)
        return _pairs((notice_of(title), _short(what, books)) for title, what in SHORT[here])
    return join_notices(
        "\n",
        (notice_of(title) + ":\n" + _pairs((usage(n), help_of(n)) for n in names) for title, names in by_heading(here)),
    )


def usage(name: str) -> str:
    """Return how a command is typed: a notice."""
    return f"!{name} " + words if (words := arguments_of(name)) else f"!{name}"


def _short(key: str, books: str) -> str:
    return notice_of(key, playbooks=books) if "{playbooks}" in ENGLISH[key] else notice_of(key)


def _pairs(rows: Iterable[tuple[str, str]]) -> str:
    return join_notices("\n", (join_notices(" — ", row) for row in rows))
