"""The one rule of clocks (DECISIONS.md, "The fault model").

The line's time never runs behind its last note of it, and never jumps while the process lives (`bridge/runtime/clock.py`).
When the machine's clock was set by more than a minute, in a run or between two, the clock is doubted: the desk is told, and
nothing is deleted by its age until a supervisor says `!time ok`. Stored times are never rewritten.

Between two runs the machine's clock is compared with the elapsed time, which Linux knows unless the machine was restarted.
How long a restarted machine was off is unknown, so a gap of more than half a day, or any step back, is doubted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bot.model.text_order import MAX_SKEW
from bridge.storage.database import Database, Reader, Transaction
from bridge.tables import line_state

MAX_DOWNTIME: Final = 12 * 3600.0
MAX_AHEAD: Final = 366 * 86_400.0
"""A clock further ahead than this of the line's last note is wrong: the line does not start."""
SAMPLE_SECONDS: Final = 60.0
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class ClockSample:
    """The machine's clock, the time passed since it was started, and which start that was."""

    wall: float
    since_boot: float
    boot_id: str

    def text(self, now: float) -> str:
        """Write it for the database, with the line's time."""
        return f"{self.wall} {self.since_boot} {self.boot_id} {now}"


def sample_clock() -> ClockSample:
    """Read the machine's clocks."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    try:
        boot = BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        boot = ""
    return ClockSample(time.time(), time.clock_gettime(clock), boot)


class ClockCheck:
    """Compares the clock with the last run's, by samples that are noted meanwhile. `now`: the line's time."""

    def __init__(
        self, *, database: Database, now: Callable[[], float], sample: Callable[[], ClockSample] = sample_clock
    ) -> None:
        self._database, self._now, self._sample = database, now, sample
        self._last_sample = 0.0

    async def at_start(self) -> int:
        """Return by how many seconds the clock jumped while nothing ran; 0 where it did not."""
        last = await line_state.get(self._database, line_state.CLOCK_SAMPLE)
        return 0 if last is None else jump_between(last, self._sample())

    async def record_sample(self) -> None:
        """Note the clock for the next start, once a minute."""
        if abs(self._sample().since_boot - self._last_sample) >= SAMPLE_SECONDS:
            await self._database.commit(self.write_sample)

    async def write_sample(self, transaction: Transaction) -> None:
        """Note the clock, within a commit: a jump up to now is not found again."""
        sample = self._sample()
        self._last_sample = sample.since_boot
        await line_state.put(transaction, line_state.CLOCK_SAMPLE, sample.text(self._now()))


def jump_between(last: str, now: ClockSample) -> int:
    """Return by how many seconds the clock was set since the last reading, as far as known."""
    wall, since_boot, boot = last.split(" ")[:3]
    gap = now.wall - float(wall)
    if boot and boot == now.boot_id:
        jump = gap - (now.since_boot - float(since_boot))
        return int(jump) if abs(jump) >= MAX_SKEW else 0
    return int(gap) if gap < -MAX_SKEW or gap > MAX_DOWNTIME else 0


async def last_time(reader: Reader) -> float:
    """Return the line's time as last noted, at most a minute before the last commit; 0 before the first start."""
    last = await line_state.get(reader, line_state.CLOCK_SAMPLE)
    return 0.0 if last is None else float(last.split(" ")[3])


async def is_distrusted(reader: Reader) -> bool:
    """Whether the machine's clock is not trusted."""
    return await line_state.get(reader, line_state.CLOCK_DISTRUSTED) is not None


async def expiry_time(reader: Reader, now: float) -> float:
    """Return the time by which something is over: `now`, or the epoch while the clock is not trusted."""
    return 0.0 if await is_distrusted(reader) else now


async def distrust(transaction: Transaction) -> None:
    """Doubt the clock until a person says that it is right."""
    await line_state.put(transaction, line_state.CLOCK_DISTRUSTED, "yes")


async def trust(transaction: Transaction) -> None:
    """End the doubt: old data is deleted again."""
    await line_state.delete(transaction, line_state.CLOCK_DISTRUSTED)
