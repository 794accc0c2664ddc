"""The writing connection to PostgreSQL, on which statements that return nothing wait for one that does.

Rules of this module: one task uses a connection; statements reach the server in the order in which they were said; what was
queued goes with the next statement that is waited for, in one message and one way there and back. After an error the server
passes over the rest of the message, so nothing that was said after it is done. Errors are those of `postgres_connection`: a
code, and no value. asyncpg makes the connection (TLS, login, settings) and hands its transport over; it cannot send a
statement before the one before it was answered, which costs a commit of four statements six ways in place of three or four.

Sources: postgresql.org/docs/current: protocol-flow.html ("Pipelining", "Extended Query"), protocol-message-formats.html,
catalog-pg-type.html (the numbers of types).
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, cast

from bridge.storage.database import NamedRow, Row, Value
from bridge.storage.errors import DatabaseError, InvalidStatement, Unavailable

BOOL, BYTEA, NUMERIC = 16, 17, 1700
WHOLE: Final = (20, 21, 23, 26, NUMERIC)
"""Types that are whole numbers here: a SUM of whole numbers is numeric, and one as well."""
FLOATS: Final = (700, 701)
TEXT_FORMAT, BINARY_FORMAT = 0, 1
CLOSE_SECONDS: Final = 10.0
MOST_QUEUED: Final = 64
"""Statements that wait at most: a commit of a million rows is neither one message nor all in memory."""


@dataclass(slots=True)
class _Prepared:
    """A statement that the server has parsed. `parameters`: numbers of types; `decoders`: one for each column."""

    name: bytes
    statement: str
    parameters: tuple[int, ...] = ()
    columns: dict[str, int] = field(default_factory=dict)
    decoders: tuple[Callable[[bytes], Any], ...] = ()
    formats: bytes = b"\0\0"


@dataclass(slots=True)
class _Flight:
    """A message of one or more requests, and what came back of the last. `preparing`: it is a statement's own."""

    done: asyncio.Future[None]
    requests: list[_Prepared]
    preparing: _Prepared | None = None
    answered: int = 0
    rows: list[Row] = field(default_factory=list)
    tag: str = ""
    error: DatabaseError | None = None


