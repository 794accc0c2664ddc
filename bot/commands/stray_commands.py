"""Words that were probably meant for the software or as a note, and would otherwise leave for the phone.

Rules of this module: no state. A wrong match is better than a missed one, because it only causes a question to the author
(`bot.guard`). But what people say to a texter every day must pass: a command's name that is an everyday word counts alone
only.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from bot.commands import plain_stop
from bot.commands.canned_texts import ALSO
from bot.commands.parser import COMMANDS_BY_NAME, STOPS
from bot.commands.spec import arguments_of
from policies.confusables import skeleton
from policies.pack import TextName

TAPS: Final = {"\u270b": "claim", "\u2705": "accept", "\u274c": "decline"}
"""Taps that were sent as a message, and the commands that they are as reactions."""
ONLY_COMMANDS: Final = frozenset(
    {"escalate", "transfer", "tally", "recap", "redact", "unlock", "unhold", "debrief", "codeword", "reveal"}
    | {"playbook", "subpoena", "audit"}
)
"""Names of commands with which nobody begins a message to a texter, whatever follows."""
NOTES: Final = frozenset({"note", "notes", "nota", "notas", "nb", "fyi", "internal", "interno", "interna"})
"""What a person writes before a note, with a colon or a dash."""
OTHER_NAMES: Final = {
    word: name
    for name, words in (
        ("limits", "limites"),
        ("options", "opciones"),
        ("tips", "consejos"),
        ("rights", "derechos"),
        ("transfer", "transferir transfiere pasar entregar ceder handover handoff"),
        ("release", "soltar liberar devolver"),
        ("claim", "reclamar atender"),
        ("close", "cerrar terminar acabar"),
        ("escalate", "escalar escala supervisor supervisora supervision"),
        ("status", "estado"),
        ("board", "tablero"),
        ("playbook", "protocolo"),
        ("codeword", "clave password"),
        ("redact", "undo unsend deshacer borrar retirar eliminar"),
        ("with", "interprete interpreter translator"),
        ("say", "closing greeting unavailable"),
    )
    for word in words.split()
}
"""Other names of commands, in Spanish or English, that nobody says alone to a texter; lower case, without accents."""
CLICK: Final = "\u01c3"
"""A letter that looks like the exclamation mark."""
TEXT_NAMES: Final = frozenset({*(name.value for name in TextName), *ALSO})
MOST_LOOKED_AT: Final = 5_000
"""Characters of a message that are examined; a message of this length never goes to a phone."""
_WORD: Final = re.compile(r"[^\W_]+(?:[-_][^\W_]+)*")
_NOTE: Final = re.compile(r"\W*(\w+)\s*(?:[:\u2013\u2014\])]|-\s)")
_ASIDE: Final = re.compile(
    r"\s*(?:\\|[(\[].*\b(?:she|shes|he|hes|her|him|they|ella|el|la usuaria)\b.*[)\]]\s*\Z)", re.DOTALL
)
"""Words about a person that are in brackets as a whole, and words behind the backslash."""
POINTED: Final = frozenset({"please", "pls", "plz", "this", "it", "por", "favor", "esto", "esta", "este"})
"""Words that people put behind a command that they ask for: with them, its name is no everyday word."""
_ABOUT_HER: Final = re.compile(r"\b(?:she|shes|her|ella)\b")
_SHIFT_MISSED: Final = re.compile(r"^1+(?=[^\W\d_])")
"""The key of the exclamation mark without Shift."""
_INSIDE: Final = re.compile(r"(?:\s|^)(?:(?P<note>//+)(?=[^\s/])|(?P<spaced>//+)\s|[!\u00a1\uff01](?P<name>[^\W_][\w-]*))")


def bare_command(body: str) -> str | None:
    """Return the command that a message is without its mark ("limits", "close now", "1unsafe"), or None."""
    plain = unicodedata.normalize("NFKC", body[:MOST_LOOKED_AT]).casefold().replace(CLICK, " ")
    if (tap := TAPS.get(re.sub("[\\s\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]", "", plain))) is not None:
        return tap
    if (said := _WORD.findall(plain)) == []:
        return None
    first = _SHIFT_MISSED.sub("", said[0])
    noted = _NOTE.match(plain)
    if (noted is not None and noted[1] in NOTES) or (first in NOTES and _ABOUT_HER.search(plain)) or _ASIDE.match(plain):
        return "note"
    if first == STOPS or (first not in COMMANDS_BY_NAME and plain_stop.is_certain_stop(skeleton(plain))):
        return STOPS
    if first not in COMMANDS_BY_NAME:
        alone = "?" not in plain and {*said[1:]} <= POINTED
        return OTHER_NAMES.get(skeleton(first)) if alone else None
    fixed = set(re.findall(r"[a-z0-9]+", arguments_of(first))) | (TEXT_NAMES if first == "say" else set())
    alone = set(said[1:]) <= fixed | POINTED and len(said) <= 2
    return first if first in ONLY_COMMANDS or first != said[0] or alone else None


def inner_command(body: str) -> str | None:
    """Return the command, or the mark of a note, that is inside a message and has no effect there, or None."""
    for match in _INSIDE.finditer(body[:MOST_LOOKED_AT]):
        if match["name"] is None:
            return "//"
        if (name := unicodedata.normalize("NFKC", match["name"]).casefold()) in COMMANDS_BY_NAME:
            return f"!{name}"
    return None


def likely_command(body: str) -> str | None:
    """Return the command that a message is, or may be, without its mark; None when the words are for the texter."""
    if (command := bare_command(body)) is not None:
        return command
    return STOPS if plain_stop.is_possible_stop(skeleton(body[:MOST_LOOKED_AT]).casefold()) else None


def may_mean_stop(body: str) -> bool:
    """Tell whether a message may be meant for the command that stops the phone, without its mark or inside other words."""
    return likely_command(body) == STOPS or inner_command(body) == f"!{STOPS}"
