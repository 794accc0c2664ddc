"""Unwedging: devices that began another Olm session with the texter puppet, because they could not read its message.

Rule of this module: the puppet has a store of its own, and no commit spans two stores. So the request is noted with the new
session, and then the keys are marked as due in the main store; after a crash in between that is repeated, and the keys are
never sent through the lost session. Only trusted devices are noted: a flood of strangers leaves nothing.

Source: https://spec.matrix.org/latest/client-server-api/#mdummy
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridge.matrix.api.json_fields import Json
from bridge.matrix.olm.identity import Identity
from bridge.matrix.olm.to_device_inbox import ToDeviceBatch
from bridge.matrix.room_keys.device_lists import DeviceLists
from bridge.matrix.sync.sync_response import TimelineGaps
from bridge.runtime.crash_points import CrashPoint
from bridge.services import Services
from bridge.storage.database import Transaction


class Unwedging:
    """Processes the texter puppet's to-device messages; devices and keys are in the main database."""

    def __init__(self, services: Services, *, identity: Identity, devices: DeviceLists) -> None:
        self._database, self._crash = services.database, services.crash
        self._identity, self._devices = identity, devices

    async def take(self, transaction: Transaction, _response: Json, batch: ToDeviceBatch, _gaps: TimelineGaps) -> None:
        """Note devices that began another session, in the commit of the sync; other messages only updated their session."""
        for message in batch.messages:
            if not message.lost_ours:
                continue
            known = await self._devices.find(self._database, message.sender, message.sender_key)
            if known is not None and known[1]:
                query = "INSERT INTO matrix_unwedging (user_id, sender_key) VALUES ($1, $2) ON CONFLICT DO NOTHING"
                await transaction.execute(query, message.sender, message.sender_key)

    async def queue_key_resends(self) -> None:
        """Mark every live key of the texter puppet as due again for each of them."""
        rows = await self._identity.database.fetch("SELECT user_id, sender_key FROM matrix_unwedging")
        if not rows:
            return
        await self._database.commit(lambda transaction: self._queue_key_resends(transaction, rows))
        self._crash(CrashPoint.KEYS_OWED)
        await self._identity.database.commit(lambda transaction: _delete_rows(transaction, rows))

    async def _queue_key_resends(self, transaction: Transaction, rows: Sequence[Any]) -> None:
        for row in rows:
            known = await self._devices.find(transaction, row["user_id"], row["sender_key"])
            if known is not None and known[1]:
                await self._devices.resend_keys_on_request(transaction, known[0], self._identity.user_id)


async def _delete_rows(transaction: Transaction, rows: Sequence[Any]) -> None:
    for row in rows:
        await transaction.execute(
            "DELETE FROM matrix_unwedging WHERE user_id=$1 AND sender_key=$2", row["user_id"], row["sender_key"]
        )
