"""Reads commands and answers them.

Rules of this module: a command is a message that begins with `!`; `decide` reads each message once and passes the result
on; an answer is a notice that disappears after a while. Who may say a command, and which function does it, is in
`dispatch`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final, TypeVar

from bot.commands.spec import COMMANDS, Command
from bot.model.actions import OFFICE, THREAD, Action, DeliveryReceipt, RedactMessage, SendMessage, ShowReceipt
from bot.model.desk import Desk, Facts, Thread
from bot.model.events import Content, MessageSent, ReactionAdded, Relation, TimerDue
from bot.model.feature import Step
from bot.model.transactional_actions import SetTimer
from bot.wording.notice import notice_of
from policies.pack import Pack

A = TypeVar("A", Thread, Desk)

COMMANDS_BY_NAME: Final = {name: command for command in COMMANDS for name in command.names}
"""Each command by each of its names."""
BLANKS: Final = (
    "".join(chr(n) for n in range(0x3001) if chr(n).isspace() or unicodedata.category(chr(n)) == "Cf")
    + "\ufeff\u115f\u1160\u2800\u3164\uffa0"
)
"""Characters that may stand before a mark without being seen: spaces, empty letters, and marks that some keyboards add."""
OTHER_MARKS: Final = ("\u00a1", "\uff01")
STOP_SIGN: Final = "\U0001f6d1"
"""The picture that stops the phone, as a tap on a message or as one."""
WRONG_MARK: Final = re.compile(
    r"(?!//)(?:[/\\.#?\uff0f\uff3c\u01c3\u203c\u2049\u2755\u2757\ufe0f]{1,3}[ \t]?|1{1,3})(?=unsafe\b)", re.IGNORECASE
)
"""What people type, or a keyboard makes of it, in place of the mark before the command that only stops."""
ANSWER_TTL: Final = 600.0
"""Seconds after which an answer in an office disappears."""
ANSWER_TIMER: Final = "fade:"
CODEWORD_COMMANDS: Final = ("codeword", "forgetword", "verify")
"""The commands about codewords, without their hyphens; none of them takes arguments."""
CODEWORD_ALIASES: Final = frozenset(
    {
        *("code", "word", "password", "safeword", "duress", "duressword"),
        *("palabra", "clave", "contraseña", "contrasena", "coaccion", "coacción", "palabraclave", "palabraacordada"),
    }
)
"""Other names that people use for `!codeword`."""
SIMILARITY: Final = 0.8
MOST_LOOKED_AT: Final = 100
"""Letters behind a mark in which such words are looked for."""
STOPS: Final = "unsafe"
"""The command that only stops: words similar to it count as it."""
MUTES: Final = ("stopped", "block")
"""Other commands about the phone, which count also in the room of a conversation that has just ended."""
STEP_BACK: Final = re.compile(r"different(?![\w-])[.,;!]?\s*(:?)\s*", re.IGNORECASE)
"""The name behind `!say` that is `!different` itself: that command also stops what has not left."""
STOP_WORDS: Final = frozenset({"danger", "notsafe", "panic", "peligro", "insegura", "inseguro", "noessegura", "noesseguro"})
"""Other names that people use for `STOPS`."""
SAY_UNSAFE: Final = re.compile(
    r"(?:(?:its?|s?hes?|the|this|her|his|phone|is|ya|el|la|su|telefono|linea) )*"
    r"(?:(?:not?|isnt)(?: es| esta)? (?:safe|segur[oa])|(?:in|en) (?:danger|peligro))\b"
)
"""The same in several words: "no segura", "its not safe", "ya no es seguro", "en peligro"."""
PICTURE_STYLE: Final = "\ufe0e\ufe0f"
FINAL: Final = " .,;!?\u2026\u3002\uff01\uff0c\uff0e\uff1f"
"""Punctuation that keyboards and habits put behind a command."""
UNKNOWN_MEMBER: Final = notice_of("parser.that_is_nobody_at_the")
REPLIES: Final = (Relation.TEXTER_REPLY, Relation.OTHER_REPLY)


@dataclass(frozen=True, slots=True)
class ParsedCommand:
    """A message that begins with `!`, parsed. `command` is None when there is no such command.

    `name` is the name, or other name, of the command under which it was said; empty when there is no such command.
    `arguments` has one space between words; `words` is what was typed behind the command, with its line breaks. `colon`: a
    colon stood between the two.
    """

    word: str = field(repr=False)
    arguments: str = field(repr=False)
    command: Command | None
    words: str = field(default="", repr=False)
    colon: bool = False
    name: str = ""

    @property
    def asks(self) -> bool:
        """Whether it ends as a question does: a question never lifts or releases anything ("!safe?")."""
        return (self.words or self.word).rstrip().endswith(("?", "\uff1f"))


def parse(body: str) -> ParsedCommand | None:
    """Read a message as a command; None when it is not meant as one.

    Case, the width of letters, and punctuation behind a command or its arguments make no difference. A word that resembles
    the command that only stops counts as that command; any other near miss is suggested, never guessed.
    """
    stripped = body.strip().lstrip(BLANKS)
    if stripped.startswith(STOP_SIGN):
        stripped = f"!{STOPS} {stripped[1:].lstrip(PICTURE_STYLE)}"
    stripped = WRONG_MARK.sub("!", stripped, count=1) if WRONG_MARK.match(stripped) else stripped
    mark = stripped[:1]
    word, colon, words = _split_command(stripped[1:])
    name = _normalized_name(word)
    command = COMMANDS_BY_NAME.get(name)
    if name == "say" and (step_back := STEP_BACK.match(words)) is not None:
        name, colon, words = "different", step_back[1] != "", words[step_back.end() :]
    if command is None and mark in ("!", *OTHER_MARKS) and _is_like_stop(word, words):
        name, command = STOPS, COMMANDS_BY_NAME[STOPS]
    # The inverted mark opens a sentence for the texter too: `plain_stop` reads what stands behind that one.
    if command is None and mark in ("!", "\uff01") and _says_unsafe(stripped[1:]):
        name, command = STOPS, COMMANDS_BY_NAME[STOPS]
    if mark == "\u00a1" and command is not None and name != STOPS:
        # Another mark before a command's name: a near miss like any other, and never words for a phone.
        return ParsedCommand(word, " ".join(words.split()), None)
    if mark != "!" and (mark not in OTHER_MARKS or command is None):
        return None
    arguments = " ".join(unicodedata.normalize("NFKC", words).split()).rstrip(FINAL)
    return ParsedCommand(word, arguments, command, words, colon, name if command is not None else "")


def is_taken(event: MessageSent) -> bool:
    """Tell whether a command of this message is accepted: it is new or a reply, and is text."""
    return event.relation not in (Relation.THREAD, Relation.EDIT) and event.content is Content.TEXT


def names_a_word(body: str) -> bool:
    """Tell whether words stand behind a command about codewords, or behind what was meant as one.

    They may be the codeword. New message, edit, reply or file makes no difference: it is in a room.
    """
    body = body.lstrip(BLANKS)
    if (mark := re.match(r"[!/\u00a1\uff01]+", body)) is None:
        return False
    said = re.findall(r"[^\W_]+", body[mark.end() :].casefold())
    heads = ("".join(said[:n]) for n in (1, 2) if len(said) > n)
    return any(
        head in CODEWORD_ALIASES or get_close_matches(head, CODEWORD_COMMANDS, n=1, cutoff=SIMILARITY) for head in heads
    )


def named_thread(arguments: str, designations: Iterable[str]) -> str:
    """Return the designation with which the words behind a command begin; empty when they begin with none."""
    said = re.findall(r"\w+", arguments.casefold())
    return next((name for name in designations if name and said[: len(name.split())] == name.split()), "")


def remove_answer(pack: Pack, facts: Facts, aggregate: A, event: TimerDue) -> Step[A]:
    """Redact an answer whose time is over."""
    if not event.key.startswith(ANSWER_TIMER):
        return Step(aggregate)
    place, _, ref = event.key.removeprefix(ANSWER_TIMER).partition("|")
    return Step(aggregate, (RedactMessage(place=place, ref=ref),), consumed=True)


def answer(facts: Facts, event: MessageSent | ReactionAdded, body: str, *, formatted: bool = False) -> tuple[Action, ...]:
    """Answer a person's message, or their tap, with a notice.

    In an office it disappears after a while; elsewhere it expires with the room's other messages, and leaves no "deleted"
    line behind.
    """
    reply_to = ""
    if isinstance(event, MessageSent):
        reply_to = event.target if event.relation is Relation.EDIT else event.event_id
    said = SendMessage(place=event.place, body=body, reply_to=reply_to, ref=answer_ref(event), formatted=formatted)
    return (said, _answer_timer(facts, event)) if event.place.startswith(OFFICE) else (said,)


def answer_ref(event: MessageSent | ReactionAdded) -> str:
    """Return the ref of the answer to a message or a tap."""
    return f"answer:{event.event_id}"


def _answer_timer(facts: Facts, event: MessageSent | ReactionAdded) -> SetTimer:
    """Return the timer that redacts the answer to a message or a tap after a while."""
    return SetTimer(key=f"{ANSWER_TIMER}{event.place}|{answer_ref(event)}", due=facts.now + ANSWER_TTL)


def mark_as_note(event: MessageSent) -> ShowReceipt:
    """Mark a command in a thread's room as a note, which it is for the phone."""
    return ShowReceipt(place=THREAD, event_id=event.event_id, receipt=DeliveryReceipt.NOTE)


