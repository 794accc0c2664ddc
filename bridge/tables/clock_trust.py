"""Decides whether the clock is trusted, for all code that destroys old data.

Rules of this module: a clock that was set by more than a minute is distrusted. The doubt is stored in the database until a
supervisor ends it (`!time ok`); until then nothing is deleted because its time is over. Within one run of the program the
bridge's own clock does not jump. Between two runs the machine's clock is compared with the elapsed time, which Linux knows
unless the machine was restarted; after a restart of the machine the time that it was off is unknown, so a gap of more than
half a day, or any step back, is doubted.

A clock that was ahead and was corrected leaves stored times too far in the future: expiries, reminders and retries would be
late by as much. The database has by how many seconds they are ahead (`seconds_ahead`) until they are corrected, at the
first start or moment at which the clock is trusted (`bridge/engine/clock_correction.py`). Data that a person wrote, or that
must not be deleted by mistake (suppression, the audit, certificates), keeps its time, and so is kept longer. After a clock
that was behind, everything would expire too early: those expiries are moved later by as much.
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
SAMPLE_SECONDS: Final = 60.0
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
DOUBTED: Final = "yes"
TRUSTED_FROM_NEXT_START: Final = "until the next start"
"""A person said that the clock is right while the bridge still used its earlier reading: doubt ends at the next start."""


@dataclass(frozen=True, slots=True)
class ClockSample:
    """The machine's clock, the time passed since it was started, and which start that was."""

    wall: float
    since_boot: float
    boot_id: str

    def text(self, now: float) -> str:
        """Write it for the database, with the time of the bridge's clock."""
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
    """Compares the clock with the last run's, by samples that are noted meanwhile. `now`: the bridge's time."""

    def __init__(
        self, *, database: Database, now: Callable[[], float], sample: Callable[[], ClockSample] = sample_clock
    ) -> None:
        self._database, self._now, self._sample = database, now, sample
        self._last_sample = 0.0

    async def at_start(self) -> tuple[int, int]:
        """Return by how many seconds the clock jumped while nothing ran, and by how many stored times are ahead.

        Both are 0 where that is not so.
        """
        last = await line_state.get(self._database, line_state.CLOCK_SAMPLE)
        if last is None:
            return 0, 0
        sample = self._sample()
        return jump_between(last, sample), ahead_between(last, sample, self._now())

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
    wall, since_boot, *rest = last.split(" ")
    boot = rest[0] if rest else ""
    gap = now.wall - float(wall)
    if boot and boot == now.boot_id:
        jump = gap - (now.since_boot - float(since_boot))
        return int(jump) if abs(jump) >= MAX_SKEW else 0
    return int(gap) if gap < -MAX_SKEW or gap > MAX_DOWNTIME else 0


def ahead_between(last: str, sample: ClockSample, now: float) -> int:
    """Return by how many seconds the bridge's time of the last reading is ahead of its present one, as far as known.

    Negative if it is behind. How long a machine was off whose clock was set back is unknown: that time counts as 0.
    """
    wall, since_boot, *rest = last.split(" ")
    then = float(rest[1]) if len(rest) > 1 else float(wall)
    if rest and rest[0] and rest[0] == sample.boot_id:
        passed = sample.since_boot - float(since_boot)
    else:
        passed = max(0.0, sample.wall - float(wall))
    return int(then + passed - now)


async def is_distrusted(reader: Reader) -> bool:
    """Whether the machine's clock is not trusted."""
    return await line_state.get(reader, line_state.CLOCK_DISTRUSTED) is not None


async def is_trusted_from_next_start(reader: Reader) -> bool:
    """Whether a person said that the clock is right, and the bridge must restart to use it."""
    return await line_state.get(reader, line_state.CLOCK_DISTRUSTED) == TRUSTED_FROM_NEXT_START


async def expiry_time(reader: Reader, now: float) -> float:
    """Return the time by which something is over: `now`, or the epoch while the clock is not trusted."""
    return 0.0 if await is_distrusted(reader) else now


async def distrust(transaction: Transaction) -> None:
    """Doubt the clock until a person says that it is right."""
    await line_state.put(transaction, line_state.CLOCK_DISTRUSTED, DOUBTED)


async def trust(transaction: Transaction, *, offset: float = 0.0) -> None:
    """Take the clock as right: at once, or from the next start where that has something to mend first.

    `offset`: by how much it differs from the bridge's time, which is set right by a start; so are stored times.
    """
    if abs(offset) < MAX_SKEW and not await seconds_ahead(transaction):
        await end_doubt(transaction)
    elif await is_distrusted(transaction):
        await line_state.put(transaction, line_state.CLOCK_DISTRUSTED, TRUSTED_FROM_NEXT_START)


async def end_doubt(transaction: Transaction) -> None:
    """End the doubt: old data is deleted again."""
    await line_state.delete(transaction, line_state.CLOCK_DISTRUSTED)


async def seconds_ahead(reader: Reader) -> int:
    """Return how many seconds stored times are ahead of the clock (negative: behind) until they are corrected; else 0."""
    return int(await line_state.get(reader, line_state.CLOCK_AHEAD) or 0)


async def add_ahead(transaction: Transaction, seconds: int) -> None:
    """Note that stored times lie ahead by so many seconds more; a clock that came forward again takes that back.

    Where nothing lay ahead, a clock that came forward leaves all of them behind.
    """
    noted = await seconds_ahead(transaction)
    if noted + seconds >= MAX_SKEW or (noted <= 0 and noted + seconds <= -MAX_SKEW):
        await line_state.put(transaction, line_state.CLOCK_AHEAD, str(noted + seconds))
    else:
        await line_state.delete(transaction, line_state.CLOCK_AHEAD)
