"""The table `outbox`: actions on their way out, sealed, in the order in which they were decided."""

from __future__ import annotations

from typing import NamedTuple

from bot.model.actions import SendMessage, SendSms
from bridge.storage.database import Reader, Transaction
from bridge.storage.serialization import kind_name


class SealedBody(NamedTuple):
    """An action of a known kind, and what it is sealed under."""

    txn: str
    body: bytes


async def messages_of(reader: Reader, owner: str) -> list[SealedBody]:
    """Return an owner's messages that are still on their way into a room."""
    query = "SELECT txn, body FROM outbox WHERE owner = $1 AND kind = $2"
    rows = await reader.fetch(query, owner, kind_name(SendMessage))
    return [SealedBody(row["txn"], row["body"]) for row in rows]


async def has_sms(reader: Reader, owner: str) -> bool:
    """Whether a text to this phone waits for its turn, or is just being sent."""
    query = "SELECT 1 FROM outbox WHERE owner = $1 AND kind = $2 LIMIT 1"
    return await reader.fetchval(query, owner, kind_name(SendSms)) is not None


async def count_sending_sms(reader: Reader, owner: str) -> int:
    """Return of how many texts to this phone the carrier is being asked."""
    query = "SELECT COUNT(*) FROM outbox WHERE owner = $1 AND kind = $2 AND state = 'sending'"
    return int(await reader.fetchval(query, owner, kind_name(SendSms)))


async def delete_all(transaction: Transaction, owner: str) -> None:
    """Delete every row of an owner."""
    await transaction.execute("DELETE FROM outbox WHERE owner = $1", owner)
