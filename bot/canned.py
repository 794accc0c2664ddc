"""The agency's own texts at an advocate's hand: what `!say`, `!limits`, `!tips` and the other commands for texts say.

Rules of this module: one way for all of them: the pack's words, or the advocate's own instead of them, in the texter's
language; what only the line itself may say, and when, is not among them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from bot.commands import parse
from bot.model import Facts, Thread
from policies.hours import opens
from policies.pack import Pack, TextName

SHORT: Final = {
    "limits": TextName.LIMITS,
    "options": TextName.OPTIONS,
    "rights": TextName.RIGHTS,
    "clarify": TextName.CLARIFY,
    "later": TextName.LATER,
    "switch": TextName.SWITCH,
    "urgent": TextName.URGENT,
    "different": TextName.DIFFERENT,
    "safecheck": TextName.SAFE_CHECK,
}
"""Texts that have a command of their own."""
PHONES: Final = {"iphone": TextName.TIPS_IPHONE, "android": TextName.TIPS_ANDROID}
COMMANDS: Final = ("say", "tips", *SHORT)
NOT_BY_HAND: Final = frozenset(
    {
        TextName.STOP,
        TextName.CHALLENGE,
        TextName.VERIFIED,
        TextName.UNVERIFIED,
        TextName.COVER_1,
        TextName.COVER_2,
        TextName.COVER_3,
    }
)
"""Texts that have their own moment: after a STOP, in a check of the agreed word, under duress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Canned:
    """What a command says to the phone. `name` is the text's; `own`: in the advocate's words and not the pack's."""

    name: str
    body: str = field(repr=False)
    own: bool = False


def names(pack: Pack) -> tuple[str, ...]:
    """Return what `!say` knows: the house's texts, then the agency's own."""
    return (*(name.value for name in TextName if name not in NOT_BY_HAND), *pack.canned)


def read(pack: Pack, facts: Facts, thread: Thread, body: str) -> Canned | None:
    """Return what a message says as one of these commands; None when it is none, or names no text."""
    parsed = parse(body)
    if parsed is None or parsed.command is None:
        return None
    command, own = parsed.command.name, parsed.words
    name: str | None = SHORT.get(command)
    first, rest = (*own.split(maxsplit=1), "", "")[:2]
    if command == "say":
        name, own = named(pack, first), rest
    elif command == "tips":
        name, own = (PHONES[first.casefold()], rest) if first.casefold() in PHONES else (TextName.DEVICE, own)
    if name is None:
        return None
    words = wording(pack, facts, thread, name)
    own = own.strip()
    return Canned(name=str(name), body=own or words, own=own not in ("", words))


def named(pack: Pack, word: str) -> str | None:
    """Return the name of the text that a word means, however it is cased and joined; None if there is none."""
    name = word.casefold().replace("-", "_")
    return next((known for known in names(pack) if known.replace("-", "_") == name), None)


def stands(pack: Pack, name: str) -> bool:
    """Whether the agency has a text of that name: what was chosen in an earlier conversation may be gone from its packs."""
    return name in pack.canned or name in {known.value for known in TextName}


def wording(pack: Pack, facts: Facts, thread: Thread, name: str) -> str:
    """Return the pack's words of a text, in the texter's language."""
    language = thread.consent.language
    return pack.say(name, language, opens=opens(pack.hours, facts.clock, language))
