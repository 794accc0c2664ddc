"""Writes events, actions, aggregates and entries of a crowd as bytes, for sealing.

Rule of this module: a value is stored with the name of its class, and read back as the same class or not at all.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final, TypeVar, get_args

from pydantic import TypeAdapter

from bot.model.actions import Action
from bot.model.desk import Desk, Thread
from bot.model.events import Event
from bot.model.flood import CrowdEntry

T = TypeVar("T")

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


def encode(value: object) -> bytes:
    """Return the value as JSON. Every class of the unions, both aggregates and `CrowdEntry` can be written."""
    return _adapter(kind_name(type(value))).dump_json(value)


def decode(kind: str, data: bytes) -> Any:
    """Read what `encode` wrote of a class of that name. Raises `KeyError` or `ValueError`."""
    return _adapter(kind).validate_json(data)


def decode_as(kind: type[T], data: bytes) -> T:
    """Read an aggregate, or an entry of a crowd."""
    value: T = _adapter(kind_name(kind)).validate_json(data)
    return value