class PostgresPipeline(asyncio.Protocol):
    """See the module. `error_of`: makes an error of ours of the server's code; `seconds`: for one message's answer.

    `failed`: the statement that first failed since the last BEGIN, and how; None when none did.
    """

    def __init__(self, *, error_of: Callable[[str], DatabaseError], statements: int, seconds: float) -> None:
        self._error_of, self._most, self._seconds = error_of, statements, seconds
        self._transport: asyncio.Transport | None = None
        self._closed = asyncio.get_running_loop().create_future()
        self._when_lost: list[Callable[[], None]] = []
        self._prepared: dict[str, _Prepared] = {}
        self._number = 0
        self._queued: list[tuple[str, tuple[Value, ...]]] = []
        self._flight: _Flight | None = None
        self.failed: tuple[str, DatabaseError] | None = None
        self._received = bytearray()

    @property
    def is_closed(self) -> bool:
        """Whether it is lost, or was closed."""
        return self._closed.done()

    def when_lost(self, call: Callable[[], None]) -> None:
        """Have this called once, when the connection ends, for whatever reason."""
        self._when_lost.append(call)

    def take_over(self, transport: asyncio.Transport) -> None:
        """Use a transport on which a session is open and nothing is asked."""
        self._transport = transport
        transport.set_protocol(self)

    # What is asked.

    async def defer(self, statement: str, /, *values: Value) -> None:
        """Run a statement for what it changes, with the next that is waited for, which also raises its error."""
        if ";" in statement and not values:  # several, which only another message takes
            await self._flush()
            await self.run(statement)
        else:
            self._queued.append((statement, values))
            if len(self._queued) >= MOST_QUEUED:
                await self._flush()

    async def execute(self, statement: str, /, *values: Value) -> None:
        """Run what is queued and then this statement."""
        await self.fetch(statement, *values)

    async def fetch(self, statement: str, /, *values: Value) -> list[Row]:
        """Run what is queued and then this statement; return its rows."""
        self._queued.append((statement, values))
        return (await self._flush()).rows

    async def fetchrow(self, statement: str, /, *values: Value) -> Row | None:
        """Run what is queued and then this statement; return its first row, or None."""
        rows = await self.fetch(statement, *values)
        return rows[0] if rows else None

    async def fetchval(self, statement: str, /, *values: Value) -> Any:
        """Run what is queued and then this statement; return the first value of its first row, or None."""
        row = await self.fetchrow(statement, *values)
        return None if row is None else row[0]

    async def finish(self, statement: str) -> str:
        """Run what is queued and then this statement, without values; return what the server says of it."""
        self._queued.append((statement, ()))
        return (await self._flush()).tag

    async def run(self, statements: str) -> str:
        """Run statements without values, which may be several; what is queued and was not sent is dropped."""
        self._queued.clear()
        self.failed = None
        flight = await self._send([], _message(b"Q", statements.encode() + b"\0"))
        return flight.tag

    async def _flush(self) -> _Flight:
        """Send what is queued. What has to be prepared first is, once in the life of a connection."""
        queued, self._queued = self._queued, []
        requests: list[_Prepared] = []
        message = bytearray()
        for statement, values in queued:
            if statement == "BEGIN":
                self.failed = None
            if (prepared := self._prepared.get(statement)) is None:
                if requests:
                    await self._send(requests, bytes(message) + _SYNC)
                    requests, message = [], bytearray()
                prepared = await self._prepare(statement)
            message += _bind_and_execute(prepared, values)
            requests.append(prepared)
        if not requests:
            return _Flight(asyncio.get_running_loop().create_future(), [])
        return await self._send(requests, bytes(message) + _SYNC)

    async def _prepare(self, statement: str) -> _Prepared:
        self._number += 1
        prepared = _Prepared(b"s%d" % self._number, statement)
        message = _message(b"P", prepared.name + b"\0" + statement.encode() + b"\0\0\0")
        message += _message(b"D", b"S" + prepared.name + b"\0")
        if len(self._prepared) >= self._most:
            oldest = self._prepared.pop(next(iter(self._prepared)))
            message += _message(b"C", b"S" + oldest.name + b"\0")
        await self._send([], message + _SYNC, preparing=prepared)
        self._prepared[statement] = prepared
        return prepared

    async def _send(self, requests: list[_Prepared], message: bytes, *, preparing: _Prepared | None = None) -> _Flight:
        if self._transport is None or self.is_closed:
            raise Unavailable("connection is closed")
        flight = self._flight = _Flight(asyncio.get_running_loop().create_future(), requests, preparing)
        self._transport.write(message)
        try:
            async with asyncio.timeout(self._seconds):
                await flight.done
        except TimeoutError:
            self.abort()  # nobody knows what became of it, and whether the next is answered
            raise Unavailable("TimeoutError") from None
        except BaseException:
            self.abort()
            raise
        if flight.error is not None:
            raise flight.error from None
        return flight

    # What ends it.

    def abort(self) -> None:
        """Disconnect at once, in the middle of whatever it is: the server takes back what was not committed."""
        if self._transport is not None:
            self._transport.abort()
        self._end()

    async def close(self) -> None:
        """Disconnect, and wait until the server has let go of what the session held. A second time does nothing."""
        if self._transport is not None and not self.is_closed:
            self._transport.write(_message(b"X", b""))
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await asyncio.shield(self._closed)
            except TimeoutError:
                self.abort()

    def connection_lost(self, _exc: Exception | None, /) -> None:
        """Tell who waits."""
        self._end()

    def _end(self) -> None:
        if self._closed.done():
            return
        self._closed.set_result(None)
        if self._flight is not None and not self._flight.done.done():
            self._flight.error = self._flight.error or Unavailable("connection lost")
            self._flight.done.set_result(None)
        for call in self._when_lost:
            call()

    # What comes back.

    def data_received(self, data: bytes) -> None:
        """Take the messages that are whole."""
        received = self._received
        received += data
        start = 0
        while len(received) - start >= 5:
            kind, length = received[start], int.from_bytes(received[start + 1 : start + 5])
            end = start + 1 + length
            if len(received) < end:
                break
            self._take(kind, bytes(received[start + 5 : end]))
            start = end
        del received[:start]

    def _take(self, kind: int, body: bytes) -> None:
        flight = self._flight
        if flight is None or flight.done.done():
            return
        match kind:
            case 0x44:  # DataRow
                if flight.answered == len(flight.requests) - 1:
                    flight.rows.append(cast("Row", _row(flight.requests[-1], body)))
            case 0x43:  # CommandComplete
                flight.answered += 1
                flight.tag = body.rstrip(b"\0").decode()
            case 0x45:  # ErrorResponse
                if flight.error is None:
                    flight.error = self._error_of(_code(body))
                    asked = [*flight.requests[flight.answered :], flight.preparing][0]
                    if self.failed is None and asked is not None:
                        self.failed = (asked.statement, flight.error)
            case 0x74 if flight.preparing is not None:  # ParameterDescription
                (count,) = struct.unpack_from("!H", body)
                flight.preparing.parameters = struct.unpack_from(f"!{count}I", body, 2)
            case 0x54 if flight.preparing is not None:  # RowDescription
                _describe(flight.preparing, body)
            case 0x5A:  # ReadyForQuery
                flight.done.set_result(None)
            case _:
                pass  # it says that a step went well, or is a notice


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4) + body


