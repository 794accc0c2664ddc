"""Devices that began a new Olm session with the line voice (`m.dummy`): they could not read its last message, or key.

Rule of this module: the line voice has a store of its own, and two stores have no commit in common. So it is noted beside
the new session, and from there the keys are owed in the main store; a crash in between does that again, and never sends the
keys through the session that was lost. Only trusted devices are noted: a flood of strangers leaves nothing.

Source: https://spec.matrix.org/latest/client-server-api/#mdummy
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridge.matrix.api.json_fields import Json
from bridge.matrix.olm.identity import Identity
from bridge.matrix.olm.to_device_inbox import Opened
from bridge.matrix.room_keys.device_lists import Devices
from bridge.matrix.sync.sync_response import Gaps
from bridge.runtime.crash_points import Crash, CrashPoint
from bridge.storage.database import Connection, Store


class Anew:
    """Takes the line voice's letters. `store`: the main one, where devices and keys are."""

    def __init__(self, *, store: Store, identity: Identity, devices: Devices, crash: Crash) -> None:
        self._store, self._identity, self._devices, self._crash = store, identity, devices, crash

    async def take(self, conn: Connection, _response: Json, opened: Opened, _gaps: Gaps) -> None:
        """Note who began anew, in the commit of the sync; every other letter only kept its Olm session."""
        for letter in opened.letters:
            if letter.type != "m.dummy":
                continue
            known = await self._devices.find(self._store, letter.sender, letter.sender_key)
            if known is not None and known[1]:
                query = "INSERT INTO matrix_anew (user_id, sender_key) VALUES ($1, $2) ON CONFLICT DO NOTHING"
                await conn.execute(query, letter.sender, letter.sender_key)

    async def owe(self) -> None:
        """Owe each of them every live key of the line voice once more."""
        rows = await self._identity.store.fetch("SELECT user_id, sender_key FROM matrix_anew")
        if not rows:
            return
        await self._store.commit(lambda conn: self._owe(conn, rows))
        self._crash(CrashPoint.KEYS_OWED)
        await self._identity.store.commit(lambda conn: _forget(conn, rows))

    async def _owe(self, conn: Connection, rows: Sequence[Any]) -> None:
        for row in rows:
            known = await self._devices.find(conn, row["user_id"], row["sender_key"])
            if known is not None and known[1]:
                await self._devices.send_again(conn, known[0], self._identity.user_id)


async def _forget(conn: Connection, rows: Sequence[Any]) -> None:
    for row in rows:
        await conn.execute("DELETE FROM matrix_anew WHERE user_id=$1 AND sender_key=$2", row["user_id"], row["sender_key"])
