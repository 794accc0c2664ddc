"""The strict client as a device: logged in, verified, switched off and on, ended and started again.

Rule of this module: the settings are those of current Element clients that exclude insecure devices (MSC4153): room keys
go to cross-signed devices only, and what an unsigned device sent is not shown. Nothing is made easier for the bridge.
"""

from __future__ import annotations

import asyncio
import gc
import ssl
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import matrix_sdk_python as sdk
from matrix_sdk_python._generated import matrix_sdk_crypto as crypto

from tests.e2e.polling import StepFailed, wait_until
from tests.e2e.staff_client import Account
from tests.e2e.strict_room import RoomTimeline

ENDS = 5.0
"""Seconds that a client has for ending before it is dropped as it is."""
ROOMS_SECONDS = 20.0
"""Seconds that a client whose cache was cleared has for asking which rooms it is in."""


class StrictDevice:
    """A device of a person on the strict SDK, with its own keys and cross-signing identity, in a folder that goes with it.

    Not in memory: there the SDK takes one room's place in its cache for another's. When a message of one room is decrypted
    late, or redacted, where another room has a gap, it panics, and the client is dead from then on.
    """

    def __init__(self, homeserver: str, account: Account) -> None:
        self.homeserver = homeserver
        self.authority: Path | None = None
        """Whose certificates are believed besides those that everybody believes; its file."""
        self.mxid = account.mxid
        self._account = account
        self._rooms: dict[str, RoomTimeline] = {}
        self._client: Any = None
        self._sync: Any = None
        self._going: asyncio.Task[None] | None = None
        self._recovery = ""
        self._starting = asyncio.Lock()
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

    async def restart(self, *, clear_cache: bool = False) -> None:
        """Be ended and started again with what the device has; who is away stays away.

        `clear_cache`: without what it has of rooms, which it asks the homeserver for again; its keys stay.
        """
        async with self._starting:
            away = self._going is None or self._going.done()
            session, rooms = self._client.session(), self._joined_rooms()
            if clear_cache:
                await self._clear_cache()
            await self._end()

            async def restored() -> bool:
                # A homeserver that is being killed answers nothing: it is asked again.
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

                # A room that was left meanwhile does not come: then the wait is over in vain.
                with suppress(StepFailed):
                    await wait_until(f"{self.mxid}: the rooms are there again", there, within=ROOMS_SECONDS)

    def _joined_rooms(self) -> set[str]:
        return {room.id() for room in self._client.rooms() if room.membership() == sdk.Membership.JOINED}

    async def _clear_cache(self) -> None:
        if self._going is not None:
            self._going.cancel()
            await asyncio.gather(self._going, return_exceptions=True)
        # A homeserver that is being killed answers nothing.
        with suppress(TimeoutError, sdk.ClientError):
            async with asyncio.timeout(ENDS):
                await self._client.clear_caches(self._sync)

    async def _built(self) -> Any:
        strict = crypto.DecryptionSettings(sender_device_trust_requirement=crypto.TrustRequirement.CROSS_SIGNED_OR_LEGACY)
        builder = sdk.ClientBuilder()
        if self.authority is not None:
            builder = builder.add_root_certificates([ssl.PEM_cert_to_DER_cert(self.authority.read_text())])
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
            with suppress(TimeoutError):
                async with asyncio.timeout(ENDS):
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

    async def is_answered(self) -> bool:
        """Whether the homeserver answers this device now."""
        try:
            async with asyncio.timeout(ENDS):
                status, _ = await self.ask("account/whoami")
        except (aiohttp.ClientError, TimeoutError):
            return False
        return status == 200

    async def rings(self, room_id: str, event_id: str) -> str:
        """Return what Element X does about an event: "ring" (with sound), "notify" (without) or "nothing".

        As its process for notifications does: the event is fetched, decrypted, and judged by the account's push rules.
        """
        setup = sdk.NotificationProcessSetup.SINGLE_PROCESS(self._sync)
        status = await (await self._client.notification_client(setup)).get_notification(room_id, event_id)
        if not status.is_event():
            assert status.is_event_filtered_out(), f"the engine has no answer: {status}"
            return "nothing"
        return "ring" if status.item.is_noisy else "notify"

    async def _keep_going(self) -> None:
        # The SDK stops when the server is away, and leaves it to the client to notice that it is back.
        while True:
            await asyncio.sleep(1)
            await self._sync.start()
            await self._client.enable_all_send_queues(True)
