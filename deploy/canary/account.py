"""The canary's Matrix account: matrix-nio, which shares no code with the bridge's own Matrix part but the signing.

Rules of this module: nothing is kept on the disk; each `sign_in` makes a new device and deletes the earlier ones. The
account's presence is offline. It joins only rooms to which the policy bot invites it, and at the start leaves all rooms
that it is in. It reads only encrypted messages of the texter puppet.

It signs its own device, which matrix-nio cannot, because it knows no cross-signing (facts-matrix.md, "Who may send"). The
identity derives from the canary's secret, so it is the same at every start, and the bridge knows it without asking the
homeserver; the private keys are written nowhere.

Source: https://spec.matrix.org/latest/client-server-api/#cross-signing
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeVar

import aiohttp
import nio
from nio.store import SqliteMemoryStore

from bridge.matrix.olm.cross_signing import CrossSigningSeeds, device_signing_body, self_sign
from bridge.runtime import log
from deploy.canary.handsets import Unreachable, wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterator

    from bridge.config.sections import Config
    from bridge.runtime.canary_keys import CanaryKeys


R = TypeVar("R")

FAULTS: Final = (aiohttp.ClientError, TimeoutError, OSError, nio.ProtocolError)
"""Exceptions of a failed request."""
DEVICE_NAME: Final = "phone"
"""The name of its devices, which looks ordinary in clients."""
SYNC_MS: Final = 10_000
PAUSE_MS: Final = 200
RETRY_SECONDS: Final = 2.0
REQUEST_SECONDS: Final = 15.0
SEND_TRIES: Final = 3


class CanaryClient:
    """One signed-in device of the canary, valid within `signed_in`."""

    def __init__(self, client: nio.AsyncClient, *, bot: str, puppet: str) -> None:
        self._client, self._bot, self._puppet = client, bot, puppet
        self._events: dict[str, nio.Event] = {}
        client.add_event_callback(self._store_event, nio.Event)

    async def invitation(self) -> str:
        """Wait for an invitation of the policy bot and accept it; return the room. Raises `Unreachable`."""
        await wait_until(self._is_invited)
        room_id = next(self._invitations())
        await _ask(self._client.join(room_id), nio.JoinResponse)
        return room_id

    async def read(self, words: str) -> None:
        """Wait for these words of the texter puppet, encrypted and decrypted here."""
        await wait_until(partial(self._has_message, words))

    async def say(self, room_id: str, words: str) -> None:
        """Send words to that room, encrypted, when the room's state is known. Raises `Unreachable`."""
        await wait_until(partial(self._is_encrypted_room, room_id))
        content = {"msgtype": "m.text", "body": words}
        for _ in range(SEND_TRIES):
            # When a sync brings a membership while nio shares a Megolm session, nio forgets the session, and then looks it
            # up in vain. Nothing was sent.
            with contextlib.suppress(KeyError):
                sending = self._client.room_send(room_id, "m.room.message", content, ignore_unverified_devices=True)
                await _ask(sending, nio.RoomSendResponse)
                return
        raise Unreachable

    async def wait_until_outside(self, room_id: str) -> None:
        """Wait until this account is no longer in that room. Raises `Unreachable`."""
        await wait_until(partial(self._is_outside, room_id))
        self._events.clear()
        for rooms in (self._client.rooms, self._client.invited_rooms):
            rooms.pop(room_id, None)

    async def leave_all(self) -> None:
        """Leave every room, and decline every invitation. Raises `Unreachable`."""
        for room_id in (*await self._joined_rooms(), *self._client.invited_rooms):
            await _ask(self._client.room_leave(room_id), nio.RoomLeaveResponse)
        self._client.invited_rooms.clear()

    async def has_synced(self) -> bool:
        """Whether the first sync was answered."""
        return bool(self._client.next_batch)

    def _invitations(self) -> Iterator[str]:
        return (room_id for room_id, room in self._client.invited_rooms.items() if room.inviter == self._bot)

    async def _is_invited(self) -> bool:
        return any(self._invitations())

    async def _has_message(self, words: str) -> bool:
        return any(self._is_message(event_id, words) for event_id in list(self._events))

    async def _is_encrypted_room(self, room_id: str) -> bool:
        return room_id in self._client.rooms and self._client.rooms[room_id].encrypted

    async def _is_outside(self, room_id: str) -> bool:
        return room_id not in await self._joined_rooms()

    async def _joined_rooms(self) -> list[str]:
        return list((await _ask(self._client.joined_rooms(), nio.JoinedRoomsResponse)).rooms)

    def _is_message(self, event_id: str, words: str) -> bool:
        event = self._events[event_id]
        if isinstance(event, nio.MegolmEvent):
            # Its key may have arrived later; nio does not decrypt again by itself.
            with contextlib.suppress(nio.EncryptionError):
                event = self._events[event_id] = self._client.decrypt_event(event)
        return (
            isinstance(event, nio.RoomMessageText)
            and event.decrypted
            and event.sender == self._puppet
            and event.body == words
        )

    async def _store_event(self, _room: nio.MatrixRoom, event: nio.Event) -> None:
        if event.sender == self._puppet:
            self._events[event.event_id] = event


