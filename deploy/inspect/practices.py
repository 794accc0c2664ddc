"""`quietline practices`: the 41 practices for one configuration.

A practice is never "met" when software cannot meet it; `practice_downgrades` lowers the status by the
configuration, with the reason. The rows are in `practices.yaml`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from bridge.config.sections import Config
from deploy.inspect.practice_downgrades import DOWNGRADES, PracticeStatus, worst
from policies.pack import Pack
from policies.yaml_file import parse_yaml

HERE: Final = Path(__file__).parents[1]
PRACTICES_FILE: Final = HERE / "practices.yaml"
UNMEETABLE: Final = 22
"""The practice that no text message can meet."""
DEFAULT_PACKS: Final = ("base",)
"""The packs of a line whose configuration names none."""
WITHOUT_CONFIGURATION: Final = (
    "There is no configuration yet: this is about the pack that a line begins with (base). After the first `quietline up`"
    " it is about that line; --config FILE names another."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PracticeResult:
    """One row: `how` it is done, `why` the status is not better (or "")."""

    number: int
    title: str
    standing: PracticeStatus
    how: str
    why: str


def evaluate(config: Config | None, pack: Pack) -> tuple[PracticeResult, ...]:
    """Judge every practice; `config` is None before there is one."""
    rows: list[dict[str, Any]] = parse_yaml(PRACTICES_FILE)
    return tuple(_evaluate_row(row, config, pack) for row in rows)


def all_met(results: tuple[PracticeResult, ...]) -> bool:
    """Whether every practice is met in some way, except the one that never is."""
    return all(v.standing is not PracticeStatus.NOT_MET or v.number == UNMEETABLE for v in results)


def as_json(results: tuple[PracticeResult, ...]) -> str:
    """Return the results for a program."""
    return json.dumps([asdict(verdict) for verdict in results])


def as_text(results: tuple[PracticeResult, ...]) -> list[str]:
    """Return the results for a person."""
    lines: list[str] = []
    for v in results:
        lines.append(f"{v.number:2}  {v.standing}: {v.title}")
        lines.append(f"      {v.how}")
        lines += [f"      But: {v.why}"] if v.why else []
    return lines


def _evaluate_row(row: Mapping[str, Any], config: Config | None, pack: Pack) -> PracticeResult:
    standing, why = worst(config, pack, DOWNGRADES.get(row["number"], ()))
    best = PracticeStatus[row["best"].upper()]
    return PracticeResult(number=row["number"], title=row["title"], standing=standing or best, how=row["how"], why=why)
