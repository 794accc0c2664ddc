"""Overwrites redacted events at once.

Rule of this module: it does the same as Synapse's own loop, for one room and immediately. That loop takes 100 events of all
rooms together every five minutes, after a retention time (facts-matrix.md, "Purge and recovery").
"""

from __future__ import annotations

from typing import Any, Final

from synapse.module_api import ModuleApi

from quietline_synapse.synapse_internals import SynapseInternals

BATCH: Final = 100
BATCHES: Final = 5
"""Events in one call, which must end well within a client's time-out; the caller sees how many are left."""

UNCENSORED: Final = """FROM redactions r JOIN events e ON e.event_id = r.redacts
    WHERE e.room_id = ? AND NOT r.have_censored"""


class RedactionCensor:
    """Censors rooms."""

    def __init__(self, *, api: ModuleApi, internals: SynapseInternals) -> None:
        self._api, self._internals = api, internals

    async def censor(self, room_id: str) -> int:
        """Censor some hundreds of redacted events of a room; return how many are left."""
        for _ in range(BATCHES):
            waiting: list[tuple[str, str]] = await self._api.run_db_interaction(
                "quietline_uncensored", _read_uncensored, room_id
            )
            # A redaction that was not allowed never has an effect: it is only marked as done.
            done = [
                (
                    redaction,
                    redacts,
                    await self._internals.redacted_json(redacts) if await self._internals.is_accepted(redaction) else None,
                )
                for redaction, redacts in waiting
            ]
            await self._api.run_db_interaction("quietline_censor", _overwrite, done)
            if len(waiting) < BATCH:
                break
        return int(await self._api.run_db_interaction("quietline_left", _count_uncensored, room_id))


def _read_uncensored(txn: Any, room_id: str) -> list[tuple[str, str]]:
    txn.execute(f"SELECT r.event_id, r.redacts {UNCENSORED} LIMIT ?", (room_id, BATCH))
    return [(row[0], row[1]) for row in txn.fetchall()]


def _count_uncensored(txn: Any, room_id: str) -> int:
    txn.execute(f"SELECT COUNT(*) {UNCENSORED}", (room_id,))
    return int(txn.fetchone()[0])


def _overwrite(txn: Any, done: list[tuple[str, str, str | None]]) -> None:
    for redaction, redacts, json_text in done:
        if json_text is not None:
            txn.execute("UPDATE event_json SET json = ? WHERE event_id = ?", (json_text, redacts))
        txn.execute("UPDATE redactions SET have_censored = ? WHERE event_id = ?", (True, redaction))
