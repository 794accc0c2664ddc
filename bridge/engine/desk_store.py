"""The desk as it is stored: its aggregate without the crowd of a flood, and a row for each thread in that crowd.

Rules of this module: a crowd may have tens of thousands of threads and change many times a second, so a commit writes the
changed rows only. Memory has the rows' numbers; one commit of the desk at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, compress, repeat
from operator import is_not
from typing import Final

from bot.model.actions import DESK
from bot.model.desk import Desk
from bot.model.flood import CrowdEntry
from bridge.services import Services
from bridge.storage import serialization
from bridge.storage.database import Transaction
from bridge.tables import desk_state
from bridge.tables.threads import AGGREGATE

CROWD: Final = "crowd"
"""The context under which an entry of the crowd is sealed for the desk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedDesk:
    """What a commit writes of the desk. `crowd`: its changed rows; `numbers`: of new threads, None for gone ones."""

    aggregate: bytes
    crowd: Mapping[int, bytes | None] = field(default_factory=dict)
    numbers: Mapping[str, int | None] = field(default_factory=dict)

    async def write(self, transaction: Transaction) -> None:
        """Write the desk and its changed rows."""
        await desk_state.set_aggregate(transaction, self.aggregate)
        if self.crowd:
            await desk_state.change_crowd(transaction, self.crowd)


class DeskStore:
    """Reads the desk at the start, and seals its changes for a commit."""

    def __init__(self, services: Services) -> None:
        self._database, self._vault = services.database, services.vault
        self._numbers: dict[str, int] = {}
        self._last = 0

    async def load(self) -> Desk:
        """Return the desk as last committed; on the first start it is made."""
        await self._vault.create(DESK)
        stored = await desk_state.get(self._database)
        if stored is None:
            aggregate = (await self.seal(Desk(), Desk())).aggregate
            await self._database.commit(lambda transaction: desk_state.insert(transaction, aggregate))
            return Desk()
        desk = serialization.decode_as(Desk, await self._vault.open(DESK, AGGREGATE, stored))
        crowd = dict[str, CrowdEntry]()
        for number, sealed in (await desk_state.get_crowd(self._database)).items():
            self._last = number
            entry = serialization.decode_as(CrowdEntry, await self._vault.open(DESK, CROWD, sealed))
            crowd[entry.thread] = entry
            self._numbers[entry.thread] = number
        return replace(desk, flood=replace(desk.flood, crowd=crowd))

    async def seal(self, before: Desk, after: Desk) -> SealedDesk:
        """Seal the changes of a commit. `before`: the desk as committed last."""
        body = serialization.encode(replace(after, flood=replace(after.flood, crowd={})))
        aggregate = await self._vault.seal(DESK, AGGREGATE, body)
        old, new, last = before.flood.crowd, after.flood.crowd, self._last
        if new is old and len(new) == len(self._numbers):
            return SealedDesk(aggregate=aggregate)
        removed_threads = [entry.thread for entry in _changed_entries(old, new) if entry.thread not in new]
        numbers: dict[str, int | None] = {thread: None for thread in removed_threads if thread in self._numbers}
        crowd: dict[int, bytes | None] = {self._numbers[thread]: None for thread in numbers}
        for entry in _changed_entries(new, old) if len(old) == len(self._numbers) else new.values():
            number = self._numbers.get(entry.thread)
            if number is None:
                number = numbers[entry.thread] = last = last + 1
            elif old.get(entry.thread) is entry:
                continue
            crowd[number] = await self._vault.seal(DESK, CROWD, serialization.encode(entry))
        return SealedDesk(aggregate=aggregate, crowd=crowd, numbers=numbers)

    def record_commit(self, sealed: SealedDesk) -> None:
        """Adopt the numbers, after the commit."""
        for thread, number in sealed.numbers.items():
            if number is None:
                del self._numbers[thread]
            else:
                self._numbers[thread] = self._last = number


def _changed_entries(crowd: Mapping[str, CrowdEntry], other: Mapping[str, CrowdEntry]) -> Iterable[CrowdEntry]:
    """Yield the entries of a crowd that the other crowd does not have at the same position: all that it may lack.

    Each commit compares the whole crowd, so no Python runs for each entry: 1 ms instead of 5 with 30,000.
    """
    return compress(crowd.values(), map(is_not, crowd.values(), chain(other.values(), repeat(None))))
