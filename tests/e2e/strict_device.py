"""The strict client as a device: logged in, verified, switched off and on, ended and restarted.

Rule of this module: the settings are those of current Element clients that exclude insecure devices (MSC4153): room keys go
to cross-signed devices only, and messages of an unsigned device are not shown. No setting makes it easier for the bridge.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import matrix_sdk_python as sdk
from matrix_sdk_python._generated import matrix_sdk_crypto as crypto

from tests.e2e.polling import StepFailed, late, wait_until
from tests.e2e.staff_client import Account
from tests.e2e.strict_room import RoomTimeline
from tests.fakes import database_file
from tests.planted import PLANTED, Kind

CLEARS = 30.0
"""Seconds that a client has to stop syncing and to clear its cache."""
ENDS = 5.0
"""Seconds that a client has to end before it is dropped."""
ROOMS_SECONDS = 20.0
"""Seconds that a client has, after its cache was cleared, to request its rooms."""


class PanicListener(sdk.ClientDelegate):  # type: ignore[misc]
    """Notes that a background task of the SDK panicked; the SDK calls it in a thread of its own."""

    def __init__(self) -> None:
        self.panicked = False

    def did_receive_auth_error(self, is_soft_logout: bool) -> None:
        pass

    def on_background_task_error_report(self, task_name: str, error: Any) -> None:
        self.panicked = self.panicked or error.is_panic()


class StrictDevice:
    """A person's device on the strict SDK, with its own keys and cross-signing identity, in a folder deleted at its end.

    Not in memory: there the SDK confuses positions in the caches of two rooms. When a message of one room is decrypted
    late, or redacted, where another room has a gap, it panics, and the client does not work any more.
    """

    def __init__(self, homeserver: str, account: Account) -> None:
        self.homeserver = homeserver
        self.mxid = account.mxid
        PLANTED.add(Kind.USER, self.mxid)
        self._account = account
        self._rooms: dict[str, RoomTimeline] = {}
        self._client: Any = None
        self._sync: Any = None
        self._going: asyncio.Task[None] | None = None
        self._recovery = ""
        self._starting = asyncio.Lock()
        self.renewals = 0
        """How often its cache was cleared after the SDK had panicked, or seemed to."""
        self._panics = PanicListener()
        self._listening: Any = None
        """The SDK's handle of the listener: it listens as long as this is kept."""
        self._folder = tempfile.TemporaryDirectory(prefix="strict-", ignore_cleanup_errors=True)

    async def start(self) -> None:
        """Log in as a new device and begin to sync."""
        await self.log_in()
        await self.back()

    async def log_in(self) -> None:
        """Log in as a new device that has not synced yet; the SDK sets up cross-signing, as in a real client."""
        self._client = await self._built()
        await self._client.login(self._account.user, self._account.password, "strict", None)
        await self._ready()

    async def restart(self, why: str = "", *, clear_cache: bool = False) -> None:
        """Restart the client with what the device has; a client that is away stays away.

        `why`: what is wrong with the client, for the summary of the run; "": nothing.
        `clear_cache`: without its cache of rooms, which it requests from the homeserver again; its keys stay.
        """
        if why:
            late.append(f"a strict client was restarted, because it {why}: {os.environ.get('PYTEST_CURRENT_TEST', '')}")
        async with self._starting:
            away = self._going is None or self._going.done()
            session, rooms = self._client.session(), self._joined_rooms()
            if clear_cache:
                await self._clear_cache()
            await self._end()

            async def restored() -> bool:
                # A homeserver that is being killed does not answer: the request is repeated.
                with suppress(sdk.ClientError, sdk.ClientBuildError):
                    self._client = await self._built()
                    await self._client.restore_session(session)
                    await self._ready()
                    return True
                return False

            await wait_until(f"{self.mxid}: the client starts again", restored)
            if not away:
                await self.back()
            if clear_cache and not away:

                async def there() -> bool:
                    return rooms <= self._joined_rooms()

                # A room that was left meanwhile does not appear: then the wait ends without it.
                with suppress(StepFailed):
                    await wait_until(f"{self.mxid}: the rooms are there again", there, within=ROOMS_SECONDS)

    async def renew(self, why: str) -> None:
        """Restart the client without its cache of rooms, which only a new instance can clear after a panic."""
        self.renewals += 1
        await self.restart(why)
        await self.restart(clear_cache=True)

    def _joined_rooms(self) -> set[str]:
        return {room.id() for room in self._client.rooms() if room.membership() == sdk.Membership.JOINED}

    async def _clear_cache(self) -> None:
        if self._going is not None:
            self._going.cancel()
            await asyncio.gather(self._going, return_exceptions=True)
        # A homeserver that is being killed does not answer. While a client syncs, its cache must not be cleared: it stores
        # the token of a response whose rooms were deleted, and these rooms never come back.
        with suppress(TimeoutError, sdk.ClientError):
            async with asyncio.timeout(CLEARS):
                await self._sync.stop()
                await self._client.clear_caches(self._sync)

    async def _built(self) -> Any:
        strict = crypto.DecryptionSettings(sender_device_trust_requirement=crypto.TrustRequirement.CROSS_SIGNED_OR_LEGACY)
        builder = sdk.ClientBuilder()
        return await (
            builder.homeserver_url(self.homeserver)
            .sqlite_store(sdk.SqliteStoreBuilder(self._folder.name, self._folder.name))
            .sliding_sync_version_builder(sdk.SlidingSyncVersionBuilder.DISCOVER_NATIVE)
            .auto_enable_cross_signing(True)
            .enable_share_history_on_invite(True)
            .decryption_settings(strict)
            .room_key_recipient_strategy(crypto.CollectStrategy.IDENTITY_BASED_STRATEGY)
            .build()
        )

    async def _ready(self) -> None:
        self._panics = PanicListener()
        self._listening = self._client.set_delegate(self._panics)
        await self._client.encryption().wait_for_e2ee_initialization_tasks()
        self._sync = await self._client.sync_service().with_offline_mode().finish()

    async def away(self) -> None:
        """Switch the client off: the device keeps what it has and does not sync."""
        assert self._going is not None, "not started"
        self._going.cancel()
        await asyncio.gather(self._going, return_exceptions=True)
        await self._sync.stop()

    async def back(self) -> None:
        """Switch the client on again, with what the device has."""
        await self._sync.start()
        self._going = asyncio.create_task(self._keep_going())

    async def stop(self) -> None:
        """Stop syncing; the device stays on the server.

        The SDK's threads must not call Python while the process ends: a call into a finalising interpreter aborts it. So it
        collects garbage and waits a moment.
        """
        await self._end()
        self._folder.cleanup()

    async def _end(self) -> None:
        if self._going is not None:
            self._going.cancel()
            await asyncio.gather(self._going, return_exceptions=True)
        if self._sync is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(ENDS):
                    await self._sync.stop()
        for live in self._rooms.values():
            live.task.cancel()
        self._rooms.clear()
        self._sync = self._client = self._listening = None
        gc.collect()
        await asyncio.sleep(0.5)

    async def recovery_key(self) -> str:
        """Set recovery up, as clients do at their first use; return the key that verifies a further device."""

        class Listener(sdk.EnableRecoveryProgressListener):  # type: ignore[misc]
            def on_update(self, status: Any) -> None:
                pass

        if not self._recovery:
            self._recovery = str(await self._client.encryption().enable_recovery(False, None, Listener()))
        return self._recovery

    async def verify(self, recovery_key: str) -> None:
        """Verify this device with that key: from now on the same identity has cross-signed it."""
        await self._client.encryption().recover(recovery_key)

    async def ask(self, path: str, **query: str) -> tuple[int, dict[str, Any]]:
        """Make a request as this device, without the client; return status and body. `path` after `/_matrix/client/v3/`."""
        headers = {"Authorization": f"Bearer {self._client.session().access_token}"}
        async with (
            aiohttp.ClientSession(self.homeserver, headers=headers) as http,
            http.get(f"/_matrix/client/v3/{path}", params=query) as answer,
        ):
            return answer.status, await answer.json()

    async def messages_at_homeserver(self, room_id: str) -> set[str]:
        """Return the ids of the room's readable events that this device may read and must show; none if it does not answer.

        Those are the encrypted events that change no other event and are not redacted.
        """
        messages, token = set[str](), dict[str, str]()
        while True:
            try:
                status, page = await self.ask(f"rooms/{room_id}/messages", dir="b", limit="500", **token)
            except (aiohttp.ClientError, TimeoutError):
                return set()
            if status != 200:
                return set()
            for event in page["chunk"]:
                content = event["content"]
                if "ciphertext" in content and "rel_type" not in content.get("m.relates_to", {}):
                    messages.add(event["event_id"])
            if "end" not in page:
                return messages
            token = {"from": page["end"]}

    async def keys_withheld_by(self) -> set[str]:
        """Return who has told this device that they give it no room key while it is unverified, as its store has it.

        Another process copies the store: if this one closed the file, the SDK's SQLite would lose its locks on it.
        """
        with tempfile.TemporaryDirectory(prefix="strict-copy-") as copy:
            process = await asyncio.create_subprocess_exec("cp", "-r", f"{self._folder.name}/.", copy)
            assert await process.wait() == 0
            rows = database_file.rows(Path(copy) / "matrix-sdk-crypto.sqlite3", "SELECT data FROM direct_withheld_info")
        notices = [json.loads(data) for (data,) in rows]
        return {notice["sender"] for notice in notices if notice["content"]["code"] == "m.unverified"}

    async def is_answered(self) -> bool:
        """Whether the homeserver answers this device now."""
        try:
            async with asyncio.timeout(ENDS):
                status, _ = await self.ask("account/whoami")
        except (aiohttp.ClientError, TimeoutError):
            return False
        return status == 200

    async def rings(self, room_id: str, event_id: str) -> str:
        """Return how Element X notifies about an event: "ring" (with sound), "notify" (without) or "nothing".

        As its notification process does: the event is fetched, decrypted, and evaluated by the account's push rules.
        """
        setup = sdk.NotificationProcessSetup.SINGLE_PROCESS(self._sync)
        status = await (await self._client.notification_client(setup)).get_notification(room_id, event_id)
        if not status.is_event():
            assert status.is_event_filtered_out(), f"the engine has no answer: {status}"
            return "nothing"
        return "ring" if status.item.is_noisy else "notify"

    async def _keep_going(self) -> None:
        # The SDK stops when the server is away; the client must notice that it is back.
        while True:
            await asyncio.sleep(1)
            await self._sync.start()
            await self._client.enable_all_send_queues(True)
