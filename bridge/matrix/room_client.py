"""What the outbox and the keeper of rooms may do at the homeserver.

Rules of this module: what can be said twice carries the caller's transaction id; what cannot is read first, and "already"
is success; nothing that a person wrote is sent in the clear; keys go out before the invite, and no upload that fails
stands in its way. A failure is `Transient` or
`Permanent` and says status and errcode only.

Sources: facts-matrix, sections 3 to 5; https://spec.matrix.org/latest/client-server-api/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bot.model.actions import Speaker
from bridge.matrix.api.http_client import HomeserverError, Permanent, TokenRefused, Transient
from bridge.matrix.api.json_fields import Json, Malformed, inner, objects, strings
from bridge.matrix.olm.identity import Identity
from bridge.matrix.room_keys.history import History, Typed
from bridge.matrix.room_keys.key_bundles import Bundles
from bridge.matrix.room_keys.key_sharing import Delivery
from bridge.matrix.room_keys.outbound_sessions import Keyring
from bridge.matrix.rooms.room_state import MEMBERSHIP, Kind, Members, Room, note_room, rotate, set_membership
from bridge.matrix.rooms.room_templates import SUPERVISOR, bent, creation, mended
from bridge.runtime import log
from bridge.runtime.crash_points import Crash, CrashPoint
from bridge.storage.database import Connection, Store
from bridge.storage.vault import Sealed, Vault

__all__ = ["Edge", "HomeserverError", "Permanent", "TokenRefused", "Transient"]

MOST_PAGES: Final = 20
ONCE: Final = "Say !help when you are in: it lets your device read everything here."
REASONS: Final[dict[Kind, str]] = {
    "desk": ONCE,
    "office": ONCE,
    "thread": "What its voice writes in here goes to a phone. What your device cannot read, !recap says again.",
}
"""What an invitation says, by the room. None asks for anything but a command: in a thread it would be texted."""


class Edge:
    """Acts at the homeserver as the policy bot and the line voice."""

    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        policy: Identity,
        voice: Identity,
        keyring: Keyring,
        delivery: Delivery,
        bundles: Bundles,
        history: History,
        crash: Crash,
    ) -> None:
        self._store = store
        self._vault = vault
        self._policy = policy
        self._voice = voice
        self._keyring = keyring
        self._delivery = delivery
        self._bundles = bundles
        self._history = history
        self._crash = crash
        self._members = Members(store=store)
        self.voice = voice.user_id

    async def send(self, room_id: str, speaker: Speaker, txn: str, kind: str, content: Json) -> str:
        """Encrypt and send; returns the event id, the same one for the same `txn` for 24 hours.

        Raises `Permanent` for a room that is not ours or whose key is destroyed: there is no way to send in the clear.
        """
        who = self._speaker(speaker)
        try:
            encrypted = await self._keyring.encrypt(who, room_id, kind, content)
        except Sealed:
            raise Permanent(0, "QUIETLINE_NO_KEY") from None
        except Malformed:
            raise Permanent(0, "M_BAD_JSON") from None
        self._crash(CrashPoint.MATRIX_SENDING)
        return _event_id(await who.wire.request("PUT", "rooms", room_id, "send", "m.room.encrypted", txn, body=encrypted))

    async def react(self, room_id: str, event_id: str, key: str, txn: str) -> str:
        """Put a reaction on an event, as the policy bot; returns its event id. Reactions are never encrypted."""
        await self._members.room(room_id)
        relation = {"rel_type": "m.annotation", "event_id": event_id, "key": key}
        body = {"m.relates_to": relation}
        return _event_id(await self._policy.wire.request("PUT", "rooms", room_id, "send", "m.reaction", txn, body=body))

    async def redact(self, room_id: str, event_id: str, txn: str) -> str:
        """Redact an event, as the policy bot, without a reason: reasons are not encrypted. Returns the event id."""
        await self._members.room(room_id)
        return _event_id(await self._policy.wire.request("PUT", "rooms", room_id, "redact", event_id, txn))

    async def find(self, room_id: str, speaker: Speaker, txn: str) -> str | None:
        """Look for the event that was sent with this `txn`; None when the room's last 2,000 events do not have it."""
        who = self._speaker(speaker)
        start: str | None = None
        for _ in range(MOST_PAGES):
            query = {"dir": "b", "limit": "100", **({} if start is None else {"from": start})}
            answer = await who.wire.request("GET", "rooms", room_id, "messages", query=query)
            for event in objects(answer.get("chunk")):
                if event.get("sender") == who.user_id and inner(event, "unsigned").get("transaction_id") == txn:
                    return _event_id(event)
            start = answer.get("end")
            if not isinstance(start, str):
                break
        return None

    async def pin(self, room_id: str, event_id: str) -> None:
        """Pin one event, and only that one."""
        await self._members.room(room_id)
        await self._policy.wire.request(
            "PUT", "rooms", room_id, "state", "m.room.pinned_events", "", body={"pinned": [event_id]}
        )

    async def create_room(self, kind: Kind, name: str, *, owner: str, supervisors: Sequence[str]) -> str:
        """Create a room and note it; returns its id. The line voice is in it, under this name in a thread.

        Not idempotent: a room that a crash left unnoted is found by `leave_unknown_rooms` at the next start.
        """
        with_voice = kind != "office"
        invite = [self._voice.user_id] if with_voice else []
        answer = await self._policy.wire.request(
            "POST", "createRoom", body=creation(kind, name, invite=invite, supervisors=supervisors)
        )
        room_id = answer.get("room_id")
        if not isinstance(room_id, str) or not room_id:
            raise Transient(200, "QUIETLINE_NO_ROOM_ID")
        self._crash(CrashPoint.ROOM_CREATED)
        if with_voice:
            await self._voice.wire.request("POST", "join", room_id)
        if kind == "thread":
            await self.name_voice(room_id, name)
        room = Room(room_id=room_id, kind=kind, owner=owner, key_owner=f"room:{room_id}")
        await self._vault.create(room.key_owner)
        self._crash(CrashPoint.ROOM_KEY_WRITTEN)
        members = dict.fromkeys([self._policy.user_id, *invite], "join")
        levels = dict.fromkeys(supervisors, SUPERVISOR) if kind == "desk" else {}
        await self._store.commit(lambda conn: note_room(conn, room, members=members, levels=levels))
        return room_id

    async def name_voice(self, room_id: str, name: str) -> None:
        """Give the line voice its display name in one room."""
        body = {"membership": "join", "displayname": name}
        await self._voice.wire.request("PUT", "rooms", room_id, "state", "m.room.member", self._voice.user_id, body=body)

    async def without_voice(self) -> list[str]:
        """Return the rooms that the line voice was in and, as the homeserver told us, is not in now."""
        query = "SELECT room_id FROM matrix_member WHERE user_id = $1 AND membership <> 'join' ORDER BY room_id"
        return [row["room_id"] for row in await self._store.fetch(query, self.voice)]

    async def bring_back(self, room_id: str, name: str) -> None:
        """Invite the line voice and have it join, under that name where there is one. Where it is in, it is left so.

        That it is in again is noted by the sync alone: it may be removed again before this is done.
        """
        await self._members.room(room_id)
        body = {"user_id": self.voice}
        before = await self._membership(room_id, self.voice)
        if before == "ban":
            await self._policy.wire.request("POST", "rooms", room_id, "unban", body=body)
        if before not in {"join", "invite"}:
            await self._policy.wire.request("POST", "rooms", room_id, "invite", body=body)
        if before != "join":
            await self._voice.wire.request("POST", "join", room_id)
        if name:
            await self.name_voice(room_id, name)

    async def warm(self, room_id: str) -> None:
        """Begin the room's sessions, so that its first text is as quick as any other."""
        room = await self._members.room(room_id)
        for who in (self._policy,) if room.kind == "office" else (self._voice, self._policy):
            await self._keyring.prepare(who, room_id)

    async def invite(self, room_id: str, user: str) -> None:
        """Send the room's keys to a user's devices, then invite. Somebody who is invited or joined already is left so."""
        room = await self._members.room(room_id)
        await self.give_keys(room_id, user)
        self._crash(CrashPoint.KEYS_SHARED)
        before = await self._store.fetchval(MEMBERSHIP, room_id, user)
        if await self._membership(room_id, user) not in {"join", "invite"}:
            await self._try_bundle(room_id, user)
            body = {"user_id": user, "reason": REASONS[room.kind]}
            await self._policy.wire.request("POST", "rooms", room_id, "invite", body=body)
        await self._store.commit(lambda conn: _note_invited(conn, room_id, user, before))

    async def give_keys(self, room_id: str, user: str, *, again: bool = False) -> None:
        """Send every live first key of the room to the user's trusted devices that have not had it; `again`: to all."""
        await self._members.room(room_id)
        await self._delivery.deliver(room_id, [user], again=again)

    async def give_bundle(self, room_id: str, user: str) -> None:
        """Send what others typed in the room to the user's trusted devices, as a bundle (MSC4268)."""
        await self._members.room(room_id)
        await self._bundles.give(room_id, user)

    async def _try_bundle(self, room_id: str, user: str) -> None:
        """Give the bundle if the homeserver takes uploads: it is given once more at the join, and `!recap` says the rest.

        Somebody is called for a texter who waits, and whose words stand in line behind the invitation.
        """
        try:
            await self.give_bundle(room_id, user)
        except TokenRefused:
            raise
        except (Transient, Permanent) as error:
            log.event("edge.no_bundle", status=error.status)

    async def typed(self, room_id: str) -> Typed:
        """Return what others typed last in the room, with the keys that we hold."""
        await self._members.room(room_id)
        return await self._history.typed(room_id)

    async def remove(self, room_id: str, user: str) -> None:
        """Remove a user; sessions are rotated. Somebody who is not there any more is left so."""
        await self._members.room(room_id)
        if await self._membership(room_id, user) in {"join", "invite", "knock"}:
            await self._policy.wire.request("POST", "rooms", room_id, "kick", body={"user_id": user})
        self._crash(CrashPoint.MEMBER_REMOVED)
        await self._store.commit(lambda conn: rotate(conn, room_id))

    async def restore_levels(self, room_id: str) -> None:
        """Write the power levels as the room was made with, but for who has a role. As they should be is left so."""
        room = await self._members.room(room_id)
        now = await self._policy.wire.request("GET", "rooms", room_id, "state", "m.room.power_levels", "")
        if bent(room.kind, now):
            body = mended(room.kind, now)
            await self._policy.wire.request("PUT", "rooms", room_id, "state", "m.room.power_levels", "", body=body)

    async def leave_unknown_rooms(self) -> None:
        """Leave and forget, as both, every room that is not in our table: what a crash left unnoted."""
        known = {room.room_id for room in await self._members.rooms()}
        found: set[str] = set()
        for who in (self._policy, self._voice):
            answer = await who.wire.request("GET", "joined_rooms")
            found |= set(strings(answer.get("joined_rooms"))) - known
        for room_id in sorted(found):
            for who in (self._voice, self._policy):
                await self._abandon(who, room_id)

    async def _abandon(self, who: Identity, room_id: str) -> None:
        for step in ("leave", "forget"):
            try:
                await who.wire.request("POST", "rooms", room_id, step)
            except TokenRefused:
                raise
            except Permanent:  # was never there, or is no longer
                return

    async def _membership(self, room_id: str, user: str) -> str:
        try:
            answer = await self._policy.wire.request("GET", "rooms", room_id, "state", "m.room.member", user)
        except TokenRefused:
            raise
        except Permanent as error:
            if error.errcode != "M_NOT_FOUND":
                raise
            return ""
        membership = answer.get("membership")
        return membership if isinstance(membership, str) else ""

    def _speaker(self, speaker: Speaker) -> Identity:
        return self._policy if speaker is Speaker.POLICY else self._voice


async def _note_invited(conn: Connection, room_id: str, user: str, before: object) -> None:
    """Write what the sync will tell in a moment, unless it has told something since."""
    if await conn.fetchval(MEMBERSHIP, room_id, user) == before and before != "join":
        await set_membership(conn, room_id, user, "invite")


def _event_id(answer: Json) -> str:
    event_id = answer.get("event_id")
    if not isinstance(event_id, str) or not event_id:
        raise Transient(200, "QUIETLINE_NO_EVENT_ID")
    return event_id
