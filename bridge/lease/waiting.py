"""Waits for the lease of a line, and takes it when it is free.

Rules of this module: it uses one connection, looks twice a second, and writes nothing before the lease is free. In doubt it
waits. When the server refuses us it waits for a minute, in which a password or certificate may be replaced on both sides.
It reads no file but `keys.db`, and of that only its age: a bridge without it, or with an older one than the last leader had
or the database knows of, cannot lead, and leaves the lease to one that has it. This is checked for the last time while no
commit can be made, and before the lease is changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bridge.lease.key_file_age import KeyFileUnreadable, peek_epoch
from bridge.lease.lead import End, Lead, connect_to_lease
from bridge.lease.process_identity import end_process, is_dead, own_identity
from bridge.runtime import log
from bridge.runtime.clock import seconds_since_boot
from bridge.storage.errors import Busy, Corrupt, DatabaseError, InvalidStatement, LeadLost, UnsuitableServer
from bridge.storage.postgres_connection import PostgresConnection, PostgresPlace
from bridge.tables import lease_table
from bridge.tables.lease_table import KEYLESS_NAME, LEASE_SECONDS, STANDBY_NAME, Lease, LeaseHolder, place_of_lease

LOOK_SECONDS: Final = 0.5
HANDOVER_LOOK_SECONDS: Final = 0.05
REFUSED_SECONDS: Final = 60.0
"""Seconds for which the server may refuse us before only a person can help, as it is with a token of the homeserver's."""
REFUSED_LOOK_SECONDS: Final = 5.0
"""Seconds between two tries then: each one is a failed login in the server's log."""
SAY_SECONDS: Final = 60.0
"""Seconds between two words in the log about the same hindrance."""


def host_name() -> str:
    """Return what people call this machine."""
    return socket.gethostname()[:100]


def _same_place(place: PostgresPlace) -> PostgresPlace:
    """Know of no other."""
    return place


def _do_nothing() -> None:
    """Say nothing."""


