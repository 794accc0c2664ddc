"""The house without our module: what an administrator's token can do of it, for a homeserver that takes no modules.

Rules of this module: it is used when there is a token and the homeserver answers that the module is not there, and for
nothing else; what the module refuses by itself is refused here before anything is done: a room that the policy bot did not
create, its desk, somebody who shares no room with it, what such a one uploaded; what cannot be done this way is said by
`health` and is not claimed.

Sources: https://element-hq.github.io/synapse/latest/admin_api/rooms.html (version 2 of deleting a room),
…/admin_api/media_admin_api.html, …/admin_api/user_admin_api.html; read in Synapse 1.163.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Final

from bridge.matrix.api.http_client import Method, Permanent, Transient
from bridge.matrix.api.json_fields import Json, inner, objects, strings
from bridge.matrix.api.module_api import Away, Health, House, Missing, Refused, Room, RoomState, Vacuumed, parts
from bridge.runtime import log

ADMIN: Final = "/_synapse/admin"
UNDER_WAY: Final = frozenset({"scheduled", "active"})
WERE_THERE: Final = frozenset({"leave", "ban"})
KIND: Final = "quietline.kind"
AGAIN: Final = 2.0

CANNOT: Final = (
    "An administrator's token stands in for the module: whoever has it can take over every account.",
    "Redacted words are overwritten by Synapse itself, a hundred in five minutes, and not at once.",
    "The database is not vacuumed, and a purged room's id stays in some tables: have its own tools do it at night.",
    "Key backups of staff keep line rooms' keys, and line rooms take what is not encrypted: tell staff to set up neither.",
)


class Administrator(House):
    """Asks over `wire` as the policy bot's administrator. All calls raise `Away` and `Refused`.

    `wire` bears the administrator's token, and the policy bot's id as the one whose rooms are ours.
    """

    async def purge(self, room_id: str) -> RoomState:
        """Begin to purge one of our rooms, or look how far it is."""
        found = (await self.room(room_id)).state
        if found is not RoomState.PRESENT:
            return found
        answer = await self._admin("GET", "v1", "rooms", room_id, "state") or {}
        state = objects(answer.get("state"))
        if any(event.get("type") == "m.room.create" and inner(event, "content").get(KIND) == "desk" for event in state):
            raise Refused(0, "QUIETLINE_DESK")
        body = {"purge": True, "force_purge": True, "block": False}
        await self._admin("DELETE", "v2", "rooms", room_id, body=body)
        return RoomState.PURGING

    async def room(self, room_id: str) -> Room:
        """Look at one of our rooms. How many events it has is not told; leftovers are not seen."""
        told = await self._admin("GET", "v1", "rooms", room_id)
        if told is not None and told.get("creator") != self._wire.user_id:
            raise Refused(0, "QUIETLINE_NOT_OURS")
        tasks = objects((await self._admin("GET", "v2", "rooms", room_id, "delete_status") or {}).get("results"))
        if any(task.get("status") in UNDER_WAY for task in tasks):
            state = RoomState.PURGING
        else:
            state = RoomState.GONE if told is None else RoomState.PRESENT
        return Room(state=state, events=0, uncensored=0, leftovers=0)

    async def censor(self, room_id: str) -> int:  # noqa: ARG002 - there is nothing to ask
        """Leave it to Synapse, which does it by itself."""
        return 0

    async def delete_media(self, address: str) -> None:
        """Delete an upload of ours or of somebody who shares or shared a room with us; also when it is gone.

        A message in a line room may point to anybody's: the administrator could delete it, and does not.
        """
        told = await self._upload(address)
        if told is None:
            return
        if not await self._shared(inner(told, "media_info").get("user_id")):
            raise Refused(0, "QUIETLINE_NOT_OURS")
        await self._admin("DELETE", "v1", "media", *parts(address))

    async def media_gone(self, address: str) -> bool:
        """Whether this upload is not there."""
        return await self._upload(address) is None

    async def sign_out(self, user_id: str) -> int:
        """Sign somebody out everywhere who shares a room with us."""
        ours = await self._rooms_of(self._wire.user_id)
        if user_id == self._wire.user_id or not ours & await self._rooms_of(user_id):
            raise Refused(0, "QUIETLINE_NOT_AT_DESK")
        answer = await self._admin("GET", "v2", "users", user_id, "devices") or {}
        devices = strings([device.get("device_id") for device in objects(answer.get("devices"))])
        await self._admin("POST", "v2", "users", user_id, "delete_devices", body={"devices": devices})
        return len(devices)

    async def vacuum(self) -> Vacuumed:
        """Refuse: it cannot be done this way."""
        raise Refused(0, "QUIETLINE_NO_VACUUM")

    async def health(self) -> Health:
        """Tell what cannot be done; `Refused` when the token is no administrator's."""
        await self._admin("GET", "v2", "users", self._wire.user_id)
        return Health(version="administrator", enforces=frozenset(), problems=CANNOT)

    async def _upload(self, address: str) -> Json | None:
        server, media_id = parts(address)
        # Of another homeserver's uploads this one has copies, which say nothing of what is there.
        if server != self._wire.user_id.partition(":")[2]:
            raise Refused(0, "QUIETLINE_NOT_OURS")
        return await self._admin("GET", "v1", "media", server, media_id)

    async def _shared(self, user_id: object) -> bool:
        """Whether it is ourselves, or somebody who is or was in a room with us. Who declined is taken for one."""
        if not isinstance(user_id, str) or not user_id:
            return False
        ours = await self._rooms_of(self._wire.user_id)
        if user_id == self._wire.user_id or ours & await self._rooms_of(user_id):
            return True
        past = inner(await self._admin("GET", "v1", "users", user_id, "memberships") or {}, "memberships")
        return any(past.get(room_id) in WERE_THERE for room_id in ours)

    async def _rooms_of(self, user_id: str) -> set[str]:
        answer = await self._admin("GET", "v1", "users", user_id, "joined_rooms") or {}
        return set(strings(answer.get("joined_rooms")))

    async def _admin(self, method: Method, *path: str, body: Json | None = None) -> Json | None:
        """Ask; None when what was asked for is not there."""
        try:
            return await self._wire.request(method, *path, prefix=ADMIN, body=body)
        except Transient as error:
            raise Away(error.status, error.errcode, error.after) from None
        except Permanent as error:
            if (error.status, error.errcode) == (HTTPStatus.NOT_FOUND, "M_NOT_FOUND"):
                return None
            raise Refused(error.status, error.errcode) from None


async def standing_in(house: House, administrator: House | None) -> House:
    """Return the administrator if the module is not loaded and there is one, else the module's house.

    Waits for a homeserver that does not answer. With a module the token is never used; `doctor` says that it must go.
    """
    while administrator is not None:
        try:
            await house.health()
        except Missing:
            log.event("house.administrator")
            return administrator
        except Away:
            await asyncio.sleep(AGAIN)
            continue
        except Refused:
            return house
        log.event("house.needless_token")
        return house
    return house
