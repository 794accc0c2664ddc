"""`quietline practices`: the 41 practices for one configuration, each with what shows it.

Rules of this module: it never says "met" of what software cannot meet, nor of what no test of this version shows; where the
configuration gives reason to say less, it says less, and why. The rows are in `practices.yaml`; which tests show them is in
`practices_shown.json`, which `python -m tests.practices` writes and a test holds to be current (tests are not shipped).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum, unique
from pathlib import Path
from typing import Any, Final

import yaml

from bridge.carriers.registry import CARRIER_KINDS
from bridge.config import Config
from policies.pack import Pack, TextName, samples, unreviewed

HERE: Final = Path(__file__).parents[1]
PRACTICES_FILE: Final = HERE / "practices.yaml"
SHOWN_FILE: Final = HERE / "practices_shown.json"
UNMEETABLE: Final = 22
"""The practice that no text message meets."""


@unique
class PracticeStatus(StrEnum):
    """How far a practice is met. The value is what people read."""

    MET = "met"
    STAFF = "met by staff with our help"
    POLICY = "by the agency's policy"
    NOT_MET = "not met"


@dataclass(frozen=True, slots=True, kw_only=True)
class PracticeResult:
    """One row: `how` it is done, `why` not better (empty if it does not), and the tests that show it."""

    number: int
    title: str
    standing: PracticeStatus
    how: str
    why: str
    tests: tuple[str, ...]


Downgrade = Callable[[Config, Pack], tuple[PracticeStatus, str] | None]
"""Looks at a configuration and says why a practice has a lower status with it than it could have."""


def evaluate(config: Config, pack: Pack, shown: Mapping[str, list[str]] | None = None) -> tuple[PracticeResult, ...]:
    """Judge every practice. `shown`: test ids by number, by default those written down."""
    tests = json.loads(SHOWN_FILE.read_text(encoding="utf-8")) if shown is None else shown
    rows: list[dict[str, Any]] = yaml.safe_load(PRACTICES_FILE.read_text(encoding="utf-8"))
    return tuple(_evaluate_row(row, config, pack, tuple(tests.get(str(row["number"]), ()))) for row in rows)


def all_met(results: tuple[PracticeResult, ...]) -> bool:
    """Whether every practice is met in some way, but for the one that never is."""
    return all(v.standing is not PracticeStatus.NOT_MET or v.number == UNMEETABLE for v in results)


def as_json(results: tuple[PracticeResult, ...]) -> str:
    """Write the results for a program."""
    return json.dumps([asdict(verdict) for verdict in results])


def as_text(results: tuple[PracticeResult, ...]) -> list[str]:
    """Write the results for a person."""
    lines: list[str] = []
    for v in results:
        lines.append(f"{v.number:2}  {v.standing}: {v.title}")
        lines.append(f"      {v.how}")
        lines += [f"      But: {v.why}"] if v.why else []
        lines += [f"      shown by {test}" for test in v.tests]
    return lines


def _evaluate_row(row: Mapping[str, Any], config: Config, pack: Pack, tests: tuple[str, ...]) -> PracticeResult:
    standing, why = PracticeStatus[row["best"].upper()], ""
    if downgrade := DOWNGRADES.get(row["number"]):
        standing, why = downgrade(config, pack) or (standing, why)
    if not tests and standing is not PracticeStatus.NOT_MET:
        standing, why = PracticeStatus.NOT_MET, "no test of this version shows it."
    return PracticeResult(number=row["number"], title=row["title"], standing=standing, how=row["how"], why=why, tests=tests)


def _texts(*names: TextName) -> Downgrade:
    """Doubt a practice whose words nobody reviewed, or that still hold an example's number."""

    def downgrade(_config: Config, pack: Pack) -> tuple[PracticeStatus, str] | None:
        ours = {name.value for name in names}
        if found := [text for text in unreviewed(pack) if text.partition(".")[0] in ours]:
            return PracticeStatus.NOT_MET, f"nobody reviewed {', '.join(found)}."
        if found := [text for text in samples(pack) if text.partition(".")[0] in ours]:
            return PracticeStatus.NOT_MET, f"an example's words stand in {', '.join(found)}."
        return None

    return downgrade


def _handset_in_path(config: Config, _pack: Pack) -> tuple[PracticeStatus, str] | None:
    if config.line.carrier.kind != "smsgate":
        return None
    return PracticeStatus.POLICY, "a handset is in the path: it has to be one that nobody reads, locked away."


def _staff_text_first(_config: Config, pack: Pack) -> tuple[PracticeStatus, str] | None:
    if not pack.settings.cold_outbound:
        return None
    return PracticeStatus.STAFF, "this line lets staff text first: the number is typed twice, by a person."


def _copies_remain(config: Config, _pack: Pack) -> tuple[PracticeStatus, str] | None:
    if CARRIER_KINDS[config.line.carrier.kind].exposure.we_delete:
        return None
    return PracticeStatus.POLICY, "nothing can be deleted at this carrier: see `quietline exposure`."


def _sample_hours(_config: Config, pack: Pack) -> tuple[PracticeStatus, str] | None:
    return (PracticeStatus.NOT_MET, "the opening hours are an example's.") if pack.hours.sample else None


def _nobody_on_call(config: Config, _pack: Pack) -> tuple[PracticeStatus, str] | None:
    if config.line.on_call is not None:
        return None
    return PracticeStatus.POLICY, "nobody is on call (lines.0.on_call): a long wait is called out at the desk only."


DOWNGRADES: Final[Mapping[int, Downgrade]] = {
    3: _handset_in_path,
    8: _texts(TextName.DEVICE),
    15: _staff_text_first,
    18: _copies_remain,
    26: _texts(TextName.LIMITS, TextName.RIGHTS),
    27: _texts(TextName.LIMITS),
    29: _sample_hours,
    30: _nobody_on_call,
    31: _texts(TextName.URGENT),
}
"""What a configuration can take away from a practice, by number."""
