"""Device lists, and which devices are trusted.

Rule of this module: a device is trusted when its user's confirmed master key vouches for it, through signatures that we
checked; before that it gets no key and commands nothing. Lists come from fresh `/keys/query` answers and are
replaced whole. The table of confirmed keys is our own, because mautrix never updates the first key that it saw
(facts-matrix.md, "Application service and mautrix").

A *dirty* user is due a fresh query, if the list is *stale*, and then every key. Marks are durable and counted, so that a
mark that is set during a query is not lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple

from bridge.matrix.api.events import IdentityChanged, MatrixEvent
from bridge.matrix.api.json_fields import Json
from bridge.matrix.olm.cross_signing import Device, devices_of, is_answered, master_key_of
from bridge.matrix.olm.identity import Identity
from bridge.matrix.room_keys import confirmed_identities, outbound_table
from bridge.matrix.room_keys.confirmed_identities import DEVICE_COLUMNS, TRUSTED, device_of
from bridge.matrix.rooms.room_state import KEY_MEMBERSHIPS
from bridge.services import Services
from bridge.storage.database import Database, Transaction, placeholders

RESEND_INTERVAL_MS: Final = 3_600_000
DAY_SECONDS: Final = 86_400.0

EventSink = Callable[[Transaction, Sequence[MatrixEvent]], Awaitable[None]]


async def has_trusted_device(transaction: Transaction | Database, user_id: str) -> bool:
    """Whether the user has a device that may give commands."""
    query = f"SELECT 1 FROM {TRUSTED} WHERE d.user_id=$1 LIMIT 1"  # noqa: S608 - a constant
    return await transaction.fetchval(query, user_id) is not None


class DeviceAge(NamedTuple):
    """A device, and the day on which it was last seen (milliseconds since the epoch); None when it never was."""

    device_id: str
    last_seen_ms: int | None


class DeviceLists:
    """Devices of other people, in the main store. `ours` are never queried: we send no keys to ourselves."""

    def __init__(
        self,
        services: Services,
        *,
        identity: Identity,
        ours: Collection[str],
        trust_on_first_use: bool,
        sink: EventSink,
        on_commit: Callable[[], None],
    ) -> None:
        self._database = services.database
        self._client = identity.client
        self._ours = frozenset(ours)
        self._trust_on_first_use = trust_on_first_use
        self._clock = services.clock
        self._sink = sink
        self._on_commit = on_commit
        self.lock = asyncio.Lock()
        """Held from a query until its answer is applied, so that no earlier answer is applied last, and for `end`."""

    async def trusted_devices(self, user_id: str) -> list[Device]:
        """Return the devices of a user that may have keys and give commands."""
        query = f"SELECT {DEVICE_COLUMNS} FROM {TRUSTED} WHERE d.user_id=$1"  # noqa: S608 - constants
        return [device_of(row) for row in await self._database.fetch(query, user_id)]

    async def ages(self, user_id: str) -> list[DeviceAge]:
        """Return every device of a user, trusted or not, by its id, with the day on which it was last seen."""
        rows = await self._database.fetch(
            """
            SELECT d.device_id, s.at_ms FROM matrix_device d
            LEFT JOIN matrix_last_seen s ON s.user_id = d.user_id AND s.device_id = d.device_id
            WHERE d.user_id = $1 ORDER BY d.device_id
            """,
            user_id,
        )
        return [DeviceAge(row["device_id"], row["at_ms"]) for row in rows]

    async def by_identity_key(self, user_id: str, curve25519: str) -> Device | None:
        """Return a user's device by its identity key, trusted or not."""
        query = "SELECT user_id, device_id, curve25519, ed25519 FROM matrix_device WHERE user_id=$1 AND curve25519=$2"
        row = await self._database.fetchrow(query, user_id, curve25519)
        return None if row is None else Device(**dict(row))

    async def unconfirmed_identities(self) -> list[IdentityChanged]:
        """Return the users whose newest master key is not confirmed."""
        rows = await self._database.fetch("""
            SELECT s.user_id, s.master_key, c.master_key AS confirmed FROM matrix_seen_identity s
            LEFT JOIN matrix_confirmed c ON c.user_id = s.user_id
            WHERE s.master_key <> '' AND (c.master_key IS NULL OR c.master_key <> s.master_key)
        """)
        return [
            IdentityChanged(user_id=row["user_id"], master_key=row["master_key"], first=row["confirmed"] is None)
            for row in rows
        ]

    async def confirm(self, transaction: Transaction, user_id: str, master_key: str) -> None:
        """Trust this master key of the user from now on, and mark the user, so that keys go to its devices."""
        await confirmed_identities.confirm(transaction, user_id, master_key)
        await self.mark(transaction, [user_id])

    async def record_last_seen(self, transaction: Transaction, device: Device) -> None:
        """Note that a device was seen now, with the day only: nobody needs to know more about a colleague."""
        query = """
            INSERT INTO matrix_last_seen (user_id, device_id, at_ms) VALUES ($1, $2, $3)
            ON CONFLICT (user_id, device_id)
            DO UPDATE SET at_ms=excluded.at_ms WHERE matrix_last_seen.at_ms < excluded.at_ms
            """
        await transaction.execute(
            query, device.user_id, device.device_id, int(self._clock.now() // DAY_SECONDS * DAY_SECONDS * 1000)
        )

    async def record_message(self, transaction: Transaction, device: Device) -> None:
        """Note that a message of a trusted device was read; at the first one, mark every live key as due to it once more.

        A client may lose keys that arrive before it has set up the device (libolm's clients; facts-matrix.md, "Late
        joiners"); at its first message the device is set up.
        """
        await self.record_last_seen(transaction, device)
        who = (device.user_id, device.device_id)
        spoke = "SELECT spoke FROM matrix_last_seen WHERE user_id=$1 AND device_id=$2"
        if await transaction.fetchval(spoke, *who):
            return
        await transaction.execute("UPDATE matrix_last_seen SET spoke=$3 WHERE user_id=$1 AND device_id=$2", *who, True)
        # Not counted as its request: a device that cannot read us asks now, and the limit of one hour would delay its keys.
        for sender in sorted(self._ours):
            await outbound_table.queue_resend(transaction, *who, sender)
        await self.mark(transaction, [device.user_id], stale=False)

    async def find(self, transaction: Transaction | Database, user_id: str, curve25519: str) -> tuple[Device, bool] | None:
        """Return a user's device by its identity key, and whether it is trusted; None when it is not known."""
        query = f"""
            SELECT {DEVICE_COLUMNS}, d.cross_signed AND c.user_id IS NOT NULL AS trusted FROM matrix_device d
            LEFT JOIN matrix_confirmed c ON c.user_id = d.user_id AND c.master_key = d.master_key
            WHERE d.user_id=$1 AND d.curve25519=$2
            """  # noqa: S608 - a constant
        row: Any = await transaction.fetchrow(query, user_id, curve25519)
        if row is None:
            return None
        return device_of(row), bool(row["trusted"])

    async def is_trusted(self, transaction: Transaction, device: Device) -> bool:
        """Whether a device with exactly these keys may have keys of rooms."""
        query = f"SELECT {DEVICE_COLUMNS} FROM {TRUSTED} WHERE d.user_id=$1 AND d.device_id=$2"  # noqa: S608 - constants
        row = await transaction.fetchrow(query, device.user_id, device.device_id)
        return row is not None and device_of(row) == device

    async def is_member_device(self, user_id: str, curve25519: str) -> bool:
        """Whether a user has a device of that identity key, as last committed, and is in a room of ours or invited."""
        query = f"""
                SELECT 1 FROM matrix_device d WHERE d.user_id=$1 AND d.curve25519=$2 AND EXISTS (
                    SELECT 1 FROM matrix_member m WHERE m.user_id = d.user_id AND m.membership IN {KEY_MEMBERSHIPS})
                """  # noqa: S608 - a constant
        return await self._database.fetchval(query, user_id, curve25519) is not None

    async def member_keys(self) -> set[str]:
        """Return the identity keys of the devices of all users who are in a room of ours or invited, as last committed."""
        rows = await self._database.fetch(
            f"""SELECT curve25519 FROM matrix_device WHERE user_id IN (
                SELECT user_id FROM matrix_member WHERE membership IN {KEY_MEMBERSHIPS})"""  # noqa: S608 - a constant
        )
        return {row["curve25519"] for row in rows}

    async def mark(
        self, transaction: Transaction, users: Iterable[str], *, stale: bool = True, seconds: float = 0.0
    ) -> None:
        """Mark users dirty, due after `seconds`; `stale`: their device lists are not used before that."""
        due = int((self._clock.now() + seconds) * 1000)
        for user_id in sorted(set(users) - self._ours):
            await confirmed_identities.mark(transaction, user_id, due_ms=due, stale=stale)

    async def mark_all_dirty(self, transaction: Transaction) -> None:
        """Mark everybody in our rooms: at every start, and after a rollback of the homeserver."""
        rows = await transaction.fetch(f"SELECT DISTINCT user_id FROM matrix_member WHERE membership IN {KEY_MEMBERSHIPS}")  # noqa: S608
        await self.mark(transaction, [row["user_id"] for row in rows])

    async def refresh_stale(self, users: Iterable[str]) -> None:
        """Query users whose list may be out of date: never queried, stale, or in no room with us.

        Raises what `HomeserverClient` raises.
        """
        others = sorted(set(users) - self._ours)
        if not others:
            return
        rows = await self._database.fetch(
            f"""
            SELECT user_id FROM matrix_seen_identity s WHERE user_id IN ({placeholders(len(others))})
            AND NOT EXISTS (SELECT 1 FROM matrix_dirty d WHERE d.user_id = s.user_id AND d.stale)
            AND EXISTS (SELECT 1 FROM matrix_member m WHERE m.user_id = s.user_id AND m.membership = 'join')
            """,  # noqa: S608 - placeholders only
            *others,
        )
        if stale := sorted(set(others) - {row["user_id"] for row in rows}):
            async with self.lock:
                answer = await self.query(stale)
                await self._database.commit(lambda transaction: self._apply_and_notify(transaction, stale, answer))
            self._on_commit()

    async def query(self, users: Sequence[str]) -> Json:
        """Query the homeserver. Never inside a commit; `lock` is held until the answer is applied."""
        body: Json = {"device_keys": {user: [] for user in users}}
        return await self._client.request("POST", "keys", "query", body=body)

    async def apply_query(self, transaction: Transaction, users: Sequence[str], answer: Json) -> list[IdentityChanged]:
        """Replace these users' device lists; return changed identities."""
        changed: list[IdentityChanged] = []
        for user_id in users:
            if not is_answered(answer, user_id):
                continue
            changed += await self._apply_identity(transaction, user_id, master_key_of(answer, user_id))
            await self._apply_devices(transaction, user_id, answer)
        return changed

    async def end(self, transaction: Transaction, user_id: str, device_ids: Collection[str]) -> None:
        """Forget devices that were signed out: they get no key from now on, before a list lacks them. `lock` is held."""
        for device_id in sorted(device_ids):
            whose = (user_id, device_id)
            await transaction.execute("DELETE FROM matrix_device WHERE user_id=$1 AND device_id=$2", *whose)
            await transaction.execute("DELETE FROM matrix_last_seen WHERE user_id=$1 AND device_id=$2", *whose)
        await self._rotate_untrusted(transaction, user_id, ())
        await self.mark(transaction, [user_id])

    async def _apply_and_notify(self, transaction: Transaction, users: Sequence[str], answer: Json) -> None:
        if changed := await self.apply_query(transaction, users, answer):
            await self._sink(transaction, changed)

    async def _apply_identity(self, transaction: Transaction, user_id: str, master_key: str) -> list[IdentityChanged]:
        last_key = await transaction.fetchval("SELECT master_key FROM matrix_seen_identity WHERE user_id=$1", user_id)
        confirmed = await transaction.fetchval("SELECT master_key FROM matrix_confirmed WHERE user_id=$1", user_id)
        query = """
            INSERT INTO matrix_seen_identity (user_id, master_key) VALUES ($1, $2)
            ON CONFLICT (user_id) DO UPDATE SET master_key=excluded.master_key
            """
        await transaction.execute(query, user_id, master_key)
        if not master_key and last_key is None and confirmed is None and not self._trust_on_first_use:
            return [IdentityChanged(user_id=user_id, master_key="", first=True)]
        if not master_key or master_key in {last_key, confirmed}:
            return []
        if confirmed is None and self._trust_on_first_use:
            await confirmed_identities.confirm(transaction, user_id, master_key)
            return []
        return [IdentityChanged(user_id=user_id, master_key=master_key, first=confirmed is None)]

    async def _apply_devices(self, transaction: Transaction, user_id: str, answer: Json) -> None:
        """Replace a user's devices."""
        rows = await transaction.fetch("SELECT device_id, curve25519, ed25519 FROM matrix_device WHERE user_id=$1", user_id)
        before = {row["device_id"]: (row["curve25519"], row["ed25519"]) for row in rows}
        now = devices_of(answer, user_id)
        master_key = master_key_of(answer, user_id)
        await transaction.execute("DELETE FROM matrix_device WHERE user_id=$1", user_id)
        for device, cross_signed in now:
            query = """
                INSERT INTO matrix_device (user_id, device_id, curve25519, ed25519, cross_signed, master_key)
                VALUES ($1, $2, $3, $4, $5, $6)
                """
            await transaction.execute(
                query, user_id, device.device_id, device.curve25519, device.ed25519, cross_signed, master_key
            )
            if device.device_id not in before:
                await self.record_last_seen(transaction, device)  # counts as seen when first known
        for device_id in before.keys() - {device.device_id for device, _ in now}:
            await transaction.execute("DELETE FROM matrix_last_seen WHERE user_id=$1 AND device_id=$2", user_id, device_id)
        rekeyed = {
            d.device_id for d, _ in now if before.get(d.device_id, (d.curve25519, d.ed25519)) != (d.curve25519, d.ed25519)
        }
        await self._rotate_untrusted(transaction, user_id, rekeyed)

    async def _rotate_untrusted(self, transaction: Transaction, user_id: str, rekeyed: Collection[str]) -> None:
        """Rotate the sessions whose keys a device has that is gone, rekeyed or no longer trusted."""
        had = await outbound_table.devices_with_keys(transaction, user_id)
        rows = await transaction.fetch(f"SELECT d.device_id FROM {TRUSTED} WHERE d.user_id=$1", user_id)  # noqa: S608
        good = {row["device_id"] for row in rows} - set(rekeyed)
        for device_id in had - good:
            await outbound_table.retire_sessions_sent_to(transaction, user_id, device_id)

    async def resend_keys_on_request(self, transaction: Transaction, device: Device, sender: str) -> None:
        """At a device's request, mark every live key of one identity as due to it once more; each at most once an hour.

        Only of that identity: if the device lost its session with the other one as well, it asks there too. It stays noted
        that the device has the keys, so that their sessions end when it is no longer trusted. The time of the request is
        written in the same commit, so that a failed commit can be repeated. Keys that it got after the request are not due.
        """
        now, whose = int(self._clock.now() * 1000), (device.user_id, device.device_id, sender)
        if await outbound_table.queue_requested_resend(transaction, *whose, now_ms=now, interval_ms=RESEND_INTERVAL_MS):
            await self.mark(transaction, [device.user_id], stale=False)
