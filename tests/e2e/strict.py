"""A strict modern Matrix client as a staff member: matrix-rust-sdk through matrix-sdk-python.

Rule of this module: the settings are those of current Element clients that exclude insecure devices (MSC4153): room keys
go to cross-signed devices only, and what an unsigned device sent is not shown. Nothing is made easier for the bridge.
A burst can cut the live timeline short and it is empty for about a second after a room was opened (facts-matrix,
section 13), so `whole` pages back to the start before it answers. What is shown can stay behind what the client has: a key
or a reaction that comes while the room is paged in is in its store and not in the open room. So a room is opened anew, as a
person does who misses something.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import aiohttp
import matrix_sdk_python as sdk
from matrix_sdk_python._generated import matrix_sdk_crypto as crypto

from tests.e2e.seat import Account, Item, newest
from tests.e2e.strict_room import LiveRoom, Unreadable
from tests.e2e.waiting import PATIENCE, StepFailed, until

PAGE_EVERY = 10
"""How many looks at a timeline until it is paged back again: after a gap the SDK begins it anew."""
ACCEPTS = 1.5
"""Seconds that somebody takes to accept an invitation. What was sent with it is there by then, and the client takes that
whatever else goes wrong; one that accepts at once may take nothing at all (`test_no_bundle`)."""
OPEN_EVERY = 50
"""How many looks until the room is opened anew."""


class StrictClient:
    """A `Seat` on the strict SDK, with its own device and cross-signing identity, in a folder that goes with it.

    Not in memory: there the SDK takes one room's place in its cache for another's. When a message of one room is decrypted
    late, or redacted, where another room has a gap, it panics, and the client is dead from then on.
    """

    def __init__(self, homeserver: str, account: Account) -> None:
        self.homeserver = homeserver
        self.mxid = account.mxid
        self._account = account
        self._rooms: dict[str, LiveRoom] = {}
        self._client: Any = None
        self._sync: Any = None
        self._going: asyncio.Task[None] | None = None
        self._recovery = ""
        self._starting = asyncio.Lock()
        self._unreadable = Unreadable()
        self._folder = tempfile.TemporaryDirectory(prefix="strict-", ignore_cleanup_errors=True)

    async def start(self) -> None:
        """Log in as a new device and begin to sync."""
        await self.log_in()
        await self.back()

    async def log_in(self) -> None:
        """Log in as a new device that has not heard anything yet; the SDK sets up cross-signing, as in a real client."""
        self._client = await self._built()
        await self._client.login(self._account.user, self._account.password, "strict", None)
        await self._ready()

    async def restart(self) -> None:
        """Be ended and started again with what the device has; who is away stays away."""
        async with self._starting:
            away = self._going is None or self._going.done()
            session = self._client.session()
            await self._end()
            self._client = await self._built()
            await self._client.restore_session(session)
            await self._ready()
            if not away:
                await self.back()

    async def _built(self) -> Any:
        strict = crypto.DecryptionSettings(sender_device_trust_requirement=crypto.TrustRequirement.CROSS_SIGNED_OR_LEGACY)
        return await (
            sdk.ClientBuilder()
            .homeserver_url(self.homeserver)
            .sqlite_store(sdk.SqliteStoreBuilder(self._folder.name, self._folder.name))
            .sliding_sync_version_builder(sdk.SlidingSyncVersionBuilder.DISCOVER_NATIVE)
            .auto_enable_cross_signing(True)
            .enable_share_history_on_invite(True)
            .decryption_settings(strict)
            .room_key_recipient_strategy(crypto.CollectStrategy.IDENTITY_BASED_STRATEGY)
            .build()
        )

    async def _ready(self) -> None:
        await self._client.encryption().wait_for_e2ee_initialization_tasks()
        self._sync = await self._client.sync_service().with_offline_mode().finish()

    async def away(self) -> None:
        """Be switched off: the device keeps what it has and hears nothing."""
        assert self._going is not None, "not started"
        self._going.cancel()
        await asyncio.gather(self._going, return_exceptions=True)
        await self._sync.stop()

    async def back(self) -> None:
        """Be switched on again, with what the device has."""
        await self._sync.start()
        self._going = asyncio.create_task(self._keep_going())

    async def stop(self) -> None:
        """Stop syncing; the device stays on the server.

        The SDK's threads must be done with Python before the process ends: one that calls back into a finishing
        interpreter aborts it. Hence the collection and the moment's wait.
        """
        await self._end()
        self._folder.cleanup()

    async def _end(self) -> None:
        if self._going is not None:
            self._going.cancel()
            await asyncio.gather(self._going, return_exceptions=True)
        if self._sync is not None:
            await self._sync.stop()
        for live in self._rooms.values():
            live.task.cancel()
        self._rooms.clear()
        self._sync = self._client = None
        gc.collect()
        await asyncio.sleep(0.5)

    async def recovery_key(self) -> str:
        """Set recovery up, as clients do when they are first used; returns the key that verifies a further device."""

        class Listener(sdk.EnableRecoveryProgressListener):  # type: ignore[misc]
            def on_update(self, status: Any) -> None:
                pass

        if not self._recovery:
            self._recovery = str(await self._client.encryption().enable_recovery(False, None, Listener()))
        return self._recovery

    async def verify(self, recovery_key: str) -> None:
        """Verify this device with that key: it is cross-signed by the same identity from now on."""
        await self._client.encryption().recover(recovery_key)

    async def ask(self, path: str, **query: str) -> tuple[int, dict[str, Any]]:
        """Ask the homeserver as this device, past the client; `path` after `/_matrix/client/v3/`. Status and answer."""
        headers = {"Authorization": f"Bearer {self._client.session().access_token}"}
        async with (
            aiohttp.ClientSession(self.homeserver, headers=headers) as http,
            http.get(f"/_matrix/client/v3/{path}", params=query) as answer,
        ):
            return answer.status, await answer.json()

    async def invites(self) -> Mapping[str, str]:
        """Rooms this person is invited to, and their names."""
        return self._named(sdk.Membership.INVITED)

    async def joined(self) -> Mapping[str, str]:
        """Rooms this person is in, and their names."""
        return self._named(sdk.Membership.JOINED)

    async def join(self, room_id: str) -> None:
        """Accept the invite and wait until the client shows the room."""

        async def invited() -> Any:
            return next((r for r in self._client.rooms() if r.id() == room_id), None)

        room = await until(f"{self.mxid} is invited to the room", invited)
        self._close(room_id)  # of an earlier stay
        await asyncio.sleep(ACCEPTS)
        await room.join()
        await self._live(room_id)

    async def leave(self, room_id: str) -> None:
        """Leave the room."""
        live = await self._live(room_id)
        await live.room.leave()

    async def items(self, room_id: str) -> list[Item]:
        """Return the room's events that the client has, oldest first."""
        items = (await self._live(room_id)).items()
        if self._unreadable.too_long(items):
            await self.restart()
            items = (await self._live(room_id)).items()
        return items

    async def whole(self, room_id: str) -> list[Item]:
        """All of the room's events, oldest first."""
        items = await self._paged(room_id)
        if any(item.kind == "undecryptable" for item in items):
            self._close(room_id)
            items = await self._paged(room_id)
        if self._unreadable.too_long(items):
            await self.restart()
            items = await self._paged(room_id)
        return items

    async def say(self, room_id: str, text: str) -> Item:
        """Send a plain text message, unformatted, exactly this text."""
        live = await self._live(room_id)
        return await self._sent(room_id, text, live.timeline.send(_plain(text)))

    async def reply(self, room_id: str, to: Item, text: str) -> Item:
        """Send a reply."""
        live = await self._live(room_id)
        return await self._sent(room_id, text, live.timeline.send_reply(_plain(text), to.event_id))

    async def say_in_thread(self, room_id: str, root: Item, text: str) -> Item:
        """Send into a Matrix thread that begins at `root`."""
        relation = {"rel_type": "m.thread", "event_id": root.event_id}
        return await self.say_raw(room_id, {"msgtype": "m.text", "body": text, "m.relates_to": relation})

    async def say_raw(self, room_id: str, content: Mapping[str, Any]) -> Item:
        """Send an `m.room.message` with exactly this content, encrypted by the SDK."""
        live = await self._live(room_id)
        raw = live.room.send_raw("m.room.message", json.dumps(content, ensure_ascii=False))
        return await self._sent(room_id, str(content["body"]), raw)

    async def edit(self, room_id: str, item: Item, text: str) -> None:
        """Replace the text of one's own message."""
        live = await self._live(room_id)
        await live.timeline.edit(item.handle, sdk.EditedContent.ROOM_MESSAGE(_plain(text)))

    async def redact(self, room_id: str, item: Item) -> None:
        """Redact an event."""
        live = await self._live(room_id)
        await live.timeline.redact_event(item.handle, None)

    async def react(self, room_id: str, item: Item, key: str) -> None:
        """Put a reaction on an event."""
        live = await self._live(room_id)
        await live.timeline.toggle_reaction(item.handle, key)

    async def find(self, room_id: str, step: str, wanted: Callable[[Item], bool], *, within: float = PATIENCE) -> Item:
        """Wait until an item of the room is `wanted`; the newest such item."""
        looks = itertools.count(1)

        async def probe() -> Item | None:
            look = next(looks)
            if look % OPEN_EVERY == 0:
                self._close(room_id)
            if look % PAGE_EVERY == 0:
                # A homeserver that is being killed answers nothing: the next look asks again, in the time the step has.
                with suppress(sdk.ClientError):
                    await (await self._live(room_id)).page_back()
            return next((item for item in reversed(await self.items(room_id)) if wanted(item)), None)

        async def seen() -> str:
            return newest(await self.items(room_id))

        return await until(f"{self.mxid}: {step}", probe, within=within, seen=seen)

    async def _keep_going(self) -> None:
        # The SDK stops when the server is away, and leaves it to the client to notice that it is back.
        while True:
            await asyncio.sleep(1)
            await self._sync.start()
            await self._client.enable_all_send_queues(True)

    def _named(self, membership: Any) -> dict[str, str]:
        rooms = self._client.rooms() if self._client is not None else ()
        return {r.id(): r.raw_name() or "" for r in rooms if r.membership() == membership}

    def _close(self, room_id: str) -> None:
        if (live := self._rooms.pop(room_id, None)) is not None:
            live.task.cancel()

    async def _paged(self, room_id: str) -> list[Item]:
        live = await self._live(room_id)
        await live.page_back()
        await asyncio.sleep(0.5)  # the listener hears of the pages a moment after the call returned
        return live.items()

    async def _live(self, room_id: str) -> LiveRoom:
        async with self._starting:
            pass
        if room_id in self._rooms:
            return self._rooms[room_id]

        async def joined() -> Any:
            return next(
                (r for r in self._client.rooms() if r.id() == room_id and r.membership() == sdk.Membership.JOINED),
                None,
            )

        room = await until(f"{self.mxid} is in the room", joined)
        # Without a subscription the server sends one event of a room at a time and the rest is a gap.
        await self._sync.room_list_service().subscribe_to_rooms([*self._rooms, room_id])
        live = LiveRoom(room, await room.timeline())
        await live.follow()
        self._rooms[room_id] = live

        async def begun() -> bool | None:
            await live.timeline.paginate_backwards(100)
            return bool(live.items()) or None

        await until(f"{self.mxid}: the room's timeline is loaded", begun)
        return live

    async def _sent(self, room_id: str, text: str, sending: Any) -> Item:
        live = await self._live(room_id)
        before = {item.event_id for item in live.items()}
        await sending

        def is_it(item: Item) -> bool:
            if refusal := live.refusals().get(item.body):
                raise StepFailed(f"{self.mxid}: the client could not send: {refusal}")
            own = item.sender == self.mxid and item.body == text
            return own and item.event_id is not None and item.event_id not in before

        return await self.find(room_id, "own message is with the server", is_it)


def _plain(text: str) -> Any:
    return sdk.message_event_content_new(sdk.MessageType.TEXT(sdk.TextMessageContent(body=text, formatted=None)))
