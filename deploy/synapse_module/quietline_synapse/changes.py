"""Changes: the bridge asks here when to sync, in place of a waiting `/sync`.

Rule of this module: it says that the policy bot of a line has something to read, and nothing else; `/sync` says what. At
once for what people do, for state events, keys sent to the bot and device lists; within two seconds for our own messages
and for receipts; never for the rest, such as typing. An answer is a reason to sync, never the only one.

Why it is needed: Synapse evaluates a waiting `/sync` again for each event in each room of the policy bot, also for the
texter puppet's, whatever the filter says, and before it answers the request that sent the event. For each room that costs a
third of a send (1.163.2, `synapse/notifier.py`, `synapse/handlers/sync.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from synapse.module_api import ModuleApi

from quietline_synapse.rooms import AllRooms
from quietline_synapse.settings import LineSettings, ModuleSettings
from quietline_synapse.synapse_notifier import SynapseNotifier, WaitingRequests

WAIT_SECONDS: Final = 30.0
SOON_SECONDS: Final = 2.0
LOOK_SECONDS: Final = 0.02
MAX_LOOKS: Final = int(WAIT_SECONDS / LOOK_SECONDS)


@dataclass(slots=True, kw_only=True)
class _LineChanges:
    count: int
    waiting: WaitingRequests
    position: int = 0
    """Of the newest counted event, in the stream of events."""
    is_due: bool = False
    """Whether there is something that has not been counted yet."""
    is_scheduled: bool = False
    """Whether `_count_due` will be called."""


Note: TypeAlias = Callable[[_LineChanges, LineSettings], None]


class LineChanges:
    """Counts the changes of each line since this process started."""

    def __init__(self, *, api: ModuleApi, settings: ModuleSettings, rooms: AllRooms, notifier: SynapseNotifier) -> None:
        self._api, self._settings, self._rooms, self._notifier = api, settings, rooms, notifier
        first = int(time.time() * 1000)  # no count of an earlier process, and not the zero of a bridge that has started
        self._lines = {
            line.policy: _LineChanges(count=first, waiting=notifier.waiting_requests()) for line in settings.lines
        }
        self.is_offered = notifier.after_each_change(self._note_event, self._note_other)
        """False with workers: others may write events, or answer `/sync` a moment later."""

    async def wait(self, line: LineSettings, known: int) -> int:
        """Return the count when it is another than `known` and `/sync` has the changes, or `known` after 30 seconds."""
        changes = self._lines[line.policy]
        if changes.count == known:
            await changes.waiting.wait(WAIT_SECONDS)
        for _ in range(MAX_LOOKS):
            if changes.position <= self._notifier.synced_position():
                return changes.count
            await self._api.sleep(LOOK_SECONDS)
        return known

    def _note_event(self, event: Any, position: int) -> None:
        def note(changes: _LineChanges, line: LineSettings) -> None:
            if event.is_state() or not line.is_ours(event.sender):
                changes.position = max(position, changes.position)
                self._count(changes)
            else:
                self._count_soon(changes)

        self._note_rooms([event.room_id], note)

    def _note_other(self, stream: str, users: Collection[Any], rooms: Collection[str]) -> None:
        match stream:
            case "TO_DEVICE":
                for user_id in map(str, users):
                    if user_id in self._lines:
                        self._count(self._lines[user_id])
            case "DEVICE_LIST":
                self._note_rooms(rooms, lambda changes, _: self._count(changes))
            case "RECEIPT":
                self._note_rooms(rooms, lambda changes, _: self._count_soon(changes))

    def _note_rooms(self, rooms: Collection[str], note: Note) -> None:
        """Call `note` for each line that has one of these rooms: now, or when the database has said whose they are."""
        creators = {self._rooms.known_creator(room_id) for room_id in rooms}
        if None in creators:
            # Not in the request that sent the event: Synapse has answered it by then, and its logging context is over.
            self._api.run_as_background_process("quietline_changes", self._look_up, rooms, note)
        else:
            self._note_creators(creators, note)

    async def _look_up(self, rooms: Collection[str], note: Note) -> None:
        creators = set[str | None]()
        for room_id in rooms:
            await self._rooms.is_foreign(room_id)
            creators.add(self._rooms.known_creator(room_id))  # None: it does not exist any more
        self._note_creators(creators, note)

    def _note_creators(self, creators: Collection[str | None], note: Note) -> None:
        for line in self._settings.lines:
            if line.policy in creators:
                note(self._lines[line.policy], line)

    def _count_soon(self, changes: _LineChanges) -> None:
        changes.is_due = True
        if not changes.is_scheduled:
            changes.is_scheduled = True
            self._notifier.call_later(SOON_SECONDS, self._count_due, changes)

    def _count_due(self, changes: _LineChanges) -> None:
        changes.is_scheduled = False
        if changes.is_due:
            self._count(changes)

    def _count(self, changes: _LineChanges) -> None:
        changes.is_due = False
        changes.count += 1
        changes.waiting.wake()
