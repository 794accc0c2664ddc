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


def kind_name(kind: type[object]) -> str:
    """Return the name under which values of a class are stored. Raises `KeyError` when none ever are.

    A statement that asks for rows of a kind takes the name from here: of a class that is gone it cannot ask.
    """
    if kind.__name__ not in _ADAPTERS:
        raise KeyError(kind.__name__)
    return kind.__name__


def encode(value: object) -> bytes:
    """Return the value as JSON. Every class of the unions, and both aggregates, can be written."""
    return _ADAPTERS[kind_name(type(value))].dump_json(value)


def decode(kind: str, data: bytes) -> Any:
    """Read what `encode` wrote of a class of that name. Raises `KeyError` or `ValueError`."""
    return _ADAPTERS[kind].validate_json(data)


def decode_as(kind: type[T], data: bytes) -> T:
    """Read an aggregate."""
    value: T = _ADAPTERS[kind_name(kind)].validate_json(data)
    return value
