"""What is found wrong with a script as a whole."""

from __future__ import annotations

from dataclasses import replace

import pytest

from policies.drills.load import flaws, load_drills
from policies.drills.script import (
    Branch,
    Check,
    DrillFact,
    DrillScript,
    End,
    Go,
    Mark,
    Pause,
    Point,
    Step,
    Text,
    Wait,
)
from tests.every_row import every_row

WORDS = {"en": "hi", "es": "hola"}
HI = Text(words=WORDS)
ANSWERED = frozenset({DrillFact.ANSWERED})


def script(*steps: Step, **scenes: tuple[Step, ...]) -> DrillScript:
    """Return a script with these steps in its first scene."""
    return DrillScript(name="own", title=WORDS, about=WORDS, scenes={"begin": steps, **scenes}, points=())


def wait(seconds: int = 60, otherwise: str = "") -> Wait:
    """Return a wait for an answer."""
    return Wait(facts=ANSWERED, seconds=seconds, otherwise=otherwise)


def test_what_comes_with_quietline_is_well() -> None:
    """At least eight texters come with Quietline, and none of their scripts has a flaw."""
    drills = load_drills()
    assert len(drills) >= 8
    assert {name: flaws(drill) for name, drill in drills.items() if flaws(drill)} == {}


@every_row(
    ("bad_script", "place", "what"),
    [
        pytest.param(script(HI, Go(scene="begin")), "scenes.begin", "back to itself", id="loop at once"),
        pytest.param(
            script(HI, Go(scene="one"), one=(Go(scene="two"),), two=(wait(otherwise="one"), End())),
            "scenes.two",
            "back to itself",
            id="loop over two scenes",
        ),
        pytest.param(script(HI, Go(scene="nowhere")), "scenes.begin.1", "no scene “nowhere”", id="go nowhere"),
        pytest.param(script(HI, wait(otherwise="gone"), End()), "scenes.begin.1", "no scene “gone”", id="wait to nowhere"),
        pytest.param(
            script(HI, Branch(facts=ANSWERED, then="begin2", otherwise="here"), here=(End(),)),
            "scenes.begin.1",
            "no scene “begin2”",
            id="branch to nowhere",
        ),
        pytest.param(script(HI, Pause(seconds=3)), "scenes.begin", "it stops", id="no end"),
        pytest.param(script(HI, End(), HI), "scenes.begin.1", "nothing behind", id="after the end"),
        pytest.param(script(HI, End(), apart=(End(),)), "scenes.apart", "no step leads", id="cannot be reached"),
        pytest.param(script(wait(), End()), "scenes.begin", "says nothing", id="begins without a text"),
        pytest.param(script(HI, *[wait(900)] * 5, End()), "scenes", "75 minutes", id="too long"),
    ],
)
def test_a_script_ends_on_every_way(bad_script: DrillScript, place: str, what: str) -> None:
    """Loops, branches to nowhere, scenes that stop or cannot be reached are told with their place."""
    assert any(flaw.startswith(f"{place}:") and what in flaw for flaw in flaws(bad_script)), flaws(bad_script)


@every_row(
    "words",
    [
        "call me at 212-867-5309",
        "+1 (212) 867 5309",
        "2128675309",
        "+44 20 7946 0958",
        "ana@shelter-of-ours.org",
        "see https://real-place.com",
    ],
)
def test_a_number_that_may_be_somebodys_is_refused(words: str) -> None:
    """Neither a texter nor a debrief names a number or an address that is not set aside for fiction."""
    bad = script(Text(words={"en": words, "es": "hola"}), End())
    assert any(flaw.startswith("scenes.begin.0.en:") for flaw in flaws(bad)), flaws(bad)


@pytest.mark.parametrize(
    "words", ["call 212-555-0134", "+1 555 555 0107", "at 10 30", "in 2027 he was 45", "a@example.org"]
)
def test_numbers_of_fiction_and_other_digits_are_well(words: str) -> None:
    """Numbers set aside for fiction, ages, times and years are nobody's."""
    assert flaws(script(Text(words={"en": words, "es": "hola"}), End())) == ()


def test_a_point_needs_its_mark() -> None:
    """A point of the debrief that looks from a mark which no step sets would never be told."""
    check = Check(facts=ANSWERED, after="taken")
    point = Point(practice=9, check=check, well=WORDS, next_time=WORDS)
    bad = replace(script(HI, End()), points=(point,))
    assert flaws(bad) == ("debrief.0: no step marks “taken”",)
    assert flaws(replace(script(HI, Mark(name="taken"), End()), points=(point,))) == ()
