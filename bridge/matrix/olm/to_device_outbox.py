"""To-device messages of one identity on their way out.

Rule of this module: claim, then commit (sessions and ratchets), then request, then tell the caller what has arrived; no
commit waits for the network, and what was not told as arrived is sent again. One at a time per identity.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from mautrix.crypto.account import OlmAccount

from bridge.matrix.api.json_fields import BAD_DATA, Json, inner, mapping, text
from bridge.matrix.olm.cross_signing import Device, is_signed
from bridge.matrix.olm.identity import Identity
from bridge.matrix.olm.vodozemac_olm import OlmSessionError
from bridge.matrix.schema import places
from bridge.storage.database import Connection

T = TypeVar("T")

BATCH: Final = 50
"""Messages in one to-device request, keys in one claim."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One message to one device: an event type and its content, in the clear until it is encrypted."""

    device: Device
    type: str
    content: Json


class Post:
    """Sends Olm-encrypted mail as `identity`."""

    def __init__(self, *, identity: Identity) -> None:
        self._identity = identity
        self._one = asyncio.Lock()

    async def send(
        self,
        mail: Sequence[Mail],
        *,
        arrived: Callable[[Sequence[Mail]], Awaitable[None]] | None = None,
        renew: bool = False,
    ) -> list[Device]:
        """Send, at most `BATCH` at a time; `arrived` hears of each batch that the homeserver has.

        `renew` begins new Olm sessions whatever there is. Returns the devices that have no usable one-time key.
        Raises what :class:`~bridge.matrix.wire.Wire` raises; batches before that have arrived.
        """
        async with self._one:
            devices = list({(m.device.user_id, m.device.device_id): m.device for m in mail}.values())
            reached = set() if renew else await self._reached(devices)
            keys: dict[Device, str] = {}
            for strangers in _batches([device for device in devices if device.curve25519 not in reached]):
                keys.update(await self._claim(strangers))
            missed = [d for d in devices if d.curve25519 not in reached and d not in keys]
            for some in _rounds([m for m in mail if m.device not in missed]):
                new = {m.device: keys.pop(m.device) for m in some if m.device in keys}
                sent = await self._send(some, new)
                missed += [m.device for m in some if m not in sent]
                if arrived is not None:
                    await arrived(sent)
            return missed

    async def send_plain(self, kind: str, user_id: str, device_id: str, content: Json) -> None:
        """Send an unencrypted to-device message."""
        await self._put(kind, {user_id: {device_id: content}})

    async def _reached(self, devices: Sequence[Device]) -> set[str]:
        reached: set[str] = set()
        for some in _batches(devices):
            rows = await self._identity.store.fetch(
                f"""
                SELECT DISTINCT sender_key FROM crypto_olm_session
                WHERE account_id=$1 AND sender_key IN ({places(len(some), after=1)})
                """,  # noqa: S608 - placeholders only
                self._identity.user_id,
                *(device.curve25519 for device in some),
            )
            reached |= {row["sender_key"] for row in rows}
        return reached

    async def _claim(self, devices: Sequence[Device]) -> dict[Device, str]:
        wanted: dict[str, dict[str, str]] = {}
        for device in devices:
            wanted.setdefault(device.user_id, {})[device.device_id] = "signed_curve25519"
        answer = await self._identity.wire.request("POST", "keys", "claim", body={"one_time_keys": wanted})
        return {device: key for device in devices if (key := _one_time_key(answer, device))}

    async def _send(self, mail: Sequence[Mail], keys: Mapping[Device, str]) -> list[Mail]:
        olm = self._identity.olm

        async def encrypt(_conn: Connection, account: OlmAccount) -> list[tuple[Mail, dict[str, Any]]]:
            done = []
            for m in mail:
                if m.device in keys:
                    try:
                        await olm.open(account, m.device, keys[m.device])
                    except OlmSessionError:
                        continue
                elif not await olm.reaches(m.device):
                    continue
                done.append((m, await olm.encrypt(account, m.device, m.type, m.content)))
            return done

        encrypted = await self._identity.commit(encrypt)
        messages: dict[str, dict[str, Any]] = {}
        for m, content in encrypted:
            messages.setdefault(m.device.user_id, {})[m.device.device_id] = content
        if messages:
            await self._put("m.room.encrypted", messages)
        return [m for m, _ in encrypted]

    async def _put(self, kind: str, messages: Json) -> None:
        await self._identity.wire.request(
            "PUT", "sendToDevice", kind, secrets.token_urlsafe(16), body={"messages": messages}
        )


def _one_time_key(answer: Json, device: Device) -> str:
    """Return the claimed key if the device signed it, or an empty string."""
    try:
        for value in inner(answer, "one_time_keys", device.user_id, device.device_id).values():
            key = mapping(value, "key")
            if is_signed(key, device.user_id, device.device_id, device.ed25519):
                return text(key, "key", longest=64)
    except BAD_DATA:
        pass
    return ""


def _batches(things: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(things), BATCH):
        yield things[start : start + BATCH]


def _rounds(mail: Sequence[Mail]) -> Iterator[Sequence[Mail]]:
    """Batches in which no device stands twice: a to-device request holds one message per device."""
    waiting: Collection[Mail] = mail
    while waiting:
        now: list[Mail] = []
        later: list[Mail] = []
        devices: set[Device] = set()
        for m in waiting:
            if m.device in devices or len(now) == BATCH:
                later.append(m)
            else:
                now.append(m)
                devices.add(m.device)
        yield now
        waiting = later
