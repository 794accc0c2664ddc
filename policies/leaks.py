"""The agency's own words that must never reach a phone: its name, its street, surnames of staff.

Rule of this module: words are compared as a reader takes them, whole, without case, accents, punctuation or letters that
cannot be seen. The guard asks here before words leave, and lint before a pack is used.
"""

from __future__ import annotations

from policies.keywords import words
from policies.pack import Pack


def leak(pack: Pack, text: str) -> str | None:
    """Return one of the agency's words that a text holds, or None."""
    said = f" {words(text)} "
    return next((word for word in sorted(pack.leak_words) if f" {word} " in said), None)
