"""Inbound to-device messages of one identity.

Rule of this module: any user may send one, so each is accepted or dropped alone, and drops are counted. A session is
replaced (unwedging) only with a known device of a person in our rooms, so that strangers do not use up the limit. The
decrypted content and the changed Olm sessions are written in the same commit as the sync cursor.

Any user may begin Olm sessions with us. Of those with devices of strangers (people in no room of ours) the newest
`MAX_STRANGERS` are kept. A session that a person in our rooms began with a device that we have not queried yet does not
count: the beginner of each session is kept in memory, and judged again each time, because the sync may bring their joining
after their first message.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, Protocol

from bridge.matrix.api.json_fields import BAD_DATA, Json, object_at, objects_in, string_field
from bridge.matrix.olm import olm_store
from bridge.matrix.olm.identity import Identity
from bridge.matrix.olm.olm_store import ToDeviceMessage, Wedged, delete_sessions, newest_sessions
from bridge.matrix.olm.vodozemac_olm import Account
from bridge.runtime.clock import Clock
from bridge.storage.database import Transaction

HOUR_MS: Final = 3_600_000
MAX_WEDGED: Final = 100
MAX_VERIFICATION_REQUESTS: Final = 20
"""Limits for floods: sessions that wait to be replaced, and verification requests that are answered per response."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationRequest:
    """A verification request to be refused: who asked, from which device, under which transaction."""

    user_id: str
    device_id: str
    transaction_id: str


@dataclass(slots=True, kw_only=True)
class ToDeviceBatch:
    """The result of processing a response's to-device messages.

    `early_keys`: room keys, of earlier responses too, whose senders the sync has not reported in their room yet.
    """

    messages: list[ToDeviceMessage] = field(default_factory=list)
    early_keys: list[ToDeviceMessage] = field(default_factory=list)
    verification_requests: list[VerificationRequest] = field(default_factory=list)
    dropped_count: int = 0

    def add(self, batch: ToDeviceBatch) -> None:
        """Add the result of a part of the same response."""
        self.messages += batch.messages
        self.early_keys = batch.early_keys
        self.verification_requests += batch.verification_requests
        self.dropped_count += batch.dropped_count


MAX_STRANGERS: Final = 100
"""Sessions kept with devices of strangers; Synapse sends at most as many to-device messages in one response."""
MAX_NEW_DEVICES: Final = 16
"""Sessions kept of one person in our rooms with devices that we do not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """Who is in our rooms or invited, by user id, and the identity keys of their devices that we know."""

    users: frozenset[str]
    keys: frozenset[str]


class MemberDevices(Protocol):
    """What the inbox needs to know about the people in our rooms, as last committed."""

    async def is_member_device(self, user_id: str, curve25519: str, /) -> bool:
        """Whether a user has a device of that identity key that we know, and is in a room of ours."""

    async def members(self) -> Members:
        """Return everybody in our rooms."""


class StrangerSessions:
    """Limits the sessions that strangers may begin with one identity."""

    def __init__(self, *, user_id: str, devices: MemberDevices) -> None:
        self._user_id, self._devices = user_id, devices
        self._began: dict[str, str] = {}
        self._added = 0

    async def note(self, transaction: Transaction, sender: str, sender_key: str) -> None:
        """Note that a sender began a session under an identity key; delete old sessions above the limit.

        A rolled-back commit removes the session but not this note, which is harmless.
        """
        self._began[sender_key] = sender
        self._added += 1
        if self._added >= MAX_STRANGERS:
            await self._make_space(transaction)

    async def _make_space(self, transaction: Transaction) -> None:
        members = await self._devices.members()
        others, of_user = list[tuple[str, str]](), Counter[str]()
        began: dict[str, str] = {}
        for session_id, key in await newest_sessions(transaction, self._user_id):
            if key in members.keys:
                continue
            user = self._began.get(key, "")
            of_user[user] += user in members.users
            if user not in members.users or of_user[user] > MAX_NEW_DEVICES:
                others.append((session_id, key))
            else:
                began[key] = user
        began |= {key: self._began[key] for _, key in others[:MAX_STRANGERS] if key in self._began}
        await delete_sessions(transaction, self._user_id, [session_id for session_id, _ in others[MAX_STRANGERS:]])
        self._began, self._added = began, 0


class ToDeviceInbox:
    """Opens to-device messages, inside the sync commit."""

    def __init__(self, *, identity: Identity, clock: Clock, devices: MemberDevices) -> None:
        self._identity = identity
        self._clock = clock
        self._devices = devices
        self._strangers = StrangerSessions(user_id=identity.user_id, devices=devices)

    async def take(self, transaction: Transaction, response: Json) -> ToDeviceBatch:
        """Decrypt every message of a sync response. Without messages the account is not loaded, because that is slow."""
        batch = ToDeviceBatch()
        events = list(objects_in(object_at(response, "to_device").get("events")))
        if not events:
            return batch
        account = await self._identity.olm.begin(transaction)
        for event in events:
            try:
                await self._open_event(transaction, account, event, batch)
            except BAD_DATA:
                batch.dropped_count += 1
        return batch

    async def _open_event(self, transaction: Transaction, account: Account, event: Json, batch: ToDeviceBatch) -> None:
        sender, kind = string_field(event, "sender", longest=255), string_field(event, "type", longest=255)
        content = object_at(event, "content")
        if kind == "m.room.encrypted":
            try:
                message = await self._identity.olm.decrypt(
                    transaction, account, sender, content, on_begin=self._strangers.note
                )
            except Wedged as wedged:
                await self._note_wedged(transaction, sender, wedged.sender_key)
                batch.dropped_count += 1
                return
            if message.type != "m.key.verification.request":
                batch.messages.append(message)
                return
            kind, content = message.type, message.content
        if kind == "m.key.verification.request" and len(batch.verification_requests) < MAX_VERIFICATION_REQUESTS:
            batch.verification_requests.append(
                VerificationRequest(
                    user_id=sender,
                    device_id=string_field(content, "from_device", longest=255),
                    transaction_id=string_field(content, "transaction_id", longest=255),
                )
            )

    async def _note_wedged(self, transaction: Transaction, sender: str, sender_key: str) -> None:
        if not await self._devices.is_member_device(sender, sender_key):
            return  # any user can send an unreadable message, under any key
        own, now = self._identity.user_id, int(self._clock.now() * 1000)
        await olm_store.record_wedged(transaction, own, sender, sender_key, now_ms=now, kept_ms=HOUR_MS, most=MAX_WEDGED)
