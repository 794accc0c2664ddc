"""Numbers of the plots: what is hidden in the tables is hidden here, and cannot be reckoned back."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.inspect.monthly_report import SMALLEST_SHOWN, WAIT_STEPS, as_text
from deploy.report.page import report_page
from deploy.report.plots import Figure, Plot, plots_json, plots_of
from tests.deploy.report.tallies import CELLS, Counter, months_of

MOST_HIDDEN = 4
"""Hidden cells for which every combination is tried: 4 ** 4 reports."""
KEYS = st.tuples(
    st.sampled_from(["2027-01", "2027-02"]),
    st.sampled_from(["en", "es"]),
    st.sampled_from([*WAIT_STEPS, "shelter", "unmet_language", "gone_when_answered"]),
)
COUNTERS = st.dictionaries(KEYS, st.integers(1, 3 * SMALLEST_SHOWN), max_size=8)


def plot(name: str, *counters: Counter) -> Plot:
    return next(each for each in plots_of(months_of(counters)) if each.name == name)


def published(counters: list[Counter]) -> tuple[str, ...]:
    """Return everything that the verb can write of these counters."""
    months = months_of(counters)
    return (plots_json(months), report_page(months, "en"), report_page(months, "es"), *as_text(months))


def reckoned_back(counters: list[Counter]) -> list[Counter]:
    """Return the hidden counters of which a reader of everything can rule out a number from 1 to 4, by trying them all."""
    hidden = [place for place, (*_, number) in enumerate(counters) if number < SMALLEST_SHOWN][:MOST_HIDDEN]
    original, possible = published(counters), {place: set[int]() for place in hidden}
    for numbers in itertools.product(range(1, SMALLEST_SHOWN), repeat=len(hidden)):
        tried = list(counters)
        for place, number in zip(hidden, numbers, strict=True):
            tried[place] = (*counters[place][:3], number)
        if published(tried) == original:
            for place, number in zip(hidden, numbers, strict=True):
                possible[place].add(number)
    return [counters[place] for place, numbers in possible.items() if numbers != set(range(1, SMALLEST_SHOWN))]


@pytest.mark.practice(21)
@given(COUNTERS)
def test_no_report_tells_a_hidden_count(counted: dict[tuple[str, str, str], int]) -> None:
    """Pages, JSON and tables are the same, byte for byte, whatever a hidden counter is: sums, bars and axes included."""
    first = published([(*key, number) for key, number in counted.items()])
    for hidden in range(1, SMALLEST_SHOWN):
        other: list[Counter] = [(*key, hidden if number < SMALLEST_SHOWN else number) for key, number in counted.items()]
        assert published(other) == first


@pytest.mark.practice(21)
def test_trying_all_numbers_rules_none_out() -> None:
    """Every combination of the hidden counts of a real month is possible for a reader of everything that is written."""
    assert reckoned_back([*CELLS]) == []


def test_a_sum_is_told_only_where_all_of_it_is_shown() -> None:
    """Load and languages: 27 in March; nothing in January, where the 3 of one language would be told by the rest."""
    load = [(row.month, row.number, row.figure) for row in plot("load", *CELLS).rows]
    assert load == [("2027-01", None, Figure.WITHHELD), ("2027-02", 0, Figure.COUNTED), ("2027-03", 27, Figure.COUNTED)]
    languages = {(row.month, row.language): row.number for row in plot("languages", *CELLS).rows}
    assert languages[("2027-01", "en")] == 37
    assert languages[("2027-01", "es")] is None
    assert languages[("2027-03", "es")] == 7


def test_months_have_the_same_rows_and_axis() -> None:
    """Also the month between two others in which nothing was counted: zeros, not a gap."""
    for each in plots_of(months_of(CELLS)):
        assert each.months == ["2027-01", "2027-02", "2027-03"], each.name
        if each.name != "load":
            rows = [[(row.kind, row.language) for row in each.rows if row.month == month] for month in each.months]
            assert rows[0] == rows[1] == rows[2], each.name
    assert {row.number for row in plot("needs", *CELLS).rows if row.month == "2027-02"} == {0}
