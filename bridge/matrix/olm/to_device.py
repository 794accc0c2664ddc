"""To-device messages of one identity, in and out.

In: any user may send one, so each is accepted or dropped alone, in the commit of the sync cursor. A session is replaced
(unwedging) only with a known device of a person in our rooms. Of the sessions with devices of strangers the newest
`MAX_STRANGERS` are kept.

Out: a message is encrypted in a commit, then sent, then reported to the caller as delivered; one that was not reported is
sent again. One send at a time per identity.

After a sync response keys are uploaded, verification requests refused and lost Olm sessions renewed; all of it may be
tried again.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

from bridge.background.loop import BackgroundLoop
from bridge.matrix.api.http_client import HomeserverError, Permanent, TokenRefused
from bridge.matrix.api.json_fields import BAD_DATA, Json, as_object, object_at, objects_in, string_field, strings_in
from bridge.matrix.olm import olm_store
from bridge.matrix.olm.cross_signing import Device, has_valid_signature
from bridge.matrix.olm.identity import Identity
from bridge.matrix.olm.olm_store import ToDeviceMessage, Wedged, delete_sessions, keys_with_session, newest_sessions
from bridge.matrix.olm.vodozemac_olm import Account, OlmSessionError
from bridge.matrix.room_keys.device_lists import DeviceLists
from bridge.runtime import log
from bridge.runtime.clock import Clock
from bridge.storage.database import Transaction

KEY_ALGORITHM: Final = "signed_curve25519"
MAX_REJECTIONS: Final = 100
CANCEL_CONTENT: Final = {
    "code": "m.user",
    "reason": "This is a program and cannot compare emoji. Whoever runs it can compare its fingerprint.",
}


HOUR_MS: Final = 3_600_000
MAX_WEDGED: Final = 100
MAX_VERIFICATION_REQUESTS: Final = 20
"""Limits for floods: sessions that wait to be replaced, and verification requests that are answered per response."""
MAX_STRANGERS: Final = 500
"""Sessions kept with devices that are not known as those of a person in our rooms. A newcomer's that is lost is healed."""
CHECKED_EVERY: Final = 100
"""So many begun sessions: then their number is checked."""
T = TypeVar("T")
BATCH_SIZE: Final = 50
"""Messages in one to-device request, keys in one claim."""


