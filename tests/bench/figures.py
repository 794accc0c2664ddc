"""A benchmark's result: one figure, with what the machine itself could do in the same run.

Rule of this module: a figure has no verdict. The aim is printed with it, for a person to compare.
"""

from __future__ import annotations

import math
import os
import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PAGE = b"\1" * 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured value. `ceiling`: the value of the same machine without us. `ratio`: value / ceiling."""

    name: str
    unit: str
    value: float
    ceiling: float
    ceiling_is: str
    aim: str
    definition: str
    more: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the figure in its printed form."""
        return {
            "name": self.name,
            "unit": self.unit,
            "value": round(self.value, 3),
            "ceiling": round(self.ceiling, 3),
            "ceiling_is": self.ceiling_is,
            "ratio": round(self.value / self.ceiling, 3) if self.ceiling else None,
            "aim": self.aim,
            "definition": self.definition,
            **self.more,
        }


def quantile(values: Sequence[float], part: float) -> float:
    """Return the smallest value that at least this part of all do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(math.ceil(part * len(ordered)) - 1, 0)]


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Return the distribution of times, in milliseconds."""
    percentiles = {f"p{int(part * 100)}": round(quantile(seconds, part) * 1000, 2) for part in (0.5, 0.95, 0.99)}
    return {**percentiles, "max": round(max(seconds) * 1000, 2), "count": len(seconds)}


def sync_times(directory: Path, *, times: int = 40) -> list[float]:
    """Measure, in seconds, how long the disk takes to sync one page: append 4 KiB, then fdatasync."""
    path = directory / "sync-time"
    durations = []
    with path.open("wb", buffering=0) as file:
        for _ in range(times):
            started_at = time.perf_counter()
            file.write(PAGE)
            os.fdatasync(file.fileno())
            durations.append(time.perf_counter() - started_at)
    path.unlink()
    return durations


def machine(directory: Path) -> dict[str, Any]:
    """Return a description of the machine and its load."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processors": os.cpu_count(),
        "load_average": os.getloadavg(),
        "fdatasync_ms": round(statistics.median(sync_times(directory)) * 1000, 3),
    }
