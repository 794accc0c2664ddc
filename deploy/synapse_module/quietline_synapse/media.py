"""Uploads: whether one is there, and its end.

Rule of this module: a line deletes an upload only if one of its identities made it or a person who is or was at its desk.
Encrypted rooms hide which upload belongs to which message, so the bridge names each one that it saw. Gone means neither row
nor file.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any, Final

from synapse.module_api import ModuleApi
from synapse.module_api.errors import SynapseError

from quietline_synapse.rooms import NOT_OURS, PolicyRooms, refuse
from quietline_synapse.settings import LineSettings
from quietline_synapse.synapse_internals import SynapseInternals

MEDIA_ID: Final = re.compile(r"[A-Za-z0-9_-]{8,255}")


class Media:
    """Looks at uploads and deletes ours."""

    def __init__(self, *, api: ModuleApi, internals: SynapseInternals, rooms: PolicyRooms, line: LineSettings) -> None:
        self._api, self._internals, self._rooms, self._line = api, internals, rooms, line

    async def exists(self, server: str, media_id: str) -> bool:
        """Whether anything of an upload is left."""
        uploader = await self._uploader(server, media_id)
        return uploader is not None or bool(self._internals.media_files(media_id))

    async def delete(self, server: str, media_id: str) -> None:
        """Delete an upload; one that is gone stays gone. Refuses what others uploaded, and what nobody can be named for."""
        uploader = await self._uploader(server, media_id)
        if uploader is None and not self._internals.media_files(media_id):
            return
        if uploader is None or not (self._line.is_ours(uploader) or await self._rooms.was_at_desk(uploader)):
            raise refuse(NOT_OURS)
        await self._internals.delete_upload(media_id)
        if await self.exists(server, media_id):
            # The file could not be removed; Synapse's own log says why.
            raise SynapseError(HTTPStatus.SERVICE_UNAVAILABLE, "Still there", "QUIETLINE_STILL_THERE")

    async def _uploader(self, server: str, media_id: str) -> str | None:
        if server != self._api.server_name:
            raise refuse(NOT_OURS)
        if not MEDIA_ID.fullmatch(media_id):
            raise SynapseError(HTTPStatus.BAD_REQUEST, "Not a media id", "M_INVALID_PARAM")

        def read(txn: Any) -> str | None:
            txn.execute("SELECT COALESCE(user_id, '') FROM local_media_repository WHERE media_id = ?", (media_id,))
            row = txn.fetchone()
            return None if row is None else str(row[0])

        uploader: str | None = await self._api.run_db_interaction("quietline_upload", read)
        return uploader
