"""`quietline handover`: the leader lets a standby lead, in an orderly way.

Rules of this module: the leader is asked only when a standby sees `keys.db`; otherwise, as where the volume follows the
leader, the line would be down until the same bridge leads again. A request that is not performed in time is withdrawn. The
row of the lease contains the request, so the command works on any machine that reaches the database. Before a bridge is
stopped only that bridge is asked (`--here`), so that the remaining one is never told to release the lease.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final

from bridge.lease.waiting import host_name
from bridge.storage.errors import DatabaseError
from bridge.storage.postgres_connection import PostgresPlace, connect
from bridge.tables import lease_table
from bridge.tables.lease_table import place_of_lease
from deploy.inspect.check_report import CheckReport, CheckResult
from deploy.inspect.leader import MAIN, NAME, read_leadership

if TYPE_CHECKING:
    from bridge.config.sections import Config

TIMEOUT_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.1
MOVE: Final = (
    "Where the volume of keys is at one machine alone: stop the bridge that leads there, unmount the volume, attach and "
    "mount it at the other machine. The bridge that waits there leads with it by itself (standby.md)."
)
"""The remedy when `keys.db` is not on a volume that both bridges see."""


async def hand_over(
    config: Config, *, timeout_seconds: float = TIMEOUT_SECONDS, here: bool = False, wait: float = 0.0
) -> CheckReport:
    """Request a handover and wait until another bridge leads. Raises `DatabaseError`.

    `here`: only when the bridge of this machine leads; otherwise nothing is to be done. `timeout_seconds`: how long the
    leader has to release the lease. `wait`: seconds in which a second bridge may still become a standby.
    """
    if (server := config.database_url) is None:
        return _failure("the line is on SQLite, and has one bridge", "Nothing can be handed over.")
    until = time.monotonic() + wait
    while True:
        leadership = await asyncio.to_thread(read_leadership, server)
        if here and (not leadership.leads or leadership.lease is None or leadership.lease.host != host_name()):
            return CheckReport(checks=(CheckResult(name=NAME, ok=True, what="the bridge of this machine does not lead"),))
        if (leadership.leads and leadership.standbys) or time.monotonic() >= until:
            break
        await asyncio.sleep(LOOK_SECONDS)
    if not leadership.leads or leadership.lease is None:
        return _failure("no bridge leads", "Start one.")
    if not leadership.standbys and leadership.keyless:
        return _failure("the bridge that waits does not see keys.db", f"Nothing was changed. {MOVE}")
    if not leadership.standbys:
        return _failure(
            "no bridge waits", "Start a second one, on this database and directory of keys; nothing was changed."
        )
    began, before = time.monotonic(), leadership.lease.epoch
    connection = await connect(place_of_lease(PostgresPlace(server, MAIN)))
    try:
        await lease_table.ask_handover(connection)
        while time.monotonic() - began < timeout_seconds:
            lease = await lease_table.read(connection)
            if lease is not None and lease.epoch > before:
                if lease.holder == leadership.lease.holder:
                    return _failure(f"the same bridge leads again, on {lease.host}", f"No other could. {MOVE}")
                seconds = time.monotonic() - began
                what = f"the bridge on {lease.host} leads (epoch {lease.epoch}), after {seconds:.1f} s"
                return CheckReport(checks=(CheckResult(name=NAME, ok=True, what=what),))
            await asyncio.sleep(LOOK_SECONDS)
        await lease_table.ask_handover(connection, wanted=False)  # before the report that the request was withdrawn
    finally:
        # Also when a person interrupts this: a frozen leader that wakes up later then keeps the lease.
        with contextlib.suppress(DatabaseError):
            await lease_table.ask_handover(connection, wanted=False)
        await connection.close()
    return _failure(
        f"the leader has not let go within {timeout_seconds:.0f} s", "The wish is taken back. See the logs of both bridges."
    )


def _failure(what: str, do: str) -> CheckReport:
    return CheckReport(checks=(CheckResult(name=NAME, ok=False, what=what, do=do),))
