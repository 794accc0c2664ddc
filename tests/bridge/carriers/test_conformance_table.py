"""The conformance table in the documentation, whatever part of the suite runs."""

from __future__ import annotations

import pytest

from tests.bridge.carriers import conformance_table
from tests.bridge.carriers.behaviours import BEHAVIOURS
from tests.bridge.carriers.rows import ROWS


def test_the_committed_table_is_of_these_adapters_and_behaviours() -> None:
    """The file is the table of a run in which all that is asked today passed: nothing older, nothing typed by hand."""
    assert conformance_table.FILE.read_text(encoding="utf-8") == conformance_table.drawn(
        dict.fromkeys(conformance_table.ASKED, "passed")
    )


def test_a_failure_is_drawn() -> None:
    """A behaviour that failed or was not tried changes the table, in its own cell only."""
    passed = dict.fromkeys(conformance_table.ASKED, "passed")
    cell = ("twilio", "send_faults")
    for outcome, sign in (("failed", "**failed**"), ("skipped", "not tried")):
        was, now = (
            conformance_table.drawn(passed).splitlines(),
            conformance_table.drawn(passed | {cell: outcome}).splitlines(),
        )
        ((before, after),) = [pair for pair in zip(was, now, strict=True) if pair[0] != pair[1]]
        column = 1 + [row.name for row in ROWS].index("twilio")
        assert after.split(" | ")[column] == sign
        assert before.split(" | ")[:column] == after.split(" | ")[:column]


def test_part_of_a_run_is_no_table() -> None:
    """With one cell missing nothing is compared or written, and nothing can be drawn."""
    part = dict.fromkeys(conformance_table.ASKED, "passed")
    part.popitem()
    assert not conformance_table.whole(part)
    with pytest.raises(KeyError):
        conformance_table.drawn(part)


def test_every_behaviour_is_shown_by_somebody() -> None:
    """No row of the table is empty: a behaviour that no vendor is asked for shows nothing."""
    assert {behaviour.promise.__name__ for behaviour in BEHAVIOURS} == {name for _, name in conformance_table.ASKED}
