"""Makes a new device for an identity whose device a person deleted at the homeserver, as "sign out everywhere" does.

After a rollback of the homeserver it makes one as well.

Rules of this module: the cross-signing keys stay, so that nobody has to confirm anything. The old device's outbound
sessions are retired first, then the new device is committed, then it is uploaded; each step may be repeated after a crash.
At most one device an hour. If a device that this database did not make may be in use, another bridge has taken over the
identity and deleted our device: then this bridge ends, because two would delete each other's devices for ever; a person
who starts it with `--take-over` takes the identity back.

Source: https://spec.matrix.org/latest/client-server-api/#get_matrixclientv3devices
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

from bridge.matrix.api.http_client import IdentityTakenOver, Permanent, TokenRefused, UnknownDevice
from bridge.matrix.api.json_fields import Json, objects_in
from bridge.matrix.olm import identity_table
from bridge.matrix.olm.identity import Identity
from bridge.matrix.room_keys.outbound_table import retire_sessions_of
from bridge.runtime import log
from bridge.runtime.crash_points import CrashPoint
from bridge.services import Services

MIN_INTERVAL_MS: Final = 3_600_000
"""Between two devices: a person who deletes them on purpose, or a fault of ours, must not cause a flood of devices."""
RETRY_SECONDS: Final = 60.0


class DeviceRenewal:
    """Renews one identity's device; outbound sessions are in the main database. `notify`: tells people, once each time."""

    def __init__(
        self, services: Services, *, identity: Identity, device_prefix: str, notify: Callable[[], Awaitable[None]]
    ) -> None:
        self._identity, self._prefix, self._notify = identity, device_prefix, notify
        self._main, self._clock, self._crash = services.database, services.clock, services.crash
        self._lock = asyncio.Lock()
        self._notified = False

    async def renew(self) -> None:
        """Check whether the homeserver has the device, and make another if not.

        Raises `IdentityTakenOver`, `UnknownDevice` when it is too early for another, and what `HomeserverClient` raises.
        """
        async with self._lock:
            if not self._identity.client.suspended:
                devices = await self._devices()
                if any(device.get("device_id") == self._identity.device_id for device in devices):
                    return
                if not self._notified:
                    await self._notify()
                    self._notified = True
                log.event("device_renewal.device_gone")
                await self._refuse_if_replaced(devices)
                await self._replace()
            await self._register()

    async def replace(self) -> None:
        """Make another device after a rollback of the homeserver, which hands out used one-time keys of the old one.

        Raises what `HomeserverClient` raises.
        """
        async with self._lock:
            await self._replace()
            await self._register()

    async def _register(self) -> None:
        account = await self._identity.use_device(self._identity.device_id)
        await self._identity.register(account, take_over=True)
        self._identity.client.device_id = self._identity.device_id
        self._identity.client.suspended = self._notified = False
        log.event("device_renewal.renewed")

    async def _devices(self) -> list[Json]:
        try:
            answer = await self._identity.client.without_device().request("GET", "devices")
        except TokenRefused:
            raise
        except Permanent as error:
            if error.errcode != "M_FORBIDDEN":
                raise
            return []  # the homeserver does not know the user either: `register` makes it
        return list(objects_in(answer.get("devices")))

    async def _refuse_if_replaced(self, devices: list[Json]) -> None:
        if await self._identity.is_used_elsewhere(devices):
            raise IdentityTakenOver(self._identity.user_id)
        earlier = await identity_table.earlier_devices(self._identity.database, self._identity.user_id)
        age = int(self._clock.now() * 1000) - max(earlier.values(), default=-MIN_INTERVAL_MS)
        if 0 <= age < MIN_INTERVAL_MS:
            raise UnknownDevice(0, "QUIETLINE_DEVICE_TOO_SOON", RETRY_SECONDS)

    async def _replace(self) -> None:
        user_id, now = self._identity.user_id, int(self._clock.now() * 1000)
        # First, because the identity's database may be another one; to retire sessions twice is harmless.
        await self._main.commit(lambda transaction: retire_sessions_of(transaction, user_id))
        self._crash(CrashPoint.SESSIONS_RETIRED)
        device_id = f"{self._prefix}{secrets.token_hex(4).upper()}"
        await self._identity.database.commit(
            lambda transaction: self._identity.replace_device(transaction, device_id, now_ms=now)
        )
        self._crash(CrashPoint.DEVICE_REPLACED)
        # Nobody knows the new device yet: nobody could read a message that is sent before it is registered.
        self._identity.client.suspended = True
        self._identity.device_id, self._identity.since_ms = device_id, now
