"""Writes events, actions, aggregates and entries of a crowd as bytes, for sealing.

Rules of this module: a value is stored with the name of its class, and read back as the same class or not at all. A field
that this program does not know is dropped when it is read, so a program must know each name that an earlier run of another
version may have stored (`names`, `FORMER_NAMES`, `bridge/app/last_program.py`).
"""

from __future__ import annotations

import dataclasses
import json
from enum import Enum
from functools import cache
from typing import Any, Final, TypeVar, get_args, get_type_hints

from pydantic import TypeAdapter

from bot.model.actions import Action
from bot.model.desk import Desk, Thread
from bot.model.events import Event
from bot.model.flood import CrowdEntry

T = TypeVar("T")

FORMER_NAMES: Final[frozenset[str]] = frozenset()
"""Of `names`, those that only an earlier version stored: this one still reads them, or loses nothing without them."""

_VALUES: Final = (*get_args(Event), *get_args(Action), Thread, Desk, CrowdEntry)
_KINDS: Final[dict[str, Any]] = {kind.__name__: kind for kind in _VALUES}


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    """Make the adapter of a class on first use: making all of them is a tenth of a start's time."""
    return TypeAdapter(_KINDS[name])


def kind_name(kind: type[object]) -> str:
    """Return the name under which values of a class are stored. Raises `KeyError` when none ever are.

    A statement that selects rows of a kind takes the name from here, so it cannot name a deleted class.
    """
    if kind.__name__ not in _KINDS:
        raise KeyError(kind.__name__)
    return kind.__name__


def is_known(kind: str) -> bool:
    """Whether values of a class of that name can be read."""
    return kind in _KINDS


def names() -> set[str]:
    """Return `Class.field` of every class that is stored, and of classes within one, and the values of enumerations."""
    entries = set[str]()
    for kind in classes():
        if dataclasses.is_dataclass(kind):
            entries |= {kind.__name__, *(f"{kind.__name__}.{field.name}" for field in dataclasses.fields(kind))}
        elif issubclass(kind, Enum):
            entries |= {f"{kind.__name__}: {member.value!r}" for member in kind}
    return entries


def classes() -> set[type]:
    """Return every class that is stored, those of its fields, and so on."""
    todo, visited = list[Any](_VALUES), set[Any]()
    while todo:
        kind = todo.pop()
        if kind not in visited:
            visited.add(kind)
            todo += get_type_hints(kind).values() if dataclasses.is_dataclass(kind) else get_args(kind)
    return {kind for kind in visited if isinstance(kind, type)}


def encode(value: object) -> bytes:
    """Return the value as JSON. Every class of the unions, both aggregates and `CrowdEntry` can be written."""
    return _adapter(kind_name(type(value))).dump_json(value)


def decode(kind: str, data: bytes) -> Any:
    """Read what `encode` wrote of a class of that name. Raises `KeyError` or `ValueError`."""
    return _adapter(kind).validate_json(data)


def decode_as(kind: type[T], data: bytes) -> T:
    """Read an aggregate, or an entry of a crowd."""
    value: T = _adapter(kind_name(kind)).validate_json(_with_crowd_by_thread(data) if kind is Desk else data)
    return value


def _with_crowd_by_thread(desk: bytes) -> bytes:
    """Return a desk in today's form: before the crowd of a flood had a table, it was a list in the desk."""
    if b'"crowd":[' not in desk:
        return desk
    fields = json.loads(desk)
    fields["flood"]["crowd"] = {entry["thread"]: entry for entry in fields["flood"]["crowd"]}
    return json.dumps(fields).encode()
