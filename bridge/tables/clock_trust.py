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
from typing import Final

from bridge.storage.database import Database, Reader, Transaction
from bridge.tables import line_state

MAX_SKEW: Final = 60.0
MAX_DOWNTIME: Final = 12 * 3600.0
SAMPLE_SECONDS: Final = 60.0
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class ClockSample:
    """The machine's clock, the time passed since it was started, and which start that was."""

    wall: float
    since_boot: float
    boot_id: str

    def text(self) -> str:
        """Write it for the database."""
        return f"{self.wall} {self.since_boot} {self.boot_id}"


def sample_clock() -> ClockSample:
    """Read the machine's clocks."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    try:
        boot = BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        boot = ""
    return ClockSample(time.time(), time.clock_gettime(clock), boot)


class ClockCheck:
    """Compares the clock with the last run's. `jump_since_last_run` at the start, `record_sample` from time to time."""

    def __init__(self, *, database: Database, sample: Callable[[], ClockSample] = sample_clock) -> None:
        self._database, self._sample = database, sample
        self._noted = 0.0

    async def jump_since_last_run(self) -> int:
        """Return by how many seconds the clock jumped while the program did not run; 0 when it did not."""
        last = await line_state.get(self._database, line_state.CLOCK_SAMPLE)
        return 0 if last is None else jump_between(last, self._sample())

    async def record_sample(self) -> None:
        """Note the clock for the next start, once a minute."""
        sample = self._sample()
        if abs(sample.since_boot - self._noted) < SAMPLE_SECONDS:
            return
        self._noted = sample.since_boot
        await self._database.commit(lambda transaction: line_state.put(transaction, line_state.CLOCK_SAMPLE, sample.text()))


def jump_between(last: str, now: ClockSample) -> int:
    """Return by how many seconds the clock was set since the last reading, as far as that can be told."""
    wall, since_boot, *rest = last.split(" ")
    boot = rest[0] if rest else ""
    gap = now.wall - float(wall)
    if boot and boot == now.boot_id:
        jump = gap - (now.since_boot - float(since_boot))
        return int(jump) if abs(jump) >= MAX_SKEW else 0
    return int(gap) if gap < -MAX_SKEW or gap > MAX_DOWNTIME else 0


async def is_distrusted(reader: Reader) -> bool:
    """Whether the machine's clock is not trusted."""
    return await line_state.get(reader, line_state.CLOCK_DISTRUSTED) is not None


async def distrust(transaction: Transaction) -> None:
    """Doubt the clock until a person says that it is right."""
    await line_state.put(transaction, line_state.CLOCK_DISTRUSTED, "yes")


async def trust(transaction: Transaction) -> None:
    """Take the clock as right."""
    await line_state.delete(transaction, line_state.CLOCK_DISTRUSTED)
