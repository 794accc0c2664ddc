"""Reduces words to what a reader sees, whatever letters, marks and codes they are made of.

Rule of this module: the result is for comparison only; it is never shown and never sent. Two spellings that look alike give
the same result: wide and ornate letters, accents, invisible marks and letters, letters of other alphabets that look like
Latin ones, codes of links and of web pages, dots of any kind.

Sources: Unicode UAX 15 (compatibility decomposition) and UTS 39 (confusables; of its table the lower-case letters that look
like Latin ones in most typefaces, and the small capitals); RFC 3986, 2.1; HTML, 13.5.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from html import unescape
from typing import Final
from urllib.parse import unquote

INVISIBLE_CATEGORIES: Final = frozenset({"Cf", "Mn", "Me"})
"""Marks over and around letters, and invisible characters."""
MAX_DECODINGS: Final = 3
"""How often a text is decoded: no reader decodes a code of a code of a code."""
LOOKALIKES: Final = (
    ("авекмнорстухіјѕһԁԛԝѵү", "abekmhopctyxijshdqwvy"),
    ("αβγεηικνορτυχωϲ", "abyenikvoptuxwc"),
    ("ıȷɑɡɩɪʏɴʀʟʙʜᴀᴄᴅᴇᴊᴋᴍᴏᴘᴛᴜᴠᴡᴢꜱ", "ijagiiynrlbhacdejkmoptuvwzs"),
    ("øłđħŧ", "oldht"),
    ("。·•‧∙⋅・", "......."),
)
_LATIN: Final = {
    ord(form): latin
    for strange, plain in LOOKALIKES
    for letter, latin in zip(strange, plain, strict=True)
    for form in {letter, letter.upper()}
    if len(form) == 1 and not form.isascii()
}


def skeleton(text: str) -> str:
    """Return words as a reader sees them. Their case is unchanged."""
    for _ in range(MAX_DECODINGS):
        if (plain := unescape(unquote(text))) == text:
            break
        text = plain
    apart = unicodedata.normalize("NFKD", text)
    return "".join(c for c in apart if unicodedata.category(c) not in INVISIBLE_CATEGORIES).translate(_LATIN)


def find_name(words: Iterable[str], names: Iterable[str], *, plural: bool = False) -> str | None:
    """Return the first of `names`, in this order, that words hold, however they are joined or split.

    `words`, and those of a name, are lower-case letters only. A part of a word does not count: a match begins and ends
    where a word does; with `plural` an s or es may follow.
    """
    begins, ends, said = set[int](), set[int](), list(words)
    length = 0
    for word in said:
        begins.add(length)
        length += len(word)
        ends.add(length)
    run, tails = "".join(said), ("", "s", "es") if plural else ("",)
    for name in names:
        bare = name.replace(" ", "")
        at = run.find(bare)
        while at >= 0:
            end = at + len(bare)
            if at in begins and any(run.startswith(tail, end) and end + len(tail) in ends for tail in tails):
                return name
            at = run.find(bare, at + 1)
    return None
