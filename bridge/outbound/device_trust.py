"""Confirms identities, lists devices and signs people out, on commands at the desk.

Rule of this module: it confirms exactly the identity that was reported, never one that the homeserver has received since.
"""

from __future__ import annotations

from typing import Final

from bot.display.thread_card import localpart
from bot.wording.notice import words_of
from bridge.matrix.api.http_client import Transient
from bridge.matrix.api.module_api import HomeserverUnreachable, ModuleClient, ModuleNotLoaded, ModuleRequestRejected
from bridge.matrix.room_keys.device_lists import DAY_SECONDS, DeviceLists
from bridge.services import Services

STALE_DAYS: Final = 30
"""Days of silence after which a device is called stale (practice 13)."""


class DeviceTrustCommands:
    """Performs these commands. `wake`: starts sending the keys that are due to a newly confirmed identity."""

    def __init__(self, services: Services, *, devices: DeviceLists, module_client: ModuleClient) -> None:
        self._database, self._clock, self._wake = services.database, services.clock, services.wake
        self._devices, self._module_client = devices, module_client

    async def confirm(self, user: str, master_key: str) -> None:
        """Confirm this master key of a user: it gets keys and gives commands."""
        await self._database.commit(lambda transaction: self._devices.confirm(transaction, user, master_key))
        self._wake.device_lists()

    async def devices(self, user: str, language: str = "") -> str:
        """Return a notice of a user's devices: their ids, which are trusted, and which have not been seen for long."""
        trusted = {device.device_id for device in await self._devices.trusted_devices(user)}
        said = {True: words_of("devices.is_trusted", language), False: words_of("devices.not_trusted", language)}
        lines = [
            f"{device_id} · {said[device_id in trusted]}{self._age(last_seen_ms, language)}"
            for device_id, last_seen_ms in await self._devices.ages(user)
        ]
        return "\n".join(lines) if lines else words_of("devices.none", language)

    def _age(self, last_seen_ms: int | None, language: str) -> str:
        days = 0 if last_seen_ms is None else int((self._clock.now() - last_seen_ms / 1000) // DAY_SECONDS)
        return words_of("devices.stale", language, days=days) if days > STALE_DAYS else ""

    async def sign_out(self, user: str, *, last: bool, language: str = "") -> str:
        """Sign out a member of the desk everywhere; return a notice of the result.

        Raises `Transient` while it may still work. `last`: return the notice that the homeserver does not answer, instead
        of raising.
        """
        name, devices = localpart(user), 0
        known = [device.device_id for device in await self._devices.ages(user)]  # before the sign-out
        try:
            result = await self._module_client.sign_out(user)
        except ModuleNotLoaded:
            key = "sign_out.no_module"
        except HomeserverUnreachable as error:
            if not last:
                raise Transient(error.status, error.errcode, max(error.retry_after, 5.0)) from None
            key = "sign_out.no_answer"
        except ModuleRequestRejected:
            key = "sign_out.nobody"
        else:
            key, devices = "sign_out.everywhere" if result.everywhere else "sign_out.here_only", result.devices
            if result.everywhere:
                # An answer that was asked for before the sign-out may still list the devices: it is applied first.
                async with self._devices.lock:
                    await self._database.commit(lambda transaction: self._devices.end(transaction, user, known))
                self._wake.device_lists()
        return words_of(key, language, user=name, devices=devices)
