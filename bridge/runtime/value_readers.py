"""Readers of small stored values, which know a damaged one.

Rules of this module: a reader returns the value as it is to be read, and raises `ValueError` or `RecursionError` for one
that none of its users can read. Numbers have bounds, because an infinite or huge one ends the calculation that uses it.
Members of an object that a reader does not name are left: a newer version may have written them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import make_dataclass
from functools import cache
from typing import Annotated, Any, Final, TypeAlias

from pydantic import Field, TypeAdapter

ValueReader: TypeAlias = Callable[[str], str]
Kind: TypeAlias = Any
"""A type, of what JSON holds; or what `members` returns."""

MAX_SECONDS: Final = 2**35
"""About 1089 years: also the times of a clock that is centuries ahead are within them, and each is a date in Python."""
Seconds: TypeAlias = Annotated[float, Field(ge=-MAX_SECONDS, le=MAX_SECONDS, allow_inf_nan=False)]
WholeNumber: TypeAlias = Annotated[int, Field(ge=-MAX_SECONDS, le=MAX_SECONDS)]
Milliseconds: TypeAlias = Annotated[int, Field(ge=-MAX_SECONDS * 1000, le=MAX_SECONDS * 1000)]


def members(**kinds: Kind) -> Kind:
    """Return the kind of an object with these members, each of its kind."""
    return make_dataclass("Members", list(kinds.items()))


def whole(make_kind: Callable[[], Kind]) -> ValueReader:
    """Return the reader of JSON of that kind, which is made on first use; JSON of another kind is damaged as a whole."""
    adapter = cache(lambda: TypeAdapter(make_kind()))

    def read(value: str) -> str:
        adapter().validate_json(value, strict=True)
        return value

    return read


def entries(make_kind: Callable[[], Kind]) -> ValueReader:
    """Return the reader of a JSON list whose entries do not depend on each other: those of another kind are left out."""
    read_entry = whole(make_kind)

    def is_whole(entry: object) -> bool:
        try:
            read_entry(json.dumps(entry))
        except ValueError:
            return False
        return True

    def read(value: str) -> str:
        match json.loads(value):
            case list() as listed:
                rest = [entry for entry in listed if is_whole(entry)]
                return value if len(rest) == len(listed) else json.dumps(rest)
            case _:
                raise ValueError("no list")

    return read


def one_of(*values: str) -> ValueReader:
    """Return the reader of a value that is one of these."""

    def read(value: str) -> str:
        if value not in values:
            raise ValueError("none of these")
        return value

    return read


def text(value: str) -> str:
    """Read a text: one with bytes that are no UTF-8 can be neither sealed nor printed."""
    value.encode()
    return value


def is_time(number: str) -> bool:
    """Whether this is a number of seconds within the bounds. Raises `ValueError` when it is no number."""
    return abs(float(number)) <= MAX_SECONDS