class Waiting:
    """One bridge that wants to lead. `try_once` as often as one likes, or `run`."""

    def __init__(
        self,
        place: PostgresPlace,
        keys: Path,
        *,
        end: End,
        any_keys: bool = False,
        on_missing: Callable[[], None] = _do_nothing,
        on_stale: Callable[[], None] = _do_nothing,
        find_again: Callable[[PostgresPlace], PostgresPlace] = _same_place,
    ) -> None:
        """`place`: of the main database; `keys`: `keys.db`; `any_keys`: accept also an older one.

        `on_missing` and `on_stale` are called at each look that finds the file missing or too old.
        `find_again`: returns the place as configured now, after its server refused us.
        """
        self._place, self._keys, self._end, self._any_keys = place, keys, end, any_keys
        self._find_again = find_again
        self._on_missing, self._on_stale = on_missing, on_stale
        self._connection: PostgresConnection | None = None
        self._identity = own_identity()
        self._last_lease: Lease | None = None
        self._lease_since = 0.0
        self._refused_since: float | None = None
        self._logged_at: dict[str, float] = {}
        self._published_name = ""

    async def run(self) -> Lead:
        """Wait until the lease is ours. Raises `UnsuitableServer`, and `KeyFileUnreadable` for a damaged file, only."""
        while True:
            try:
                if (lead := await self.try_once()) is not None:
                    return lead
            except UnsuitableServer as error:
                if not self.may_succeed_later(error):
                    raise
                await asyncio.sleep(REFUSED_LOOK_SECONDS)
                self._place = self._find_again(self._place)
                continue
            except KeyFileUnreadable as error:
                self._log_at_intervals("lease.keys_not_read", error.why)
                if isinstance(error.why, Corrupt):
                    raise
            except DatabaseError as error:
                self._log_at_intervals("lease.not_read", error)
            soon = self._last_lease is not None and self._last_lease.handover
            await asyncio.sleep(HANDOVER_LOOK_SECONDS if soon else LOOK_SECONDS)

    def may_succeed_later(self, error: UnsuitableServer) -> bool:
        """Whether another try may succeed. To be called after each failure; it writes the failure to the log."""
        if not error.is_refusal:
            return False
        now = seconds_since_boot()
        if self._refused_since is None:
            self._refused_since = now
        self._log_at_intervals("lease.server_refused", error)
        return now - self._refused_since < REFUSED_SECONDS

    async def try_once(self) -> Lead | None:
        """Look once, and take the lease if it is free. Raises `DatabaseError`: of `keys.db` it is `KeyFileUnreadable`."""
        connection = await self._connection_or_none()
        if connection is None:
            return None
        lease = await self._read(connection)
        if lease is None:
            return None
        now = seconds_since_boot()
        if self._last_lease is None or (self._last_lease.epoch, self._last_lease.until) != (lease.epoch, lease.until):
            self._lease_since = now
        self._last_lease = lease
        dead = bool(lease.holder) and is_dead(lease.holder, own_words=self._identity)
        stood_still = lease.run_out and now - self._lease_since >= LEASE_SECONDS
        if not (lease.released or dead or stood_still):
            await self._publish_key_presence(connection)
            return None
        if not self._keys.exists() and await lease_table.line_exists(connection, self._place):
            self._log_at_intervals("lease.no_keys", FileNotFoundError())
            self._on_missing()
            return None
        keys_epoch = await self._keys_epoch(lease.holder if stood_still else "")
        if self._is_older(keys_epoch, lease):
            return None

        async def may_lead(now: Lease) -> bool:
            """Whether it is still the newest: the holder of the lease may have committed since the last check."""
            return not self._is_older(await self._keys_epoch(""), now)

        by = LeaseHolder(identity=self._identity, host=host_name(), least_epoch=keys_epoch)
        asked_at, is_free = seconds_since_boot(), dead or stood_still
        place = place_of_lease(self._place)
        epoch = await lease_table.take(connection, place, lease, is_free=is_free, may_lead=may_lead, by=by)
        if epoch is None:
            return None
        self._connection = None
        log.event("lease.taken")
        return Lead(
            connection,
            self._place,
            epoch=epoch,
            identity=self._identity,
            taken_at=asked_at,
            former="" if lease.released or dead else lease.holder or "unknown",
            end=self._end,
        )

    def _is_older(self, keys_epoch: int, lease: Lease) -> bool:
        """Whether `keys.db` is older than the last leader's; if so, it is reported."""
        if self._any_keys or keys_epoch >= lease.keys:
            return False
        self._log_at_intervals("lease.keys_stale", FileNotFoundError())
        self._on_stale()
        return True

    async def _keys_epoch(self, frozen: str) -> int:
        """Return the epoch of `keys.db`. A process `frozen` during a change has it locked, and is killed."""
        try:
            try:
                return peek_epoch(self._keys)
            except Busy:
                if not await asyncio.to_thread(end_process, frozen):
                    raise
            log.event("lease.former_leader_ended")
            return peek_epoch(self._keys)
        except DatabaseError as error:
            raise KeyFileUnreadable(error) from None

    async def wait_for_new_leader(self, seconds: float) -> None:
        """Wait, for that time at most, until another bridge has taken a lease that was released."""
        until = seconds_since_boot() + seconds
        while seconds_since_boot() < until:
            with contextlib.suppress(DatabaseError):
                connection = await self._connection_or_none()
                if connection is not None and (lease := await self._read(connection)) is not None and not lease.released:
                    return
            await asyncio.sleep(HANDOVER_LOOK_SECONDS)

    async def close(self) -> None:
        """Stop waiting."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _connection_or_none(self) -> PostgresConnection | None:
        """Return our connection; None while a command has the line for itself."""
        if self._connection is not None and not self._connection.is_closed:
            return self._connection
        try:
            self._connection = await connect_to_lease(self._place, name=STANDBY_NAME)
            self._published_name, self._refused_since = STANDBY_NAME, None
        except LeadLost as error:
            self._log_at_intervals("lease.line_taken", error)
            return None
        return self._connection

    async def _read(self, connection: PostgresConnection) -> Lease | None:
        try:
            lease = await lease_table.read(connection)
        except InvalidStatement:  # there is no such table
            lease = None
        if lease is None:
            is_new = not self._keys.exists() and not await lease_table.line_exists(connection, self._place)
            await lease_table.create(connection, place_of_lease(self._place), is_new=is_new)
            lease = await lease_table.read(connection)
        return lease

    async def _publish_key_presence(self, connection: PostgresConnection) -> None:
        """Show at the server whether we see `keys.db`: no leader need hand over to a bridge without it."""
        name = STANDBY_NAME if self._keys.exists() else KEYLESS_NAME
        if name != self._published_name:
            await lease_table.call(connection, name)
            self._published_name = name

    def _log_at_intervals(self, what: str, error: Exception) -> None:
        now = seconds_since_boot()
        if now - self._logged_at.get(what, -SAY_SECONDS) >= SAY_SECONDS:
            self._logged_at[what] = now
            log.failure(what, error)
