"""What is stored is named by its class, and only classes that are stored have a name."""

from __future__ import annotations

from typing import get_args

import pytest

from bot.model.actions import Action
from bot.model.desk import Desk, Thread
from bot.model.events import Event, TimerDue
from bridge.storage import serialization


def test_what_is_written_is_read_back_under_its_name() -> None:
    """The name that a statement asks for is the one under which a value was written."""
    event = TimerDue(key="silence")
    assert serialization.decode(serialization.kind_name(TimerDue), serialization.encode(event)) == event


def test_only_what_is_stored_has_a_name() -> None:
    """Every event, action and aggregate has a name of its own; a class that is never stored has none."""
    stored = [*get_args(Event), *get_args(Action), Thread, Desk]
    assert len({serialization.kind_name(kind) for kind in stored}) == len(stored)
    with pytest.raises(KeyError):
        serialization.kind_name(str)
