"""What the long run says of its figures."""

from __future__ import annotations

from typing import cast

import pytest

from tests.fakes.takeovers import CUT_OFF, HOW, Takeovers
from tests.fakes.two_bridges import TwoBridges
from tests.long.__main__ import TAKEOVER_SECONDS, _seconds


@pytest.mark.parametrize(("seconds", "is_well"), [([7.9, TAKEOVER_SECONDS], True), ([7.9, 15.1], False), ([], True)])
def test_a_takeover_that_took_too_long_is_wrong(seconds: list[float], is_well: bool) -> None:
    """However short the others were; one of which there was none is not."""
    made = Takeovers(line=cast("TwoBridges", None))
    made.seconds[CUT_OFF] += seconds
    assert [good for _, _, good in _seconds(made, within=TAKEOVER_SECONDS)] == [how != CUT_OFF or is_well for how in HOW]
