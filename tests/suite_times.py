"""The costs of tests: `python -m tests.suite_times RESULTS.xml…` writes the table of `CONTRIBUTING.md`.

Rules of this module: the results are those of `./quietline test --junitxml=RESULTS.xml`, of the whole suite or, in several
files, of its parts. Seconds waited are the sum over tests, of which several run at once; seconds of CPU are of the test's
process and of the children that it waited for. Their sum divided by the number of cores is the least time of a run.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from tests.conftest import CPU_PROPERTY, group

ROOT: Final = Path(__file__).parents[1]
CONTRIBUTING: Final = ROOT / "CONTRIBUTING.md"
PART: Final = re.compile(r"(?P<begin><!-- from a run: times -->\n).*?(?P<end><!-- end -->)", re.DOTALL)
PARTS: Final = ("e2e", "bridge/crash", "bridge/matrix", "bridge/carriers", "bridge", "deploy", "bot", "policies", "")
"""A group belongs to the first part that begins its name. The last part is the rest: tests of the repository itself."""
LONGEST: Final = 12
"""The number of groups with their own row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The cost of one test: seconds waited, and seconds of CPU. `group`: the tests that one process runs together."""

    group: str
    waited: float
    cpu: float


def read(results: Path) -> Iterator[Cost]:
    """Yield the cost of each test of a run. A test without CPU seconds counts as zero."""
    for case in ET.parse(results).iter("testcase"):  # noqa: S314 - our own file
        file = _file(case.attrib["classname"])
        cpu = sum(float(each.attrib["value"]) for each in case.iter("property") if each.attrib["name"] == CPU_PROPERTY)
        yield Cost(group=group(file), waited=float(case.attrib["time"]), cpu=cpu)


def _file(classname: str) -> str:
    """Return the path of a test file from its dotted name, which a class within it may follow."""
    names = classname.split(".")
    while names and not (ROOT / "/".join(names)).with_suffix(".py").is_file():
        names.pop()
    return f"{'/'.join(names)}.py"


def table(costs: Iterable[Cost]) -> str:
    """Return the table: the parts of the suite, then the longest groups."""
    parts: defaultdict[str, list[Cost]] = defaultdict(list)
    groups: defaultdict[str, list[Cost]] = defaultdict(list)
    for cost in costs:
        shared = "e2e" if cost.group.startswith("the line") else cost.group
        parts[next(part for part in PARTS if shared.startswith(part))].append(cost)
        groups[cost.group].append(cost)
    lines = ["| part | tests | seconds waited | seconds of CPU |", "| --- | --- | --- | --- |"]
    lines += [_line(f"`tests/{part}`" if part else "the rest", parts[part]) for part in PARTS if parts[part]]
    lines.append(_line("all", [cost for each in parts.values() for cost in each]))
    lines += ["", "| longest group | tests | seconds waited | seconds of CPU |", "| --- | --- | --- | --- |"]
    longest = sorted(groups.items(), key=lambda item: -sum(cost.waited for cost in item[1]))[:LONGEST]
    lines += [_line(f"`tests/{name}`" if name.endswith(".py") else name, each) for name, each in longest]
    return "\n".join(lines)


def _line(name: str, costs: list[Cost]) -> str:
    return f"| {name} | {len(costs)} | {sum(c.waited for c in costs):.0f} | {sum(c.cpu for c in costs):.0f} |"


if __name__ == "__main__":
    rows = [cost for name in sys.argv[1:] for cost in read(Path(name))]
    text = CONTRIBUTING.read_text(encoding="utf-8")
    CONTRIBUTING.write_text(PART.sub(lambda part: f"{part['begin']}{table(rows)}\n{part['end']}", text), encoding="utf-8")
