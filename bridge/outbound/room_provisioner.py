"""Makes rooms, here and only here: the desk, an office per member of staff, a few warm rooms, one per thread.

Rules of this module: it compares the rooms that should exist with those that do, and makes the missing ones until none is
missing. A thread that waits for a room comes before the warm rooms. A room that the database does not know (a crash, a lost
answer, an upgrade) is left and forgotten, at the next start, when nothing else is to do, or within the hour; a room that
had been erased, and that a homeserver with an older database has again, is erased again. After a restore, rooms from before
it stay until a person says that no legal hold concerns them. Rooms that the homeserver has lost are looked for at each
start, and when it refuses one: the thread gets another room, and its people are invited, except who has left the desk.
Members that the homeserver has lost in a room are invited again. When the desk is lost, the person on call is told. One
person who cannot be invited delays nobody else: the desk gets an alarm. When everybody has left the desk, its configured
supervisors are invited again. The texter puppet is invited back to a room from which a person removed it.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Final

from bot.model.actions import DESK, OFFICE
from bot.model.desk import Desk
from bot.model.line_incidents import HomeserverIncident, HomeserverIncidentKind, InviteFailed, RoomLoss, RoomLost
from bridge.background.loop import BackgroundLoop
from bridge.config.sections import Staff
from bridge.matrix.api.http_client import Permanent, TokenRefused
from bridge.matrix.room_client import RoomClient
from bridge.matrix.room_comparison import RoomComparison
from bridge.matrix.rooms import room_state
from bridge.matrix.rooms.room_state import RoomKind
from bridge.outbound.designations import Designations
from bridge.runtime import log
from bridge.runtime.crash_points import CrashPoint
from bridge.services import Services
from bridge.storage.database import Transaction
from bridge.tables import erasure_jobs, line_state, room_events, threads, warm_rooms
from bridge.tables.threads import RoomlessThread
from bridge.tables.warm_rooms import WarmRoom

WARM_ROOMS: Final = 4
"""Number of warm rooms. A first text takes one; making another takes about a third of a second."""
REFILL_DELAY: Final = 1.0
"""Seconds from the first loss of a full stock until it is filled again: the words of the person who took the room come
first, because an event takes the homeserver twice as long while it makes a room."""
INVITE_INTERVAL: Final = 3600.0
"""Seconds between two invitations of the configured supervisors to a desk that everybody has left, and between two tries to
invite a person to their office after a refusal."""
UNKNOWN_ROOMS_INTERVAL: Final = 3600.0
"""Seconds between two checks for rooms that we are in but have not noted: a room upgrade makes one."""
CATCH_UP_INTERVAL: Final = 1.0
"""Seconds between two checks whether the sync has caught up; before that no unknown room is left."""
COMPARISON_INTERVAL: Final = 60.0
"""Seconds between two comparisons because a room was refused: each asks for the members of every room."""
TELL_LOST_INTERVAL: Final = 600.0
"""Seconds for which all findings about a rollback of the homeserver are one message at the desk."""


class RoomProvisioner:
    """Makes missing rooms; call `changed` when some may be missing. `run` until cancelled."""

    def __init__(
        self,
        services: Services,
        *,
        room_client: RoomClient,
        room_comparison: RoomComparison,
        designations: Designations,
        staff: list[Staff],
        desk: Callable[[], Desk],
        own_users: Collection[str],
        notify_desk: Callable[[InviteFailed | HomeserverIncident | RoomLost], Awaitable[None]],
        has_caught_up: Callable[[], bool],
        grace: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`own_users`: our identities, who are not members of staff; `notify_desk` tells the desk.

        `has_caught_up`: whether the sync has caught up; then a rollback of the homeserver is known. `grace`: seconds for
        clients to learn that a room which a rollback restored is gone again.
        """
        self._notify_desk, self._may_have_orphans, self._invite_again_at = notify_desk, False, dict[str, float]()
        self._own_users, self._monotonic = frozenset(own_users), monotonic
        self._next_invite_at, self._next_unknown_rooms_at = 0.0, 0.0
        self._has_caught_up, self._grace, self._clock = has_caught_up, grace, services.clock
        self._database, self._vault = services.database, services.vault
        self._wake, self._crash = services.wake, services.crash
        self._room_client, self._designations, self._staff, self._desk = room_client, designations, staff, desk
        self._room_comparison, self._comparison_due, self._next_comparison_at = room_comparison, True, 0.0
        self._notify_rollback_at, self._is_desk_lost = 0.0, False
        self._refill_at: float | None = 0.0
        """From when warm rooms are made, by `monotonic`: at once at the start; None while the stock is full."""
        self.desk_room = ""
        """The desk room's id, once the room exists and everybody is invited."""
        # If the database fails, each try may make a room that cannot be noted: so up to a minute between two tries.
        self.loop = BackgroundLoop(
            "room_provisioner",
            self.run_once,
            max_sleep=UNKNOWN_ROOMS_INTERVAL,
            retry=(0.2, 5.0),
            storage_retry=(2.0, 60.0),
        )
        services.wake.rooms = self.loop.wake

    async def run_once(self) -> float:
        """Make one missing room; return the seconds until there may be more to make."""
        if await self._provision_one():
            return 0.0
        wait = UNKNOWN_ROOMS_INTERVAL if self._has_caught_up() else CATCH_UP_INTERVAL
        return wait if self._refill_at is None else min(wait, self._refill_at - self._monotonic())

    def compare_rooms(self) -> None:
        """Request a comparison, because the homeserver refuses a room that should exist."""
        if self._monotonic() >= self._next_comparison_at:
            self._comparison_due = True
            self.loop.wake()

    @property
    def is_rollback_news(self) -> bool:
        """Whether the desk was not told in the last minutes that the homeserver has lost something."""
        return self._monotonic() >= self._notify_rollback_at

    def compare_after_rollback(self) -> None:
        """Request a comparison after a rollback of the homeserver, of which the desk was told."""
        self._comparison_due, self._next_unknown_rooms_at = True, 0.0
        self._notify_rollback_at = self._monotonic() + TELL_LOST_INTERVAL
        self.loop.wake()

    async def _provision_one(self) -> bool:
        """Make one missing room; return whether there may be more."""
        if not self.desk_room:
            self.desk_room = await self._make_desk()
            return True
        if self._comparison_due:
            await self._compare_rooms()
        waiting = await self._thread_without_room()
        if waiting is not None:
            await self._make_thread_room(waiting.designation, waiting.id)
            return True
        await self._readd_puppet()
        if await self._is_desk_empty() and self._monotonic() >= self._next_invite_at:
            self._next_invite_at = self._monotonic() + INVITE_INTERVAL
            await self._invite(self.desk_room, [staff for staff in self._staff if staff.role == "supervisor"])
            return True
        for seat in self._desk().roster:
            if await self._ensure_office(seat.user):
                return True
        if await self._is_refill_due():
            await self._make_warm_room()
            return True
        if self._may_have_orphans:
            await self._database.commit(room_state.delete_unassigned_rooms)
        is_due = self._may_have_orphans or self._monotonic() >= self._next_unknown_rooms_at
        if is_due and self._has_caught_up():
            await self._leave_unknown_rooms()
            self._may_have_orphans = False
        return False

    async def _is_refill_due(self) -> bool:
        """Whether a warm room is missing, and has been for `REFILL_DELAY`."""
        if await warm_rooms.count(self._database) >= WARM_ROOMS:
            self._refill_at = None
            return False
        if self._refill_at is None:
            self._refill_at = self._monotonic() + REFILL_DELAY
        return self._monotonic() >= self._refill_at

    async def _compare_rooms(self) -> None:
        """Delete the rows of rooms that the homeserver does not have, and correct the members of the others."""
        # Set first: a rollback that is reported meanwhile needs another comparison.
        self._comparison_due, self._next_comparison_at = False, self._monotonic() + COMPARISON_INTERVAL
        try:
            await self._compare_all()
        except BaseException:
            self._comparison_due = True
            raise

    async def _compare_all(self) -> None:
        noted = await line_state.get(self._database, line_state.MEMBERS_RETURNED)
        until = None if noted is None else int(noted)
        used = await warm_rooms.used_rooms(self._database)
        lost = await self._room_comparison.missing_rooms([*used, self.desk_room])
        await self._check_desk_room(is_lost=self.desk_room in lost)
        lost = [room_id for room_id in lost if room_id != self.desk_room]
        for room_id in lost:
            name = await self._database.commit(partial(_forget_lost, room_id=room_id))
            self._designations.release(name)
        if lost:
            log.event("room_provisioner.rooms_lost", count=len(lost))
            if self.is_rollback_news:
                await self._notify_rollback()
        for room_id in [self.desk_room, *await warm_rooms.used_rooms(self._database)]:
            compared = await self._room_comparison.compare_members(room_id, until=until)
            await self._invite_lost(room_id, compared.lost_members)
        if noted is not None:
            await self._database.commit(
                lambda transaction: line_state.delete_value(transaction, line_state.MEMBERS_RETURNED, noted)
            )

    async def _check_desk_room(self, *, is_lost: bool) -> None:
        """Report once that the desk's room is lost: it is not made again by itself, and nobody there is told."""
        if is_lost and not self._is_desk_lost:
            log.event("room_provisioner.desk_lost")
            await self._notify_desk(RoomLost(place=DESK, how=RoomLoss.REMOVED))
        self._is_desk_lost = is_lost

    async def _notify_rollback(self) -> None:
        """Tell the desk of the rollback; the desk then restores its supervisors."""
        await self._notify_desk(HomeserverIncident(kind=HomeserverIncidentKind.ROOMS_LOST))
        self._notify_rollback_at = self._monotonic() + TELL_LOST_INTERVAL

    async def _leave_unknown_rooms(self) -> None:
        # Only here, where no room is being made: a room that is not noted now never will be. Set first: a rollback that is
        # reported meanwhile needs another look.
        self._next_unknown_rooms_at = self._monotonic() + UNKNOWN_ROOMS_INTERVAL
        try:
            await self._leave_or_erase_them()
        except BaseException:
            self._next_unknown_rooms_at = 0.0
            raise

    async def _leave_or_erase_them(self) -> None:
        room_ids = await self._room_client.unknown_rooms()
        if not self._has_caught_up():  # after a rollback during the requests these are erased and not only left
            self._next_unknown_rooms_at = 0.0
            return
        noted = await line_state.get(self._database, line_state.ROOMS_RETURNED)
        fate, old_rooms = await line_state.get(self._database, line_state.OLD_ROOMS), list[str]()

        async def keep(room_id: str) -> None:
            old_rooms.append(room_id)

        erases = noted is not None if fate is None else fate == line_state.ERASE
        erase = self._erase_again if erases else None if fate is None else keep
        await self._room_client.leave_unknown_rooms(room_ids, erase)
        if fate == line_state.KEPT and old_rooms:
            await self._notify_desk(HomeserverIncident(kind=HomeserverIncidentKind.OLD_ROOMS))

        async def commit(transaction: Transaction) -> None:
            if noted is not None:
                await line_state.delete_value(transaction, line_state.ROOMS_RETURNED, noted)
            if old_rooms:
                await line_state.put(transaction, line_state.OLD_ROOMS, line_state.TOLD)
            elif fate is not None:
                await line_state.delete(transaction, line_state.OLD_ROOMS)

        await self._database.commit(commit)

    async def _erase_again(self, room_id: str) -> None:
        """Erase a room of ours that our table does not know: it had been erased, or is from before a restore."""
        room = room_state.Room(room_id=room_id, kind="thread", owner="", key_owner=f"room:{room_id}")

        async def commit(transaction: Transaction) -> None:
            await room_state.record_room(transaction, room, members={}, levels={})
            await erasure_jobs.begin(
                transaction, kind=erasure_jobs.ROOM, subject=room_id, thread="", grace=self._grace, now=self._clock.now()
            )

        await self._database.commit(commit)
        log.event("room_provisioner.room_returned")
        self._wake.erasure_jobs()

    async def _make_warm_room(self) -> None:
        name = self._designations.allocate()
        try:
            await self._make_thread_room(name, None)
        except BaseException:
            # A designation without a room is freed: an outage causes many tries, and the number of words is limited.
            self._designations.release(name)
            raise

    async def _thread_without_room(self) -> RoomlessThread | None:
        """Return a thread that needs a room now. A thread of a flood needs one once its card is shown."""
        return await threads.without_room(self._database, [line.thread for line in self._desk().threads if line.has_card])

    async def _make_desk(self) -> str:
        room_id = await room_state.desk_room(self._database)
        if room_id is None:
            supervisors = [staff.mxid for staff in self._staff if staff.role == "supervisor"]
            room_id = await self._create("desk", "desk", owner=DESK, supervisors=supervisors)
        if await line_state.get(self._database, line_state.STAFF_INVITED) is None:
            await self._invite(room_id, self._staff)
            await self._database.commit(_note_invited)
        self._wake.waiting_outbox(DESK)
        return room_id

    async def _invite(self, room_id: str, staff: list[Staff]) -> None:
        for one in staff:
            await self._try_invite(room_id, one.mxid, DESK)

    async def _try_invite(self, room_id: str, user: str, place: str) -> None:
        try:
            await self._room_client.invite(room_id, user)
        except TokenRefused:
            raise
        except Permanent as error:
            log.event("room_provisioner.invite_rejected", status=error.errcode or error.status)
            if place + user not in self._invite_again_at:
                await self._notify_desk(InviteFailed(user=user, place=place))
            self._invite_again_at[place + user] = self._monotonic() + INVITE_INTERVAL

    async def _readd_puppet(self) -> None:
        """Bring the texter puppet back into all rooms: without it no text is shown, and no newcomer can read."""
        for room_id in await self._room_client.rooms_without_puppet():
            name = "" if room_id == self.desk_room else await warm_rooms.designation_of_room(self._database, room_id)
            if name is None or self._invite_again_at.get(room_id, 0.0) > self._monotonic():
                continue
            try:
                await self._room_client.readd_puppet(room_id, name)
            except TokenRefused:
                raise
            except Permanent as error:
                log.event("room_provisioner.puppet_not_readded", status=error.errcode or error.status)
                if room_id == self.desk_room and room_id not in self._invite_again_at:
                    await self._notify_desk(InviteFailed(user=self._room_client.puppet, place=DESK))
                self._invite_again_at[room_id] = self._monotonic() + INVITE_INTERVAL

    async def _is_desk_empty(self) -> bool:
        """Whether no member of staff is at the desk or invited: then nobody there can invite others."""
        return await room_state.joined_or_invited_at_desk(self._database) <= self._own_users

    async def _ensure_office(self, user: str) -> bool:
        """Make a person's office and invite them once; return whether anything was missing."""
        room_id = await room_state.office_of(self._database, user)
        if room_id is None:
            room_id = await self._create("office", "office", owner=user)
            if user not in {seat.user for seat in self._desk().roster}:
                # They left while the office was made. If they come back, the desk invites them.
                return True
        elif (
            await room_state.membership_of(self._database, room_id, user)
            or self._invite_again_at.get(OFFICE + user, 0.0) > self._monotonic()
        ):
            return False
        await self._try_invite(room_id, user, OFFICE)
        self._wake.waiting_outbox(DESK)
        return True

    async def _make_thread_room(self, name: str, thread: str | None) -> None:
        # A failure from here on may leave a room without an owner.
        may_have_orphans, self._may_have_orphans = self._may_have_orphans, True
        room_id = await self._create("thread", name, owner=thread or "")
        await self._room_client.prepare_sessions(room_id)
        # Before the room is assigned to the thread: after a crash in between all of it is repeated with another room.
        if thread is not None:
            everybody = await room_state.members_of_lost_rooms(self._database, thread, room_id)
            others = self._own_users | await room_state.gone_from_desk(self._database)
            await self._invite_lost(room_id, [user for user in everybody if user not in others])

        async def commit(transaction: Transaction) -> list[str] | None:
            """Return the owners of keys that are needed no more; None if the room is of no use."""
            if thread is None:
                await warm_rooms.add(transaction, WarmRoom(room_id, name))
                return []
            if await threads.assign_room(transaction, thread, name, room_id):
                return await room_state.delete_lost_rooms(transaction, thread, room_id)
            # The conversation ended before its room was made. The room bears its designation, which may be given again, and
            # people of a lost room may be in it: an erasure job that the end began erases it, or it is left as unknown.
            if not await erasure_jobs.has_job(transaction, room_id):
                await room_state.delete_room(transaction, room_id)
            return None

        lost_keys = await self._database.commit(commit)
        self._may_have_orphans = may_have_orphans or lost_keys is None
        if thread is not None and lost_keys is not None:
            self._wake.waiting_outbox(thread)
            for owner in lost_keys:  # after a crash here the next start destroys them
                await self._vault.destroy(owner)

    async def _invite_lost(self, room_id: str, people: Collection[str]) -> None:
        """Invite people who were in a room; when one cannot be invited, the others still are."""
        for user in people:
            try:
                await self._room_client.invite(room_id, user)
            except TokenRefused:
                raise
            except Permanent as error:
                log.event("room_provisioner.invite_rejected", status=error.errcode or error.status)

    async def _create(self, kind: RoomKind, name: str, *, owner: str, supervisors: list[str] | None = None) -> str:
        room_id = await self._room_client.create_room(kind, name, owner=owner, supervisors=supervisors or [])
        self._crash(CrashPoint.ROOM_NOTED)
        return room_id


async def _forget_lost(transaction: Transaction, room_id: str) -> str:
    """Delete the rows of a room that the homeserver has lost; return the designation of a warm room, or an empty string.

    None of its events is edited or redacted. The noted members of a thread stay until the thread has another room, because
    they are invited to it.
    """
    await room_events.delete_room(transaction, room_id)
    designation = await warm_rooms.delete(transaction, room_id)
    if not await threads.lose_room(transaction, room_id):
        await room_state.delete_room(transaction, room_id)
    return designation


async def _note_invited(transaction: Transaction) -> None:
    """Note that the first roster was invited. That of a backup then counts no more: people leave, and are removed."""
    await line_state.put(transaction, line_state.STAFF_INVITED, "yes")
    await line_state.delete(transaction, line_state.RESTORED_ROSTER)
