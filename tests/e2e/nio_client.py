"""A second, independent Matrix client as a staff member: matrix-nio, its device cross-signed by us.

Rule of this module: it shares no code with the strict SDK or with mautrix, so that the bridge cannot pass by agreement with
only one library. nio 0.26 has no cross-signing: :mod:`tests.e2e.cross_signing` adds it, and computes the shield of an item.
`signed=False` makes a client that must get no keys.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import aiohttp
import nio
from nio.store import SqliteMemoryStore

from tests.e2e.cross_signing import cross_sign, signed_devices
from tests.e2e.nio_timeline import timeline_items
from tests.e2e.polling import wait_until
from tests.e2e.staff_client import Account, ContentClient, TimelineItem
from tests.planted import PLANTED, Kind


class NioClient(ContentClient):
    """A `StaffClient` on matrix-nio, in memory only. `signed`: whether its device is cross-signed."""

    def __init__(self, homeserver: str, account: Account, *, signed: bool = True) -> None:
        self.homeserver = homeserver
        self.mxid = account.mxid
        PLANTED.add(Kind.USER, self.mxid)
        self.signed = signed
        self._account = account
        config = nio.AsyncClientConfig(encryption_enabled=True, store=SqliteMemoryStore, store_sync_tokens=False)
        self._client = nio.AsyncClient(homeserver, account.mxid, store_path="", config=config)
        self._events: dict[str, dict[str, Any]] = {}
        self._signed_keys: dict[str, set[str]] = {}
        self._sync: asyncio.Task[None] | None = None
        self._http: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Log in as a new device, upload keys, sign the device if `signed`, and begin to sync."""
        answer = await self._client.login(self._account.password, "nio" if self.signed else "unsigned")
        assert isinstance(answer, nio.LoginResponse), "login refused"
        await self._client.keys_upload()
        headers = {"Authorization": f"Bearer {self._client.access_token}"}
        self._http = aiohttp.ClientSession(self.homeserver, headers=headers)
        if self.signed:
            device = str(self._client.device_id)
            await cross_sign(self._http, mxid=self.mxid, password=self._account.password, device_id=device)
        self._client.add_event_callback(self._keep, nio.Event)
        await self.back()
        await wait_until(f"{self.mxid}: first sync", self._synced)

    async def away(self) -> None:
        """Switch the client off: the device keeps what it has and does not sync."""
        if self._sync is not None:
            self._sync.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sync

    def clear_cache(self) -> None:
        """Forget, while away, the timelines and the sync's position, as clients offer it; the keys stay."""
        self._events.clear()
        self._client.next_batch = self._client.loaded_sync_token = ""

    async def back(self) -> None:
        """Switch the client on (again), with what the device has."""
        self._sync = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        """Sync until cancelled. A sync fails if a message has just made the key query that nio was about to make."""
        while True:
            with contextlib.suppress(nio.LocalProtocolError):
                await self._client.sync_forever(timeout=3000, full_state=True, loop_sleep_time=0)

    async def log_out(self) -> None:
        """Remove the device from the server; the caller must still call `stop`."""
        await self._client.logout()

    async def stop(self) -> None:
        """Stop syncing; the device stays on the server."""
        await self.away()
        if self._http is not None:
            await self._http.close()
        await self._client.close()

    async def invites(self) -> Mapping[str, str]:
        """Return the rooms that this person is invited to, and their names."""
        return {room_id: room.name or "" for room_id, room in self._client.invited_rooms.items()}

    async def joined(self) -> Mapping[str, str]:
        """Return the rooms that this person has joined, and their names."""
        return {room_id: room.name or "" for room_id, room in self._client.rooms.items()}

    async def join(self, room_id: str) -> None:
        """Accept the invite and wait until the client shows the room."""

        async def invited() -> bool | None:
            return room_id in self._client.invited_rooms or None

        await wait_until(f"{self.mxid} is invited to the room", invited)
        await self._client.join(room_id)

        async def there() -> bool | None:
            return room_id in self._client.rooms or None

        await wait_until(f"{self.mxid} is in the room", there)

    async def leave(self, room_id: str) -> None:
        """Leave the room."""
        await self._client.room_leave(room_id)

    async def items(self, room_id: str) -> list[TimelineItem]:
        """Return the room's events that the client has, oldest first."""
        events = self._events.get(room_id, {})
        for event_id, event in list(events.items()):
            if isinstance(event, nio.MegolmEvent):
                with contextlib.suppress(nio.EncryptionError):  # its key may have arrived meanwhile; nio does not retry
                    events[event_id] = self._client.decrypt_event(event)
        # An event that arrives during the query of devices is shown the next time, when its sender's devices are known.
        shown = list(events.values())
        for sender in {e.sender for e in shown if getattr(e, "decrypted", False)}:
            if sender not in self._signed_keys:
                assert self._http is not None, "not started"
                self._signed_keys[sender] = await signed_devices(self._http, sender)
        return timeline_items(shown, self._signed_keys)

    async def open_items(self, room_id: str) -> list[TimelineItem]:
        """Return what the client shows of a room that may be gone."""
        return await self.items(room_id)

    async def whole(self, room_id: str) -> list[TimelineItem]:
        """Return all of the room's events, oldest first."""
        events: dict[str, Any] = {}
        token = self._client.next_batch
        while token:
            page = await self._client.room_messages(room_id, token, limit=100)
            assert isinstance(page, nio.RoomMessagesResponse), "the room's history was refused"
            events = {**{event.event_id: event for event in reversed(page.chunk)}, **events}
            token = page.end if page.chunk else None
        self._events[room_id] = {**events, **self._events.get(room_id, {})}
        return await self.items(room_id)

    async def redact(self, room_id: str, item: TimelineItem) -> None:
        """Redact an event."""
        await self._client.room_redact(room_id, item.event_id)

    async def send(self, room_id: str, kind: str, content: Mapping[str, Any]) -> str:
        """Send an event of this type, encrypted if the room is; return its id."""
        PLANTED.add_content(content)
        try:
            answer = await self._client.room_send(room_id, kind, dict(content), ignore_unverified_devices=True)
        except KeyError:
            # A membership that came with a sync made nio forget the Megolm session that it was sharing: nothing was sent.
            answer = await self._client.room_send(room_id, kind, dict(content), ignore_unverified_devices=True)
        assert isinstance(answer, nio.RoomSendResponse), "the homeserver refused the message"
        return str(answer.event_id)

    async def call(self, method: str, path: str, body: Mapping[str, Any]) -> int:
        """Make a request that no client offers; return the status. `path` after `/_matrix/client/v3/`."""
        assert self._http is not None, "not started"
        async with self._http.request(method, f"/_matrix/client/v3/{path}", json=dict(body)) as answer:
            return answer.status

    async def upload(self, data: bytes) -> str:
        """Upload a file unencrypted; return its `mxc` address."""
        assert self._http is not None, "not started"
        async with self._http.post("/_matrix/media/v3/upload", data=data) as answer:
            assert answer.status == HTTPStatus.OK, f"the upload was answered with {answer.status}"
            return str((await answer.json())["content_uri"])

    async def _synced(self) -> bool | None:
        assert self._sync is not None, "not started"
        if self._sync.done():
            self._sync.result()
        return bool(self._client.next_batch) or None

    async def _keep(self, room: Any, event: Any) -> None:
        self._events.setdefault(room.room_id, {})[event.event_id] = event
