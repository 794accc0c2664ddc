"""The Synapse admin API, in place of our module, for a homeserver that cannot load modules.

Rules of this module: it is used when an administrator's token is configured and the homeserver answers that the module is
missing. It refuses, before any request, what the module refuses: a room that the policy bot did not create, its desk, a
person who shares no room with it, and that person's uploads. `health` reports what this API cannot do; no method claims to
have done it.

Sources: https://element-hq.github.io/synapse/latest/admin_api/rooms.html (version 2 of deleting a room),
…/admin_api/media_admin_api.html, …/admin_api/user_admin_api.html; read in Synapse 1.163.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Final

from bridge.matrix.api.http_client import Method, Permanent, Transient
from bridge.matrix.api.json_fields import Json, object_at, objects_in, strings_in
from bridge.matrix.api.module_api import (
    NO_SUCH_PATH,
    DeviceCounts,
    HomeserverUnreachable,
    ModuleClient,
    ModuleHealth,
    ModuleNotLoaded,
    ModuleRequestRejected,
    RoomState,
    RoomStatus,
    SignOutResult,
    VacuumResult,
    split_mxc,
)
from bridge.runtime import log

ADMIN_API: Final = "/_synapse/admin"
RUNNING: Final = frozenset({"scheduled", "active"})
PAST_MEMBERSHIPS: Final = frozenset({"leave", "ban"})
ROOM_KIND_FIELD: Final = "quietline.kind"
RETRY_SECONDS: Final = 2.0

LIMITATIONS: Final = (
    "An administrator's token stands in for the module: whoever has it can take over every account.",
    "Redacted words are overwritten by Synapse itself, a hundred in five minutes, and not at once.",
    "The database is not vacuumed, and a purged room's id stays in some tables: have its own tools do it at night.",
    "Key backups of staff keep line rooms' keys, and line rooms take what is not encrypted: tell staff to set up neither.",
)
LOGIN_SERVICE: Final = (
    "Sessions at the login service (MAS) are not ended by !signout, and may bring devices back: end them there too."
)
AUTH_METADATA_API: Final = "/_matrix/client/v1"
"""Of `auth_metadata`, which only a homeserver with a login service answers.

