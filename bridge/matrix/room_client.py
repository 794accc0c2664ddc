"""Makes requests in rooms, for the outbox, the room provisioner and the erasure.

A repeatable request has the caller's transaction id; before any other, the state is read, and "already done" is success.
Words of people are always sent encrypted. Keys go out before the invite, and an upload that fails does not stop it.
Nothing unchecked counts as gone. A failure is `Transient` or `Permanent` and has status and errcode only.

Sources: facts-matrix.md, "Late joiners", "Rooms"; https://spec.matrix.org/latest/client-server-api/
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from http import HTTPStatus
from typing import Final

from bot.model.actions import Speaker
from bot.wording.notice import words_in_all
from bridge.matrix.api.admin_api import ROOM_KIND_FIELD
from bridge.matrix.api.http_client import Permanent, TokenRefused, Transient
from bridge.matrix.api.json_fields import Json, MalformedJson, object_at, objects_in, strings_in
from bridge.matrix.olm.identity import Identity
from bridge.matrix.room_keys.history import KeyBundles, RecentMessages, RoomHistory
from bridge.matrix.room_keys.outbound_sessions import OutboundSessions, RoomKeySharing
from bridge.matrix.room_keys.outbound_table import rotate_sessions
from bridge.matrix.rooms.room_state import (
    SUPERVISOR,
    Room,
    RoomKind,
    are_supervisors,
    create_room_body,
    is_tampered,
    membership_of,
    record_room,
    require_room,
    restored_power_levels,
    rooms_not_joined,
    rooms_of_ours,
    set_membership,
)
from bridge.runtime import log
from bridge.runtime.crash_points import CrashPoint
from bridge.services import Services
from bridge.storage.database import Transaction
from bridge.storage.vault import CannotOpen

PAGE_SIZE: Final = 250
PRESENT: Final = ("join", "invite", "knock")
NOT_ACCESSIBLE: Final = frozenset({"M_NOT_FOUND", "M_FORBIDDEN"})


TXN_ID_LIFETIME: Final = 20 * 3600
"""For how long, in seconds, we rely on the homeserver to know our transaction ids; it does so for 24 hours."""
TXN_MARK: Final = "quietline.txn"
"""Field in our events' content: a keyed hash of the transaction id, by which a later device of ours finds the event."""
MAX_PAGES: Final = 20
ONCE: Final = words_in_all("room.invited")
REASONS: Final[dict[RoomKind, str]] = {"desk": ONCE, "office": ONCE, "thread": words_in_all("room.invited_to_thread")}
"""The reason of an invitation, by kind of room. It asks for commands only: any other answer in a thread would be texted."""


class ErasureProbe:
    """Checks rooms as the policy bot. `ours`: the user ids of both identities."""

    def __init__(self, *, policy: Identity, ours: tuple[str, str]) -> None:
        self._client, self._ours = policy.client, frozenset(ours)

    async def readable(self, room_id: str) -> list[tuple[str, int]]:
        """Return id and time of every event of a room that still has content; state and redactions do not count.

        Pages through the whole room. Raises `Permanent` when the policy bot has no access.
        """
        events: list[tuple[str, int]] = []
        start = ""
        while True:
            query = {"dir": "b", "limit": str(PAGE_SIZE), **({"from": start} if start else {})}
            answer = await self._client.request("GET", "rooms", room_id, "messages", query=query)
            events += [
                (event["event_id"], at if isinstance(at := event.get("origin_server_ts"), int) else 0)
                for event in objects_in(answer.get("chunk"))
                if _has_content(event) and isinstance(event.get("event_id"), str)
            ]
            end = answer.get("end")
            if not isinstance(end, str) or end == start:
                return events
            start = end

    async def empty(self, room_id: str) -> int:
        """Remove everybody but our identities, including invited people; return how many there were."""
        answer = await self._client.request("GET", "rooms", room_id, "members", query={"not_membership": "leave"})
        users = [
            event["state_key"]
            for event in objects_in(answer.get("chunk"))
            if isinstance(event.get("state_key"), str) and object_at(event, "content").get("membership") in PRESENT
        ]
        others = [user for user in users if user not in self._ours]
        for user in others:
            await self._client.request("POST", "rooms", room_id, "kick", body={"user_id": user})
        return len(others)

    async def is_event_gone(self, room_id: str, event_id: str) -> bool:
        """Whether an event can no longer be fetched, or has no content left."""
        try:
            event = await self._client.request("GET", "rooms", room_id, "event", event_id)
        except TokenRefused:
            raise
        except Permanent as error:
            if error.status in {HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN} and error.errcode in NOT_ACCESSIBLE:
                return True
            raise
        return not _has_content(event)


