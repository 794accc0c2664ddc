"""Events, actions and aggregates as bytes, for sealing.

Rule of this module: what is written is named by its class, and read back as the same class or not at all.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar, get_args

from pydantic import TypeAdapter

from bot.model.actions import Action
from bot.model.desk import Desk, Thread
from bot.model.events import Event

T = TypeVar("T")

_ADAPTERS: Final[dict[str, TypeAdapter[Any]]] = {
    kind.__name__: TypeAdapter(kind) for kind in (*get_args(Event), *get_args(Action), Thread, Desk)
}


def kind_of(stored: type) -> str:
    """Return the name under which values of a class are stored. Raises `KeyError` for a class that is never stored.

    A statement that asks for rows of one kind takes the name from here, so that a class is renamed in one place.
    """
    name = stored.__name__
    if name not in _ADAPTERS:
        raise KeyError(name)
    return name


def encode(value: object) -> bytes:
    """Return the value as JSON. Every class of the unions, and both aggregates, can be written."""
    return _ADAPTERS[kind_of(type(value))].dump_json(value)


def decode(kind: str, data: bytes) -> Any:
    """Read what `encode` wrote of a class of that name. Raises `KeyError` or `ValueError`."""
    return _ADAPTERS[kind].validate_json(data)


def decode_as(kind: type[T], data: bytes) -> T:
    """Read an aggregate."""
    value: T = _ADAPTERS[kind_of(kind)].validate_json(data)
    return value
