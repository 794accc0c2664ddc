"""Messages of PostgreSQL's protocol: writes statements and their values, reads rows and errors.

Rules of this module: it holds no connection; bytes are sent in binary form, everything else as text. A value that its type
cannot hold is an error without the value.

Sources: postgresql.org/docs/current: protocol-message-formats.html, catalog-pg-type.html (the numbers of types).
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final, TypeAlias

from bridge.storage.database import NamedRow, Row, Value
from bridge.storage.errors import DatabaseError, InvalidStatement

BOOL, BYTEA, NUMERIC = 16, 17, 1700
INTEGERS: Final = (20, 21, 23, 26)
WHOLE: Final = (*INTEGERS, NUMERIC)
"""Types that are whole numbers here, also numeric: it is the type of a SUM of whole numbers."""
FLOATS: Final = (700, 701)
TEXT_FORMAT, BINARY_FORMAT = 0, 1
_NO_TEXT: Final = frozenset({BYTEA, *WHOLE, *FLOATS, BOOL})


@dataclass(slots=True)
class Prepared:
    """A statement that the server has parsed.

    `parameters`: numbers of types; `begin`: how each message that binds values to it begins; `decoders`: one for each
    column.
    """

    name: bytes
    statement: str
    parameters: tuple[int, ...] = ()
    begin: bytes = b""
    columns: dict[str, int] = field(default_factory=dict)
    decoders: tuple[Callable[[bytes], Any], ...] = ()
    formats: bytes = b"\0\0"


Failure: TypeAlias = tuple[str, DatabaseError]
"""A statement, and how it failed."""

Request: TypeAlias = tuple[Prepared, list[Row] | None]
"""A statement, and the list that gets its rows; None if they are not needed."""


@dataclass(slots=True)
class Turn:
    """The statements from one BEGIN to the next."""

    failure: Failure | None = None


@dataclass(slots=True)
class Flight:
    """A message of one or more requests, and the answers to it.

    `new_statement`: the one that it prepares; `ends`: it is the last of a transaction; `is_resent`: it was sent twice, so
    the first of its two answers is ignored; `is_whole`: it is a transaction by itself, which its end commits.
    """

    done: asyncio.Future[None]
    requests: list[Request]
    message: bytes
    turn: Turn
    sent_at: float
    new_statement: Prepared | None = None
    ends: bool = False
    is_resent: bool = False
    is_whole: bool = False
    answer_count: int = 0
    result_tag: bytes = b""
    error: DatabaseError | None = None

    @property
    def tag(self) -> str:
        """The server's command tag for the last statement that succeeded."""
        return self.result_tag.rstrip(b"\0").decode()

    @property
    def is_committed(self) -> bool:
        """Whether it ended a transaction that is kept: the server's command tag is COMMIT and not ROLLBACK."""
        return self.error is None and (self.is_whole or self.tag == "COMMIT")

    @property
    def failure(self) -> Failure | None:
        """The first error since the BEGIN before it."""
        return self.turn.failure


def frame_message(kind: bytes, body: bytes) -> bytes:
    """Return a message of that kind."""
    return kind + (len(body) + 4).to_bytes(4) + body


HEADER: Final = struct.Struct("!BI")
"""The header of each server message: its kind, and its length without the kind."""
SYNC: Final = frame_message(b"S", b"")
ROLLBACK: Final = frame_message(b"Q", b"ROLLBACK\0")
_EXECUTE: Final = frame_message(b"E", b"\0\0\0\0\0")
_NULL: Final = (-1).to_bytes(4, signed=True)


def bind_and_execute(prepared: Prepared, values: tuple[Value, ...]) -> bytes:
    """Return what runs a statement with these values. Raises `InvalidStatement`."""
    if len(values) != len(prepared.parameters):
        raise InvalidStatement("number of values") from None
    parts = [prepared.begin]
    for value, oid in zip(values, prepared.parameters, strict=True):
        if value is None:
            parts.append(_NULL)
        else:
            encoded = _encode(value, oid)
            parts += (len(encoded).to_bytes(4), encoded)
    parts.append(prepared.formats)
    return frame_message(b"B", b"".join(parts)) + _EXECUTE


def _encode(value: str | bytes | float, oid: int) -> bytes:
    """Write a value as the server reads it: bytes as they are, all else as text."""
    if isinstance(value, bytes):
        if oid != BYTEA:
            raise InvalidStatement("bytes") from None
        return value
    if isinstance(value, str):
        if oid in _NO_TEXT:
            raise InvalidStatement("text") from None
        try:
            return value.encode()
        except UnicodeEncodeError:
            raise InvalidStatement("UnicodeEncodeError") from None
    if oid == BYTEA:
        raise InvalidStatement("number") from None
    if isinstance(value, bool):
        return (b"t" if value else b"f") if oid == BOOL else (b"1" if value else b"0")
    if oid in INTEGERS and isfinite(value):
        # Our times have a fraction; a column of times may be an integer, for which the server refuses such a text.
        return b"%d" % value
    return b"%d" % value if isinstance(value, int) else repr(value).encode()


def describe_parameters(prepared: Prepared, body: bytes) -> None:
    """Note the types of a statement's parameters."""
    count = body[:2]
    prepared.parameters = struct.unpack_from(f"!{int.from_bytes(count)}I", body, 2)
    formats = b"".join((BINARY_FORMAT if oid == BYTEA else TEXT_FORMAT).to_bytes(2) for oid in prepared.parameters)
    prepared.begin = b"\0" + prepared.name + b"\0" + count + formats + count


def describe_columns(prepared: Prepared, body: bytes) -> None:
    """Note a statement's columns: their names, their formats and how they are read."""
    (count,) = struct.unpack_from("!H", body)
    place, names, types = 2, [], []
    for _ in range(count):
        end = body.index(0, place)
        names.append(body[place:end].decode())
        types.append(struct.unpack_from("!I", body, end + 7)[0])
        place = end + 19
    prepared.columns = {name: n for n, name in enumerate(names)}
    prepared.decoders = tuple(_decoder(oid) for oid in types)
    formats = b"".join((BINARY_FORMAT if oid == BYTEA else TEXT_FORMAT).to_bytes(2) for oid in types)
    prepared.formats = count.to_bytes(2) + formats


def _decoder(oid: int) -> Callable[[bytes], Any]:
    if oid == BYTEA:
        return bytes
    if oid == BOOL:
        return b"t".__eq__
    if oid in WHOLE:
        return int
    return float if oid in FLOATS else bytes.decode


def row_of(prepared: Prepared, body: bytes) -> NamedRow:
    """Read a row."""
    values: list[Any] = []
    place = 2
    for decode in prepared.decoders:
        length = int.from_bytes(body[place : place + 4], signed=True)
        place += 4
        if length < 0:
            values.append(None)
        else:
            values.append(decode(body[place : place + length]))
            place += length
    return NamedRow(prepared.columns, tuple(values))


def error_code(body: bytes) -> str:
    """Return the five letters of an error."""
    return next((part[1:].decode() for part in body.split(b"\0") if part.startswith(b"C")), "")
