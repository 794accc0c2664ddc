"""Uploads: whether one exists, and its deletion, in the process that keeps them.

Rule of this module: a line deletes an upload only if one of its identities made it, or a person who is or was at its desk;
any line may delete a file without a row, which nobody can download. Encrypted rooms hide which upload belongs to which
message, so the bridge names each upload that it saw. An upload is gone when neither row nor file exists.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any, Final

from synapse.module_api import ModuleApi
from synapse.module_api.errors import SynapseError

from quietline_synapse.authenticated_resource import VERSION, AuthenticatedResource, unrecognized_error
from quietline_synapse.rooms import NOT_OURS, PolicyRooms, refusal
from quietline_synapse.settings import LineSettings, ModuleSettings
from quietline_synapse.synapse_internals import UploadStore

STILL_THERE: Final = "QUIETLINE_STILL_THERE"
DELETIONS: Final = 2
"""Deletions in one call: Synapse may write a thumbnail to the folder that the first one has just emptied."""
MEDIA_ID: Final = re.compile(r"[A-Za-z0-9_-]{8,255}")


class LineMedia:
    """Finds uploads and deletes ours."""

    def __init__(self, *, api: ModuleApi, store: UploadStore, rooms: PolicyRooms, line: LineSettings) -> None:
        self._api, self._store, self._rooms, self._line = api, store, rooms, line

    @property
    def problems(self) -> list[str]:
        """Copies of uploads that the module cannot delete, as sentences for `doctor`."""
        return self._store.problems

    async def exists(self, server: str, media_id: str) -> bool:
        """Whether anything of an upload is left."""
        uploader = await self._uploader(server, media_id)
        return uploader is not None or bool(self._store.files(media_id))

    async def delete(self, server: str, media_id: str) -> None:
        """Delete an upload; do nothing when it is gone. Refuses uploads of others.

        A file without a row cannot be downloaded and has no uploader: the homeserver's database was put back to before the
        upload, or a deletion was interrupted. It is deleted, because the caller has its id from a message. It cannot be an
        upload in progress: Synapse gives out an upload's id only when its row is written.
        """
        uploader = await self._uploader(server, media_id)
        if uploader is None and not self._store.files(media_id):
            return
        if uploader is not None and not (self._line.is_ours(uploader) or await self._rooms.was_at_desk(uploader)):
            raise refusal(NOT_OURS)
        for _ in range(DELETIONS):
            await self._store.delete(media_id)
            if not await self.exists(server, media_id):
                return
        # The file could not be removed; Synapse's own log says why.
        raise _deletion_error()

    async def _uploader(self, server: str, media_id: str) -> str | None:
        if server != self._api.server_name:
            raise refusal(NOT_OURS)
        if not MEDIA_ID.fullmatch(media_id):
            raise SynapseError(HTTPStatus.BAD_REQUEST, "Not a media id", "M_INVALID_PARAM")

        def read(txn: Any) -> str | None:
            txn.execute("SELECT COALESCE(user_id, '') FROM local_media_repository WHERE media_id = ?", (media_id,))
            row = txn.fetchone()
            return None if row is None else str(row[0])

        uploader: str | None = await self._api.run_db_interaction("quietline_upload", read)
        return uploader


def _deletion_error() -> SynapseError:
    return SynapseError(HTTPStatus.SERVICE_UNAVAILABLE, "Still there", STILL_THERE)


async def answer_media(media: LineMedia | None, method: str, path: list[str]) -> dict[str, Any]:
    """Answer a request below `media`. None: a worker keeps the uploads, and the request should go to it."""
    if media is None:
        raise SynapseError(HTTPStatus.SERVICE_UNAVAILABLE, "A worker keeps the uploads", "QUIETLINE_MEDIA_ELSEWHERE")
    match method, path:
        case "GET", []:
            return {"version": VERSION, "problems": media.problems}
        case "GET", [server, media_id]:
            return {"exists": await media.exists(server, media_id)}
        case "DELETE", [server, media_id]:
            await media.delete(server, media_id)
            return {"exists": False}
    raise unrecognized_error()


class MediaResource(AuthenticatedResource):
    """The resource of a worker that keeps the uploads: only the paths below `media`. `media`: by policy bot."""

    def __init__(self, *, settings: ModuleSettings, media: dict[str, LineMedia]) -> None:
        super().__init__(settings)
        self._media = media

    async def answer(self, line: LineSettings, method: str, path: list[str], _request: Any) -> dict[str, Any]:
        """Answer a request of a line's bridge."""
        return await answer_media(self._media[line.policy], method, path)
