"""Lengths of time as people say them: in short, in steps, in whole words.

Rule of this module: whole units only. The time since an event is rounded down, and is zero for an event in the future; a
setting's length is said exactly.
"""

from __future__ import annotations

from typing import Final

from bot.wording.notice import notice_of

MINUTE: Final = 60.0
STEP_MINUTES: Final = 5
"""Minutes in which open threads are counted: an edit a minute all day would be noise."""


def describe_duration(seconds: float) -> str:
    """Say in short how long ago something was: minutes, then hours."""
    minutes = int(max(seconds, 0) // 60)
    if minutes < 1:
        return notice_of("desk_board.less_than_a_minute")
    if minutes < 120:
        return notice_of("time.minutes", minutes=minutes)
    return f"{minutes // 60} h"


def describe_in_steps(seconds: float) -> str:
    """Say how long ago something was in steps of five minutes, so that a board without news is not edited each minute."""
    minutes = int(max(seconds, 0) // 60) // STEP_MINUTES * STEP_MINUTES
    return describe_duration(minutes * MINUTE) if minutes else notice_of("desk_board.under_min", step_minutes=STEP_MINUTES)


def describe_minutes(minutes: int) -> str:
    """Say in short how long something lasts, a minute at least: minutes, hours, from three days on days."""
    if minutes < 120:
        return notice_of("time.minutes", minutes=max(minutes, 1))
    return f"{minutes // 60} h" if minutes < 72 * 60 else notice_of("time.days", days=minutes // 1440)


def spell_duration(seconds: float) -> str:
    """Say in whole words how long something lasts, in the largest exact unit: a texter may read it."""
    if seconds < MINUTE:
        return notice_of("desk_board.less_than_a_minute")
    minutes, rest = divmod(round(seconds), 60)
    if rest:
        return notice_of("retention.seconds", seconds=round(seconds))
    hours, rest = divmod(minutes, 60)
    if hours < 2 or rest:
        return notice_of("retention.minutes", minutes=minutes) if minutes != 1 else notice_of("retention.a_minute")
    days, rest = divmod(hours, 24)
    return notice_of("retention.hours", hours=hours) if days < 3 or rest else notice_of("retention.days", days=days)
