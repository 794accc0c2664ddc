"""How a point of a debrief is judged."""

from __future__ import annotations

from dataclasses import replace

from bot.drills.debrief import is_well
from bot.model.drill import DrillRun
from policies.drills.script import Check, DrillFact
from tests.every_row import every_row

RUN = DrillRun(
    id="0badcafe0bad",
    name="own",
    language="en",
    user="@ana:line.example",
    began=100.0,
    scene="begin",
    facts=(("answered", 110.0), ("limits", 130.0), ("answered", 190.0)),
    marks=(("one", 120.0), ("two", 150.0)),
)


def check(fact: DrillFact, **changed: object) -> Check:
    """Return a check of one fact."""
    return replace(Check(facts=frozenset({fact})), **changed)  # type: ignore[arg-type] # fields of Check


@every_row(
    ("looked", "well"),
    [
        (check(DrillFact.LIMITS), True),
        (check(DrillFact.RIGHTS), False),
        (check(DrillFact.RIGHTS, never=True), True),
        (check(DrillFact.LIMITS, before="one"), False),
        (check(DrillFact.LIMITS, before="two"), True),
        (check(DrillFact.LIMITS, after="two"), False),
        (check(DrillFact.ANSWERED, after="one", before="two", never=True), True),
        (check(DrillFact.ANSWERED, after="two", never=True), False),
        (check(DrillFact.ANSWERED, after="two", within=39), False),
        (check(DrillFact.ANSWERED, after="two", within=40), True),
        (check(DrillFact.LIMITS, within=30), True),
        (check(DrillFact.LIMITS, within=29), False),
        (check(DrillFact.LIMITS, after="three"), None),
        (check(DrillFact.LIMITS, before="three"), None),
    ],
)
def test_a_point_is_judged_by_times(looked: Check, well: bool | None) -> None:
    """A fact counts between its marks, and so long after the first; without its mark a point is none."""
    assert is_well(RUN, looked, now=200.0) is well
