"""Judges refusals of the homeserver: whether one is final, and whether people must be told.

Rules of this module: `M_FORBIDDEN` is not final while the policy bot or the texter puppet is not in the room: a person
removed it, or the homeserver's database is older than the room. The refused row waits until the room is made again, or the
account brought back. With both in the room it is final when the row is refused twice: the first refusal may be older than
their return, or concern a room that was replaced. A row also waits for what only an administrator can lift (an account that
is locked or suspended, a limit that is reached); the desk and the person on call are told once a day, because nobody would
see otherwise that words wait.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Final

from bot.model.actions import THREAD, KickMember
from bot.model.line_incidents import HomeserverIncident, HomeserverIncidentKind
from bridge.matrix.api.http_client import LIFTED_BY_A_PERSON, HomeserverError, Permanent, Transient
from bridge.outbound import room_lookup
from bridge.outbound.dispatcher import OutboxTask
from bridge.runtime import log
from bridge.services import Services
from bridge.tables import threads

TELL_SECONDS: Final = 86_400.0


class RoomRefusals:
    """Judges refused rows.

    `is_outside`: whether one of our identities is not in a room; `compare_rooms`: requests that missing rooms are made;
    `notify_desk` tells the desk.
    """

    def __init__(
        self,
        services: Services,
        *,
        is_outside: Callable[[str], Awaitable[bool]],
        compare_rooms: Callable[[], None],
        notify_desk: Callable[[HomeserverIncident], Awaitable[None]],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database, self._is_outside, self._compare_rooms = services.database, is_outside, compare_rooms
        self._notify_desk, self._monotonic, self._told_at = notify_desk, monotonic, -TELL_SECONDS
        self._refused_inside: set[int] = set()
        """Numbers of rows that were refused with both identities in the room. One that is accepted then stays here."""

    async def must_retry(self, task: OutboxTask, error: Permanent) -> bool:
        """Whether this row must be tried again, although the homeserver refused it."""
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
        elif task.number not in self._refused_inside:
            log.event("room_refusals.refused_once", kind=type(task.action).__name__)
            self._refused_inside.add(task.number)
            return True
        self._refused_inside.discard(task.number)
        return outside

    async def report_final(self, task: OutboxTask) -> None:
        """Report a user whom the homeserver does not let us remove: other clients send them keys meanwhile.

        It is reported before the row becomes a dead letter: after a crash in between it is reported once more.
        """
        if isinstance(task.action, KickMember):
            designation = await threads.designation_of(self._database, task.owner)
            await self._notify_desk(HomeserverIncident(kind=HomeserverIncidentKind.NOT_REMOVED, designation=designation))

    async def report(self, error: Transient) -> None:
        """Report, once a day, a row that waits for an administrator. A new process reports it again."""
        now = self._monotonic()
        if error.errcode in LIFTED_BY_A_PERSON and now - self._told_at >= TELL_SECONDS:
            before, self._told_at = self._told_at, now  # set first, because other rows are refused meanwhile
            try:
                await self._notify_desk(HomeserverIncident(kind=HomeserverIncidentKind.SUSPENDED))
            except BaseException:
                self._told_at = before
                raise
