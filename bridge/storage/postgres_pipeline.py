"""A pipelined connection to PostgreSQL: a statement does not wait for answers that it does not need.

Rules of this module: one task writes on a connection; on a read-only connection many tasks may ask at once, each for itself
(`ask`). Statements reach the server in the order of the calls; queued statements go with the next statement whose answer is
awaited, in one message and one round trip. After an error the server skips the rest of the message, so no later statement
is done. The next transaction may begin before the end of this one is answered: if the end fails, the server has skipped the
next one's statements too, and they are sent again. A transaction in which no answer is awaited before its end is one
message without BEGIN and COMMIT: the server treats such a message as a transaction. Errors are those of
`postgres_connection`: a code, and no value. asyncpg makes the connection (TLS, login, settings) and hands over its
transport; asyncpg itself sends a statement only after the previous answer, so a commit of four statements would take six
round trips instead of one to three.

Source: postgresql.org/docs/current: protocol-flow.html ("Pipelining", "Extended Query").
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, cast

from bridge.storage.database import Reader, Row, Value
from bridge.storage.errors import DatabaseError, Unavailable
from bridge.storage.postgres_messages import (
    HEADER,
    ROLLBACK,
    SYNC,
    Failure,
    Flight,
    Prepared,
    Request,
    Turn,
    bind_and_execute,
    describe_columns,
    describe_parameters,
    error_code,
    frame_message,
    row_of,
)

READY_FOR_QUERY: Final = 0x5A
_WENT_WELL: Final = b"2n13"
"""Messages that say no more than that a step did: BindComplete, NoData, ParseComplete, CloseComplete."""
CLOSE_SECONDS: Final = 10.0
MOST_QUEUED: Final = 64
"""The most statements in the queue: a commit of a million rows is neither one message nor all in memory."""


class PostgresPipeline(Reader, asyncio.Protocol):
    """See the module. `error_of`: makes an error of ours of the server's code; `seconds`: for one message's answer."""

    def __init__(self, *, error_of: Callable[[str], DatabaseError], statements: int, seconds: float) -> None:
        self._error_of, self._most, self._seconds = error_of, statements, seconds
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._closed = self._loop.create_future()
        self._when_lost: list[Callable[[], None]] = []
        self._prepared: dict[str, Prepared] = {}
        self._number = 0
        self._queued: list[tuple[str, tuple[Value, ...], list[Row] | None]] = []
        self._turn = Turn()
        self._flights: deque[Flight] = deque()
        self._unwritten = b""
        self._watch: asyncio.TimerHandle | None = None
        self._buffer = b""

    @property
    def is_closed(self) -> bool:
        """Whether the connection is lost or closed."""
        return self._closed.done()

    @property
    def unanswered_count(self) -> int:
        """The number of messages without an answer."""
        return len(self._flights)

    @property
    def load(self) -> int:
        """The cost of one more statement, for choosing a connection: lowest while a message has not left yet."""
        return -1 if self._unwritten else len(self._flights)

    @property
    def failure(self) -> Failure | None:
        """The statement that first failed since the last BEGIN, and how; None when none did."""
        return self._turn.failure

    def when_lost(self, call: Callable[[], None]) -> None:
        """Have this called once, when the connection ends, for whatever reason."""
        self._when_lost.append(call)

    def take_over(self, transport: asyncio.Transport) -> None:
        """Use a transport with an open session and no pending statement."""
        self._transport = transport
        transport.set_protocol(self)

    # What is asked.

    async def defer(self, statement: str, /, *values: Value) -> None:
        """Queue a statement that changes rows; it runs with the next awaited one, which also raises its error."""
        if ";" in statement and not values:  # several, which only another message takes
            await self._flush()
            await self.run(statement)
            return
        if statement == "BEGIN":
            self._turn = Turn()
        self._queued.append((statement, values, None))
        if len(self._queued) >= MOST_QUEUED:
            await self._flush()

    async def later(self, statement: str, /, *values: Value) -> list[Row]:
        """Run a statement with the next that is waited for; return the list that has its rows from then on."""
        rows: list[Row] = []
        self._queued.append((statement, values, rows))
        if len(self._queued) >= MOST_QUEUED:
            await self._flush()
        return rows

    async def ask(self, statement: str, /, *values: Value) -> list[Row]:
        """Run a statement alone and return its rows: for many tasks at once, which share messages and nothing else.

        The caller may be cancelled.
        """
        if (prepared := self._prepared.get(statement)) is None:
            prepared = await asyncio.shield(self._prepare(statement))
        rows: list[Row] = []
        flight = self._write([(prepared, rows)], bind_and_execute(prepared, values) + SYNC, hold=True)
        await flight.done  # cancelled with its caller; the answer is ignored then
        if flight.error is not None:
            raise flight.error from None
        return rows

    async def execute(self, statement: str, /, *values: Value) -> None:
        """Run the queued statements and then this one."""
        await self.fetch(statement, *values)

    async def fetch(self, statement: str, /, *values: Value) -> list[Row]:
        """Run the queued statements and then this one; return its rows."""
        rows: list[Row] = []
        self._queued.append((statement, values, rows))
        await self._flush()
        return rows

    async def finish(self, *, hold: bool = False) -> Flight:
        """Run the queued statements and then COMMIT; do not await the answer.

        If the answer is an error, nothing of the transaction is kept, and no rollback is needed. One more transaction may
        begin before the answer; that error does not affect it. `hold`: it begins at once, and its first statements go
        along.
        """
        # A transaction of which nothing was sent needs neither BEGIN nor COMMIT: one message is a transaction.
        is_whole = self._queued[:1] == [("BEGIN", (), None)] and all(each[0] in self._prepared for each in self._queued)
        if is_whole:
            del self._queued[0]
        else:
            self._queued.append(("COMMIT", (), None))
        requests, message = await self._take_queued()
        return self._write(requests, message, ends=True, hold=hold, is_whole=is_whole)

    async def run(self, statements: str) -> str:
        """Run one or more statements without values; queued statements that were not sent are dropped."""
        self._queued.clear()
        self._turn.failure = None
        return (await self._ask(self._write([], frame_message(b"Q", statements.encode() + b"\0")))).tag

    async def _flush(self) -> None:
        """Send the queued statements, and wait for the answer."""
        requests, message = await self._take_queued()
        if requests:
            await self._ask(self._write(requests, message))

    async def _take_queued(self) -> tuple[list[Request], bytes]:
        """Make a message of the queued statements. Each is prepared first, once in the life of a connection."""
        queued, self._queued = self._queued, []
        requests: list[Request] = []
        message = bytearray()
        for statement, values, rows in queued:
            if (prepared := self._prepared.get(statement)) is None:
                if requests:
                    await self._ask(self._write(requests, bytes(message) + SYNC))
                    requests, message = [], bytearray()
                prepared = await self._prepare(statement)
            message += bind_and_execute(prepared, values)
            requests.append((prepared, rows))
        return requests, bytes(message) + SYNC

    async def _prepare(self, statement: str) -> Prepared:
        self._number += 1
        prepared = Prepared(b"s%d" % self._number, statement)
        message = frame_message(b"P", prepared.name + b"\0" + statement.encode() + b"\0\0\0")
        message += frame_message(b"D", b"S" + prepared.name + b"\0")
        if len(self._prepared) >= self._most:
            oldest = self._prepared.pop(next(iter(self._prepared)))
            message += frame_message(b"C", b"S" + oldest.name + b"\0")
        await self._ask(self._write([], message + SYNC, preparing=prepared))
        self._prepared[statement] = prepared
        return prepared

    def _write(
        self,
        requests: list[Request],
        message: bytes,
        *,
        preparing: Prepared | None = None,
        ends: bool = False,
        hold: bool = False,
        is_whole: bool = False,
    ) -> Flight:
        if self._transport is None or self.is_closed:
            raise Unavailable("connection is closed")
        done: asyncio.Future[None] = self._loop.create_future()
        flight = Flight(done, requests, message, self._turn, self._loop.time(), preparing, ends, is_whole=is_whole)
        self._flights.append(flight)
        self._unwritten += message
        if hold:
            self._loop.call_soon(self._write_unwritten)
        else:
            self._write_unwritten()
        if self._watch is None:
            self._watch = self._loop.call_later(self._seconds, self._check_timeout)
        return flight

    def _write_unwritten(self) -> None:
        if self._unwritten and self._transport is not None and not self.is_closed:
            self._transport.write(self._unwritten)
        self._unwritten = b""

    async def _ask(self, flight: Flight) -> Flight:
        try:
            await flight.done
        except BaseException:
            self.abort()
            raise
        if flight.error is not None:
            raise flight.error from None
        return flight

    # What ends it.

    def _check_timeout(self) -> None:
        """Give up when the oldest message has no answer after its time."""
        self._watch = None
        if self.is_closed or not self._flights:
            return
        seconds = self._flights[0].sent_at + self._seconds - self._loop.time()
        if seconds > 0:
            self._watch = self._loop.call_later(seconds, self._check_timeout)
            return
        self._flights[0].error = Unavailable("TimeoutError")
        self.abort()  # the outcome is unknown, and so is whether the next one gets an answer

    def abort(self) -> None:
        """Disconnect at once, also during a statement: the server rolls back what was not committed."""
        if self._transport is not None:
            self._transport.abort()
        self._end()

    async def close(self) -> None:
        """Disconnect, and wait until the server has released the session's locks. A second call does nothing."""
        if self._transport is not None and not self.is_closed:
            self._unwritten += frame_message(b"X", b"")
            self._write_unwritten()
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await asyncio.shield(self._closed)
            except TimeoutError:
                self.abort()

    def connection_lost(self, _exc: Exception | None, /) -> None:
        """Give the waiting callers the error."""
        self._end()

    def _end(self) -> None:
        if self._closed.done():
            return
        self._closed.set_result(None)
        if self._watch is not None:
            self._watch.cancel()
        while self._flights:
            flight = self._flights.popleft()
            flight.error = flight.error or Unavailable("connection lost")
            _tell(flight)
        for call in self._when_lost:
            call()

    # What comes back.

    def data_received(self, data: bytes) -> None:
        """Take the messages that are whole."""
        received = self._buffer + data if self._buffer else data
        start, size = 0, len(received)
        while size - start >= HEADER.size:
            kind, length = HEADER.unpack_from(received, start)
            end = start + 1 + length
            if size < end:
                break
            if kind not in _WENT_WELL:
                self._take(kind, received[start + HEADER.size : end])
            start = end
        self._buffer = received[start:]

    def _take(self, kind: int, body: bytes) -> None:
        if not self._flights:
            return
        flight = self._flights[0]
        if kind == READY_FOR_QUERY:
            self._flights.popleft()
            if self._flights:
                self._flights[0].sent_at = self._loop.time()  # its turn begins: it has waited for this one's answer
            self._finish(flight, failed=body == b"E")
        elif not flight.is_resent:
            self._record_answer(flight, kind, body)

    def _record_answer(self, flight: Flight, kind: int, body: bytes) -> None:
        match kind:
            case 0x44:  # DataRow
                if flight.requests:
                    prepared, rows = flight.requests[flight.answer_count]
                    if rows is not None:
                        rows.append(cast("Row", row_of(prepared, body)))
            case 0x43:  # CommandComplete
                flight.answer_count += 1
                flight.result_tag = body
            case 0x45:  # ErrorResponse
                if flight.error is None:
                    flight.error = self._error_of(error_code(body))
                    rest = flight.requests[flight.answer_count :]
                    prepared_statement = rest[0][0] if rest else flight.new_statement
                    if flight.turn.failure is None and prepared_statement is not None:
                        flight.turn.failure = (prepared_statement.statement, flight.error)
            case 0x74 if flight.new_statement is not None:  # ParameterDescription
                describe_parameters(flight.new_statement, body)
            case 0x54 if flight.new_statement is not None:  # RowDescription
                describe_columns(flight.new_statement, body)
            case _:
                pass  # it confirms a step, or is a notice

    def _finish(self, flight: Flight, *, failed: bool) -> None:
        """Note that the server has answered. `failed`: it accepts nothing more until the transaction is rolled back."""
        if flight.is_resent:
            flight.is_resent = False  # the server skipped all of it, and it was sent again already
            return
        if flight.ends and failed:
            # At once: after this answer the next transaction may begin, and must not reach the server before these.
            behind = list(self._flights)
            self._resend(Flight(self._loop.create_future(), [], ROLLBACK, Turn(), self._loop.time()))
            for passed_over in behind:
                passed_over.is_resent = True
                self._resend(passed_over)
        _tell(flight)

    def _resend(self, flight: Flight) -> None:
        flight.sent_at = self._loop.time()
        self._flights.append(flight)
        self._unwritten += flight.message
        self._write_unwritten()


def _tell(flight: Flight) -> None:
    if not flight.done.done():
        flight.done.set_result(None)
