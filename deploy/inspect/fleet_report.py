"""The report on a fleet: one row a line, and the worst of their exit codes; and the lines' addresses for Prometheus.

Rules of this module: each line is checked as if it were alone, a few at a time; an unusable line is one row and does not
prevent the checks of the others.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from bridge.storage.errors import DatabaseError
from deploy.data_dir.atomic_files import access_problem
from deploy.data_dir.layout import HOST
from deploy.inspect.check_report import CheckReport, CheckResult, mark_of
from policies import ProblemsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from deploy.data_dir.fleet import FleetLine
    from deploy.data_dir.layout import Layout

EXIT_USAGE: Final = 2
UNUSABLE: Final = "configuration"
AT_ONCE: Final = 4
"""The number of lines checked at the same time: each has dozens of probes, some of which wait for ten seconds."""
ALL_ADDRESSES: Final = {"0.0.0.0": HOST, "::": "[::1]"}

Look: TypeAlias = Callable[["Layout"], Awaitable[tuple[CheckReport, int]]]
"""Checks one line; the number is the line's own exit code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineReport:
    """One line, its report and its exit code."""

    line: FleetLine
    report: CheckReport
    code: int

    @property
    def row(self) -> CheckResult:
        """Return the line as one check: the names of its faults, or of its warnings."""
        name, checks = self.line.name, self.report.checks
        # A line that cannot be used has this check alone, whose name would not say why.
        wrong = [check.what if check.name == UNUSABLE else check.name for check in checks if not check.ok]
        warned = [check.name for check in checks if check.ok and check.warning]
        if wrong or warned:
            return CheckResult(name=name, ok=not wrong, what=", ".join(wrong or warned), warning=not wrong)
        return CheckResult(name=name, ok=self.code == 0, what=f"{len(checks)} checks are well")


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetReport:
    """All lines. As JSON: `{"ok": bool, "lines": [{"line", "data", "ok", "exit", "checks": [..]}]}`."""

    lines: tuple[LineReport, ...]

    @property
    def code(self) -> int:
        """The worst of the lines' exit codes."""
        return max(each.code for each in self.lines)

    def as_json(self) -> str:
        """Return the report for a program."""
        lines = [
            {
                "line": each.line.name,
                "data": str(each.line.layout.data),
                "ok": each.code == 0,
                "exit": each.code,
                "checks": [check.as_object() for check in each.report.checks],
            }
            for each in self.lines
        ]
        return json.dumps({"ok": self.code == 0, "lines": lines})

    def as_text(self, verb: str) -> list[str]:
        """Return the report for a person: one line each, and for a line that is not well the command that says more."""
        said = []
        for each in self.lines:
            said.append(f"{mark_of(each.row)} {each.row.name}: {each.row.what}")
            if not each.row.ok or each.row.warning:
                said.append(f"    quietline {verb} {each.line.layout.option}")
        return said


async def check_lines(lines: Iterable[FleetLine], look: Look) -> FleetReport:
    """Check every line."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(line: FleetLine) -> LineReport:
        async with gate:
            if problem := access_problem(line.layout.data, line.layout.config):
                return LineReport(line=line, report=_unusable(problem), code=EXIT_USAGE)
            try:
                report, code = await look(line.layout)
            except ProblemsError as error:
                report, code = _unusable("; ".join(error.problems)), EXIT_USAGE
            except (DatabaseError, OSError) as error:
                report, code = _unusable(f"cannot be looked at ({type(error).__name__})"), EXIT_USAGE
        return LineReport(line=line, report=report, code=code)

    return FleetReport(lines=tuple(await asyncio.gather(*(one(line) for line in lines))))


def scrape_targets(lines: Sequence[FleetLine]) -> tuple[str, list[str]]:
    """Return the content of Prometheus's file of targets (`file_sd_configs`), and the lines without metrics.

    The label `line` is the slug.
    """
    targets: list[dict[str, Any]] = []
    without = []
    for line in lines:
        if line.config is None or line.config.metrics is None:
            without.append(line.name)
            continue
        host, port = line.config.metrics.address
        address = ALL_ADDRESSES.get(host, f"[{host}]" if ":" in host else host)
        targets.append({"targets": [f"{address}:{port}"], "labels": {"line": line.name}})
    return json.dumps(targets, indent=2), without


def _unusable(what: str) -> CheckReport:
    return CheckReport(checks=(CheckResult(name=UNUSABLE, ok=False, what=what),))
