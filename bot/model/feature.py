"""The result of one feature, and the alarm that many features raise.

Rule of this module: a feature returns the aggregate as it should be, the actions to take, and whether later features may
still look at the event.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from bot.model.actions import DESK, Action
from bot.model.desk import Desk, Facts, Thread
from bot.model.thread_desk_events import AlarmKind, AlarmRaised
from bot.model.transactional_actions import SendEvent
from policies.pack import Pack

A = TypeVar("A", Thread, Desk)


@dataclass(frozen=True, slots=True)
class Step(Generic[A]):
    """The result of one feature, or of a whole decision."""

    aggregate: A
    actions: tuple[Action, ...] = ()
    consumed: bool = False


Feature: TypeAlias = Callable[[Pack, Facts, Any, Any], Step[Any]]
"""`(pack, facts, aggregate, event) -> Step`; a feature is listed only for the aggregate and event it is written for.

A feature for messages also gets the parsed command: `bot.commands.dispatch.MessageFeature`.
"""


def raise_alarm(thread: Thread, alarm: AlarmKind, *, by: str = "") -> SendEvent:
    """Raise an alarm at the desk. `by`: see `AlarmRaised`."""
    return SendEvent(owner=DESK, event=AlarmRaised(designation=thread.designation, alarm=alarm, by=by))
