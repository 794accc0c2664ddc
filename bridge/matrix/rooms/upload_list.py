"""Lists a room's uploads at the homeserver, sealed: a rollback of the homeserver restores the list with the uploads.

Rules of this module: our own rows of a room are deleted when it is erased, and an upload does not say for which room it
was. When a rollback restores the room, its erasure is repeated, and finds its uploads by this list. So the list is account
data of the policy bot for the room, which the homeserver restores with the room and deletes with its purge. The list is
sealed under the desk's key, which outlives the room's, and bound to the room: the homeserver learns no addresses, and can
add none. An address stays on it as long as the room exists, because a rollback may also restore an upload that was deleted
with its message. A room with an erasure job gets no list any more. The desk has none, because it is never erased.

Source: https://spec.matrix.org/latest/client-server-api/#put_matrixclientv3useruseridroomsroomidaccount_datatype
"""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Final

from bridge.matrix.api.http_client import HomeserverError, Permanent, TokenRefused
from bridge.matrix.api.json_fields import strings_in
from bridge.matrix.olm.identity import Identity
from bridge.matrix.rooms import media
from bridge.runtime import log
from bridge.storage.database import Database
from bridge.storage.vault import CannotOpen, Vault

UPLOADS: Final = "quietline.uploads"
"""Type of account data of the policy bot for a room."""
CONTEXT: Final = "room uploads"


class UploadList:
    """Reads and extends the lists, as the policy bot (`identity`). `owner`: whose key seals them, the desk."""

    def __init__(self, *, database: Database, vault: Vault, owner: str, identity: Identity) -> None:
        self._database, self._vault, self._owner, self._identity = database, vault, owner, identity
        self._lock = asyncio.Lock()
        self._listed: dict[str, frozenset[str]] = {}
        """What the homeserver has by our last request; after a rollback less, but then those uploads are lost as well."""

    async def add_all(self) -> None:
        """Put the uploads of all rooms on their lists; what fails is repeated by the next call."""
        for room_id in await media.rooms_with_uploads(self._database):
            try:
                await self.add(room_id)
            except TokenRefused:
                raise
            except HomeserverError as error:
                log.event("uploads.not_listed", status=error.errcode or error.status)

    async def add(self, room_id: str) -> None:
        """Put the noted uploads of a room on its list. Raises what `HomeserverClient` raises."""
        # The erasure reads the list under the same lock: no request of ours may store a list after that.
        async with self._lock:
            noted = frozenset(await media.uploads_to_list(self._database, room_id))
            if noted <= self._listed.get(room_id, frozenset()):
                return
            existing = await self._read(room_id)
            if existing is None:
                # The homeserver also stores account data of a room that it has lost, which no purge would delete.
                await self._identity.client.request("GET", "rooms", room_id, "joined_members")
            listed = frozenset(existing or ())
            if not noted <= listed:
                listed |= noted
                await self._write(room_id, listed)
            self._listed[room_id] = listed

    async def addresses(self, room_id: str) -> list[str]:
        """Return the addresses on the list of a room that has an erasure job. Raises what `HomeserverClient` raises."""
        async with self._lock:
            self._listed.pop(room_id, None)
            return await self._read(room_id) or []

    async def _read(self, room_id: str) -> list[str] | None:
        """Return the addresses on the list; None when there is no list."""
        try:
            content = await self._identity.client.request("GET", *self._path(room_id))
        except Permanent as error:
            if error.errcode != "M_NOT_FOUND":
                raise
            return None
        try:
            sealed = base64.b64decode(content.get("sealed", ""), validate=True)
            return strings_in(json.loads(await self._vault.open(self._owner, f"{CONTEXT} {room_id}", sealed)))
        except (CannotOpen, ValueError, TypeError):
            # Of a key that is lost, or damaged: the room is erased all the same.
            log.event("uploads.list_unreadable")
            return []

    async def _write(self, room_id: str, addresses: frozenset[str]) -> None:
        plain = json.dumps(sorted(addresses)).encode()
        sealed = await self._vault.seal(self._owner, f"{CONTEXT} {room_id}", plain)
        body = {"sealed": base64.b64encode(sealed).decode()}
        await self._identity.client.request("PUT", *self._path(room_id), body=body)

    def _path(self, room_id: str) -> tuple[str, ...]:
        return ("user", self._identity.user_id, "rooms", room_id, "account_data", UPLOADS)
