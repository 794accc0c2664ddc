"""Confirms identities and lists devices, as people ask at the desk.

Rule of this module: it confirms exactly the identity that was reported, never the one that the homeserver has by now.
"""

from __future__ import annotations

from typing import Final

from bridge.matrix.api.http_client import Transient
from bridge.matrix.api.module_api import HomeserverUnreachable, ModuleClient, ModuleNotLoaded, ModuleRequestRejected
from bridge.matrix.room_keys.device_lists import DAY_SECONDS, DeviceLists
from bridge.services import Services

STALE_DAYS: Final = 30
"""Days of silence after which a device is called stale (practice 13)."""


class DeviceTrustCommands:
    """Over the Matrix edge's devices. `wake` has it send what a newly confirmed identity is owed."""

    def __init__(self, services: Services, *, devices: DeviceLists, module_client: ModuleClient) -> None:
        self._database, self._clock, self._wake = services.database, services.clock, services.wake
        self._devices, self._module_client = devices, module_client

    async def confirm(self, user: str, master_key: str) -> None:
        """Let this master key of a user be the one that gets keys and gives commands."""
        await self._database.commit(lambda transaction: self._devices.confirm(transaction, user, master_key))
        self._wake.device_lists()

    async def devices(self, user: str) -> str:
        """Say which devices a user has: ids only, which of them are trusted, and which have not been heard for long."""
        trusted = {device.device_id for device in await self._devices.trusted(user)}
        said = {True: "trusted", False: "NOT trusted: it gets nothing and commands nothing"}
        lines = [
            f"{device_id} · {said[device_id in trusted]}{self._age(heard_ms)}"
            for device_id, heard_ms in await self._devices.ages(user)
        ]
        return "\n".join(lines) if lines else "No devices are known."

    def _age(self, heard_ms: int | None) -> str:
        days = 0 if heard_ms is None else int((self._clock.now() - heard_ms / 1000) // DAY_SECONDS)
        return f" · STALE: it has said nothing here for {days} days; !signout ends it" if days > STALE_DAYS else ""

    async def sign_out(self, user: str, *, last: bool) -> str:
        """Sign a member of the desk out everywhere, and say how it went. Raises `Transient` while it may still work.

        `last`: say so instead when nobody answers this time either.
        """
        try:
            result = await self._module_client.sign_out(user)
        except ModuleNotLoaded:
            return "could NOT be signed out: the homeserver has no module of ours. Tell the technician."
        except HomeserverUnreachable as error:
            if last:
                return "could NOT be signed out: the homeserver does not answer. Tell the technician."
            raise Transient(error.status, error.errcode, max(error.retry_after, 5.0)) from None
        except ModuleRequestRejected:
            return "could NOT be signed out: the homeserver knows nobody of that name at the desk. Tell the technician."
        if not result.everywhere:
            return (
                f"has lost {result.devices} device(s) here. NOT signed out at the login service: its sessions may bring "
                "them back. Whoever administers it must end them there. Tell the technician."
            )
        devices = f"{result.devices} device(s)"
        return f"is signed out everywhere ({devices}). Whatever they log in with next has to be verified anew."