def _has_content(event: Json) -> bool:
    return "state_key" not in event and event.get("type") != "m.room.redaction" and bool(event.get("content"))


class RoomClient:
    """Acts at the homeserver as the policy bot and the texter puppet."""

    def __init__(
        self,
        services: Services,
        *,
        policy: Identity,
        puppet: Identity,
        outbound_sessions: OutboundSessions,
        key_sharing: RoomKeySharing,
        key_bundles: KeyBundles,
        history: RoomHistory,
    ) -> None:
        self._database = services.database
        self._vault, self._clock = services.vault, services.clock
        self._policy = policy
        self._puppet = puppet
        self._outbound_sessions = outbound_sessions
        self._key_sharing = key_sharing
        self._key_bundles = key_bundles
        self._history = history
        self._crash = services.crash
        self.puppet = puppet.user_id

    async def send(self, room_id: str, speaker: Speaker, txn: str, kind: str, content: Json) -> str:
        """Encrypt and send; returns the event id: the same one for a `txn` that the homeserver knows already.

        Raises `Permanent` for a room that is not ours or whose key is destroyed: there is no way to send in the clear.
        """
        who = self._speaker(speaker)
        try:
            encrypted = await self._outbound_sessions.encrypt(who, room_id, kind, content)
        except CannotOpen:
            raise Permanent(0, "QUIETLINE_NO_KEY") from None
        except MalformedJson:
            raise Permanent(0, "M_BAD_JSON") from None
        encrypted[TXN_MARK] = self._txn_mark(txn)
        self._crash(CrashPoint.MATRIX_SENDING)
        return _event_id(await who.client.request("PUT", "rooms", room_id, "send", "m.room.encrypted", txn, body=encrypted))

    async def react(self, room_id: str, event_id: str, key: str, txn: str) -> str:
        """Put a reaction on an event, as the policy bot; returns its event id. Reactions are never encrypted."""
        await require_room(self._database, room_id)
        relation = {"rel_type": "m.annotation", "event_id": event_id, "key": key}
        body = {"m.relates_to": relation, TXN_MARK: self._txn_mark(txn)}
        return _event_id(await self._policy.client.request("PUT", "rooms", room_id, "send", "m.reaction", txn, body=body))

    async def redact(self, room_id: str, event_id: str, txn: str) -> None:
        """Redact an event, as the policy bot, without a reason: reasons are not encrypted. A missing event is no error.

        The event is part of the transaction id: Synapse answers a known id of the room without redacting anything, whatever
        event it was used for (1.163.2, `synapse/rest/client/room.py`).
        """
        await require_room(self._database, room_id)
        try:
            _event_id(await self._policy.client.request("PUT", "rooms", room_id, "redact", event_id, f"{txn}.{event_id}"))
        except Permanent as error:
            if error.errcode != "M_NOT_FOUND":
                raise

    async def has_event(self, room_id: str, event_id: str) -> bool:
        """Whether the homeserver has an event of the room, redacted or not."""
        await require_room(self._database, room_id)
        try:
            await self._policy.client.request("GET", "rooms", room_id, "event", event_id)
        except Permanent as error:
            if error.errcode != "M_NOT_FOUND":
                raise
            return False
        return True

    def knows_transactions_since(self, speaker: Speaker, created: float) -> bool:
        """Whether the homeserver knows the transaction ids of events made since then (seconds since the epoch).

        It keeps them for a day, and only for the device that sent them: not for a device that was replaced.
        """
        return self._clock.now() - created <= TXN_ID_LIFETIME and created * 1000 > self._speaker(speaker).since_ms

    async def find(self, room_id: str, speaker: Speaker, txn: str) -> str | None:
        """Look for the event that was sent with this `txn`; None when the room's last 2,000 events do not have it.

        It is found by its mark, or, if it was redacted, by the transaction id, which the sending device is shown.
        """
        who, mark = self._speaker(speaker), self._txn_mark(txn)
        start: str | None = None
        for _ in range(MAX_PAGES):
            query = {"dir": "b", "limit": "100", **({} if start is None else {"from": start})}
            answer = await who.client.request("GET", "rooms", room_id, "messages", query=query)
            for event in objects_in(answer.get("chunk")):
                has_mark = object_at(event, "content").get(TXN_MARK) == mark
                has_transaction_id = object_at(event, "unsigned").get("transaction_id") == txn
                if event.get("sender") == who.user_id and (has_mark or has_transaction_id):
                    return _event_id(event)
            start = answer.get("end")
            if not isinstance(start, str):
                break
        return None

    async def pin(self, room_id: str, event_id: str) -> None:
        """Pin one event, and only that one."""
        await require_room(self._database, room_id)
        await self._policy.client.request(
            "PUT", "rooms", room_id, "state", "m.room.pinned_events", "", body={"pinned": [event_id]}
        )

    async def create_room(self, kind: RoomKind, name: str, *, owner: str, supervisors: Sequence[str]) -> str:
        """Create a room and note it; returns its id. The texter puppet is in it, under this name in a thread.

        Not idempotent: `unknown_rooms` finds, at the next start, a room that was not noted because of a crash. A room that
        the puppet may not join is left at once, so that rooms do not add up while it is tried again.
        """
        with_puppet = kind != "office"
        invite = [self._puppet.user_id] if with_puppet else []
        answer = await self._policy.client.request(
            "POST", "createRoom", body=create_room_body(kind, name, invite=invite, supervisors=supervisors)
        )
        room_id = answer.get("room_id")
        if not isinstance(room_id, str) or not room_id:
            raise Transient(200, "QUIETLINE_NO_ROOM_ID")
        self._crash(CrashPoint.ROOM_CREATED)
        if with_puppet:
            try:
                await self._puppet.client.request("POST", "join", room_id)
            except TokenRefused:
                raise
            except Permanent:
                await self.leave_unknown_rooms((room_id,))
                raise
        if kind == "thread":
            await self.set_puppet_name(room_id, name)
        room = Room(room_id=room_id, kind=kind, owner=owner, key_owner=f"room:{room_id}")
        if not room.is_permanent:
            await self._vault.create(room.key_owner)
        self._crash(CrashPoint.ROOM_KEY_WRITTEN)
        members = dict.fromkeys([self._policy.user_id, *invite], "join")
        levels = dict.fromkeys(supervisors, SUPERVISOR) if kind == "desk" else {}
        await self._database.commit(lambda transaction: record_room(transaction, room, members=members, levels=levels))
        return room_id

    async def set_puppet_name(self, room_id: str, name: str) -> None:
        """Give the texter puppet its display name in one room."""
        body = {"membership": "join", "displayname": name}
        await self._puppet.client.request(
            "PUT", "rooms", room_id, "state", "m.room.member", self._puppet.user_id, body=body
        )

    async def rooms_without_puppet(self) -> list[str]:
        """Return the rooms that the texter puppet was in and, by the last sync, is no longer in."""
        return await rooms_not_joined(self._database, self.puppet)

    async def readd_puppet(self, room_id: str, name: str) -> None:
        """Invite the texter puppet and let it join, under `name` unless that is empty.

        If it is in the room, nothing changes. Only the sync notes that it has joined, because it may be removed again
        before this call ends.
        """
        await require_room(self._database, room_id)
        body = {"user_id": self.puppet}
        before = await self._membership(room_id, self.puppet)
        if before == "ban":
            await self._policy.client.request("POST", "rooms", room_id, "unban", body=body)
        if before not in {"join", "invite"}:
            await self._policy.client.request("POST", "rooms", room_id, "invite", body=body)
        if before != "join":
            await self._puppet.client.request("POST", "join", room_id)
        if name:
            await self.set_puppet_name(room_id, name)

    async def prepare_sessions(self, room_id: str) -> None:
        """Begin the room's sessions, so that its first text is as quick as any other. Raises as `send` does."""
        room = await require_room(self._database, room_id)
        for who in (self._policy,) if room.kind == "office" else (self._puppet, self._policy):
            try:
                await self._outbound_sessions.prepare(who, room_id)
            except CannotOpen:
                raise Permanent(0, "QUIETLINE_NO_KEY") from None

    async def invite(self, room_id: str, user: str) -> None:
        """Send the room's keys to a user's devices, then invite.

        It is no error if the user is already invited or joined.
        """
        room = await require_room(self._database, room_id)
        await self.share_room_keys(room_id, user)
        self._crash(CrashPoint.KEYS_SHARED)
        before = await membership_of(self._database, room_id, user)
        if await self._membership(room_id, user) not in {"join", "invite"}:
            await self._try_key_bundle(room_id, user)
            body = {"user_id": user, "reason": REASONS[room.kind]}
            await self._policy.client.request("POST", "rooms", room_id, "invite", body=body)
        await self._database.commit(lambda transaction: _record_invite(transaction, room_id, user, before))

    async def share_room_keys(self, room_id: str, user: str, *, again: bool = False) -> None:
        """Send every live first key of the room to the user's trusted devices that have not had it; `again`: to all."""
        await require_room(self._database, room_id)
        await self._key_sharing.share(room_id, [user], again=again)

    async def share_key_bundle(self, room_id: str, user: str) -> None:
        """Send what others typed in the room to the user's trusted devices, as a bundle (MSC4268)."""
        await require_room(self._database, room_id)
        await self._key_bundles.share(room_id, user)

    async def _try_key_bundle(self, room_id: str, user: str) -> None:
        """Share the bundle if the homeserver accepts uploads: it is shared again at the join, and `!recap` covers the rest.

        A failure must not stop the invitation: a texter waits, and their messages are sent after it.
        """
        try:
            await self.share_key_bundle(room_id, user)
        except TokenRefused:
            raise
        except (Transient, Permanent) as error:
            log.event("room_client.key_bundle_failed", status=error.status)

    async def recent_messages(self, room_id: str) -> RecentMessages:
        """Return the latest messages of other people in the room, as far as we have the keys."""
        await require_room(self._database, room_id)
        return await self._history.recent_messages(room_id)

    async def remove(self, room_id: str, user: str) -> None:
        """Remove a user; sessions are rotated. It is no error if the user has left."""
        await require_room(self._database, room_id)
        if await self._membership(room_id, user) in {"join", "invite", "knock"}:
            await self._policy.client.request("POST", "rooms", room_id, "kick", body={"user_id": user})
        self._crash(CrashPoint.MEMBER_REMOVED)
        await self._database.commit(lambda transaction: rotate_sessions(transaction, room_id))

    async def restore_power_levels(self, room_id: str, *, supervisors: Collection[str] = (), alone: bool = False) -> None:
        """Restore the power levels that the room was created with, except roles. If they are right, nothing is sent.

        `supervisors`: users who get that role, in addition to those who have it; with `alone`, only they have it.
        """
        room = await require_room(self._database, room_id)
        now = await self._policy.client.request("GET", "rooms", room_id, "state", "m.room.power_levels", "")
        body = restored_power_levels(room.kind, now, supervisors=supervisors, alone=alone)
        if is_tampered(room.kind, now) or not are_supervisors(now, supervisors, alone=alone):
            await self._policy.client.request("PUT", "rooms", room_id, "state", "m.room.power_levels", "", body=body)

    async def unknown_rooms(self) -> list[str]:
        """Return the rooms of both identities that are not in our table: a crash came before their rows."""
        known = {room.room_id for room in await rooms_of_ours(self._database)}
        room_ids: set[str] = set()
        for who in (self._policy, self._puppet):
            answer = await who.client.request("GET", "joined_rooms")
            room_ids |= set(strings_in(answer.get("joined_rooms"))) - known
        return sorted(room_ids)

    async def leave_unknown_rooms(
        self, room_ids: Sequence[str], erase: Callable[[str], Awaitable[None]] | None = None
    ) -> None:
        """Leave and forget these rooms as both identities.

        `erase`: called instead for rooms that we made for a conversation or an office; it may also keep them.
        """
        for room_id in room_ids:
            if erase is not None and await self._is_our_room(room_id):
                await erase(room_id)
                continue
            for who in (self._puppet, self._policy):
                await self._leave_and_forget(who, room_id)

    async def _is_our_room(self, room_id: str) -> bool:
        """Whether we made a room that we are in, for a conversation or an office."""
        path, query = ("rooms", room_id, "state", "m.room.create"), {"format": "event"}
        try:
            event = await self._policy.client.request("GET", *path, query=query)
        except TokenRefused:
            raise
        except Permanent:  # the policy bot is not in the room
            return False
        kind = object_at(event, "content").get(ROOM_KIND_FIELD)
        return event.get("sender") == self._policy.user_id and kind in {"thread", "office"}

    async def _leave_and_forget(self, who: Identity, room_id: str) -> None:
        for step in ("leave", "forget"):
            try:
                await who.client.request("POST", "rooms", room_id, step)
            except TokenRefused:
                raise
            except Permanent:  # was never there, or is no longer
                return

    async def _membership(self, room_id: str, user: str) -> str:
        try:
            answer = await self._policy.client.request("GET", "rooms", room_id, "state", "m.room.member", user)
        except TokenRefused:
            raise
        except Permanent as error:
            if error.errcode != "M_NOT_FOUND":
                raise
            return ""
        membership = answer.get("membership")
        return membership if isinstance(membership, str) else ""

    def _txn_mark(self, txn: str) -> str:
        return self._vault.keyed_hash("transaction", txn).hex()

    def _speaker(self, speaker: Speaker) -> Identity:
        return self._policy if speaker is Speaker.POLICY else self._puppet


async def _record_invite(transaction: Transaction, room_id: str, user: str, before: object) -> None:
    """Note the invitation before the sync reports it, unless the sync has reported another change."""
    if await membership_of(transaction, room_id, user) == before and before != "join":
        await set_membership(transaction, room_id, user, "invite")


def _event_id(answer: Json) -> str:
    event_id = answer.get("event_id")
    if not isinstance(event_id, str) or not event_id:
        raise Transient(200, "QUIETLINE_NO_EVENT_ID")
    return event_id
