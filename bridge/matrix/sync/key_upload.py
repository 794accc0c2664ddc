"""What one identity does after a sync response: upload keys, refuse verification requests, make new Olm sessions.

Rule of this module: the sync response does not depend on this work; all of it may be tried again later, and a failure is
retried later and does not stop the rest. A refusal of our own keys is raised after the rest is done.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable
from functools import partial
from typing import Final

from bridge.background.loop import BackgroundLoop
from bridge.matrix.api.http_client import HomeserverError, Permanent, TokenRefused
from bridge.matrix.api.json_fields import Json, object_at, strings_in
from bridge.matrix.olm import olm_store
from bridge.matrix.olm.identity import Identity
from bridge.matrix.olm.to_device import ToDeviceBatch, ToDevicePayload, ToDeviceSender, VerificationRequest
from bridge.matrix.room_keys.device_lists import DeviceLists
from bridge.runtime import log

ALGORITHM: Final = "signed_curve25519"
MAX_REJECTIONS: Final = 100
CANCEL_CONTENT: Final = {
    "code": "m.user",
    "reason": "This is a program and cannot compare emoji. Whoever runs it can compare its fingerprint.",
}


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
        count = object_at(response, "device_one_time_keys_count").get(ALGORITHM, 0)
        if isinstance(count, int) and count >= 0:
            self._count = count
        for name in ("device_unused_fallback_key_types", "org.matrix.msc2732.device_unused_fallback_key_types"):
            if name in response:
                self._fallback_used = ALGORITHM not in strings_in(response[name])
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
