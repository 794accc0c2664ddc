"""Recognises texts that only thank: an answer to closing words that does not continue the conversation.

Rules of this module: whole texts, in English and Spanish, in any case, with any punctuation or emoji; a text with one other
word does not count. A miss costs the advocate a second `!close`, so the list holds only words that ask for nothing.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

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


def only_thanks(body: str) -> bool:
    """Tell whether a text holds thanks, or an "ok", and nothing else. A question is not thanks alone."""
    if "?" in body or "\u00bf" in body:
        return False
    plain = "".join(c for c in unicodedata.normalize("NFKD", body.casefold()) if not unicodedata.combining(c))
    words = re.findall(r"\w+", plain)
    if not words:
        return any(hand in body for hand in HANDS)
    said = set(words)
    asks_us = bool(said & {"you", "u"}) and "thank" not in said
    return len(words) <= MOST_WORDS and said <= THANKS and bool(said & SAYS_IT) and not asks_us
