"""What tests have texted, said and are called, and the search for it where none of it may be: logs, texts of exceptions.

Rule of this module: what a person could be recognised or harmed by is planted by the code through which every test gives it
to a line (a carrier, a handset, a person's client), so that no test can forget it; and it is looked for when that line has
ended, whatever failed meanwhile.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote, quote_plus

TELLING: Final = 12
"""The length from which on a text is unlike anything that a program would write by itself."""
DIGITS: Final = 10
"""The length from which on a number is looked for: less is a short code."""
PIECE: Final = 24
"""A text that is cut off after, or before, so many letters is found as well."""
TIME: Final = re.compile(r"^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[.,]\d+\S* ", re.MULTILINE)


class Kind(StrEnum):
    """What a thing is, for the report of a search, which does not repeat it."""

    TEXT = "text"
    NUMBER = "number"
    USER = "user id"
    CODEWORD = "codeword"


class Planted:
    """A set of things to look for. They are found in any case; texts also if they were escaped on their way or cut off."""

    def __init__(self) -> None:
        self._things: dict[str, Kind] = {}

    def __len__(self) -> int:
        return len(self._things)

    def add(self, kind: Kind, *things: str) -> None:
        """Add things of one kind. A text or a number that is too short to be recognised is not looked for."""
        self._things.update(dict.fromkeys(things, kind))

    def add_content(self, content: Mapping[str, Any]) -> None:
        """Add the texts of a message's content."""
        new = content.get("m.new_content")
        bodies = (content, new) if isinstance(new, dict) else (content,)
        texts = (each.get(name) for each in bodies for name in ("body", "formatted_body", "filename"))
        self.add(Kind.TEXT, *(text for text in texts if isinstance(text, str)))

    def find(self, places: Mapping[str, str]) -> Counter[tuple[str, Kind]]:
        """Count what is found, by place and kind. `places`: name to all that was written there."""
        needles = {needle.casefold(): kind for thing, kind in self._things.items() for needle in _needles(thing, kind)}
        hits = Counter[tuple[str, Kind]]()
        for place, text in places.items():
            # Logs repeat themselves: without times a few hundred lines are left of many thousands.
            lines = "\n".join(dict.fromkeys(TIME.sub("", text).casefold().splitlines()))
            hits.update((place, kind) for needle, kind in needles.items() if needle in lines)
        return hits


PLANTED: Final = Planted()
"""What this process has given to lines. What one line was given is nothing that another may write either."""


def assert_not_logged(places: Mapping[str, str], planted: Planted = PLANTED) -> None:
    """Check that nothing planted is in these logs."""
    hits = planted.find(places)
    assert not hits, "; ".join(f"{count} needle(s) of kind {kind} in {place}" for (place, kind), count in hits.items())


def _needles(thing: str, kind: Kind) -> Iterator[str]:
    match kind:
        case Kind.TEXT:
            for line in thing.splitlines():
                yield from (needle for piece in (line, line[:PIECE], line[-PIECE:]) for needle in _spellings(piece))
        case Kind.NUMBER:
            if len(digits := thing.removeprefix("+")) >= DIGITS:
                yield digits
        case _:
            yield thing


def _spellings(piece: str) -> Iterator[str]:
    if len(piece.strip()) >= TELLING:
        yield from (piece, quote(piece, errors="replace"), quote_plus(piece, errors="replace"), json.dumps(piece)[1:-1])
        yield piece.encode("ascii", "backslashreplace").decode()
