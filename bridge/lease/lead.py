"""The lead of this process: renews the lease, is asked before bytes leave, and ends the process when another leads.

Rules of this module: the lease's end is calculated from the moment *before* the renewal was requested, on a clock that
cannot be set and that runs while the machine sleeps; so we stop before another may begin. Code that finds that another
bridge leads calls `lose`, which ends the process: nothing after it may have an effect, and a new start waits for the lease.

What a crash or a suspension (SIGSTOP, a paused machine) between two lines leaves:

    within the taking of the lease        the server takes it back, and from a frozen process after `ANSWER_SECONDS`
    lease taken, keys.db not opened       the next holder has a higher epoch; a frozen one that wakes is refused by keys.db
    keys.db opened, databases not         as above; migrations are fenced commits
    within a change of keys.db            the file is locked: on the same machine the next holder ends it, else it waits
    within a commit                       the next holder waits for it, and ends it at the server (`lease_table.take`)
    committed, answer not sent            it is the next holder's; the carrier repeats, and is told that it came before
    text marked, request not begun        `confirm` asks before the bytes; the next holder calls the text unknown
    text marked, request under way        it ends within the carrier's time-out, which the next holder waits before it sends
    request answered, result not kept     unknown, and said so
    event encrypted, request not begun    `confirm`; its number is taken, and the row is sent again under the same number
    call begun, no byte of it sent        `confirm`, for webhook and e-mail; the next holder calls
    call sent, that it is not noted       the next holder calls once more: twice is a nuisance, never is worse
    released, process not ended           its commits fail: a lease that is released counts as another's; `confirm` says so
    server replaced, and still running    by the former server it leads: `watch_keys` finds the other's epoch in keys.db

Source: Kleppmann, "How to do distributed locking" (2016): why a lease alone is not enough, and where to check it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bridge.lease.key_file_age import peek_epoch
from bridge.runtime import log
from bridge.runtime.clock import seconds_since_boot
from bridge.storage.errors import DatabaseError, LeadLost, Unavailable
from bridge.storage.postgres_connection import PostgresConnection, PostgresPlace, connect
from bridge.storage.postgres_transaction import Fence
from bridge.tables import lease_table
from bridge.tables.lease_table import LEADER_NAME, LEASE_SECONDS, place_of_lease

RENEW_SECONDS: Final = 1.0
RETRY_SECONDS: Final = 0.2
KEYS_SECONDS: Final = 2.0
"""Seconds between two looks at `keys.db` for another leader."""
ANSWER_SECONDS: Final = 3.0
"""Seconds within which the server must answer on the lease's connection; then another connection is made."""
MARGIN_SECONDS: Final = 1.0
"""Seconds before its end at which a lease is no longer used: two clocks do not go alike."""
REQUEST_SECONDS: Final = 11.0
"""Seconds after which a carrier request of the former leader has certainly ended: more than the time-out of
`bridge/carriers/http_request.py`."""

End = Callable[[str], None]
"""Ends the process; in a test it may return."""


async def connect_to_lease(place: PostgresPlace, *, name: str) -> PostgresConnection:
    """Connect to a lease, with our share of the leaders' lock.

    Raises `LeadLost` while a command works on the line or a bridge leads that knows no lease; else `DatabaseError`.
    """
    lease = place_of_lease(place)
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            connection = await connect(
                lease,
                seconds=ANSWER_SECONDS,
                lock_ms=1000,
                application_name=name,
                # A process that is frozen while it takes the lease has the lock of all commits: the server ends it.
                idle_in_transaction_session_timeout=str(int(ANSWER_SECONDS * 1000)),
            )
    except TimeoutError:
        raise Unavailable("no answer") from None
    shared = False
    try:
        shared = await lease_table.share_leaders_lock(connection, place)
    finally:
        if not shared:
            await connection.close()
    if not shared:
        raise LeadLost("the leaders' lock is taken")
    return connection


