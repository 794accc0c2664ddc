"""Corrects times in the tables of the main database that a wrong clock stamped, once the clock is right (`clock_trust`).

Rules of this module: it runs in the caller's commit, and in the same commit deletes the note of how wrong times were. Times
in threads, the desk and sealed values are not corrected here (`bot/lifecycle/corrected_times.py`), nor are those in tables
of `bridge/matrix` (`bridge/matrix/stored_times.py`).
"""

from __future__ import annotations

from typing import Final

from bot.model.text_order import MAX_SKEW
from bridge.storage.database import Transaction
from bridge.tables import (
    carrier_copies,
    dead_letters,
    early_reactions,
    erasure_jobs,
    inbox,
    line_state,
    outbox,
    room_events,
    sent_texts,
    timers,
)

DAY: Final = 86_400
KEPT_IDS: Final = 90 * DAY
"""The most seconds for which a keyed hash is kept."""
COPY_WAIT: Final = 3 * DAY
"""The most seconds by which the deletion of a carrier's copy is postponed."""


async def make_times_earlier(transaction: Transaction, *, now: float, seconds: int, message_ttl: int) -> None:
    """Make each time that is further ahead than possible earlier by so many seconds, or equal to its limit."""
    at = int(now)
    latest, until = at + int(MAX_SKEW), at + KEPT_IDS
    await inbox.make_times_earlier(transaction, until=until, seconds=seconds)
    await sent_texts.make_times_earlier(transaction, until=until, seconds=seconds)
    await room_events.make_times_earlier(transaction, latest=latest, expires=at + message_ttl, seconds=seconds)
    await early_reactions.make_times_earlier(transaction, until=until, seconds=seconds)
    await outbox.make_times_earlier(transaction, latest=latest, seconds=seconds)
    await dead_letters.make_times_earlier(transaction, latest=latest, seconds=seconds)
    await carrier_copies.make_times_earlier(transaction, latest=latest, due=at + COPY_WAIT, seconds=seconds)
    await erasure_jobs.make_times_earlier(transaction, now=at, latest=latest, seconds=seconds)
    await timers.make_times_earlier(transaction, now=at, seconds=seconds, destroys=True)
    await timers.make_times_earlier(transaction, now=at + DAY, seconds=seconds, destroys=False)
    await line_state.make_times_earlier(transaction, now=now, seconds=seconds)
    await line_state.delete(transaction, line_state.CLOCK_AHEAD)


async def make_times_later(transaction: Transaction, *, seconds: int) -> None:
    """Make the times at which something ends, from a clock that was behind, so many seconds later."""
    await inbox.make_times_later(transaction, seconds=seconds)
    await sent_texts.make_times_later(transaction, seconds=seconds)
    await room_events.make_times_later(transaction, seconds=seconds)
    await early_reactions.make_times_later(transaction, seconds=seconds)
    await erasure_jobs.make_times_later(transaction, seconds=seconds)
    await line_state.delete(transaction, line_state.CLOCK_AHEAD)