def answer_as_note(facts: Facts, thread: Thread, event: MessageSent, body: str, *, formatted: bool = False) -> Step[Thread]:
    """Answer a command in a thread's room, mark it as a note, and do nothing else for it."""
    return Step(thread, (mark_as_note(event), *answer(facts, event, body, formatted=formatted)), consumed=True)


def find_member(facts: Facts, event: MessageSent, word: str) -> str | None:
    """Return the member of the desk that a command names: by Matrix id, by an unambiguous name, or by mention.

    The typed name wins. Clients mention the person whom a reply answers, so the mention in a reply names nobody. A mention
    in another message counts when the word is a display name, and contradicts the word when it is another person's name.
    """
    users = [member.user for member in facts.roster]
    word = word.rstrip(",;.!?")
    if word in users:
        return word
    named = () if event.relation in REPLIES else tuple(user for user in event.mentioned_users if user in users)
    alike = [user for user in users if user.partition(":")[0] == f"@{word.casefold().removeprefix('@')}"]
    if alike:
        meant = [user for user in alike if not named or user in named]
        return meant[0] if len(meant) == 1 else None
    return named[0] if len(named) == 1 and not word.startswith("@") else None


def _split_command(said: str) -> tuple[str, bool, str]:
    """Return the first word, whether a colon stands behind it, and the rest. Only a command's name loses its colon."""
    word, *rest = said.split(maxsplit=1) or [""]
    head, colon, _ = word.partition(":")
    if colon and _normalized_name(head) in COMMANDS_BY_NAME:
        return head, True, said.lstrip().removeprefix(f"{head}:").lstrip()
    return word, False, rest[0] if rest else ""


def _normalized_name(word: str) -> str:
    """Return a word in the form of command names: lower case, usual width, without punctuation behind it."""
    return unicodedata.normalize("NFKC", word).casefold().rstrip(FINAL)


def _is_like_stop(word: str, words: str) -> bool:
    """Tell whether an unknown command was meant to stop the phone: "!unsfe", "!un safe", "!danger"."""
    first, second = (re.sub(r"[\W_]+", "", _normalized_name(each)) for each in (word, (words.split(maxsplit=1) or [""])[0]))
    said = [first, first + second] if first else []
    return any(each in STOP_WORDS or get_close_matches(each, (STOPS,), n=1, cutoff=SIMILARITY) for each in said)


def _says_unsafe(said: str) -> bool:
    """Tell whether the words behind a mark begin with words of `SAY_UNSAFE`, whatever their accents and punctuation."""
    letters = unicodedata.normalize("NFKD", said[:MOST_LOOKED_AT].casefold())
    plain = "".join(c for c in letters if not unicodedata.combining(c) and c not in "'\u2019")
    return SAY_UNSAFE.match(" ".join(re.findall(r"[^\W_]+", plain))) is not None
