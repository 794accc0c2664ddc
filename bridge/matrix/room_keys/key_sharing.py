"""Sends room keys to other people's devices.

Rule of this module: keys go to trusted devices of members and of people whom the caller names, and never carry
`shared_history` (facts-matrix.md, "Late joiners"). Every key leaves through `share`: for a new session, an invite, a
newcomer and a late device alike. What the homeserver accepted is noted, so `share` can be repeated without end.

Sources: https://spec.matrix.org/latest/client-server-api/#mroom_key and #mroom_keywithheld
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from bridge.matrix.olm.cross_signing import MEGOLM, Device
from bridge.matrix.olm.identity import Identity
from bridge.matrix.olm.to_device_sender import ToDevicePayload, ToDeviceSender
from bridge.matrix.room_keys.confirmed_identities import TRUST_COLUMNS
from bridge.matrix.room_keys.device_lists import TRUSTED, DeviceLists
from bridge.matrix.rooms.room_state import KEY_MEMBERSHIPS
from bridge.matrix.rooms.room_templates import UNREADABLE
from bridge.services import Services
from bridge.storage.database import Transaction, placeholders
from bridge.storage.vault import CannotOpen

_WHERE_MEMBER = f"""EXISTS (
    SELECT 1 FROM matrix_member m
    WHERE m.room_id = s.room_id AND m.user_id = d.user_id AND m.membership IN {KEY_MEMBERSHIPS}
)"""  # noqa: S608 - constants only
_NOT_SENT = """AND NOT EXISTS (
    SELECT 1 FROM matrix_sent x
    WHERE x.session_id = s.session_id AND x.user_id = d.user_id AND x.device_id = d.device_id
    AND NOT x.owed
)"""


class RoomKeySharing:
    """Delivers first keys as each of our identities."""

    def __init__(self, services: Services, *, devices: DeviceLists, identities: Sequence[Identity]) -> None:
        self._database = services.database
        self._devices = devices
        self._senders = {identity.user_id: ToDeviceSender(identity=identity) for identity in identities}
        self._vault = services.vault

    def to_device(self, identity: Identity) -> ToDeviceSender:
        """Return the identity's post, of which there must be one only."""
        return self._senders[identity.user_id]

    async def share(self, room_id: str, users: Iterable[str], *, again: bool = False) -> list[Device]:
        """Send every live first key of the room to the trusted devices of these users that have not had it.

        `again`: also to those that have had it, for a device that says that it lost it. What is noted stays noted all the
        while: by it a session is retired when a device that has its key is not trusted any more. Live are all sessions
        since the room began, as long as their keys are kept. Returns devices without a one-time
        key, whose users are marked to be tried again. Raises what `HomeserverClient` raises; what was sent is noted.
        """
        wanted = list(users)
        await self._devices.refresh_stale(wanted)
        return await self._share(wanted, room_id, again=again)

    async def share_everywhere(self, users: Iterable[str]) -> list[Device]:
        """Like `share`, for every room in which each user counts as a member. Lists are not asked for again."""
        return await self._share(list(users), None)

    async def _share(self, users: list[str], room_id: str | None, *, again: bool = False) -> list[Device]:
        users = [user for user in users if user not in self._senders]
        if not users:
            return []
        without_key: list[Device] = []
        for sender, to_device in self._senders.items():
            payloads = await self._payloads(await self._owed(sender, users, room_id, again=again))
            without_key += await to_device.send(payloads, on_sent=self._note_sent)
            await self._say_withheld(sender, to_device, users)
        if without_key:
            late = {device.user_id for device in without_key}
            await self._database.commit(lambda transaction: self._devices.mark(transaction, late, stale=False, seconds=60))
        return without_key

    async def _owed(self, sender: str, users: Sequence[str], room_id: str | None, *, again: bool) -> list[Any]:
        where = _WHERE_MEMBER if room_id is None else f"s.room_id = ${len(users) + 2}"
        had = "" if again else _NOT_SENT
        rows = await self._database.fetch(
            f"""
            SELECT s.session_id, s.room_id, s.first_key, r.key_owner, {TRUST_COLUMNS}
            FROM matrix_session s JOIN matrix_room r ON r.room_id = s.room_id CROSS JOIN {TRUSTED}
            WHERE s.user_id = $1 AND d.user_id IN ({placeholders(len(users), after=1)}) AND {where} {had}
            ORDER BY s.begun_ms DESC
            """,  # noqa: S608 - placeholders and constants only
            sender,
            *users,
            *([] if room_id is None else [room_id]),
        )
        return [row for row in rows if self._devices.trust_mac.is_trusted(row)]

    async def _payloads(self, owed: Sequence[Any]) -> list[ToDevicePayload]:
        keys: dict[str, str | None] = {}
        payloads = []
        for row in owed:
            session_id = row["session_id"]
            if session_id not in keys:
                keys[session_id] = await self._first_key(row)
            if (key := keys[session_id]) is None:
                continue
            device = Device(
                user_id=row["user_id"],
                device_id=row["device_id"],
                curve25519=row["curve25519"],
                ed25519=row["ed25519"],
            )
            content = {"algorithm": MEGOLM, "room_id": row["room_id"], "session_id": session_id, "session_key": key}
            payloads.append(ToDevicePayload(device=device, type="m.room_key", content=content))
        return payloads

    async def _first_key(self, row: Any) -> str | None:
        context = first_key_seal_context(row["session_id"])
        try:
            return (await self._vault.open(row["key_owner"], context, bytes(row["first_key"]))).decode()
        except CannotOpen:  # shredded meanwhile: there is nothing left to read with it
            return None

    async def _say_withheld(self, sender: str, to_device: ToDeviceSender, users: Sequence[str]) -> None:
        """Tell devices that are not trusted why they cannot read the present sessions, once for each.

        In the clear, for such a device reads nothing else of us: its client shows it where the words would stand.
        """
        rows = await self._database.fetch(
            f"""
            SELECT s.session_id, s.room_id, d.user_id, d.device_id FROM matrix_session s CROSS JOIN matrix_device d
            WHERE s.user_id = $1 AND s.active AND d.user_id IN ({placeholders(len(users), after=1)}) AND {_WHERE_MEMBER}
            AND NOT EXISTS (SELECT 1 FROM matrix_confirmed c
                WHERE c.user_id = d.user_id AND c.master_key = d.master_key AND d.cross_signed)
            AND NOT EXISTS (SELECT 1 FROM matrix_withheld w
                WHERE w.session_id = s.session_id AND w.user_id = d.user_id AND w.device_id = d.device_id)
            """,  # noqa: S608 - placeholders and constants only
            sender,
            *users,
        )
        for row in rows:
            content = {
                "algorithm": MEGOLM,
                "code": "m.unverified",
                "reason": UNREADABLE,
                "room_id": row["room_id"],
                "session_id": row["session_id"],
                "sender_key": to_device.curve25519,
            }
            await to_device.send_unencrypted("m.room_key.withheld", row["user_id"], row["device_id"], content)
            await self._database.commit(lambda transaction, row=row: _write_withheld(transaction, row))  # type: ignore[misc]

    async def _note_sent(self, payloads: Sequence[ToDevicePayload]) -> None:
        await self._database.commit(lambda transaction: _write_sent(transaction, payloads))


async def _write_withheld(transaction: Transaction, row: Any) -> None:
    await transaction.execute(
        """
        INSERT INTO matrix_withheld (session_id, user_id, device_id)
        SELECT session_id, $2, $3 FROM matrix_session WHERE session_id=$1
        ON CONFLICT DO NOTHING
        """,
        row["session_id"],
        row["user_id"],
        row["device_id"],
    )


async def _write_sent(transaction: Transaction, payloads: Sequence[ToDevicePayload]) -> None:
    for m in payloads:
        await transaction.execute(
            """
            INSERT INTO matrix_sent (session_id, user_id, device_id)
            SELECT session_id, $2, $3 FROM matrix_session WHERE session_id=$1
            ON CONFLICT (session_id, user_id, device_id) DO UPDATE SET owed=$4
            """,
            m.content["session_id"],
            m.device.user_id,
            m.device.device_id,
            False,
        )


def first_key_seal_context(session_id: str) -> str:
    """Name the place of a session's first key, for the seal."""
    return f"matrix first key {session_id}"