class Lead:
    """A lease that this process holds. `start` at once; `close` last of all."""

    def __init__(
        self,
        connection: PostgresConnection,
        place: PostgresPlace,
        *,
        epoch: int,
        identity: str,
        taken_at: float,
        former: str,
        end: End,
    ) -> None:
        """`taken_at`: seconds since the boot, measured before the lease was requested.

        `former`: the identity of the former leader, which may have a request under way; empty: none may.
        """
        self.former = former
        self.epoch = epoch
        self.handover = asyncio.Event()
        """A person requested a handover."""
        self.is_lost = False
        self._released = False
        self._connection, self._place, self._identity, self._end = connection, place, identity, end
        self._deadline = taken_at + LEASE_SECONDS - MARGIN_SECONDS
        self._quiet_from = taken_at + REQUEST_SECONDS if former else taken_at
        self._renewing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    @property
    def fence(self) -> Fence:
        """The check in each commit of our databases."""
        return Fence(self._place, self.epoch, self._identity, self.lose)

    @property
    def holds(self) -> bool:
        """Whether the lease has not run out by our clock."""
        return not self.is_lost and not self._released and seconds_since_boot() < self._deadline

    def start(self) -> None:
        """Renew it from now on."""
        self._task = asyncio.create_task(self._renew_always(), name="lease")

    async def close(self) -> None:
        """Release the lease, so that another may lead at once. Call it last: later calls of `confirm` are refused."""
        self._released = True
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        with contextlib.suppress(DatabaseError):
            if not self.is_lost:
                await lease_table.release(self._connection, self.epoch, self._identity)
        await self._connection.close()

    async def note_keys(self) -> None:
        """Note in the lease that `keys.db` has our epoch: no bridge with an older one can lead. Raises `DatabaseError`."""
        await self.confirm()
        async with self._renewing:
            await lease_table.note_keys(self._connection, self.epoch, self._identity)

    async def confirm(self) -> None:
        """Return if we lead; to be called immediately before anything is sent. Raises `LeadLost`, `DatabaseError`."""
        while not self.holds:
            if self.is_lost or self._released:
                raise LeadLost("lost" if self.is_lost else "released")
            await self._renew()

    async def watch_keys(self, keys: Path) -> None:
        """Lose the lead when another bridge has taken `keys.db`, by a server that was promoted while ours goes on."""
        while not self.is_lost:
            with contextlib.suppress(DatabaseError, OSError):  # locked, or detached
                if await asyncio.to_thread(peek_epoch, keys, recovers=False) > self.epoch:
                    self.lose("another bridge has keys.db, and leads by another database server")
            await asyncio.sleep(KEYS_SECONDS)

    async def wait_for_former_requests(self) -> None:
        """Wait until a request that the former leader may have begun has ended."""
        await asyncio.sleep(max(0.0, self._quiet_from - seconds_since_boot()))

    def lose(self, why: str) -> None:
        """Say that another leads: the end of this process."""
        if not self.is_lost:
            self.is_lost = True
            log.event("lease.lost")
            self._end(why)

    async def _renew_always(self) -> None:
        while not self.is_lost:
            with contextlib.suppress(LeadLost):
                try:
                    await self._renew()
                except DatabaseError as error:
                    log.failure("lease.not_renewed", error)
                    if not self.holds:
                        self.lose("the database did not answer until the lease ran out")
                    await asyncio.sleep(RETRY_SECONDS)
                    continue
            await asyncio.sleep(RENEW_SECONDS)

    async def _renew(self) -> None:
        async with self._renewing:
            if self._connection.is_closed:
                try:
                    self._connection = await connect_to_lease(self._place, name=LEADER_NAME)
                except LeadLost:
                    self.lose("a command has the line for itself")
                    raise
            asked_at = seconds_since_boot()
            try:
                is_handover_wanted = await lease_table.renew(self._connection, self.epoch, self._identity)
            except DatabaseError as error:
                if isinstance(error, Unavailable):
                    raise
                self.lose("the lease cannot be read")  # its table is missing, or another's
                raise LeadLost("table") from None
            if is_handover_wanted is None:
                self.lose("the lease is another's")
                raise LeadLost("epoch")
            self._deadline = asked_at + LEASE_SECONDS - MARGIN_SECONDS
            if is_handover_wanted:
                self.handover.set()
