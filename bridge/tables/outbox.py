"""The table `outbox`: sealed actions on their way out, in the order of their numbers.

Rules of this module: a row is inserted by the commit of the decision that asks for the action, and deleted by the commit
that holds the result. Neither a number nor a `txn` is ever reused. A row is sealed for its owner under its `txn`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from bot.model.actions import DESK, SendMessage, SendSms
from bridge.storage.database import Reader, Row, Transaction
from bridge.storage.serialization import kind_name

CARRIER = "carrier"
"""The transport of texts to phones."""
OLDEST_STUCK = """SELECT MIN(created) FROM outbox o WHERE NOT (o.transport = 'matrix' AND EXISTS (
    SELECT 1 FROM thread t WHERE t.id = o.owner AND t.room_id IS NULL AND t.in_flood <> 0))"""
"""SQL: when the oldest row was put in, those aside that wait for the room of a texter who came in a flood: it is made when
their card is shown, which may be hours later."""


class RowState(Enum):
    """The state of a row: it waits; the carrier may have been asked; the desk was told that it fails."""

    QUEUED = "queued"
    SENDING = "sending"
    TOLD = "told"


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A row to insert. `transport` is `matrix`, `carrier` or `page`; `txn` is unique for ever.

    `edited`: place and `ref` of the message that it edits, which is not stored; empty for every other action.
    """

    lane: str
    transport: str
    kind: str
    txn: str
    body: bytes
    edited: str = ""


class QueuedRow(NamedTuple):
    """The place and state of a row."""

    number: int
    owner: str
    lane: str
    transport: str


class SealedAction(NamedTuple):
    """The content of a row. `created` in seconds since the epoch; `room`: of its thread, or None."""

    kind: str
    txn: str
    body: bytes
    created: int
    room: str | None


class SealedBody(NamedTuple):
    """An action of a known kind, and the names it is sealed under."""

    txn: str
    body: bytes


class StoredRow(NamedTuple):
    """A whole row, but for its state and its time."""

    number: int
    owner: str
    row: OutboxRow


async def append(transaction: Transaction, owner: str, row: OutboxRow, *, created: int) -> list[Row]:
    """Insert a row; the returned list has its number. `created` in seconds since the epoch."""
    return await transaction.fetch(
        """INSERT INTO outbox (owner, lane, transport, kind, txn, body, created)
           VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id""",
        owner,
        row.lane,
        row.transport,
        row.kind,
        row.txn,
        row.body,
        created,
    )


def number_of(appended: list[Row]) -> int:
    """Return the number of an inserted row."""
    number: int = appended[0]["id"]
    return number


async def delete(transaction: Transaction, number: int) -> bool:
    """Delete a row; return whether it was still there."""
    return await transaction.fetchval("DELETE FROM outbox WHERE id = $1 RETURNING id", number) is not None


async def drop(transaction: Transaction, number: int) -> None:
    """Delete a row, if it still exists. Unlike `delete` it needs no round trip of its own to PostgreSQL."""
    await transaction.execute("DELETE FROM outbox WHERE id = $1", number)


async def queued_rows(reader: Reader) -> list[QueuedRow]:
    """Return place and state of all rows, in their order."""
    rows = await reader.fetch("SELECT id, owner, lane, transport FROM outbox ORDER BY id")
    return [QueuedRow(row["id"], row["owner"], row["lane"], row["transport"]) for row in rows]


async def sealed_action(reader: Reader, number: int) -> SealedAction | None:
    """Return the content of a row, or None when it no longer exists."""
    query = """SELECT o.kind, o.txn, o.body, o.created, t.room_id FROM outbox o LEFT JOIN thread t ON t.id = o.owner
        WHERE o.id = $1"""
    row = await reader.fetchrow(query, number)
    return None if row is None else SealedAction(*row)


async def rows_being_sent(reader: Reader) -> list[StoredRow]:
    """Return the rows for which the carrier may have been asked already."""
    rows = await reader.fetch(
        "SELECT id, owner, lane, transport, txn, kind, body FROM outbox WHERE state = $1", RowState.SENDING.value
    )
    return [
        StoredRow(row["id"], row["owner"], OutboxRow(row["lane"], row["transport"], row["kind"], row["txn"], row["body"]))
        for row in rows
    ]


