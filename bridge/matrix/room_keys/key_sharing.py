"""Sends room keys to other people's devices.

Rule of this module: keys go to trusted devices of members and of people whom the caller names, and never carry
`shared_history` (facts-matrix.md, "Late joiners"). Every key leaves through `share`: for a new session, an invite, a
newcomer and a late device alike. A key is noted as due before it is encrypted, in the commit that finds its device trusted,
and as delivered once the homeserver has accepted it, unless the device asked for it meanwhile; so `share` may be repeated
at any time.

Sources: https://spec.matrix.org/latest/client-server-api/#mroom_key and #mroom_keywithheld
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

from bridge.matrix.olm.cross_signing import MEGOLM, Device
from bridge.matrix.olm.identity import Identity
from bridge.matrix.olm.to_device_sender import ToDevicePayload, ToDeviceSender
from bridge.matrix.room_keys import outbound_table
from bridge.matrix.room_keys.confirmed_identities import device_of
from bridge.matrix.room_keys.device_lists import DeviceLists
from bridge.matrix.room_keys.sealing import first_key_seal_context
from bridge.matrix.rooms.room_templates import UNREADABLE
from bridge.runtime.crash_points import CrashPoint
from bridge.services import Services
from bridge.storage.database import Row, Transaction
from bridge.storage.vault import CannotOpen

NO_KEY_SECONDS: Final = 60.0
"""Seconds until a device without a usable one-time key is asked for one again."""
NOTED_TOGETHER: Final = 50
"""Keys that one commit notes; texts wait a few milliseconds for it."""

Marks: TypeAlias = dict[tuple[str, str, str], int]
"""Of keys that are due, by session, user and device: the mark that was read before they were encrypted."""


class RoomKeySharing:
    """Delivers first keys as each of our identities."""

    def __init__(self, services: Services, *, devices: DeviceLists, identities: Sequence[Identity]) -> None:
        self._database, self._crash = services.database, services.crash
        self._devices = devices
        self._senders = {identity.user_id: ToDeviceSender(identity=identity) for identity in identities}
        self._vault = services.vault

    def to_device(self, identity: Identity) -> ToDeviceSender:
        """Return the identity's only to-device sender."""
        return self._senders[identity.user_id]

    async def share(
        self, room_id: str, users: Iterable[str], *, again: bool = False, members_only: bool = False
    ) -> list[Device]:
        """Send every live first key of the room to those trusted devices of these users that do not have it.

        `members_only`: not to a user who has left by the time when the keys are read; otherwise a user may be invited next.
        `again`: also to those that have it, for a device that says that it lost it. It stays noted that they have it,
        because a session is retired when a device with its key is no longer trusted. Live are all sessions of the room
        whose keys are stored. Returns devices without a one-time key, whose users are marked to be tried again. Raises what
        `HomeserverClient` raises; what was sent is noted.
        """
        user_ids = list(users)
        await self._devices.refresh_stale(user_ids)
        without_key = await self._share(user_ids, room_id, again=again, members_only=members_only)
        if without_key:
            late = {device.user_id for device in without_key}
            await self._database.commit(
                lambda transaction: self._devices.mark(transaction, late, stale=False, seconds=NO_KEY_SECONDS)
            )
        return without_key

    async def share_everywhere(self, users: Iterable[str]) -> list[Device]:
        """Like `share`, for every room in which each user counts as a member. Device lists are not queried again.

        Users of devices without a one-time key are not marked: the caller has their mark, which may be due already.
        """
        return await self._share(list(users), None)

    async def _share(
        self, users: list[str], room_id: str | None, *, again: bool = False, members_only: bool = False
    ) -> list[Device]:
        users = [user for user in users if user not in self._senders]
        if not users:
            return []
        without_key: list[Device] = []
        for sender, to_device in self._senders.items():
            owed = await outbound_table.owed_keys(
                self._database, sender, users, room_id, again=again, members_only=members_only
            )
            payloads = await self._payloads(owed)
            marks = await self._note_owed(owed, payloads)
            due = [m for m in payloads if _key_of(m) in marks]
            without_key += await to_device.send(due, on_sent=partial(self._note_sent, marks))
            await self._send_withheld(sender, to_device, users)
        return without_key

    async def _payloads(self, owed: Sequence[Any]) -> list[ToDevicePayload]:
        keys: dict[str, str | None] = {}
        payloads = []
        for row in owed:
            session_id = row["session_id"]
            if session_id not in keys:
                keys[session_id] = await self._first_key(row)
            if (key := keys[session_id]) is None:
                continue
            device = device_of(row)
            content = {"algorithm": MEGOLM, "room_id": row["room_id"], "session_id": session_id, "session_key": key}
            payloads.append(ToDevicePayload(device=device, type="m.room_key", content=content))
        return payloads

    async def _first_key(self, row: Any) -> str | None:
        context = first_key_seal_context(row["session_id"])
        try:
            return (await self._vault.open_either(row["key_owner"], context, bytes(row["first_key"]))).decode()
        except CannotOpen:
            return None  # its room's key was destroyed meanwhile: nothing is left to read with it

    async def _send_withheld(self, sender: str, to_device: ToDeviceSender, users: Sequence[str]) -> None:
        """Tell untrusted devices, once for each session, why they get no key (`m.room_key.withheld`).

        It is sent in the clear, because such a device can read nothing else from us; its client shows it for the message.
        """
        for row in await outbound_table.withheld_keys(self._database, sender, users):
            content = {
                "algorithm": MEGOLM,
                "code": "m.unverified",
                "reason": UNREADABLE,
                "room_id": row["room_id"],
                "session_id": row["session_id"],
                "sender_key": to_device.curve25519,
            }
            await to_device.send_unencrypted("m.room_key.withheld", row["user_id"], row["device_id"], content)
            await self._database.commit(
                partial(
                    outbound_table.record_withheld,
                    session_id=row["session_id"],
                    user_id=row["user_id"],
                    device_id=row["device_id"],
                )
            )

    async def _note_owed(self, owed: Sequence[Row], payloads: Sequence[ToDevicePayload]) -> Marks:
        """Note these keys as due, where they are not yet; return their marks, without those that are not to be sent."""
        marks: Marks = {
            (row["session_id"], row["user_id"], row["device_id"]): row["mark"] for row in owed if row["mark"] is not None
        }
        new = [m for m in payloads if _key_of(m) not in marks]
        for begin in range(0, len(new), NOTED_TOGETHER):
            marks |= await self._database.commit(partial(self._record_owed, new[begin : begin + NOTED_TOGETHER]))
        if new:
            self._crash(CrashPoint.KEYS_NOTED)
        return marks

    async def _record_owed(self, payloads: Sequence[ToDevicePayload], transaction: Transaction) -> Marks:
        trusted: dict[Device, bool] = {}
        marks: Marks = {}
        for m in payloads:
            if m.device not in trusted:
                # Its trust may have ended since the keys were read, when no row said that these sessions end with it.
                trusted[m.device] = await self._devices.is_trusted(transaction, m.device)
            if trusted[m.device] and (mark := await outbound_table.record_owed(transaction, *_key_of(m))) is not None:
                marks[_key_of(m)] = mark
        return marks

    async def _note_sent(self, marks: Marks, payloads: Sequence[ToDevicePayload]) -> None:
        async def record(transaction: Transaction) -> None:
            for m in payloads:
                await outbound_table.record_sent(transaction, *_key_of(m), mark=marks[_key_of(m)])

        self._crash(CrashPoint.KEYS_DELIVERED)
        await self._database.commit(record)


def _key_of(payload: ToDevicePayload) -> tuple[str, str, str]:
    return payload.content["session_id"], payload.device.user_id, payload.device.device_id