_SYNC: Final = _message(b"S", b"")
_EXECUTE: Final = _message(b"E", b"\0\0\0\0\0")
_NULL: Final = (-1).to_bytes(4, signed=True)


def _bind_and_execute(prepared: _Prepared, values: tuple[Value, ...]) -> bytes:
    if len(values) != len(prepared.parameters):
        raise InvalidStatement("number of values") from None
    formats, data = bytearray(), bytearray()
    for value, oid in zip(values, prepared.parameters, strict=True):
        formats += (BINARY_FORMAT if isinstance(value, bytes) else TEXT_FORMAT).to_bytes(2)
        if value is None:
            data += _NULL
            continue
        encoded = _encode(value, oid)
        data += len(encoded).to_bytes(4) + encoded
    count = len(values).to_bytes(2)
    return _message(b"B", b"\0" + prepared.name + b"\0" + count + formats + count + data + prepared.formats) + _EXECUTE


def _encode(value: str | bytes | float, oid: int) -> bytes:
    """Write a value as the server reads it: bytes as they are, all else as text."""
    if isinstance(value, bytes):
        if oid != BYTEA:
            raise InvalidStatement("bytes") from None
        return value
    if isinstance(value, bool):
        return (b"t" if value else b"f") if oid == BOOL else (b"1" if value else b"0")
    if isinstance(value, str):
        if oid in {BYTEA, *WHOLE, *FLOATS, BOOL}:
            raise InvalidStatement("text") from None
        try:
            return value.encode()
        except UnicodeEncodeError:
            raise InvalidStatement("UnicodeEncodeError") from None
    return repr(value).encode()


def _describe(prepared: _Prepared, body: bytes) -> None:
    """Note a statement's columns: their names, how they are asked for and read."""
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


def _row(prepared: _Prepared, body: bytes) -> NamedRow:
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


def _code(body: bytes) -> str:
    """Return the five letters of an error."""
    return next((part[1:].decode() for part in body.split(b"\0") if part.startswith(b"C")), "")