async def state_of(reader: Reader, number: int) -> RowState | None:
    """Return the state of a row, or None when it no longer exists."""
    state = await reader.fetchval("SELECT state FROM outbox WHERE id = $1", number)
    return None if state is None else RowState(state)


async def set_state(transaction: Transaction, number: int, state: RowState) -> None:
    """Note how far a row is."""
    await transaction.execute("UPDATE outbox SET state = $2 WHERE id = $1", number, state.value)


async def mark_reported(transaction: Transaction, number: int) -> bool:
    """Note that the desk was told of a row; return False when it was told before, or the row no longer exists."""
    query = "UPDATE outbox SET state = $2 WHERE id = $1 AND state <> $2 RETURNING id"
    return await transaction.fetchval(query, number, RowState.TOLD.value) is not None


async def rows_after(reader: Reader, owner: str, number: int, kind: str, most: int) -> list[SealedBody]:
    """Return up to `most` rows of an owner and a kind after a row, the next one first."""
    query = "SELECT txn, body FROM outbox WHERE owner = $1 AND id > $2 AND kind = $3 ORDER BY id LIMIT $4"
    return _bodies(await reader.fetch(query, owner, number, kind, most))


async def rows_before(reader: Reader, owner: str, number: int, kind: str, most: int) -> list[SealedBody]:
    """Return up to `most` rows of an owner and a kind before a row, the nearest one first."""
    query = "SELECT txn, body FROM outbox WHERE owner = $1 AND id < $2 AND kind = $3 ORDER BY id DESC LIMIT $4"
    return _bodies(await reader.fetch(query, owner, number, kind, most))


async def messages_of(reader: Reader, owner: str) -> list[SealedBody]:
    """Return an owner's messages that are still on their way into a room."""
    query = "SELECT txn, body FROM outbox WHERE owner = $1 AND kind = $2"
    return _bodies(await reader.fetch(query, owner, kind_name(SendMessage)))


async def has_sms(reader: Reader, owner: str) -> bool:
    """Whether a text to this phone waits, or is being sent."""
    query = "SELECT 1 FROM outbox WHERE owner = $1 AND kind = $2 LIMIT 1"
    return await reader.fetchval(query, owner, kind_name(SendSms)) is not None


async def count_sending_sms(reader: Reader, owner: str) -> int:
    """Return how many texts to this phone are being sent."""
    query = "SELECT COUNT(*) FROM outbox WHERE owner = $1 AND kind = $2 AND state = $3"
    return int(await reader.fetchval(query, owner, kind_name(SendSms), RowState.SENDING.value))


async def delete_all(transaction: Transaction, owner: str) -> None:
    """Delete every row of an owner."""
    await transaction.execute("DELETE FROM outbox WHERE owner = $1", owner)


async def owners_with_texts_pending(reader: Reader) -> list[str]:
    """Return the owners with a waiting text to a phone, or an event that may become one. Events of the desk become none."""
    rows = await reader.fetch(
        "SELECT owner FROM outbox WHERE transport = $1 UNION SELECT owner FROM inbox WHERE owner <> $2", CARRIER, DESK
    )
    return [row["owner"] for row in rows]


async def count_by_transport(reader: Reader) -> dict[str, int]:
    """Return how many rows there are of each transport that has any."""
    return {
        row["transport"]: int(row["number"])
        for row in await reader.fetch("SELECT transport, COUNT(*) AS number FROM outbox GROUP BY transport")
    }


async def oldest_created(reader: Reader) -> int | None:
    """Return when the oldest row was put in that could leave, in seconds since the epoch; None when there is none."""
    created: int | None = await reader.fetchval(OLDEST_STUCK)
    return created


def _bodies(rows: Iterable[Row]) -> list[SealedBody]:
    return [SealedBody(row["txn"], row["body"]) for row in rows]
