"""The agency's own words that must never reach a phone: its name, its street, surnames of staff.

Rule of this module: words are compared as a reader sees them: whole, without case, accents, punctuation or invisible
letters. An s or es may follow ("Harbor House's door", "the Müllers"): apostrophes are left out as often as not. A name of
several words is also found written as one, as in a web address. The guard checks them before words
leave, and lint before a pack is used.
"""

from __future__ import annotations

from policies.confusables import find_name, skeleton
from policies.keywords import normalize_words
from policies.pack import Pack


def find_leak(pack: Pack, text: str) -> str | None:
    """Return one of the agency's words that is in a text, or None."""
    names = sorted(pack.leak_words)
    several = [name for name in names if " " in name]
    for said in (normalize_words(text), normalize_words(skeleton(text))):
        whole = next((name for name in names if any(f" {name}{tail} " in f" {said} " for tail in ("", "s", "es"))), None)
        if (leak := whole or find_name(said.split(), several, plural=True)) is not None:
            return leak
    return None
