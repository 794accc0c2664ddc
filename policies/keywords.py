"""What a whole message means before anybody reads it: STOP, START, a language; or that no person wrote it.

Rules of this module: a keyword is the whole message or nothing ("please stop him" is not STOP), and a message that only
resembles a machine's counts as a person's. A wrong "no" costs a superfluous greeting; a wrong "yes" leaves a survivor
without one. A message that looks like a wish to stop is still conversation: a person is told, and decides.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import Enum, unique

from policies.pack import ExitAction, Keywords, Pack

FINAL = " .!?…,;:\u3002"
OPENING = " ¡¿"
ASK_WHAT_THIS_IS = frozenset({"info", "information", "informacion"})
"""Plain words. A pack has them among its words for help, as carriers do; people who need help write something else."""
_STRAIGHT = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u02bc\u00b4\u0060\u2032", "'"),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
    }
)
"""What phones type in place of an apostrophe or a hyphen."""

_HYPHEN = re.compile(r"(?<=\w)-(?=\w)")

_PICTURES = re.compile("[\\s\u2190-\u2bff\ufe0e\ufe0f\U0001f000-\U0001faff]+$")
"""Arrows, symbols and emoji at the end, with what joins and colours them. Source: Unicode Technical Standard 51."""


@unique
class Meaning(Enum):
    """The meaning of a message. All but the last four are keywords, which are whole messages."""

    STOP = "stop"
    START = "start"
    LANGUAGE = "language"
    CALL = "call"
    EXIT_PARK = "exit_park"
    EXIT_ALERT = "exit_alert"
    HELP = "help"
    INFO = "info"
    """Those of the words for help that carriers want answered which ask what this is, and are no call for help."""
    TAPBACK = "tapback"
    AUTOMATIC_REPLY = "automatic_reply"
    WISH = "wish"
    """Meanings that suggest a wish for no more texts. They are conversation in everything else."""
    CONVERSATION = "conversation"


@dataclass(frozen=True, slots=True)
class MessageMeaning:
    """The meaning of a message; `language`: the one that it asks for, with `LANGUAGE` only."""

    meaning: Meaning
    language: str = ""

    @property
    def from_a_person(self) -> bool:
        """Whether a person wrote it, as far as can be told."""
        return self.meaning not in (Meaning.TAPBACK, Meaning.AUTOMATIC_REPLY)


def normalize_keyword(text: str) -> str:
    """Return a message as keywords are compared: no case, outer spaces or final punctuation, single spaces within.

    A letter with its accent counts as one character, and one that is wide or ornate as the plain one; invisible marks are
    removed, and "opt-out" is "opt out".
    """
    straight = text.translate(_STRAIGHT)
    visible_text = straight if straight.isascii() else _visible(unicodedata.normalize("NFKC", straight))
    return " ".join(_HYPHEN.sub(" ", visible_text).split()).casefold().rstrip(FINAL).lstrip(OPENING)


def _visible(text: str, *, marks: bool = True) -> str:
    return "".join(c for c in text if unicodedata.category(c) != "Cf" and (marks or not unicodedata.combining(c)))


def _without_pictures(word: str) -> str:
    """Remove the pictures behind a word ("BYE 👋")."""
    return _PICTURES.sub("", word).rstrip(FINAL)


def normalize_words(text: str) -> str:
    """Return a text as plain words with one space between them: no case, accents, punctuation or invisible letters."""
    apart = text.translate(_STRAIGHT).replace("'", "")
    # Most texts are plain ASCII, in which each letter is one and none is invisible.
    visible_text = apart if apart.isascii() else _visible(unicodedata.normalize("NFKD", apart), marks=False)
    return " ".join(re.findall(r"[^\W_]+", visible_text.casefold()))


def is_stop(pack: Pack, text: str) -> bool:
    """Tell whether a message is a STOP."""
    return normalize_keyword(text) in pack.keywords.stop


def classify(text: str, pack: Pack) -> MessageMeaning:
    """Say what a message means, in any of the languages of the pack. Total; anything else is conversation."""
    word, keywords = normalize_keyword(text), pack.keywords
    if word in keywords.stop:
        return MessageMeaning(Meaning.STOP)
    if word in keywords.start:
        return MessageMeaning(Meaning.START)
    # These are taken with a picture behind them; a STOP is not, for "stop 😂" is banter and would shut a texter out.
    # An agency's own word may be a picture, or end in one.
    if (meaning := _other_keyword(word, keywords) or _other_keyword(_without_pictures(word), keywords)) is not None:
        return meaning
    if _SOS in word and not normalize_words(text):
        return MessageMeaning(Meaning.HELP)
    if is_tapback(text):
        return MessageMeaning(Meaning.TAPBACK)
    if is_automatic_reply(text):
        return MessageMeaning(Meaning.AUTOMATIC_REPLY)
    return MessageMeaning(Meaning.WISH if _wishes_to_stop(text, pack) else Meaning.CONVERSATION)


def _other_keyword(word: str, keywords: Keywords) -> MessageMeaning | None:
    if word in keywords.language:
        return MessageMeaning(Meaning.LANGUAGE, keywords.language[word])
    if word in keywords.call:
        return MessageMeaning(Meaning.CALL)
    if word in keywords.exit:
        return MessageMeaning(Meaning.EXIT_PARK if keywords.exit[word] is ExitAction.PARK else Meaning.EXIT_ALERT)
    if word not in keywords.help:
        return None
    return MessageMeaning(Meaning.INFO if normalize_words(word) in ASK_WHAT_THIS_IS else Meaning.HELP)


# "I told him to stop texting me" is about a third person: the phrase counts at the beginning of a clause, after a few words
# that people put before a request. People leave commas out, so a "please" begins a clause too, unless it is reported.
_CLAUSE = re.compile(r"[.!?…,;:()\n¡¿]+|\b(?:and|but|so|cuz|bc|because|y|pero|porque|asi que)\b", re.IGNORECASE)
_BEFORE = frozenset(
    """
    please pls plz ok okay hey hi hello sorry just now yes and i want need would like you u to can could will must should
    por favor porfa oye hola perdon ya solo quiero que necesito puedes pueden puede
    """.split()  # noqa: SIM905 - words are easier to read, and to strike out, as words
)
_PLEASE = frozenset(("please", "pls", "plz", "favor", "porfa", "porfavor"))
_REPORTED = frozenset(
    """
    told tell tells telling ask asks asked asking say says said saying beg begs begged begging text texted wrote write
    dije dice dicen dijo digo decir pedi pido pide pidio pedir escribi escribio
    """.split()  # noqa: SIM905 - as above
)
"""Words before a "please" that is told of another conversation ("I said please stop texting me")."""
_POLITE = frozenset(
    """
    please pls plz ok okay now thanks thank you sorry just por favor porfa gracias ya perdon
    """.split()  # noqa: SIM905 - as above
)
"""Words around a STOP that is meant as one ("please stop"); with another word it may be about a third person."""
_LONGEST_WISH = 1600
_SOS = "\U0001f198"
"""A picture that asks for help; alone, without a word, it is the word SOS."""
_STOP_SIGNS = frozenset("\U0001f6d1\u26d4\U0001f6ab")
"""Pictures that say stop; alone, without a word, they are a wish and no STOP."""


def _wishes_to_stop(text: str, pack: Pack) -> bool:
    said_in_all = normalize_words(text[:_LONGEST_WISH])
    if not said_in_all and not _STOP_SIGNS.isdisjoint(text[:_LONGEST_WISH]):
        return True
    if (bare := [word for word in said_in_all.split() if word not in _POLITE]) and all(
        word in pack.keywords.stop for word in bare
    ):
        return True
    # A clause's words are in the whole unchanged: where no phrase is, no clause need be looked at.
    whole = f" {said_in_all} "
    if not any(f" {phrase} " in whole for phrase in pack.keywords.wish_to_stop):
        return False
    for clause in _CLAUSE.split(text[:_LONGEST_WISH]):
        said = normalize_words(clause).split()
        please = (place for place, word in enumerate(said) if word in _PLEASE and _REPORTED.isdisjoint(said[:place]))
        if any(_begins_with_wish(said[place:], pack) for place in (0, *please)):
            return True
    return False


def _begins_with_wish(said: list[str], pack: Pack) -> bool:
    while said:
        rest = " ".join(said) + " "
        if any(rest.startswith(f"{phrase} ") for phrase in pack.keywords.wish_to_stop):
            return True
        if said[0] not in _BEFORE:
            return False
        said = said[1:]
    return False


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


def is_automatic_reply(text: str) -> bool:
    """Tell whether a machine wrote the whole message (a car's "I'm driving", an absence note). In doubt: no."""
    return _AUTOMATIC.fullmatch(" ".join(text.translate(_STRAIGHT).split())) is not None