class OneTimeKeyUpload:
    """Does this work for one identity."""

    def __init__(self, *, identity: Identity, devices: DeviceLists, to_device: ToDeviceSender) -> None:
        self._identity = identity
        self._devices = devices
        self._to_device = to_device
        self._count: int | None = None
        self._fallback_used = False
        self._verification_requests: list[VerificationRequest] = []
        # The first turn comes at once: there may be sessions that were wedged before a restart.
        self.loop = BackgroundLoop("matrix.key_upload", self._run_and_wait, max_sleep=math.inf, retry=(0.5, 30.0))

    def note_response(self, response: Json, batch: ToDeviceBatch) -> None:
        """Note what a committed response asks for."""
        # a missing count is zero (Client-Server API, sync), also when the whole field is missing
        count = object_at(response, "device_one_time_keys_count").get(KEY_ALGORITHM, 0)
        if isinstance(count, int) and count >= 0:
            self._count = count
        for name in ("device_unused_fallback_key_types", "org.matrix.msc2732.device_unused_fallback_key_types"):
            if name in response:
                self._fallback_used = KEY_ALGORITHM not in strings_in(response[name])
                break
        self._verification_requests = [*self._verification_requests, *batch.verification_requests][-MAX_REJECTIONS:]
        self.loop.wake()

    async def _run_and_wait(self) -> float:
        await self.run_once()
        return math.inf

    async def run_once(self) -> None:
        """Do all work that is due."""
        count, self._count = self._count, None
        fallback, self._fallback_used = self._fallback_used, False
        refused: Permanent | None = None
        try:
            if count is not None or fallback:
                await self._identity.upload_keys(count=count, fallback=fallback)
        except HomeserverError as error:
            self._count, self._fallback_used = count, fallback
            if isinstance(error, TokenRefused) or not isinstance(error, Permanent):
                raise
            refused = error
        while self._verification_requests:
            await self._unless_refused(self._cancel(self._verification_requests[0]))
            self._verification_requests = self._verification_requests[1:]
        ours, database = self._identity.user_id, self._identity.database
        for user_id, sender_key in await olm_store.open_wedged(database, ours):
            device = await self._devices.by_identity_key(user_id, sender_key)
            if device is not None:
                begin = [ToDevicePayload(device=device, type="m.dummy", content={})]
                await self._unless_refused(self._to_device.send(begin, new_sessions=True))
            await database.commit(partial(olm_store.mark_recovered, identity=ours, user_id=user_id, sender_key=sender_key))
        if refused is not None:
            raise refused

    async def _unless_refused(self, work: Awaitable[object]) -> None:
        """Do the work for one device; a permanent refusal does not delay the others."""
        try:
            await work
        except TokenRefused:
            raise
        except Permanent as error:
            log.event("key_upload.device_refused", status=error.errcode or error.status)

    async def _cancel(self, request: VerificationRequest) -> None:
        await self._to_device.send_unencrypted(
            "m.key.verification.cancel",
            request.user_id,
            request.device_id,
            {**CANCEL_CONTENT, "transaction_id": request.transaction_id},
        )


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

    def __init__(self, *, identity: Identity, clock: Clock, devices: DeviceLists) -> None:
        self._identity = identity
        self._clock = clock
        self._devices = devices
        self._begun = 0

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
                    transaction, account, sender, content, on_begin=self._limit_strangers
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

    async def _limit_strangers(self, transaction: Transaction) -> None:
        self._begun += 1
        if self._begun < CHECKED_EVERY:
            return
        self._begun, own, known = 0, self._identity.user_id, await self._devices.member_keys()
        strangers = [session_id for session_id, key in await newest_sessions(transaction, own) if key not in known]
        await delete_sessions(transaction, own, strangers[MAX_STRANGERS:])

    async def _note_wedged(self, transaction: Transaction, sender: str, sender_key: str) -> None:
        if not await self._devices.is_member_device(sender, sender_key):
            return  # any user can send an unreadable message, under any key
        own, now = self._identity.user_id, int(self._clock.now() * 1000)
        await olm_store.record_wedged(transaction, own, sender, sender_key, now_ms=now, kept_ms=HOUR_MS, most=MAX_WEDGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToDevicePayload:
    """One message to one device: an event type and its content, in the clear until it is encrypted."""

    device: Device
    type: str
    content: Json = field(repr=False)


class ToDeviceSender:
    """Sends Olm-encrypted to-device messages as `identity`."""

    def __init__(self, *, identity: Identity) -> None:
        self._identity = identity
        self._lock = asyncio.Lock()

    @property
    def curve25519(self) -> str:
        """The identity key of the device that sends."""
        return self._identity.curve25519

    async def send(
        self,
        payloads: Sequence[ToDevicePayload],
        *,
        on_sent: Callable[[Sequence[ToDevicePayload]], Awaitable[None]] | None = None,
        new_sessions: bool = False,
    ) -> list[Device]:
        """Send, at most `BATCH_SIZE` at a time; `on_sent` is called with each batch that the homeserver accepted.

        `new_sessions`: begin new Olm sessions even where there are some. Returns the devices that have no usable one-time
        key. Raises what `HomeserverClient` raises; batches before the error were delivered.
        """
        async with self._lock:
            devices = list({(m.device.user_id, m.device.device_id): m.device for m in payloads}.values())
            with_session = set() if new_sessions else await self._with_session(devices)
            keys: dict[Device, str] = {}
            for without_session in _batches([device for device in devices if device.curve25519 not in with_session]):
                keys.update(await self._claim(without_session))
            without_key = [d for d in devices if d.curve25519 not in with_session and d not in keys]
            for some in _one_per_device([m for m in payloads if m.device not in without_key]):
                new = {m.device: keys.pop(m.device) for m in some if m.device in keys}
                sent_payloads = await self._send(some, new)
                without_key += [m.device for m in some if m not in sent_payloads]
                if on_sent is not None:
                    await on_sent(sent_payloads)
            return without_key

    async def send_unencrypted(self, kind: str, user_id: str, device_id: str, content: Json) -> None:
        """Send an unencrypted to-device message."""
        await self._put(kind, {user_id: {device_id: content}})

    async def _with_session(self, devices: Sequence[Device]) -> set[str]:
        with_session: set[str] = set()
        for some in _batches(devices):
            keys = [device.curve25519 for device in some]
            with_session |= await keys_with_session(self._identity.database, self._identity.user_id, keys)
        return with_session

    async def _claim(self, devices: Sequence[Device]) -> dict[Device, str]:
        one_time_keys: dict[str, dict[str, str]] = {}
        for device in devices:
            one_time_keys.setdefault(device.user_id, {})[device.device_id] = "signed_curve25519"
        answer = await self._identity.client.request("POST", "keys", "claim", body={"one_time_keys": one_time_keys})
        return {device: key for device in devices if (key := _one_time_key(answer, device))}

    async def _send(self, payloads: Sequence[ToDevicePayload], keys: Mapping[Device, str]) -> list[ToDevicePayload]:
        olm = self._identity.olm

        async def encrypt(transaction: Transaction, account: Account) -> list[tuple[ToDevicePayload, dict[str, Any]]]:
            done = []
            for m in payloads:
                if m.device in keys:
                    try:
                        await olm.open(transaction, account, m.device, keys[m.device])
                    except OlmSessionError:
                        continue
                elif not await olm.has_session(transaction, m.device):
                    continue
                done.append((m, await olm.encrypt(transaction, account, m.device, m.type, m.content)))
            return done

        encrypted = await self._identity.commit(encrypt)
        messages: dict[str, dict[str, Any]] = {}
        for m, content in encrypted:
            messages.setdefault(m.device.user_id, {})[m.device.device_id] = content
        if messages:
            await self._put("m.room.encrypted", messages)
        return [m for m, _ in encrypted]

    async def _put(self, kind: str, messages: Json) -> None:
        await self._identity.client.request(
            "PUT", "sendToDevice", kind, secrets.token_urlsafe(16), body={"messages": messages}
        )


def _one_time_key(answer: Json, device: Device) -> str:
    """Return the claimed key if the device signed it, or an empty string."""
    try:
        for value in object_at(answer, "one_time_keys", device.user_id, device.device_id).values():
            key = as_object(value, "key")
            if has_valid_signature(key, device.user_id, device.device_id, device.ed25519):
                return string_field(key, "key", longest=64)
    except BAD_DATA:
        pass
    return ""


def _batches(things: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(things), BATCH_SIZE):
        yield things[start : start + BATCH_SIZE]


def _one_per_device(payloads: Sequence[ToDevicePayload]) -> Iterator[Sequence[ToDevicePayload]]:
    """Yield batches in which no device occurs twice: a to-device request holds one message per device."""
    waiting: Collection[ToDevicePayload] = payloads
    while waiting:
        now: list[ToDevicePayload] = []
        later: list[ToDevicePayload] = []
        devices: set[Device] = set()
        for m in waiting:
            if m.device in devices or len(now) == BATCH_SIZE:
                later.append(m)
            else:
                now.append(m)
                devices.add(m.device)
        yield now
        waiting = later
