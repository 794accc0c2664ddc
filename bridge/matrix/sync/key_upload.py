"""What one identity owes the homeserver and other devices after a sync response: keys, refusals, new Olm sessions.

Rule of this module: nothing here is needed for the response to have happened; all of it may be tried again later, and a
failure waits and goes on.
"""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Final

from bridge.matrix.api.http_client import HomeserverError, TokenRefused, Transient, note_failure
from bridge.matrix.api.json_fields import Json, inner, strings
from bridge.matrix.olm.cross_signing import Device
from bridge.matrix.olm.identity import Identity
from bridge.matrix.olm.to_device_inbox import Cancel, Inbox, Opened
from bridge.matrix.olm.to_device_outbox import Mail, Post
from bridge.matrix.room_keys.device_lists import Devices

ALGORITHM: Final = "signed_curve25519"
MOST_REFUSALS: Final = 100
REFUSAL: Final = {
    "code": "m.user",
    "reason": "This is a program and cannot compare emoji. Whoever runs it can compare its fingerprint.",
}


class Upkeep:
    """The chores of one identity. `run` until cancelled."""

    def __init__(self, *, identity: Identity, inbox: Inbox, devices: Devices, post: Post) -> None:
        self._identity = identity
        self._inbox = inbox
        self._devices = devices
        self._post = post
        self._something = asyncio.Event()
        self._something.set()  # sessions that were wedged before a restart
        self._count: int | None = None
        self._fallback_used = False
        self._refusals: list[Cancel] = []
        self._failures = 0

    def after(self, response: Json, opened: Opened) -> None:
        """Take note of a committed response."""
        count = inner(response, "device_one_time_keys_count").get(ALGORITHM)
        if isinstance(count, int) and count >= 0:
            self._count = count
        for name in ("device_unused_fallback_key_types", "org.matrix.msc2732.device_unused_fallback_key_types"):
            if name in response:
                self._fallback_used = ALGORITHM not in strings(response[name])
                break
        self._refusals = [*self._refusals, *opened.cancels][-MOST_REFUSALS:]
        self._something.set()

    async def run(self) -> None:
        """Do what there is to do, until cancelled. Raises :class:`TokenRefused` and nothing else of the wire."""
        while True:
            await self._something.wait()
            self._something.clear()
            try:
                await self.turn()
            except TokenRefused:
                raise
            except (HomeserverError, sqlite3.OperationalError, OSError) as error:
                self._failures += 1
                note_failure("matrix.upkeep_waits", error, attempt=self._failures)
                after = error.after if isinstance(error, Transient) else 0.0
                await asyncio.sleep(max(min(0.25 * 2.0 ** min(self._failures, 8), 30.0), after))
                self._something.set()
            else:
                self._failures = 0

    async def turn(self) -> None:
        """Do everything there is to do now."""
        count, self._count = self._count, None
        fallback, self._fallback_used = self._fallback_used, False
        try:
            if count is not None or fallback:
                await self._identity.replenish(count=count, fallback=fallback)
        except HomeserverError:
            self._count, self._fallback_used = count, fallback
            raise
        while self._refusals:
            refusal = self._refusals[0]
            await self._post.send_plain(
                "m.key.verification.cancel",
                refusal.user_id,
                refusal.device_id,
                {**REFUSAL, "transaction_id": refusal.transaction_id},
            )
            self._refusals = self._refusals[1:]
        for user_id, sender_key in await self._inbox.wedged():
            device = await self._devices.by_key(user_id, sender_key)
            if device is not None:
                await self._renew(device)
            await self._inbox.healed(user_id, sender_key)

    async def _renew(self, device: Device) -> None:
        await self._post.send([Mail(device=device, type="m.dummy", content={})], renew=True)