Source: https://spec.matrix.org/latest/client-server-api/#get_matrixclientv1auth_metadata
"""


class AdminClient(ModuleClient):
    """Asks as the policy bot's administrator.

    All calls raise `HomeserverUnreachable` and `ModuleRequestRejected`.

    The client bears the administrator's token, and the policy bot's id as the one whose rooms are ours.
    """

    async def purge(self, room_id: str) -> RoomState:
        """Begin to purge one of our rooms, or look how far it is."""
        room_state = (await self.room(room_id)).state
        if room_state is not RoomState.PRESENT:
            return room_state
        answer = await self._admin("GET", "v1", "rooms", room_id, "state") or {}
        state = objects_in(answer.get("state"))
        if any(
            event.get("type") == "m.room.create" and object_at(event, "content").get(ROOM_KIND_FIELD) == "desk"
            for event in state
        ):
            raise ModuleRequestRejected(0, "QUIETLINE_DESK")
        body = {"purge": True, "force_purge": True, "block": False}
        await self._admin("DELETE", "v2", "rooms", room_id, body=body)
        return RoomState.PURGING

    async def room(self, room_id: str) -> RoomStatus:
        """Return the state of one of our rooms. Its number of events and leftovers are unknown."""
        details = await self._admin("GET", "v1", "rooms", room_id)
        if details is not None and details.get("creator") != self._client.user_id:
            raise ModuleRequestRejected(0, "QUIETLINE_NOT_OURS")
        tasks = objects_in((await self._admin("GET", "v2", "rooms", room_id, "delete_status") or {}).get("results"))
        if any(task.get("status") in RUNNING for task in tasks):
            state = RoomState.PURGING
        else:
            state = RoomState.GONE if details is None else RoomState.PRESENT
        return RoomStatus(state=state, events=0, uncensored=0, leftovers=0)

    async def censor(self, room_id: str) -> int:  # noqa: ARG002 - there is nothing to ask
        """Do nothing: Synapse does it itself."""
        return 0

    async def delete_media(self, address: str) -> None:
        """Delete an upload of ours or of a person who shares or shared a room with us; succeeds also if it is gone.

        A message in a line room may link any person's upload: the administrator could delete it, but must not.
        """
        upload = await self._upload(address)
        if upload is None:
            return
        if not await self._shares_a_room(object_at(upload, "media_info").get("user_id")):
            raise ModuleRequestRejected(0, "QUIETLINE_NOT_OURS")
        await self._admin("DELETE", "v1", "media", *split_mxc(address))

    async def is_media_deleted(self, address: str) -> bool:
        """Whether this upload does not exist."""
        return await self._upload(address) is None

    async def sign_out(self, user_id: str) -> SignOutResult:
        """Sign a person out everywhere who shares a room with us."""
        ours = await self._rooms_of(self._client.user_id)
        if user_id == self._client.user_id or not ours & await self._rooms_of(user_id):
            raise ModuleRequestRejected(0, "QUIETLINE_NOT_AT_DESK")
        answer = await self._admin("GET", "v2", "users", user_id, "devices") or {}
        devices = strings_in([device.get("device_id") for device in objects_in(answer.get("devices"))])
        await self._admin("POST", "v2", "users", user_id, "delete_devices", body={"devices": devices})
        return SignOutResult(devices=len(devices), everywhere=not await self._delegates_logins())

    async def count_devices(self, user_id: str) -> DeviceCounts:
        """Count the devices and pushers of a person who shares a room with us."""
        if not await self._rooms_of(self._client.user_id) & await self._rooms_of(user_id):
            raise ModuleRequestRejected(0, "QUIETLINE_NOT_AT_DESK")
        devices = await self._admin("GET", "v2", "users", user_id, "devices") or {}
        pushers = await self._admin("GET", "v1", "users", user_id, "pushers") or {}
        lists = [*objects_in(devices.get("devices"))], [*objects_in(pushers.get("pushers"))]
        return DeviceCounts(devices=len(lists[0]), pushers=len(lists[1]))

    async def is_password(self, user_id: str, password: str) -> bool:  # noqa: ARG002 - there is nothing to ask
        """Refuse: this API cannot check a password."""
        raise ModuleRequestRejected(0, "QUIETLINE_NO_ACCOUNTS")

    async def vacuum(self) -> VacuumResult:
        """Refuse: it cannot be done this way."""
        raise ModuleRequestRejected(0, "QUIETLINE_NO_VACUUM")

    async def health(self) -> ModuleHealth:
        """Report what cannot be done; `ModuleRequestRejected` when the token is no administrator's."""
        await self._admin("GET", "v2", "users", self._client.user_id)
        of_logins = (LOGIN_SERVICE,) if await self._delegates_logins() else ()
        return ModuleHealth(version="administrator", enforces=frozenset(), problems=(*LIMITATIONS, *of_logins))

    async def _delegates_logins(self) -> bool:
        """Whether people log in at another service, which has its own sessions (MAS); only a clear no counts as no."""
        try:
            await self._client.request("GET", "auth_metadata", prefix=AUTH_METADATA_API)
        except Transient:
            return True
        except Permanent as error:
            return error.status not in NO_SUCH_PATH
        return True

    async def _upload(self, address: str) -> Json | None:
        server, media_id = split_mxc(address)
        # This homeserver has copies of another one's uploads; they do not show whether the original exists.
        if server != self._client.user_id.partition(":")[2]:
            raise ModuleRequestRejected(0, "QUIETLINE_NOT_OURS")
        return await self._admin("GET", "v1", "media", server, media_id)

    async def _shares_a_room(self, user_id: object) -> bool:
        """Whether it is ourselves, or a person who is or was in a room with us. A declined invitation counts, too."""
        if not isinstance(user_id, str) or not user_id:
            return False
        ours = await self._rooms_of(self._client.user_id)
        if user_id == self._client.user_id or ours & await self._rooms_of(user_id):
            return True
        past = object_at(await self._admin("GET", "v1", "users", user_id, "memberships") or {}, "memberships")
        return any(past.get(room_id) in PAST_MEMBERSHIPS for room_id in ours)

    async def _rooms_of(self, user_id: str) -> set[str]:
        answer = await self._admin("GET", "v1", "users", user_id, "joined_rooms") or {}
        return set(strings_in(answer.get("joined_rooms")))

    async def _admin(self, method: Method, *path: str, body: Json | None = None) -> Json | None:
        """Send a request; None when the object does not exist."""
        try:
            return await self._client.request(method, *path, prefix=ADMIN_API, body=body)
        except Transient as error:
            raise HomeserverUnreachable(error.status, error.errcode, error.retry_after) from None
        except Permanent as error:
            if (error.status, error.errcode) == (HTTPStatus.NOT_FOUND, "M_NOT_FOUND"):
                return None
            raise ModuleRequestRejected(error.status, error.errcode) from None


async def module_or_admin_client(module_client: ModuleClient, admin_client: ModuleClient | None) -> ModuleClient:
    """Return the admin client where the module is not loaded and there is one, else the module's.

    Waits for a homeserver that does not answer. With a module the token is never used; `doctor` says that it must go.
    """
    while admin_client is not None:
        try:
            await module_client.health()
        except ModuleNotLoaded:
            log.event("module.admin_token_used")
            return admin_client
        except HomeserverUnreachable:
            await asyncio.sleep(RETRY_SECONDS)
            continue
        except ModuleRequestRejected:
            return module_client
        log.event("module.admin_token_unneeded")
        return module_client
    return module_client
