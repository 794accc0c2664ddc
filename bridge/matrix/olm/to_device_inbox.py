"""Inbound to-device messages of one identity.

Rule of this module: any user may send one, so each is accepted or dropped alone, and drops are counted. A session is
replaced (unwedging) only with a known device of a person in our rooms, so that strangers do not use up the limit. The
decrypted content and the changed Olm sessions are written in the same commit as the sync cursor.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from mautrix.crypto.account import OlmAccount

from bridge.matrix.api.json_fields import BAD_DATA, Json, object_at, objects_in, string_field
from bridge.matrix.olm import wedged_table
from bridge.matrix.olm.identity import Identity
from bridge.matrix.olm.sessions import ToDeviceMessage, Wedged
from bridge.matrix.olm.stranger_sessions import MemberDevices, StrangerSessions
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

    async def wedged_sessions(self) -> list[tuple[str, str]]:
        """Return (user id, identity key) of devices that need a new Olm session."""
        return await wedged_table.open_of(self._identity.database, self._identity.user_id)

    async def mark_recovered(self, user_id: str, sender_key: str) -> None:
        """Note that a new session was begun; no other is begun within the hour."""
        await self._identity.database.commit(
            lambda transaction: wedged_table.mark_recovered(transaction, self._identity.user_id, user_id, sender_key)
        )

    async def _open_event(self, transaction: Transaction, account: OlmAccount, event: Json, batch: ToDeviceBatch) -> None:
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
        await wedged_table.record(transaction, own, sender, sender_key, now_ms=now, kept_ms=HOUR_MS, most=MAX_WEDGED)
