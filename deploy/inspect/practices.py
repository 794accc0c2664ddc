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

from bridge.carriers.registry import KINDS
from bridge.config import Config
from policies.pack import Pack, TextName, samples, unreviewed

HERE: Final = Path(__file__).parents[1]
ROWS: Final = HERE / "practices.yaml"
SHOWN: Final = HERE / "practices_shown.json"
NEVER: Final = 22
"""The practice that no text message meets."""


@unique
class Standing(StrEnum):
    """How a practice stands. The value is what people read."""

    MET = "met"
    STAFF = "met by staff with our help"
    POLICY = "by the agency's policy"
    NOT_MET = "not met"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One row: `how` it is done, `why` it stands lower than it could (empty if it does not), and the tests that show it."""

    number: int
    title: str
    standing: Standing
    how: str
    why: str
    tests: tuple[str, ...]


Doubt = Callable[[Config, Pack], tuple[Standing, str] | None]
"""Looks at a configuration and says why a practice stands lower with it than it could."""


def judge(config: Config, pack: Pack, shown: Mapping[str, list[str]] | None = None) -> tuple[Verdict, ...]:
    """Judge every practice. `shown`: test ids by number, by default those written down."""
    tests = json.loads(SHOWN.read_text(encoding="utf-8")) if shown is None else shown
    rows: list[dict[str, Any]] = yaml.safe_load(ROWS.read_text(encoding="utf-8"))
    return tuple(_verdict(row, config, pack, tuple(tests.get(str(row["number"]), ()))) for row in rows)


def well(verdicts: tuple[Verdict, ...]) -> bool:
    """Whether every practice is met in some way, but for the one that never is."""
    return all(v.standing is not Standing.NOT_MET or v.number == NEVER for v in verdicts)


def as_json(verdicts: tuple[Verdict, ...]) -> str:
    """Write the verdicts for a program."""
    return json.dumps([asdict(verdict) for verdict in verdicts])


def as_text(verdicts: tuple[Verdict, ...]) -> list[str]:
    """Write the verdicts for a person."""
    lines: list[str] = []
    for v in verdicts:
        lines.append(f"{v.number:2}  {v.standing}: {v.title}")
        lines.append(f"      {v.how}")
        lines += [f"      But: {v.why}"] if v.why else []
        lines += [f"      shown by {test}" for test in v.tests]
    return lines


def _verdict(row: Mapping[str, Any], config: Config, pack: Pack, tests: tuple[str, ...]) -> Verdict:
    standing, why = Standing[row["best"].upper()], ""
    if doubt := DOUBTS.get(row["number"]):
        standing, why = doubt(config, pack) or (standing, why)
    if not tests and standing is not Standing.NOT_MET:
        standing, why = Standing.NOT_MET, "no test of this version shows it."
    return Verdict(number=row["number"], title=row["title"], standing=standing, how=row["how"], why=why, tests=tests)


def _words(*names: TextName) -> Doubt:
    """Doubt a practice whose words nobody reviewed, or that still hold an example's number."""

    def doubt(_config: Config, pack: Pack) -> tuple[Standing, str] | None:
        ours = {name.value for name in names}
        if found := [text for text in unreviewed(pack) if text.partition(".")[0] in ours]:
            return Standing.NOT_MET, f"nobody reviewed {', '.join(found)}."
        if found := [text for text in samples(pack) if text.partition(".")[0] in ours]:
            return Standing.NOT_MET, f"an example's words stand in {', '.join(found)}."
        return None

    return doubt


def _handset(config: Config, _pack: Pack) -> tuple[Standing, str] | None:
    if config.line.carrier.kind != "smsgate":
        return None
    return Standing.POLICY, "a handset is in the path: it has to be one that nobody reads, locked away."


def _typed(_config: Config, pack: Pack) -> tuple[Standing, str] | None:
    if not pack.settings.cold_outbound:
        return None
    return Standing.STAFF, "this line lets staff text first: the number is typed twice, by a person."


def _copies(config: Config, _pack: Pack) -> tuple[Standing, str] | None:
    if KINDS[config.line.carrier.kind].exposure.we_delete:
        return None
    return Standing.POLICY, "nothing can be deleted at this carrier: see `quietline exposure`."


def _hours(_config: Config, pack: Pack) -> tuple[Standing, str] | None:
    return (Standing.NOT_MET, "the opening hours are an example's.") if pack.hours.sample else None


def _on_call(config: Config, _pack: Pack) -> tuple[Standing, str] | None:
    if config.line.on_call is not None:
        return None
    return Standing.POLICY, "nobody is on call (lines.0.on_call): a long wait is called out at the desk only."


DOUBTS: Final[Mapping[int, Doubt]] = {
    3: _handset,
    8: _words(TextName.DEVICE),
    15: _typed,
    18: _copies,
    26: _words(TextName.LIMITS, TextName.RIGHTS),
    27: _words(TextName.LIMITS),
    29: _hours,
    30: _on_call,
    31: _words(TextName.URGENT),
}
"""What a configuration can take away from a practice, by number."""
