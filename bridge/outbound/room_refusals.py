"""Whether a room that the homeserver refuses us is refused for good.

Rule of this module: `M_FORBIDDEN` means nothing final while one of us is not in the room: a person removed us, or the
homeserver was put back to before the room was made. Then the room is made again, or one of us brought back, and what was
refused waits for that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from bot.model.actions import THREAD
from bridge.matrix.room_client import HomeserverError, Permanent
from bridge.outbound import room_lookup
from bridge.outbound.dispatcher import OutboxTask
from bridge.runtime import log
from bridge.services import Services


class RoomRefusals:
    """`is_outside`: whether one of us is not in a room; `compare_rooms` has what is missing made again."""

    def __init__(
        self, services: Services, *, is_outside: Callable[[str], Awaitable[bool]], compare_rooms: Callable[[], None]
    ) -> None:
        self._database, self._is_outside, self._compare_rooms = services.database, is_outside, compare_rooms

    async def may_heal(self, task: OutboxTask, error: Permanent) -> bool:
        """Whether this row is to be tried again, although the homeserver refused it."""
        if error.errcode != "M_FORBIDDEN":
            return False
        room = await room_lookup.room_of(self._database, task.owner, getattr(task.action, "place", THREAD))
        try:
            outside = room is None or await self._is_outside(room)
        except HomeserverError as failed:
            log.event("room_refusals.rooms_unknown", status=failed.status)
            outside = True
        if outside:
            log.event("room_refusals.not_in_room", kind=type(task.action).__name__)
            self._compare_rooms()
        return outside
