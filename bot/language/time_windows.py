"""Times of day, as the line's clock on the wall says them: those at which a texter said that texting is safe.

Rule of this module: a time is a minute of the line's day; a span may run over midnight.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from bot.model.thread import ConsentFlags
from policies.pack import Pack

SPAN: Final = re.compile(r"([01]?\d|2[0-3])(?::([0-5]\d))?-(?:([01]?\d|2[0-3])(?::([0-5]\d))?|24(?::00)?)")
MAX_SPANS: Final = 5


def local(pack: Pack, at: float) -> datetime:
    """Return a moment (seconds since the epoch) in the time zone of the line."""
    return datetime.fromtimestamp(at, ZoneInfo(pack.hours.timezone))


def is_safe(flags: ConsentFlags, moment: datetime) -> bool:
    """Tell whether a moment of the line's day is within the safe times, as far as any were agreed."""
    minute = moment.hour * 60 + moment.minute
    inside = (a <= minute < b if a < b else minute >= a or minute < b for a, b in flags.safe_times)
    return not flags.safe_times or any(inside)


def describe(flags: ConsentFlags) -> str:
    """Say the safe times."""
    return ", ".join(f"{a // 60}:{a % 60:02}-{b // 60}:{b % 60:02}" for a, b in flags.safe_times) or "any time"


def parse(words: str) -> tuple[tuple[int, int], ...] | None:
    """Read `9-15:30 20-2`; None when it cannot be read, or nothing is in it."""
    found = [SPAN.fullmatch(word) for word in words.replace(",", " ").split()]
    if not found or len(found) > MAX_SPANS:
        return None
    spans = []
    for span in found:
        if span is None:
            return None
        start = int(span[1]) * 60 + int(span[2] or 0)
        end = 1440 if span[3] is None else int(span[3]) * 60 + int(span[4] or 0)
        if start == end:
            return None
        spans.append((start, end))
    return tuple(spans)