@contextlib.asynccontextmanager
async def signed_in(config: Config, keys: CanaryKeys) -> AsyncIterator[CanaryClient]:
    """Sign in as a new, cross-signed device, and delete the device after the block. Raises `Unreachable`."""
    client = nio.AsyncClient(
        config.homeserver.url,
        config.canary_mxid,
        store_path="",
        config=nio.AsyncClientConfig(
            encryption_enabled=True,
            store=SqliteMemoryStore,
            store_sync_tokens=False,
            max_timeouts=1,
            max_limit_exceeded=3,
            request_timeout=REQUEST_SECONDS,
        ),
    )
    syncing: asyncio.Task[None] | None = None
    account = CanaryClient(client, bot=config.policy_mxid, puppet=config.puppet_mxid)
    try:
        await _sign_in(client, config, keys)
        syncing = asyncio.create_task(_sync(client))
        await wait_until(account.has_synced)
        await account.leave_all()
        yield account
    finally:
        if syncing is not None:
            syncing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await syncing
        with contextlib.suppress(*FAULTS):
            if client.logged_in:
                await asyncio.wait_for(client.logout(), REQUEST_SECONDS)
        await client.close()


async def _sign_in(client: nio.AsyncClient, config: Config, keys: CanaryKeys) -> None:
    await _ask(client.login(keys.password, DEVICE_NAME), nio.LoginResponse)
    await _ask(client.keys_upload(), nio.KeysUploadResponse)
    headers = {"Authorization": f"Bearer {client.access_token}"}
    timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
    async with aiohttp.ClientSession(config.homeserver.url, headers=headers, timeout=timeout) as http:
        await sign_device(http, keys, user_id=config.canary_mxid, device_id=client.device_id)
    # Where people log in at another service (MAS), only that service deletes devices: an old one stays, and does no harm.
    with contextlib.suppress(Unreachable):
        await _delete_old_devices(client, config, keys)


async def _delete_old_devices(client: nio.AsyncClient, config: Config, keys: CanaryKeys) -> None:
    known = (await _ask(client.devices(), nio.DevicesResponse)).devices
    if old := [device.id for device in known if device.id != client.device_id]:
        identifier = {"type": "m.id.user", "user": config.canary_mxid}
        auth = {"type": "m.login.password", "identifier": identifier, "password": keys.password}
        response = await _ask(client.delete_devices(old), (nio.DeleteDevicesResponse, nio.DeleteDevicesAuthResponse))
        if isinstance(response, nio.DeleteDevicesAuthResponse):
            await _ask(client.delete_devices(old, {**auth, "session": response.session}), nio.DeleteDevicesResponse)


async def _sync(client: nio.AsyncClient) -> None:
    """Sync with the homeserver, whatever it answers, until cancelled."""
    while True:
        try:
            await client.sync_forever(timeout=SYNC_MS, loop_sleep_time=PAUSE_MS, set_presence="offline")
        except FAULTS as error:
            log.event("canary.sync_failed", error=type(error).__name__)
            await asyncio.sleep(RETRY_SECONDS)


async def _ask(request: Awaitable[object], kind: type[R] | tuple[type[R], ...]) -> R:
    """Wait for an answer of that type. Raises `Unreachable` for any other, and for none."""
    try:
        answer = await request
    except FAULTS as error:
        raise Unreachable from error
    if not isinstance(answer, kind):
        raise Unreachable
    return answer


async def sign_device(http: aiohttp.ClientSession, keys: CanaryKeys, *, user_id: str, device_id: str) -> None:
    """Upload the identity and sign a device with it. `http` has base URL and access token. Raises `Unreachable`."""
    seeds = CrossSigningSeeds(master=keys.master, self_signing=keys.self_signing, user_signing=keys.user_signing)
    path, body = "/_matrix/client/v3/keys/device_signing/upload", device_signing_body(user_id, seeds)
    status, content = await _post(http, path, body)
    if status == HTTPStatus.UNAUTHORIZED and isinstance(content.get("session"), str):
        identifier = {"type": "m.id.user", "user": user_id}
        auth = {
            "type": "m.login.password",
            "identifier": identifier,
            "password": keys.password,
            "session": content["session"],
        }
        status, _ = await _post(http, path, {**body, "auth": auth})
    if status != HTTPStatus.OK:
        raise Unreachable
    _, known = await _post(http, "/_matrix/client/v3/keys/query", {"device_keys": {user_id: [device_id]}})
    device = known.get("device_keys", {}).get(user_id, {}).get(device_id)
    if not isinstance(device, dict):
        raise Unreachable
    bare = {name: value for name, value in device.items() if name not in {"unsigned", "signatures"}}
    signed = {user_id: {device_id: self_sign(bare, user_id, seeds)}}
    status, content = await _post(http, "/_matrix/client/v3/keys/signatures/upload", signed)
    if status != HTTPStatus.OK or content.get("failures"):
        raise Unreachable


async def _post(http: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    try:
        async with http.post(path, json=body) as answer:
            content = await answer.json()
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise Unreachable from error
    return answer.status, content if isinstance(content, dict) else {}
