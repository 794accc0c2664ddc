"""Compares our record of our rooms and their members with the homeserver's.

Rules of this module: the sync reports changes, but a rollback of the homeserver is not one of them; so the rooms are
compared at each start, and whenever the homeserver refuses us a room. A membership is corrected only if it did not change
during the request, and is reported like one of the sync, in the same commit. A person whom we noted in a room, and whom the
homeserver does not know there, was not removed by a person: they count as invited, and are invited again, unless they have
left the desk since. Only the sync reports that a person who had left is in, or that a member has left, because the answer
here may be from the time before the rollback. Once a rollback is known, people who had left are removed again, and people
who had come back are invited.

Source: https://spec.matrix.org/latest/client-server-api/#get_matrixclientv3roomsroomidmembers
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from http import HTTPStatus
from typing import NamedTuple

from bridge.matrix.api.events import MemberNamed, MemberReturned, Membership
from bridge.matrix.api.http_client import Permanent, TokenRefused, Transient
from bridge.matrix.api.json_fields import BAD_DATA, Json, int_field, object_at, objects_in, string_field, strings_in
from bridge.matrix.olm.identity import Identity
from bridge.matrix.room_keys.device_lists import DeviceLists, EventSink
from bridge.matrix.room_keys.outbound_table import rotate_sessions
from bridge.matrix.rooms.room_state import GONE, gone_from_desk, members_of, membership_of, room_of, set_membership
from bridge.matrix.sync.sync_response import MEMBERSHIPS, member_names
from bridge.runtime import log
from bridge.storage.database import Database, Transaction


class ComparisonResult(NamedTuple):
    """How many memberships differed from our record, and which people to invite because the homeserver has lost them."""

    change_count: int
    lost_members: list[str]


class RoomComparison:
    """Makes requests as the policy bot, and for the list of an identity's rooms as that identity."""

    def __init__(
        self,
        *,
        database: Database,
        policy: Identity,
        puppet: Identity,
        devices: DeviceLists,
        sink: EventSink,
        on_commit: Callable[[], None],
    ) -> None:
        self._database, self._policy, self._puppet, self._devices = database, policy, puppet, devices
        self._sink, self._on_commit = sink, on_commit
        self._ours = frozenset((policy.user_id, puppet.user_id))

    async def missing_rooms(self, rooms: Collection[str]) -> list[str]:
        """Return those of these rooms that the policy bot, their creator, is not in; each is checked a second time.

        Raises what `HomeserverClient` raises.
        """
        absent = sorted(set(rooms) - await self._joined_room_ids(self._policy))
        return [room_id for room_id in absent if not await self._is_in(room_id)]

    async def is_outside(self, room_id: str) -> bool:
        """Whether one of our identities is missing from a room where it should be: then a refusal there is not final."""
        room = await room_of(self._database, room_id)
        for who in (self._policy,) if room is not None and room.kind == "office" else (self._policy, self._puppet):
            if room_id not in await self._joined_room_ids(who):
                return True
        return False

    async def compare_members(self, room_id: str, *, until: int | None = None) -> ComparisonResult:
        """Correct our record of a room's members. Raises what `HomeserverClient` raises.

        `until`: after a rollback of the homeserver, the time (ms) of the newest event that we know.
        """
        known_members = await members_of(self._database, room_id)
        try:
            answer = await self._policy.client.request("GET", "rooms", room_id, "members")
        except TokenRefused:
            raise
        except Permanent as error:
            log.event("room_comparison.members_refused", status=error.errcode or error.status)
            return ComparisonResult(0, [])
        member_events = dict(_memberships(answer))
        compared = await self._database.commit(
            lambda transaction: self._correct(transaction, room_id, known_members, member_events, until)
        )
        if compared.change_count:
            log.event("room_comparison.members_corrected", count=compared.change_count)
        self._on_commit()
        return compared

    async def _joined_room_ids(self, who: Identity) -> set[str]:
        rooms = (await who.client.request("GET", "joined_rooms")).get("joined_rooms")
        if not isinstance(rooms, list):  # a missing list must not count as empty: every room would be made again
            raise Transient(HTTPStatus.OK, "QUIETLINE_NO_ROOMS")
        return set(strings_in(rooms))

    async def _is_in(self, room_id: str) -> bool:
        path = ("rooms", room_id, "state", "m.room.member", self._policy.user_id)
        try:
            return (await self._policy.client.request("GET", *path)).get("membership") == "join"
        except TokenRefused:
            raise
        except Permanent as error:
            if error.errcode not in {"M_FORBIDDEN", "M_NOT_FOUND"}:
                raise
            return False

    async def _correct(
        self,
        transaction: Transaction,
        room_id: str,
        known_members: Mapping[str, str],
        member_events: Mapping[str, Json],
        until: int | None,
    ) -> ComparisonResult:
        items: list[Membership | MemberNamed | MemberReturned] = []
        changed, lost = 0, list[str]()
        room = await room_of(transaction, room_id)
        leavers = frozenset[str]() if room is not None and room.kind == "desk" else await gone_from_desk(transaction)
        for user_id in sorted(known_members.keys() | member_events.keys()):
            event = member_events.get(user_id)
            is_known = until is not None and event is not None and int_field(event, "origin_server_ts", default=0) <= until
            before = known_members.get(user_id, "")
            now = "leave" if event is None else str(object_at(event, "content").get("membership"))
            is_lost = now in GONE and before in {"join", "invite"} and user_id not in self._ours
            if is_lost and event is not None and not is_known:
                continue
            is_invited_again = is_lost and user_id not in leavers
            if is_invited_again:
                # Each comparison finds them until the homeserver has the invitation, so a crash loses no invitation.
                now = "invite"
            elif now == before or (now in GONE and before in {"", *GONE}):
                continue
            elif before in GONE and user_id not in self._ours:
                if is_known:
                    items.append(MemberReturned(room_id=room_id, user_id=user_id))
                continue
            if (await membership_of(transaction, room_id, user_id) or "") != before:
                continue  # the sync has reported a change meanwhile
            if is_invited_again:
                lost.append(user_id)
            if now == before:
                continue
            changed += 1
            await set_membership(transaction, room_id, user_id, now)
            await self._devices.mark(transaction, [user_id])
            if before in {"join", "invite"} and now not in {"join", "invite"}:
                await rotate_sessions(transaction, room_id)
            if not is_lost and event is not None and user_id not in self._ours:
                items.append(_item(room_id, user_id, now, before, event))
        if room is not None and room.kind == "desk":
            # A new display name is no change of membership.
            for event in member_events.values():
                items += member_names(room_id, event, self._ours)
        if items:
            await self._sink(transaction, items)
        return ComparisonResult(changed, lost)


def _memberships(answer: Json) -> list[tuple[str, Json]]:
    """Return user id and event of each membership that can be read."""
    memberships = []
    for event in objects_in(answer.get("chunk")):
        try:
            user_id = string_field(event, "state_key", longest=255)
            string_field(event, "event_id", longest=255)
            string_field(event, "sender", longest=255)
            int_field(event, "origin_server_ts", default=0)
        except BAD_DATA:
            continue
        if object_at(event, "content").get("membership") in MEMBERSHIPS:
            memberships.append((user_id, event))
    return memberships


def _item(room_id: str, user_id: str, membership: str, previous: str, event: Json) -> Membership:
    return Membership(
        room_id=room_id,
        user_id=user_id,
        membership=membership,
        sender=string_field(event, "sender", longest=255),
        previous=previous,
        event_id=string_field(event, "event_id", longest=255),
        at=int_field(event, "origin_server_ts", default=0),
    )
