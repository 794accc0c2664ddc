"""Whether the time can be believed, for whatever destroys what is old.

Rules of this module: a machine whose clock was set by more than a minute is doubted, and doubt stands in the database until
a supervisor takes it away (`!time ok`); while it stands, nothing goes because its time has come. Within one run of the
program the bridge's own clock does not jump. Between two runs the machine's clock is compared with the time that passed,
which Linux knows as long as it was not restarted itself; after a restart of the machine nobody knows how long it was off,
so a gap of more than half a day, or any step back, is doubted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bridge.storage.database import Connection, Store

JUMP: Final = 60.0
LONGEST_OFF: Final = 12 * 3600.0
DOUBT: Final = "clock_doubted"
LAST: Final = "clock_last"
EVERY: Final = 60.0
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Reading:
    """The machine's clock, the time passed since it was started, and which start that was."""

    wall: float
    passed: float
    boot: str

    def text(self) -> str:
        """Write it for the database."""
        return f"{self.wall} {self.passed} {self.boot}"


def machine() -> Reading:
    """Read the machine's clocks."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    try:
        boot = BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        boot = ""
    return Reading(time.time(), time.clock_gettime(clock), boot)


class Doubt:
    """Compares the clock with the last run's. `look` at the start, `note` from time to time."""

    def __init__(self, *, store: Store, read: Callable[[], Reading] = machine) -> None:
        self._store, self._read = store, read
        self._noted = 0.0

    async def look(self) -> int:
        """Return by how many seconds the clock jumped while the program did not run; 0 when it did not."""
        last = await self._store.fetchval("SELECT value FROM line WHERE name = $1", LAST)
        return 0 if last is None else jumped(last, self._read())

    async def note(self) -> None:
        """Note the clock for the next start, once a minute."""
        reading = self._read()
        if abs(reading.passed - self._noted) < EVERY:
            return
        self._noted = reading.passed
        await self._store.commit(lambda conn: _write(conn, LAST, reading.text()))


def jumped(last: str, now: Reading) -> int:
    """Return by how many seconds the clock was set since the last reading, as far as that can be told."""
    wall, passed, *rest = last.split(" ")
    boot = rest[0] if rest else ""
    gap = now.wall - float(wall)
    if boot and boot == now.boot:
        jump = gap - (now.passed - float(passed))
        return int(jump) if abs(jump) >= JUMP else 0
    return int(gap) if gap < -JUMP or gap > LONGEST_OFF else 0


async def doubted(conn: Any) -> bool:
    """Whether the clock is doubted. `conn`: or a store."""
    return await conn.fetchval("SELECT 1 FROM line WHERE name = $1", DOUBT) is not None


async def doubt(conn: Connection) -> None:
    """Doubt the clock until a person says that it is right."""
    await _write(conn, DOUBT, "yes")


async def trust(conn: Connection) -> None:
    """Take the clock as right."""
    await conn.execute("DELETE FROM line WHERE name = $1", DOUBT)


async def _write(conn: Connection, name: str, value: str) -> None:
    await conn.execute(
        "INSERT INTO line (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        name,
        value,
    )
