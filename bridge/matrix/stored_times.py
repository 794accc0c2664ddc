"""Corrects times in the tables of `bridge/matrix` that a wrong clock stamped, once the clock is right.

Rules of this module: as in `bridge/tables/clock_trust.py`. Without this, a session that seems to begin in a year would not
be rotated for a year, and a key that was requested then would not be sent again before. The statements are with their
tables; this module has how far ahead a right time can be.
"""

from __future__ import annotations

from typing import Final

from bridge.matrix.olm import identity_table, olm_store
from bridge.matrix.room_keys import device_lists, dirty_table, inbound_table, outbound_table, waiting_table
from bridge.matrix.rooms import media
from bridge.storage.database import Transaction

MINUTES_MS: Final = 3_600_000
DAYS_MS: Final = 8 * 86_400_000
SKEW_MS: Final = 120_000


async def make_identity_times_earlier(transaction: Transaction, *, now: float, seconds: int) -> None:
    """Make times that are too late in an identity's own database earlier by `seconds`."""
    latest, by = int(now * 1000) + SKEW_MS, seconds * 1000
    await olm_store.make_wedged_times_earlier(transaction, latest_ms=latest, by_ms=by)
    await identity_table.make_times_earlier(transaction, latest_ms=latest + DAYS_MS, heard_ms=latest, by_ms=by)
    await olm_store.make_times_earlier(transaction, latest=now + SKEW_MS / 1000, seconds=seconds)


async def make_main_times_earlier(transaction: Transaction, *, now: float, seconds: int) -> None:
    """Make times of `bridge/matrix` that are too late in the main database earlier by `seconds`, the policy bot's too."""
    latest, by = int(now * 1000) + SKEW_MS, seconds * 1000
    await device_lists.make_times_earlier(transaction, latest_ms=latest, by_ms=by)
    await dirty_table.make_times_earlier(transaction, latest_ms=latest + MINUTES_MS, by_ms=by)
    await outbound_table.make_times_earlier(transaction, latest_ms=latest, by_ms=by)
    await inbound_table.make_times_earlier(transaction, latest_ms=latest, by_ms=by)
    await waiting_table.make_times_earlier(transaction, latest_ms=latest + MINUTES_MS, by_ms=by)
    await media.make_times_earlier(transaction, latest_ms=latest, due_ms=latest + DAYS_MS, by_ms=by)
    await make_identity_times_earlier(transaction, now=now, seconds=seconds)
