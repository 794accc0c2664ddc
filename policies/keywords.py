"""What a whole message means before anybody reads it: STOP, START, a language; or that no person wrote it.

Rules of this module: a keyword is the whole message or nothing ("please stop him" is not STOP), and what only looks like a
machine's message is taken for a person's. The price of a wrong "no" is a greeting too many; of a wrong "yes", a survivor
who is not greeted.
"""

from __future__ import annotations

import re
import unicodedata
from enum import Enum, unique

from policies.pack import Pack

FINAL = " .!?…,;:"
OPENING = " ¡¿"
_STRAIGHT = str.maketrans({"\u2019": "'", "\u2013": "-", "\u2014": "-"})


@unique
class Keyword(Enum):
    """What a message that is nothing but a keyword asks for."""

    STOP = "stop"
    START = "start"


def plain(text: str) -> str:
    """Return a message as keywords are compared: case, outer spaces and final punctuation gone, spaces within made one."""
    return " ".join(text.split()).casefold().rstrip(FINAL).lstrip(OPENING)


def words(text: str) -> str:
    """Return a text as plain words with one space between them: no case, accents, punctuation or invisible letters."""
    apart = unicodedata.normalize("NFKD", text.translate(_STRAIGHT).replace("'", ""))
    seen = "".join(c for c in apart if not unicodedata.combining(c) and unicodedata.category(c) != "Cf")
    return " ".join(re.findall(r"[^\W_]+", seen.casefold()))


def reading(text: str, pack: Pack) -> Keyword | None:
    """Return the keyword that the whole message is, in any of the languages of the pack; None for everything else."""
    word = plain(text)
    if word in pack.keywords.stop:
        return Keyword.STOP
    if word in pack.keywords.start:
        return Keyword.START
    return None


def language_asked(text: str, pack: Pack) -> str | None:
    """Return the language that the whole message asks for (the greeting offers "Español: ES"), or None."""
    return pack.keywords.language.get(plain(text))


# A phone that cannot show a reaction turns it into a text: a fixed phrase, then all of the earlier words in quotes, or the
# kind of thing that was reacted to. iOS writes the phrases; Android writes an emoji and "to". Invisible marks go first.
_INVISIBLE = re.compile("[\u200a-\u200f\u202a-\u202e\u2060-\u2069\ufe0e\ufe0f\ufeff]")
_QUOTED = r'(?:“.*”|".*"|«.*»|„.*“)'
_SYMBOLS = r"[^\w\s\"“«]{1,12}"
_WHAT_EN = (
    rf"(?:{_QUOTED}|an? (?:image|photo|picture|movie|video|message|audio message|voice message|attachment|sticker|link"
    r"|contact|location))"
)
_WHAT_ES = (
    rf"(?:{_QUOTED}|una? (?:imagen|foto|fotografía|película|video|vídeo|mensaje|mensaje de audio|mensaje de voz"
    r"|nota de voz|archivo adjunto|adjunto|sticker|enlace|contacto|ubicación))"
)
_LIKED_ES = (
    r"(?:(?:no )?le (?:gustó|gusta|encantó|encanta)|(?:se )?(?:rió|ríe) (?:de|con)|le dio risa|enfatizó|destacó"
    r"|exclamó(?: con)?|cuestionó|preguntó por)"
)
_MARK_EN = rf"(?:like|heart|dislike|laugh|exclamation(?: mark| point)?|question mark|{_SYMBOLS})"
_TAPBACKS = (
    rf"(?:liked|loved|disliked|laughed at|emphasi[sz]ed|questioned) {_WHAT_EN}",
    rf"removed an? {_MARK_EN} from {_WHAT_EN}",
    rf"reacted (?:{_SYMBOLS}|with a sticker) to {_WHAT_EN}",
    rf"{_SYMBOLS} to {_QUOTED}",
    rf"{_LIKED_ES} {_WHAT_ES}",
    rf"(?:quitó|eliminó) (?:un|una|el|la) [\w ]{{3,30}} (?:de|en) {_WHAT_ES}",
    rf"reaccionó (?:con )?(?:{_SYMBOLS}|un sticker) a {_WHAT_ES}",
    rf"{_SYMBOLS} a {_QUOTED}",
)
_TAPBACK = re.compile("|".join(f"(?:{phrase})" for phrase in _TAPBACKS), re.IGNORECASE | re.DOTALL)


def is_tapback(text: str) -> bool:
    """Tell whether a message is a reaction that a phone spelled out (Liked “…”), in English or Spanish."""
    return _TAPBACK.fullmatch(_INVISIBLE.sub("", text).strip()) is not None


# What phones and mail programs send by themselves. Sentences that a person could write as well ("I'm out of the office,
# can I text you?") are not among them; of "I'm driving" only the bare words that cars send, with nothing of one's own.
_LABEL = (
    r"(?:auto(?:matic|mated)?[ -]?(?:reply|response|responder|message)|out of office(?: auto(?:matic)?[ -]?reply)?"
    r"|(?:respuesta|contestación|mensaje) automátic[ao]|fuera de (?:la )?oficina)"
)
_THANKS = r"(?:thanks|thank you) for (?:your (?:message|text|email|e-mail|call)|contacting|reaching out|getting in touch)"
_NOT_NOW = r"(?: (?:i |and )?(?:can't|cannot|can not) (?:talk|text|reply|respond|answer)(?: right now| now)?[.!]?)?"
_LATER = (
    r"(?: (?:i'll |i will )(?:call|text|reply|respond|answer|get back)(?: to)?(?: you)?(?: back)?"
    r"(?: later| soon| when i can| when i stop| when i arrive| when i get there)?[.!]?)?"
)
_LATER_ES = r"(?: te (?:llamo|llamaré|escribo|escribiré|respondo|responderé|contesto|contestaré)(?: luego| después)?[.!]?)?"
_AUTOMATICS = (
    rf"[\[(]{_LABEL}[\])].*",
    rf"{_LABEL}(?: ?[:-].*|[.!]?)",
    r"this is an? auto(?:matic|mated)?[ -]?(?:reply|response|message)\b.*",
    r"est[ea] es una? (?:respuesta|mensaje) automátic[ao]\b.*",
    rf"{_THANKS}[^?]*\bout of (?:the )?office\b[^?]*",
    r"i'm driving with (?:do not disturb|(?:the )?driving focus)\b.*",
    r"\(?i'm not receiving notifications\. if this is urgent\b.*",
    r"\(?no estoy recibiendo notificaciones\. si es urgente\b.*",
    rf"(?:i'm|i am) (?:currently )?driving(?: right now| now| at the moment)?[.!]?{_NOT_NOW}{_LATER}",
    r"(?:estoy|voy) (?:conduciendo|manejando) con (?:la |el )?(?:opción |modo |función )?[“\"«]?no molestar\b.*",
    rf"(?:estoy|voy) (?:conduciendo|manejando)(?: ahora| en este momento)?[.!]?{_LATER_ES}",
)
_AUTOMATIC = re.compile("|".join(f"(?:{phrase})" for phrase in _AUTOMATICS), re.IGNORECASE | re.DOTALL)
_STRAIGHT = str.maketrans({"\u2019": "'", "\u2013": "-", "\u2014": "-"})


def is_automatic_reply(text: str) -> bool:
    """Tell whether a machine wrote the whole message (a car's "I'm driving", an absence note). In doubt: no."""
    return _AUTOMATIC.fullmatch(" ".join(text.translate(_STRAIGHT).split())) is not None
