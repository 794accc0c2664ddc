"""Which backups stay."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.runtime.keep_plan import KeepPlan
from tests.every_row import every_row

TIMES = st.lists(st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1)).map(lambda at: at.replace(tzinfo=UTC)))  # noqa: DTZ001 - hypothesis wants them so


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        ("8", KeepPlan(newest=8)),
        ("7d,4w,12m", KeepPlan(days=7, weeks=4, months=12)),
        (" 2, 30D ", KeepPlan(newest=2, days=30)),
    ],
)
def test_what_may_be_said(text: str, plan: KeepPlan) -> None:
    """A number, or numbers with letters, in any order."""
    assert KeepPlan.parse(text) == plan


@every_row("text", ["", "0", "-1", "7x", "7d,7d", "7d,,4w", "d", "1.5", "7d 4w", "99999"])
def test_what_may_not_be_said(text: str) -> None:
    """It is told how it is written; nothing is taken for less than was meant."""
    with pytest.raises(ValueError, match="such as 7d,4w,12m"):
        KeepPlan.parse(text)


@given(times=TIMES, days=st.integers(0, 9), weeks=st.integers(0, 5), months=st.integers(0, 12), newest=st.integers(0, 5))
def test_the_newest_of_each_period(times: list[datetime], days: int, weeks: int, months: int, newest: int) -> None:
    """Each of the last days, weeks and months that have a time keeps its last one, and no more stay than were asked for."""
    plan = KeepPlan(newest=newest, days=days, weeks=weeks, months=months)
    stay = plan.times_to_keep(times)
    assert stay <= set(times)
    assert len(stay) <= newest + days + weeks + months
    if times and any((newest, days, weeks, months)):
        assert max(times) in stay
    for count, period in ((days, "%Y-%m-%d"), (weeks, "%G-%V"), (months, "%Y-%m")):
        last = sorted({at.strftime(period) for at in times}, reverse=True)[:count]
        assert {max(at for at in times if at.strftime(period) == name) for name in last} <= stay
