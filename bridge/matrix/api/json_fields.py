"""Reads JSON from outside: no field of it is used before a function of this module has checked it.

A missing field, or one of another type, raises `MalformedJson`, and only the malformed object is dropped: an event, a
device, a to-device message. Strings have a UTF-8 form, whole numbers fit the specification's range and a 64-bit column
(canonical JSON, https://spec.matrix.org/latest/appendices/#canonical-json).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

Json: TypeAlias = Mapping[str, Any]

MAX_INTEGER: Final = 2**53 - 1
"""The largest whole number of canonical JSON."""


class MalformedJson(Exception):  # noqa: N818 - what it is, as Transient and Refused
    """Something from outside has not the shape it must have. The text names a field, never a value."""


BAD_DATA: Final = (MalformedJson, KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
"""Errors that hostile data can cause although every field is checked; they are caught around one object at a time."""


def as_object(value: Any, name: str) -> Json:
    """Return `value` if it is an object."""
    if not isinstance(value, dict):
        raise MalformedJson(f"{name} is no object")
    return value


def objects_in(value: Any) -> Iterator[Json]:
    """Yield the objects of a list; other elements are skipped, and a value that is no list has none."""
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))


def strings_in(value: Any) -> list[str]:
    """Return the strings of a list that have a UTF-8 form and no NUL; a value that is no list has none."""
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, str) and "\0" not in item and _is_encodable(item)]


def object_at(value: Json, *path: str) -> Json:
    """Return the object at `path`, or an empty one when anything on the way is missing or no object."""
    node: Any = value
    for name in path:
        node = node.get(name) if isinstance(node, dict) else None
    return node if isinstance(node, dict) else {}


def string_field(value: Json, name: str, *, longest: int = 65_536) -> str:
    """Return the string `name` of an object: there, not empty, UTF-8, without NUL, at most `longest` characters."""
    text = value.get(name)
    if not isinstance(text, str) or not text or len(text) > longest or "\0" in text or not _is_encodable(text):
        raise MalformedJson(f"{name} is no usable string")
    return text


def int_field(value: Json, name: str, *, default: int | None = None) -> int:
    """Return the whole number `name` of an object, between plus and minus 2^53 - 1."""
    number = value.get(name, default)
    if isinstance(number, bool) or not isinstance(number, int) or abs(number) > MAX_INTEGER:
        raise MalformedJson(f"{name} is no usable number")
    return number


def encodable(value: Json) -> Json:
    """Return an object all of whose strings, however deep, have a UTF-8 form and which is not too deep to write."""
    dumps(value)
    return value


def loads(data: str | bytes) -> Json:
    """Read an object. Infinity, NaN and what nests too deep are malformed."""
    try:
        value = json.loads(data, parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        raise MalformedJson("not JSON") from None
    return encodable(as_object(value, "the whole"))


def dumps(value: Json, *, ordered: bool = False) -> str:
    """Write an object as it is sent: no escapes for what UTF-8 can say. Raises `MalformedJson` for lone surrogates."""
    try:
        written = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=ordered)
        written.encode()
    except (ValueError, TypeError, RecursionError):
        raise MalformedJson("the object cannot be written as JSON") from None
    return written


def canonical_json(value: Json) -> str:
    """Canonical JSON of an object without `signatures` and `unsigned`: the signed bytes."""
    return dumps({name: item for name, item in value.items() if name not in {"signatures", "unsigned"}}, ordered=True)


def _reject_constant(name: str) -> Any:
    raise ValueError(name)


def _is_encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
