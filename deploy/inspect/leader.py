"""Which bridge leads a line, read from the database: for `status`, `doctor` and `handover`.

Rule of this module: it only reads; whether the lease is valid is the server's answer, by the server's clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.storage.errors import DatabaseError
from bridge.storage.postgres_connection import PostgresPlace
from bridge.tables import lease_table
from bridge.tables.lease_table import place_of_lease
from deploy.data_dir import postgres_snapshot
from deploy.inspect.check_report import CheckResult

if TYPE_CHECKING:
    from bridge.config.sections import Config
    from bridge.tables.lease_table import Lease

NAME: Final = "leader"
MAIN: Final = "main"
RAN_OUT: Final = (
    "Is that bridge frozen, or cut off from PostgreSQL? Texts are answered 503 and come again. A bridge that waits takes "
    "over by itself; without one start it again."
)


@dataclass(frozen=True, slots=True)
class Leadership:
    """The lease, None if there never was one, and the number of standbys: with `keys.db`, and without it."""

    lease: Lease | None
    standbys: int
    keyless: int = 0

    @property
    def leads(self) -> bool:
        """Whether a bridge leads now."""
        return self.lease is not None and bool(self.lease.holder) and not self.lease.released and not self.lease.run_out


def read_leadership(server: str) -> Leadership:
    """Read lease and standbys. `server`: the URL of the line's database. Raises `DatabaseError`."""
    with postgres_snapshot.snapshot(place_of_lease(PostgresPlace(server, MAIN))) as snapshot:
        return Leadership(lease_table.peek(snapshot), *lease_table.peek_standbys(snapshot))


def check_leader(config: Config) -> CheckResult:
    """Report the leader, and the number of standbys. Raises `DatabaseError`."""
    if (server := config.database_url) is None:
        return CheckResult(name=NAME, ok=True, what="one bridge, which the lock of its directory keeps alone")
    leadership = read_leadership(server)
    lease, waiting = leadership.lease, _waiting(leadership)
    if lease is None or not lease.holder or lease.released:
        return CheckResult(name=NAME, ok=True, what=f"no bridge leads just now, {waiting}")
    if lease.run_out:
        what = f"the bridge on {lease.host} had the lease, and has not renewed it; {waiting}"
        return CheckResult(name=NAME, ok=False, what=what, do=RAN_OUT)
    return CheckResult(name=NAME, ok=True, what=f"the bridge on {lease.host} (epoch {lease.epoch}), {waiting}")


def _waiting(leadership: Leadership) -> str:
    number = leadership.standbys + leadership.keyless
    waiting = "one waits" if number == 1 else f"{number or 'none'} wait"
    if not leadership.keyless:
        return waiting
    return f"{waiting}, without keys.db" if not leadership.standbys else f"{waiting}, {leadership.keyless} without keys.db"


def leader_rows(config: Config) -> list[CheckResult]:
    """Return the row of a line that may have several bridges, for `status`; none for SQLite, or without an answer."""
    try:
        return [check_leader(config)] if config.database is not None else []
    except (DatabaseError, OSError):
        return []
