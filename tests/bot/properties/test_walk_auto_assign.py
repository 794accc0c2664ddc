"""The same walk on a line that gives threads away unasked: what holds of a line holds of it too."""

from __future__ import annotations

import pytest
from hypothesis import settings

from policies.pack import AssignmentMode
from tests.bot.hypothesis_settings import WALK
from tests.bot.properties.test_walk import Line
from tests.bot.simulation import Simulation
from tests.bot.strategies import with_settings


class Unasked(Line):
    """Threads go to whoever has the fewest; whoever shows no sign within three minutes loses theirs."""

    def __init__(self) -> None:
        super().__init__()
        self.world = Simulation(with_settings(cap=1, assignment=AssignmentMode.LEAST_LOADED))

    def teardown(self) -> None:
        """Beside what holds anyway: nobody keeps for ever what they never answered."""
        super().teardown()
        assert not [thread for thread in self.world.threads.values() if 0 < thread.assignment.answer_by <= self.world.now]


TestUnasked = Unasked.TestCase
TestUnasked.settings = settings(WALK, max_examples=max(WALK.max_examples // 4, 50))
TestUnasked.pytestmark = pytest.mark.timeout(400)  # type: ignore[attr-defined] # pytest reads it, unittest does not know it
TestUnasked.__doc__ = "No order of events makes a line that gives threads away break a promise."
