"""Outbound to-device messages of one identity.

Rule of this module: claim one-time keys, then commit (sessions and ratchets), then send the request, then report the
delivered messages to the caller. No commit waits for the network; a message that was not reported as delivered is sent
again. One send at a time per identity.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from bridge.matrix.api.json_fields import BAD_DATA, Json, as_object, object_at, string_field
from bridge.matrix.olm.cross_signing import Device, has_valid_signature
from bridge.matrix.olm.identity import Identity
from bridge.matrix.olm.olm_store import keys_with_session
from bridge.matrix.olm.vodozemac_olm import Account, OlmSessionError
from bridge.storage.database import Transaction

T = TypeVar("T")

BATCH_SIZE: Final = 50
"""Messages in one to-device request, keys in one claim."""


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
