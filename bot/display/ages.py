"""How long ago, as people say it."""

from __future__ import annotations

from typing import Final

from bot.wording.notice import notice_of

MINUTE: Final = 60.0
STEP_MINUTES: Final = 5
"""Minutes in which open threads are counted: an edit a minute all day would be noise."""


def describe_duration(seconds: float) -> str:
    """Say a length of time as people do."""
    minutes = int(max(seconds, 0) // 60)
    if minutes < 1:
        return notice_of("desk_board.less_than_a_minute")
    if minutes < 120:
        return notice_of("time.minutes", minutes=minutes)
    return f"{minutes // 60} h"


def describe_in_steps(seconds: float) -> str:
    """Say a length of time in steps of five minutes, so that a board which nothing happens to is not edited each minute."""
    minutes = int(max(seconds, 0) // 60) // STEP_MINUTES * STEP_MINUTES
    return describe_duration(minutes * MINUTE) if minutes else notice_of("desk_board.under_min", step_minutes=STEP_MINUTES)
