"""`run/deaths.json`: when children of `up` died; otherwise the supervisor's restarts would hide that.

Rules of this module: only times, by name of a child, for one week. An error when the file is read or written costs only the
count.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, Final

from deploy.data_dir.atomic_files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

KEPT_SECONDS: Final = 7 * 86_400.0
MAX_KEPT: Final = 100


def record_death(path: Path, name: str, now: float) -> None:
    """Note that the child of that name died at that time (seconds since the epoch)."""
    deaths = _read(path)
    times = [time for time in deaths.get(name, ()) if 0 <= now - time < KEPT_SECONDS]
    deaths[name] = [*times, float(int(now))][-MAX_KEPT:]
    with contextlib.suppress(OSError):
        write_atomically(path, json.dumps(deaths) + "\n")


def count_deaths(path: Path, since: float) -> dict[str, int]:
    """Count the deaths after that time, by name of the child; children without a death are left out."""
    counts = {name: sum(time > since for time in times) for name, times in _read(path).items()}
    return {name: count for name, count in counts.items() if count}


def _read(path: Path) -> dict[str, list[float]]:
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): [float(time) for time in times] for name, times in content.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
