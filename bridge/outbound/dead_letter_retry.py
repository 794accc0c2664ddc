"""Tries a dead letter once more, because a person says so.

Rules of this module: only words that somebody wrote to us, or that we show, are tried again. A text to a phone never is (it
may have left), nor anything that was true only then. One commit deletes the dead letter and puts its row back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bot.model.actions import SendMessage
from bot.model.events import TextArrived
from bridge.runtime.clock import Clock
from bridge.storage.database import Database, Transaction
from bridge.tables import inbox
from bridge.tables.inbox import InboxRow

RETRYING: Final = "It is tried once more. If it fails again there is another alert."
NOT_STORED: Final = "Its words were not kept: an agreed word may have stood in them. Ask them to say it again."
UNKNOWN: Final = "Nothing is kept under that id: it was tried again already, or its conversation is over."
NOT_RETRYABLE: Final = "That is nothing that can be tried again. It is kept for the technician."


class DeadLetterRetry:
    """Puts dead letters back. `wake_outbox`, `wake_engine` and, for who is still to be looked up, `wake_screening`."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        wake_outbox: Callable[[int, str, str, str], None],
        wake_engine: Callable[[str], None],
        wake_screening: Callable[[str], None],
    ) -> None:
        self._database, self._clock = database, clock
        self._wake_outbox, self._wake_engine, self._wake_screening = wake_outbox, wake_engine, wake_screening

    async def retry(self, short_id: str) -> str:
        """Try that again; return a sentence for whoever asked."""
        row = await self._database.fetchrow(
            "SELECT owner, kind, body, lane, way, txn FROM dead_letter WHERE short_id = $1", short_id
        )
        if row is None:
            return UNKNOWN
        shown = row["way"] == "matrix" and row["kind"] == SendMessage.__name__
        if not shown and not (row["way"] == "" and row["kind"] == TextArrived.__name__):
            return NOT_RETRYABLE
        if not row["body"]:
            return NOT_STORED
        now = int(self._clock.now())

        async def commit(conn: Transaction) -> int | None:
            gone = await conn.fetchval("DELETE FROM dead_letter WHERE short_id = $1 RETURNING short_id", short_id)
            if gone is None:
                return None
            if not shown:
                await inbox.append(conn, InboxRow(row["owner"], row["kind"], row["body"]))
                return 0
            number: int = await conn.fetchval(
                """INSERT INTO outbox (owner, lane, way, kind, txn, body, created)
                   VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id""",
                row["owner"],
                row["lane"],
                row["way"],
                row["kind"],
                row["txn"],
                row["body"],
                now,
            )
            return number

        number = await self._database.commit(commit)
        if number is None:
            return UNKNOWN
        if shown:
            self._wake_outbox(number, row["owner"], row["lane"], row["way"])
        elif await self._database.fetchval("SELECT 1 FROM thread WHERE id = $1 AND NOT screened", row["owner"]):
            self._wake_screening(row["owner"])
        else:
            self._wake_engine(row["owner"])
        return RETRYING
