"""Waiting for people: in a rush of texts the bridge asks here when to sync next.

Rule of this module: it says up to which position in the stream of events people have done something in a line's rooms,
and nothing else; `/sync` says what. An answer is a reason to sync earlier, never the only one.

Why it is needed: Synapse evaluates a waiting `/sync` again for each event in each room of the policy bot, also for the
texter puppet's, whatever the filter says. For each room that costs a third of a send (1.163.2, `synapse/notifier.py`,
`synapse/handlers/sync.py`).
"""

from __future__ import annotations

import time
from typing import Any, Final

from synapse.module_api import ModuleApi

from quietline_synapse.rooms import AllRooms
from quietline_synapse.settings import LineSettings, ModuleSettings
from quietline_synapse.synapse_internals import SynapseInternals

WAIT_SECONDS: Final = 2.0
LOOK_SECONDS: Final = 0.02


class PeopleEvents:
    """The position of the last event of a person in the rooms of each line, since this process started."""

    def __init__(self, *, api: ModuleApi, settings: ModuleSettings, rooms: AllRooms, internals: SynapseInternals) -> None:
        self._api, self._settings, self._rooms, self._internals = api, settings, rooms, internals
        self._positions: dict[str, int] = {}
        self.is_offered = internals.after_each_event(self._note)
        """False with workers: `/sync` says all that people do there, a moment later."""

    async def wait(self, line: LineSettings, known: int) -> int:
        """Return the position when it is another than `known` and `/sync` has the event, or `known` after two seconds."""
        until = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < until:
            position = self._positions.get(line.policy, 0)
            if position != known and position <= self._internals.synced_position():
                return position
            await self._api.sleep(LOOK_SECONDS)
        return known

    def _note(self, event: Any, position: int) -> None:
        line = self._settings.line_of_bot(self._rooms.known_creator(event.room_id))
        if line is not None and not line.is_ours(event.sender):
            self._positions[line.policy] = max(position, self._positions.get(line.policy, 0))
