"""The result of one feature.

Rule of this module: a feature returns the aggregate as it should be, the actions to take, and whether later features may
still look at the event.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from bot.model.actions import Action
from bot.model.desk import Desk, Facts, Thread
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
