"""Recognises texts that only thank: an answer to closing words that does not continue the conversation.

Rules of this module: whole texts, in English and Spanish, in any case, with any punctuation; a text with one other word, or
one other emoji, does not count: "ok" with an SOS is a call. A heart or a thumb under a text of ours is thanks, as phones
spell it out (Loved “…”); any other reaction is not, because it may ask. A miss costs the advocate a second `!close`, so the
lists hold only words and emoji that ask for nothing.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from policies.keywords import is_tapback

MOST_WORDS: Final = 8
THANKS: Final = frozenset(
    {
        "thanks",
        "thank",
        "thankyou",
        "thx",
        "tnx",
        "ty",
        "tysm",
        "you",
        "u",
        "so",
        "very",
        "much",
        "a",
        "lot",
        "again",
        "bye",
        "ok",
        "okay",
        "okey",
        "k",
        "kk",
        "oki",
        "great",
        "good",
        "alright",
        "fine",
        "gracias",
        "muchas",
        "muchisimas",
        "mil",
        "muy",
        "amable",
        "por",
        "todo",
        "vale",
        "bueno",
        "bien",
        "listo",
        "dale",
        "igualmente",
        "adios",
    }
)
"""Words of which such a text consists, without accents."""
SAYS_IT: Final = frozenset(
    {
        "thanks",
        "thank",
        "thankyou",
        "thx",
        "tnx",
        "ty",
        "tysm",
        "ok",
        "okay",
        "okey",
        "k",
        "kk",
        "oki",
        "gracias",
        "vale",
        "listo",
        "dale",
    }
)
"""Words of which such a text holds at least one."""
HANDS: Final = "\U0001f44d\U0001f64f\u2764\U0001f49c\U0001f499\U0001f49a\U0001f90d\U0001f917"
"""Emoji that are thanks by themselves: thumb, folded hands, hearts, a hug."""
FRIENDLY: Final = HANDS + (
    "\u2600\u263a\u2665\u2705\u270c\u2728\u2763\u2b50\U0001f308\U0001f337\U0001f338\U0001f339\U0001f33b\U0001f33c"
    "\U0001f389\U0001f44b\U0001f44c\U0001f44f\U0001f490\U0001f493\U0001f495\U0001f496\U0001f497\U0001f49b\U0001f49d"
    "\U0001f49e\U0001f5a4\U0001f600\U0001f601\U0001f603\U0001f604\U0001f607\U0001f60a\U0001f60c\U0001f60d\U0001f618"
    "\U0001f642\U0001f64c\U0001f90e\U0001f91d\U0001f970\U0001f979\U0001f9e1\U0001fa75\U0001fa77"
)
"""Emoji that people put beside their thanks: smiles, hearts, flowers, a wave."""
KIND_REACTION: Final = re.compile(
    rf"[\s\u200b-\u200f]*(?:liked|loved|le (?:gustó|gusta|encantó|encanta)"
    rf"|(?:reacted |reaccionó (?:con )?)?[{HANDS}][\ufe0e\ufe0f\u200b\U0001f3fb-\U0001f3ff]* (?:to|a)) ",
    re.IGNORECASE,
)
"""The beginning of a reaction that thanks, in the forms of `policies.keywords`."""


def only_thanks(body: str) -> bool:
    """Tell whether a text holds thanks, or an "ok", and nothing else. A question is not thanks alone."""
    if "?" in body or "\u00bf" in body or any(c not in FRIENDLY for c in body if unicodedata.category(c) == "So"):
        return False
    plain = "".join(c for c in unicodedata.normalize("NFKD", body.casefold()) if not unicodedata.combining(c))
    words = re.findall(r"\w+", plain)
    if not words:
        return any(hand in body for hand in HANDS)
    said = set(words)
    asks_us = bool(said & {"you", "u"}) and "thank" not in said
    return len(words) <= MOST_WORDS and said <= THANKS and bool(said & SAYS_IT) and not asks_us


def is_kind_reaction(body: str) -> bool:
    """Tell whether a text is a heart or a thumb under a text of ours, as phones spell it out."""
    return KIND_REACTION.match(body) is not None and is_tapback(body)
