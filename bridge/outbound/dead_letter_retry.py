"""Tries a dead letter once more, at a person's command.

Rules of this module: only words that a person wrote to us, messages that we show, and a thread that waits without a card
are tried again. A text to a phone never is (it may have left), nor is anything that was true only at that time. One commit
deletes the dead letter and puts its row back.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from bridge.services import Services
from bridge.storage.database import Transaction
from bridge.storage.vault import CannotOpen
from bridge.tables import dead_letters, inbox, outbox, threads
from bridge.tables.dead_letters import DeadLetter
from bridge.tables.outbox import OutboxRow

RETRYING: Final = "retry.retrying"
NOT_STORED: Final = "retry.not_stored"
UNKNOWN: Final = "retry.unknown"
NOT_RETRYABLE: Final = "retry.not_retryable"


class DeadLetterRetry:
    """Puts dead letters back, and wakes their owners."""

    def __init__(self, services: Services) -> None:
        self._database, self._vault = services.database, services.vault
        self._clock, self._wake = services.clock, services.wake

    async def retry(self, short_id: str) -> str:
        """Retry that dead letter; return the key of the notice for the person who asked."""
        letter = await dead_letters.get(self._database, short_id)
        if letter is None:
            return UNKNOWN
        if not letter.is_message and not letter.is_text and not letter.is_queued_thread:
            return NOT_RETRYABLE
        row = letter.row
        if not row.body:
            return NOT_STORED
        if letter.is_queued_thread and not await self._is_current(letter):
            return UNKNOWN
        now = int(self._clock.now())

        async def commit(transaction: Transaction) -> Callable[[], None] | None:
            """Return the function that wakes the row's worker: nothing may fail between the commit and the call of it."""
            if not await dead_letters.take(transaction, short_id):
                return None
            if not letter.is_message:
                await inbox.append(transaction, row)
                is_unscreened = letter.is_text and await threads.is_unscreened(transaction, row.owner)
                return partial(self._wake.screening if is_unscreened else self._wake.engine, row.owner)
            outbox_row = OutboxRow(letter.lane, letter.transport, row.kind, letter.txn, row.body)
            appended = await outbox.append(transaction, row.owner, outbox_row, created=now)
            return lambda: self._wake.outbox(outbox.number_of(appended), row.owner, letter.lane, letter.transport)

        wake = await self._database.commit(commit)
        if wake is None:
            return UNKNOWN
        wake()
        return RETRYING

    async def _is_current(self, letter: DeadLetter) -> bool:
        """Whether the conversation of a thread that waited is the one that it has now."""
        try:
            queued = await dead_letters.open_queued(self._vault, letter.row)
        except (CannotOpen, ValueError):
            return False
        return await threads.designation_of(self._database, queued.thread) == queued.designation
