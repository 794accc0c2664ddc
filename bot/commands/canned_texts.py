"""The agency's own texts, which an advocate sends by `!say`, `!limits`, `!tips` and the other commands for texts.

Rules of this module: all these commands work alike. They send the pack's words in the texter's language, or the advocate's
own words after `!say name: words`. Words behind a command without that form count as a reason, which is for the room: then
nothing is sent. `!different` takes no words at all. Texts that only the line itself may send are not among them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from bot.commands.parser import COMMANDS_BY_NAME, ParsedCommand
from bot.model.desk import Facts, Thread
from bot.wording.notice import notice_of
from policies.hours import open_at, opening_text, waiting_text
from policies.pack import Pack, TextName

TEXT_COMMANDS: Final = {
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
PHONE_TIPS: Final = {"iphone": TextName.TIPS_IPHONE, "android": TextName.TIPS_ANDROID}
COMMANDS: Final = ("say", "tips", *TEXT_COMMANDS)
ALSO: Final = {**TEXT_COMMANDS, "tips": TextName.DEVICE}
"""Texts that `!say` knows by their command as well as by their name."""
EDITED: Final = frozenset({"limits", "options", "rights", "clarify", "tips"})
"""Commands that become own words by an edit with a colon. Behind the others a colon may stand before a reason."""
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
"""Texts that only the line sends: after a STOP, in a check of the codeword, under duress."""


OPEN_NOW: Final = notice_of("canned_texts.the_line_is_open_now")
ALONE: Final = notice_of("canned_texts.different_takes_no_words_say")


@dataclass(frozen=True, slots=True, kw_only=True)
class CannedText:
    """The text that a command sends. `name`: of the text; `own`: in the advocate's words and not the pack's."""

    name: str
    body: str = field(repr=False)
    own: bool = False

    @property
    def stands_for(self) -> str:
        """The text that counts as told once this left; own words count as none, whatever text they replace."""
        return "" if self.own else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class CannedTextRefusal:
    """A command for a text that sends nothing. `why` tells a person what to say instead."""

    why: str


def is_shown_on_card(thread: Thread, text: CannedText) -> bool:
    """Tell whether the card, which is in the room, shows these words by their command: the limits, until they are told."""
    return text.name == TextName.LIMITS and not text.own and bool(thread.assignment.epoch) and not thread.flags.limits


def known_names(pack: Pack) -> tuple[str, ...]:
    """Return the names that `!say` knows: the base pack's texts, then the agency's own."""
    return (*(name.value for name in TextName if name not in NOT_BY_HAND), *pack.canned)


def read(
    pack: Pack, facts: Facts, thread: Thread, command: ParsedCommand, *, edit: bool = False
) -> CannedText | CannedTextRefusal:
    """Return the text of one of these commands (its name is in `COMMANDS`). `edit`: it changes an earlier message."""
    name, said = command.name, command.words.strip()
    if name == "say":
        return _say(pack, facts, thread, said)
    if not said and not command.colon:
        return _of(pack, facts, thread, ALSO[name])
    if name == "tips" and not command.colon and said.casefold() in PHONE_TIPS:
        return _of(pack, facts, thread, PHONE_TIPS[said.casefold()])
    if said and edit and command.colon and name in EDITED:
        return _of(pack, facts, thread, ALSO[name], said)
    if name == "different":
        return CannedTextRefusal(why=ALONE)
    return CannedTextRefusal(why=notice_of("canned_texts.no_words_are_taken_behind", name=name))


def resolve(pack: Pack, command: ParsedCommand | None) -> ParsedCommand | None:
    """Return `!say NAME` for a message that is `!NAME`, with the name of a text that may be said by hand."""
    if command is None or command.command is not None or command.word.casefold() in COMMANDS_BY_NAME:
        return command  # behind another mark, a command's name is a near miss
    if (name := name_of(pack, command.word)) is None:
        return command
    words = f"{name} {command.words}".strip()
    return replace(command, command=COMMANDS_BY_NAME["say"], name="say", words=words, arguments=words)


def _say(pack: Pack, facts: Facts, thread: Thread, said: str) -> CannedText | CannedTextRefusal:
    """Return the text of `!say`: a name alone, or a name, a colon and own words."""
    head, colon, own = said.partition(":")
    word = (said.split(maxsplit=1) or [""])[0]
    name = _name_or_synonym(pack, head.strip()) if colon else _name_or_synonym(pack, said)
    if name is None and (loose := _name_or_synonym(pack, word.partition(":")[0])) is None:
        return CannedTextRefusal(
            why=notice_of("canned_texts.no_text_has_that_name", known_names=", ".join(known_names(pack)))
        )
    if name is None:
        return CannedTextRefusal(why=notice_of("canned_texts.say_takes_words_of_your", loose=loose))
    if not colon and name == TextName.AFTER_HOURS and open_at(pack.hours, facts.wall_clock):
        return CannedTextRefusal(why=OPEN_NOW)
    if not colon:
        return _of(pack, facts, thread, name)
    own = own.strip()
    return (
        _of(pack, facts, thread, name, own)
        if own
        else CannedTextRefusal(why=notice_of("canned_texts.no_words_stand_behind_the"))
    )


def _of(pack: Pack, facts: Facts, thread: Thread, name: str, own: str = "") -> CannedText:
    words = wording(pack, facts, thread, name)
    return CannedText(name=str(name), body=own or words, own=own not in ("", words))


def _name_or_synonym(pack: Pack, word: str) -> str | None:
    return name_of(pack, word) or ALSO.get(word.casefold())


def name_of(pack: Pack, word: str) -> str | None:
    """Return the name of the text that a word means, in any case and however it is joined; None if there is none."""
    name = word.casefold().replace("-", "_")
    return next((known for known in known_names(pack) if known.replace("-", "_") == name), None)


def exists(pack: Pack, name: str) -> bool:
    """Whether the agency has a text of that name: a text chosen in an earlier conversation may be gone from its packs."""
    return name in pack.canned or name in {known.value for known in TextName}


def wording(pack: Pack, facts: Facts, thread: Thread, name: str) -> str:
    """Return the pack's words of a text, in the texter's language.

    When the line opens again is said only while it is closed; how long an answer takes only as measured here.
    """
    language, now = thread.consent.language, facts.wall_clock
    if language not in pack.languages:  # it was taken out of the pack: not half of a text in each of two languages
        language = pack.languages[0]
    opens = None if open_at(pack.hours, now) else opening_text(pack.hours, now, language)
    return pack.say(name, language, opens=opens, wait=waiting_text(facts.usual_wait, language))
